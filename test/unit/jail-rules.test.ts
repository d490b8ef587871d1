import { afterEach, beforeAll, beforeEach, describe, expect, spyOn, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { toBytes } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { fstat, type Stat, statAt } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { neverWait } from "../../ffi/served.ts";
import { hasXattr } from "../../ffi/xattrs.ts";
import { adviceText } from "../../src/cli/remedy.ts";
import { verifyNew } from "../../src/jail/fs/attributes.ts";
import {
  configDirectoryFindings,
  directoryFindings,
  exchangeFindings,
  jailFindings,
} from "../../src/jail/fs/safety.ts";
import { closeJailRoot, openJailRoot, release, walk } from "../../src/jail/fs/walk.ts";
import { makeDirectories, putDevice, putFile, putSymlink, setAttributes } from "../../src/jail/fs/write.ts";
import { aclAt } from "../../src/system/acl.ts";
import { codeOf, makeJail, type TestJail, USER } from "./jail-helper.ts";

/** Whose a directory is and who may write it: root's own, 0755, where nothing else is said. */
interface Rights {
  uid?: number;
  gid?: number;
  mode?: number;
  /** As `setfacl -m` takes it. */
  acl?: string;
}

const [O, G, W, A] = ["owner", "group-writable", "other-writable", "acl-writable"] as const;

/**
 * The rules for one directory, by where it is: whether names in it mean what root wants (`trusted`), what is wrong with it
 * as one that programs are loaded from, above a jail, and as the one of the
 * configuration, where what is in brackets is tolerated.
 */
const TABLE: readonly (readonly [
  what: string,
  rights: Rights,
  trusted: boolean,
  strict: readonly string[],
  above: readonly string[],
  config: readonly string[],
])[] = [
  ["root's alone", {}, true, [], [], []],
  ["root's, closed", { mode: 0o700 }, true, [], [], []],
  ["another owner's", { uid: USER }, false, [O], [O], [O]],
  ["another owner's, sticky", { uid: USER, mode: 0o1777 }, false, [O, G, W], [O], [O, W, `(${G})`]],
  ["another group's", { gid: USER }, true, [], [], ["group"]],
  ["for gid 0 to write", { mode: 0o775 }, false, [G], [], [`(${G})`]],
  ["for another group to write", { mode: 0o775, gid: USER }, false, [G], [G], ["group", G]],
  ["for others to write", { mode: 0o757 }, false, [W], [W], [W]],
  ["for others alone to write", { mode: 0o702 }, false, [W], [W], [W]],
  ["for everybody to write", { mode: 0o777 }, false, [G, W], [W], [W, `(${G})`]],
  ["sticky", { mode: 0o1755 }, true, [], [], []],
  ["sticky, for everybody", { mode: 0o1777 }, false, [G, W], [], [W, `(${G})`]],
  ["sticky, for others", { mode: 0o1757 }, false, [W], [], [W]],
  ["sticky, for gid 0", { mode: 0o1775 }, false, [G], [], [`(${G})`]],
  ["sticky, for another group", { mode: 0o1775, gid: USER }, false, [G], [G], ["group", G]],
  ["setgid", { mode: 0o2755 }, true, [], [], []],
  ["setgid, for everybody", { mode: 0o2777 }, false, [G, W], [W], [W, `(${G})`]],
  ["setuid, for everybody", { mode: 0o4777 }, false, [G, W], [W], [W, `(${G})`]],
  ["setuid and setgid, for others", { mode: 0o6757 }, false, [W], [W], [W]],
  ["a user's by ACL", { acl: "u:4711:rwx" }, false, [G], [A], [A]],
  ["a group's by ACL", { acl: "g:4711:rwx" }, false, [G], [A], [A]],
  ["a user's by ACL to write, not to read", { acl: "u:4711:-w-" }, false, [G], [A], [A]],
  ["a user's to read by ACL", { acl: "u:4711:r-x" }, true, [], [], []],
  ["a user's by ACL, behind a mask", { acl: "u:4711:rwx,m::r-x" }, true, [], [], []],
  ["root's by ACL", { acl: "u:0:rwx,g:0:rwx" }, false, [G], [], [`(${G})`]],
  ["a user's by ACL, sticky", { mode: 0o1755, acl: "u:4711:rwx" }, false, [G], [], [A]],
  ["a user's by ACL, setgid", { mode: 0o2755, acl: "u:4711:rwx" }, false, [G], [A], [A]],
  ["a user's by ACL, another group's", { gid: USER, acl: "u:4711:rwx" }, false, [G], [G], ["group", G]],
  ["a user's by default ACL", { acl: "d:u:4711:rwx,d:g:4711:rwx" }, true, [], [], []],
];

// As in the tools.
beforeAll(neverWait);

let jail: TestJail;
let umask: number;
beforeEach(() => {
  jail = makeJail();
  umask = libc.umask(0);
});
afterEach(() => {
  libc.umask(umask);
  jail.close();
});

const at = (path: string) => jail.path + path;

/** Types a command. Root types nothing here that is about anything else than what is below `base`: this is no other machine. */
function typed(command: string, base: string) {
  const paths = command.match(/(?<![\w/])\/[^\s';&]*/g) ?? [];
  if (paths.length === 0 || paths.some((path) => !path.startsWith(base)))
    throw new Error(`is not typed: ${command}`);
  return Bun.spawnSync(["sh", "-c", command]);
}

/** Gives a directory, made if it is missing, these rights. */
function give(path: string, { uid = 0, gid = 0, mode = 0o755, acl }: Rights): void {
  mkdirSync(path, { recursive: true });
  chownSync(path, uid, gid);
  chmodSync(path, mode);
  if (acl === undefined) return;
  const { exitCode, stderr } = Bun.spawnSync(["setfacl", "-m", acl, path]);
  if (exitCode !== 0) throw new Error(`setfacl: ${stderr}`);
}

const SYS_getxattrat = 464;

/** The rules that a freshly opened jail breaks, of its directories above and itself alone or of all that it has. */
function broken(path: string, judge: typeof jailFindings): string[] {
  const root = openJailRoot(path);
  try {
    return judge(root).map(({ rule }) => rule);
  } finally {
    closeJailRoot(root);
  }
}

describe.each(TABLE)("a directory that is %s", (_, rights, trusted, strict, above, config) => {
  test("safety", () => {
    for (const [path, rules] of [
      [jail.path, strict],
      [at("/etc"), strict],
      [at("/usr"), strict],
      [at("/run"), strict],
      [at("/srv"), []],
      [at("/tmp"), []],
      [at("/home"), []],
      [jail.base, above],
    ] as const) {
      const before = lstatSync(jail.base).mode;
      give(path, rights);
      expect([path, broken(jail.path, jailFindings)]).toEqual([path, [...rules]]);
      if (path === jail.path || path === jail.base)
        expect([path, broken(jail.path, directoryFindings)]).toEqual([path, [...rules]]);
      if (rights.acl !== undefined) Bun.spawnSync(["setfacl", "-b", path]);
      give(path, { mode: path === jail.base ? before & 0o7777 : 0o755 });
    }
    give(`${jail.base}/config`, rights);
    const found = configDirectoryFindings(`${jail.base}/config`);
    expect(found.map(({ rule, tolerated }) => (tolerated ? `(${rule})` : rule))).toEqual([...config]);
  });

  test("safety, of users who could exchange a name in it", () => {
    // Sticky, names are its owner's and root's to exchange.
    const sticky = ((rights.mode ?? 0) & 0o1000) !== 0;
    const rules = sticky ? above.filter((rule) => rule === O) : above;
    give(at("/srv"), {});
    for (const path of [jail.base, jail.path, at("/srv")]) {
      give(path, rights);
      const root = openJailRoot(jail.path);
      expect([path, exchangeFindings(root, "/srv").map(({ rule }): string => rule)]).toEqual([
        path,
        [...rules],
      ]);
      closeJailRoot(root);
      if (rights.acl !== undefined) Bun.spawnSync(["setfacl", "-b", path]);
      give(path, {});
    }
  });

  test("safety, after the remedies", () => {
    for (const path of [jail.base, at("/etc"), at("/srv")]) {
      give(path, rights);
      const root = openJailRoot(jail.path);
      for (const { advice, inHome } of jailFindings(root)) {
        const remedy = adviceText(advice);
        if (inHome) {
          // The jail moves: what is above is sticky, and the owner could exchange this one before root types its name.
          expect([path, remedy]).toEqual([jail.base, expect.stringContaining("jailkit adopt --moved ")]);
          chownSync(path, 0, 0);
          continue;
        }
        const { exitCode, stderr } = typed(remedy, jail.base);
        expect([remedy, exitCode, String(stderr)]).toEqual([remedy, 0, ""]);
      }
      closeJailRoot(root);
      expect([path, broken(jail.path, jailFindings)]).toEqual([path, []]);
    }
    give(`${jail.base}/config`, rights);
    for (const { advice } of configDirectoryFindings(`${jail.base}/config`))
      typed(adviceText(advice), jail.base);
    expect(configDirectoryFindings(`${jail.base}/config`)).toEqual([]);
  });

  test("walk", () => {
    give(at("/srv"), rights);
    give(at("/srv/d"), {});
    symlinkSync("/usr", at("/srv/l"));
    for (const path of ["/srv", "/srv/d"]) {
      const directory = walk(jail.root, path);
      expect([path, directory.trusted, directory.cached]).toEqual([path, trusted, trusted]);
      expect([path, directory.stage?.path]).toEqual([path, trusted ? undefined : "/"]);
      release(directory);
    }
    expect(codeOf(() => walk(jail.root, "/srv/l"))).toBe(
      trusted ? "no error" : "link-in-untrusted-directory",
    );
    give(jail.path, rights);
    const root = openJailRoot(jail.path);
    expect(root.top.trusted).toBe(trusted);
    closeJailRoot(root);
  });

  test("write, by user", () => {
    give(at("/srv"), rights);
    const owners = [
      [0, 0],
      [0, USER],
      [3, 0],
      [3, USER],
    ] as const;
    for (const [uid, gid] of owners) {
      const name = `/srv/${uid}-${gid}`;
      putFile(jail.root, name, toBytes("x"), { mode: 0o640, uid, gid });
      makeDirectories(jail.root, `${name}.d`, () => ({ mode: 0o750, uid, gid }));
      for (const path of [name, `${name}.d`])
        expect([path, lstatSync(at(path)).uid, lstatSync(at(path)).gid]).toEqual([path, uid, gid]);
    }
  });

  test("write, unfinished", () => {
    give(at("/srv"), rights);
    const open: string[] = [];
    const look = (dirfd: number, path: unknown) => {
      const name = String(path instanceof Uint8Array ? Buffer.from(path) : path).split("\0")[0] ?? "";
      const acl = aclAt(dirfd, name);
      const named = typeof acl === "string" ? [] : acl.named.filter(({ effective }) => effective !== 0);
      if (named.length > 0 || (statAt(dirfd, name).mode & 0o022) !== 0) open.push(name);
    };
    const { mkdirat, mknodat } = libc;
    const watches = [
      spyOn(libc, "mkdirat").mockImplementation(((dirfd, path, mode) => {
        const result = mkdirat(dirfd, path, mode);
        look(Number(dirfd), path);
        return result;
      }) as typeof mkdirat),
      spyOn(libc, "mknodat").mockImplementation(((dirfd, path, mode, device) => {
        const result = mknodat(dirfd, path, mode, device);
        look(Number(dirfd), path);
        return result;
      }) as typeof mknodat),
    ];
    try {
      makeDirectories(jail.root, "/srv/d/e", () => ({ mode: 0o777, uid: 0, gid: 0 }));
      makeDirectories(jail.root, "/srv/f", () => ({ mode: 0o755, uid: 0, gid: 0 }));
      putDevice(jail.root, "/srv/p", { type: "fifo", major: 0, minor: 0 }, { mode: 0o640, uid: 0, gid: 0 });
    } finally {
      for (const watch of watches) watch.mockRestore();
    }
    expect(watches.length).toBe(2);
    expect(open).toEqual([]);
  });

  test("write", () => {
    give(at("/srv"), rights);
    const bytes = toBytes("x");
    const made: [directory: string, mode: number][] = [];
    const real = libc.openat;
    const watch = spyOn(libc, "openat").mockImplementation(((dirfd, path, flags, mode) => {
      const fd = real(dirfd, path, flags, mode);
      const creates = (Number(flags) & (C.O_CREAT | C.O_TMPFILE)) !== 0 && (Number(flags) & C.O_WRONLY) !== 0;
      if (fd >= 0 && creates)
        made.push([readlinkSync(`/proc/self/fd/${dirfd}`), fstat(fd).mode & 0o7777 & ~C.S_ISGID]);
      return fd;
    }) as typeof real);
    try {
      putFile(jail.root, "/srv/f", bytes, { mode: 0o640, uid: 0, gid: 5 });
      putFile(jail.root, "/srv/f", bytes, { mode: 0o664, uid: 0, gid: 5 }, { replace: true });
      putFile(jail.root, "/srv/x", bytes, { mode: 0o755, uid: 0, gid: 0 });
      putFile(jail.root, "/srv/g", bytes, { mode: 0o4755, uid: 3, gid: 5 }, { absent: true });
    } finally {
      watch.mockRestore();
    }
    // Nobody but root can get at it before it is finished: not by its mode, and not by its place.
    const place = trusted ? at("/srv") : jail.path;
    expect(made.map(([directory, mode]) => [directory, mode])).toEqual([
      [place, 0o600],
      [place, 0o600],
      [place, 0o600],
      // Without a name there is no place.
      [at("/srv"), 0o600],
    ]);
    makeDirectories(jail.root, "/srv/d/e", () => ({ mode: 0o775, uid: 0, gid: 0 }));
    putDevice(jail.root, "/srv/p", { type: "fifo", major: 0, minor: 0 }, { mode: 0o660, uid: 0, gid: 0 });
    const facts = (name: string) => {
      const { mode, uid, gid } = lstatSync(at(`/srv/${name}`));
      return [name, (mode & 0o7777).toString(8), uid, gid];
    };
    expect(["f", "g", "d", "d/e", "p"].map(facts)).toEqual([
      ["f", "664", 0, 5],
      ["g", "4755", 3, 5],
      ["d", "775", 0, 0],
      ["d/e", "775", 0, 0],
      ["p", "660", 0, 0],
    ]);
    // What the directory hands down stays behind.
    for (const name of ["f", "g", "d", "d/e", "p"]) {
      const kept = ["access", "default"].filter((kind) =>
        hasXattr(C.AT_FDCWD, at(`/srv/${name}`), `system.posix_acl_${kind}`),
      );
      expect([name, kept]).toEqual([name, []]);
    }
    const device = () =>
      putDevice(
        jail.root,
        "/srv/null",
        { type: "char", major: 1, minor: 3 },
        { mode: 0o666, uid: 0, gid: 0 },
      );
    const disk = () =>
      putDevice(
        jail.root,
        "/srv/ram",
        { type: "block", major: 1, minor: 0 },
        { mode: 0o660, uid: 0, gid: 0 },
      );
    for (const make of [device, disk])
      expect(codeOf(make)).toBe(trusted ? "no error" : "device-in-untrusted-directory");
    putSymlink(jail.root, "/srv/l", "/usr");
    expect(codeOf(() => putFile(jail.root, "/srv/l/f", bytes, { mode: 0o644, uid: 0, gid: 0 }))).toBe(
      trusted ? "no error" : "link-in-untrusted-directory",
    );
    expect(readdirSync(jail.path).filter((name) => name.startsWith(".jk-"))).toEqual([]);
  });

  test("attributes", () => {
    give(at("/srv"), rights);
    const user = rights.uid === USER;
    const outcome = (name: string) => codeOf(() => setAttributes(jail.root, `/srv/${name}`, { mode: 0o640 }));
    const put = (name: string, uid: number) => {
      writeFileSync(at(`/srv/${name}`), "");
      chownSync(at(`/srv/${name}`), uid, uid);
    };
    put("root", 0);
    put("user", USER);
    put("other", USER + 1);
    put("shared", USER);
    linkSync(at("/srv/shared"), `${jail.base}/shared`);
    mkdirSync(at("/srv/d"));
    chownSync(at("/srv/d"), USER, USER);
    const allowed = (may: boolean) => (trusted || may ? "no error" : "shared-with-users");
    expect(["root", "user", "other", "shared", "d"].map((name) => [name, outcome(name)])).toEqual([
      ["root", allowed(false)],
      ["user", allowed(user)],
      ["other", allowed(false)],
      ["shared", allowed(false)],
      ["d", allowed(user)],
    ]);
    // A refusal changes nothing.
    expect(lstatSync(at("/srv/root")).mode & 0o777).toBe(trusted ? 0o640 : 0o666);
  });
});

describe("an ACL", () => {
  test("is not read where the group's bits say that nobody may write", () => {
    const { syscall } = libc;
    const read: number[] = [];
    const watch = spyOn(libc, "syscall").mockImplementation(((number, ...rest) => {
      read.push(Number(number));
      return syscall(number, ...rest);
    }) as typeof syscall);
    try {
      for (const mode of [0o755, 0o1777, 0o1775, 0o2755]) {
        give(jail.base, { mode });
        closeJailRoot(openJailRoot(jail.path));
      }
      expect(read).toEqual([]);
      give(jail.base, { mode: 0o775 });
      closeJailRoot(openJailRoot(jail.path));
      expect(new Set(read)).toEqual(new Set([SYS_getxattrat]));
    } finally {
      watch.mockRestore();
    }
  });

  test("that cannot be read is no reason to tolerate the group", () => {
    const { syscall, lgetxattr } = libc;
    const config = `${jail.base}/config`;
    give(config, { mode: 0o775 });
    give(jail.base, { mode: 0o775 });
    // EBADF and ENOENT: neither says that there is none.
    libc.syscall = ((number, directory, ...rest) =>
      syscall(number, number === SYS_getxattrat ? -1 : directory, ...rest)) as typeof syscall;
    libc.lgetxattr = ((_, ...rest) => lgetxattr(toBytes("\0"), ...rest)) as typeof lgetxattr;
    try {
      expect(broken(jail.path, jailFindings)).toEqual([G]);
      expect(configDirectoryFindings(config).map(({ rule, tolerated }) => [rule, tolerated])).toEqual([
        [G, false],
      ]);
    } finally {
      Object.assign(libc, { syscall, lgetxattr });
    }
    expect(broken(jail.path, jailFindings)).toEqual([]);
  });
});

test("a file that was created in a user's directory is the created one", () => {
  const untrusted = { ...jail.root.top, trusted: false };
  const verdict = (change: Partial<Stat>, type = C.S_IFREG, stage = untrusted) =>
    codeOf(() =>
      verifyNew(stage, { ...jail.root.top.stat, mode: type | 0o600, nlink: 1, ...change }, C.S_IFREG),
    );
  expect(verdict({})).toBe("no error");
  expect([verdict({ uid: USER }), verdict({ nlink: 2 }), verdict({}, C.S_IFLNK)]).toEqual([
    "EAGAIN",
    "EAGAIN",
    "EAGAIN",
  ]);
  expect(verdict({ uid: USER }, C.S_IFREG, jail.root.top)).toBe("no error");
});
