import { existsSync, lstatSync, mkdirSync, writeFileSync } from "node:fs";
import { toBytes } from "../../ffi/bytes.ts";
import { cArgument, check, libc } from "../../ffi/libc.ts";
import { closeJailRoot, openJailRoot, release, walk } from "../../src/jail/fs/walk.ts";
import { makeDirectories, putDevice, putFile, putSymlink, removeTree } from "../../src/jail/fs/write.ts";
import { codeOf, makeJail, messageOf, seen, USER } from "../unit/jail-helper.ts";

/** Runs in a mount namespace of its own, see escape-mount.test.ts; prints what it found as JSON. */
const jail = makeJail();
const home = `${jail.path}/home/u`;
const options = `uid=${USER},gid=${USER},mode=755`;
check(libc.mount(cArgument("none"), cArgument(home), cArgument("tmpfs"), 0, cArgument(options)), "mount");
// Opened anew, since what was opened before the mount is below it.
const root = openJailRoot(jail.path);
const directory = walk(root, "/home/u");
const { trusted, stage } = directory;
release(directory);
const attributes = { mode: 0o2750, uid: USER, gid: USER };
const owner = { uid: USER, gid: USER };
const found = {
  trusted,
  stage: stage?.path ?? null,
  file: putFile(root, "/home/u/f", toBytes("x"), attributes),
  link: putSymlink(root, "/home/u/l", "f", { attributes: owner }),
  fifo: putDevice(root, "/home/u/p", { type: "fifo", major: 0, minor: 0 }, attributes),
  directories: makeDirectories(root, "/home/u/a/b", () => attributes),
  facts: ["f", "p", "a", "a/b"].map((name) => {
    const { mode, uid, gid } = lstatSync(`${home}/${name}`);
    return [(mode & 0o7777).toString(8), uid, gid].join(" ");
  }),
  removed: codeOf(() => removeTree(root, "/home", seen(root, "/home"))),
  where: messageOf(() => removeTree(root, "/home", seen(root, "/home"))).startsWith(`${home}: `),
  removedInside: removeTree(root, "/home/u/a", seen(root, "/home/u/a")),
};
closeJailRoot(root);
check(libc.umount2(cArgument(home), 0), "umount");

// A directory of the host on the same file system: device and inode do not show the mount.
const host = `${jail.base}/host`;
mkdirSync(`${host}/d`, { recursive: true });
for (const name of ["f", "d/f"]) writeFileSync(`${host}/${name}`, "the host's");
mkdirSync(`${jail.path}/usr/a/bound`, { recursive: true });
const BIND = 4096;
const bound = `${jail.path}/usr/a/bound`;
check(libc.mount(cArgument(host), cArgument(bound), cArgument("none"), BIND, null), "mount");
const again = openJailRoot(jail.path);
const bind = {
  sameDevice: lstatSync(bound).dev === lstatSync(jail.path).dev,
  codes: ["/usr", "/usr/a", "/usr/a/bound"].map((path) =>
    codeOf(() => removeTree(again, path, seen(again, path))),
  ),
  left: ["f", "d/f"].filter((name) => existsSync(`${host}/${name}`)),
};
closeJailRoot(again);
check(libc.umount2(cArgument(bound), 0), "umount");
process.stdout.write(JSON.stringify({ ...found, bind }));
jail.close();
