/**
 * What the keys of src/config/schemas/confine.ts let a session do, tried from inside each kind of session: a shell of
 * jk_chrootsh, a program of jk_lsh in it, programs of jk_uchroot and jk_chrootlaunch, and procmail with its recipes.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { compiledC } from "../machine/helper.ts";
import {
  type Machine,
  type MachineProcess,
  openMachine,
  type RunResult,
  type Syslog,
} from "../machine/machine.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const PROBE = "/bin/probe";
const uid = 4741;
const NAME = "jailkit-confine-test";

let m: Machine;
let log: Syslog;
let server: MachineProcess;
let serverPid: string;
const probe = await Bun.file(compiledC(join(import.meta.dir, "confine-probe.c"), ["-static"])).bytes();

beforeAll(async () => {
  m = await openMachine({
    under: "ours",
    only: ["jk_chrootlaunch", "jk_chrootsh", "jk_lsh", "jk_procmailwrapper", "jk_uchroot"],
  });
  log = await m.startSyslog();
  m.addUser("u", { uid, shell: "/usr/sbin/jk_chrootsh" });
  m.write(
    "/etc/passwd",
    m.read("/etc/passwd").replace(/^u:.*$/m, `u:x:${uid}:${uid}::${J}/./home/u:/usr/sbin/jk_chrootsh`),
  );
  m.write("/etc/group", `${m.read("/etc/group").replace(/^u:.*\n/m, "")}u:x:${uid}:\n`);
  const refuse = compiledC(join(import.meta.dir, "refuse-call.c"), ["-static"]);
  m.write("/usr/bin/refuse-call", await Bun.file(refuse).bytes(), { mode: 0o755 });
  m.write("/usr/bin/confine-probe", probe, { mode: 0o755 });
  m.must(["ip", "link", "set", "lo", "up"]);
  server = m.start(["/usr/bin/confine-probe", "serve", NAME], { user: "u" });
  serverPid = await server.until(({ stdout }) => /^(\d+)\n/.exec(stdout)?.[1]);
});
afterAll(() => m?.close());

beforeEach(async () => {
  m.remove(J);
  for (const name of ["dev", "etc/jailkit", "lib", "usr/bin", "bin", "sbin", "home", "data", "srv"])
    m.mkdir(`${J}/${name}`);
  m.mkdir(`${J}/tmp`, { mode: 0o1777 });
  const own = { owner: [uid, uid] as [number, number] };
  for (const name of ["home/u", "home/u/in", "home/u/out", "srv/u"]) m.mkdir(`${J}/${name}`, own);
  for (const name of ["home/u/file", "home/u/in/file", "home/u/out/file", "srv/u/file"])
    m.write(`${J}/${name}`, "text", own);
  m.write(`${J}/data/file`, "text", { mode: 0o666 });
  m.write(`${J}/etc/group`, `u:x:${uid}:\n`);
  m.write(`${J}/etc/secret`, "text");
  for (const place of [PROBE, "/usr/bin/procmail", "/home/u/program", "/srv/program"])
    m.write(`${J}${place}`, probe, { mode: 0o755 });
  m.must(["mknod", "-m", "666", `${J}/dev/null`, "c", "1", "3"]);
  m.must(["mknod", "-m", "666", `${J}/dev/urandom`, "c", "1", "9"]);
  m.remove("/etc/jailkit");
  m.mkdir("/etc/jailkit");
  await log.clear();
});

const KINDS = ["jk_chrootsh", "jk_lsh", "jk_uchroot", "jk_chrootlaunch", "jk_procmailwrapper"] as const;
type Kind = (typeof KINDS)[number];
type Keys = Readonly<Record<string, string>>;

const lines = (keys: Keys) =>
  Object.entries(keys)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join("");

/** The options of jk_chrootlaunch for keys. */
const options = (keys: Keys) =>
  Object.entries(keys).map(([key, value]) => {
    const name = `--${key.replaceAll("_", "-")}`;
    return key === "no_new_privs" || key === "scope" ? name : `${name}=${value}`;
  });

const asUser = { user: "u", env: { USER: "u" } };

