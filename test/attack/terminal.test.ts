/**
 * A program in a jail cannot type into a terminal that it was given: a real terminal, each program that passes one on,
 * and every way to make the call. The test reads what was typed as the waiting shell would.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine, type RunResult, type Sshd, type Syslog } from "../machine/machine.ts";
import { J, says as linesOf, PROBE } from "./probe.ts";

setDefaultTimeout(120_000);

const lsh = `${J}/etc/jailkit/jk_lsh.ini`;
const chrootsh = "/etc/jailkit/jk_chrootsh.ini";
const uchroot = "/etc/jailkit/jk_uchroot.ini";
const refused = "Operation not permitted";
const common = ["plain", "high-bits", "bit-32", "console", "no-terminal", "dev-tty", "new-session"];
// Elsewhere there are no such calls.
const ways32 = process.arch === "x64" ? ["i386", "i386-console"] : [];
const killed = "Bad system call";
const x32 = { x32: killed, "x32-without-mark": "Function not implemented", marked: killed };
/** Every way to type, and what comes of it. */
const WAYS: Record<string, string> = {
  ...Object.fromEntries([...common, ...ways32].map((way) => [way, refused])),
  ...(process.arch === "x64" ? x32 : {}),
};

const says = (result: RunResult, word: string) => linesOf(result, word)[0];

let m: Machine;
let log: Syslog;
let sshd: Sshd;
let uid: number;

beforeAll(async () => {
  const only = ["jk_chrootlaunch", "jk_chrootsh", "jk_lsh", "jk_procmailwrapper", "jk_uchroot"];
  m = await openMachine({ under: "ours", only });
  log = await m.startSyslog();
  sshd = await m.startSshd();
  const put = (name: string, path: string) =>
    m.write(path, readFileSync(compiledC(join(import.meta.dir, name), ["-static"])), { mode: 0o755 });
  put("terminal-pty.c", "/usr/bin/terminal-pty");
  for (const path of [`${J}${PROBE}`, `${J}/usr/bin/procmail`]) put("terminal-probe.c", path);
  m.mkdir(`${J}/dev`);
  m.must(["mknod", "-m", "666", `${J}/dev/tty`, "c", "5", "0"]);
  uid = m.addUser("u", { home: `${J}/./home/u`, shell: "/usr/sbin/jk_chrootsh" }).uid;
  m.mkdir(`${J}/home/u`, { owner: [uid, m.ids("u").gid] });
  m.write(`${J}/etc/group`, `u:x:${m.ids("u").gid}:\n`);
  shell(PROBE);
});
afterAll(() => m?.close());

function shell(path: string): void {
  m.write(`${J}/etc/passwd`, `u:x:${uid}:${m.ids("u").gid}::/home/u:${path}\n`);
}

/** Runs a program, as root, on a terminal. */
const on = (owner: number, ...words: string[]) => m.run(["/usr/bin/terminal-pty", `${owner}`, ...words]);
const asUser = (...words: string[]) => {
  const { gid } = m.ids("u");
  return [
    "/usr/bin/setpriv",
    `--reuid=${uid}`,
    `--regid=${gid}`,
    "--init-groups",
    "/usr/bin/env",
    "USER=u",
    ...words,
  ];
};

function typesNothing(result: RunResult): void {
  expect(result.status).toBe(0);
  expect(says(result, "seccomp")).toBe("2");
  expect(Object.fromEntries(Object.keys(WAYS).map((way) => [way, says(result, way)]))).toEqual(WAYS);
  expect(says(result, "typed")).toBe("");
  // The terminal is of use all the same, and so are 32-bit programs.
  expect(says(result, "settings")).toBe("done");
  if (process.arch === "x64") expect(says(result, "i386-pid")).toBe("done");
}

test("the probe can type where nothing prevents it", () => {
  const result = on(0, `${J}${PROBE}`);
  expect(says(result, "seccomp")).toBe("0");
  expect(says(result, "no-terminal")).toBe("Inappropriate ioctl for device");
  // Where the kernel refuses it by itself (dev.tty.legacy_tiocsti), the filter is still seen by its errors.
  const legacy = m.exists("/proc/sys/dev/tty/legacy_tiocsti")
    ? m.must(["cat", "/proc/sys/dev/tty/legacy_tiocsti"]).stdout.trim()
    : "1";
  if (legacy === "1") expect(says(result, "typed")).toContain("abc");
});

