/** Whether a program in a jail can type into the terminal that it was given. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine, underTest } from "../machine/machine.ts";
import { type Expected, expectedOf } from "./cases.ts";

const J = "/srv/j";
const PROBE = "/bin/probe";
const program = (name: string) =>
  readFileSync(compiledC(join(import.meta.dir, "../attack", name), ["-static"]));

let m: Machine;
let uid: number;
beforeAll(async () => {
  m = await openMachine({ under: underTest });
  await m.startSyslog();
  m.write("/usr/bin/terminal-pty", program("terminal-pty.c"), { mode: 0o755 });
  m.write(`${J}${PROBE}`, program("terminal-probe.c"), { mode: 0o755 });
  for (const name of ["dev", "etc", "lib", "usr", "sbin"]) m.mkdir(`${J}/${name}`);
  const ids = m.addUser("u", { home: `${J}/./home/u`, shell: "/usr/sbin/jk_chrootsh" });
  uid = ids.uid;
  m.mkdir(`${J}/home/u`, { owner: [uid, m.ids("u").gid] });
  m.write(`${J}/etc/group`, `u:x:${m.ids("u").gid}:\n`);
  m.write(`${J}/etc/passwd`, `u:x:${uid}:${m.ids("u").gid}::/home/u:${PROBE}\n`);
  m.write("/etc/jailkit/jk_uchroot.ini", `[u]\nallowed_jails = ${J}\n`);
});
afterAll(() => m?.close());

const asUser = () => [
  "/usr/bin/setpriv",
  `--reuid=${uid}`,
  `--regid=${m.ids("u").gid}`,
  "--init-groups",
  "/usr/bin/env",
  "USER=u",
];

interface Found {
  /** The error of TIOCSTI on something that is not a terminal: it shows whether the call got that far. */
  call: string;
  noNewPrivs: string;
}
const handed: Found = { call: "Inappropriate ioctl for device", noNewPrivs: "0" };
const refused = (noNewPrivs: string): Found => ({ call: "Operation not permitted", noNewPrivs });

const cases: [title: string, owner: () => number, words: () => string[], is: Expected<Found>][] = [
  [
    "jk_chrootlaunch for a user",
    () => 0,
    () => ["/usr/sbin/jk_chrootlaunch", "-j", J, "-x", PROBE, "-u", "u"],
    { debian: handed, ours: refused("0"), difference: "launch-terminal" },
  ],
  [
    "jk_uchroot",
    () => uid,
    () => [...asUser(), "/usr/bin/jk_uchroot", "-j", J, "-x", PROBE],
    { debian: handed, ours: refused("1"), difference: "uchroot-terminal" },
  ],
  [
    "jk_chrootsh on root's terminal",
    () => 0,
    () => [...asUser(), "/usr/sbin/jk_chrootsh"],
    { debian: handed, ours: refused("1"), difference: "chrootsh-terminal" },
  ],
  ["jk_chrootsh on the user's own", () => uid, () => [...asUser(), "/usr/sbin/jk_chrootsh"], handed],
];

test.each(cases)("%s", (_title, owner, words, is) => {
  const { stdout, stderr } = m.run(["/usr/bin/terminal-pty", `${owner()}`, ...words()]);
  const says = (word: string) => new RegExp(`^${word} (.*)$`, "m").exec(stdout)?.[1] ?? stderr;
  expect({ call: says("no-terminal"), noNewPrivs: says("no_new_privs") }).toEqual(expectedOf(is));
});
