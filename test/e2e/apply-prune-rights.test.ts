/** `jailkit apply --prune`: whatever it takes out of a jail, users whose rights need it are told before, as --check tells afterwards. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const BEFORE = "without what --prune removes, ";

let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
  m.mkdir("/opt/tool/bin");
  m.mkdir("/opt/other");
  m.must(["cp", "/usr/bin/id", "/usr/local/bin/mine"]);
  m.mkdir("/run/own");
  m.must([
    "perl",
    "-MIO::Socket::UNIX",
    "-e",
    "IO::Socket::UNIX->new(Local => '/run/own/sock', Listen => 1)",
  ]);
  m.must(["chown", "-R", "daemon", "/run/own"]);
  m.write("/etc/jailkit/jk_init.d/own.ini", "[own]\nsockets = /run/own/sock\n");
  m.must(["cp", "/usr/bin/id", "/opt/tool/bin/show"]);
});
afterEach(() => {
  m.write(FILE, "");
  m.run(["jailkit", "apply", "--prune", "--delete-homes"]);
});
afterAll(() => m?.close());

const user = (name: string, rights: string) =>
  `[user ${name}]\njail = ${J}\nauthorized_keys = ${KEYS[0]}\n${rights}\n`;
const USERS = {
  words: user("words", "allow = sftp\nread = /home/words, /usr/share/doc"),
  lists: user(
    "lists",
    "paths = /usr/bin\nexecutables = /usr/bin/id, /usr/bin/scp\nread = /usr/bin, /usr/lib",
  ),
  force: user("force", "force = /usr/bin/id -u\nwrite = ~"),
  opt: user(
    "opt",
    "paths = /opt/tool/bin\nexecutables = /opt/tool/bin/show\nexecute = system, /opt/tool/bin",
  ),
  local: user("local", "paths = /usr/local/bin\nexecutables = /usr/local/bin/mine"),
  shell: user(
    "shell",
    "shell = /bin/bash\nconfine = 1\nread = /usr/share/doc, /usr/bin/id\nexecute = system, /opt/tool",
  ),
  proc: user("proc", "shell = /bin/bash\nconfine = 1\nread = /proc/meminfo, /proc, /usr"),
  sock: user("sock", "shell = /bin/bash\nconfine = 1\nread = /run/own/sock, /run/own"),
  log: user("log", "shell = /bin/bash\nconfine = 1\nread = /usr\nwrite = ~, /dev/log"),
} as const;

/** What is told of users, but for sshd, without the column, which is of the file. */
function told(...options: string[]): { texts: string[]; codes: string[] } {
  const { summary } = linesOf(m, ...options);
  return {
    texts: summary.warnings.filter((line) => line.startsWith("user ") && !line.includes("sshd")).sort(),
    codes: summary.problems.map(({ code }) => code),
  };
}
const withoutBefore = (texts: readonly string[]) => texts.map((line) => line.replace(BEFORE, "")).sort();

