import * as fs from "node:fs";
import { join } from "node:path";
import { octal } from "../../src/cli/octal.ts";
import { VERSION } from "../../src/cli/version.ts";
import { inScratch, type Job } from "./job.ts";
import { withParts } from "./parts.ts";
import { require, run } from "./run.ts";
import { linkTarget, PACKAGES, type Parts, packageFiles, stage } from "./stage.ts";

/**
 * Creates a .tar.zst of plain files in the output: files/ as they are installed, install.sh, SHA256SUMS. The same commit
 * gives the same bytes. Returns its path.
 */
export function buildPlain(machine: "x86_64" | "aarch64", job: Job): Promise<string[]> {
  require("zstd", "zstd");
  const name = `jailkit-${VERSION}-linux-${machine}`;
  const output = join(job.output, `${name}.tar.zst`);
  return inScratch(job, async (scratch) => {
    const folder = join(scratch, name);
    fs.mkdirSync(folder);
    await withParts(job.dist, (parts) => fill(folder, parts, job.epoch));
    const tar = `${folder}.tar`;
    const fixed = [
      "--sort=name",
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      `--mtime=@${job.epoch}`,
      "--format=gnu",
    ];
    await run(["tar", "-C", scratch, ...fixed, "-cf", tar, name]);
    // One thread, since the output of several depends on how the work is split.
    await run(["zstd", "-q", "--rm", "--single-thread", job.fast ? "-1" : "-19", tar]);
    fs.renameSync(`${tar}.zst`, output);
    return [output];
  });
}

function fill(folder: string, parts: Parts, epoch: number): void {
  const all = PACKAGES.flatMap((name) => packageFiles(name, parts));
  const files = all.filter((file) => linkTarget(file) === undefined);
  // Without setuid bits in the archive; install.sh sets them.
  stage(
    files.map((file) => ({ ...file, mode: file.mode & 0o777 })),
    join(folder, "files"),
    epoch,
  );
  const put = (file: string, lines: string[] | string, mode = 0o644) => {
    fs.writeFileSync(join(folder, file), typeof lines === "string" ? lines : lines.join(""));
    fs.chmodSync(join(folder, file), mode);
  };
  put("install.sh", fs.readFileSync(join(parts.root, "packaging/install.sh"), "latin1"), 0o755);
  put(
    "FILES",
    files.map(({ path, mode }) => `${octal(mode)} ${path.slice(1)}\n`),
  );
  put(
    "LINKS",
    all.flatMap((file) => {
      const target = linkTarget(file);
      return target === undefined ? [] : [`${file.path.slice(1)} ${target.slice(1)}\n`];
    }),
  );
  const listed = ["install.sh", "FILES", "LINKS", ...files.map(({ path }) => `files${path}`)];
  put(
    "SHA256SUMS",
    listed.map((file) => {
      const digest = new Bun.CryptoHasher("sha256").update(fs.readFileSync(join(folder, file))).digest("hex");
      return `${digest}  ${file}\n`;
    }),
  );
}
