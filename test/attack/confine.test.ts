/**
 * What the keys of src/config/schemas/confine.ts let a session do, each key alone, tried from inside each kind of session;
 * and what settings cannot be used. All together: confine-all.test.ts; other
 * kernels: confine-kernels.test.ts.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { callNumber } from "../../build/filters/libseccomp.ts";
import type { Machine, Syslog } from "../machine/machine.ts";
import { HERE } from "../unit/filter-words.ts";
import {
  type ConfineScene,
  J,
  type Keys,
  KINDS,
  lines,
  NAME,
  OFF,
  openConfineScene,
  outcomes,
  PROBE,
  UID,
  WITHOUT_LANDLOCK,
} from "./confine-scene.ts";

setDefaultTimeout(120_000);

let scene: ConfineScene;
let m: Machine;
let log: Syslog;
const session: ConfineScene["session"] = (...given) => scene.session(...given);

beforeAll(async () => {
  scene = await openConfineScene();
  ({ m, log } = scene);
});
afterAll(() => m?.close());

beforeEach(async () => {
  m.remove(J);
  for (const name of ["dev", "etc", "lib", "usr/bin", "bin", "sbin"]) m.mkdir(`${J}/${name}`);
  m.write(`${J}${PROBE}`, scene.probe, { mode: 0o755 });
  m.write(`${J}/usr/bin/procmail`, scene.probe, { mode: 0o755 });
  scene.fill();
  m.must(["mknod", "-m", "666", `${J}/dev/null`, "c", "1", "3"]);
  m.must(["mknod", "-m", "666", `${J}/dev/urandom`, "c", "1", "9"]);
  await log.clear();
});

/** Attempts that must work, and for each that must not, its error. */
interface Expected {
  works: readonly string[];
  fails: Readonly<Record<string, string>>;
}

const always = [
  "stat:/srv/u/file",
  "read:/etc/secret",
  "write:/dev/null",
  "read:/dev/urandom",
  `execute:${PROBE}`,
];

// unshare(CLONE_NEWUSER); keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING)
const NAMESPACE = "unshare:10000000";
const KEYS = `call:${(callNumber("keyctl", HERE) ?? 0).toString(16)},0,fffffffffffffffd`;

// ioctl(no descriptor, TIOCSTI): EBADF, unless a filter answers first.
const TYPING = `call:${(callNumber("ioctl", HERE) ?? 0).toString(16)},ffffffff,5412`;

