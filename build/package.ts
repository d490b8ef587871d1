/**
 * npm run package -- [deb|rpm|tar|sbom]... [--arch x64|arm64] [--dist DIR] [--output DIR] [--fast]
 *
 * Makes packages from what `npm run build` made, all formats where none is named, into dist/packages. Two runs of one
 * commit give the same bytes. SHA256SUMS lists every package in that folder. `--dist` says where the built programs
 * are, `--fast` compresses little.
 */
import * as fs from "node:fs";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { VERSION } from "../src/cli/version.ts";
import { writeCompletions } from "./completions.ts";
import { writeManualPages } from "./man.ts";
import { buildDeb } from "./package/deb.ts";
import { buildPlain } from "./package/plain.ts";
import { buildRpm } from "./package/rpm.ts";
import { run } from "./package/run.ts";
import { billOfMaterials } from "./package/sbom.ts";
import type { PackageOptions } from "./package/stage.ts";

const root = join(import.meta.dir, "..");
const FORMATS = ["deb", "rpm", "tar", "sbom"] as const;
const MACHINES = {
  x64: { debian: "amd64", rpm: "x86_64" },
  arm64: { debian: "arm64", rpm: "aarch64" },
} as const;
type Machine = (typeof MACHINES)[keyof typeof MACHINES];

/** The date of the last commit, or SOURCE_DATE_EPOCH. */
function sourceDate(): number {
  const given = Number(process.env.SOURCE_DATE_EPOCH);
  if (given > 0) return given;
  return Number(run(["git", "-C", root, "-c", `safe.directory=${root}`, "log", "-1", "--format=%ct"]).trim());
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
  const machine = values.arch === "x64" || values.arch === "arm64" ? MACHINES[values.arch] : undefined;
  if (machine === undefined) throw new Error(`--arch ${values.arch}: x64 or arm64`);
  const formats = FORMATS.filter((format) => positionals.length === 0 || positionals.includes(format));
  const unknown = positionals.find((word) => !FORMATS.some((format) => format === word));
  if (unknown !== undefined) throw new Error(`${unknown}: one of ${FORMATS.join(", ")}`);
  const built = values.arch === process.arch ? "dist" : `dist/${values.arch}`;
  const dist = resolve(values.dist ?? join(root, built));
  const program = join(dist, "bin/jailkit");
  if (!fs.existsSync(program)) {
    const target = values.arch === process.arch ? "" : ` -- --target ${values.arch}`;
    throw new Error(`${program} is missing: npm run build${target}`);
  }
  const output = resolve(values.output);
  const options: PackageOptions = {
    root,
    dist,
    share: join(output, ".share"),
    epoch: sourceDate(),
    output,
    fast: values.fast,
  };
  fs.mkdirSync(output, { recursive: true });
  try {
    await writeManualPages(join(options.share, "man"));
    await writeCompletions(options.share);
    makePackages(formats, machine, options);
  } finally {
    fs.rmSync(options.share, { recursive: true, force: true });
  }
}

/** Makes the packages and SHA256SUMS, and tells what each is and how large. */
function makePackages(formats: readonly string[], machine: Machine, options: PackageOptions): void {
  const made: string[] = [];
  for (const name of ["jailkit", "jailkit-procmail"] as const) {
    if (formats.includes("deb")) made.push(buildDeb(name, machine.debian, options));
    if (formats.includes("rpm")) made.push(buildRpm(name, machine.rpm, options));
  }
  if (formats.includes("tar")) made.push(buildPlain(machine.rpm, options));
  if (formats.includes("sbom")) {
    const file = join(options.output, `jailkit-${VERSION}-linux-${machine.rpm}.cdx.json`);
    fs.writeFileSync(file, billOfMaterials(options));
    made.push(file);
  }
  for (const file of made) console.log(`${relative(process.cwd(), file)}  ${fs.statSync(file).size}`);
  const all = fs.readdirSync(options.output).filter((name) => /\.(?:deb|rpm|tar\.zst|cdx\.json)$/.test(name));
  const sums = all.sort().map((name) => {
    const digest = new Bun.CryptoHasher("sha256")
      .update(fs.readFileSync(join(options.output, name)))
      .digest("hex");
    return `${digest}  ${name}\n`;
  });
  fs.writeFileSync(join(options.output, "SHA256SUMS"), sums.join(""));
}

try {
  await main();
} catch (error) {
  console.error(`package: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
