import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ElfError } from "./elf-file.ts";
import type { Architecture } from "./guard.ts";

const root = join(import.meta.dir, "..");
const PACKAGES: Readonly<Record<Architecture, string>> = {
  x64: "@oven/bun-linux-x64",
  arm64: "@oven/bun-linux-aarch64",
};

interface LockFile {
  packages?: Record<string, { version?: string; integrity?: string } | undefined>;
}

/** The version of a package in package-lock.json, and the digest of its archive. */
function locked(name: string): { version: string; integrity: string } {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as LockFile;
  const { version, integrity } = lock.packages?.[`node_modules/${name}`] ?? {};
  if (version === undefined || integrity === undefined) throw new ElfError(`package-lock.json: no ${name}`);
  return { version, integrity };
}

function run(words: string[], cwd: string): void {
  const { exitCode, stdout, stderr } = Bun.spawnSync(words, { cwd, stdout: "pipe", stderr: "pipe" });
  if (exitCode !== 0) throw new ElfError(`${words.join(" ")}: ${stderr}${stdout}`);
}

/**
 * The path of Bun's executable for another architecture: npm fetches the version in package-lock.json, whose digest is
 * checked, and it is kept below node_modules. Throws `ElfError`.
 */
export function runtimeFor(architecture: Architecture): string {
  const name = PACKAGES[architecture];
  const { version, integrity } = locked(name);
  const cache = join(root, "node_modules/.cache/jailkit");
  const kept = join(cache, `bun-${architecture}-${version}`);
  if (existsSync(kept)) return kept;
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "fetching-"));
  try {
    run(["npm", "pack", "--ignore-scripts", `${name}@${version}`], folder);
    const archive = readdirSync(folder).find((file) => file.endsWith(".tgz"));
    if (archive === undefined) throw new ElfError(`npm pack ${name}: no archive`);
    const digest = createHash("sha512")
      .update(readFileSync(join(folder, archive)))
      .digest("base64");
    if (`sha512-${digest}` !== integrity)
      throw new ElfError(`${name}: the archive differs from package-lock.json`);
    run(["tar", "-xzf", archive, "package/bin/bun"], folder);
    renameSync(join(folder, "package/bin/bun"), kept);
    return kept;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
