/** The remedy of a problem of `jailkit apply --json` is the command that its message advises, and helps when it is typed. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { sleeperOf } from "../machine/sleeper.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";
import { copyAnew, typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/jail";
const FOLDER = "/etc/jailkit/jails.d";
const FILE = `${FOLDER}/one.ini`;
const STATE = "/var/lib/jailkit";
const MEMORY = `${STATE}/declared.json`;
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const END_SESSIONS = "jailkit terminate-user --uid=7001";
const user = (more = "") => `[user x]\njail = ${J}\nshell = /bin/bash\n${more}`;

interface Case {
  readonly what: string;
  /** Declared first, and applied. */
  readonly first?: string;
  readonly declared: string;
  /** Of a shell, between the two. */
  readonly before: string;
  readonly code: string;
  readonly remedy: string;
  /** The end of the message, if it is another one. */
  readonly end?: string;
  readonly options?: readonly string[];
  /** A process of x runs until it is typed. */
  readonly session?: boolean;
  /** Only the run finds it, when it has begun. */
  readonly inRun?: boolean;
}

const keys = (...some: readonly string[]) => `authorized_keys = ${some.join("\n  ")}\n`;

const TOOL = "/opt/tool";
/** A name that the machine has not: /root/jailkit may be a checkout. */
const CONFIG = "/root/config-before";
const LIVE = `${JAIL}live = ${TOOL}\n`;

