/** `jailkit apply` in jails whose users work against it. */
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { runWithStops } from "../machine/stops.ts";
import { did, FINGERPRINTS, KEYS, linesIn, linesOf, openApplyMachine } from "./apply-scene.ts";
import { copyAnew } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell, sftp\n`;
const KEY_FILE = `${J}/home/eve/.ssh/authorized_keys`;

let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());

/** The lines of a run of --prune, during which users act once: when it first writes below the jail's etc, after the plan. */
async function prunedWhile(act: () => void) {
  let isDone = false;
  const stops = { calls: ["renameat", "renameat2"], paths: [`${J}/etc`, `${J}/etc/jailkit`] };
  const result = await runWithStops(m, ["jailkit", "apply", "--json", "--prune"], stops, () => {
    if (!isDone) act();
    isDone = true;
  });
  return linesIn(result);
}

/** Declares the user, whose rights are these. */
const declare = (more: string) =>
  m.write(FILE, `${JAIL}[user eve]\njail = ${J}\nauthorized_keys = ${KEYS[0]}\n${more}`);

test("the shell of an earlier account of the same name is not given to a new one", () => {
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
  m.addUser("dora", { home: "/home/dora", createHome: true, shell: "/bin/bash" });
  m.must(["jk_jailuser", "-m", "-j", J, "-s", "/bin/bash", "dora"]);
  m.must(["sh", "-c", `userdel dora; rm -r ${J}/home/dora; sed -i /^dora:/d ${J}/etc/passwd`]);
  m.must(["jk_addjailuser", "-j", J, "-p", "*", "-s", "/bin/bash", "dora"]);
  m.write(FILE, `${JAIL}[user dora]\njail = ${J}\nshell = /bin/bash\n`);
  m.must(["jailkit", "apply"]);
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply", "--prune"]);
  expect(m.read("/etc/passwd")).toMatch(new RegExp(`^dora:.*:${J}/\\./home/dora:.*/jk_chrootsh$`, "m"));
  expect(m.exists("/home/dora")).toBe(false);
});

describe("no user prevents by the own authorized_keys", () => {
  const scenes = {
    "a symbolic link": `ln -s /etc/shadow ${KEY_FILE}`,
    "is not a regular file": `mkfifo ${KEY_FILE}`,
    "is longer than": `truncate -s 3G ${KEY_FILE}`,
    "a hard link": `touch ${KEY_FILE} && ln ${KEY_FILE} ${J}/home/eve/other`,
  };

  test.each(Object.entries(scenes))("that less is allowed: %s", (what, scene) => {
    declare("allow = sftp, scp upload\ngroups = team\nconfine = 1\n");
    m.must(["jailkit", "apply"]);
    m.must(["runuser", "-u", "eve", "--", "sh", "-c", `rm -f ${KEY_FILE}; ${scene}`]);
    declare("allow = rsync download\nconfine = 1\n");
    expect(m.run(["jailkit", "apply", "--check", "--prune"]).status).toBe(10);
    const { status, changes, summary } = linesOf(m, "--prune");
    expect([status, changes.map(({ text, status: end }) => `${end} ${text}`)]).toEqual([
      ...[
        1,
        ["done ~ user eve: policy differs in allow", "done - user eve: groups team (no longer declared)"],
      ],
    ]);
    expect(summary.problems.map(({ message }) => message)).toEqual([expect.stringContaining(what)]);
    expect(m.read(`${J}/etc/jailkit/jk_lsh.ini`)).toContain("allow = rsync download\n");
    expect(m.must(["id", "-Gn", "eve"]).stdout).not.toContain("team");
    m.remove(KEY_FILE);
    m.remove(`${J}/home/eve/other`);
    expect(did(m)).toEqual(["done + user eve: keys 1 of 1 (not in its authorized_keys)"]);
  });
});

describe("what others could have put into an authorized_keys becomes valid by no run", () => {
  const DIRECTORY = `${J}/home/eve/.ssh`;
  const foreign =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDq1pXvbyL0NtGuRJSzuJ1vmkDYbZaTM0dH0yKXaD8rF of somebody";

  test.each([
    ["the file is open to all", KEY_FILE, 0o666],
    ["the file is open to a group of others", KEY_FILE, 0o660],
    ["its directory is open to all", DIRECTORY, 0o777],
  ])("%s", async (_, path, mode) => {
    declare("shell = /bin/bash\n");
    m.must(["jailkit", "apply", "--prune"]);
    m.write(KEY_FILE, `${KEYS[0]}\n${foreign}\n`, { owner: [m.ids("eve").uid, 0] });
    m.chmod(KEY_FILE, 0o600);
    m.chmod(path, mode);
    const seen = () => [m.read(KEY_FILE), m.stat(DIRECTORY)?.mode, m.stat(KEY_FILE)?.mode];
    const before = seen();
    m.write(
      FILE,
      `${JAIL}[user eve]\njail = ${J}\nauthorized_keys =\n  ${KEYS.join("\n  ")}\nshell = /bin/bash\ngroups = team\n`,
    );
    const expected = expect.objectContaining({
      code: "keys-not-written",
      message: expect.stringContaining(`'${path}' can be written by others, whose keys would become valid`),
    });
    expect(linesOf(m, "--check").summary.problems).toEqual([expected]);
    const { status, summary, changes } = linesOf(m);
    expect([status, summary.problems]).toEqual([1, [expected]]);
    expect(changes.map((one) => `${one.status} ${one.text}`)).toEqual([
      "done + user eve: groups team (it is not a member)",
    ]);
    expect([linesOf(m).status, seen()]).toEqual([1, before]);
    const by = m.run(["jk_jailuser", "-n", "-j", J, "--authorized-key", "-", "eve"], {
      stdin: `${KEYS[1]}\n`,
    });
    expect([by.status, by.stderr]).toEqual([1, expect.stringContaining("can be written by others")]);
    expect(seen()).toEqual(before);

    // A key is taken out all the same, and the rest does not become valid by that.
    m.write(FILE, `${JAIL}[user eve]\njail = ${J}\nauthorized_keys = ${KEYS[1]}\nshell = /bin/bash\n`);
    expect(linesOf(m, "--prune").changes.map((one) => `${one.status} ${one.text.split(" (")[0]}`)).toEqual([
      "done - user eve: groups team",
      `done - user eve: keys ${FINGERPRINTS[0]}`,
    ]);
    expect(seen()).toEqual([`${foreign}\n`, ...before.slice(1)]);

    // Somebody has it open.
    const writer = m.start([
      "sh",
      "-c",
      `exec 3>>${KEY_FILE}; echo open; read go; echo '${KEYS[0]}' >&3; echo wrote`,
    ]);
    await writer.until(({ stdout }) => stdout.includes("open") || undefined);
    const [, words = "false"] =
      /no key is written there; (.*)$/.exec(linesOf(m).summary.problems[0]?.message ?? "") ?? [];
    // What root has read stays as it is, unless only the directory was open.
    const [make = "", move] = words.split(
      `; read ${KEY_FILE}.new, for others could write ${KEY_FILE}; then: `,
    );
    const close = make.replace(`read ${KEY_FILE} first, for others could write it; then: `, "");
    expect([move === undefined, close === make]).toEqual([path === DIRECTORY, path !== DIRECTORY]);
    m.must(["sh", "-c", close]);
    if (move !== undefined) {
      m.must(["sh", "-c", move]);
      writer.write("go\n");
      await writer.until(({ stdout }) => stdout.includes("wrote") || undefined);
    }
    writer.kill();
    expect(did(m)).toEqual(["done + user eve: keys 1 of 1 (not in its authorized_keys)"]);
    expect(seen()).toEqual([`${foreign}\n${KEYS[1]}\n`, 0o40700, 0o100600]);
    m.remove(DIRECTORY);
  });

  test("the file and its directory: first the directory, which makes no key valid", () => {
    declare("shell = /bin/bash\n");
    m.must(["jailkit", "apply", "--prune"]);
    m.chmod(DIRECTORY, 0o777);
    m.chmod(KEY_FILE, 0o666);
    declare(`  ${KEYS[1]}\nshell = /bin/bash\n`);
    const [{ message = "", remedy = null } = {}] = linesOf(m).summary.problems;
    expect(message).toEndWith(`no key is written there; fix it with: ${remedy}`);
    m.must(["sh", "-c", remedy ?? "false"]);
    expect([m.stat(DIRECTORY)?.mode, m.stat(KEY_FILE)?.mode]).toEqual([0o40755, 0o100666]);
    expect(linesOf(m).summary.problems[0]?.message).toContain(
      `; read ${KEY_FILE}.new, for others could write`,
    );
    m.remove(DIRECTORY);
  });
});

test("a lease of a user on the own authorized_keys keeps nothing waiting, and the message says what ends it", async () => {
  declare("shell = /bin/bash\n");
  m.must(["jailkit", "apply"]);
  const lease = `import fcntl, os, signal, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
