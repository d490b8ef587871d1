/** `jailkit apply` for a user who is declared in another jail than before: what it wrote for the first one goes. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, FINGERPRINTS, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const [A, B] = ["/srv/a", "/srv/b"] as const;
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAILS = [A, B].map((path) => `[jail ${path}]\nsections = uidbasics, basicshell, sftp\n`).join("");
const user = (jail: string, more = "allow = sftp\n") => `[user anna]\njail = ${jail}\n${more}`;
const rights = (jail: string) => `${jail}/etc/jailkit/jk_lsh.ini`;
const SETTINGS = "/etc/jailkit/jk_chrootsh.d/anna.ini";
const MEMORY = "/var/lib/jailkit/declared.json";
const LEFT = "- user anna: policy in /srv/a (it has another jail now)";

let m: Machine;

const declare = (text: string) => m.write(FILE, JAILS + text);
const takeOut = () => m.must("jk_jailuser --unjail -m -s /usr/sbin/nologin anna".split(" "));
const undeclared = (...options: readonly string[]) => linesOf(m, ...options).summary.undeclared;

/** The lines of a run, after which there is nothing to do. */
function settle(...options: readonly string[]): string[] {
  const { status, changes, summary } = linesOf(m, ...options);
  expect([status, summary.problems]).toEqual([0, []]);
  expect([did(m), did(m, "--prune")]).toEqual([[], []]);
  return changes.map(({ text }) => text);
}

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  declare("");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  m.run(["userdel", "-r", "anna"]);
  for (const jail of [A, B]) m.remove(`${jail}/home/anna`);
});
afterAll(() => m?.close());

test("its rights stay while the account is in the first jail, and go with it", () => {
  declare(user(A));
  m.must(["jailkit", "apply"]);
  m.write(rights(B), "# of ours\n[other]\nallow = scp\n");
  declare(user(B));
  const there = linesOf(m);
  expect(there).toMatchObject({
    ...{ status: 1, changes: [], summary: { problems: [{ code: "in-another-jail" }] } },
  });
  expect(m.read(rights(A))).toContain("[anna]");
  takeOut();
  expect(m.run(["jailkit", "apply", "--check"])).toMatchObject({
    ...{ status: 10, stdout: expect.stringContaining(`${LEFT}\n`) },
  });
  expect(settle()[0]).toBe(LEFT);
  expect(m.read(rights(A))).not.toContain("[anna]");
  expect(m.read(rights(B))).toContain("[anna]\nallow = sftp\n");
  expect(m.read(rights(B))).toContain("# of ours\n[other]\nallow = scp\n");
});