const CASES: readonly Case[] = [
  {
    what: "a symbolic link in the place of a live directory",
    ...{ first: LIVE, declared: LIVE, code: "live-obstacle" },
    before: `umount ${J}${TOOL} && rmdir ${J}${TOOL} && ln -s /usr/bin ${J}${TOOL}`,
    remedy: `mv -nT ${J}${TOOL} ${J}${TOOL}.old && jailkit mount ${J}`,
  },
  {
    what: "a symbolic link above it",
    ...{ first: LIVE, declared: LIVE, code: "live-obstacle" },
    before: `umount ${J}${TOOL} && mv ${J}/opt ${J}/other && ln -s other ${J}/opt`,
    remedy: `mv -nT ${J}/opt ${J}/opt.old && jailkit mount ${J}`,
  },
  {
    what: "another file system in its place",
    ...{ first: LIVE, declared: LIVE, code: "live-obstacle" },
    before: `umount ${J}${TOOL} && mount -t tmpfs tmpfs ${J}${TOOL}`,
    remedy: `umount ${J}${TOOL} && jailkit mount ${J}`,
  },
  {
    what: "a symbolic link in the place of one that is not declared any more, while another one becomes live",
    ...{ first: LIVE, declared: `${JAIL}live = /opt/more\n`, code: "not-mounted" },
    before: `umount ${J}${TOOL} && rmdir ${J}${TOOL} && ln -s /usr/bin ${J}${TOOL}`,
    remedy: `mv -nT ${J}${TOOL} ${J}${TOOL}.old && jailkit mount ${J}`,
  },
  {
    what: "another file system in the place of one that is not declared any more, while another one becomes live",
    ...{ first: LIVE, declared: `${JAIL}live = /opt/more\n`, code: "not-mounted" },
    before: `umount ${J}${TOOL} && mount -t tmpfs tmpfs ${J}${TOOL}`,
    remedy: `umount ${J}${TOOL} && jailkit mount ${J}`,
  },
  {
    what: "files in its place",
    ...{ first: LIVE, declared: LIVE, code: "not-mounted" },
    before: `umount ${J}${TOOL} && touch ${J}${TOOL}/file`,
    remedy: `mv -nT ${J}${TOOL} ${J}-opt-tool.old && chmod go= ${J}-opt-tool.old && jailkit mount ${J}`,
  },
  {
    what: "a jail whose record is damaged",
    declared: JAIL,
    before: "for file in /var/lib/jailkit/jails/*/manifest.json; do echo x >$file; done",
    ...{ code: "bad-manifest", remedy: `jailkit adopt --force ${J}` },
  },
  {
    what: "a configuration that others can write",
    declared: JAIL + user("confine = 1\n"),
    before: "chmod o+w /etc/jailkit/jk_chrootsh.ini",
    code: "config-unsafe",
    remedy: copyAnew("/etc/jailkit/jk_chrootsh.ini"),
    end: "copy it to a file of root's, read the copy, and move that over it",
  },
  {
    what: "a group that does not exist",
    declared: JAIL + user("groups = remedied\n"),
    before: "true",
    ...{ code: "no-such-group", remedy: "groupadd remedied" },
  },
  {
    what: "a file with the section of another jail in the place of that of a log socket",
    declared: `${JAIL}log_socket = yes\n`,
    before:
      "mkdir -p /etc/jailkit/jk_socketd.d; printf '[/srv/other/dev/log]\\n' >/etc/jailkit/jk_socketd.d/srv-jail.ini",
    code: "log-socket",
    remedy: "mv -nT /etc/jailkit/jk_socketd.d/srv-jail.ini /etc/jailkit/jk_socketd.d/srv-jail.others.ini",
  },
  {
    what: "a line of an earlier account in the jail",
    declared: JAIL + user(),
    before: `echo x:x:7777:100::/home/x:/bin/bash >>${J}/etc/passwd`,
    ...{ code: "user-exists", remedy: `jk_jailuser --unjail --jail-side-only -j ${J} x` },
  },
  {
    what: "keys with another name elsewhere",
    first: JAIL + user(keys(KEYS[0])),
    declared: JAIL + user(keys(...KEYS)),
    before: `ln ${J}/home/x/.ssh/authorized_keys ${J}/home/x/other`,
    code: "keys-not-written",
    remedy: `setsid -fw env -i PATH="$PATH" jk_chrootlaunch -j ${J} -u x -x /usr/bin/sed -- -i '' /home/x/.ssh/authorized_keys 2>&1 </dev/null | cat -v | (! grep .)`,
  },
  {
    what: "an account in another jail",
    declared: JAIL + user(),
    before: "jk_init -j /srv/else uidbasics basicshell; jk_addjailuser -j /srv/else -s /bin/bash x",
    ...{ code: "in-another-jail", remedy: "jk_jailuser --unjail -m -s /usr/sbin/nologin x" },
  },
  {
    what: "an account whose home leads into the jail through a symbolic link",
    declared: JAIL + user(),
    before: `jk_addjailuser -j ${J} -s /bin/bash x; ln -s /srv /linked; usermod -d /linked/jail/./home/x x`,
    ...{ code: "in-another-jail", remedy: `usermod -d ${J}/./home/x x` },
  },
  {
    what: "an account outside with a session",
    declared: JAIL + user("uid = 7001\n"),
    before: "useradd -m -u 7001 x",
    ...{ code: "has-processes", remedy: END_SESSIONS, session: true },
  },
  {
    what: "an account that is not declared any more, with a session",
    first: JAIL + user("uid = 7001\n"),
    declared: JAIL,
    before: "true",
    ...{ code: "has-processes", remedy: END_SESSIONS, session: true, inRun: true, options: ["--prune"] },
  },
  {
    what: "a directory in the place of the home of an account that is outside",
    declared: JAIL + user(),
    before: `useradd -m x; mkdir -p ${J}/home/x`,
    ...{ code: "home-exists", remedy: `mv -nT ${J}/home/x ${J}/home/x.old` },
  },
  {
    what: "the same in a jail from which somebody is removed first, as only the run finds it",
    first: JAIL + user().replace("[user x]", "[user y]"),
    declared: JAIL + user(),
    before: `useradd -m x; mkdir -p ${J}/home/x`,
    ...{ code: "home-exists", remedy: `mv -nT ${J}/home/x ${J}/home/x.old` },
    ...{ inRun: true, options: ["--prune"] },
  },
  {
    what: "an account outside without a home",
    declared: JAIL + user(),
    before: "useradd -u 7001 -g users x",
    code: "no-home",
    remedy: "install -d -o +7001 -g +100 -m 0700 /home/x",
  },
  {
    what: "a directory in the place of what was declared once",
    declared: JAIL,
    before: `rm ${MEMORY}; mkdir ${MEMORY}`,
    ...{ code: "bad-state", remedy: `mv -nT ${MEMORY} ${MEMORY}.old` },
  },
  {
    what: "what was declared once, which is damaged",
    declared: JAIL,
    before: `echo x >${MEMORY}`,
    ...{ code: "bad-state", remedy: `mv -nT ${MEMORY} ${MEMORY}.old` },
  },
  {
    what: "what was declared once, which everybody can write",
    declared: JAIL,
    before: `chmod 0666 ${MEMORY}`,
    ...{ code: "bad-state", remedy: `mv -nT ${MEMORY} ${MEMORY}.old` },
  },
  {
    what: "what was declared once, which another one has put there",
    declared: JAIL,
    before: `chown 7001 ${MEMORY}`,
    ...{ code: "bad-state", remedy: `mv -nT ${MEMORY} ${MEMORY}.old`, options: ["--prune"] },
  },
  {
    what: "a directory of it that everybody can write",
    declared: JAIL,
    before: `chmod 0777 ${STATE}`,
    ...{ code: "bad-state", remedy: `chown root:root ${STATE} && chmod 0755 ${STATE}`, options: ["--prune"] },
  },
  {
    what: "a directory of it that is another one's",
    declared: JAIL,
    before: `chown 7001 ${STATE}`,
    ...{ code: "bad-state", remedy: `chown root:root ${STATE} && chmod 0755 ${STATE}` },
  },
  {
    what: "a file in the place of its directory",
    declared: JAIL,
    before: `jailkit delete --yes ${J}; rm -r ${STATE}; touch ${STATE}`,
    ...{ code: "bad-state", remedy: `mv -nT ${STATE} ${STATE}.old` },
  },
];

