import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { toBytes } from "../../ffi/bytes.ts";
import { lockFile } from "../../ffi/changes.ts";
import { LOCK_EX } from "../../ffi/constants.ts";
import { readDirectory } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { closeJailRoot, openDirectory, openJailRoot, release, walk } from "../../src/jail/fs/walk.ts";
import {
  appendToFile,
  makeDirectories,
  putDevice,
  putFile,
  putFileIn,
  putHardLink,
  putSymlink,
  removeTree,
  setAttributes,
} from "../../src/jail/fs/write.ts";
import { codeOf, makeJail, messageOf, seen, type TestJail, USER } from "./jail-helper.ts";

let jail: TestJail;
let umask: number;
beforeEach(() => {
  jail = makeJail();
  umask = libc.umask(0o077);
});
afterEach(() => {
  libc.umask(umask);
  jail.close();
});

const attributes = { mode: 0o644, uid: 0, gid: 0 };
const text = (content: string) => toBytes(content);
const at = (path: string) => jail.path + path;
/** What lstat(2) tells: mode, owner, group. */
const facts = (path: string) => {
  const { mode, uid, gid } = lstatSync(at(path));
  return [`0${(mode & 0o7777).toString(8)}`, uid, gid];
};
/** No temporary file was left anywhere. */
const leftovers = () =>
  readdirSync(jail.path, { recursive: true }).filter((name) => String(name).includes(".jk-"));

