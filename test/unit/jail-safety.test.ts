import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import * as C from "../../ffi/constants.ts";
import { libc } from "../../ffi/libc.ts";
import { answered } from "../../src/cli/error.ts";
import { adviceText, inWords, typed } from "../../src/cli/remedy.ts";
import { programFindings } from "../../src/enter/shell.ts";
import { lookUp } from "../../src/jail/fs/look.ts";
import {
  configDirectoryFindings,
  exchangeFindings,
  jailFindings,
  onlyRootDecides,
  requireSafeJail,
} from "../../src/jail/fs/safety.ts";
import { closeJailRoot, openJailRoot, release, walk } from "../../src/jail/fs/walk.ts";
import { codeOf, makeJail, messageOf, type TestJail, USER } from "./jail-helper.ts";

let jail: TestJail;
beforeEach(() => {
  jail = makeJail();
});
afterEach(() => jail.close());

/** The rules that the jail breaks, opened anew, each with the path below the directory that holds it. */
function broken(): string[] {
  const root = openJailRoot(jail.path);
  try {
    return jailFindings(root).map(({ path, rule }) => `${rule} ${path.slice(jail.base.length)}`);
  } finally {
    closeJailRoot(root);
  }
}
const at = (path: string) => jail.path + path;
/** mkdir with exactly this mode and owner. */
function directory(path: string, mode = 0o755, uid = 0, gid = 0): void {
  mkdirSync(at(path), { recursive: true });
  chownSync(at(path), uid, gid);
  chmodSync(at(path), mode);
}

describe("jailFindings", () => {
  test("none for a jail that root created", () => {
    directory("/tmp", 0o1777);
    directory("/opt", 0o2755);
    directory("/srv", 0o700, USER, USER);
    expect(broken()).toEqual([]);
  });
  test.each("dev etc lib lib64 libx32 usr bin sbin opt run root proc sys".split(" "))(
    "%s must belong to root",
    (name) => {
      directory(`/${name}`, 0o755, USER);
      expect(broken()).toEqual([`owner /jail/${name}`]);
      directory(`/${name}`, 0o775);
      expect(broken()).toEqual([`group-writable /jail/${name}`]);
      directory(`/${name}`, 0o1777);
      expect(broken()).toEqual([`group-writable /jail/${name}`, `other-writable /jail/${name}`]);
    },
  );
  test.each("tmp web private home srv var media data".split(" "))(
    "%s may belong to anyone, with any mode: nothing is loaded from it",
    (name) => {
      // 0770 of root and a client's group, as ISPConfig leaves tmp of a site.
      for (const [uid, gid] of [
        [USER, USER],
        [0, USER],
        [0, 0],
      ])
        for (const mode of [0o755, 0o770, 0o2775, 0o777, 0o1777]) {
          directory(`/${name}`, mode, uid, gid);
          expect(broken()).toEqual([]);
        }
      directory(`/${name}`, 0o777, USER);
      symlinkSync(name, at("/link"));
      symlinkSync(`${name}/none`, at("/dangling"));
      expect(broken()).toEqual([]);
    },
  );
  test("deeper directories may belong to anyone", () => {
    directory("/usr/share/u", 0o777, USER);
    expect(broken()).toEqual([]);
  });
  test("the jail itself", () => {
    chmodSync(jail.path, 0o1777);
    expect(broken()).toEqual(["group-writable /jail", "other-writable /jail"]);
    chmodSync(jail.path, 0o755);
    chownSync(jail.path, USER, USER);
    expect(broken()).toEqual(["owner /jail"]);
  });
  test("the directories above the jail", () => {
    chmodSync(jail.base, 0o1777);
    expect(broken()).toEqual([]);
    chmodSync(jail.base, 0o757);
    expect(broken()).toEqual(["other-writable "]);
    chmodSync(jail.base, 0o775);
    expect(broken()).toEqual([]);
    chownSync(jail.base, 0, USER);
    expect(broken()).toEqual(["group-writable "]);
    chownSync(jail.base, USER, 0);
    expect(broken()).toEqual(["owner "]);
  });
  test("a symbolic link counts as its target in the jail", () => {
    directory("/usr/lib");
    symlinkSync("usr/lib", at("/lib"));
    symlinkSync("/usr/lib", at("/lib64"));
    symlinkSync("usr/none", at("/lib32"));
    expect(broken()).toEqual([]);
    directory("/usr/lib", 0o775);
    expect(broken()).toEqual(["group-writable /jail/usr/lib", "group-writable /jail/usr/lib"]);
  });
  test("a symbolic link to a safe directory of the host does not make the jail's unsafe one safe", () => {
    symlinkSync("/var/sbin", at("/sbin"));
    directory("/var", 0o755, USER);
    directory("/var/sbin");
    expect(broken()).toEqual(["link-through-untrusted /jail/sbin"]);
  });
  test.each(["", "/usr"])("symbolic links through an unsafe directory (%s) need not be removed", (path) => {
    directory("/usr/lib");
    symlinkSync("usr/lib", at("/lib"));
    directory(path, 0o775);
    expect(broken()).toEqual([`group-writable /jail${path}`]);
  });
  test("a dangling link is unsafe if users could create its target", () => {
    symlinkSync("usr/etc", at("/bin"));
    symlinkSync("/home/u/etc", at("/usr/etc"));
    expect(broken()).toEqual(["link-through-untrusted /jail/bin"]);
  });
  test("a file in the place of a directory", () => {
    writeFileSync(at("/sbin"), "");
    rmdirSync(at("/usr"));
    symlinkSync("sbin", at("/usr"));
    writeFileSync(at("/libfoo.txt"), "");
    expect(broken()).toEqual(["not-a-directory /jail/sbin", "not-a-directory /jail/usr"]);
  });
  test("each finding has its remedy", () => {
    chmodSync(at("/etc"), 0o775);
    expect(jailFindings(jail.root)[0]).toEqual({
      path: at("/etc"),
      rule: "group-writable",
      message: `${at("/etc")} is writable by its group (gid 0, mode 0775)`,
      advice: `chmod g-w ${at("/etc")}`,
    });
    expect(codeOf(() => requireSafeJail(jail.root, 3))).toBe("unsafe-jail");
    expect(messageOf(() => requireSafeJail(jail.root, 3))).toContain(`fix it with: chmod g-w ${at("/etc")}`);
  });
});