describe("a key that was taken out of the declaration goes from the jail that the account is in still", () => {
  const GONE = `- user anna: keys ${FINGERPRINTS[0]} (no longer declared)`;
  const keysFile = (jail: string) => `${jail}/home/anna/.ssh/authorized_keys`;
  const lines = (...keys: readonly string[]) => `shell = /bin/bash\nauthorized_keys = ${keys.join("\n  ")}\n`;
  const has = (...keys: readonly string[]) => keys.map((key) => `${key}\n`).join("");

  beforeEach(() => {
    declare(user(A, `${lines(...KEYS)}groups = team\n`));
    m.must(["jailkit", "apply"]);
    m.must(["sed", "-i", "$a# of hers", keysFile(A)], { user: "anna" });
  });

  test("as the plan says, and no key is given there", () => {
    const [first, second] = KEYS;
    declare(user(B, lines(second.replace("two", "other"))));
    expect(linesOf(m).summary.noLongerDeclared).toContain(`user anna: keys ${FINGERPRINTS[0]}`);
    expect(m.read(keysFile(A))).toContain(first);
    const planned = linesOf(m, "--check", "--prune");
    const done = linesOf(m, "--prune");
    for (const { changes, summary } of [planned, done]) {
      expect(changes.map(({ text }) => text)).toEqual([
        "- user anna: groups team (no longer declared)",
        GONE,
      ]);
      expect(summary.problems.map(({ code }) => code)).toEqual(["in-another-jail"]);
    }
    expect(done.changes.map(({ status }) => status)).toEqual(["done", "done"]);
    expect(m.read(keysFile(A))).toBe(`${has(second)}# of hers\n`);
    expect(m.exists(`${B}/home/anna`)).toBe(false);
    expect(did(m, "--prune")).toEqual([]);
  });

  test("also if the other jail cannot be used", () => {
    declare(user(B, lines(KEYS[1])));
    m.must(["chmod", "o+w", B]);
    const { changes } = linesOf(m, "--prune");
    m.must(["chmod", "o-w", B]);
    expect(changes.map(({ text, status }) => [text, status])).toContainEqual([GONE, "done"]);
    expect(m.read(keysFile(A))).not.toContain(KEYS[0]);
  });

  test("also if the other jail is a file", () => {
    const c = "/srv/c";
    m.write(c, "");
    declare(`[jail ${c}]\nsections = basicshell\n${user(c, lines(KEYS[1]))}`);
    const { changes } = linesOf(m, "--prune");
    m.remove(c);
    expect(changes.map(({ text, status }) => [text, status])).toContainEqual([GONE, "done"]);
    expect(m.read(keysFile(A))).not.toContain(KEYS[0]);
  });

  test("and one whose options allow less has these there", () => {
    const less = `restrict ${KEYS[0]}`;
    declare(user(B, lines(less)));
    expect(linesOf(m, "--prune").status).toBe(1);
    expect(m.read(keysFile(A))).toBe(`${has(less)}# of hers\n`);
    declare(user(B, lines(...KEYS)));
    expect(linesOf(m, "--prune").changes).toEqual([]);
    expect(m.read(keysFile(A))).toBe(`${has(less)}# of hers\n`);
  });

  test("or the run says why it stays", () => {
    m.must(["mv", `${A}/home/anna/.ssh`, `${A}/home/anna/.keys`]);
    m.must(["ln", "-s", ".keys", `${A}/home/anna/.ssh`]);
    declare(user(B, lines(KEYS[1])));
    const { status, changes } = linesOf(m, "--prune");
    expect([status, changes.find(({ what }) => what === "keys")]).toMatchObject([
      ...[1, { status: "failed", errors: [expect.stringContaining("is a symbolic link")] }],
    ]);
    expect(m.read(`${A}/home/anna/.keys/authorized_keys`)).toContain(KEYS[0]);
  });
});

describe("who was declared in another jail, never moved, and is not declared any more, leaves the first one", () => {
  test.each([
    ["with rights in the jail", "allow = sftp\n", "allow = scp\n"],
    ["with limits on the host", "shell = /bin/bash\nconfine = 1\n", "allow = sftp\n"],
    ["by name only", "shell = /bin/bash\n", "shell = /bin/bash\n"],
  ])("%s", (_, first, second) => {
    declare(user(A, `${first}groups = jailed\nauthorized_keys = ${KEYS[0]}\n`));
    m.must(["jailkit", "apply"]);
    declare(user(B, second));
    expect(linesOf(m).status).toBe(1);
    declare("");
    expect(undeclared()).toContain("user anna (no longer declared)");
    expect(settle("--prune")).toEqual([
      expect.stringMatching(
        /^- user anna: account but not its home \/srv\/a\/home\/anna, .* \(no longer declared\)$/,
      ),
    ]);
    expect(m.run(["id", "anna"]).status).not.toBe(0);
    expect(m.read(`${A}/etc/passwd`)).not.toContain("anna");
    if (m.exists(rights(A))) expect(m.read(rights(A))).not.toContain("[anna]");
    expect(m.exists(SETTINGS)).toBe(false);
  });
});

test("rules of the other kind that a run could not take away are its own still", () => {
  declare(user(A));
  m.must(["jailkit", "apply"]);
  declare(user(A, "shell = /bin/bash\nconfine = 1\n"));
  m.must(["chmod", "777", A]);
  expect(linesOf(m).summary.problems[0]).toMatchObject({ code: "unsafe-jail", path: A });
  m.must(["chmod", "755", A]);
  expect(m.read(rights(A))).toContain("[anna]");
  declare(user(A, "shell = /bin/bash\n"));
  settle("--prune");
  expect([m.exists(rights(A)) && m.read(rights(A)).includes("[anna]"), m.exists(SETTINGS)]).toEqual([
    false,
    false,
  ]);
});