let m: Machine;
let session: ReturnType<Machine["start"]> | undefined;

beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["cp", "-aT", "/etc/jailkit", CONFIG]);
  for (const directory of [TOOL, "/opt/more"]) m.mkdir(directory);
});
afterAll(() => m?.close());
afterEach(async () => {
  session?.end();
  await session?.ended;
  session = undefined;
  for (const jail of [J, "/srv/else"])
    if (m.exists(jail)) m.must(["jailkit", "delete", "--yes", "--unjail", "--user-files", jail]);
  m.run(["userdel", "-rf", "x"]);
  m.run(["groupdel", "remedied"]);
  m.must(["sh", "-c", `rm -rf ${MEMORY}* /etc/jailkit; cp -aT ${CONFIG} /etc/jailkit`]);
});

test.each([
  ["uid = 3333", "uid-differs", "write in line 4 of FILE:\nuid = 4444", "uid = 4444"],
  ["home = /home/r1", "home-differs", "write in line 4 of FILE:\nhome = /home/x", "home = /home/x"],
  ["", "home-differs", "in section [user x] of FILE write:\nhome = /home/r1", "home = /home/r1"],
])("the remedy of a line of the file: %s, %s, %s", (line, code, remedy, other) => {
  const home = line === "" ? "/home/r1" : "/home/x";
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
  m.must(["jk_addjailuser", "-j", J, "-u", "4444", "-d", home, "-s", "/bin/bash", "x"]);
  const declared = (more: string) => `[user x]\njail = ${J}\nshell = /bin/bash\n${more}\n${JAIL}`;
  m.write(FILE, declared(line));
  for (const words of [["--check"], []])
    expect(linesOf(m, ...words).summary.problems).toMatchObject([
      { code, remedy: remedy.replace("FILE", FILE) },
    ]);
  m.write(FILE, declared(other));
  expect(linesOf(m).summary.problems).toEqual([]);
});

test.each([
  ["home-differs", "", "uid = 4444", "", "home = /home/y"],
  ["uid-differs", "", "uid = 5555", "useradd -u 5555 y", "uid = 4444"],
  ["uid-differs", "uid = 4444", "uid = 3333", "", "uid = 4444"],
])(
  "a line that another section has, or that may be of another account, is no remedy: %s, y: '%s', x: '%s'",
  (...row) => {
    const [code, ofY, ofX, before, line] = row;
    m.write(FILE, JAIL);
    m.must(["jailkit", "apply"]);
    const home = code === "home-differs" ? "/home/y" : "/home/x";
    m.must(["jk_addjailuser", "-j", J, "-u", "4444", "-d", home, "-s", "/bin/bash", "x"]);
    m.must(["sh", "-c", before]);
    m.write(FILE, `${JAIL}${user(`${ofX}\n`)}${before === "" ? user(ofY).replace("x", "y") : ""}`);
    for (const words of [["--check"], []]) {
      const { problems } = linesOf(m, ...words).summary;
      const found = problems.find(({ message }) => message.startsWith("user x: "));
      expect(found).toMatchObject({ code, remedy: null });
      expect(found?.message).toContain(line === "uid = 4444" && before === "" ? "declares" : `'${line}'`);
    }
    expect(m.run(["jailkit", "config", "check"]).stdout).not.toContain(`    ${line}\n`);
    m.run(["userdel", "-r", "y"]);
  },
);

