/** Moving a home: its contents are kept, nothing is followed, and the old home is complete after every failure. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { makeNode } from "../../ffi/changes.ts";
import { AT_FDCWD, DT_DIR, DT_LNK, S_IFSOCK } from "../../ffi/constants.ts";
import { readDirectory } from "../../ffi/files.ts";
import { copyHome } from "../../src/jail/fs/copy-home.ts";
import { closeHome, isUnchanged, openHome } from "../../src/jail/fs/home-move.ts";
import { closeJailRoot, openJailRoot, openTree } from "../../src/jail/fs/walk.ts";
import { putCopy } from "./put-copy.ts";

const UID = 54321;
let base: string;
let old: string;
let jail: string;
/** A copy of `move` was complete: the account would have been changed then. */
let isComplete = false;

const run = (...words: string[]) => {
  const result = Bun.spawnSync(words, { stderr: "pipe" });
  if (!result.success) throw new Error(`${words.join(" ")}: ${result.stderr}`);
  return result.stdout.toString();
};

const unwarned = (line: string) => {
  throw new Error(line);
};

beforeEach(() => {
  isComplete = false;
  base = fs.mkdtempSync("/srv/home-move-");
  fs.chmodSync(base, 0o755);
  old = join(base, "old");
  jail = join(base, "jail");
  fs.mkdirSync(old);
  fs.mkdirSync(jail);
});

afterEach(() => {
  Bun.spawnSync(["umount", "-q", jail]);
  fs.rmSync(base, { recursive: true, force: true });
});

const giveAway = () => run("chown", "-hR", `${UID}:${UID}`, old);

test("a name that was listed twice, as a link and as a directory, leads nowhere", () => {
  fs.mkdirSync(join(jail, "etc"));
  fs.mkdirSync(join(old, "a"));
  fs.writeFileSync(join(old, "a/ld.so.preload"), "/tmp/evil.so\n");
  giveAway();
  const host = openTree("/");
  const root = openJailRoot(jail);
  const home = openHome(host, old, UID);
  try {
    // XFS lists a name twice that is exchanged between two calls of getdents64(2).
    for (const first of [DT_DIR, DT_LNK]) {
      const list = (fd: number) => {
        const names = readDirectory(fd);
        if (!names.some(({ name }) => name === "a")) return [names];
        if (first === DT_DIR) return [names, [{ name: "a", type: DT_DIR }]];
        fs.symlinkSync("/etc", join(old, "a.new"));
        run("mv", "--exchange", "-T", join(old, "a.new"), join(old, "a"));
        return [
          [
            { name: "a", type: DT_LNK },
            { name: "a", type: DT_DIR },
          ],
        ];
      };
      expect(() => copyHome({ ...home, list }, root, "/home/u")).toThrow("was changed while it was copied");
      expect(fs.readdirSync(join(jail, "etc"))).toEqual([]);
      expect(fs.readdirSync(join(jail, "home"))).toEqual([]);
    }
  } finally {
    closeHome(home, unwarned);
    closeJailRoot(root);
    closeJailRoot(host);
  }
});

function move(to = "/home/u", step?: () => void): boolean {
  const host = openTree("/");
  const root = openJailRoot(jail);
  try {
    const home = openHome(host, old, UID);
    try {
      const copy = copyHome(home, root, to, step);
      isComplete = true;
      putCopy(copy);
      return isUnchanged(home);
    } finally {
      closeHome(home, unwarned);
    }
  } finally {
    closeJailRoot(root);
    closeJailRoot(host);
  }
}

describe("a name that vanishes", () => {
  /** Moves a home with a file and a directory; `act` is called whenever a directory of it was listed. */
  function moveWhile(act: (calls: number) => void): void {
    fs.mkdirSync(join(old, "a"));
    fs.writeFileSync(join(old, "file"), "text");
    giveAway();
    const host = openTree("/");
    const root = openJailRoot(jail);
    const home = openHome(host, old, UID);
    let calls = 0;
    const list = (fd: number) => {
      const names = readDirectory(fd);
      act(++calls);
      return [names];
    };
    try {
      putCopy(copyHome({ ...home, list }, root, "/home/u"));
    } finally {
      closeHome(home, unwarned);
      closeJailRoot(root);
      closeJailRoot(host);
    }
  }

  // Two directories are listed while the home is copied, and again while it is compared.
  test.each(["file", "a"])("while the home is compared (%s): the home was changed", (name) => {
    const remove = (calls: number) => {
      if (calls === 3) fs.rmSync(join(old, name), { recursive: true });
    };
    expect(() => moveWhile(remove)).toThrow(`'${old}' was changed while it was copied`);
    expect(fs.readdirSync(join(jail, "home"))).toEqual([]);
  });

  test.each(["file", "a"])("while the home is copied (%s): the message has its whole path", (name) => {
    const remove = (calls: number) => {
      if (calls === 1) fs.rmSync(join(old, name), { recursive: true });
    };
    expect(() => moveWhile(remove)).toThrow(`${old}/${name}: `);
  });
});