const CASES: readonly (readonly [name: string, keys: Keys, expected: Expected])[] = [
  [
    "read = /srv/u, /data",
    { read: "/srv/u, /data" },
    {
      works: [
        "read:/srv/u/file",
        "read:/data/file",
        "read:/data",
        "create:/home/u/new",
        "write:/home/u/file",
      ],
      fails: {
        "read:/home/u/file": "EACCES",
        "read:/home/u": "EACCES",
        "read:/home/u/in/file": "EACCES",
        "read:/": "EACCES",
        "link:/home/u/file:/srv/u/stolen": "EXDEV",
        "rename:/home/u/file:/srv/u/stolen": "EXDEV",
      },
    },
  ],
  [
    "read = none",
    { read: "none" },
    {
      works: ["write:/srv/u/file"],
      fails: { "read:/data/file": "EACCES", "read:/tmp": "EACCES", [TYPING]: "EPERM" },
    },
  ],
  [
    "write = ~/in",
    { write: "~/in" },
    {
      works: [
        "write:/home/u/in/file",
        "cut:/home/u/in/file",
        "create:/home/u/in/a",
        "mkdir:/home/u/in/d",
        "rename:/home/u/in/a:/home/u/in/d/a",
        "link:/home/u/in/d/a:/home/u/in/b",
        "symlink:/x:/home/u/in/s",
        "fifo:/home/u/in/f",
        "remove:/home/u/in/b",
        "read:/srv/u/file",
      ],
      fails: {
        "write:/home/u/file": "EACCES",
        "cut:/home/u/file": "EACCES",
        "create:/home/u/new": "EACCES",
        "remove:/home/u/file": "EACCES",
        "mkdir:/home/u/new": "EACCES",
        "rmdir:/home/u/out": "EACCES",
        "rename:/home/u/file:/home/u/other": "EACCES",
        "rename:/home/u/out/file:/home/u/in/moved": "EACCES",
        "link:/home/u/file:/home/u/in/linked": "EXDEV",
        "symlink:/x:/tmp/s": "EACCES",
        "fifo:/tmp/f": "EACCES",
        "write:/data/file": "EACCES",
      },
    },
  ],
  [
    "write = none",
    { write: "none" },
    {
      works: ["read:/home/u/file", "read:/data/file"],
      fails: {
        "write:/home/u/file": "EACCES",
        "create:/tmp/new": "EACCES",
        "make:/tmp/made": "EACCES",
        "cut:/data/file": "EACCES",
      },
    },
  ],
  [
    "read and write of one file",
    { read: "none", write: "/data/file" },
    {
      works: ["read:/data/file", "write:/data/file", "cut:/data/file"],
      fails: { "remove:/data/file": "EACCES" },
    },
  ],
  [
    "read and write of two files",
    { read: "/data/file", write: "/srv/u/file" },
    { works: ["read:/data/file", "write:/srv/u/file"], fails: { "write:/data/file": "EACCES" } },
  ],
  [
    "execute = system",
    { execute: "system" },
    {
      works: [],
      fails: { "execute:/home/u/program": "EACCES", "execute:/srv/program": "EACCES", "memory:": "EACCES" },
    },
  ],
  [
    "execute = system, /srv",
    { execute: "system, /srv" },
    {
      works: ["execute:/srv/program"],
      fails: { "execute:/home/u/program": "EACCES", "memory:": "EACCES", [TYPING]: "EPERM" },
    },
  ],
  [
    "network = local",
    { network: "local" },
    {
      works: ["socket:1:1"],
      fails: { "socket:2:1": "EAFNOSUPPORT", "socket:10:2": "EAFNOSUPPORT", "socket:16:3": "EAFNOSUPPORT" },
    },
  ],
  [
    "network = none",
    { network: "none" },
    { works: [], fails: { "socket:1:1": "EAFNOSUPPORT", "socket:2:2": "EAFNOSUPPORT" } },
  ],
  [
    "tcp_connect = 443",
    { tcp_connect: "443" },
    {
      works: ["bind:8443", "listen:2", "socket:2:2"],
      fails: { "connect:443": "ECONNREFUSED", "connect:22": "EACCES", "socket:2:1:262": "EPROTONOSUPPORT" },
    },
  ],
  [
    "tcp_bind = 8443",
    { tcp_bind: "8443" },
    // listen(2) of a socket without a port gets one from the kernel, which no filter can tell from another listen(2).
    {
      works: ["bind:8443", "listen:2", "listen:10"],
      fails: { "bind:8444": "EACCES", "socket:2:1:262": "EPROTONOSUPPORT" },
    },
  ],
  [
    "tcp_bind = none",
    { tcp_bind: "none" },
    {
      works: [],
      fails: {
        "bind:8443": "EACCES",
        "listen:2": "EACCES",
        "listen:10": "EACCES",
        "connect:443": "ECONNREFUSED",
      },
    },
  ],
  [
    "syscalls = login",
    { syscalls: "login" },
    {
      works: ["memory:", "socket:1:1", "socket:2:1"],
      fails: { [NAMESPACE]: "EPERM", "trace:": "EPERM", [KEYS]: "ENOSYS", "socket:40:1": "EAFNOSUPPORT" },
    },
  ],
  ["limits", { limits: "nofile 64, core 0" }, { works: [], fails: { "files:": "EPERM" } }],
];

describe.each(KINDS)("%s", (kind) => {
  test.each(CASES)("%s", (_name, keys, { works, fails }) => {
    const expected = Object.fromEntries([
      ...[...always, ...works].map((attempt) => [attempt, "works"]),
      ...Object.entries(fails),
    ]);
    const result = session(kind, { ...OFF[kind], ...keys }, Object.keys(expected));
    expect(result.stderr).toBe("");
    expect(outcomes(result)).toEqual(expected);
  });

  test("scope = 1", () => {
    const attempts = [`reach:${NAME}`, `signal:${scene.outside}`];
    const free = session(kind, OFF[kind], attempts);
    expect(Object.values(outcomes(free))).toEqual(["works", "works"]);
    const held = session(kind, { ...OFF[kind], scope: "1" }, attempts);
    expect(Object.values(outcomes(held))).toEqual(["EPERM", "EPERM"]);
  });

  test("a kernel that says that it set the rules, and did not set them, is not believed", () => {
    // Success of landlock_restrict_self(2).
    const lie = ["/usr/bin/refuse-call", "0", "446", "--"];
    const result = session(kind, { confine: "1" }, ["read:/data/file"], lie);
    expect(result.stdout).toBe("");
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain("the session cannot be confined");
  });

  test("nor if the user made what could not be made then", () => {
    m.write(`${J}/home/u/.jailkit-probe`, "", { owner: [UID, UID] });
    const lie = ["/usr/bin/refuse-call", "0", "446", "--"];
    const result = session(kind, { confine: "1" }, ["read:/data/file"], lie);
    expect(result.stdout).toBe("");
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain("the session cannot be confined");
  });

  test("confine = require, on this kernel", () => {
    const result = session(kind, { confine: "require", read: "none", write: "none" }, ["read:/data/file"]);
    expect(outcomes(result)).toEqual({ "read:/data/file": "EACCES" });
  });
});