test("who was put back by hand into a jail of before, and is not declared any more, leaves that", () => {
  declare(user(A));
  m.must(["jailkit", "apply"]);
  takeOut();
  declare(user(B, "shell = /bin/bash\nconfine = 1\n"));
  // What is left there is not known.
  m.must(["chmod", "777", A]);
  expect(linesOf(m).summary.problems).toMatchObject([{ code: "unsafe-jail", path: A }]);
  m.must(["chmod", "755", A]);
  takeOut();
  m.must(["jk_jailuser", "-n", "-m", "-j", A, "-s", "/bin/bash", "anna"]);
  declare("");
  settle("--prune", "--delete-homes");
  expect([m.run(["id", "anna"]).status, m.exists(`${A}/home/anna`), m.exists(SETTINGS)]).toEqual([
    ...[1, false, false],
  ]);
});

describe("a home that apply created", () => {
  const ALL = ["--prune", "--delete-homes"];
  const SHELL = "shell = /bin/bash\n";
  /** Ends the declaration; the warnings about the home that is at a place. */
  function end(home: string, isThere: boolean) {
    declare("");
    expect(m.exists(home)).toBe(true);
    const { status, changes } = linesOf(m, ...ALL);
    expect([status, m.exists(home), m.run(["id", "anna"]).status]).toEqual([0, isThere, 1]);
    return changes.flatMap(({ warnings }) => warnings);
  }
  const STAYS = [expect.stringMatching(/ of uid \d+ stays: apply did not create it$/)];

  beforeEach(() => {
    declare(user(A, SHELL));
    m.must(["jailkit", "apply"]);
  });

  test("is still its own after its user has moved, and goes with the account", () => {
    for (const jail of [B, A, B]) {
      declare(user(jail, SHELL));
      expect(linesOf(m).status).toBe(1);
      takeOut();
      settle();
    }
    expect(end(`${B}/home/anna`, false)).toEqual([]);
    expect([A, ""].map((place) => m.exists(`${place}/home/anna`))).toEqual([false, false]);
  });

  test("also if jk_jailuser has put the account into the other jail, without a run of apply", () => {
    takeOut();
    m.must(["jk_jailuser", "-n", "-m", "-s", "/bin/bash", "-j", B, "anna"]);
    declare(user(B, SHELL));
    settle();
    expect(end(`${B}/home/anna`, false)).toEqual([]);
  });

  test("also if 'jailkit delete' has taken the account out of its jail, whether that is declared again or another one", () => {
    for (const jail of [B, A, B]) {
      const from = jail === A ? B : A;
      m.must(["jailkit", "delete", "--yes", "--unjail", from]);
      expect([m.exists(from), m.exists("/home/anna")]).toEqual([false, true]);
      declare(user(jail, SHELL));
      settle();
    }
    expect(end(`${B}/home/anna`, false)).toEqual([]);
    expect(m.exists("/home/anna")).toBe(false);
  });

  test("if apply cannot be told, that is a warning, and the home stays", async () => {
    const hold = `open F, '>>', $ARGV[0]; flock F, 2; $| = 1; print 'held'; sleep 600`;
    const holder = m.start(["perl", "-e", hold, "/var/lib/jailkit/locks/declarations"]);
    await holder.until(({ stdout }) => (stdout === "held" ? true : undefined));
    const { stderr } = m.must(["jailkit", "delete", "--yes", "--unjail", A]);
    holder.kill();
    await holder.ended;
    expect(stderr).toContain(
      "warning: jailkit apply does not know where the homes of accounts are now ('anna'), and leaves them there with --delete-homes: ",
    );
    declare(user(B, SHELL));
    settle();
    expect(end(`${B}/home/anna`, true)).toEqual(STAYS);
  });

  test("also if the account never moved, and the file that remembers is an old one", () => {
    declare(user(B, SHELL));
    expect(linesOf(m).status).toBe(1);
    declare(user(A, SHELL));
    m.must(["jailkit", "apply"]);
    const text = m.read(MEMORY);
    const old = text
      .replace(/"version":\d/, '"version":2')
      .replace(',"kept":[]', "")
      .replace(`"${A}/./home/anna"`, '"/home/anna"');
    expect(old).toContain('"createdHome":"/home/anna"');
    m.write(MEMORY, old, { mode: 0o600 });
    expect(end(`${A}/home/anna`, false)).toEqual([]);
  });

  test("is another one if somebody gave the account that", () => {
    takeOut();
    m.must(["sh", "-c", "mkdir /data && cp -a /home/anna /data/anna && usermod -d /data/anna anna"]);
    declare(user(B, `${SHELL}home = /data/anna\n`));
    settle();
    expect(end(`${B}/data/anna`, true)).toEqual(STAYS);
    expect(m.exists("/home/anna")).toBe(true);
    m.remove(`${B}/data`);
    m.remove("/home/anna");
  });

  test("is another one if somebody put one in its place outside, as the account was moved by hand", () => {
    m.must(["usermod", "-d", "/home/anna", "-s", "/usr/sbin/nologin", "anna"]);
    m.must(["cp", "-a", `${A}/home/anna`, "/home/anna"]);
    declare(user(B, SHELL));
    settle();
    expect(end(`${B}/home/anna`, true)).toEqual(STAYS);
    expect(m.exists(`${A}/home/anna`)).toBe(true);
  });
});

