import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { toBytes } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { statAt } from "../../ffi/files.ts";
import { JailkitError } from "../../src/cli/error.ts";
import { discard, place, temporaryName, withTemporaryName } from "../../src/jail/fs/place.ts";
import { closeJailRoot, openDirectory, openJailRoot, release } from "../../src/jail/fs/walk.ts";
import { makeDirectories, putFile, removePath, removeTree } from "../../src/jail/fs/write.ts";
import { codeOf, makeJail, messageOf, seen, type TestJail, USER } from "./jail-helper.ts";

let jail: TestJail;
beforeEach(() => {
  jail = makeJail();
});
afterEach(() => {
  jail.close();
});

const attributes = { mode: 0o644, uid: 0, gid: 0 };
const text = (content: string) => toBytes(content);
const at = (path: string) => jail.path + path;

describe("removal", () => {
  test("removes one name, never the target of a symbolic link", () => {
    writeFileSync(at("/etc/f"), "");
    symlinkSync("f", at("/etc/l"));
    symlinkSync("/etc", at("/etc/d"));
    expect(removePath(jail.root, "/etc/l", seen(jail.root, "/etc/l"))).toBe(true);
    expect(removePath(jail.root, "/etc/l", seen(jail.root, "/etc/l"))).toBe(false);
    expect(removePath(jail.root, "/none/x", seen(jail.root, "/none/x"))).toBe(false);
    expect(removeTree(jail.root, "/etc/d", seen(jail.root, "/etc/d"))).toBe(true);
    expect(readdirSync(at("/etc"))).toEqual(["f"]);
    expect(codeOf(() => removePath(jail.root, "/etc", seen(jail.root, "/etc")))).toBe("ENOTEMPTY");
    expect(removePath(jail.root, "/usr", seen(jail.root, "/usr"))).toBe(true);
  });
  test("removes a tree of any depth, and not the targets of its symbolic links", () => {
    writeFileSync(at("/etc/f"), "");
    let path = "/usr/t";
    for (let i = 0; i < 300; i++) path += "/d";
    makeDirectories(jail.root, path, () => ({ ...attributes, mode: 0o755 }));
    putFile(jail.root, `${path}/f`, text("x"), attributes);
    symlinkSync("/etc", at("/usr/t/l"));
    symlinkSync("../../etc", at("/usr/t/d/m"));
    chmodSync(at("/usr/t/d"), 0);
    expect(removeTree(jail.root, "/usr/t", seen(jail.root, "/usr/t"))).toBe(true);
    expect(readdirSync(at("/usr"))).toEqual([]);
    expect(readdirSync(at("/etc"))).toEqual(["f"]);
  });

  test("removes more deep trees beside each other than there are passes, and moves nothing up", () => {
    for (let i = 0; i < 70; i++) mkdirSync(at(`/usr/t/${i}${"/d".repeat(70)}`), { recursive: true });
    const tops = new Set<string>();
    const among = () => {
      for (const name of readdirSync(at("/usr/t"))) tops.add(name);
      return true;
    };
    expect(removeTree(jail.root, "/usr/t", seen(jail.root, "/usr/t"), among)).toBe(true);
    expect([existsSync(at("/usr/t")), [...tops].filter((name) => !/^\d+$/.test(name))]).toEqual([false, []]);
  });

  test("ends after some passes over a directory that is filled all the time", () => {
    mkdirSync(at("/usr/t"));
    let count = 0;
    const fill = () => {
      if (count < 10_000) writeFileSync(at(`/usr/t/${count++}`), "");
    };
    fill();
    const stat = seen(jail.root, "/usr/t");
    expect(codeOf(() => removeTree(jail.root, "/usr/t", stat, undefined, { name: fill }))).toBe("ENOTEMPTY");
    let asked = 0;
    const filled = () => {
      asked++;
      throw new JailkitError("failed", 1, "somebody fills it");
    };
    expect(codeOf(() => removeTree(jail.root, "/usr/t", stat, undefined, { name: fill, filled }))).toBe(
      "failed",
    );
    expect(asked).toBe(1);
    expect(removeTree(jail.root, "/usr/t", stat, undefined, { filled: () => undefined })).toBe(true);
  });

  test("names a directory that was moved meanwhile, and of a long path the ends", () => {
    const name = "\x01".repeat(50);
    mkdirSync(at(`/usr/t${`/${name}`.repeat(70)}`), { recursive: true });
    const stat = seen(jail.root, "/usr/t");
    const depthOf = (at: string) => at.split("/").length;
    const refused = messageOf(() => removeTree(jail.root, "/usr/t", stat, (_, at) => depthOf(at) < 73));
    expect([refused.length < 4000, refused]).toEqual([true, expect.stringMatching(/\[\.\.\.\].*: appeared/)]);
    const move = (_: unknown, path: string) => {
      if (depthOf(path) === 73) renameSync(at(`/usr/t/${name}/${name}`), at("/usr/moved"));
      return true;
    };
    expect(codeOf(() => removeTree(jail.root, "/usr/t", stat, move))).toBe("exchanged");
    expect(existsSync(at("/usr/moved"))).toBe(true);
  });
});