describe("jk_chrootlaunch", () => {
  const launch = (...words: string[]) => ["/usr/sbin/jk_chrootlaunch", "-j", J, "-x", PROBE, ...words];

  test("as a user", () => {
    const result = on(0, ...launch("-u", "u"));
    typesNothing(result);
    expect(says(result, "uid")).toBe(`${uid}`);
    // Nothing else is removed.
    expect(says(result, "no_new_privs")).toBe("0");
  });

  test("with capabilities", () =>
    typesNothing(on(0, ...launch("-u", "u", "--keep-caps", "net_bind_service"))));
  test("as root, for daemons that change their user themselves", () => typesNothing(on(0, ...launch())));

  test("as root without CAP_SYS_ADMIN, by no_new_privs", () => {
    const result = on(0, "/usr/bin/setpriv", "--bounding-set=-sys_admin", ...launch("-u", "u"));
    typesNothing(result);
    expect(says(result, "no_new_privs")).toBe("1");
    expect(result.stderr).toContain("without CAP_SYS_ADMIN");
  });
});

describe("jk_uchroot", () => {
  const run = (owner: number) => on(owner, ...asUser("/usr/bin/jk_uchroot", "-j", J, "-x", PROBE));

  test("on the caller's terminal", () => {
    // 32-bit programs run without the filter of syscalls = login.
    m.write(uchroot, `[u]\nallowed_jails = ${J}\nsyscalls = any\n`);
    typesNothing(run(uid));
  });

  test("with allow_setuid: on another's terminal, at the price of setuid; the caller's own is left alone", async () => {
    m.write(uchroot, `[u]\nallowed_jails = ${J}\nallow_setuid = 1\n`);
    await log.clear();
    const result = run(0);
    typesNothing(result);
    expect(says(result, "no_new_privs")).toBe("1");
    await log.waitForLog(
      ({ ident, message }) => ident === "jk_uchroot" && message.includes("not the user's own"),
    );
    const own = run(uid);
    expect(says(own, "seccomp")).toBe("0");
    expect(says(own, "no_new_privs")).toBe("0");
  });
});

describe("jk_chrootsh", () => {
  test("from a shell of root's, through su", async () => {
    m.remove(chrootsh);
    await log.clear();
    const result = on(0, "/usr/bin/su", "-", "u");
    typesNothing(result);
    expect(says(result, "uid")).toBe(`${uid}`);
    await log.waitForLog(
      ({ ident, message }) => ident === "jk_chrootsh" && message.includes("not the user's own"),
    );
  });

  test("the terminal of root's shell is recognized even if standard input is not one", () => {
    const result = on(0, ...asUser("/usr/bin/env", "-S", "sh -c", "exec jk_chrootsh </dev/null"));
    expect(says(result, "seccomp")).toBe("2");
    expect(says(result, "dev-tty")).toBe(refused);
    expect(says(result, "typed")).toBe("");
  });

  test("with no_new_privs", () => {
    m.write(chrootsh, "[DEFAULT]\nno_new_privs = 1\n");
    typesNothing(on(uid, ...asUser("/usr/sbin/jk_chrootsh")));
  });

  test("a login by ssh has a terminal of its own, and setuid programs keep their effect", () => {
    m.remove(chrootsh);
    for (const options of [["-tt"], ["-T"]]) {
      const words = ["ssh", ...sshd.clientOptions, ...options, "u@127.0.0.1"];
      const result = m.run(words);
      expect(result.stdout.replaceAll("\r", "").split("\n").slice(0, 2)).toEqual([
        "seccomp 0",
        "no_new_privs 0",
      ]);
    }
  });
});

test("jk_lsh in a jail", () => {
  m.remove(chrootsh);
  shell("/usr/sbin/jk_lsh");
  m.write(lsh, `[DEFAULT]\nexecutables = ${PROBE}\nsyscalls = any\n`);
  typesNothing(on(uid, ...asUser("/usr/sbin/jk_chrootsh", "-c", PROBE)));
  shell(PROBE);
});

test("jk_lsh outside a jail", () => {
  m.write("/etc/jailkit/jk_lsh.ini", `[DEFAULT]\nexecutables = ${PROBE}\nsyscalls = any\n`);
  m.write(PROBE, m.readBytes(`${J}${PROBE}`), { mode: 0o755 });
  typesNothing(on(uid, ...asUser("/usr/sbin/jk_lsh", "-c", PROBE)));
});

test("jk_procmailwrapper on another's terminal", () => {
  typesNothing(on(0, ...asUser("/usr/sbin/jk_procmailwrapper")));
});
