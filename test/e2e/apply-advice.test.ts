/** What `jailkit apply` advises about accounts is what its user can change: keys of the declaration, or a command that heals. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/jail";
const NEW = "/srv/new";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;

interface Case {
  readonly what: string;
  readonly declared: string;
  readonly before?: string;
  /** What is advised, after the message. */
  readonly advice: string | RegExp;
  /** The declaration afterwards, if the advice is about it. */
  readonly after?: string;
  /** The advice has a command. */
  readonly typed?: boolean;
  readonly options?: readonly string[];
}

const user = (name: string, more = "", jail = J) =>
  `[user ${name}]\njail = ${jail}\nshell = /bin/bash\n${more}`;

const CASES: readonly Case[] = [
  {
    what: "no uid is left",
    declared: JAIL + user("x"),
    before: "sed -i 's/^UID_M.*/# &/' /etc/login.defs; printf 'UID_MIN 33\\nUID_MAX 33\\n' >>/etc/login.defs",
    advice: "all uids of the range in /etc/login.defs are used: declare another uid with the key 'uid'\n",
    after: JAIL + user("x", "uid = 7001\n"),
  },
  {
    what: "a uid that is taken",
    declared: JAIL + user("x", "uid = 33\n"),
    advice: "belongs to 'www-data': declare another uid with the key 'uid'\n",
    after: JAIL + user("x", "uid = 7001\n"),
  },
  {
    what: "a home behind a symbolic link",
    declared: JAIL + user("x", "home = /link/x\n"),
    before: `ln -s /home ${J}/link`,
    advice:
      "is a symbolic link, which useradd(8) would follow outside: name another home with the key 'home'\n",
    after: JAIL + user("x", "home = /home/x\n"),
  },
  {
    what: "a jail without account files",
    declared: `[jail ${NEW}]\nfiles = /bin/bash\n${user("x", "", NEW)}`,
    advice: "declare any section of jk_init.ini with the key 'sections' of the jail, which brings it\n",
    after: `[jail ${NEW}]\nfiles = /bin/bash\nsections = uidbasics\n${user("x", "", NEW)}`,
  },
  {
    what: "a jail without its account files any more",
    declared: JAIL + user("x"),
    before: `rm ${J}/etc/passwd`,
    advice: `was removed from the jail: bring it back with: jk_update -j ${J}\n`,
    after: JAIL + user("x"),
    typed: true,
  },
  {
    what: "a shell that the jail lacks, brought by 'files'",
    declared: `${JAIL}[user x]\njail = ${J}\nshell = /usr/bin/rbash\n`,
    advice:
      "bring it with the key 'files' of the jail, or declare another with the key 'shell' of the user\n",
    after: `${JAIL}files = /usr/bin/rbash\n[user x]\njail = ${J}\nshell = /usr/bin/rbash\n`,
  },
  {
    what: "the shell of accounts on the machine",
    declared: `${JAIL}[user x]\njail = ${J}\nshell = /usr/sbin/jk_chrootsh\n`,
    advice:
      "it is the shell that the account has on this machine: declare one in the jail with the key 'shell', such as /bin/sh\n",
    after: `${JAIL}[user x]\njail = ${J}\nshell = /bin/sh\n`,
  },
  {
    what: "an account without a password and a key",
    declared: JAIL + user("x"),
    advice: "cannot log in; declare a key with 'authorized_keys', or fix it with: passwd x\n",
    after: JAIL + user("x", `authorized_keys = ${KEYS[0]}\n`),
  },
  {
    what: "a group of administrators",
    declared: JAIL + user("x", "groups = sudo\n"),
    advice: "leave it out of the key 'groups', and take it out: gpasswd -d x sudo\n",
    after: JAIL + user("x"),
    typed: true,
  },
  {
    what: "an account without a home, and a jail that is not there yet",
    declared: `[jail ${NEW}]\nsections = uidbasics, basicshell\n${user("x", "", NEW)}`,
    before: "useradd -M x",
    advice: /create an empty one, which moves into the jail: install -d .*\n/,
    typed: true,
  },
  {
    what: "an account without a home, and a jail that is there",
    declared: JAIL + user("x"),
    before: "useradd -M x",
    advice: /create an empty one, which moves into the jail: install -d .*\n/,
    typed: true,
  },
  {
    what: "a home in the place of the new one",
    declared: JAIL + user("x"),
    before: `useradd -m x; mkdir -p ${J}/home/x`,
    advice: `'${J}/home/x' exists already: keep it under another name: mv -nT ${J}/home/x ${J}/home/x.old\n`,
    typed: true,
  },
  {
    what: "a skeleton that others can write",
    declared: JAIL + user("x", `authorized_keys = ${KEYS[0]}\n`),
    before: "mkdir /etc/skel/.ssh; chmod 777 /etc/skel/.ssh",
    advice: "no key is written to a copy of it; fix it with: chmod go-w /etc/skel/.ssh\n",
    typed: true,
  },
  {
    what: "a skeleton with keys that have two names",
    declared: JAIL + user("x", `authorized_keys = ${KEYS[0]}\n`),
    before: "mkdir -m 700 /etc/skel/.ssh; cd /etc/skel/.ssh; touch authorized_keys; ln authorized_keys x",
    advice: "put a copy in its place with: sed -i '' /etc/skel/.ssh/authorized_keys\n",
    typed: true,
  },
  {
    what: "a name that useradd refuses",
    declared: JAIL + user("an@na"),
    advice: "an account that has such a name already may be declared\n",
  },
  {
    what: "a line of an earlier account in the jail",
    declared: JAIL + user("x"),
    before: `echo x:x:7777:100::/home/x:/bin/bash >>${J}/etc/passwd`,
    advice: /declare another name, or fix it with: jk_jailuser --unjail --jail-side-only -j \S+ x\n/,
    typed: true,
  },
  {
    what: "a line with the uid of the new account, and another home",
    declared: JAIL + user("x", "uid = 7777\n"),
    before: `echo x:x:7777:100::/elsewhere:/bin/bash >>${J}/etc/passwd`,
    advice: /fix it with: jk_jailuser --unjail --jail-side-only -j \S+ x\n/,
    typed: true,
  },
  {
    what: "a shell outside that is gone, with --prune",
    declared: JAIL,
    before: `cp /bin/bash /usr/local/bin/xsh; useradd -m -s /usr/local/bin/xsh x; printf '[user x]\\njail = ${J}\\nshell = /bin/bash\\n' >>${FILE}; jailkit apply; rm /usr/local/bin/xsh`,
    advice: /does not exist; to let it log in on this machine: jk_jailuser --unjail -m -s \S+ x;/,
    typed: true,
    options: ["--prune"],
  },
];

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["cp", "/etc/login.defs", "/root/login.defs"]);
});
afterAll(() => m?.close());
afterEach(() => {
  m.must(["cp", "/root/login.defs", "/etc/login.defs"]);
  for (const jail of [J, NEW])
    if (m.exists(jail)) m.must(["jailkit", "delete", "--yes", "--unjail", "--user-files", jail]);
  m.run(["userdel", "-rf", "x"]);
  for (const path of ["/etc/skel/.ssh", "/var/lib/jailkit/declared.json"]) m.remove(path);
});

