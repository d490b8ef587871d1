/** What the tests of the packages share: the packages themselves, and jailkit 2.23's. */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { basename, join } from "node:path";
import { cache, checkout } from "../machine/helper.ts";
import { ensureBuilt, type Machine } from "../machine/machine.ts";

/** What `build/package.ts --fast` made, by absolute paths. */
export interface Packages {
  /** The programs that went in: bin/ and entry/. */
  dist: string;
  deb: string;
  procmailDeb: string;
  rpm: string;
  procmailRpm: string;
  tar: string;
  sbom: string;
  sums: string;
}

function inputs(): string[] {
  const folders = ["build", "config", "debian", "docs", "packaging", "dist/entry"].map((name) =>
    join(checkout, name),
  );
  const below = folders.flatMap((folder) =>
    fs.existsSync(folder)
      ? fs
          .readdirSync(folder, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name))
      : [],
  );
  const single = ["dist/bin/jailkit", "package.json", "README.md", "CHANGELOG.md", "LICENSE"];
  return [...below, ...single.map((name) => join(checkout, name)).filter((file) => fs.existsSync(file))];
}

/**
 * Makes packages from `dist` into `output`: all formats, of this machine's kind and little compressed, where no words
 * say otherwise.
 */
export function buildPackages(dist: string, output: string, words: readonly string[] = ["--fast"]): void {
  const script = join(checkout, "build/package.ts");
  const all = [process.execPath, script, "--dist", dist, "--output", output, ...words];
  const built = Bun.spawnSync(all, {
    cwd: checkout,
    // The date of every file in them.
    env: { PATH: process.env.PATH ?? "", SOURCE_DATE_EPOCH: "1750000000" },
    stdin: "ignore",
  });
  if (!built.success) throw new Error(`build/package.ts: ${built.stderr}${built.stdout}`);
}

/** Removes older packages, and what was left unfinished; not what a process still makes. */
function removeUnused(all: string): void {
  for (const name of fs.existsSync(all) ? fs.readdirSync(all) : []) {
    const [, maker] = /^unfinished\.(\d+)$/.exec(name) ?? [];
    if (maker === undefined || !fs.existsSync(`/proc/${maker}`))
      fs.rmSync(join(all, name), { recursive: true, force: true });
  }
}

/** The packages of what is built now, made once for all test files and kept until something of it changes. */
export function packages(): Packages {
  ensureBuilt(["jailkit", "jk_chrootsh", "jk_procmailwrapper", "jk_uchroot"]);
  const state = inputs().map((file) => {
    const { size, mtimeMs } = fs.statSync(file);
    return `${file} ${size} ${mtimeMs}`;
  });
  const key = createHash("sha256").update(state.join("\n")).digest("hex").slice(0, 16);
  const all = join(cache, "packages");
  const folder = join(all, key);
  const dist = join(folder, "dist");
  const output = join(folder, "packages");
  if (!fs.existsSync(folder)) {
    removeUnused(all);
    const unfinished = `${all}/unfinished.${process.pid}`;
    fs.mkdirSync(join(unfinished, "dist/bin"), { recursive: true });
    fs.mkdirSync(join(unfinished, "dist/entry"));
    // Links: what somebody builds meanwhile is another file.
    fs.linkSync(join(checkout, "dist/bin/jailkit"), join(unfinished, "dist/bin/jailkit"));
    for (const name of fs.readdirSync(join(checkout, "dist/entry")))
      fs.linkSync(join(checkout, "dist/entry", name), join(unfinished, "dist/entry", name));
    buildPackages(join(unfinished, "dist"), join(unfinished, "packages"));
    // Another test file may have made the same meanwhile.
    if (fs.existsSync(folder)) fs.rmSync(unfinished, { recursive: true });
    else fs.renameSync(unfinished, folder);
  }
  const find = (pattern: RegExp) => {
    const name = fs.readdirSync(output).find((file) => pattern.test(file));
    if (name === undefined) throw new Error(`build/package.ts made no ${pattern}`);
    return join(output, name);
  };
  return {
    dist,
    deb: find(/^jailkit_.*\.deb$/),
    procmailDeb: find(/^jailkit-procmail_.*\.deb$/),
    rpm: find(/^jailkit-\d.*\.rpm$/),
    procmailRpm: find(/^jailkit-procmail-.*\.rpm$/),
    tar: find(/^jailkit-.*\.tar\.zst$/),
    sbom: find(/\.cdx\.json$/),
    sums: find(/^SHA256SUMS$/),
  };
}

/** Puts files of the host into a folder of the machine, and returns their paths there. */
export function bring(m: Machine, folder: string, ...files: string[]): string[] {
  return files.map((file) => {
    const target = `${folder}/${basename(file)}`;
    m.write(target, fs.readFileSync(file));
    return target;
  });
}

/**
 * Debian's package of jailkit 2.23 as a .deb in the machine, put together again from the files that the machine has of
 * it (so no network is needed); each is compared with the package's own list of digests. Returns its path.
 */