test("a directory of the host that is gone is not mounted by a remedy: it comes back first", () => {
  m.write(FILE, LIVE);
  m.must(["jailkit", "apply"]);
  m.must(["mv", TOOL, `${TOOL}.away`]);
  const gone = `${J}${TOOL}: the host's ${TOOL} does not exist, which is to be mounted there: bring it back first, and then type: jailkit mount ${J}`;
  for (const words of [
    ["jailkit", "mount", J],
    ["jk_check", J],
  ])
    expect(m.run(words)).toMatchObject({ status: 1 });
  expect(m.run(["jailkit", "mount", J]).stderr).toContain(gone);
  for (const words of [["--check"], []]) {
    const { problems } = linesOf(m, ...words).summary;
    expect(problems.filter(({ remedy }) => remedy?.includes("mount"))).toEqual([]);
  }
  const { stdout } = m.run(["jk_check", J]);
  expect([stdout.includes(gone), stdout.includes(`umount ${J}${TOOL} &&`)]).toEqual([true, false]);
  m.must(["mv", `${TOOL}.away`, TOOL]);
  m.must(["jailkit", "mount", J]);
  expect(linesOf(m)).toMatchObject({ status: 0, summary: { problems: [] } });
});

test("a jail without account files, which no section brings, gets them by the remedy", () => {
  const jail = "/srv/files";
  m.write(FILE, `[jail ${jail}]\nfiles = /bin/bash\n${user().replace(J, jail)}`);
  const remedy = `jk_init -j ${jail} uidbasics`;
  for (const words of [["--check"], [], ["--check"]])
    expect(linesOf(m, ...words).summary.problems).toMatchObject([
      { code: "bad-jail", remedy },
      { code: "waits-for-jail" },
    ]);
  expect(m.run(["jailkit", "apply"]).stderr).toContain(`  remedy: ${remedy}\n`);
  expect(typeRemedy(m, remedy).status).toBe(0);
  expect(linesOf(m).summary.problems).toEqual([]);
  m.write(FILE, "");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
});

test("a missing home that other accounts have, too, such as /nonexistent, is not created: the remedies lead to one of its own", () => {
  m.must(["useradd", "-u", "7001", "-g", "users", "-M", "-d", "/nonexistent", "x"]);
  m.write(FILE, JAIL + user());
  for (const [code, finding, remedy] of [
    ["not-their-home", "not-their-home", "usermod -d /home/x x"],
    ["no-home", "no-home", "install -d -o +7001 -g +100 -m 0700 /home/x"],
  ]) {
    for (const words of [["--check"], []])
      expect(linesOf(m, ...words).summary.problems).toMatchObject([{ code, finding, remedy }]);
    const checked = m.run(["jailkit", "config", "check"]).stdout;
    expect(checked.includes(`'x' has the home '/nonexistent'`)).toBe(code === "not-their-home");
    expect(typeRemedy(m, String(remedy)).status).toBe(0);
  }
  expect(linesOf(m).summary.problems).toEqual([]);
  expect(m.exists("/nonexistent")).toBe(false);
});

test("rules of the limited shell that are a link which leads nowhere are put aside by the remedy", () => {
  const file = `${J}/etc/jailkit/jk_lsh.ini`;
  m.write(FILE, `${JAIL.trimEnd()}, jk_lsh\n`);
  m.must(["jailkit", "apply"]);
  m.must(["ln", "-sfT", "/nowhere", file]);
  m.write(FILE, `${m.read(FILE)}[user x]\njail = ${J}\nallow = sftp\n`);
  const remedy = `mv -nT ${file} ${file}.aside`;
  for (const words of [["--check"], []])
    expect(linesOf(m, ...words).summary.problems).toMatchObject([
      { code: "config-unreadable", remedy },
      { code: "waits-for-jail" },
    ]);
  expect(typeRemedy(m, remedy).status).toBe(0);
  expect(linesOf(m).summary.problems).toEqual([]);
  expect(m.read(file)).toContain("[x]\n");
});