test("a deep tree needs few descriptors", () => {
  makeDirectories(jail.root, `/usr/t${"/d".repeat(400)}`, () => ({ ...attributes, mode: 0o755 }));
  const steps = `${import.meta.dir}/deep-steps.ts`;
  const words = ["prlimit", "--nofile=200:200", process.execPath, steps, jail.path];
  const { stdout, stderr } = Bun.spawnSync(words);
  expect([stdout.toString(), stderr.toString()]).toEqual(["no error", ""]);
  expect(existsSync(at("/usr/t"))).toBe(false);
});

test("a file in the place of a removed one is examined again", () => {
  mkdirSync(at("/usr/d"));
  putFile(jail.root, "/usr/d/f", text("x"), attributes);
  removeTree(jail.root, "/usr/d", seen(jail.root, "/usr/d"));
  mkdirSync(at("/usr/d"));
  putFile(jail.root, "/usr/d/g", text("x"), attributes);
  expect(readdirSync(at("/usr/d"))).toEqual(["g"]);
});

describe("a file that was replaced meanwhile is not removed", () => {
  const files = (path: string) => readdirSync(at(path)).sort();

  test("where only root can write", () => {
    for (const name of ["seen", "other"]) mkdirSync(at(`/usr/${name}`));
    writeFileSync(at("/usr/other/f"), "");
    writeFileSync(at("/etc/seen"), "");
    const stat = seen(jail.root, "/usr/seen");
    expect(codeOf(() => removeTree(jail.root, "/usr/other", stat))).toBe("exchanged");
    expect(codeOf(() => removePath(jail.root, "/usr/other", stat))).toBe("exchanged");
    expect(codeOf(() => removePath(jail.root, "/etc/seen", stat))).toBe("exchanged");
    expect([files("/usr"), files("/usr/other"), files("/etc")]).toEqual([["other", "seen"], ["f"], ["seen"]]);
  });

  test("files are not removed either where users can write", () => {
    for (const name of ["seen", "other"]) writeFileSync(at(`/home/u/${name}`), name);
    const stat = seen(jail.root, "/home/u/seen");
    expect(codeOf(() => removePath(jail.root, "/home/u/other", stat))).toBe("exchanged");
    expect(removePath(jail.root, "/home/u/seen", stat)).toBe(true);
    expect([files("/home/u"), files("/home"), files("/")]).toEqual([
      ["other"],
      ["u"],
      ["etc", "home", "usr"],
    ]);
  });

  test("nor a directory that is exchanged between the check and the opening", () => {
    for (const name of ["/usr/t/mine", "/usr/other"]) {
      mkdirSync(at(name), { recursive: true });
      writeFileSync(at(`${name}/f`), name);
    }
    const exchange = () => {
      renameSync(at("/usr/t/mine"), at("/usr/t/aside"));
      renameSync(at("/usr/other"), at("/usr/t/mine"));
      return true;
    };
    const stat = seen(jail.root, "/usr/t");
    expect(codeOf(() => removeTree(jail.root, "/usr/t", stat, exchange))).toBe("exchanged");
    expect(readFileSync(at("/usr/t/mine/f"), "utf8")).toBe("/usr/other");
  });

  test("nor a file that came into a directory after the check", () => {
    mkdirSync(at("/usr/d/e"), { recursive: true });
    writeFileSync(at("/usr/d/e/f"), "");
    const known = new Set(["", "/e", "/e/f"].map((path) => seen(jail.root, `/usr/d${path}`).ino));
    mkdirSync(at("/usr/d/e/later"));
    writeFileSync(at("/usr/d/e/later/g"), "");
    const stat = seen(jail.root, "/usr/d");
    expect(codeOf(() => removeTree(jail.root, "/usr/d", stat, ({ ino }) => known.has(ino)))).toBe("appeared");
    expect(files("/usr/d/e/later")).toEqual(["g"]);
    rmSync(at("/usr/d/e/later"), { recursive: true });
    expect(removeTree(jail.root, "/usr/d", stat, ({ ino }) => known.has(ino))).toBe(true);
  });
});