fcntl.fcntl(os.open("${KEY_FILE}", os.O_RDWR), fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("leased", flush=True)
time.sleep(100)`;
  const holder = m.start(["python3", "-c", lease], { user: "eve" });
  await holder.until(({ stdout }) => (stdout.includes("leased") ? true : undefined));
  declare(`  ${KEYS[1]}\nshell = /bin/bash\n[user other]\njail = ${J}\nallow = sftp\n`);
  const { changes, summary } = linesOf(m);
  expect(changes.map(({ name, status }) => `${status} ${name}`)).toEqual(["done other", "done other"]);
  const [message] = summary.problems.map((one) => one.message);
  expect(message).toContain("authorized_keys' is kept from others by a process of its owner");
  const [, remedy = ""] = /end it with: (.*)$/.exec(message ?? "") ?? [];
  expect(summary.problems[0]?.remedy).toBe(remedy);
  m.must(remedy.split(" "));
  await holder.ended;
  expect(did(m)).toEqual(["done + user eve: keys 1 of 2 (not in its authorized_keys)"]);
});

test.each<[string, string, string[]]>([
  [
    "gets other options",
    `restrict ${KEYS[0]}`,
    [
      "failed ~ user eve: keys 1 of 1 (with other options in its authorized_keys)",
      "done ~ user eve: shell /bin/bash -> /usr/sbin/jk_lsh",
    ],
  ],
  [
    "gets another key",
    `${KEYS[0]}\n  ${KEYS[1]}`,
    [
      "done ~ user eve: shell /bin/bash -> /usr/sbin/jk_lsh",
      "failed + user eve: keys 1 of 2 (not in its authorized_keys)",
    ],
  ],
])(
  "a file of keys that its user exchanges after the plan, and that %s, prevents nothing else",
  async (_, keys, expected) => {
    declare("shell = /bin/bash\ngroups = team\n");
    m.must(["jailkit", "apply", "--prune"]);
    const rights = "allow = sftp\nconfine = 1\n";
    m.write(FILE, `${JAIL}[user eve]\njail = ${J}\nauthorized_keys = ${keys}\n${rights}`);
    const swap = `mv ${KEY_FILE} ${KEY_FILE}.old && mkfifo ${KEY_FILE}`;
    const { changes } = await prunedWhile(() => m.must(["sh", "-c", swap], { user: "eve" }));
    expect(changes.map(({ text, status }) => `${status} ${text}`)).toEqual([
      "done + user eve: policy allow, confine (it has no section)",
      ...expected,
      "done - user eve: groups team (no longer declared)",
    ]);
    expect(m.must(["id", "-Gn", "eve"]).stdout).not.toContain("team");
    m.must(["mv", "-T", `${KEY_FILE}.old`, KEY_FILE]);
    expect(did(m, "--prune")).toEqual([expect.stringMatching(/^done . user eve: keys /)]);
  },
);

/** What a run did in which a user puts a FIFO in the place of the own keys, between the groups and the keys that it gives. */
function didWhileSwapped(user: string, file: string): string[] {
  const [usermod, real] = ["/usr/sbin/usermod", "/usr/sbin/usermod.real"];
  m.rename(usermod, real);
  const swap = `exec runuser -u ${user} -- sh -c 'mv ${file} ${file}.old && mkfifo ${file}'`;
  m.write(usermod, `#!/bin/sh\n${real} "$@" || exit\n${swap}\n`, { mode: 0o755 });
  const lines = did(m);
  m.rename(real, usermod);
  return lines;
}

