/**
 * What the programs that any user may start look up in the C library: one name that ffi/libc.ts has on demand loads all
 * of those, which costs a login milliseconds. ld.so itself reports each, in output that root reads with strace.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

// On demand, and imported by nothing else in the executables.
const WITNESS = "getgrouplist";
const jail = "/srv/jail";
let m: Machine;

beforeAll(async () => {
  m = await openMachine({
    under: "ours",
    only: ["jk_addjailuser", "jk_chrootsh", "jk_cp", "jk_init", "jk_lsh", "jk_procmailwrapper", "jk_uchroot"],
  });
  await m.startSyslog();
  m.must(["jk_init", "-j", jail, "basicshell", "procmail"]);
  m.must(["jk_cp", "-j", jail, "/usr/bin/id"]);
  for (const [name, shell] of [
    ["limited", "/usr/sbin/jk_lsh"],
    ["whole", "/bin/bash"],
  ] as const)
    m.must(["jk_addjailuser", "-j", jail, "-s", shell, name]);
  for (const name of ["tmp", "var/mail"]) m.mkdir(`${jail}/${name}`, { mode: 0o1777 });
  m.addUser("free", { createHome: true, home: "/home/free" });
  const policy = "[DEFAULT]\npaths = /usr/bin\nexecutables = /usr/bin/id\n";
  for (const place of [`${jail}/etc/jailkit`, "/etc/jailkit"]) m.write(`${place}/jk_lsh.ini`, policy);
  m.write("/etc/jailkit/jk_uchroot.ini", `[whole]\nallowed_jails = ${jail}\n`);
  // ld.so prints nothing if a file has capabilities; an ambient one works as well, as with the entries of packages.
  for (const path of ["/usr/sbin/jk_chrootsh", "/usr/sbin/jk_procmailwrapper", "/usr/bin/jk_uchroot"])
    m.must(["setcap", "-r", path]);
});
afterAll(() => m?.close());

/** The names that a program looks up, from its start to the program that takes its place. */
function lookedUp(user: string, argv: readonly string[], stdin: string): string[] {
  const { uid, gid } = m.ids(user);
  const ids = ["--reuid", String(uid), "--regid", String(gid), "--init-groups"];
  const able = ["--inh-caps", "+sys_chroot", "--ambient-caps", "+sys_chroot"];
  const trace = ["strace", "-f", "-qq", "-s", "200", "-e", "trace=writev", "-o", "/root/trace"];
  const who = uid === 0 ? [] : ["setpriv", ...ids, ...able];
  const told = m.run([...trace, ...who, "env", "LD_DEBUG=symbols", ...argv], {
    env: { USER: user, PATH: "/usr/sbin:/usr/bin" },
    stdin,
  });
  expect([argv, told.status]).toEqual([argv, 0]);
  const lines = m.read("/root/trace").split("\n");
  return lines.flatMap((line) => /iov_base="symbol=".*?iov_base="(\w+)"/.exec(line)?.[1] ?? []);
}

test("the control is looked up with all of the names on demand, and is in that list", () => {
  const source = readFileSync(join(checkout, "ffi/libc.ts"), "utf8");
  const [atLogin = "", onDemand = ""] = source.split("function openRest()");
  expect([atLogin.includes(`${WITNESS}:`), onDemand.includes(`${WITNESS}:`)]).toEqual([false, true]);
  // A tool for administrators asks for one of them.
  expect(lookedUp("root", ["jk_cp", "-j", jail, "/usr/bin/id"], "")).toContain(WITNESS);
});

test.each<[string, string, string[], string]>([
  ["a login with the limited shell", "limited", ["jk_chrootsh", "-c", "id"], ""],
  ["a login with another shell", "whole", ["jk_chrootsh", "-c", "true"], ""],
  ["jk_lsh", "free", ["jk_lsh", "-c", "id"], ""],
  ["jk_uchroot", "whole", ["jk_uchroot", "-j", jail, "-x", "/bin/bash", "--", "-c", "true"], ""],
  ["mail of a jailed account", "whole", ["jk_procmailwrapper"], "From a\n\nb\n"],
  ["mail of another account", "free", ["jk_procmailwrapper"], "From a\n\nb\n"],
])("%s looks up none of them", (_, user, argv, stdin) => {
  const names = lookedUp(user, argv, stdin);
  // Named by the table of a login alone.
  expect(names).toContain("__errno_location");
  expect(names).toContain("setresgid");
  expect(names).not.toContain(WITNESS);
});
