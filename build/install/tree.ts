/**
 * The tree that install-tools puts files into, and its record of them: /var/lib/jailkit/installed.json below the
 * destination. Paths are absolute as on the machine that is started from there.
 */
import { createHash, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { dirname, join } from "node:path";

/** What was installed, and what is to go again with it. */
export interface Installed {
  /** Configuration files by their names, and the SHA-256 of the default that each came with. */
  configuration: Record<string, string>;
  /** All others. */
  files: string[];
  /** Those that were not there before. */
  directories: string[];
  /** Whether there was no /etc/shells. */
  madeShells: boolean;
}

export interface Tree {
  readonly destdir: string;
  readonly installed: Installed;
}

const STATE = "/var/lib/jailkit";
const RECORD = `${STATE}/installed.json`;

export const digest = (text: string) => createHash("sha256").update(text).digest("hex");

/** The tree below a directory, with what its record says; of an unknown or missing one nothing is known. */
export function openTree(destdir: string): Tree {
  const nothing: Installed = { configuration: {}, files: [], directories: [], madeShells: false };
  const record = join(destdir, RECORD);
  const known = fs.existsSync(record) ? JSON.parse(fs.readFileSync(record, "utf8")) : {};
  return { destdir, installed: { ...nothing, ...known } };
}

/** The path of something in the tree, as this process sees it. */
export const at = ({ destdir }: Tree, path: string) => join(destdir, path);

/** Makes a directory, and those above it, and notes which were not there. */
export function makeDirectory(tree: Tree, path: string): void {
  if (fs.existsSync(at(tree, path))) return;
  if (path === "/") fs.mkdirSync(at(tree, path), { recursive: true });
  else {
    makeDirectory(tree, dirname(path));
    fs.mkdirSync(at(tree, path), { mode: 0o755 });
    // Whatever the umask.
    fs.chmodSync(at(tree, path), 0o755);
    tree.installed.directories.push(path);
  }
}

/** Where something is made before it is renamed: beside its place, in a directory that there is then. */
function temporaryFor(tree: Tree, path: string): string {
  makeDirectory(tree, dirname(path));
  return join(dirname(at(tree, path)), `.${randomBytes(8).toString("hex")}.new`);
}

function note({ installed }: Tree, path: string): void {
  if (!installed.files.includes(path)) installed.files.push(path);
}

/** Writes a file under a temporary name, gives it its owner and mode, calls `prepare`, and renames it into place. */
export function replace(
  tree: Tree,
  path: string,
  content: { copyOf: string } | string,
  mode: number,
  prepare?: (path: string) => void,
): void {
  const temporary = temporaryFor(tree, path);
  try {
    if (typeof content === "string") fs.writeFileSync(temporary, content, { mode: 0o600, flag: "wx" });
    else
      fs.copyFileSync(content.copyOf, temporary, fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE);
    fs.chownSync(temporary, 0, 0);
    fs.chmodSync(temporary, mode);
    prepare?.(temporary);
    fs.renameSync(temporary, at(tree, path));
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
}

/** As `replace`; the file is noted, and goes again by `removeAll`. */
export function put(
  tree: Tree,
  path: string,
  ...how: Parameters<typeof replace> extends [Tree, string, ...infer R] ? R : never
): void {
  replace(tree, path, ...how);
  note(tree, path);
}

/** Gives a file of the tree another name, which is noted. */
export function linkTo(tree: Tree, target: string, path: string): void {
  const temporary = temporaryFor(tree, path);
  fs.linkSync(at(tree, target), temporary);
  fs.renameSync(temporary, at(tree, path));
  // rename(2) of two links to one inode does nothing and leaves both.
  fs.rmSync(temporary, { force: true });
  note(tree, path);
}

/** Writes the record. */
export function writeRecord(tree: Tree): void {
  makeDirectory(tree, STATE);
  replace(tree, RECORD, `${JSON.stringify({ version: 1, ...tree.installed }, null, 2)}\n`, 0o600);
}

function removeEmpty(tree: Tree, path: string): void {
  try {
    fs.rmdirSync(at(tree, path));
  } catch (error) {
    // Something of the administrator's is in it, or it is gone.
    if (!(error instanceof Error) || !/^E(?:NOTEMPTY|NOENT|EXIST|NOTDIR|BUSY)\b/.test(error.message))
      throw error;
  }
}

/** Removes the files that were noted, the record, and the directories that were made and are empty. */
export function removeAll(tree: Tree): void {
  const { files, directories } = tree.installed;
  for (const path of [...files, RECORD]) fs.rmSync(at(tree, path), { force: true });
  // What the tools made in there.
  const made = [`${STATE}/jails`, `${STATE}/empty`, ...directories];
  for (const path of made.sort().reverse()) removeEmpty(tree, path);
}
