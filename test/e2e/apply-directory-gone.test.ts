/** `jailkit apply --prune` for an account of a directory that has it no more, or not in the jail: what it got there goes all the same. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";
import { installNssSystemd } from "./archives.ts";

setDefaultTimeout(120_000);

const J = "/srv/b";
const ACCOUNTS = "/var/lib/extrausers/passwd";
const DECLARED = "/etc/jailkit/jails.d/one.ini";
const FILE = `${J}/home/luser/.ssh/authorized_keys`;
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const luser = (...keys: string[]) =>
  `${JAIL}[user luser]\njail = ${J}\ndirectory = 1\nshell = /bin/bash\ngroups = team\nauthorized_keys = ${keys.join("\n  ")}\n`;

let m: Machine;
const services = (passwd: string) =>
  m.write(
    "/etc/nsswitch.conf",
    m.read("/etc/nsswitch.conf").replace(/^(passwd|group|shadow):.*$/gm, `$1: ${passwd}`),
  );
const account = (home: string, shell: string) => m.write(ACCOUNTS, `luser:x:6001:6001::${home}:${shell}\n`);

beforeAll(async () => {
  m = await openApplyMachine();
  installNssSystemd(m);
  m.write("/var/lib/extrausers/group", "luser:x:6001:\n");
});
afterAll(() => m?.close());
beforeEach(() => {
  services("files extrausers");
  account(`${J}/./home/luser`, "/usr/sbin/jk_chrootsh");
  m.remove(FILE);
  m.write(DECLARED, luser(KEYS[0]));
  m.must(["gpasswd", "-a", "luser", "team"]);
  m.must(["jailkit", "apply"]);
  m.must(["sed", "-i", "$assh-ed25519 AAAAown own", FILE]);
  m.must(["chown", "6001:6001", FILE]);
});

test.each([
  ["a directory that says that there is none", () => services("files")],
  ["a directory that has it outside of the jail again", () => account("/home/luser", "/bin/sh")],
])("keys, groups and lines of an account go: %s", (_, change) => {
  change();
  m.write(DECLARED, JAIL);
  const { status, changes, summary } = linesOf(m, "--prune");
  expect([status, summary.problems, changes.flatMap(({ warnings }) => warnings)]).toEqual([0, [], []]);
  expect(m.read(FILE)).toBe("ssh-ed25519 AAAAown own\n");
  expect(m.read("/etc/group")).toMatch(/^team:x:\d+:$/m);
  expect(m.read(`${J}/etc/passwd`)).not.toContain("luser");
  expect(changes.map(({ steps }) => steps.toSorted())).toEqual([
    [
      "removed 'luser' from the jail's etc/passwd",
      "removed 1 key from its authorized_keys",
      "took 'luser' out of the group 'team'",
    ],
  ]);
});

test("a jail that is not declared any more either, in which it lives: no remedy deletes its files", () => {
  m.write(`${J}/home/luser/mine`, "");
  m.must(["chown", "6001:6001", `${J}/home/luser/mine`]);
  m.write(DECLARED, "");
  const message = expect.stringContaining(
    "users live in it whose accounts are not in /etc/passwd (luser): change their homes where the accounts are kept (",
  );
  // The first run takes out what is left of the account; it says what comes after that.
  for (const options of [["--check", "--prune"], ["--prune"], ["--prune"]])
    expect(linesOf(m, ...options).summary.problems).toContainEqual(
      expect.objectContaining({ path: J, code: "has-users", message, remedy: null }),
    );
  const asked = m.run(["jailkit", "delete", "--json", "--yes", J]);
  expect(JSON.parse(asked.stdout).problems).toMatchObject([{ code: "has-users", message, remedy: null }]);
  expect(m.exists(`${J}/home/luser/mine`)).toBe(true);
});

describe("a jail that is gone, while the directory still says a home in it", () => {
  const dropIn = "/etc/jailkit/jk_chrootsh.d/luser.ini";
  beforeEach(() => {
    m.write(DECLARED, `${luser(KEYS[0])}limits = nproc 64\n`);
    m.must(["jailkit", "apply"]);
    expect(m.exists(dropIn)).toBe(true);
    // Another jail, which nobody means.
    m.must(["jk_init", "-j", "/srv/c", "basicshell"]);
  });

  /** The rest goes, the directory's part is told, and then there is nothing any more. */
  const ends = () => {
    const change = `- user luser: entry in ${J}, which is gone (no longer declared)`;
    const warnings = [`the directory still says that 'luser' has the home '${J}/./home/luser'`];
    const planned = linesOf(m, "--check", "--prune").changes.find(({ text }) => text === change);
    expect(planned).toMatchObject({ status: "planned", warnings });
    const { status, changes, summary } = linesOf(m, "--prune");
    expect([status, summary.problems]).toEqual([0, []]);
    expect(changes.find(({ text }) => text === change)).toMatchObject({
      status: "done",
      warnings,
      steps: expect.arrayContaining(["took 'luser' out of the group 'team'"]),
    });
    expect(m.exists(dropIn)).toBe(false);
    expect(m.run(["jailkit", "apply", "--prune"])).toMatchObject({ status: 0, stderr: "" });
    expect(m.run(["jailkit", "apply"])).toMatchObject({ status: 0, stderr: "" });
  };

  test("it was deleted", () => {
    m.must(["jailkit", "delete", "--yes", "--user-files", J]);
    m.write(DECLARED, "");
    expect(m.run(["jailkit", "apply"])).toMatchObject({
      status: 0,
      stderr: expect.not.stringContaining("did you mean"),
    });
    ends();
  });

  test("it was removed by hand: the run that forgets it says that the next one ends it", () => {
    m.must(["rm", "-r", J]);
    m.write(DECLARED, "");
    const { status, stderr } = m.run(["jailkit", "apply", "--prune"]);
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining(
        "if it was deleted, 'jailkit apply --prune' forgets it, and the run after that ends this\n",
      ),
    ]);
    ends();
  });

  test("it was removed by hand, and apply did not make it: what is typed then", () => {
    m.write(DECLARED, `${luser(KEYS[0])}limits = nproc 64\n`.replace(JAIL, ""));
    m.remove("/var/lib/jailkit/declared.json");
    m.must(["jailkit", "apply"]);
    m.must(["rm", "-r", J]);
    m.write(DECLARED, "");
    const { status, stderr } = m.run(["jailkit", "apply", "--prune"]);
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining("user luser: is not declared any more, and stays: "),
    ]);
    const remedy = /if it was deleted: (.*)/.exec(stderr)?.[1] ?? "false";
    expect(remedy).toBe(`jailkit forget ${J}`);
    m.must(["sh", "-c", remedy]);
    ends();
  });

  test("it stays while jk_chrootsh.ini would let the account in without a line, when the jail comes back", () => {
    const settings = "/etc/jailkit/jk_chrootsh.ini";
    const before = m.read(settings);
    m.must(["jailkit", "delete", "--yes", "--user-files", J]);
    m.write(DECLARED, "");
    m.write(settings, "[DEFAULT]\nskip_injail_passwd_check = 1\ninjail_shell = /bin/bash\n", { mode: 0o644 });
    const { status, summary } = linesOf(m, "--prune");
    expect([status, summary.problems.map(({ code }) => code)]).toEqual([1, ["not-local"]]);
    m.write(settings, before, { mode: 0o644 });
    expect(linesOf(m, "--prune")).toMatchObject({ status: 0 });
  });
});

