/**
 * ~/.pam_environment, if pam_env(8) reads it: sshd passes its variables to what it starts outside any jail. jailkit
 * reports it only where that runs code of the user.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { type Machine, openMachine, type Sshd } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const JAIL = "/home/j";
const SERVICE = "/etc/pam.d/sshd";
const COMMAND = "/usr/bin/rsync --version";
const LIBRARY = `
#include <fcntl.h>
__attribute__((constructor)) static void run(void) { open("/tmp/outside", O_CREAT | O_WRONLY, 0644); }
`;

let m: Machine;
let sshd: Sshd;
let shipped = "";

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["jk_init", "-j", JAIL, "jk_lsh", "rsync"]);
  m.must(["jk_addjailuser", "-j", JAIL, "jailed"]);
  m.must(["usermod", "-p", "*", "jailed"]);
  m.addUser("limited", { home: "/home/limited", createHome: true, shell: "/usr/sbin/jk_lsh" });
  for (const file of [`${JAIL}/etc/jailkit/jk_lsh.ini`, "/etc/jailkit/jk_lsh.ini"])
    m.write(file, "[DEFAULT]\npaths = /usr/bin\nexecutables = /usr/bin/rsync\n");
  m.write("/root/library.c", LIBRARY);
  m.must(["gcc", "-shared", "-fPIC", "-o", `${JAIL}/home/library.so`, "/root/library.c"]);
  for (const home of [`${JAIL}/home/jailed`, "/home/limited"])
    m.write(`${home}/.pam_environment`, `LD_PRELOAD DEFAULT=${JAIL}/home/library.so\n`);
  shipped = m.read(SERVICE).replace(/user_readenv=\S+/g, "");
  sshd = await m.startSshd({ config: ["UsePAM yes"] });
});
afterAll(() => m?.close());

const CODES = ["pam-environment", "user-rc"];
function told(user: string): string[] {
  const { stdout } = m.run(["jailkit", "explain", "--json", user, "--", COMMAND]);
  const { steps } = reportOf(explainReportSchema, stdout);
  return steps.map(({ name }) => name).filter((name) => CODES.includes(name));
}
function runsOutside(user: string): boolean {
  m.remove("/tmp/outside");
  expect(sshd.ssh(user, [COMMAND]).status).toBe(0);
  return m.exists("/tmp/outside");
}

const reading = (rule: string) => `${rule}\n${shipped}`;

test.each<[what: string, text: () => string, isRead: boolean]>([
  ["as it is shipped", () => shipped, false],
  ["switched off", () => reading("session required pam_env.so user_readenv=1 user_readenv=0"), false],
  ["in a session", () => reading("session required pam_env.so user_readenv=1"), true],
  ["in a file that is included", () => reading("@include reading"), true],
  ["in a substack", () => reading("session substack reading"), true],
])("%s", (_what, text, isRead) => {
  m.write("/etc/pam.d/reading", "session required pam_env.so user_readenv=1\n");
  m.write(SERVICE, text());
  m.remove(`${JAIL}/home/jailed/.ssh`);
  const codes = isRead ? CODES : [];
  expect({ told: told("limited"), ran: runsOutside("limited") }).toEqual({ told: codes, ran: isRead });
  // The privileged file takes nothing of the sort; the shell for ~/.ssh/rc does.
  expect({ told: told("jailed"), ran: runsOutside("jailed") }).toEqual({ told: codes, ran: false });
  m.write(`${JAIL}/home/jailed/.ssh/rc`, "\n");
  expect(runsOutside("jailed")).toBe(isRead);
});

test("jk_jailuser reports it too, and its remedy ends it", () => {
  m.write(SERVICE, reading("session required pam_env.so user_readenv=1"));
  const { stderr } = m.run(["jk_jailuser", "-n", "-j", JAIL, "jailed"]);
  expect(stderr).toContain("take user_readenv from the lines of pam_env.so in /etc/pam.d/sshd");
  m.write(SERVICE, m.read(SERVICE).replace(" user_readenv=1", ""));
  expect([told("limited"), runsOutside("limited")]).toEqual([[], false]);
});