test.each<[what: string, before: string, after: string, users: (keyof typeof USERS)[], told: number]>([
  [
    "live /usr",
    "sections = basicshell\nlive = /usr",
    "sections = basicshell",
    ["words", "lists", "force", "shell"],
    4,
  ],
  [
    "live /usr, but a section brings it",
    "sections = basicshell, sftp, scp\nlive = /usr",
    "sections = basicshell, sftp, scp\nfiles = /usr/bin/id, /usr/share/doc/base-files",
    ["words", "lists", "force"],
    0,
  ],
  ["live in /opt", "sections = basicshell\nlive = /opt/tool", "sections = basicshell", ["opt", "shell"], 4],
  [
    "one of two",
    "sections = basicshell\nlive = /opt/tool, /opt/other",
    "sections = basicshell\nlive = /opt/other",
    ["opt"],
    3,
  ],
  [
    "another one",
    "sections = basicshell\nlive = /opt/other",
    "sections = basicshell\nlive = /opt/tool",
    ["opt"],
    0,
  ],
  [
    "a part of it stays",
    "sections = basicshell\nlive = /usr",
    "sections = basicshell\nlive = /usr/local",
    ["local", "lists"],
    1,
  ],
  [
    "live and a section",
    "sections = basicshell, scp\nlive = /opt/tool",
    "sections = basicshell",
    ["opt", "lists"],
    4,
  ],
  ["a section", "sections = basicshell, scp, sftp", "sections = basicshell", ["lists", "words"], 2],
  [
    "a file",
    "sections = basicshell\nfiles = /usr/bin/scp, /usr/bin/id",
    "sections = basicshell",
    ["lists", "force"],
    1,
  ],
  ["a directory of sockets", "sections = basicshell, own", "sections = basicshell", ["sock"], 1],
  ["proc", "sections = basicshell\nproc = yes", "sections = basicshell", ["proc"], 1],
  ["proc by a section", "sections = basicshell, ps", "sections = basicshell", ["proc"], 1],
  ["proc, off", "sections = basicshell, ps", "sections = basicshell, ps\nproc = no", ["proc"], 1],
])("%s", (_, before, after, users, count) => {
  const text = users.map((name) => USERS[name]).join("");
  const declare = (jail: string) => m.write(FILE, `${text}[jail ${J}]\n${jail}\n`);
  declare(before);
  m.must(["jailkit", "apply"]);
  const already = told("--check").texts;
  declare(after);
  const plan = told("--check", "--prune");
  const run = told("--prune");
  const later = told("--check");
  const added = (some: readonly string[]) => some.filter((line) => !already.includes(line));
  expect(added(withoutBefore(plan.texts))).toEqual(added(later.texts));
  expect([added(run.texts), run.codes]).toEqual([added(plan.texts), plan.codes]);
  expect(added(later.texts)).toHaveLength(count);
});

test("a shell that would go with a live directory is an error of the plan, as of the next one, and stays", () => {
  const declare = (jail: string) =>
    m.write(FILE, `[jail ${J}]\n${jail}\n${user("ann", "shell = /bin/bash")}`);
  declare("sections = uidbasics\nlive = /usr");
  m.must(["jailkit", "apply"]);
  declare("sections = uidbasics");
  for (const options of [["--check", "--prune"], ["--prune"], ["--prune"]]) {
    expect(told(...options).codes).toEqual(["bad-shell", "bad-shell"]);
    expect(m.must(["su", "ann", "-c", "echo in"]).stdout).toBe("in\n");
  }
  declare("sections = uidbasics, basicshell");
  expect([told("--prune"), told("--check")]).toEqual([
    { texts: [], codes: [] },
    { texts: [], codes: [] },
  ]);
});

test("the log socket, which is there as long as jk_socketd serves it", async () => {
  const declare = (jail: string) => m.write(FILE, `[jail ${J}]\n${jail}\n${USERS.log}`);
  declare("sections = basicshell\nlog_socket = yes");
  m.must(["jailkit", "apply"]);
  await m.startSyslog();
  const daemon = m.start(["jk_socketd", "-n", "-p", "/run/p"]);
  const wait = (until: string) => m.must(["sh", "-c", `until ${until}; do :; done`], { timeout: 60_000 });
  wait(`test -S ${J}/dev/log`);
  expect(told("--check").texts).toEqual([]);
  declare("sections = basicshell");
  const plan = told("--check", "--prune");
  expect(plan.texts).toEqual([expect.stringContaining(`user log: ${BEFORE}'/dev/log' does not exist`)]);
  expect(told("--prune")).toEqual(plan);
  m.must(["sh", "-c", "kill -HUP $(cat /run/p)"]);
  wait(`! test -e ${J}/dev/log`);
  daemon.kill();
  expect(told("--check").texts).toEqual(withoutBefore(plan.texts));
});