test("keys that cannot be taken out are told, and the user has no line in the jail any more", () => {
  services("files");
  m.must(["mv", FILE, `${FILE}.own`]);
  m.must(["ln", "-s", "authorized_keys.own", FILE]);
  m.write(DECLARED, JAIL);
  const { changes } = linesOf(m, "--prune");
  expect(changes.flatMap(({ warnings }) => warnings)).toEqual([
    expect.stringContaining(`'${FILE}' is a symbolic link`),
  ]);
  expect(m.read(`${J}/etc/passwd`)).not.toContain("luser");
  m.must(["mv", `${FILE}.own`, FILE]);
});

test("a run tells of keys that may be left, where neither a directory nor the jail says what home it was", () => {
  services("files");
  m.must(["sed", "-i", "/^luser:/d", `${J}/etc/passwd`]);
  m.write(DECLARED, JAIL);
  const { status, stderr } = m.run(["jailkit", "apply", "--prune"]);
  expect(status).toBe(0);
  expect(stderr).toContain(
    `jailkit apply: warning: user luser: keys that were declared may be left in its home in ${J}: nothing says any more which home that was\n`,
  );
  expect(m.run(["jailkit", "apply", "--prune"]).stderr).toBe("");
});

test("a key that is declared no more while no service knows the account goes when one does again", () => {
  services("files");
  m.write(DECLARED, luser(KEYS[1]));
  expect(linesOf(m, "--prune").summary.problems.map(({ code }) => code)).toEqual(["no-such-user"]);
  services("files extrausers");
  m.must(["jailkit", "apply", "--prune"]);
  expect(m.read(FILE)).toBe(`ssh-ed25519 AAAAown own\n${KEYS[1]}\n`);
});