test("a group that a user got, and the new keys not, goes when it is not declared any more", () => {
  declare("shell = /bin/bash\n");
  m.must(["jailkit", "apply", "--prune"]);
  declare(`  ${KEYS[1]}\nshell = /bin/bash\ngroups = team\n`);
  expect(didWhileSwapped("eve", KEY_FILE)).toEqual([
    "failed + user eve: groups team (it is not a member)",
    "failed + user eve: keys 1 of 2 (not in its authorized_keys)",
  ]);
  expect(m.must(["id", "-Gn", "eve"]).stdout).toContain("team");
  m.must(["mv", "-T", `${KEY_FILE}.old`, KEY_FILE]);
  declare("shell = /bin/bash\n");
  expect(did(m, "--prune")).toEqual(["done - user eve: groups team (no longer declared)"]);
  expect(m.must(["id", "-Gn", "eve"]).stdout).not.toContain("team");
});

test("also of an account that commands jailed", () => {
  declare("shell = /bin/bash\n");
  m.must(["jailkit", "apply"]);
  m.must(["jk_addjailuser", "-j", J, "-p", "*", "-s", "/bin/bash", "fay"]);
  const file = `${J}/home/fay/.ssh/authorized_keys`;
  m.must(["install", "-d", "-o", "fay", "-m", "0700", `${J}/home/fay/.ssh`]);
  m.must(["install", "-o", "fay", "/dev/null", file]);
  const rights = `groups = team\nauthorized_keys = ${KEYS[0]}\n`;
  declare(`shell = /bin/bash\n[user fay]\njail = ${J}\nshell = /bin/bash\n${rights}`);
  expect(didWhileSwapped("fay", file)).toEqual([
    "failed + user fay: groups team (it is not a member)",
    "failed + user fay: keys 1 of 1 (not in its authorized_keys)",
  ]);
  declare("shell = /bin/bash\n");
  expect(did(m, "--prune")).toEqual([expect.stringMatching(/^done - user fay: entry /)]);
  expect(m.must(["id", "-Gn", "fay"]).stdout).not.toContain("team");
});

