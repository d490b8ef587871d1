import * as fs from "node:fs";
import { basename, dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { LINKS, SSHD_EXAMPLE, SSHD_EXAMPLE_PATH, TAKES_PRIVILEGE } from "../install.ts";
import { placedDocuments, withInstalledLinks } from "./documents.ts";

/** The two packages: all but the wrapper of procmail, and that one. */
export const PACKAGES = ["jailkit", "jailkit-procmail"] as const;
export type PackageName = (typeof PACKAGES)[number];

/** A file of a package: where it goes, and where it comes from. */
export interface PackageFile {
  /** Absolute, as on the machine where it is installed. */
  path: string;
  /** 0o4755 for a native entry, which is setuid root until its capability is set. */
  mode: number;
  /** Its content: bytes, a file of the project, or another name (a hard link) of a file that stands before it. */
  content: Uint8Array | { file: string } | { linkTo: string };
}

/** Where the parts of packages are. Paths are absolute. */
export interface Parts {
  root: string;
  /** The folder with bin/ and entry/ of the machine that the package is for. */
  dist: string;
  /** The folder with manual pages and completions, which stands for /usr/share. */
  share: string;
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
const compressed = (file: string) => gzipSync(fs.readFileSync(file), { level: 9 });

/** The manual pages that go with a package: those of the wrapper go with the wrapper. */
function manualPages({ share }: Parts, name: PackageName): PackageFile[] {
  return filesIn(join(share, "man"))
    .filter((file) => /\.[1-8]$/.test(file))
    .filter((file) => basename(file).startsWith(`${PROCMAIL}.`) === (name === "jailkit-procmail"))
    .map((file) => ({
      path: `/usr/share/man/man${file.at(-1)}/${basename(file)}.gz`,
      mode: 0o644,
      content: compressed(file),
    }));
}

// jk_socketd.socket names the jail of an example.
const UNIT = /^(?:jk_socketd\.service|jailkit-update\.(?:service|timer))$/;

function documents(root: string): PackageFile[] {
  const examples = filesIn(join(root, "docs/units")).map((file) => basename(file));
  const placed = placedDocuments(
    root,
    examples.filter((name) => !UNIT.test(name)),
  );
  return placed.map(({ source, path }) => {
    const file = join(root, source);
    if (!source.endsWith(".md")) return { path, mode: 0o644, content: { file } };
    const text = withInstalledLinks(fs.readFileSync(file, "utf8"), source, placed);
    return { path, mode: 0o644, content: new TextEncoder().encode(text) };
  });
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

/** What is in a package, whatever its format; what others are linked to comes before them. */
export function packageFiles(name: PackageName, parts: Parts): PackageFile[] {
  const { root, dist, share } = parts;
  const entry = (tool: string): PackageFile => ({
    path: entryPath(tool),
    mode: 0o4755,
    content: { file: join(dist, "entry", tool) },
  });
  const plain = (folder: string, file: string, as = basename(file)): PackageFile => ({
    path: `${folder}/${as}`,
    mode: 0o644,
    content: { file },
  });
  if (name === "jailkit-procmail") return [entry(PROCMAIL), ...manualPages(parts, name)];
  const config = join(root, "config");
  return [
    { path: SHARED, mode: SHARED_MODE, content: { file: join(dist, "bin/jailkit") } },
    ...Object.keys(TAKES_PRIVILEGE)
      .filter((tool) => tool !== PROCMAIL)
      .map(entry),
    ...LINKS.map((tool) => ({ path: `/usr/sbin/${tool}`, mode: SHARED_MODE, content: { linkTo: SHARED } })),
    ...filesIn(config)
      .filter((file) => file.endsWith(".ini"))
      .map((file) => plain("/etc/jailkit", file)),
    plain("/usr/lib/sysusers.d", join(config, "sysusers.conf"), "jailkit.conf"),
    plain("/usr/lib/tmpfiles.d", join(config, "tmpfiles.conf"), "jailkit.conf"),
    ...filesIn(join(root, "docs/units"))
      .filter((file) => UNIT.test(basename(file)))
      .map((file) => plain("/usr/lib/systemd/system", file)),
    ...completions(share),
    ...manualPages(parts, name),
    ...documents(root),
    { path: `/usr/${SSHD_EXAMPLE_PATH}`, mode: 0o644, content: { file: join(root, SSHD_EXAMPLE) } },
  ];
}

/** Writes the files of a package below `target`, all with one date: `epoch`, in seconds. */
export function stage(files: readonly PackageFile[], target: string, epoch: number): void {
  for (const { path, mode, content } of files) {
    const place = join(target, path);
    fs.mkdirSync(dirname(place), { recursive: true, mode: 0o755 });
    if (content instanceof Uint8Array) fs.writeFileSync(place, content);
    else if ("linkTo" in content) {
      fs.linkSync(join(target, content.linkTo), place);
      continue;
    } else fs.copyFileSync(content.file, place, fs.constants.COPYFILE_FICLONE);
    fs.chmodSync(place, mode);
    fs.utimesSync(place, epoch, epoch);
  }
  for (const folder of foldersIn(target)) {
    fs.chmodSync(folder, 0o755);
    fs.utimesSync(folder, epoch, epoch);
  }
}

/** The folders below one, itself last, so that a date that is set stays. */
function foldersIn(target: string): string[] {
  return fs
    .readdirSync(target, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .reverse()
    .concat(target);
}