const said = (options: readonly string[]) => {
  const { stdout, stderr } = m.run(["jailkit", "apply", ...options]);
  return stdout + stderr;
};

test.each(CASES)("$what", ({ declared, before, advice, after, typed = false, options = [] }) => {
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
  if (before !== undefined) m.must(["sh", "-ec", before]);
  m.write(FILE, declared);
  const text = said(options);
  expect(text).toMatch(advice);
  if (after !== undefined) m.write(FILE, after);
  if (typed) {
    const line = typeof advice === "string" ? advice : (advice.exec(text)?.[0] ?? "");
    m.must([
      "sh",
      "-ec",
      /(?:gpasswd|install|mv|sed|chmod|jk_jailuser|jk_update) -?[^;\n]*/.exec(line)?.[0] ?? "false",
    ]);
  } else if (after === undefined) m.must(["useradd", "--badname", "-m", "an@na"]);
  m.must(["jailkit", "apply", ...options]);
  expect(said(options)).not.toMatch(advice);
});

test("a group with another gid in the jail gets that of the host when a new account joins it", () => {
  m.must(["sh", "-ec", "getent group team || groupadd team"]);
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
  m.must(["sh", "-ec", `echo team:x:7777: >>${J}/etc/group`]);
  m.write(FILE, JAIL + user("x", "groups = team\n"));
  m.must(["jailkit", "apply"]);
  const gid = /^team:x:(\d+)/m.exec(m.read("/etc/group"))?.[1];
  expect(m.read(`${J}/etc/group`)).toContain(`team:x:${gid}:x\n`);
});

test("a file of what was declared once that is damaged is named, with what moves it away", () => {
  const memory = "/var/lib/jailkit/declared.json";
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
  m.write(memory, "{", { mode: 0o600 });
  const { status, summary } = linesOf(m);
  expect([status, summary.problems]).toMatchObject([1, [{ code: "bad-state", path: memory, file: memory }]]);
  const [, command = "false"] = /: (mv -nT .*)/.exec(`${summary.problems[0]?.message}`) ?? [];
  m.must(command.split(" "));
  expect([linesOf(m, "--prune").status, m.read(`${memory}.old`)]).toEqual([0, "{"]);
  m.remove(`${memory}.old`);
});
