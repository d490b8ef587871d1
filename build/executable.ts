import * as fs from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { ElfError } from "./elf-file.ts";
import { injectGuard, type Privileged } from "./elf-inject.ts";
import { type Architecture, buildGuard, inFolder } from "./guard.ts";

// Bytecode and code splitting save start-up time. Files in the working directory have no effect.
const FLAGS = [
  ..."--compile --bytecode --minify --format=esm --splitting".split(" "),
  ...["dotenv", "bunfig", "tsconfig", "package-json"].map((file) => `--no-compile-autoload-${file}`),
];

// Most programs end before the JIT has paid for itself; those that copy thousands of files do not.
const LATE_JIT = "--compile-jit-policy=1000";
const BUSY = ["jk_init", "jk_cp"];
// Late enough for a handful of files, early enough for thousands (both measured).
const EARLIER_JIT = "--compile-jit-policy=20";

interface ExecutableOptions {
  /** The project, or another folder: paths in the executable are relative to it. */
  root: string;
  entry: string;
  output: string;
  privileged: Privileged;
  /** Without a guard, for tests. */
  unguarded?: boolean;
  /** Programs of src/tools/ for src/tools/shared.ts: each becomes one file, which is loaded at once. */
  bundles?: readonly string[];
  /** Another architecture, whose runtime is fetched if necessary. */
  target?: Architecture;
}

const root = join(import.meta.dir, "..");
const HERE: Architecture = process.arch === "arm64" ? "arm64" : "x64";
const PACKAGES: Readonly<Record<Architecture, string>> = {
  x64: "@oven/bun-linux-x64",
  arm64: "@oven/bun-linux-aarch64",
};

function run(words: string[], cwd: string): void {
  const { exitCode, stdout, stderr } = Bun.spawnSync(words, { cwd, stdout: "pipe", stderr: "pipe" });
  if (exitCode !== 0) throw new ElfError(`${words.join(" ")}: ${stderr}${stdout}`);
}

/**
 * The path of Bun's executable for another architecture: npm fetches the version in package-lock.json, whose digest is
 * checked, and it is kept below node_modules. Throws `ElfError`.
 */
function runtimeFor(architecture: Architecture): string {
  const name = PACKAGES[architecture];
  const lock = JSON.parse(fs.readFileSync(join(root, "package-lock.json"), "utf8"));
  const { version, integrity } = lock.packages?.[`node_modules/${name}`] ?? {};
  if (!version || !integrity) throw new ElfError(`package-lock.json: no ${name}`);
  const cache = join(root, "node_modules/.cache/jailkit");
  const kept = join(cache, `bun-${architecture}-${version}`);
  if (fs.existsSync(kept)) return kept;
  fs.mkdirSync(cache, { recursive: true });
  inFolder(join(cache, "fetching-"), (folder) => {
    run(["npm", "pack", "--ignore-scripts", `${name}@${version}`], folder);
    const archive = fs.readdirSync(folder).find((file) => file.endsWith(".tgz"));
    if (archive === undefined) throw new ElfError(`npm pack ${name}: no archive`);
    const content = fs.readFileSync(join(folder, archive));
    const digest = new Bun.CryptoHasher("sha512").update(content).digest("base64");
    if (`sha512-${digest}` !== integrity)
      throw new ElfError(`${name}: the archive differs from package-lock.json`);
    run(["tar", "-xzf", archive, "package/bin/bun"], folder);
    fs.renameSync(join(folder, "package/bin/bun"), kept);
  });
  return kept;
}

function bunBuild(options: ExecutableOptions, temporary: string): void {
  const jit = BUSY.includes(basename(options.entry, ".ts")) ? EARLIER_JIT : LATE_JIT;
  const { target, bundles = [] } = options;
  for (const one of bundles) bundle(options, one);
  const path = target && `--compile-executable-path=${runtimeFor(target)}`;
  const other = path === undefined ? [] : [`--target=bun-linux-${target}`, path];
  // A relative name, since an absolute one would be in the executable, and two folders would build different ones.
  const entry = relative(options.root, options.entry);
  const condition = bundles.length === 0 ? [] : ["--conditions=bundled"];
  const words = [...FLAGS, jit, ...other, ...condition, `./${entry}`, "--outfile", temporary];
  runBun(words, options, entry);
}

/** Runs `bun build`. What is for the other architecture is left out: a login would take time to load it. */
function runBun(words: readonly string[], { root, target = HERE }: ExecutableOptions, entry: string): void {
  const define = ["--define", `process.arch="${target}"`];
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, "build", ...define, ...words], {
    cwd: root,
    // Without bunfig.toml, .env and settings in the environment.
    env: { PATH: "/usr/bin:/bin", HOME: "/nonexistent" },
    stdout: "pipe",
    stderr: "pipe",
  });
  if (exitCode !== 0) throw new ElfError(`${entry}: ${stderr}${stdout}`);
}

/** Makes dist/bundle/NAME.js, a program with all that it imports. `#bundle/NAME` of package.json is this file. */
function bundle(options: ExecutableOptions, name: string): void {
  const entry = `src/tools/${name}.ts`;
  const output = join(options.root, "dist/bundle");
  fs.mkdirSync(output, { recursive: true });
  inFolder(join(output, `.build-${name}-`), (folder) => {
    const file = join(folder, `${name}.js`);
    runBun(["--target=bun", "--format=esm", "--minify", `./${entry}`, "--outfile", file], options, entry);
    fs.renameSync(file, join(output, `${name}.js`));
  });
}

/**
 * Compiles one TypeScript file to an executable with the guard in it, and renames it into place. Throws `ElfError` with
 * the output of the compilers.
 */
export function buildExecutable(options: ExecutableOptions): void {
  const architecture = options.target ?? HERE;
  const name = basename(options.output);
  inFolder(join(dirname(options.output), `.build-${name}-`), (folder) => {
    // It has its final name, which is in the executable.
    const compiled = join(folder, name);
    bunBuild(options, compiled);
    if (options.unguarded !== true) {
      // Mapped, since only a few words of more than 100 MB change.
      const mapped = Bun.mmap(compiled, { shared: true });
      const executable = Buffer.from(mapped.buffer, mapped.byteOffset, mapped.byteLength);
      fs.appendFileSync(compiled, injectGuard(executable, buildGuard(architecture), options.privileged));
    }
    fs.chmodSync(compiled, 0o755);
    fs.renameSync(compiled, options.output);
  });
}