test("a process that keeps the jail from being as declared: nobody gets a shell without limits before it is", async () => {
  const declared = (jail: string, eve: string) =>
    m.write(FILE, `${JAIL}${jail}[user eve]\njail = ${J}\n${eve}[user fred]\njail = ${J}\nallow = sftp\n`);
  declared("proc = yes\n", "allow = sftp\ngroups = team\n");
  m.must(["jailkit", "apply", "--prune"]);
  const stays = m.start(["sh", "-c", `cd ${J}/proc && echo there && exec sleep 1000`], { user: "fred" });
  await stays.until(({ stdout }) => (stdout.includes("there") ? true : undefined));
  declared("proc = no\n", "shell = /bin/bash\n");
  expect(did(m, "--prune")).toEqual([
    `failed - jail ${J}: proc (declared to be off)`,
    "done - user eve: groups team (no longer declared)",
    "not-done ~ user eve: shell /usr/sbin/jk_lsh -> /bin/bash",
    "not-done - user eve: policy (no longer declared)",
  ]);
  m.must(["pkill", "-KILL", "-u", "fred"]);
  await stays.ended;
  expect(did(m, "--prune")).toHaveLength(3);
  expect(linesOf(m, "--check", "--prune").status).toBe(0);
});

test("a process that keeps the jail from being as declared keeps nobody in a group, and no shell", async () => {
  const declared = (jail: string, eve: string, more = "") =>
    m.write(
      FILE,
      `${JAIL}${jail}[user eve]\njail = ${J}\nshell = /bin/bash\n${eve}[user fred]\njail = ${J}\nallow = sftp\n${more}`,
    );
  declared("proc = yes\n", "groups = team\n");
  m.must(["jailkit", "apply", "--prune"]);
  const stays = m.start(["sh", "-c", `cd ${J}/proc && echo there && exec sleep 1000`], { user: "fred" });
  await stays.until(({ stdout }) => (stdout.includes("there") ? true : undefined));
  declared("proc = no\n", "", `[user late]\njail = ${J}\nallow = sftp\n`);
  const { changes, status } = linesOf(m, "--prune");
  expect([status, changes.map(({ text, status: end }) => `${end} ${text}`)]).toEqual([
    ...[
      1,
      [
        `failed - jail ${J}: proc (declared to be off)`,
        "done - user eve: groups team (no longer declared)",
        "not-done + user late: policy allow (it has no section)",
        `not-done + user late: account in ${J}, home /home/late, shell /usr/sbin/jk_lsh (it does not exist)`,
      ],
    ],
  ]);
  expect(m.must(["id", "-Gn", "eve"]).stdout).not.toContain("team");
  m.must(["pkill", "-KILL", "-u", "fred"]);
  await stays.ended;
  expect(did(m, "--prune")).toHaveLength(3);
  expect(linesOf(m, "--check", "--prune").status).toBe(0);
});