test.each([
  ["is declared there again", user(A)],
  ["is not declared at all", ""],
])("the home of who was declared elsewhere by mistake, and %s, goes with --delete-homes", (_, then) => {
  declare(user(A));
  m.must(["jailkit", "apply"]);
  declare(user(B));
  expect(linesOf(m).status).toBe(1);
  declare(then);
  expect(linesOf(m).status).toBe(0);
  declare("");
  expect(undeclared("--check")).toContain(`jail ${A}: users anna`);
  expect(undeclared("--check", "--prune")).toEqual([]);
  expect(settle("--prune", "--delete-homes")).toEqual([
    `- user anna: account and its home ${A}/home/anna (no longer declared)`,
  ]);
  expect(m.exists(`${A}/home/anna`)).toBe(false);
});

test("a section that the administrator wrote there stays, and so does one that is written later", () => {
  declare(user(A, "shell = /bin/bash\n"));
  m.must(["jailkit", "apply"]);
  const own = "[anna]\nallow = scp\n";
  m.write(rights(A), own);
  takeOut();
  declare(user(B));
  settle();
  expect(m.read(rights(A))).toBe(own);
  m.write(rights(A), "");
  takeOut();
  declare(user(A));
  settle();
  takeOut();
  declare(user(B));
  expect(settle()[0]).toBe(LEFT);
  m.write(rights(A), own);
  expect([settle(), m.read(rights(A))]).toEqual([[], own]);
});

test("a run that was killed goes on, also if the user has come back meanwhile", () => {
  declare(user(A));
  m.must(["jailkit", "apply"]);
  takeOut();
  declare(user(B));
  const calls = "renameat,renameat2,linkat,unlinkat";
  const inject = ["-e", `trace=${calls}`, "-e", `inject=${calls}:signal=KILL:when=2`];
  expect(m.run(["strace", "-f", "-qq", "-o", "/dev/null", ...inject, "jailkit", "apply"]).status).toBe(137);
  settle();
  expect(m.read(rights(A))).not.toContain("[anna]");
  // Declared for the other jail without effect.
  declare(user(A));
  expect(linesOf(m).status).toBe(1);
  declare(user(B));
  expect(settle()).toEqual([]);
  expect(m.read(rights(B))).toContain("[anna]\nallow = sftp\n");
});