test("while no service answers, --check --prune says that the user and its jail stay, as the run does", () => {
  m.remove(ACCOUNTS);
  m.write(DECLARED, "");
  const said = (...options: string[]) => {
    const { status, changes, summary } = linesOf(m, "--prune", ...options);
    return [status, changes.map(({ text }) => text), summary.problems.map(({ code, path }) => [code, path])];
  };
  const check = said("--check");
  expect(check).toEqual([1, [], [["name-service", "luser"], expect.anything()]]);
  expect(said()).toEqual(check);
  expect(m.read(`${J}/etc/passwd`)).toContain("luser");
  expect(m.run(["jailkit", "apply"]).stderr).toContain(
    "warning: user luser: is not declared any more, and stays: ",
  );
});

// Until the directory gives it a home on the machine, none of these is asked for.
test.each([
  ["the directory says that there is none", () => services("files")],
  ["it has it in the jail still", () => undefined],
  ["it has it outside", () => account("/home/luser", "/bin/sh")],
])("its setuid programs in the jail lose the bits with its line: %s", (title, change) => {
  const program = `${J}/tmp/x`;
  m.must(["install", "-d", "-m", "1777", `${J}/tmp`]);
  m.must(["install", "-o", "6001", "-m", "6755", "/bin/true", program]);
  const mode = () => ((m.stat(program)?.mode ?? 0) & 0o7777).toString(8);
  const took = `the setuid and setgid bits from '${program}'`;
  change();
  m.write(DECLARED, JAIL);
  const planned = linesOf(m, "--check", "--prune").changes.map(({ text }) => text);
  const dry = ["jk_jailuser", "-v", "--unjail", "--jail-side-only", "--dry-run", "-j", J, "luser"];
  expect(m.must(dry).stdout).toContain(`would take ${took}\n`);
  expect(mode()).toBe("6755");
  const { status, changes } = linesOf(m, "--prune");
  expect([status, mode(), changes.map(({ text }) => text)]).toEqual([0, "755", planned]);
  expect(changes.flatMap(({ steps }) => steps)).toContain(`took ${took}`);
  if (!title.includes("none")) expect(planned).toEqual([expect.stringContaining(`; takes ${took}`)]);
});

