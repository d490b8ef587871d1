import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { toBytes } from "../../ffi/bytes.ts";
import type { JailRoot } from "../../src/jail/fs/walk.ts";
import {
  makeDirectories,
  putDevice,
  putFile,
  putHardLink,
  putSymlink,
  removePath,
  removeTree,
  setAttributes,
} from "../../src/jail/fs/write.ts";
import { makeJail, seen, type TestJail, USER } from "../unit/jail-helper.ts";

/** A jail whose user has a home, and things outside the jail and of root that no operation may change. */
export interface Scene extends TestJail {
  /** A directory of root beside the jail. */
  outside: string;
  /** A directory of the same user beside the jail. */
  outsideUser: string;
  /** A file of root that operations link into the jail. */
  source: number;
}

function put(path: string, content: string, uid: number): void {
  writeFileSync(path, content, { mode: 0o644 });
  chownSync(path, uid, uid);
}

/** A directory with a file "f", a directory "d" and "d/f". */
function plantTree(path: string, uid: number): void {
  for (const name of ["", "/d"]) {
    mkdirSync(path + name, { mode: 0o755 });
    chownSync(path + name, uid, uid);
    put(`${path}${name}/f`, `${path}${name}`, uid);
  }
}

/** Makes a scene; close it. */
export function makeScene(): Scene {
  const jail = makeJail();
  const outside = `${jail.base}/outside`;
  const outsideUser = `${jail.base}/outside-user`;
  plantTree(outside, 0);
  plantTree(outsideUser, USER);
  plantTree(`${jail.path}/etc/r`, 0);
  plantTree(`${jail.path}/home/u/own`, USER);
  writeFileSync(`${jail.base}/source`, "source");
  const source = openSync(`${jail.base}/source`, "r");
  const close = () => {
    closeSync(source);
    jail.close();
  };
  return { ...jail, outside, outsideUser, source, close };
}

/** The state of a tree, a line for each name in it: type, mode, owner, size, device, inode, contents. */
export function snapshot(path: string): string[] {
  const stat = lstatSync(path);
  const facts = [path, stat.mode.toString(8), stat.uid, stat.gid, stat.rdev, stat.ino, stat.mtimeMs];
  if (stat.isSymbolicLink()) facts.push(readlinkSync(path));
  if (stat.isFile()) facts.push(stat.nlink, createHash("sha256").update(readFileSync(path)).digest("hex"));
  const below = stat.isDirectory() ? readdirSync(path).sort() : [];
  return [facts.join(" "), ...below.flatMap((name) => snapshot(`${path}/${name}`))];
}

/** What must not change: everything outside the jail, and what root has in it. */
export function protectedState(scene: Scene): string[] {
  return [
    ...snapshot(scene.outside),
    ...snapshot(scene.outsideUser),
    ...snapshot(`${scene.path}/etc`),
    ...snapshot(`${scene.path}/usr`),
  ];
}

const attributes = { mode: 0o4755, uid: 12, gid: 34 };
const content = toBytes("written by root");
const always = { replace: true };

/** What root does to a path in the jail; each may refuse by throwing. */
export const OPERATIONS: Readonly<Record<string, (root: JailRoot, path: string, scene: Scene) => unknown>> = {
  create: (root, path) => putFile(root, path, content, attributes),
  overwrite: (root, path) => putFile(root, path, content, attributes, always),
  chmod: (root, path) => setAttributes(root, path, { mode: 0o777 }),
  chown: (root, path) => setAttributes(root, path, { uid: USER, gid: USER }),
  utimes: (root, path) => setAttributes(root, path, { mtime: 1n }),
  link: (root, path, { source }) => putHardLink(root, path, source, always),
  symlink: (root, path) =>
    putSymlink(root, path, "/etc", { ...always, attributes: { uid: USER, gid: USER } }),
  mknod: (root, path) => putDevice(root, path, { type: "char", major: 1, minor: 3 }, attributes, always),
  mkfifo: (root, path) => putDevice(root, path, { type: "fifo", major: 0, minor: 0 }, attributes, always),
  mkdir: (root, path) => makeDirectories(root, path, () => attributes),
  unlink: (root, path) => removePath(root, path, seen(root, path)),
  rmtree: (root, path) => removeTree(root, path, seen(root, path)),
};

/** Restores what operations remove from the user's own tree. */
export function restoreOwn(scene: Scene): void {
  const own = `${scene.path}/home/u/own`;
  mkdirSync(`${own}/d`, { recursive: true });
  for (const name of ["f", "d/f"]) put(`${own}/${name}`, name, USER);
  chmodSync(`${own}/d`, 0o755);
}