test("limits of jk_chrootsh.ini go along: they are for all jails, until --prune", () => {
  declare(user(A, "shell = /bin/bash\nconfine = 1\n"));
  m.must(["jailkit", "apply"]);
  takeOut();
  declare(user(B, "shell = /bin/bash\n"));
  expect(undeclared("--check")).toContain("user anna: policy (no longer declared)");
  m.must(["jailkit", "apply"]);
  expect([m.exists(SETTINGS), undeclared()]).toEqual([true, ["user anna: policy (no longer declared)"]]);
  expect(settle("--prune")).toEqual(["- user anna: policy (no longer declared)"]);
  expect(m.exists(SETTINGS)).toBe(false);
});

test("jail, shell, groups and keys change at once, and nothing of before is forgotten", () => {
  declare(user(A, `shell = /bin/bash\nconfine = 1\ngroups = team\nauthorized_keys = ${KEYS[0]}\n`));
  m.must(["jailkit", "apply"]);
  takeOut();
  declare(user(B, `allow = sftp\ngroups = jailed\nauthorized_keys = ${KEYS[1]}\n`));
  expect(settle("--prune")).toEqual([
    "+ user anna: policy allow (it has no section)",
    `~ user anna: account /home/anna -> in ${B}/./home/anna, shell /usr/sbin/jk_lsh, with its home (it is in no jail)`,
    "+ user anna: groups jailed (it is not a member)",
    "+ user anna: keys 1 of 1 (not in its authorized_keys)",
    "- user anna: groups team (no longer declared)",
    "- user anna: policy (no longer declared)",
    `- user anna: keys ${FINGERPRINTS[0]} (no longer declared)`,
  ]);
  expect(m.read(`${B}/home/anna/.ssh/authorized_keys`)).toBe(`${KEYS[1]}\n`);
  expect(m.must(["id", "-Gn", "anna"]).stdout.trim().split(" ").sort()).toEqual(["jailed", "users"]);
  expect(m.exists(SETTINGS)).toBe(false);
});

test("rights of a name that nobody has any more are shown, and go with --prune", () => {
  declare(user(A));
  m.must(["jailkit", "apply"]);
  m.must(["userdel", "anna"]);
  declare("");
  expect(undeclared()).toEqual(["user anna: entry in /srv/a (no longer declared)"]);
  expect(settle("--prune")).toEqual(["- user anna: entry in /srv/a (no longer declared)"]);
  expect(m.read(rights(A))).not.toContain("[anna]");
  expect(m.read(`${A}/etc/passwd`)).not.toContain("anna");
  m.write(rights(A), "[anna]\nallow = scp\n");
  expect(settle("--prune")).toEqual([]);
  m.write(rights(A), "");
});

test("a jail that was moved is still that of apply", () => {
  const [old, now] = ["/srv/old", "/srv/now"];
  const file = "/etc/jailkit/jails.d/moved.ini";
  m.write(
    file,
    `[jail ${old}]\nsections = uidbasics, basicshell\n[user bob]\njail = ${old}\nshell = /bin/bash\n[user lim]\njail = ${old}\nallow = sftp\n`,
  );
  m.must(["jailkit", "apply"]);
  m.must(["mv", old, now]);
  const { problems } = linesOf(m, "--check").summary;
  expect(problems.map(({ code, message }) => [code, message])).toEqual([
    ["moved", `jail ${old}: it was moved: jailkit adopt --moved ${old} ${now}`],
    ["waits-for-jail", `user bob: waits for the jail '${old}'`],
    ["waits-for-jail", `user lim: waits for the jail '${old}'`],
  ]);
  const findings = JSON.parse(m.run(["jailkit", "config", "check", "--json", file]).stdout).findings;
  expect(findings.map(({ code }: { code: string }) => code)).toEqual(["moved"]);
  const { files } = JSON.parse(
    m.must(["jailkit", "adopt", "--json", "--dry-run", "--moved", old, now]).stdout,
  );
  expect([files, m.read(MEMORY)]).toEqual([[file, MEMORY], expect.stringContaining(old)]);
  expect(m.must(["jailkit", "adopt", "--moved", old, now]).stdout).toContain(
    `${MEMORY} names '${now}' instead of '${old}'\n`,
  );
  expect(m.read(MEMORY).replace(`"formerly":["${old}"]`, "")).not.toContain(old);
  expect(did(m)).toEqual([]);
  m.write(file, "");
  const home = (name: string) => `user ${name}: account and its home ${now}/home/${name}`;
  const gone = [home("bob"), home("lim"), `jail ${now}`].map((what) => `- ${what} (no longer declared)`);
  const { changes, summary } = linesOf(m, "--check", "--prune", "--delete-homes");
  expect([changes.map(({ text }) => text), summary.problems]).toEqual([gone, []]);
  expect(did(m, "--prune", "--delete-homes")).toEqual(gone.map((line) => `done ${line}`));
  expect([m.exists(now), /^(bob|lim):/m.test(m.read("/etc/passwd"))]).toEqual([false, false]);
  m.remove(file);
});

