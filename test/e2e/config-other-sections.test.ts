/**
 * jailkit config check, where a section of a declared user is not as it is declared, as while the rest of it waits for an error: no
 * finding of it changes the declaration.
 */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const K = "/srv/other";
const FILE = "/etc/jailkit/jails.d/one.ini";
const RULES = `${J}/etc/jailkit/jk_lsh.ini`;
const HOST = "/etc/jailkit/jk_chrootsh.d/ann.ini";
const ERROR = "groups = none1\n";

let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  m.run(["userdel", "-rf", "ann"]);
  for (const path of ["/var/lib/jailkit", J, K, HOST]) m.remove(path);
  declare("");
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

/** Declares the jail, and the user, if there are lines of it. */
const declare = (user: string, jail = J) =>
  m.write(
    FILE,
    `[jail ${J}]\nsections = uidbasics, basicshell, sftp, scp, rsync\n[jail ${K}]\nsections = uidbasics, basicshell\n${user && `[user ann]\njail = ${jail}\n${user}`}`,
  );
const found = (...words: string[]) =>
  reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json", ...words]).stdout).findings.map(
    ({ file, code, remedy }) => ({ file, code: `${code}`, remedy }),
  );
/** What is told of the declaration itself is told of each file that has it. */
const beyond = () => {
  const own = found(FILE);
  return found().filter((one) => !own.some((other) => Bun.deepEquals(one, other)));
};

test.each([
  // It may run nothing yet, or less: what it needs is declared.
  ["no program", "", "allow = sftp\nread = /home/ann\nwrite = /home/ann\n", "no-executables"],
  ["another program", "allow = scp\n", "allow = sftp\numask = 027\n", "no-executables"],
  [
    "other paths",
    "paths = /usr/local/bin\nexecutables = /usr/bin/scp\n",
    "paths = /usr/bin\nexecutables = /usr/bin/scp\n",
    "not-in-paths",
  ],
  [
    "fewer paths",
    "paths = /usr/bin\nexecutables = /usr/bin/scp\n",
    "paths = /usr/lib/openssh, /usr/bin\nexecutables = /usr/bin/scp, /usr/lib/openssh/sftp-server\n",
    undefined,
  ],
])("%s: apply writes the rest, once the error is healed", (_, before, after, code) => {
  if (before === "") {
    m.must(["useradd", "-m", "ann"]);
    m.must(["jk_jailuser", "-m", "-j", J, "-s", "/usr/sbin/jk_lsh", "ann"]);
  } else {
    declare(before);
    m.must(["jailkit", "apply"]);
  }
  declare(after + ERROR);
  expect(linesOf(m).summary.problems.map(({ code }) => code)).toEqual(["no-such-group"]);
  const remedies = beyond();
  for (const one of remedies) expect(one).toMatchObject({ file: RULES, remedy: "jailkit apply" });
  if (code !== undefined) expect(remedies.map((one) => one.code)).toContain(code);
  declare(after);
  m.must(["jailkit", "apply"]);
  expect([beyond(), m.read(RULES)]).toEqual([[], expect.stringContaining(after.trim())]);
});

test("a user who is declared in another jail, or with another shell, or no more: what was declared here goes", () => {
  const doubtful = "allow = sftp\nread = ~\nwrite = /srv/none, ~\n";
  const isTold = (remedy: string, file = RULES) =>
    expect(found().filter((one) => one.file === file)).toEqual([{ file, code: "no-such-path", remedy }]);
  declare(doubtful);
  m.must(["jailkit", "apply"]);
  expect(beyond()).toEqual([]);
  declare("shell = /bin/bash\n");
  isTold("jailkit apply --prune");
  declare(doubtful, K);
  isTold("jailkit apply");
  m.must(["jk_jailuser", "--unjail", "-m", "-s", "/usr/sbin/nologin", "ann"]);
  m.run(["jailkit", "apply"]);
  expect(m.read(RULES)).not.toContain("ann");
  declare("shell = /bin/bash\nconfine = 1\nexecute = system, /srv/none\n", K);
  m.must(["jailkit", "apply", "--prune"]);
  declare("");
  isTold("jailkit apply --prune", HOST);
  m.must(["jailkit", "apply", "--prune"]);
  expect([found(), m.exists(HOST)]).toEqual([[], false]);
});
