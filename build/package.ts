/**
 * npm run package -- [deb|rpm|tar|sbom]... [--arch x64|arm64] [--dist DIR] [--output DIR] [--fast]
 *
 * Creates packages in dist/packages from what `npm run build` made, in the named formats or in all. Two runs of one commit
 * give the same bytes. SHA256SUMS lists every package in that folder. `--dist` is the folder of the built programs, and
 * `--fast` compresses little. Progress is shown on standard error.
 */
import * as fs from "node:fs";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { VERSION } from "../src/cli/version.ts";
import { buildDebs } from "./package/debian.ts";
import { type Job, run } from "./package/job.ts";
import { buildPlain } from "./package/plain.ts";
import { buildRpms } from "./package/rpm.ts";
import { billOfMaterials } from "./package/sbom.ts";

const root = join(import.meta.dir, "..");
const ARCHITECTURES = {
  x64: { debian: "amd64", rpm: "x86_64" },
  arm64: { debian: "arm64", rpm: "aarch64" },
} as const;
type Architecture = (typeof ARCHITECTURES)[keyof typeof ARCHITECTURES];

const MAKERS: Readonly<Record<string, (architecture: Architecture, job: Job) => Promise<string[]>>> = {
  deb: (architecture, job) => buildDebs(architecture.debian, job),
  rpm: (architecture, job) => buildRpms(architecture.rpm, job),
  tar: (architecture, job) => buildPlain(architecture.rpm, job),
  sbom: async (architecture, job) => {
    const file = join(job.output, `jailkit-${VERSION}-linux-${architecture.rpm}.cdx.json`);
    fs.writeFileSync(file, billOfMaterials(job));
    return [file];
  },
};

/** The date of the last commit, or SOURCE_DATE_EPOCH. */
async function sourceDate(): Promise<number> {
  const given = Number(process.env.SOURCE_DATE_EPOCH);
  if (given > 0) return given;
  const words = ["git", "-C", root, "-c", `safe.directory=${root}`, "log", "-1", "--format=%ct"];
  return Number((await run(words)).trim());
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    args: process.argv.slice(2),
    allowPositionals: true,
    options: {
      arch: { type: "string", default: process.arch },
      dist: { type: "string" },
      output: { type: "string", default: join(root, "dist/packages") },
      fast: { type: "boolean", default: false },
    },
  });
  const architecture =
    values.arch === "x64" || values.arch === "arm64" ? ARCHITECTURES[values.arch] : undefined;
  if (architecture === undefined) throw new Error(`--arch ${values.arch}: x64 or arm64`);
  const formats = Object.entries(MAKERS).filter(
    ([name]) => positionals.length === 0 || positionals.includes(name),
  );
  const unknown = positionals.find((word) => !Object.hasOwn(MAKERS, word));
  if (unknown !== undefined) throw new Error(`${unknown}: one of ${Object.keys(MAKERS).join(", ")}`);
  const built = values.arch === process.arch ? "dist" : `dist/${values.arch}`;
  const dist = resolve(values.dist ?? join(root, built));
  const program = join(dist, "bin/jailkit");
  if (!fs.existsSync(program)) {
    const target = values.arch === process.arch ? "" : ` -- --target ${values.arch}`;
    throw new Error(`${program} is missing: npm run build${target}`);
  }
  const job: Job = {
    root,
    dist,
    epoch: await sourceDate(),
    output: resolve(values.output),
    fast: values.fast,
  };
  fs.mkdirSync(job.output, { recursive: true });
  // If one fails, the others continue.
  const results = await Promise.allSettled(
    formats.map(([name, build]) => make(name, () => build(architecture, job))),
  );
  await writeSums(job.output);
  const failures = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
  if (failures.length > 0) throw new Error(failures.map((reason) => reason.message).join("\n"));
}

/** Creates the packages of one format, and reports the start, and each file with its size. */
async function make(format: string, build: () => Promise<string[]>): Promise<void> {
  const started = performance.now();
  console.error(`package: ${format}: started`);
  const files = await build().catch((error: Error) => {
    console.error(`package: ${format}: failed`);
    throw error;
  });
  console.error(`package: ${format}: done in ${Math.round((performance.now() - started) / 1000)} s`);
  for (const file of files) console.log(`${relative(process.cwd(), file)}  ${fs.statSync(file).size}`);
}

async function writeSums(folder: string): Promise<void> {
  const names = fs.readdirSync(folder).filter((name) => /\.(?:deb|rpm|tar\.zst|cdx\.json)$/.test(name));
  const sums = names.length === 0 ? "" : await run(["sha256sum", ...names.sort()], { cwd: folder });
  fs.writeFileSync(join(folder, "SHA256SUMS"), sums);
}

try {
  await main();
} catch (error) {
  console.error(`package: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
