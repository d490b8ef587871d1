/** Moving a large home, on which two threads work: the result is the same, and a failure in either one ends the move. */
import { afterEach, test as anyTest, beforeEach, describe, expect, setDefaultTimeout } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { readDirectory } from "../../ffi/files.ts";
import { copyHome } from "../../src/jail/fs/copy-home.ts";
import { closeHome, type HomeSource, isUnchanged, openHome } from "../../src/jail/fs/home-move.ts";
import { removeHome } from "../../src/jail/fs/home-remove.ts";
import type { List } from "../../src/jail/fs/home-scan.ts";
import { closeJailRoot, openJailRoot, openTree } from "../../src/jail/fs/walk.ts";
import { putCopy } from "./put-copy.ts";

setDefaultTimeout(120_000);

// On one processor there is no other thread.
const test = anyTest.skipIf(navigator.hardwareConcurrency === 1);

const UID = 54321;
// More than the other thread gets of one directory, and than a home has that one thread copies.
const FILES = 600;
// What it gets at once of the first directory: four batches.
const OTHERS = 256;
let base: string;
let old: string;
let jail: string;

const run = (...words: string[]) => {
  const result = Bun.spawnSync(words, { stderr: "pipe" });
  if (!result.success) throw new Error(`${words.join(" ")}: ${result.stderr}`);
  return result.stdout.toString();
};
const name = (index: number) => `file ${String(index).padStart(3, "0")}`;
const fill = (directory: string, content: string | Buffer) => {
  fs.mkdirSync(directory, { recursive: true });
  for (let index = 0; index < FILES; index++) fs.writeFileSync(join(directory, name(index)), content);
};

const unwarned = (line: string) => {
  throw new Error(line);
};

beforeEach(() => {
  base = fs.mkdtempSync("/srv/home-thread-");
  fs.chmodSync(base, 0o755);
  old = join(base, "old");
  jail = join(base, "jail");
  fs.mkdirSync(jail);
  run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", jail);
});

afterEach(() => {
  // Also if a failure left it in use.
  run("umount", "-l", jail);
  fs.rmSync(base, { recursive: true, force: true });
});

/** Moves the home. `then` gets it when it was copied. */
function move(list?: List, then: (home: HomeSource) => void = () => undefined) {
  const host = openTree("/");
  const root = openJailRoot(jail);
  const home = openHome(host, old, UID);
  try {
    putCopy(copyHome(list === undefined ? home : { ...home, list }, root, "/home/u"));
    then(home);
    expect(isUnchanged(home)).toBe(true);
    removeHome(home, host, old);
  } finally {
    closeHome(home, unwarned);
    closeJailRoot(root);
    closeJailRoot(host);
  }
}

/** The copy while it is made. */
const copied = (path: string): string[] => {
  const above = join(jail, "home");
  const [copy = ""] = fs.readdirSync(above).filter((one) => one.startsWith(".jk-home-"));
  const at = join(above, copy, "home", path);
  return fs.existsSync(at) ? fs.readdirSync(at) : [];
};

/**
 * For copyHome: lists directories as usual, but the third one, while only the other thread works, not before `isReady` says
 * so of the second one, its name in the home.
 */
function whenOthersWorked(
  isReady: (second: string) => boolean,
  act: (second: string) => void = () => undefined,
) {
  let calls = 0;
  let second = "";
  return (fd: number) => {
    const path = fs.readlinkSync(`/proc/self/fd/${fd}`).slice(old.length + 1);
    if (calls === 1) second = path;
    if (calls++ === 2) {
      while (!isReady(second));
      act(second);
    }
    return [readDirectory(fd)];
  };
}

/** Every entry with type, mode, owner, size, mtime and link count, as find(1) prints it. */
const listing = (top: string) => run("find", top, "-printf", "%P %y %m %U %G %T@ %n %l\n").split("\n").sort();