test("who is to leave a jail that was moved is told by --check, and the command helps", () => {
  const [old, now] = ["/srv/old", "/srv/now"];
  const file = "/etc/jailkit/jails.d/moved.ini";
  m.write(
    file,
    `[jail ${old}]\nsections = uidbasics, basicshell\n[user bob]\njail = ${old}\nshell = /bin/bash\n`,
  );
  m.must(["jailkit", "apply"]);
  m.must(["mv", old, now]);
  m.write(file, "");
  const run = (...more: string[]) => {
    const { changes, summary } = linesOf(m, "--prune", "--delete-homes", ...more);
    return [changes.length, summary.problems.map(({ code, message, remedy }) => [code, message, remedy])];
  };
  const command = `jailkit adopt --moved ${old} ${now}`;
  const faults = [
    ["moved", `jail ${old}: is not declared any more, and stays: it was moved: ${command}`, command],
    ["waits-for-jail", `user bob: is not declared any more, and stays: waits for the jail '${old}'`, null],
  ];
  expect([run("--check"), run()]).toEqual([
    [0, faults],
    [0, faults],
  ]);
  m.must(command.split(" "));
  expect(run()).toEqual([2, []]);
  expect(m.exists(now)).toBe(false);
  m.remove(file);
});

test("who is to leave a jail that was moved to another file system is told so, too, where another user is declared", () => {
  const [old, now] = ["/srv/old", "/mnt/now"];
  const file = "/etc/jailkit/jails.d/moved.ini";
  const text = (jail: string, ...names: readonly string[]) =>
    `[jail ${jail}]\nsections = uidbasics, basicshell\n${names.map((name) => `[user ${name}]\njail = ${jail}\nshell = /bin/bash\n`).join("")}`;
  m.write(file, text(old, "bob", "lim"));
  m.must(["jailkit", "apply"]);
  const move = `mkdir ${now} && mount -t tmpfs -o mode=0755 tmpfs ${now} && cp -a ${old}/. ${now} && rm -r ${old}`;
  m.must(["sh", "-c", move]);
  m.write(file, text(now, "bob"));
  const remedy = `jailkit adopt --moved ${old} ${now}`;
  const { problems } = linesOf(m, "--check", "--prune").summary;
  expect(problems.map((one) => [one.path, one.code, one.remedy])).toEqual([
    [old, "moved", remedy],
    ["lim", "waits-for-jail", null],
    [now, "moved", remedy],
    ["bob", "waits-for-jail", null],
  ]);
  m.must(remedy.split(" "));
  expect(linesOf(m, "--prune", "--delete-homes").summary.problems).toEqual([]);
  m.write(file, "");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  m.run(["umount", now]);
  m.remove(now);
  m.remove(file);
});