test("all groups that do not exist are named at once, and created by the remedy", () => {
  m.write(FILE, JAIL + user("groups = nolan, remedied, nemo\n"));
  m.must(["groupadd", "-f", "nemo"]);
  const message =
    "there is no group 'nolan'; create it with: groupadd nolan; there is no group 'remedied'; create it with: groupadd remedied";
  const remedy = "groupadd nolan && groupadd remedied";
  for (const words of [["--check"], []])
    expect(linesOf(m, ...words).summary.problems).toMatchObject([
      { code: "no-such-group", message: `user x: ${message}`, remedy, line: 6, column: 10 },
    ]);
  expect(typeRemedy(m, remedy).status).toBe(0);
  expect(linesOf(m).summary.problems).toEqual([]);
  m.must(["sh", "-c", "gpasswd -d x nolan; groupdel nolan; groupdel nemo"]);
});

test.each([
  ["root", "+7001"],
  ["root:root", "+7001:+7002"],
])(
  "a home of %s, as after a restore, is given to its user by one advice, whatever else changes",
  (owner, ids) => {
    m.must(["groupadd", "-f", "-g", "7002", "restored"]);
    m.write(FILE, JAIL + user("uid = 7001\n"));
    m.must(["jailkit", "apply"]);
    m.write(`${J}/home/x/kept`, "");
    m.must([
      "sh",
      "-c",
      `usermod -g 7002 x && jk_jailuser --jail-side-only -j ${J} x && chgrp 7002 ${J}/home/x`,
    ]);
    m.must(["chown", owner, `${J}/home/x`]);
    m.must(["groupadd", "-f", "remedied"]);
    m.write(FILE, JAIL + user("uid = 7001\ngroups = remedied\n"));
    const remedy = `chown -h ${ids} ${J}/home/x`;
    const explained = m.run(["jailkit", "explain", "x"]).stdout;
    expect(explained).toContain(`chown -h ${ids} ${J}/./home/x\n`);
    const checked = m.run(["jk_check", J]);
    expect(checked.stdout + checked.stderr).toContain(remedy);
    const { changes, summary } = linesOf(m);
    expect(changes.map(({ what, warnings }) => [what, warnings])).toEqual([["groups", []]]);
    expect(summary.problems).toMatchObject([{ code: "foreign-home", remedy }]);
    expect(summary.problems[0]?.message).toEndWith(`logins are refused; give it to the user: ${remedy}`);
    expect(typeRemedy(m, remedy).status).toBe(0);
    expect(linesOf(m).summary).toMatchObject({ problems: [], warnings: [] });
    expect(m.run(["jailkit", "explain", "x"]).stdout).not.toContain("chgrp");
    expect(m.exists(`${J}/home/x/kept`)).toBe(true);
  },
);

test("a section of which the machine has nothing is told at its item", () => {
  m.write("/etc/jailkit/jk_init.d/none.ini", "[nothing]\npaths = /usr/bin/nothing-of-the-sort\n");
  m.write(FILE, JAIL.replace("basicshell", "nothing, basicshell"));
  const message = `jail ${J}: no file of section 'nothing' is on this machine: install the package that has them`;
  expect(linesOf(m, "--check").summary.problems).toMatchObject([
    { code: "nothing-found", message, line: 2, column: 23 },
  ]);
});

test("what is no regular file cannot be a declaration: the message says what to do, and a file as standard input can", () => {
  m.write("/root/one.ini", JAIL);
  const refused = (file: string) =>
    `jailkit apply: ${file} is no regular file, as FILE must be: write it into one that is root's, and name that\n`;
  const run = (command: string) => m.run(["bash", "-c", command]);
  expect(run("cat /root/one.ini | jailkit apply --check /dev/stdin")).toMatchObject({
    status: 1,
    stderr: refused("/dev/stdin"),
  });
  expect(run("jailkit apply --check <(cat /root/one.ini)").stderr).toMatch(
    /^jailkit apply: \/dev\/fd\/\d+ is no regular file, /,
  );
  expect(run("jailkit apply --check /dev/null").stderr).toBe(refused("/dev/null"));
  expect(run("jailkit apply --check /dev/stdin < /root/one.ini")).toMatchObject({ status: 10, stderr: "" });
  m.remove("/root/one.ini");
});