test("a file of keys that its user has made long gets no key that could not be taken out again", () => {
  const longest = 1 << 20;
  declare("shell = /bin/bash\n");
  m.must(["jailkit", "apply", "--prune"]);
  const more = longest - m.read(KEY_FILE).length;
  const fill = `printf '%0${more - 50}d\\n' 0 | sed s/^0/#/ >>${KEY_FILE}`;
  m.must(["sh", "-c", fill], { user: "eve" });
  declare(`  ${KEYS[1]}\nshell = /bin/bash\n`);
  expect(linesOf(m).summary.problems.map(({ message }) => message)).toEqual([
    expect.stringContaining(`authorized_keys' would be longer than ${longest} bytes`),
  ]);
  m.write(FILE, `${JAIL}[user eve]\njail = ${J}\nshell = /bin/bash\n`);
  expect(did(m, "--prune")).toEqual([`done - user eve: keys ${FINGERPRINTS[0]} (no longer declared)`]);
  expect(m.read(KEY_FILE)).toStartWith("#0");
  m.remove(KEY_FILE);
});

describe("no user who may write above the own home prevents", () => {
  const home = `${J}/srv/www/site/home`;
  const scenes = {
    "is writable by its group": `mv ${home} ${home}.old`,
    "is not a directory": `mv ${home} ${home}.old && ln -s /etc ${home}`,
    "is a symbolic link in a directory": `mv ${J}/srv/www/site ${J}/srv/www/old && ln -s old ${J}/srv/www/site`,
  };
  const has = (more: string) =>
    m.write(FILE, `${JAIL}[user gina]\njail = ${J}\nhome = /srv/www/site/home\ngroups = site${more}\n`);

  beforeAll(() => {
    m.must(["groupadd", "site"]);
    m.write(FILE, JAIL);
    m.must(["jailkit", "apply", "--prune"]);
  });

  test.each(Object.entries(scenes))(
    "that less is allowed, or that the user is removed: %s",
    (what, scene) => {
      m.must(["sh", "-c", `userdel -f gina; sed -i /^gina:/d ${J}/etc/passwd; rm -rf ${J}/srv/www`]);
      has(`, team\nallow = sftp, scp upload\nauthorized_keys = ${KEYS[0]}`);
      m.must(["jailkit", "apply"]);
      const share = `chgrp site ${J}/srv/www ${J}/srv/www/site && chmod 2775 ${J}/srv/www ${J}/srv/www/site`;
      m.must(["sh", "-c", share]);
      m.must(["sh", "-c", scene], { user: "gina" });
      has("\nallow = rsync download");
      const { changes, summary } = linesOf(m, "--prune");
      expect(changes.map(({ text, status }) => `${status} ${text}`)).toEqual([
        "done ~ user gina: policy differs in allow",
        "done - user gina: groups team (no longer declared)",
        "failed - user gina: keys 1 that cannot be read (no longer declared)",
      ]);
      const [why, ...more] = summary.problems.map(({ message }) => message);
      expect([why, more.length < 2]).toEqual([expect.stringContaining(what), true]);
      m.write(FILE, JAIL);
      linesOf(m, "--prune", "--delete-homes");
      expect(m.read(`${J}/etc/passwd`)).not.toContain("gina:");
      expect(m.read(`${J}/etc/jailkit/jk_lsh.ini`)).not.toContain("[gina]");
    },
  );
});