test("a jail that was moved, and is declared at both paths, follows once there is one section for it", () => {
  const [old, now] = ["/srv/old", "/srv/now"];
  const file = "/etc/jailkit/jails.d/moved.ini";
  const jail = (path: string) => `[jail ${path}]\nsections = uidbasics, basicshell\n`;
  m.write(file, jail(old));
  m.must(["jailkit", "apply"]);
  m.must(["mv", old, now]);
  const text = jail(now) + jail(old);
  m.write(file, text);
  const command = ["jailkit", "adopt", "--moved", old, now];
  for (const options of [["--dry-run"], []]) {
    const { status, stderr } = m.run([...command, ...options]);
    const message = `both paths are declared, [jail ${old}] (${file}:3:7) and [jail ${now}] (${file}:1:7): take one of the two sections out first`;
    expect([status, stderr]).toEqual([1, `jailkit adopt: ${message}\n`]);
  }
  expect(m.read(file)).toBe(text);
  expect(m.read(MEMORY)).not.toContain(`"${now}"`);
  m.write(file, jail(now));
  m.must(command);
  expect([did(m), did(m, "--prune")]).toEqual([[], []]);
  m.remove(file);
  expect(linesOf(m, "--prune").status).toBe(0);
});

describe("a jail that was moved, and is declared at its new path already, is told with what heals", () => {
  const [old, now] = ["/srv/old", "/srv/now"];
  const file = "/etc/jailkit/jails.d/moved.ini";
  const command = `jailkit adopt --moved ${old} ${now}`;
  const text = (jail: string, more = "") =>
    `[jail ${jail}]\nsections = uidbasics, basicshell, sftp\nlog_socket = yes\n${more}`;
  const users = (jail: string) =>
    `[user bob]\njail = ${jail}\nshell = /bin/bash\n[user lim]\njail = ${jail}\nallow = sftp\n`;
  const ofJail = `jail ${now}: it was moved, from '${old}': let its record, its accounts and the configuration follow, with: ${command}`;
  const ofUser = (name: string) => `user ${name}: waits for the jail '${now}'`;
  const finding = (name: string) =>
    `the account '${name}' is in the jail '${old}', which is not there any more: it was moved; let all follow it, with: ${command}`;

  test.each([
    ["with users", "", users, ["mv", old, now], ["bob", "lim"]],
    [
      "with a user who is new",
      "",
      (jail: string) => (jail === now ? users(now) : (users(old).split("[user lim]")[0] ?? "")),
      ["mv", old, now],
      ["bob", "lim"],
    ],
    ["without", "", () => "", ["mv", old, now], []],
    [
      "to another file system",
      "mount -t tmpfs -o mode=0755 tmpfs /elsewhere",
      users,
      [
        "sh",
        "-c",
        `cp -a ${old} /elsewhere/now && rm -r ${old} && mkdir ${now} && mount --move /elsewhere ${now} && mv ${now}/now/* ${now}`,
      ],
      ["bob", "lim"],
    ],
  ])("%s", (_, first, declared, move, waiting) => {
    m.mkdir("/elsewhere");
    if (first !== "") m.must(first.split(" "));
    m.write(file, text(old, declared(old)));
    m.must(["jailkit", "apply"]);
    m.must(move);
    m.write(file, text(now, declared(now)));
    for (const options of [["--check"], [], ["--check", "--prune"], ["--prune", "--delete-homes"]]) {
      const { changes, summary } = linesOf(m, ...options);
      expect(changes.filter(({ status }) => status === "done")).toEqual([]);
      const said = summary.problems.map(({ message }) => message);
      const ofOld = said.filter((line) => line.startsWith(`jail ${old}:`));
      expect(said.filter((line) => !ofOld.includes(line))).toEqual([ofJail, ...waiting.map(ofUser)]);
      for (const line of ofOld) expect(line).toEndWith(`it was moved: ${command}`);
      // So that nobody has to cut it out of the text.
      for (const { remedy, waitsFor } of summary.problems)
        expect([remedy, waitsFor]).toEqual(remedy === null ? [null, now] : [command, null]);
    }
    const { stdout } = m.run(["jailkit", "config", "check", file]);
    // One of them may be new.
    for (const name of waiting.filter((one) => m.run(["id", one]).status === 0))
      expect(stdout).toContain(finding(name));
    expect(stdout).not.toContain("--unjail");
    m.must(command.split(" "));
    if (declared(now) !== declared(old).replaceAll(old, now)) m.must(["jailkit", "apply"]);
    expect([did(m, "--check"), did(m), did(m, "--prune")]).toEqual([[], [], []]);
    expect(m.run(["jailkit", "config", "check", file])).toMatchObject({ status: 0 });
    m.remove(file);
    expect(linesOf(m, "--prune", "--delete-homes").status).toBe(0);
    expect(m.exists(`${now}/etc`)).toBe(false);
    m.run(["umount", now]);
    m.remove(now);
  });
});

