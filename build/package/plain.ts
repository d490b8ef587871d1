import * as fs from "node:fs";
import { join } from "node:path";
import { octal } from "../../src/cli/octal.ts";
import { VERSION } from "../../src/cli/version.ts";
import { deliver, inScratch, type Job, require, run } from "./job.ts";
import {
  linkTarget,
  PACKAGES,
  type PackageFile,
  type Parts,
  packageFiles,
  stage,
  withParts,
} from "./stage.ts";

/**
 * Creates a .tar.zst of plain files in the output: files/ as they are installed, install.sh, SHA256SUMS. The same commit
 * gives the same bytes. Returns its path.
 */
export function buildPlain(machine: "x86_64" | "aarch64", job: Job): Promise<string[]> {
  require("zstd", "zstd");
  const name = `jailkit-${VERSION}-linux-${machine}`;
  return inScratch(job, async (scratch) => {
    const folder = join(scratch, name);
    fs.mkdirSync(folder);
    await withParts(job.dist, (parts) => fill(folder, parts, job.epoch));
    const fixed = "--sort=name --owner=0 --group=0 --numeric-owner --format=gnu".split(" ");
    await run(["tar", "-C", scratch, ...fixed, `--mtime=@${job.epoch}`, "-cf", `${folder}.tar`, name]);
    // One thread, since the output of several depends on how the work is split.
    await run(["zstd", "-q", "--rm", "--single-thread", job.fast ? "-1" : "-19", `${folder}.tar`]);
    return deliver(job, scratch, /\.tar\.zst$/);
  });
}

async function fill(folder: string, parts: Parts, epoch: number): Promise<void> {
  const all = PACKAGES.flatMap((name) => packageFiles(name, parts));
  const files = all.filter((file) => linkTarget(file) === undefined);
  // Without setuid bits in the archive; install.sh sets them.
  const plain = files.map((file) => ({ ...file, mode: file.mode & 0o777 }));
  stage(plain, join(folder, "files"), epoch);
  const put = (file: string, content: string, mode = 0o644) => {
    fs.writeFileSync(join(folder, file), content);
    fs.chmodSync(join(folder, file), mode);
  };
  put("install.sh", fs.readFileSync(join(parts.root, "packaging/install.sh"), "utf8"), 0o755);
  const isFolder = ({ content }: PackageFile) => content === "directory";
  const listedAs = (file: PackageFile) => `${file.path.slice(1)}${isFolder(file) ? "/" : ""}`;
  put("FILES", files.map((file) => `${octal(file.mode)} ${listedAs(file)}\n`).join(""));
  const links = all.map((file) => [file.path, linkTarget(file)] as const);
  put("LINKS", links.map(([path, to]) => (to ? `${path.slice(1)} ${to.slice(1)}\n` : "")).join(""));
  const contents = files.filter((file) => !isFolder(file)).map(({ path }) => `files${path}`);
  const listed = ["install.sh", "FILES", "LINKS", ...contents];
  put("SHA256SUMS", await run(["sha256sum", ...listed], { cwd: folder }));
}