describe("without a word of the settings", () => {
  const attempts = ["execute:/home/u/program"];

  test.each([
    ["jk_chrootsh", "works"],
    ["jk_lsh", "EACCES"],
    ["jk_uchroot", "EACCES"],
    ["jk_chrootlaunch", "works"],
    ["jk_procmailwrapper", "works"],
  ] as const)("%s: %s", (kind, expected) => {
    expect(outcomes(session(kind, {}, attempts))).toEqual({
      "execute:/home/u/program": expected,
    });
    if (expected === "EACCES") {
      expect(outcomes(session(kind, {}, [NAMESPACE]))).toEqual({ [NAMESPACE]: "EPERM" });
    }
  });

  test("allow_setuid = 1 of jk_uchroot turns all of it off", () => {
    const result = session("jk_uchroot", { allow_setuid: "1" }, ["execute:/home/u/program", KEYS]);
    expect(outcomes(result)).toMatchObject({ "execute:/home/u/program": "works" });
    expect(outcomes(result)[KEYS]).not.toBe("ENOSYS");
  });
});

test("jk_lsh in jk_chrootsh: both sections hold", () => {
  m.write("/etc/jailkit/jk_chrootsh.ini", "[u]\nwrite = ~\nlimits = nofile 64\n");
  const attempts = ["write:/home/u/file", "write:/srv/u/file", "read:/srv/u/file", "files:"];
  const result = session("jk_lsh", { write: "/srv/u", limits: "nofile 128, core 0" }, attempts);
  expect(outcomes(result)).toEqual({
    "write:/home/u/file": "EACCES",
    "write:/srv/u/file": "EACCES",
    "read:/srv/u/file": "works",
    "files:": "EPERM",
  });
  expect(result.stdout).toContain("nofile 64 64\n");
});

test("jk_lsh in jk_chrootsh: what the kernel lacks for both is said once", async () => {
  m.write("/etc/jailkit/jk_chrootsh.ini", "[u]\nconfine = 1\n");
  const result = session("jk_lsh", {}, ["stat:/"], WITHOUT_LANDLOCK);
  expect(outcomes(result)).toEqual({ "stat:/": "works" });
  await log.waitForLog(({ message }) => message.includes("does not confine"));
  expect((await log.lines()).filter(({ message }) => message.includes("does not confine"))).toHaveLength(1);
});