test("a home that somebody puts in the place of the one that goes is not removed", async () => {
  const both = `[user hans]\njail = ${J}\nhome = /srv/www/hans\nshell = /bin/bash\n`;
  const one = `${JAIL}[user ines]\njail = ${J}\nhome = /srv/www/ines\nshell = /bin/bash\n`;
  m.must(["rm", "-rf", `${J}/srv/www`]);
  m.write(FILE, one + both);
  m.must(["jailkit", "apply"]);
  m.must(["sh", "-c", `touch ${J}/srv/www/ines/work && chmod 777 ${J}/srv/www`]);
  m.write(FILE, one);
  const stops = { calls: ["renameat", "renameat2"], paths: [`${J}/etc`, `${J}/etc/passwd`] };
  const swap = `cd ${J}/srv/www && [ -d hans ] && mv hans old && mv ines hans`;
  const { status } = await runWithStops(m, ["jailkit", "apply", "--prune", "--delete-homes"], stops, () => {
    m.run(["sh", "-c", swap], { user: "ines" });
  });
  expect([status, m.exists(`${J}/srv/www/hans/work`)]).toEqual([1, true]);
  expect(linesOf(m, "--prune", "--delete-homes").changes).toMatchObject([{ name: "hans", status: "done" }]);
  m.must(["chmod", "755", `${J}/srv/www`]);
});

test("a jail that stays because of a user's files is not looked at for longer than it takes to find some", () => {
  const place = "/srv/former";
  m.write(FILE, `${JAIL}[jail ${place}]\nsections = uidbasics, basicshell\n`);
  m.must(["jailkit", "apply", "--prune"]);
  m.must(["install", "-d", "-o", "nobody", `${place}/srv/many`]);
  const make = `import os\nos.chdir("${place}/srv/many")\nfor i in range(11000): os.mknod(str(i))`;
  m.must(["python3", "-c", make], { user: "nobody" });
  m.write(FILE, JAIL);
  const [problem] = linesOf(m, "--check", "--prune").summary.problems;
  expect(problem?.message).toMatch(
    /has files of users other than root \(nobody \(uid \d+\): 10000, as .*; no more were counted\)/,
  );
  m.must(["rm", "-r", `${place}/srv/many`]);
  expect(did(m, "--prune")).toEqual([`done - jail ${place} (no longer declared)`]);
});

describe("a home that who may write above it takes away keeps a key remembered, for the run after it is back", () => {
  const home = `${J}/srv/h/hal`;
  const hidden = `${J}/srv/h/.hal`;
  const keys = () => m.read(`${home}/.ssh/authorized_keys`);
  const GONE = `- user hal: keys ${FINGERPRINTS[0]} (no longer declared)`;
  const fault =
    "the keys that were declared are not in '/srv/customer/srv/h/hal', which others than root can exchange";
  const declareHal = (rights: string) =>
    m.write(FILE, `${JAIL}[user hal]\njail = ${J}\nhome = /srv/h/hal\n${rights}`);

  beforeAll(() => {
    m.addUser("mallory");
  });
  beforeEach(() => {
    m.must(["sh", "-c", `mkdir -p ${J}/srv/h && chown root ${J}/srv/h`]);
    declareHal(`shell = /bin/bash\nauthorized_keys = ${KEYS[0]}\n`);
    m.must(["jailkit", "apply", "--prune"]);
    m.must(["chown", "mallory", `${J}/srv/h`]);
  });
  afterEach(() => {
    m.must(["chown", "root", `${J}/srv/h`]);
    expect([did(m, "--prune"), keys()]).toEqual([[], ""]);
  });

  test("between the plan and the step", async () => {
    declareHal("allow = sftp\n");
    const hide = () => m.must(["mv", "-T", home, hidden], { user: "mallory" });
    const { changes, status } = await prunedWhile(hide);
    expect([status, changes.at(-1)]).toMatchObject([
      ...[1, { text: GONE, status: "failed", errors: [expect.stringContaining(fault)] }],
    ]);
    // Missing when the plan is made.
    expect(linesOf(m, "--prune").status).toBe(1);
    m.must(["mv", "-T", hidden, home]);
    expect(did(m, "--prune")).toEqual([`done ${GONE}`]);
  });

  test("before the plan, with another one in its place", () => {
    m.must(["sh", "-c", `mv -T ${home} ${hidden} && install -d -o hal ${home}`]);
    declareHal("shell = /bin/bash\n");
    for (let count = 0; count < 2; count++) {
      const { changes, status } = linesOf(m, "--prune");
      expect([status, changes]).toMatchObject([
        1,
        [
          {
            text: "- user hal: keys 1 that cannot be read (no longer declared)",
            status: "failed",
            errors: [expect.stringContaining(fault)],
          },
        ],
      ]);
    }
    m.must(["sh", "-c", `rmdir ${home} && mv -T ${hidden} ${home}`]);
    expect(did(m, "--prune")).toEqual([`done ${GONE}`]);
  });
});