test("everything arrives unchanged, without setuid, setgid and capabilities, and the old home is removed", () => {
  for (const directory of ["a", "b"]) {
    const at = join(old, directory);
    fill(at, "content");
    fs.writeFileSync(Buffer.from(`${at}/bytes \n\xff`, "latin1"), "x");
    fs.writeFileSync(join(at, "n".repeat(255)), "long");
    fs.linkSync(join(at, name(1)), join(at, "second name"));
    fs.linkSync(join(at, name(2)), join(old, `${directory} of another directory`));
    fs.symlinkSync("/etc/shadow", join(at, "link out"));
    run("mkfifo", join(at, "fifo"));
    run("truncate", "-s", "1T", join(at, "sparse"));
    fs.mkdirSync(join(at, "c/d"), { recursive: true });
  }
  run("chown", "-hR", `${UID}:${UID}`, old);
  const before = listing(old);
  for (const directory of ["a", "b"]) {
    for (let index = 3; index < FILES; index++) fs.chmodSync(join(old, directory, name(index)), 0o6755);
    for (let index = 0; index < FILES; index += 50) {
      const file = join(old, directory, name(index));
      run("setfattr", "-n", "user.colour", "-v", "blue", file);
      run("setfacl", "-m", "u:12345:r", file);
      run("setcap", "cap_net_raw+ep", file);
    }
  }
  run("touch", "-d", "2001-02-03 04:05:06.123456789", join(old, "a"), join(old, "b"));
  const times = listing(old).filter((line) => !/^(?:a|b)\/file /.test(line));
  let others = 0;
  const list = whenOthersWorked((second) => {
    others = Math.max(others, copied(second).filter((one) => one.startsWith("file ")).length);
    return others >= OTHERS - 8;
  });
  move(list);
  expect(others).toBeGreaterThan(0);
  expect(fs.existsSync(old)).toBe(false);
  const copy = join(jail, "home/u");
  const after = listing(copy);
  expect(after.length).toBe(before.length);
  expect(after.filter((line) => !/^(?:a|b)\/file /.test(line))).toEqual(times);
  const files = after.filter((line) => /^(?:a|b)\/file /.test(line));
  expect(files.filter((line) => / f [0-7]{4} /.test(line))).toEqual([]);
  expect(files.length).toBe(2 * FILES);
  expect(run("getcap", "-r", copy)).toBe("");
  for (const directory of ["a", "b"]) {
    const at = join(copy, directory);
    const file = join(at, name(550));
    expect(run("getfattr", "--only-values", "-n", "user.colour", file)).toBe("blue");
    expect(run("getfacl", "-cnp", file)).toContain("user:12345:r--");
    expect(fs.statSync(join(at, name(1))).ino).toBe(fs.statSync(join(at, "second name")).ino);
    expect(fs.statSync(join(at, name(2))).ino).toBe(
      fs.statSync(join(copy, `${directory} of another directory`)).ino,
    );
    expect(fs.readFileSync(join(at, "n".repeat(255)), "utf8")).toBe("long");
    for (let index = 0; index < FILES; index++)
      expect(fs.readFileSync(join(at, name(index)), "utf8")).toBe("content");
  }
});

const giveAway = () => run("chown", "-hR", `${UID}:${UID}`, old);
/** The files of the test that are open. */
const openFiles = () =>
  fs.readdirSync("/proc/self/fd").filter((fd) => {
    const link = `/proc/self/fd/${fd}`;
    return fs.lstatSync(link, { throwIfNoEntry: false }) && fs.readlinkSync(link).startsWith(base);
  });

test("a file that changes after the other thread copied it ends the move, and the copy is removed", () => {
  for (const directory of ["a", "b"]) fill(join(old, directory), "content");
  giveAway();
  const list = whenOthersWorked(
    (second) => copied(second).length >= OTHERS,
    (second) => {
      for (const one of copied(second).slice(0, 2)) fs.writeFileSync(join(old, second, one), "changed");
    },
  );
  expect(() => move(list)).toThrow("was changed while it was copied");
  expect(fs.readdirSync(join(jail, "home"))).toEqual([]);
  expect(fs.readdirSync(join(old, "a")).length).toBe(FILES);
  expect(openFiles()).toEqual([]);
});

test("a disk that the other thread fills up ends the move, and the old home stays complete", () => {
  run("mount", "-o", "remount,size=8m", jail);
  for (const directory of ["a", "b"]) fill(join(old, directory), Buffer.alloc(1 << 16, "x"));
  giveAway();
  const before = listing(old);
  const list = whenOthersWorked(() => {
    const { bavail } = fs.statfsSync(jail);
    return bavail < 16;
  });
  expect(() => move(list)).toThrow("its file system is full");
  expect(listing(old)).toEqual(before);
  expect(fs.readdirSync(join(jail, "home"))).toEqual([]);
  expect(openFiles()).toEqual([]);
});

/** The file that a directory lists first, which the other thread gets if it gets any. */
function firstIn(directory: string): string {
  const fd = fs.openSync(directory, "r");
  const [first] = readDirectory(fd);
  fs.closeSync(fd);
  return join(directory, first?.name ?? "");
}