test("a symbolic link that a user left in root's directory is not followed, unless only root ever wrote there", () => {
  for (const name of ["data", "usr"]) {
    directory(`/${name}`, 0o755, USER);
    symlinkSync("/etc", at(`/${name}/link`));
    lchownSync(at(`/${name}/link`), USER, USER);
    directory(`/${name}`);
  }
  lchownSync(at("/usr/link"), 0, 0);
  writeFileSync(at("/etc/file"), "");
  const root = openJailRoot(jail.path);
  const reaches = (path: string) => {
    const whole = codeOf(() => lookUp(root, path, { follow: true }));
    return [whole, codeOf(() => release(walk(root, path)))];
  };
  expect(reaches("/usr/link")).toEqual(["no error", "no error"]);
  const refused = "link-in-untrusted-directory";
  expect(reaches("/data/link")).toEqual([refused, refused]);
  expect(codeOf(() => lookUp(root, "/data/link/file"))).toBe(refused);
  lchownSync(at("/usr/link"), USER, USER);
  expect(reaches("/usr/link")).toEqual(["no error", "no error"]);
  closeJailRoot(root);
});

describe("onlyRootDecides: who can change, or create, a directory", () => {
  test.each([
    ["/var/cache/ldconfig", true],
    ["/usr", true],
    ["/open", false],
    ["/open/none/at/all", false],
    ["/open/mine", false],
    ["/link", false],
    ["/dangling", false],
    ["/safe", true],
    ["/open/link", undefined],
    ["/file/below", undefined],
  ])("%s: %p", (path, expected) => {
    directory("/var");
    directory("/open", 0o770, 0, USER);
    directory("/open/mine");
    symlinkSync("open/mine", at("/link"));
    symlinkSync("open/none", at("/dangling"));
    symlinkSync("var/none", at("/safe"));
    symlinkSync("../usr", at("/open/link"));
    writeFileSync(at("/file"), "");
    const root = openJailRoot(jail.path);
    expect(answered(() => onlyRootDecides(root, path))).toBe(expected);
    closeJailRoot(root);
  });
});