test.each(CASES)("$what", async (one) => {
  const { first = JAIL, declared, before, code, remedy, end = remedy, options = [] } = one;
  m.write(FILE, first);
  m.must(["jailkit", "apply"]);
  m.must(["sh", "-ec", before]);
  if (one.session === true) session = await sleeperOf(m, "x");
  m.write(FILE, declared);
  for (const words of one.inRun === true ? [[]] : [["--check"], []]) {
    const { problems } = linesOf(m, ...words, ...options).summary;
    expect(problems).toMatchObject([{ code, remedy }]);
    // So that nobody has to cut it out of the text, which ends with it.
    expect(problems[0]?.message).toEndWith(end);
  }
  expect(typeRemedy(m, remedy).status).toBe(0);
  await session?.ended;
  expect(linesOf(m, ...options).summary.problems).toEqual([]);
});

test("a user in a misspelt jail: the line with the declared one", () => {
  m.write(FILE, JAIL + user().replace(`jail = ${J}`, "jail = /srv/jial"));
  for (const words of [["--check"], []]) {
    const [problem] = linesOf(m, ...words).summary.problems;
    const remedy = `write in line 4 of ${FILE}:\njail = ${J}`;
    expect(problem).toMatchObject({ code: "no-such-jail", remedy });
    expect(problem?.message).toEndWith(
      `users are declared in it (x): declare it with [jail /srv/jial], or name another one; did you mean '${J}'?`,
    );
    if (words.length === 0) expect(typeRemedy(m, remedy).status).toBe(0);
  }
  expect(linesOf(m).summary.problems).toEqual([]);
});

const NO_SECTION = "does not exist in /etc/jailkit/jk_init.ini";

test.each([
  [
    "sections = uidbasics, sfpt, basicshell\n",
    "no-such-section",
    [`section 'sfpt' ${NO_SECTION}; did you mean 'sftp'?`],
    "sections = uidbasics, sftp, basicshell",
    23,
  ],
  [
    "sections = uidbasics, sfpt, xyzzyzzz, basicshel\n",
    "no-such-section",
    [
      `section 'sfpt' ${NO_SECTION}; did you mean 'sftp'?`,
      `section 'xyzzyzzz' ${NO_SECTION}`,
      `section 'basicshel' ${NO_SECTION}; did you mean 'basicshell'?`,
    ],
    "sections = uidbasics, sftp, basicshell",
    12,
  ],
  [
    "files = /nosuch, nosuch2, bash, /opt/basj\n",
    "no-such-path",
    ["/nosuch does not exist", "'nosuch2' is no program of this machine", "/opt/basj does not exist"],
    "files = bash",
    9,
  ],
])(
  "all names of a list that are wrong are told in one run, with the line as it should be: %s",
  (list, code, messages, line, column) => {
    m.write(FILE, `[jail ${J}]\n${list}`);
    const remedy = `write in line 2 of ${FILE}:\n${line}`;
    const message = `jail ${J}: ${messages.join("; ")}`;
    for (const words of [["--check"], []]) {
      expect(linesOf(m, ...words).summary.problems).toMatchObject([{ code, message, remedy, line: 2 }]);
      const { stderr } = m.run(["jailkit", "apply", ...words]);
      expect(stderr).toBe(
        `jailkit apply: ${message}\n  declared in ${FILE}:2:${column}\n  remedy: write in line 2 of ${FILE}:\n    ${line}\n`,
      );
    }
    const { stdout } = m.run(["jailkit", "config", "check"]);
    expect(stdout).toContain(`  remedy: write in line 2 of ${FILE}:\n    ${line}\n`);
    expect(typeRemedy(m, remedy).status).toBe(0);
    expect(linesOf(m).summary.problems).toEqual([]);
  },
);