test("a file that is a mount point is refused by the other thread, too", () => {
  const secret = join(base, "secret");
  fs.writeFileSync(secret, "secret");
  for (const directory of ["a", "b"]) fill(join(old, directory), "content");
  giveAway();
  const mounted = ["a", "b"].map((directory) => firstIn(join(old, directory)));
  for (const path of mounted) run("mount", "--bind", secret, path);
  try {
    const list = whenOthersWorked((second) => copied(second).length >= OTHERS - 1);
    expect(() => move(list)).toThrow("is a mount point: unmount it first");
    expect(fs.readdirSync(join(jail, "home"))).toEqual([]);
  } finally {
    for (const path of mounted) run("umount", path);
  }
});

test("what the other thread could not copy is tried once more, and reported", () => {
  // It has no extended attributes.
  run("umount", jail);
  run("mount", "-t", "ramfs", "-o", "mode=0755", "ramfs", jail);
  for (const directory of ["a", "b"]) {
    fill(join(old, directory), "content");
    run("setfattr", "-n", "user.colour", "-v", "blue", firstIn(join(old, directory)));
  }
  giveAway();
  const list = whenOthersWorked((second) => copied(second).length >= OTHERS - 1);
  expect(() => move(list)).toThrow("fsetxattr: Operation not supported");
  expect(fs.readdirSync(join(jail, "home"))).toEqual([]);
  expect(openFiles()).toEqual([]);
});

test("an error of this thread ends the work of the other one, and the copy is removed", () => {
  for (const directory of ["a", "b"]) fill(join(old, directory), "content");
  giveAway();
  const list = whenOthersWorked(
    (second) => copied(second).length > 0,
    () => {
      throw new Error("of this thread");
    },
  );
  expect(() => move(list)).toThrow("of this thread");
  expect(fs.readdirSync(join(jail, "home"))).toEqual([]);
  expect(openFiles()).toEqual([]);
});

test("what is not as it was copied stays when the old home is removed", () => {
  for (const directory of ["a", "b"]) fill(join(old, directory), "content");
  giveAway();
  const root = openTree("/");
  const change = (home: HomeSource) => {
    for (const directory of ["a", "b"])
      for (let index = 0; index < FILES; index++) {
        if (index % 7 === 0) fs.writeFileSync(join(old, directory, name(index)), "newer content");
      }
    removeHome(home, root, old);
  };
  expect(() => move(undefined, change)).toThrow("appeared after the rest was looked at, and stays");
  closeJailRoot(root);
  const changed = Math.ceil(FILES / 7);
  const left = ["a", "b"].filter((one) => fs.existsSync(join(old, one)));
  expect(left.map((one) => fs.readdirSync(join(old, one)).length)).toEqual(left.map(() => changed));
  expect(left).toEqual(["a", "b"]);
  expect(fs.readFileSync(join(old, "a", name(7)), "utf8")).toBe("newer content");
  expect(fs.readFileSync(join(jail, "home/u/a", name(7)), "utf8")).toBe("content");
});

test("a home that has another place meanwhile is not removed", () => {
  for (const directory of ["a", "b"]) fill(join(old, directory), "content");
  giveAway();
  const root = openTree("/");
  const exchange = (home: HomeSource) => {
    fs.renameSync(old, `${old}.moved`);
    fs.mkdirSync(old);
    removeHome(home, root, old);
  };
  expect(() => move(undefined, exchange)).toThrow("was exchanged after it was examined");
  closeJailRoot(root);
  expect(fs.readdirSync(join(`${old}.moved`, "a")).length).toBe(FILES);
});

test("a directory that appears in place of an empty one stays when the old home is removed", () => {
  for (const directory of ["a", "b"]) fill(join(old, directory), "content");
  for (const directory of ["empty", "a/empty", "b/n/empty"])
    fs.mkdirSync(join(old, directory), { recursive: true });
  giveAway();
  const root = openTree("/");
  const exchange = (home: HomeSource) => {
    fs.mkdirSync(join(old, "newer"));
    fs.renameSync(join(old, "newer"), join(old, "b/n/empty"));
    removeHome(home, root, old);
  };
  expect(() => move(undefined, exchange)).toThrow("appeared after the rest was looked at, and stays");
  closeJailRoot(root);
  expect(fs.existsSync(join(old, "b/n/empty"))).toBe(true);
  expect(fs.existsSync(join(jail, "home/u/b/n/empty"))).toBe(true);
});