test("accounts are looked up only for a directory that is refused; without an answer nobody's home is taken", () => {
  const { getpwuid_r } = libc;
  let asked = 0;
  let errno = C.EIO;
  libc.getpwuid_r = (() => {
    asked++;
    return errno;
  }) as typeof getpwuid_r;
  const findings = () => {
    using root = openJailRoot(jail.path);
    return jailFindings(root);
  };
  try {
    expect([findings(), exchangeFindings(jail.root, "/home"), asked]).toEqual([[], [], 0]);
    // A login to it is refused.
    chmodSync(jail.path, 0o775);
    directory("/etc", 0o775);
    expect([findings().length, asked]).toEqual([2, 0]);
    directory("/etc", 0o755, USER);
    const [, own] = findings();
    expect([own?.advice, asked]).toEqual([
      inWords(`give the account another home, and then type: chown -h root ${at("/etc")}`),
      1,
    ]);
    directory("/etc");
    chownSync(jail.base, USER, USER);
    const [first] = findings();
    expect(asked).toBe(2);
    expect(first?.message).toContain("; it may be in the home of its owner (");
    expect(adviceText(first?.advice ?? "")).toContain("jailkit adopt --moved ");
    // For a login, nslcd(8) knows no such account while its server is down; here that is no answer.
    errno = C.ENOENT;
    expect(findings()[0]?.message).toContain("; it may be in the home of its owner (");
  } finally {
    libc.getpwuid_r = getpwuid_r;
  }
  expect(findings()[0]?.message).toEndWith("; its owner can put another one in its place at any time");
});

test("a directory above a program: root takes none that may be a home", () => {
  directory("/usr/bin");
  writeFileSync(at("/usr/bin/a"), "");
  const remedies = (path: string) => {
    using root = openJailRoot(jail.path);
    return programFindings(root, path).map(({ advice }): unknown => advice);
  };
  expect(remedies("/usr/bin/a")).toEqual([]);
  expect(remedies("/home/u/a")).toEqual([inWords("keep the program where root alone can change it")]);
  chownSync(at("/usr"), USER, 0);
  expect(remedies("/usr/bin/a")).toEqual([`chown -h root ${at("/usr")}`]);
  chownSync(jail.path, USER, 0);
  expect(remedies("/usr/bin/a")).toEqual([`jk_check --fix ${jail.path}`]);
});

describe("directories in which others could exchange a name", () => {
  const rules = (path: string) => {
    const root = openJailRoot(jail.path);
    try {
      return exchangeFindings(root, path).map(
        (found) => `${found.rule} ${found.path.slice(jail.base.length)}`,
      );
    } finally {
      closeJailRoot(root);
    }
  };

  test.each([
    [0o755, 0, 0, [], []],
    [0o2755, 0, USER, [], []],
    [0o1777, 0, 0, [], ["other-writable"]],
    [0o1775, 0, USER, [], ["group-writable"]],
    [0o1775, 0, 0, [], []],
    [0o1757, 0, 0, [], ["other-writable"]],
    [0o755, USER, 0, ["owner"], ["owner"]],
    [0o1777, USER, 0, ["owner"], ["owner", "other-writable"]],
    [0o1755, USER, 0, ["owner"], ["owner"]],
    [0o775, 0, USER, ["group-writable"], ["group-writable"]],
    [0o2775, 0, USER, ["group-writable"], ["group-writable"]],
    [0o757, 0, 0, ["other-writable"], ["other-writable"]],
    [0o4757, 0, 0, ["other-writable"], ["other-writable"]],
    [
      0o777,
      USER,
      USER,
      ["owner", "group-writable", "other-writable"],
      ["owner", "group-writable", "other-writable"],
    ],
  ])("%o of %i:%i: %j; where one is missing: %j", (mode, uid, gid, expected, missing) => {
    directory("/home/a", mode, uid, gid);
    directory("/home/a/b");
    symlinkSync("home/a/none", at("/dangling"));
    const told = (list: readonly string[]) => list.map((rule) => `${rule} /jail/home/a`);
    // The directory itself, one above, and one that is not there yet.
    for (const path of ["/home/a", "/home/a/b", "/home/a/b/c/d"])
      expect([path, rules(path)]).toEqual([path, told(expected)]);
    for (const path of ["/home/a/none", "/home/a/none/c", "/dangling", "/dangling/c"])
      expect([path, rules(path)]).toEqual([path, told(missing)]);
    expect(rules("/home")).toEqual([]);
  });

  test("who could create what is missing in a sticky directory, also by its ACL; root creates it first", () => {
    directory("/tmp", 0o1775);
    Bun.spawnSync(["setfacl", "-m", `u:${USER}:rwx`, at("/tmp")]);
    expect(rules("/tmp/it's/b")).toEqual(["acl-writable /jail/tmp"]);
    chmodSync(at("/tmp"), 0o1777);
    const [, found] = exchangeFindings(jail.root, "/tmp/it's/b");
    expect(found).toEqual({
      path: at("/tmp"),
      rule: "other-writable",
      message: `${at("/tmp")} is writable by everyone (mode 1777), and others could create ${at("/tmp/it's")} first`,
      advice: `mkdir -m 0755 '${at("/tmp/it'\\''s")}'`,
    });
    Bun.spawnSync(["sh", "-c", typed(found?.advice ?? "") || "false"]);
    expect(rules("/tmp/it's/b")).toEqual([]);
    rmdirSync(at("/tmp/it's"));
    symlinkSync("/etc", at("/tmp/it's"));
    expect(Bun.spawnSync(["sh", "-c", typed(found?.advice ?? "") || "true"]).exitCode).toBe(1);
  });

  test("the jail itself, the directories above it, and the target of a symbolic link", () => {
    chownSync(jail.base, USER, 0);
    directory("/home/a", 0o777);
    symlinkSync("home/a", at("/link"));
    expect(rules("/link/x")).toEqual(["owner ", "other-writable /jail/home/a"]);
    expect(rules("/")).toEqual(["owner "]);
    chmodSync(jail.path, 0o757);
    expect(rules("/")).toEqual(["owner ", "other-writable /jail"]);
  });
});