describe("a path of the settings", () => {
  // Without `write`, each path of `read` is looked at more closely.
  const withAndWithoutWrite: Keys[] = [{}, { write: "~/out" }];

  test.each(withAndWithoutWrite)("that a user made a symbolic link of is none: %o", async (other) => {
    m.remove(`${J}/home/u/in`);
    m.symlink("/srv/u", `${J}/home/u/in`);
    m.must(["chown", "-h", `${UID}:${UID}`, `${J}/home/u/in`]);
    expect(outcomes(session("jk_chrootsh", { read: "~/in", ...other }, ["read:/srv/u/file"]))).toEqual({
      "read:/srv/u/file": "EACCES",
    });
    await log.waitForLog(({ message }) => message.includes("/home/u/in (a user may have made"));
  });

  const exchange = ["rename:/home/u/in:/home/u/old", "rename:/home/u/out:/home/u/in"];

  test("of read that a session exchanges is none for the next one", async () => {
    const own = { confine: "0", execute: "any", read: "~/in" };
    expect(outcomes(session("jk_chrootsh", own, exchange))).toMatchObject({
      "rename:/home/u/out:/home/u/in": "works",
    });
    expect(outcomes(session("jk_chrootsh", own, ["read:/home/u/in/file"]))).toEqual({
      "read:/home/u/in/file": "EACCES",
    });
    await log.waitForLog(({ message }) => message.includes("/home/u/in (without the key write"));
  });

  test.each(["none", "~/out"])("of read cannot be exchanged with write = %s", (write) => {
    const own = { confine: "0", execute: "any", read: "~/in", write };
    expect(outcomes(session("jk_chrootsh", own, [...exchange, "read:/home/u/in/file"]))).toEqual({
      "rename:/home/u/in:/home/u/old": "EACCES",
      "rename:/home/u/out:/home/u/in": "EACCES",
      "read:/home/u/in/file": "works",
    });
  });

  describe("as a program", () => {
    const tool = "/home/u/tool";
    const link = (target: string) => {
      m.symlink(target, `${J}${tool}`);
      m.must(["chown", "-h", `${UID}:${UID}`, `${J}${tool}`]);
    };
    const run = (program: string, keys: Keys, attempt: string) => {
      const listed = { executables: `${PROBE}, ${tool}`, ...keys };
      m.write(`${J}/etc/passwd`, `u:x:${UID}:${UID}::/home/u:/usr/sbin/jk_lsh\n`);
      m.write(`${J}/etc/jailkit/jk_lsh.ini`, `[u]\n${lines(listed)}`);
      return m.run(["/usr/sbin/jk_chrootsh", "-c", `${program} ${attempt}`], {
        user: "u",
        env: { USER: "u" },
      });
    };
    const KEYS: readonly Keys[] = [{ read: "/data" }, { read: "/data", write: "/srv/u" }];

    test.each(KEYS)("of which a user made a symbolic link: nobody may read what it leads to, %p", (keys) => {
      m.write(`${J}/srv/private`, "text", { mode: 0o644 });
      link("/srv/private");
      for (const execute of ["any", "system"])
        expect(outcomes(run(PROBE, { ...keys, execute, confine: "0" }, "read:/srv/private"))).toEqual({
          "read:/srv/private": "EACCES",
        });
    });

    test.each(KEYS)(
      "of which a user made a symbolic link: it does not start, and the log says so, %p",
      async (keys) => {
        link("/srv/program");
        expect(outcomes(run(tool, {}, "stat:/"))).toEqual({ "stat:/": "works" });
        for (const execute of ["any", "system"])
          expect(run(tool, { ...keys, execute, confine: "0" }, "stat:/")).toMatchObject({
            status: 126,
            stdout: "",
          });
        await log.waitForLog(({ message }) => message.includes(`${tool} (a user may have made`));
      },
    );

    test("that a session can exchange does not start without the key write", async () => {
      m.write(`${J}${tool}`, scene.probe, { mode: 0o755 });
      const started = (keys: Keys) => outcomes(run(tool, keys, "stat:/"))["stat:/"];
      expect(started({ read: "/data", write: "/srv/u" })).toBe("works");
      expect(started({ read: "~" })).toBe("works");
      expect(started({ read: "/data" })).toBeUndefined();
      await log.waitForLog(({ message }) => message.includes(`${tool} (without the key write`));
    });
  });

  test.each(withAndWithoutWrite)("that root made a symbolic link of leads where root says: %o", (other) => {
    m.symlink("/srv/u", `${J}/shared`);
    const attempts = ["read:/srv/u/file", "read:/data/file"];
    expect(outcomes(session("jk_chrootsh", { read: "/shared", ...other }, attempts))).toEqual({
      "read:/srv/u/file": "works",
      "read:/data/file": "EACCES",
    });
  });

  test.each(withAndWithoutWrite)("that is missing is logged, and the rest holds: %o", async (other) => {
    const keys = { read: "/nowhere, /data", ...other };
    const result = session("jk_lsh", keys, ["read:/data/file", "read:/srv/u/file"]);
    expect(outcomes(result)).toEqual({ "read:/data/file": "works", "read:/srv/u/file": "EACCES" });
    await log.waitForLog(({ message }) => message.includes("/nowhere (No such file or directory)"));
  });
});

describe("what cannot be used refuses", () => {
  test.each([
    ["read", "data"],
    ["read", "/data/../srv"],
    ["write", ""],
    ["write", "none, ~"],
    ["network", "loopback"],
    ["tcp_connect", "https"],
    ["tcp_bind", "0"],
    ["limits", "nofile"],
    ["limits", "files 3"],
    ["confine", "yes"],
    ["syscalls", "all"],
  ])("%s = %s", (key, value) => {
    for (const kind of KINDS) {
      const { stdout, status } = session(kind, { [key]: value }, ["stat:/"]);
      expect([kind, stdout]).toEqual([kind, ""]);
      expect(status).not.toBe(0);
    }
  });

  test.each(["jk_chrootsh", "jk_lsh", "jk_uchroot", "jk_procmailwrapper"] as const)(
    "contradictions: %s",
    (kind) => {
      const others: Keys[] = [{ confine: "1" }, { read: "/data" }, { scope: "1" }, { execute: "system" }];
      for (const other of others) {
        expect(session(kind, { no_new_privs: "0", ...other }, ["stat:/"]).stdout).toBe("");
      }
      expect(session(kind, { no_new_privs: "0" }, ["stat:/"]).stdout).toBe("stat:/ works\n");
    },
  );
});
