import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { writeCompletions } from "../completions.ts";
import { DECLARATIONS, LINKS, PRIVILEGED_FOLDERS, SSHD_EXAMPLE, SSHD_EXAMPLE_PATH } from "../layout.ts";
import { writeManualPages } from "../man.ts";
import { installedDocuments, withInstalledLinks } from "./documents.ts";

/** The two packages: all but the wrapper of procmail, and that one. */
export const PACKAGES = ["jailkit", "jailkit-procmail"] as const;
type PackageName = (typeof PACKAGES)[number];

/** A file of a package, or a directory that it has though nothing is in it. */
export interface PackageFile {
  /** The absolute path where it is installed. */
  path: string;
  /** 0o4755 for a native entry, which is setuid root until its capability is set. */
  mode: number;
  /** Bytes, a file of the project, or the path of an earlier file of the package that this is a hard link to. */
  content: Uint8Array | { file: string } | { linkTo: string } | "directory";
}

/** The sources of packages. Paths are absolute. */
export interface Parts {
  root: string;
  /** The folder with bin/ and entry/ for the package's architecture. */
  dist: string;
  /** The folder with manual pages and completions, for /usr/share. */
  share: string;
}

/** The target of a hard link; undefined for any other file. */
export function linkTarget({ content }: PackageFile): string | undefined {
  return typeof content === "object" && "linkTo" in content ? content.linkTo : undefined;
}

const SHARED = "/usr/sbin/jailkit";
// Only root may read it. An entry passes it a capability without a change of ids, and until its guard runs the kernel
// would make the process dumpable if its user could read the file.
const SHARED_MODE = 0o711;
const PROCMAIL = "jk_procmailwrapper";

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

/** The manual pages of a package. Those of the wrapper are in its package. */
function manualPages({ share }: Parts, name: PackageName): PackageFile[] {
  return filesIn(join(share, "man"))
    .filter((file) => /\.[1-8]$/.test(file))
    .filter((file) => basename(file).startsWith(`${PROCMAIL}.`) === (name === "jailkit-procmail"))
    .map((file) => ({
      path: `/usr/share/man/man${file.at(-1)}/${basename(file)}.gz`,
      mode: 0o644,
      // Without a name or a date.
      content: gzipSync(fs.readFileSync(file), { level: 9 }),
    }));
}

// Not jk_socketd.socket, which is an example.
const UNIT = /^(?:jk_socketd\.service|jailkit-update\.(?:service|timer))$/;

function documents(root: string): PackageFile[] {
  const units = filesIn(join(root, "docs/units")).map((file) => basename(file));
  const examples = units.filter((name) => !UNIT.test(name));
  const installed = installedDocuments(root, examples);
  return installed.map(({ source, path }) => {
    const file = join(root, source);
    if (!/\.(?:md|json)$/.test(source)) return { path, mode: 0o644, content: { file } };
    const text = fs.readFileSync(file, "utf8");
    // Programs read schemas: half of such a file is blanks.
    const shown = source.endsWith(".md")
      ? withInstalledLinks(text, source, installed)
      : `${JSON.stringify(JSON.parse(text))}\n`;
    return { path, mode: 0o644, content: new TextEncoder().encode(shown) };
  });
}

/** Completions, where each shell looks for them. Symbolic links become hard links. */
function completions(share: string): PackageFile[] {
  return entriesIn(share)
    .filter(({ path }) => /\/(?:bash-completion|zsh|fish)\//.test(path))
    .map(({ path, link }) => {
      const place = `/usr/share${path.slice(share.length)}`;
      const content = link === undefined ? { file: path } : { linkTo: join(dirname(place), link) };
      return { path: place, mode: 0o644, content };
    });
}

/** The files of a package in any format. Hard links come after their targets. */
export function packageFiles(name: PackageName, parts: Parts): PackageFile[] {
  const { root, dist, share } = parts;
  const entry = (tool: string): PackageFile => ({
    path: `/usr/${PRIVILEGED_FOLDERS[tool]}/${tool}`,
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
    ...Object.keys(PRIVILEGED_FOLDERS)
      .filter((tool) => tool !== PROCMAIL)
      .map(entry),
    ...LINKS.map((tool) => ({ path: `/usr/sbin/${tool}`, mode: SHARED_MODE, content: { linkTo: SHARED } })),
    ...filesIn(config)
      .filter((file) => file.endsWith(".ini"))
      .map((file) => plain("/etc/jailkit", file)),
    { path: `/etc/jailkit/${DECLARATIONS}`, mode: 0o755, content: "directory" },
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

/** Calls `use` with the sources of packages. Creates manual pages and completions, and removes them afterwards. */
export async function withParts<T>(dist: string, use: (parts: Parts) => T | Promise<T>): Promise<T> {
  const share = fs.mkdtempSync(join(tmpdir(), "jailkit-share-"));
  try {
    await writeManualPages(join(share, "man"));
    await writeCompletions(share);
    return await use({ root: join(import.meta.dir, "../.."), dist, share });
  } finally {
    fs.rmSync(share, { recursive: true, force: true });
  }
}

/** Writes the files of a package below `target`, all dated `epoch` (seconds). */
export function stage(files: readonly PackageFile[], target: string, epoch: number): void {
  for (const { path, mode, content } of files) {
    const place = join(target, path);
    // foldersIn() has what a directory needs.
    fs.mkdirSync(content === "directory" ? place : dirname(place), { recursive: true, mode: 0o755 });
    if (content === "directory") continue;
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

/** The folders below one, and itself last, so that setting dates does not change dates that were set. */
function foldersIn(target: string): string[] {
  return fs
    .readdirSync(target, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .reverse()
    .concat(target);
}