describe("a file that is read again", () => {
  const most = 8;

  test("is not written longer than its readers take, and the old one stays", () => {
    for (const old of ["", "12345678"]) {
      if (old !== "") putFile(jail.root, "/etc/data", text(old), attributes, { replace: true, most });
      const put = () =>
        putFile(jail.root, "/etc/data", text("123456789"), attributes, { replace: true, most });
      expect([codeOf(put), messageOf(put)]).toEqual([
        "file-full",
        `${at("/etc/data")} would have 9 bytes, and no more than 8 are read of it: it stays as it is`,
      ]);
      expect(existsSync(at("/etc/data")) ? readFileSync(at("/etc/data"), "utf8") : "").toBe(old);
    }
    expect(leftovers()).toEqual([]);
  });

  test("does not grow beyond that", () => {
    putFile(jail.root, "/etc/data", text("12345"), attributes);
    appendToFile(jail.root, "/etc/data", text("678"), most);
    expect(codeOf(() => appendToFile(jail.root, "/etc/data", text("9"), most))).toBe("file-full");
    expect(readFileSync(at("/etc/data"), "utf8")).toBe("12345678");
  });

  test("is written with that limit wherever we write one", () => {
    const root = join(import.meta.dir, "../..");
    const without = [...new Bun.Glob("src/**/*.ts").scanSync({ cwd: root })].filter((file) => {
      const calls = readFileSync(join(root, file), "utf8").match(/\bputFile\([^;]*;/g) ?? [];
      return calls.some((call) => !/\b(?:most|options)\b/.test(call));
    });
    expect(without.sort()).toEqual(
      [
        // Copies of files of the host.
        ...["src/check/fix/fix.ts", "src/check/fix/restore.ts", "src/update/apply/stage.ts"],
        // These look at the length before.
        ...["src/declaration/once.ts", "src/declaration/parsed.ts", "src/populate/plan-cache/plan-cache.ts"],
        // It tells what 'jailkit import' and 'jailkit apply' will refuse.
        "src/tools/jailkit-export.ts",
        // Nothing, or a few bytes.
        ...["src/check/smoke/smoke.ts", "src/enter/launch/notify.ts", "src/jail/fs/lock.ts"],
        "src/log-socket/monitor/socketd.ts",
      ].sort(),
    );
  });
});

describe("putFile", () => {
  test("sets owner, mode, setuid and times, whatever the umask", () => {
    const times = { atime: 1_000_000_000_000_000_001n, mtime: -1_000_000_000n };
    expect(putFile(jail.root, "/usr/f", text("one"), { mode: 0o6755, uid: 5, gid: 6, ...times })).toBe(
      "created",
    );
    expect(facts("/usr/f")).toEqual(["06755", 5, 6]);
    const stat = lstatSync(at("/usr/f"), { bigint: true });
    expect([stat.atimeNs, stat.mtimeNs]).toEqual([times.atime, times.mtime]);
    expect(readFileSync(at("/usr/f"), "utf8")).toBe("one");
    expect(leftovers()).toEqual([]);
  });
  test("keeps or replaces a file; programs that have the old one open keep it", () => {
    putFile(jail.root, "/usr/f", text("old"), attributes);
    const fd = openSync(at("/usr/f"), "r");
    expect(putFile(jail.root, "/usr/f", text("new"), attributes)).toBe("kept");
    expect(putFile(jail.root, "/usr/f", text("new"), { ...attributes, mode: 0o600 }, { replace: true })).toBe(
      "replaced",
    );
    const buffer = Buffer.alloc(10);
    expect(buffer.toString("latin1", 0, readSync(fd, buffer))).toBe("old");
    closeSync(fd);
    expect(readFileSync(at("/usr/f"), "utf8")).toBe("new");
    expect(facts("/usr/f")[0]).toBe("0600");
    expect(leftovers()).toEqual([]);
  });
  test("copies from a descriptor", () => {
    writeFileSync(`${jail.base}/source`, "x".repeat(200_000));
    const fd = openSync(`${jail.base}/source`, "r");
    expect(putFile(jail.root, "/usr/f", { fd, size: 200_000 }, attributes)).toBe("created");
    expect(readFileSync(at("/usr/f"), "utf8")).toBe("x".repeat(200_000));
    expect(codeOf(() => putFile(jail.root, "/usr/g", { fd, size: 5 }, attributes))).toBe("EIO");
    closeSync(fd);
    expect(readdirSync(at("/usr"))).toEqual(["f"]);
  });
  test("replaces a symbolic link, never its target", () => {
    writeFileSync(at("/etc/target"), "root's");
    symlinkSync("target", at("/etc/l"));
    expect(putFile(jail.root, "/etc/l", text("new"), attributes)).toBe("kept");
    expect(putFile(jail.root, "/etc/l", text("new"), attributes, { replace: true })).toBe("replaced");
    expect(readFileSync(at("/etc/target"), "utf8")).toBe("root's");
    expect(lstatSync(at("/etc/l")).isFile()).toBe(true);
  });
  test("refuses to replace a directory, and names the reason", () => {
    expect(codeOf(() => putFile(jail.root, "/etc", text(""), attributes, { replace: true }))).toBe(
      "directory-in-the-way",
    );
    expect(messageOf(() => putFile(jail.root, "/none/f", text(""), attributes))).toStartWith(
      `${at("/none")}: `,
    );
    expect(codeOf(() => putFile(jail.root, "/", text(""), attributes))).toBe("EINVAL");
    expect(codeOf(() => putFile(jail.root, "/etc/..", text(""), attributes))).toBe("EINVAL");
    expect(codeOf(() => putFile(jail.root, `/etc/${"n".repeat(256)}`, text(""), attributes))).toBe(
      "ENAMETOOLONG",
    );
    expect(leftovers()).toEqual([]);
  });
  test("accepts any byte in a name", () => {
    const name = "\xff\n'$(x)`";
    putFile(jail.root, `/usr/${name}`, text("x"), attributes);
    const directory = openDirectory(jail.root, "/usr");
    const fd = openSync(at("/usr"), "r");
    expect(readDirectory(fd).map((entry) => entry.name)).toEqual([name]);
    closeSync(fd);
    release(directory);
  });
  test("in a user's directory the file appears complete, created where the user has no access", () => {
    const directory = openDirectory(jail.root, "/home/u");
    expect(directory.stage?.path).toBe("/home");
    const spot = { root: jail.root, parent: directory, name: "f" };
    expect(putFileIn(spot, text("x"), { mode: 0o600, uid: USER, gid: USER })).toBe("created");
    release(directory);
    expect(facts("/home/u/f")).toEqual(["0600", USER, USER]);
    expect(leftovers()).toEqual([]);
  });
});

describe("putHardLink", () => {
  test("is the same file, also in place of another", () => {
    writeFileSync(`${jail.base}/source`, "x");
    const fd = openSync(`${jail.base}/source`, "r");
    expect(putHardLink(jail.root, "/usr/l", fd)).toBe("created");
    expect(putHardLink(jail.root, "/usr/l", fd, { replace: true })).toBe("kept");
    writeFileSync(at("/usr/other"), "");
    expect(putHardLink(jail.root, "/usr/other", fd)).toBe("kept");
    expect(putHardLink(jail.root, "/usr/other", fd, { replace: true })).toBe("replaced");
    closeSync(fd);
    expect(lstatSync(at("/usr/other")).ino).toBe(lstatSync(`${jail.base}/source`).ino);
    expect(lstatSync(`${jail.base}/source`).nlink).toBe(3);
  });
  test("on another file system the caller copies", () => {
    const fd = openSync("/proc/self/status", "r");
    expect(codeOf(() => putHardLink(jail.root, "/usr/l", fd))).toBe("EXDEV");
    closeSync(fd);
    expect(leftovers()).toEqual([]);
  });
});

describe("putSymlink", () => {
  test("keeps its target unchanged, and may belong to a user", () => {
    const owner = { uid: USER, gid: USER, mtime: 5_000_000_000n };
    expect(putSymlink(jail.root, "/etc/l", "../../../x//y/.")).toBe("created");
    expect(readlinkSync(at("/etc/l"))).toBe("../../../x//y/.");
    expect(putSymlink(jail.root, "/etc/l", "z")).toBe("kept");
    expect(putSymlink(jail.root, "/etc/l", "z", { replace: true, attributes: owner })).toBe("replaced");
    expect(readlinkSync(at("/etc/l"))).toBe("z");
    expect(facts("/etc/l").slice(1)).toEqual([USER, USER]);
    expect(lstatSync(at("/etc/l")).mtimeMs).toBe(5000);
  });
  test("a directory that was reached through the old link is searched again", () => {
    mkdirSync(at("/usr/a"), { mode: 0o755 });
    mkdirSync(at("/usr/b"), { mode: 0o755 });
    symlinkSync("a", at("/usr/l"));
    expect(walk(jail.root, "/usr/l").path).toBe("/usr/a");
    putSymlink(jail.root, "/usr/l", "b", { replace: true });
    expect(walk(jail.root, "/usr/l").path).toBe("/usr/b");
  });
});

describe("putDevice", () => {
  test("has any number and exactly the requested mode", () => {
    const node = { type: "char", major: 1, minor: 300_000 } as const;
    expect(putDevice(jail.root, "/usr/d", node, { mode: 0o666, uid: 0, gid: 5 })).toBe("created");
    const stat = lstatSync(at("/usr/d"));
    expect(stat.isCharacterDevice()).toBe(true);
    // makedev(3) of glibc
    expect(stat.rdev).toBe((1 << 8) | (300_000 & 0xff) | ((300_000 & ~0xff) << 12));
    expect(facts("/usr/d")).toEqual(["0666", 0, 5]);
    expect(putDevice(jail.root, "/usr/d", node, attributes)).toBe("kept");
    expect(libc.umask(0o077)).toBe(0o077);
  });
  test("is created only by root, a FIFO by anybody", () => {
    const node = { type: "block", major: 8, minor: 0 } as const;
    expect(codeOf(() => putDevice(jail.root, "/home/u/d", node, attributes))).toBe(
      "device-in-untrusted-directory",
    );
    const fifo = { type: "fifo", major: 0, minor: 0 } as const;
    expect(putDevice(jail.root, "/home/u/p", fifo, { mode: 0o620, uid: USER, gid: 0 })).toBe("created");
    expect(facts("/home/u/p")).toEqual(["0620", USER, 0]);
  });
});

describe("makeDirectories", () => {
  test("creates missing directories, also the target of a dangling link", () => {
    symlinkSync("usr/lib", at("/lib"));
    const made = makeDirectories(jail.root, "/lib/a/b", (path) => ({
      ...attributes,
      mode: path === "/usr/lib/a" ? 0o2750 : 0o755,
    }));
    expect(made).toEqual(["/usr/lib", "/usr/lib/a", "/usr/lib/a/b"]);
    expect(facts("/usr/lib")).toEqual(["0755", 0, 0]);
    expect(facts("/usr/lib/a")).toEqual(["02750", 0, 0]);
    expect(makeDirectories(jail.root, "/lib/a/b", () => attributes)).toEqual([]);
  });
  test("in a user's directory too, but not over a file", () => {
    const owner = { mode: 0o700, uid: USER, gid: USER };
    expect(makeDirectories(jail.root, "/home/u/a/b", () => owner)).toEqual(["/home/u/a", "/home/u/a/b"]);
    expect(facts("/home/u/a/b")).toEqual(["0700", USER, USER]);
    writeFileSync(at("/home/u/f"), "");
    expect(codeOf(() => makeDirectories(jail.root, "/home/u/f/x", () => owner))).toBe("ENOTDIR");
    expect(leftovers()).toEqual([]);
  });
});

describe("setAttributes", () => {
  test("changes the requested attributes, of a device too", () => {
    putFile(jail.root, "/usr/f", text(""), { ...attributes, mode: 0o755 });
    setAttributes(jail.root, "/usr/f", { gid: 7 });
    setAttributes(jail.root, "/usr/f", { mode: 0o4711, mtime: 9_000_000_000n });
    expect(facts("/usr/f")).toEqual(["04711", 0, 7]);
    expect(lstatSync(at("/usr/f")).mtimeMs).toBe(9000);
    putDevice(jail.root, "/usr/d", { type: "char", major: 1, minor: 3 }, attributes);
    setAttributes(jail.root, "/usr/d", { mode: 0o600, uid: 3 });
    expect(facts("/usr/d")).toEqual(["0600", 3, 0]);
    setAttributes(jail.root, "/home", { mode: 0o711 });
    expect(facts("/home")[0]).toBe("0711");
    expect(codeOf(() => setAttributes(jail.root, "/usr/none", { mode: 0 }))).toBe("ENOENT");
  });
  test("changes the symbolic link itself", () => {
    writeFileSync(at("/etc/f"), "", { mode: 0o600 });
    symlinkSync("f", at("/etc/l"));
    setAttributes(jail.root, "/etc/l", { uid: USER });
    expect([facts("/etc/l")[1], facts("/etc/f")[1]]).toEqual([USER, 0]);
    expect(codeOf(() => setAttributes(jail.root, "/etc/l", { mode: 0o777 }))).toBe("ELOOP");
  });
  test("in a user's directory changes only files with one name that belong to the user", () => {
    writeFileSync(at("/home/u/his"), "");
    chownSync(at("/home/u/his"), USER, USER);
    setAttributes(jail.root, "/home/u/his", { mode: 0o640 });
    expect(facts("/home/u/his")[0]).toBe("0640");
    linkSync(at("/home/u/his"), at("/home/u/again"));
    writeFileSync(at("/home/u/roots"), "");
    for (const name of ["his", "again", "roots"]) {
      expect(codeOf(() => setAttributes(jail.root, `/home/u/${name}`, { mode: 0o777 }))).toBe(
        "shared-with-users",
      );
    }
  });
});

test("with sync the result is the same", () => {
  const root = openJailRoot(jail.path, { sync: true });
  expect(makeDirectories(root, "/usr/a", () => ({ ...attributes, mode: 0o755 }))).toEqual(["/usr/a"]);
  expect(putFile(root, "/usr/a/f", text("x"), attributes)).toBe("created");
  expect(putSymlink(root, "/usr/a/l", "f")).toBe("created");
  expect(putSymlink(root, "/usr/a/l", "g", { replace: true })).toBe("replaced");
  expect(removeTree(root, "/usr/a", seen(root, "/usr/a"))).toBe(true);
  closeJailRoot(root);
});

describe("temporary files of data that a run which was killed has left", () => {
  const replace = (path: string) => putFile(jail.root, path, text("new"), attributes, { replace: true });
  const LEFT = ".jk-put-0123456789aB";

  test("go when the next file is put there", () => {
    writeFileSync(at(`/etc/${LEFT}`), "half");
    writeFileSync(at("/etc/file"), "old");
    replace("/etc/file");
    expect([readFileSync(at("/etc/file"), "utf8"), readdirSync(at("/etc"))]).toEqual(["new", ["file"]]);
  });

  test("stay while their maker lives", () => {
    writeFileSync(at(`/etc/${LEFT}`), "half");
    const maker = openSync(at(`/etc/${LEFT}`), "r");
    expect(lockFile(maker, LOCK_EX)).toBe(true);
    replace("/etc/file");
    closeSync(maker);
    expect(readdirSync(at("/etc")).sort()).toEqual([LEFT, "file"]);
  });

  test("go also if their user owns them already, and so do empty directories", () => {
    writeFileSync(at(`/etc/${LEFT}`), "keys");
    mkdirSync(at("/etc/.jk-put-directory0aB"));
    for (const name of [LEFT, ".jk-put-directory0aB"]) chownSync(at(`/etc/${name}`), USER, USER);
    replace("/etc/file");
    expect(readdirSync(at("/etc"))).toEqual(["file"]);
  });

  test("stay if they are neither files nor empty directories, or have another name", () => {
    const others = [".jk-put-short", ".jk-0123456789aB", "jk-put-0123456789aB"];
    for (const name of others) writeFileSync(at(`/etc/${name}`), "other");
    mkdirSync(at("/etc/.jk-put-directory0aB"));
    writeFileSync(at("/etc/.jk-put-directory0aB/file"), "user's");
    symlinkSync("file", at("/etc/.jk-put-symlink000aB"));
    const before = readdirSync(at("/etc"));
    replace("/etc/file");
    expect(readdirSync(at("/etc")).sort()).toEqual([...before, "file"].sort());
  });

  test("stay where users can write", () => {
    mkdirSync(at("/tmp"));
    chmodSync(at("/tmp"), 0o1777);
    writeFileSync(at(`/tmp/${LEFT}`), "half");
    replace("/tmp/file");
    expect(readdirSync(at("/tmp")).sort()).toEqual([LEFT, "file"]);
  });
});