describe("what others wrote into the skeleton of new homes lets them into none", () => {
  const SSH = "/etc/skel/.ssh";
  const SKELETON = `${SSH}/authorized_keys`;
  const OPEN = "can be written by others, whose keys would become valid: no key is written to a copy of it";
  const COPY = copyAnew(SKELETON);
  const PRIVATE = COPY.replace("0644", "0600");
  const read = `read ${SKELETON} first, for others could write it; then: `;
  const sh = (line: string, name?: string) =>
    m.must(["sh", "-ec", line], name === undefined ? { stdin: "y\n" } : { user: name });
  const declareOne = (name: string, key: string) =>
    m.write(FILE, `${JAIL}[user ${name}]\njail = ${J}\nauthorized_keys = ${key}\nshell = /bin/bash\n`);
  /** What the error of a run says to do. */
  const told = () => linesOf(m).summary.problems.map(({ message }) => message?.split(`${OPEN}; `)[1]);

  beforeAll(() => sh("groupadd web; useradd -G web carl"));
  afterEach(() => sh(`rm -rf ${SSH}; chmod 0755 /etc/skel; chown root:root /etc/skel`));

  const theirs = `mkdir -m 0755 ${SSH}; echo '${KEYS[1]}' >${SKELETON}`;
  test.each<[string, string, string[]]>([
    [
      "a directory of theirs",
      `mkdir ${SSH}; echo '${KEYS[1]}' >${SKELETON}; chmod 0600 ${SKELETON}; chown -R carl ${SSH}`,
      [`${read}chown root ${SSH}`, `fix it with: ${PRIVATE}`],
    ],
    ["a file of theirs", `${theirs}; chown carl ${SKELETON}`, [`fix it with: ${COPY}`]],
    [
      "a file of their group",
      `${theirs}; chgrp web ${SKELETON}; chmod 0664 ${SKELETON}`,
      [`fix it with: ${COPY}`],
    ],
    [
      "the skeleton itself",
      `${theirs}; chgrp web /etc/skel; chmod 2775 /etc/skel`,
      [`${read}chmod go-w /etc/skel`],
    ],
  ])("%s", (what, before, wanted) => {
    const name = what.replaceAll(" ", "");
    sh(before);
    const said: (string | undefined)[] = [];
    for (let count = 0; count < wanted.length; count++) {
      // Also for one who has that key.
      declareOne(name, KEYS[1]);
      const once = told();
      declareOne(name, KEYS[0]);
      expect(told()).toEqual(once);
      said.push(...once);
      sh(once[0]?.replace(/^.*?: /, "") ?? "false");
    }
    expect(said).toEqual(wanted);
    expect(did(m)).toEqual([expect.stringMatching(/^done \+ user /)]);
  });

  test("a directory of their group, in which a link leads to one of the host when root types", () => {
    sh(
      `mkdir ${SSH}; touch ${SKELETON}; chgrp web ${SSH} ${SKELETON}; chmod 2775 ${SSH}; chmod 0664 ${SKELETON}`,
    );
    declareOne("linked", KEYS[0]);
    const [first = ""] = told();
    sh(`rm ${SKELETON}; ln -s /tmp ${SKELETON}`, "carl");
    sh(first.replace(read, ""));
    expect([first, (m.stat("/tmp")?.mode ?? 0) & 0o7777]).toEqual([`${read}chmod go-w ${SSH}`, 0o1777]);
  });
});
