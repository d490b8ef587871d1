/** What is declared of a user's rights and does nothing, or too much, is told before it is applied, at the line that declares it. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/c1";
const FILE = "/etc/jailkit/jails.d/c1.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const RIGHTS = `${JAIL}[user a3]
jail = ${J}
force = /usr/bin/nothere -x
[user a4]
jail = ${J}
executables = /usr/bin/ls, /usr/bin/nope
[user a5]
jail = ${J}
executables = /usr/bin/ls
command one = /usr/bin/cat /etc/passwd
[user a6]
jail = ${J}
executables = /bin/bash
`;
const FOUND = [
  [5, "'/usr/bin/nothere' does not exist"],
  [8, "'/usr/bin/nope' does not exist"],
  [12, "'command one' allows nothing: '/usr/bin/cat' is not in executables"],
  [15, "'/bin/bash'"],
] as const;

let m: Machine;
const configCheck = () => m.run(["jailkit", "config", "check"]);
beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());

test.each(["a new jail", "a jail that is there", "users who are there"])("in %s", (where) => {
  if (where === "a jail that is there") {
    m.write(FILE, JAIL);
    m.must(["jailkit", "apply"]);
  }
  m.write(FILE, RIGHTS);
  const { stdout, status } = configCheck();
  for (const [line, message] of FOUND)
    expect(
      stdout.match(new RegExp(`${FILE}:${line}:[0-9]+: (?:error|warning): ${message}`, "g")),
    ).toHaveLength(1);
  expect(status).toBe(1);
  const { stderr } = m.run(["jailkit", "apply", "--check"]);
  for (const [, message] of FOUND) expect(stderr).toContain(message);
  if (where === "a new jail") return;
  const { stderr: said } = m.must(["jailkit", "apply"]);
  for (const [, message] of FOUND)
    if (where === "users who are there") expect(said).not.toContain(message);
    else expect(said).toContain(message);
  expect(configCheck()).toMatchObject({ stdout, status });
});

test("rights that are as they should be are not told, in a jail that comes and in one that is there", () => {
  m.write(
    "/etc/jailkit/jails.d/c2.ini",
    `[jail /srv/c2]\nsections = uidbasics, sftp, rsync\n[user b1]\njail = /srv/c2\nallow = sftp, rsync download\nread = /home/b1, /etc\n`,
  );
  m.write(FILE, JAIL);
  for (const words of [["--check"], ["--prune"], ["--check"]])
    expect(linesOf(m, ...words).summary.warnings).toEqual([]);
  expect(configCheck().stdout).toBe("");
});

test("no jail stays open: in hundreds of them all is told", () => {
  const numbers = Array.from({ length: 60 }, (_, index) => index);
  m.must([
    "sh",
    "-ec",
    "for i in $(seq 0 59); do mkdir -p /srv/many/$i/etc; cp /etc/passwd /etc/group /srv/many/$i/etc; done",
  ]);
  const sections = numbers.map(
    (one) => `[user m${one}]\njail = /srv/many/${one}\nexecutables = /usr/bin/nope${one}\n`,
  );
  m.write(FILE, sections.join(""));
  const { stdout } = m.run(["prlimit", "--nofile=64", "jailkit", "config", "check", FILE]);
  m.write(FILE, JAIL);
  for (const one of numbers) expect(stdout).toContain(`'/usr/bin/nope${one}' does not exist`);
});

test("no jail stays open whose home was looked at", () => {
  const numbers = Array.from({ length: 30 }, (_, index) => index);
  const sections = numbers.map(
    (one) =>
      `[jail /srv/new/${one}]\nsections = uidbasics\n[user n${one}]\njail = /srv/new/${one}\nallow = scp\n`,
  );
  m.write(FILE, sections.join(""));
  const { stdout } = m.run(["prlimit", "--nofile=80", "jailkit", "apply"]);
  expect(stdout.split("\n").at(-2)).toStartWith("60 changed, 0 failed, ");
  m.write(FILE, JAIL);
});