describe("a jail that was moved, and is declared at its new place, waits until the record follows", () => {
  const [old, now] = ["/srv/old", "/srv/now"];
  const file = "/etc/jailkit/jails.d/moved.ini";
  const command = `jailkit adopt --moved ${old} ${now}`;
  const stays = `jail ${old}: is not declared any more, and stays: it was moved: ${command}`;
  const waits = `jail ${now}: it was moved, from '${old}': let its record, its accounts and the configuration follow, with: ${command}`;
  const problems = (...more: string[]) => linesOf(m, ...more).summary.problems.map(({ message }) => message);

  test.each([
    ["of copies", (jail: string) => `[jail ${jail}]\nsections = uidbasics, basicshell\n`, "", []],
    [
      "live",
      (jail: string) => `[jail ${jail}]\nsections = uidbasics\nlive = /usr\n`,
      `${old}/usr`,
      ["mounts"],
    ],
  ])("%s", (_, text, mount, then) => {
    m.write(file, text(old));
    m.must(["jailkit", "apply"]);
    if (mount !== "") m.must(["umount", mount]);
    m.must(["mv", old, now]);
    m.write(file, text(now));
    const planned = linesOf(m, "--check", "--prune");
    expect(planned.summary.problems.map(({ message }) => message).sort()).toEqual([waits, stays].sort());
    const run = linesOf(m, "--prune");
    expect(run.changes.map((one) => one.text)).toEqual(planned.changes.map((one) => one.text));
    expect([run.status, problems("--prune").sort()]).toEqual([1, [waits, stays].sort()]);
    // By hand, too.
    expect(m.run(["jailkit", "delete", "--yes", old])).toMatchObject({
      ...{ status: 1, stderr: expect.stringContaining(command) },
    });
    m.must(command.split(" "));
    expect(m.read("/etc/fstab")).not.toContain(old);
    expect(linesOf(m, "--prune").changes.map(({ what }): string => what)).toEqual(then);
    expect([did(m, "--prune"), linesOf(m, "--prune").status]).toEqual([[], 0]);
    m.write(file, "");
    expect(did(m, "--prune")).toEqual([
      mount === ""
        ? `done - jail ${now} (no longer declared)`
        : expect.stringMatching(/: jail after unmounting \w+ from \/srv\/now\/usr \(no longer declared\)$/),
    ]);
    expect(m.exists(now)).toBe(false);
    m.remove(file);
  });

  test("its users are told how, by apply and by the check of the configuration", () => {
    const text = (jail: string, access: string) =>
      `[jail ${jail}]\nsections = uidbasics, basicshell\n[user bob]\njail = ${jail}\n${access}\n`;
    m.write(file, text(old, "allow = sftp"));
    m.must(["jailkit", "apply"]);
    m.must(["mv", old, now]);
    m.write(file, text(now, "shell = /bin/bash"));
    const fault = `user bob: waits for the jail '${now}'`;
    expect([problems("--check"), problems()]).toEqual([
      [waits, fault],
      [waits, fault],
    ]);
    expect(m.run(["jailkit", "config", "check"]).stdout).toContain(`remedy: ${command}\n`);
    m.must(command.split(" "));
    expect(problems()).toEqual([]);
    // The rights of before are still those of apply, and so is the home.
    expect(did(m, "--prune")).toEqual(["done - user bob: policy (no longer declared)"]);
    expect(m.read(rights(now))).not.toContain("[bob]");
    m.write(file, "");
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    expect(m.exists(now)).toBe(false);
    m.remove(file);
  });
});