/** Every entry with type, mode, owner, size, mtime and link count, as find(1) prints it. */
const listing = (top: string) =>
  run("find", top, "-printf", "%P %y %m %U %G %T@ %n %l\n")
    .split("\n")
    .sort()
    .filter((line) => line !== "");

test.each([false, true])("everything in a home arrives unchanged (another file system: %p)", (mounted) => {
  if (mounted) run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", jail);
  fs.writeFileSync(join(old, "file"), "content");
  fs.linkSync(join(old, "file"), join(old, "second name"));
  fs.writeFileSync(Buffer.from(`${old}/bytes \n\\xff`, "latin1"), "x");
  fs.mkdirSync(join(old, "a/b/c"), { recursive: true });
  fs.writeFileSync(join(old, "a/b/c/deep"), "deep", { mode: 0o600 });
  fs.symlinkSync("/etc/shadow", join(old, "link out"));
  fs.symlinkSync("dangling", join(old, "dangling"));
  fs.symlinkSync("..", join(old, "a/up"));
  run("mkfifo", join(old, "fifo"));
  makeNode(AT_FDCWD, join(old, "socket"), S_IFSOCK | 0o755);
  giveAway();
  fs.chmodSync(join(old, "a"), 0o2750);
  run("setfattr", "-n", "user.colour", "-v", "blue", join(old, "file"));
  run("setfacl", "-m", "u:12345:r", join(old, "a/b"));
  run(
    "touch",
    "-h",
    "-d",
    "2001-02-03 04:05:06.123456789",
    join(old, "file"),
    join(old, "a/b"),
    join(old, "dangling"),
  );
  fs.chmodSync(old, 0o750);
  const before = listing(old);
  expect(move()).toBe(true);
  expect(listing(join(jail, "home/u"))).toEqual(before);
  expect(listing(old)).toEqual(before);
  expect(run("getfattr", "--only-values", "-n", "user.colour", join(jail, "home/u/file"))).toBe("blue");
  expect(run("getfacl", "-cn", join(jail, "home/u/a/b"))).toContain("user:12345:r--");
  expect(fs.statSync(join(jail, "home/u/file")).ino).toBe(fs.statSync(join(jail, "home/u/second name")).ino);
  expect(fs.readdirSync(join(jail, "home"))).toEqual(["u"]);
  expect(fs.readFileSync(join(jail, "home/u/a/b/c/deep"), "utf8")).toBe("deep");
});

test("setuid, setgid and capabilities stay behind", () => {
  fs.writeFileSync(join(old, "suid"), "x");
  fs.writeFileSync(join(old, "roots"), "x");
  giveAway();
  // A change of the owner would remove capabilities.
  fs.chownSync(join(old, "roots"), 0, 0);
  for (const name of ["suid", "roots"]) run("setcap", "cap_net_raw+ep", join(old, name));
  fs.chmodSync(join(old, "suid"), 0o6755);
  move();
  expect(fs.statSync(join(jail, "home/u/suid")).mode & 0o7777).toBe(0o755);
  expect(run("getcap", "-r", jail)).toBe("");
});

test("a device is refused, and nothing changes", () => {
  run("mknod", join(old, "null"), "c", "1", "3");
  giveAway();
  expect(() => move()).toThrow("is a device");
  expect(fs.readdirSync(jail)).toEqual([]);
});

test("a mount point in the home is refused", () => {
  fs.mkdirSync(join(old, "mnt"));
  giveAway();
  run("mount", "-t", "tmpfs", "tmpfs", join(old, "mnt"));
  try {
    expect(() => move()).toThrow("is a mount point");
  } finally {
    run("umount", join(old, "mnt"));
  }
});

test("a file that is a mount point is not even opened: a user's own file system may never answer", () => {
  fs.writeFileSync(join(old, "file"), "content");
  giveAway();
  // It can be mounted on a regular file, and opening it fails.
  const socket = join(base, "socket");
  makeNode(AT_FDCWD, socket, S_IFSOCK | 0o755);
  run("mount", "--bind", socket, join(old, "file"));
  try {
    expect(() => move()).toThrow("is a mount point: unmount it first");
    expect(fs.readdirSync(join(jail, "home"))).toEqual([]);
  } finally {
    run("umount", join(old, "file"));
  }
});

