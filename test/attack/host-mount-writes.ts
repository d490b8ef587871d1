/** Run in a mount namespace of its own: tries each way to write below a mount of /usr, and prints what came of it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { toBytes } from "../../ffi/bytes.ts";
import { openAt } from "../../ffi/files.ts";
import { JailkitError } from "../../src/cli/error.ts";
import { lookUp } from "../../src/jail/fs/look.ts";
import { moveInPlace } from "../../src/jail/fs/place.ts";
import { openJailRoot } from "../../src/jail/fs/walk.ts";
import * as Write from "../../src/jail/fs/write.ts";

const jail = process.argv[2] ?? "";
const host = process.argv[3] ?? "";
mkdirSync(`${jail}/usr/share`, { recursive: true });
mkdirSync(`${jail}/own`);
writeFileSync(`${jail}/file`, "");
const mount = (from: string, to: string) => Bun.spawnSync(["mount", "--bind", from, to]);
mount(host, `${jail}/usr/share`);
mount(`${host}/file`, `${jail}/file`);
const other = `${jail}/../other`;
mkdirSync(other);
mount(other, `${jail}/own`);

using root = openJailRoot(jail);
const attributes = { mode: 0o644, uid: 0, gid: 0 };
const seen = (path: string) => lookUp(root, path)?.stat ?? root.top.stat;
const fd = openAt(-100, "/etc/hostname", 0);
const inside = (at: string): Record<string, () => unknown> => ({
  "a new file": () => Write.putFile(root, `${at}/new`, toBytes("x"), attributes, { absent: true }),
  "a file": () => Write.putFile(root, `${at}/file`, toBytes("x"), attributes, { replace: true }),
  "a symbolic link": () => Write.putSymlink(root, `${at}/link`, "x"),
  "a symbolic link in place of a file": () => Write.putSymlink(root, `${at}/file`, "x", { replace: true }),
  "a hard link": () => Write.putHardLink(root, `${at}/hard`, fd),
  "a device": () => Write.putDevice(root, `${at}/null`, { type: "char", major: 1, minor: 3 }, attributes),
  directories: () => Write.makeDirectories(root, `${at}/a/b`, () => attributes),
  attributes: () => Write.setAttributes(root, `${at}/file`, { mode: 0o600 }),
  "a rename": () =>
    moveInPlace(root, `${at}/file`, `${at}/moved`, "new", { made: seen(`${at}/file`), present: undefined }),
  "a file to remove": () => Write.removePath(root, `${at}/file`, seen(`${at}/file`)),
  "a tree to remove": () => Write.removeTree(root, `${at}/tree`, seen(`${at}/tree`)),
});
const all: Record<string, () => unknown> = {
  ...inside("/usr/share"),
  "the mount point": () => Write.setAttributes(root, "/usr/share", { mode: 0o700 }),
  "all of it": () => Write.removeTree(root, "/usr", seen("/usr")),
  "a mounted file": () => Write.setAttributes(root, "/file", { mode: 0o600 }),
};
for (const [what, act] of Object.entries(all)) {
  try {
    console.log(`${what}: ${act()}`);
  } catch (error) {
    console.log(`${what}: ${error instanceof JailkitError ? error.code : (error as { code: string }).code}`);
  }
}
console.log(`another directory: ${Write.putFile(root, "/own/new", toBytes("x"), attributes)}`);
