/**
 * The tree into which install-tools installs, and its record: /var/lib/jailkit/installed.json below the destination.
 * Paths are absolute below the destination.
 */
import { createHash, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { dirname, join } from "node:path";

/** What was installed, and must be removed with it. */
interface Installed {
  /** Configuration files, and the SHA-256 of their defaults. */
  configuration: Record<string, string>;
  /** All other files. */
  files: string[];
  /** Directories that did not exist before. */
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

/** The SHA-256 of a text, in hexadecimal. */
export const digest = (text: string) => createHash("sha256").update(text).digest("hex");

/** The tree below a directory, with its record, if there is one. */
export function openTree(destdir: string): Tree {
  const nothing: Installed = { configuration: {}, files: [], directories: [], madeShells: false };
  const record = join(destdir, RECORD);
  const installed = fs.existsSync(record) ? JSON.parse(fs.readFileSync(record, "utf8")) : {};
  return { destdir, installed: { ...nothing, ...installed } };
}

/** The path of a file of the tree for this process. */
export const at = ({ destdir }: Tree, path: string) => join(destdir, path);

/** Creates a directory and those above it, and records the new ones. */
export function makeDirectory(tree: Tree, path: string): void {
  if (fs.existsSync(at(tree, path))) return;
  if (path === "/") fs.mkdirSync(at(tree, path), { recursive: true });
  else {
    makeDirectory(tree, dirname(path));
    fs.mkdirSync(at(tree, path), { mode: 0o755 });
    // With any umask.
    fs.chmodSync(at(tree, path), 0o755);
    tree.installed.directories.push(path);
  }
}

/** A temporary path beside a file, in a directory that then exists. */
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

/** As `replace`, and records the file for `removeAll`. */
export function put(
  tree: Tree,
  path: string,
  ...how: Parameters<typeof replace> extends [Tree, string, ...infer R] ? R : never
): void {
  replace(tree, path, ...how);
  note(tree, path);
}

/** Adds a hard link to a file of the tree, and records it. */
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
    // It contains files of the administrator, or is gone.
    if (!(error instanceof Error) || !/^E(?:NOTEMPTY|NOENT|EXIST|NOTDIR|BUSY)\b/.test(error.message))
      throw error;
  }
}

/** Removes the recorded files, the record, and the new directories that are empty. */
export function removeAll(tree: Tree): void {
  const { files, directories } = tree.installed;
  for (const path of [...files, RECORD]) fs.rmSync(at(tree, path), { force: true });
  // Created by the tools.
  const made = ["jails", "locks", "moves", "empty"].map((name) => `${STATE}/${name}`).concat(directories);
  for (const path of made.sort().reverse()) removeEmpty(tree, path);
}
