import * as fs from "node:fs";
import { basename, dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { LINKS, TAKES_PRIVILEGE } from "../install.ts";
import type { Units } from "./scripts.ts";

/** The two packages: all but the wrapper of procmail, and that one. */
export type PackageName = "jailkit" | "jailkit-procmail";

/** A file of a package: where it goes, and where it comes from. */
export interface PackageFile {
  /** Absolute, as on the machine where it is installed. */
  path: string;
  /** 0o4755 for a native entry, which is setuid root until its capability is set. */
  mode: number;
  /** Its content: bytes, a file of the project, or another name (a hard link) of a file that stands before it. */
  content: Uint8Array | { file: string } | { linkTo: string };
  /** A file that the administrator may edit, which an upgrade does not overwrite. */
  configuration?: boolean;
}

/** Paths are absolute. */
export interface PackageOptions {
  root: string;
  /** The folder with bin/ and entry/ of the machine that the package is for. */
  dist: string;
  /** The folder with manual pages and completions, which stands for /usr/share. */
  share: string;
  /** Seconds since the epoch: what every file is dated with, so that two builds are the same. */
  epoch: number;
  /** Where packages go; what is needed on the way lies there too. */
  output: string;
  /** Compresses little, for tests. */
  fast: boolean;
}

/** What a hard link is linked to; undefined for a file of its own. */
export function linkTarget({ content }: PackageFile): string | undefined {
  return content instanceof Uint8Array || !("linkTo" in content) ? undefined : content.linkTo;
}

const SHARED = "/usr/sbin/jailkit";
// Everybody may execute it and root alone read it. An entry hands it a capability without a change of ids, and until its
// guard runs the kernel would count the process as its user's to look into, were the file one that the user can read.
const SHARED_MODE = 0o711;
const PROCMAIL = "jk_procmailwrapper";

function entryPath(name: string): string {
  return `/usr/${TAKES_PRIVILEGE[name] ?? "sbin"}/${name}`;
}

/** Regular files and symbolic links below a folder, sorted. */
function entriesIn(folder: string): { path: string; link?: string }[] {
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return entry.isFile() ? { path } : { path, link: fs.readlinkSync(path) };
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

const filesIn = (folder: string) =>
  entriesIn(folder).flatMap(({ path, link }) => (link === undefined ? [path] : []));

/** A file's content, packed by gzip without a name or a date in it. */
export const compressed = (file: string) => gzipSync(fs.readFileSync(file), { level: 9 });

/** The manual pages that go with a package: those of the wrapper go with the wrapper. */
function manualPages(options: PackageOptions, name: PackageName): PackageFile[] {
  return filesIn(join(options.share, "man"))
    .filter((file) => /\.[1-8]$/.test(file))
    .filter((file) => basename(file).startsWith(`${PROCMAIL}.`) === (name === "jailkit-procmail"))
    .map((file) => ({
      path: `/usr/share/man/man${file.at(-1)}/${basename(file)}.gz`,
      mode: 0o644,
      content: compressed(file),
    }));
}

function documentation(options: PackageOptions, name: PackageName, files: readonly string[]): PackageFile[] {
  return files
    .filter((file) => fs.existsSync(join(options.root, file)))
    .map((file) => ({
      path: `/usr/share/doc/${name}/${basename(file)}`,
      mode: 0o644,
      content: { file: join(options.root, file) },
    }));
}

// jk_socketd.socket names the jail of an example.
const UNIT = /^(?:jk_socketd\.service|jailkit-update\.(?:service|timer))$/;

/** The systemd units of a package, by the paths of its files. */
export function unitsIn(files: readonly PackageFile[]): Units {
  const all = files
    .filter(({ path }) => path.startsWith("/usr/lib/systemd/system/"))
    .map(({ path }) => basename(path));
  return { all, services: all.filter((unit) => unit === "jk_socketd.service") };
}

/**
 * What is in a package, in the order in which it shall appear on the machine: what the entries start comes before them.
 * Nothing of it depends on the format of the package.
 */
export function packageFiles(name: PackageName, options: PackageOptions): PackageFile[] {
  const { root, dist } = options;
  const entry = (tool: string): PackageFile => ({
    path: entryPath(tool),
    mode: 0o4755,
    content: { file: join(dist, "entry", tool) },
  });
  if (name === "jailkit-procmail") {
    return [entry(PROCMAIL), ...manualPages(options, name), ...documentation(options, name, ["README.md"])];
  }
  const units = filesIn(join(root, "docs/units"));
  return [
    { path: SHARED, mode: SHARED_MODE, content: { file: join(dist, "bin/jailkit") } },
    ...Object.keys(TAKES_PRIVILEGE)
      .filter((tool) => tool !== PROCMAIL)
      .map(entry),
    ...LINKS.map((tool) => ({ path: `/usr/sbin/${tool}`, mode: SHARED_MODE, content: { linkTo: SHARED } })),
    ...filesIn(join(root, "config"))
      .filter((file) => file.endsWith(".ini"))
      .map((file) => ({
        path: `/etc/jailkit/${basename(file)}`,
        mode: 0o644,
        content: { file },
        configuration: true,
      })),
    {
      path: "/usr/lib/sysusers.d/jailkit.conf",
      mode: 0o644,
      content: { file: join(root, "config/sysusers.conf") },
    },
    ...units
      .filter((file) => UNIT.test(basename(file)))
      .map((file) => ({
        path: `/usr/lib/systemd/system/${basename(file)}`,
        mode: 0o644,
        content: { file },
      })),
    ...completions(options.share),
    ...manualPages(options, name),
    ...documentation(options, name, [
      "README.md",
      "CHANGELOG.md",
      "docs/security.md",
      "docs/advisories.md",
      "docs/differences.md",
      "docs/panels.md",
    ]),
    ...filesIn(join(root, "docs/schemas")).map((file) => ({
      path: `/usr/share/doc/jailkit/schemas/${basename(file)}`,
      mode: 0o644,
      content: { file },
    })),
    ...units
      .filter((file) => !UNIT.test(basename(file)))
      .map((file) => ({
        path: `/usr/share/doc/jailkit/examples/${basename(file)}`,
        mode: 0o644,
        content: { file },
      })),
  ];
}

/** Completions, where each shell looks for them. What is a link there becomes another name of the file. */
function completions(share: string): PackageFile[] {
  return entriesIn(share)
    .filter(({ path }) => /\/(?:bash-completion|zsh|fish)\//.test(path))
    .map(({ path, link }) => {
      const place = `/usr/share${path.slice(share.length)}`;
      const content = link === undefined ? { file: path } : { linkTo: join(dirname(place), link) };
      return { path: place, mode: 0o644, content };
    });
}

/** Writes the files of a package below `target` (which must not exist), owned by root, all with one date. */
export function stage(files: readonly PackageFile[], target: string, epoch: number): void {
  fs.mkdirSync(target, { recursive: true, mode: 0o755 });
  for (const { path, mode, content } of files) {
    const place = join(target, path);
    fs.mkdirSync(dirname(place), { recursive: true, mode: 0o755 });
    if (content instanceof Uint8Array) fs.writeFileSync(place, content);
    else if ("linkTo" in content) {
      fs.linkSync(join(target, content.linkTo), place);
      continue;
    } else fs.copyFileSync(content.file, place, fs.constants.COPYFILE_FICLONE);
    fs.chownSync(place, 0, 0);
    fs.chmodSync(place, mode);
    fs.utimesSync(place, epoch, epoch);
  }
  for (const folder of foldersIn(target)) {
    fs.chmodSync(folder, 0o755);
    fs.utimesSync(folder, epoch, epoch);
  }
}

/** The folders below one, itself last, so that a date that is set stays. */
export function foldersIn(target: string): string[] {
  return fs
    .readdirSync(target, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .reverse()
    .concat(target);
}