test("a directory in which something appeared stays, and so does a mount point", () => {
  for (const directory of ["a", "b"]) fill(join(old, directory), "content");
  for (const directory of ["used", "mounted"]) fs.mkdirSync(join(old, directory));
  giveAway();
  const root = openTree("/");
  const use = (home: HomeSource) => {
    fs.writeFileSync(join(old, "used/new"), "new");
    run("mount", "-t", "tmpfs", "tmpfs", join(old, "mounted"));
    removeHome(home, root, old);
  };
  try {
    expect(() => move(undefined, use)).toThrow();
    expect(fs.readFileSync(join(old, "used/new"), "utf8")).toBe("new");
    expect(fs.existsSync(join(old, "mounted"))).toBe(true);
  } finally {
    closeJailRoot(root);
    run("umount", join(old, "mounted"));
  }
});

test("many small directories, which share what the other thread gets, arrive unchanged", () => {
  for (let index = 0; index < 400; index++) {
    const at = join(old, `d${index % 20}/s${index}`);
    fs.mkdirSync(at, { recursive: true, mode: 0o700 + (index % 8) });
    for (let file = 0; file < index % 4; file++) fs.writeFileSync(join(at, `f${file}`), `${index} ${file}`);
    run("chown", "-R", `${UID}:${UID + (index % 3)}`, at);
  }
  fs.chownSync(old, UID, UID);
  run("touch", "-d", "2001-02-03 04:05:06.123456789", ...fs.readdirSync(old).map((one) => join(old, one)));
  const before = listing(old);
  move();
  const copy = join(jail, "home/u");
  expect(listing(copy)).toEqual(before);
  for (let index = 0; index < 400; index++)
    for (let file = 0; file < index % 4; file++)
      expect(fs.readFileSync(join(copy, `d${index % 20}/s${index}/f${file}`), "utf8")).toBe(
        `${index} ${file}`,
      );
  expect(fs.existsSync(old)).toBe(false);
  expect(openFiles()).toEqual([]);
});

describe("while both threads are in one flat directory", () => {
  const secret = () => join(base, "secret");
  const flat = () => join(old, "flat");
  let later: string[];

  /** Lists the directory in two pieces; `act` comes between them, while the other thread has files of the first one. */
  function inTwoPieces(act: () => void): List {
    let acted = false;
    return function* (fd) {
      const names = readDirectory(fd);
      const half = names.length >> 1;
      if (half === 0 || acted) return yield names;
      later = names.slice(half).map((one) => one.name);
      yield names.slice(0, half);
      while (copied("flat").length < OTHERS);
      acted = true;
      act();
      yield names.slice(half);
    };
  }

  beforeEach(() => {
    fill(flat(), "content");
    fs.writeFileSync(secret(), "secret", { mode: 0o600 });
    giveAway();
  });

  const first = () => join(flat(), later[0] ?? "");
  const attacks: Record<string, () => void> = {
    "a file that was copied changes": () =>
      fs.writeFileSync(join(flat(), copied("flat")[0] ?? ""), "changed"),
    "a file that was copied goes": () => fs.rmSync(join(flat(), copied("flat")[0] ?? "")),
    "a file appears": () => fs.writeFileSync(join(flat(), "new"), "new"),
    "a file goes before it is copied": () => fs.rmSync(first()),
    "a link takes the name of a file": () => {
      fs.rmSync(first());
      fs.symlinkSync(secret(), first());
    },
    "a hard link takes the name of a file": () => {
      fs.rmSync(first());
      fs.linkSync(secret(), first());
    },
    "a FIFO takes the name of a file": () => {
      fs.rmSync(first());
      run("mkfifo", first());
    },
    "a directory takes the name of a file": () => {
      fs.rmSync(first());
      fs.mkdirSync(first());
    },
    "a link takes the name of the directory": () => {
      fs.renameSync(flat(), join(old, "aside"));
      fs.symlinkSync(base, flat());
    },
  };
  for (const [name, act] of Object.entries(attacks))
    test(`${name}: nothing is moved`, () => {
      expect(() => move(inTwoPieces(act))).toThrow();
      expect(fs.readdirSync(join(jail, "home"))).toEqual([]);
      expect(fs.readFileSync(secret(), "utf8")).toBe("secret");
      expect(fs.statSync(secret()).uid).toBe(0);
      expect(openFiles()).toEqual([]);
    });

  test("what nobody touches arrives unchanged", () => {
    const before = listing(old);
    move(inTwoPieces(() => undefined));
    expect(listing(join(jail, "home/u"))).toEqual(before);
    expect(fs.existsSync(old)).toBe(false);
  });
});