export function oldPackage(m: Machine): string {
  const info = "/var/lib/dpkg/info/jailkit";
  const folder = "/root/jailkit-2.23";
  m.must(["md5sum", "--check", "--quiet", `${info}.md5sums`], { cwd: "/" });
  const status = m.must(["dpkg-query", "--status", "jailkit"]).stdout;
  if (!/^Version: 2\.23-/m.test(status))
    throw new Error("jailkit 2.23 is not installed: apt-get install jailkit");
  for (const path of m.must(["dpkg-query", "--listfiles", "jailkit"]).stdout.trim().split("\n").sort()) {
    if (path === "/.") continue;
    const directory = m.must(["stat", "-c", "%F", path]).stdout === "directory\n";
    if (directory) m.mkdir(folder + path);
    else m.must(["cp", "-a", path, folder + path]);
  }
  // The fields Status and Conffiles are of the machine, not of the package.
  const control = status.replace(/^(?:Status|Conffiles):.*\n(?: .*\n)*/gm, "");
  m.write(`${folder}/DEBIAN/control`, control);
  for (const name of ["conffiles", "md5sums"]) m.write(`${folder}/DEBIAN/${name}`, m.read(`${info}.${name}`));
  for (const name of ["postinst", "prerm"])
    m.write(`${folder}/DEBIAN/${name}`, m.read(`${info}.${name}`), { mode: 0o755 });
  const deb = `${folder}.deb`;
  m.must(["dpkg-deb", "-Zgzip", "--build", folder, deb]);
  m.remove(folder);
  return deb;
}

/** A package's state as dpkg knows it, as `ii  3.0.0-1`; undefined where it knows nothing of it. */
export function stateOf(m: Machine, name: string): string | undefined {
  const query = m.run(["dpkg-query", "-W", "-f", "$" + "{db:Status-Abbrev} $" + "{Version}", name]);
  return query.status === 0 ? query.stdout : undefined;
}

/** Owner, mode and capabilities of a file, as `root:root 755 cap_sys_chroot=ep`. */
export function privilegeOf(m: Machine, path: string): string {
  const { stdout } = m.must(["stat", "-c", "%U:%G %a", path]);
  const [, capabilities = ""] = m.must(["getcap", path]).stdout.trim().split(" ");
  return `${stdout.trim()} ${capabilities}`.trim();
}

/**
 * A repository of packages in a folder of the machine, and nothing else that apt-get knows. Returns the words that start
 * it for an action.
 */
export function repository(m: Machine, folder: string, ...debs: string[]): (...words: string[]) => string[] {
  m.remove(folder);
  m.mkdir(folder);
  const paragraphs = debs.map((deb) => {
    m.must(["ln", "-s", deb, `${folder}/`]);
    const digest = m.must(["sha256sum", deb]).stdout.split(" ")[0];
    const size = m.must(["stat", "-c", "%s", deb]).stdout.trim();
    const control = m.must(["dpkg-deb", "-f", deb]).stdout.trimEnd();
    return `${control}\nFilename: ./${basename(deb)}\nSize: ${size}\nSHA256: ${digest}\n`;
  });
  m.write(`${folder}/Packages`, paragraphs.join("\n"));
  m.write(`${folder}/sources.list`, `deb [trusted=yes] file:${folder} ./\n`);
  const options = [
    `Dir::Etc::SourceList=${folder}/sources.list`,
    "Dir::Etc::SourceParts=/dev/null",
    "APT::Sandbox::User=root",
    "Dpkg::Options::=--force-confdef",
    "Dpkg::Options::=--force-confold",
  ].flatMap((option) => ["-o", option]);
  m.must(["apt-get", ...options, "update"]);
  return (...words) => ["apt-get", ...options, "-y", ...words];
}

/** An rpm package with one program, which is a file of the machine, and with no needs; its path there. */
export function smallRpm(m: Machine, name: string, source: string, target: string): string {
  const spec = `Name: ${name}
Version: 2
Release: 1
Summary: a program
License: none
BuildArch: noarch
AutoReqProv: no
%global __os_install_post %{nil}
%global debug_package %{nil}
%define _binaries_in_noarch_packages_terminate_build 0
%description
A program.
%install
install -D -m 0755 ${source} %{buildroot}${target}
%files
${target}
`;
  m.write(`/root/${name}.spec`, spec);
  const folders = ["--define", "_topdir /root/top", "--define", "_rpmdir /root"];
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", LC_ALL: "C" };
  m.must(["rpmbuild", "-bb", ...folders, `/root/${name}.spec`], { env });
  return `/root/noarch/${name}-2-1.noarch.rpm`;
}

/** What README.md states of a package in its table of sizes, in units of 1000. */
export function statedSizes(name: string): { download: number; installed: number } {
  const readme = fs.readFileSync(join(checkout, "README.md"), "utf8");
  const row = readme.split("\n").find((line) => line.startsWith(`| ${name} | `)) ?? "";
  const units: Record<string, number> = { KB: 1000, MB: 1_000_000 };
  const [download = 0, installed = 0] = [...row.matchAll(/(\d+) (KB|MB) \|/g)].map(
    ([, number, unit = ""]) => Number(number) * (units[unit] ?? 0),
  );
  return { download, installed };
}

if (import.meta.main) packages();