describe("remedies, as a shell understands them", () => {
  const type = (remedy: string) => {
    const { exitCode, stderr } = Bun.spawnSync(["/bin/bash", "-c", remedy]);
    expect(`${exitCode} ${stderr}`).toBe("0 ");
  };

  test("a jail is safe after all of them, and no file is lost", () => {
    writeFileSync(at("/opt"), "kept");
    directory("/etc", 0o777, USER, USER);
    mkdirSync(at("/home/u"), { recursive: true });
    chownSync(at("/home/u"), USER, USER);
    symlinkSync("/home/u/nothing", at("/libx32"));
    symlinkSync("/home/u", at("/lib32"));
    chmodSync(jail.path, 0o775);
    expect(broken().length).toBeGreaterThan(4);
    for (let round = 0; round < 3; round++) {
      const root = openJailRoot(jail.path);
      const remedies = jailFindings(root).map(({ advice }) => adviceText(advice));
      closeJailRoot(root);
      for (const remedy of new Set(remedies)) type(remedy);
    }
    expect(broken()).toEqual([]);
    expect(readFileSync(at("/not-opt"), "latin1")).toBe("kept");
  });

  test("a symbolic link in the place of the configuration becomes a directory with the same files", () => {
    const [real, path] = [`${jail.base}/real`, `${jail.base}/it's a link`];
    mkdirSync(`${real}/jk_lsh.d`, { recursive: true });
    writeFileSync(`${real}/jk_lsh.d/x.ini`, "[x]\n");
    symlinkSync("real", path);
    type(typed(configDirectoryFindings(path)[0]?.advice ?? "") || "false");
    expect(configDirectoryFindings(path)).toEqual([]);
    expect(readFileSync(`${path}/jk_lsh.d/x.ini`, "latin1")).toBe("[x]\n");
    expect(readFileSync(`${real}/jk_lsh.d/x.ini`, "latin1")).toBe("[x]\n");
  });
});

test("configDirectoryFindings", () => {
  const path = mkdtempSync(`${jail.base}/it's a "config"-`);
  const rules = (mode: number, uid = 0, gid = 0) => {
    chownSync(path, uid, gid);
    chmodSync(path, mode);
    return configDirectoryFindings(path).map(({ rule, tolerated }) => (tolerated ? `(${rule})` : rule));
  };
  expect(rules(0o755)).toEqual([]);
  expect(rules(0o2755)).toEqual([]);
  expect(rules(0o775)).toEqual(["(group-writable)"]);
  expect(rules(0o757)).toEqual(["other-writable"]);
  expect(rules(0o775, USER, USER)).toEqual(["owner", "group", "group-writable"]);
  expect(configDirectoryFindings(path)[0]?.advice).toBe(`chown -h root '${path.replace("'", "'\\''")}'`);
  symlinkSync(path, `${jail.base}/link`);
  expect(configDirectoryFindings(`${jail.base}/link`).map(({ rule }) => rule)).toEqual(["link"]);
  expect(configDirectoryFindings(`${jail.base}/none`).map(({ rule }) => rule)).toEqual(["missing"]);
});