describe("a prepared file", () => {
  test("leaves a file alone that got its name meanwhile", () => {
    writeFileSync(at("/usr/there"), "there");
    mkdirSync(at("/usr/directory"));
    const usr = openJailRoot(at("/usr"));
    const put = (name: string, options: object) =>
      place({ root: usr, parent: usr.top, name }, options, (stage, temporary, made) => {
        writeFileSync(at(`/usr/${temporary}`), "new");
        made(statAt(stage.fd, temporary));
      });
    expect(put("there", { absent: true })).toBe("kept");
    for (const options of [{}, { absent: true }, { replace: true }, { absent: true, replace: true }])
      expect([options, codeOf(() => put("directory", options))]).toEqual([options, "directory-in-the-way"]);
    expect(readdirSync(at("/usr")).sort()).toEqual(["directory", "there"]);
    expect(readFileSync(at("/usr/there"), "utf8")).toBe("there");
    closeJailRoot(usr);
  });

  test("has another name each time, of 72 random bits", () => {
    const names = Array.from({ length: 1000 }, () => temporaryName());
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => !/^\.jk-[\w-]{12}$/.test(name))).toEqual([]);
  });

  test("gets another name if one is taken, and at last fails", () => {
    const names = new Set<string>();
    const taken = (count: number) => () =>
      withTemporaryName((name) => {
        names.add(name);
        if (names.size <= count) throw new SystemError(17, "open", name);
      });
    expect(codeOf(taken(3))).toBe("no error");
    expect(names.size).toBe(4);
    expect(codeOf(taken(1000))).toBe("EEXIST");
    expect(names.size).toBe(20);
  });

  test("is removed again if it is still the same, and nothing else is", () => {
    for (const name of ["made", "other"]) writeFileSync(at(`/usr/${name}`), name);
    const { root } = jail;
    const made = seen(root, "/usr/made");
    const usr = openJailRoot(at("/usr"));
    discard(usr.top, "other", made);
    discard(usr.top, "made", undefined);
    expect(readdirSync(at("/usr")).sort()).toEqual(["made", "other"]);
    discard(usr.top, "made", made);
    expect(readdirSync(at("/usr"))).toEqual(["other"]);
    closeJailRoot(usr);
  });

  test("is an error if a user has put another file in its place, which stays", () => {
    // The whole tree is the user's: there is no directory of root's to make things in.
    const root = openJailRoot(at("/home/u"));
    writeFileSync(at("/home/u/his"), "his");
    const exchange = () =>
      place({ root, parent: root.top, name: "f" }, {}, (stage, temporary, made) => {
        expect(stage).toBe(root.top);
        writeFileSync(at(`/home/u/${temporary}`), "root's");
        made(statAt(stage.fd, temporary));
        renameSync(at("/home/u/his"), at(`/home/u/${temporary}`));
      });
    expect(codeOf(exchange)).toBe("EAGAIN");
    expect(readdirSync(at("/home/u")).map((name) => readFileSync(at(`/home/u/${name}`), "utf8"))).toEqual([
      "his",
    ]);
    const fail = () =>
      place({ root, parent: root.top, name: "g" }, {}, (stage, temporary, made) => {
        writeFileSync(at(`/home/u/${temporary}`), "root's");
        made(statAt(stage.fd, temporary));
        throw new Error("no space");
      });
    expect(fail).toThrow("no space");
    expect(readdirSync(at("/home/u"))).toEqual(["f"]);
    closeJailRoot(root);
  });

  test("is not created where users can write, if root has a place", () => {
    mkdirSync(at("/home/u/d"));
    chownSync(at("/home/u/d"), USER, USER);
    for (const [above, expected] of [
      ["/home/u", "/home"],
      ["/home/u/d", "/home"],
      ["/usr", "/usr"],
    ] as const) {
      const parent = openDirectory(jail.root, above);
      let made = "";
      place({ root: jail.root, parent, name: "f" }, {}, (stage, temporary, tell) => {
        made = stage.path;
        writeFileSync(at(`${stage.path}/${temporary}`), "x");
        tell(statAt(stage.fd, temporary));
      });
      release(parent);
      expect([above, made, existsSync(at(`${above}/f`))]).toEqual([above, expected, true]);
    }
  });
});