test("a key is in no home of before in the same jail, when the directory says another one", () => {
  account(`${J}/./home/moved`, "/usr/sbin/jk_chrootsh");
  expect(linesOf(m, "--prune")).toMatchObject({ status: 0, summary: { problems: [], warnings: [] } });
  expect(m.read(FILE)).toBe("ssh-ed25519 AAAAown own\n");
  expect(m.read(`${J}/home/moved/.ssh/authorized_keys`)).toBe(`${KEYS[0]}\n`);
  account(`${J}/./home/luser`, "/usr/sbin/jk_chrootsh");
  m.must(["jailkit", "apply", "--prune"]);
  expect(m.read(FILE)).toBe(`ssh-ed25519 AAAAown own\n${KEYS[0]}\n`);
  expect(m.run(["jailkit", "apply", "--check", "--prune"]).status).toBe(0);
});

test("a key stays in the home of the line while the directory says another one outside of the jail", () => {
  account("/home/luser", "/bin/sh");
  m.write(DECLARED, m.read(DECLARED).replace("/bin/bash", "/bin/sh"));
  const { status, changes } = linesOf(m);
  expect([status, changes.flatMap(({ steps }) => steps)]).toEqual([
    0,
    ["changed the line of 'luser' in the jail's etc/passwd"],
  ]);
  expect(m.read(FILE)).toContain(KEYS[0]);
  expect(m.run(["jailkit", "apply", "--check"]).status).toBe(0);
});

test("a key of before is in no home that stays in a jail of before, to which its user may come back", () => {
  const K = "/srv/k";
  const file = `${K}/home/luser/.ssh/authorized_keys`;
  const moveTo = (jail: string, key: string) => {
    const other = `[jail ${K}]\nsections = uidbasics, basicshell\n`;
    m.write(DECLARED, other + luser(key).replace(`jail = ${J}\n`, `jail = ${jail}\n`));
    m.must(["jailkit", "apply", "--prune"]);
    account(`${jail}/./home/luser`, "/usr/sbin/jk_chrootsh");
    return linesOf(m, "--prune");
  };
  const { status, changes, summary } = moveTo(K, KEYS[0]);
  expect([status, summary.problems, m.read(file)]).toEqual([0, [], `${KEYS[0]}\n`]);
  expect(changes.flatMap(({ steps }) => steps)).toEqual([
    "removed 1 key from its authorized_keys",
    "removed 'luser' from the jail's etc/passwd",
  ]);
  expect(m.read(FILE)).toBe("ssh-ed25519 AAAAown own\n");
  m.write(DECLARED, m.read(DECLARED).replace(KEYS[0], KEYS[1]));
  m.must(["jailkit", "apply", "--prune"]);
  expect(moveTo(J, KEYS[1])).toMatchObject({ status: 0, summary: { problems: [] } });
  expect(m.read(FILE)).toBe(`ssh-ed25519 AAAAown own\n${KEYS[1]}\n`);
  expect(m.run(["jailkit", "apply", "--check", "--prune"]).status).toBe(0);
});

test("a home that is in both jails, by a mount, keeps the keys of its user in the other one", () => {
  const K = "/srv/k";
  m.mkdir(`${K}/home`);
  m.must(["mount", "--bind", `${J}/home`, `${K}/home`]);
  m.write(
    DECLARED,
    `[jail ${K}]\nsections = uidbasics, basicshell\n${luser(KEYS[0])}`.replace(
      `jail = ${J}\nd`,
      `jail = ${K}\nd`,
    ),
  );
  m.must(["jailkit", "apply"]);
  account(`${K}/./home/luser`, "/usr/sbin/jk_chrootsh");
  const { status, summary } = linesOf(m, "--prune");
  expect([status, summary.problems, m.read(FILE)]).toEqual([0, [], `${KEYS[0]}\nssh-ed25519 AAAAown own\n`]);
  m.must(["umount", `${K}/home`]);
  m.write(DECLARED, JAIL);
  account("/home/luser", "/bin/sh");
  m.run(["jailkit", "apply", "--prune"]);
});