/** Runs the probe in a session that these keys confine. */
function session(
  kind: Kind,
  keys: Keys,
  attempts: readonly string[],
  { withoutLandlock = false, withoutRules = false } = {},
): RunResult {
  // Root starts the user's programs, which then keep the capabilities of their files.
  // ENOSYS of landlock_create_ruleset(2); success of landlock_restrict_self(2).
  const refused = withoutLandlock ? ["38", "444"] : withoutRules ? ["0", "446"] : [];
  const lie = refused.length === 0 ? [] : ["/usr/bin/refuse-call", ...refused, "--"];
  const become = ["/usr/bin/setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--init-groups", "--"];
  const run = (words: readonly string[]) =>
    lie.length > 0 ? m.run([...lie, ...become, ...words], { env: { USER: "u" } }) : m.run(words, asUser);
  const shell = kind === "jk_lsh" ? "/usr/sbin/jk_lsh" : PROBE;
  m.write(`${J}/etc/passwd`, `u:x:${uid}:${uid}::/home/u:${shell}\n`);
  if (kind === "jk_chrootsh") {
    m.write("/etc/jailkit/jk_chrootsh.ini", `[u]\n${lines(keys)}`);
    return run(["/usr/sbin/jk_chrootsh", ...attempts]);
  }
  if (kind === "jk_procmailwrapper") {
    m.write("/etc/jailkit/jk_chrootsh.ini", `[u]\n${lines(keys)}`);
    return run(["/usr/sbin/jk_procmailwrapper", ...attempts]);
  }
  if (kind === "jk_lsh") {
    m.write(`${J}/etc/jailkit/jk_lsh.ini`, `[u]\nexecutables = ${PROBE}\n${lines(keys)}`);
    return run(["/usr/sbin/jk_chrootsh", "-c", [PROBE, ...attempts].join(" ")]);
  }
  if (kind === "jk_uchroot") {
    m.write("/etc/jailkit/jk_uchroot.ini", `[u]\nallowed_jails = ${J}\n${lines(keys)}`);
    return run(["/usr/bin/jk_uchroot", "-j", J, "-x", PROBE, "--", ...attempts]);
  }
  const words = [
    "/usr/sbin/jk_chrootlaunch",
    "-j",
    J,
    "-u",
    "u",
    "-x",
    PROBE,
    ...options(keys),
    "--",
    ...attempts,
  ];
  return m.run([...lie, ...words]);
}

/** What came of each attempt. */
const outcomes = ({ stdout }: RunResult) =>
  Object.fromEntries(
    stdout.split("\n").flatMap((line) => {
      const [attempt, result] = line.split(" ");
      return attempt?.includes(":") && result !== undefined ? [[attempt, result]] : [];
    }),
  );

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
  "execute:/bin/probe",
];

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
    { works: ["write:/srv/u/file"], fails: { "read:/data/file": "EACCES", "read:/tmp": "EACCES" } },
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
    { works: ["execute:/srv/program"], fails: { "execute:/home/u/program": "EACCES" } },
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
      fails: { "namespace:": "EPERM", "trace:": "EPERM", "keys:": "ENOSYS", "socket:40:1": "EAFNOSUPPORT" },
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
    // The other keys that confine = 1 stands for are off.
    const off: Keys = kind === "jk_chrootlaunch" ? {} : { confine: "0", execute: "any" };
    const result = session(kind, { ...off, ...keys }, Object.keys(expected));
    expect(result.stderr).toBe("");
    expect(outcomes(result)).toEqual(expected);
  });

  test("scope = 1", () => {
    const off: Keys = kind === "jk_chrootlaunch" ? {} : { confine: "0", execute: "any" };
    const attempts = [`reach:${NAME}`, `signal:${serverPid}`];
    const free = session(kind, off, attempts);
    expect(Object.values(outcomes(free))).toEqual(["works", "works"]);
    const held = session(kind, { ...off, scope: "1" }, attempts);
    expect(Object.values(outcomes(held))).toEqual(["EPERM", "EPERM"]);
  });

  describe("a kernel without Landlock", () => {
    const keys = { confine: "1", read: "none" };
    const attempts = ["read:/data/file", "namespace:"];

    test("the session goes on, and the log says so once", async () => {
      const result = session(kind, keys, attempts, { withoutLandlock: true });
      expect(outcomes(result)).toEqual({ "read:/data/file": "works", "namespace:": "EPERM" });
      const told = await log.waitForLog(({ message }) => message.includes("does not confine"));
      expect(told.message).toContain("read needs Landlock of Linux 5.19");
      expect(told.message).toContain("scope needs Landlock of Linux 6.12");
      expect((await log.lines()).filter(({ message }) => message.includes("does not confine"))).toHaveLength(
        1,
      );
    });

    test("confine = require refuses the session", async () => {
      const refused = session(kind, { ...keys, confine: "require" }, attempts, { withoutLandlock: true });
      expect(refused.stdout).toBe("");
      expect(refused.status).toBe(kind === "jk_lsh" ? 126 : 106);
      expect(refused.stderr).toContain("the session cannot be confined");
      await log.waitForLog(({ message }) => message.includes("confine = require"));
    });
  });

  test("a kernel that says that it set the rules, and did not set them, is not believed", () => {
    const result = session(kind, { confine: "1" }, ["read:/data/file"], { withoutRules: true });
    expect(result.stdout).toBe("");
    expect(result.status).toBe(kind === "jk_lsh" ? 126 : 106);
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
      expect(outcomes(session(kind, {}, ["namespace:"]))).toEqual({ "namespace:": "EPERM" });
    }
  });

  test("allow_setuid = 1 of jk_uchroot turns all of it off", () => {
    const result = session("jk_uchroot", { allow_setuid: "1" }, ["execute:/home/u/program", "keys:"]);
    expect(outcomes(result)).toMatchObject({ "execute:/home/u/program": "works" });
    expect(outcomes(result)["keys:"]).not.toBe("ENOSYS");
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
  const result = session("jk_lsh", {}, ["stat:/"], { withoutLandlock: true });
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
    m.must(["chown", "-h", `${uid}:${uid}`, `${J}/home/u/in`]);
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