test("wrong sections and files, and a list in several lines: all are told, and no line is for all", () => {
  m.write(FILE, `[jail ${J}]\nsections = uidbasics,\n  nosuch,\n  nosuch2\nfiles = /nosuch\n`);
  const [problem, ...more] = linesOf(m, "--check").summary.problems;
  expect(problem?.message).toBe(
    `jail ${J}: section 'nosuch' ${NO_SECTION}; section 'nosuch2' ${NO_SECTION}; /nosuch does not exist; bring it back, as by a mount, or take it out of 'files': then --prune takes it out of the jail, too`,
  );
  expect([more, problem?.remedy]).toEqual([[], null]);
});

/** What is declared, and the remedy: it has all that is declared. */
const UNSEPARATED = [
  ["sections = uidbasics, basicshell, sftp scp", "sections = uidbasics, basicshell, sftp, scp"],
  ["sections = uidbasics basicshell sftp, scp", "sections = uidbasics, basicshell, sftp, scp"],
  ["sections = uidbasics, basicshell; sftp, scp", "sections = uidbasics, basicshell, sftp, scp"],
  ['sections = "uidbasics", basicshell, sftp', "sections = uidbasics, basicshell, sftp"],
  ["files = /usr/bin/tac /usr/bin/head, /usr/bin/tail", "files = /usr/bin/tac, /usr/bin/head, /usr/bin/tail"],
  ["files = tac head", "files = tac, head"],
  ["live = /opt/tool /opt/other", "live = /opt/tool, /opt/other"],
  ["groups = jailed team", "groups = jailed, team"],
  ["groups = jailed:team", "groups = jailed, team"],
  ["allow = sftp\nenv = TZ TERM", "env = TZ, TERM"],
] as const;

test.each(UNSEPARATED)(
  "items without a comma stop the run, and the remedy keeps all of them: %s",
  (list, line) => {
    const more = "sections = uidbasics, basicshell, sftp, scp\nfiles = tac\n";
    m.must(["mkdir", "-p", TOOL, "/opt/other"]);
    m.write(FILE, `[jail ${J}]\n${more}${user("groups = jailed, team\n")}`);
    m.must(["jailkit", "apply"]);
    const isOfJail = /^(?:sections|files|live)/.test(list);
    const rights = list.startsWith("allow") ? user().replace(/shell.*\n/, "") : user();
    m.write(FILE, isOfJail ? `[jail ${J}]\n${list}\n` : `${JAIL}${rights}${list}\n`);
    const at =
      m
        .read(FILE)
        .split("\n")
        .indexOf(list.split("\n").at(-1) ?? "") + 1;
    const remedy = `write in line ${at} of ${FILE}:\n${line}`;
    for (const words of [["--check", "--prune"], ["--prune"]]) {
      const { status, changes, summary } = linesOf(m, ...words);
      expect([status, changes]).toEqual([1, []]);
      expect(summary.problems).toMatchObject([
        { code: "config-invalid", finding: "not-a-list", line: at, remedy },
      ]);
    }
    const { stdout } = m.run(["jailkit", "config", "check"]);
    expect(stdout).toContain(`[not-a-list]`);
    expect(stdout).toContain(`  remedy: write in line ${at} of ${FILE}:\n    ${line}\n`);
    expect(typeRemedy(m, remedy).status).toBe(0);
    expect(linesOf(m, "--prune").summary.problems).toEqual([]);
  },
);