test("a home that belongs to somebody else is refused", () => {
  expect(() => move()).toThrow("does not belong to the user");
});

test("a home that is a link in a directory of the user's is not followed", () => {
  const own = join(base, "own");
  fs.mkdirSync(own);
  fs.chownSync(own, UID, UID);
  fs.symlinkSync(old, join(own, "home"));
  giveAway();
  const host = openTree("/");
  expect(() => openHome(host, join(own, "home"), UID)).toThrow("symbolic link");
  closeJailRoot(host);
});

test("what is at the new place is not touched", () => {
  fs.writeFileSync(join(old, "file"), "new");
  giveAway();
  fs.mkdirSync(join(jail, "home/u"), { recursive: true });
  fs.writeFileSync(join(jail, "home/u/file"), "theirs");
  expect(() => move()).toThrow("exists already");
  expect(fs.readFileSync(join(jail, "home/u/file"), "utf8")).toBe("theirs");
  expect(fs.readdirSync(join(jail, "home"))).toEqual(["u"]);
});

test("an empty directory at the new place stays, too", () => {
  giveAway();
  fs.mkdirSync(join(jail, "home/u"), { recursive: true });
  const { ino } = fs.statSync(join(jail, "home/u"));
  expect(() => move()).toThrow("exists already");
  expect(isComplete).toBe(false);
  expect(fs.statSync(join(jail, "home/u")).ino).toBe(ino);
  expect([fs.readdirSync(jail), fs.readdirSync(join(jail, "home"))]).toEqual([["home"], ["u"]]);
});

test("the copy is made where no user can reach it; if that is impossible, nothing is left behind", () => {
  fs.writeFileSync(join(old, "file"), "content");
  giveAway();
  fs.mkdirSync(join(jail, "home"));
  fs.chmodSync(join(jail, "home"), 0o1777);
  const seen: string[][] = [];
  move("/home/u", () => seen.push(fs.readdirSync(join(jail, "home"))));
  expect(seen).toEqual([[], []]);
  expect(fs.readFileSync(join(jail, "home/u/file"), "utf8")).toBe("content");
  expect(fs.readdirSync(jail)).toEqual(["home"]);
  fs.chownSync(jail, UID, UID);
  expect(() => move("/home/v")).toThrow("users can write every directory on its mount");
  expect([fs.readdirSync(jail), fs.readdirSync(join(jail, "home"))]).toEqual([["home"], ["u"]]);
});

test("a change during the copy ends the move, and the copy is removed", () => {
  const names = ["a", "b"];
  const write = (text: string) => {
    for (const name of names) fs.writeFileSync(join(old, name), text);
  };
  write("content");
  giveAway();
  // The first is copied when the step before the second comes.
  expect(() => move("/home/u", () => write("changed"))).toThrow("was changed while");
  expect([fs.readdirSync(join(jail, "home")), fs.readdirSync(old).sort()]).toEqual([[], names]);
});

test("a copy that was exchanged is not removed", () => {
  fs.writeFileSync(join(old, "file"), "content");
  giveAway();
  const copies = () => fs.readdirSync(join(jail, "home")).filter((name) => name.startsWith(".jk-"));
  const exchange = () => {
    const [name = ""] = copies();
    fs.renameSync(join(jail, "home", name), join(jail, "home/moved"));
    fs.mkdirSync(join(jail, "home", name));
    fs.writeFileSync(join(jail, "home", name, "theirs"), "theirs");
  };
  let calls = 0;
  expect(() =>
    move("/home/u", () => {
      if (calls++ === 1) exchange();
    }),
  ).toThrow("was exchanged after it was examined");
  expect(copies().map((name) => fs.readdirSync(join(jail, "home", name)).includes("theirs"))).toEqual([true]);
});

test("a disk that fills up leaves the old home complete and nothing half done", () => {
  run("mount", "-t", "tmpfs", "-o", "mode=0755,size=256k", "tmpfs", jail);
  fs.writeFileSync(join(old, "large"), Buffer.alloc(1 << 20));
  giveAway();
  const before = listing(old);
  expect(() => move()).toThrow(
    "its file system is full: 2 MiB more are needed, 0 MiB are free (nothing was moved)",
  );
  expect(listing(old)).toEqual(before);
  expect(fs.readdirSync(join(jail, "home"))).toEqual([]);
});