test("names with blanks in them are one item as long as the machine has such a thing", () => {
  m.mkdir("/etc/jailkit/jk_init.d", { mode: 0o755 });
  m.write("/etc/jailkit/jk_init.d/blank.ini", "[my section]\npaths = /usr/bin/tac\n");
  m.write("/usr/bin/my tool", "#!/bin/sh\n", { mode: 0o755 });
  m.must(["sh", "-c", "echo 'my group:x:7070:' >>/etc/group"]);
  m.write(
    FILE,
    `${JAIL.trim()}, my section\nfiles = my tool, /usr/bin/my tool\n${user("groups = my group\n")}`,
  );
  expect(linesOf(m)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect(m.run(["jailkit", "config", "check"]).stdout).not.toContain("not-a-list");
  m.must(["sed", "-i", "/^my group:/d", "/etc/group"]);
  m.remove("/etc/jailkit/jk_init.d/blank.ini");
  m.must(["mv", "/usr/bin/my tool", "/usr/bin/mytool"]);
  const { summary } = linesOf(m, "--prune");
  expect(summary.problems.map(({ finding, line, column }) => [finding, line, column])).toEqual([
    ["not-a-list", 2, 35],
    ["not-a-list", 3, 9],
    ["not-a-list", 7, 10],
  ]);
});

test("a remedy that no message has stands below the place, as that of an account with another uid", () => {
  m.write(FILE, JAIL + user("uid = 3333\n"));
  m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
  m.must(["jk_addjailuser", "-j", J, "-u", "4444", "-s", "/bin/bash", "x"]);
  const { stderr } = m.run(["jailkit", "apply", "--check"]);
  expect(stderr).toEndWith(
    `\n  declared in ${FILE}:6:7\n  remedy: write in line 6 of ${FILE}:\n    uid = 4444\n`,
  );
});

test("a section that is there twice, in one file and in two: with the lines of both", () => {
  const second = `\n${JAIL}`;
  m.write(FILE, JAIL + second);
  const told = () => m.run(["jailkit", "apply", "--check"]).stderr.split("\n")[0];
  expect(told()).toBe(
    `jailkit apply: ${FILE}:4:1: error: section 'jail ${J}' is in line 1 already [duplicate-section]`,
  );
  m.write(FILE, `# the first\n${JAIL}`);
  m.write(`${FOLDER}/two.ini`, second);
  expect(told()).toBe(
    `jailkit apply: ${FOLDER}/two.ini:2:1: error: section 'jail ${J}' is there already, in line 2 of ${FILE} [duplicate-section]`,
  );
  const { stdout } = m.run(["jailkit", "config", "check", `${FOLDER}/two.ini`]);
  expect(stdout).toContain(`section 'jail ${J}' is there already, in line 2 of ${FILE} [duplicate-section]`);
  // Nothing tells whether the other file is an old copy of this one, which goes.
  m.write(`${FOLDER}/two.ini`, `# the first\n${JAIL}`);
  for (const command of [
    ["apply", "--check"],
    ["config", "check"],
  ]) {
    const run = m.run(["jailkit", ...command]);
    expect(run.stdout + run.stderr).toContain("[duplicate-section]");
    expect(run.stdout + run.stderr).not.toContain("sed -i");
  }
});

test("the copy of a file that others can write takes its place once somebody has read it: a program leaves no copy", () => {
  m.write(FILE, JAIL);
  m.chmod(FILE, 0o666);
  const files = m.list(FOLDER);
  for (let time = 0; time < 2; time++) {
    const [problem, ...more] = linesOf(m).summary.problems;
    expect([problem?.code, problem?.remedy, more]).toEqual(["config-unsafe", copyAnew(FILE), []]);
    expect(m.run(["sh", "-c", `exec </dev/null; ${problem?.remedy}`]).status).toBe(1);
    expect([m.list(FOLDER), (m.stat(FILE)?.mode ?? 0) & 0o777]).toEqual([files, 0o666]);
  }
  // As a program that knows what the file should say.
  m.must(["sh", "-ec", `umask 022; cat ${FILE} >${FILE}.tmp; mv -fT ${FILE}.tmp ${FILE}`]);
  expect(linesOf(m).status).toBe(0);
  m.chmod(FILE, 0o666);
  typeRemedy(m, copyAnew(FILE));
  expect([linesOf(m).status, m.list(FOLDER)]).toEqual([0, files]);
});

test("a line of /etc/group that ends as on another system is named where usermod(8) fails for it, and the remedy heals", () => {
  m.write(FILE, `${JAIL}[user ann]\njail = ${J}\nshell = /bin/bash\n`);
  m.must(["jailkit", "apply"]);
  m.must(["groupadd", "-f", "team"]);
  m.must(["sed", "-i", "s/^\\(team:.*\\)$/\\1\\r/", "/etc/group"]);
  m.write(FILE, `${m.read(FILE)}groups = team\n`);
  const [problem, ...more] = linesOf(m).summary.problems;
  expect([problem?.message, problem?.remedy, more]).toEqual([
    expect.stringMatching(/usermod failed .*; line \d+ of \/etc\/group ends with a carriage return: /),
    "sed -i 's/\\r$//' /etc/group",
    [],
  ]);
  typeRemedy(m, problem?.remedy ?? "false");
  expect([linesOf(m).status, m.must(["id", "-nG", "ann"]).stdout]).toEqual([
    0,
    expect.stringContaining("team"),
  ]);
});
