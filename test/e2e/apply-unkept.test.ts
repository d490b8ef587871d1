/**
 * `jailkit apply`, where what is declared cannot be written down: nothing is given that --prune could not take back later, and
 * --check says the same.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const STATE = "/var/lib/jailkit";
const MEMORY = `${STATE}/declared.json`;
const FILE = "/etc/jailkit/jails.d/one.ini";
const J = "/srv/jail";
const NEW = "/srv/new";
const JAIL = "sections = uidbasics, basicshell, sftp\n";
const HERE = `[jail ${J}]\n${JAIL}`;
const user = (name: string, jail = J, more = "shell = /bin/bash\n") =>
  `[user ${name}]\njail = ${jail}\n${more}`;
const MOUNT = `findmnt -no VFS-OPTIONS -T ${STATE}`;
const REMOUNT = `mount -o "remount,bind,$(${MOUNT}),rw" "$(findmnt -no TARGET -T ${STATE})"`;
const READ_ONLY = { code: "read-only", path: MEMORY, remedy: REMOUNT };

let m: Machine;

const sh = (...lines: string[]) => m.must(["sh", "-ec", lines.join("\n")]);
const isUser = (name: string) => m.run(["id", name]).status === 0;

/** The state on a mount that cannot be written. */
const close = () => sh(`mount --bind ${STATE} ${STATE}; mount -o remount,ro,bind ${STATE}`);
/** The same on a file system that has this much room, which something else takes. */
const fill = () =>
  sh(
    `cp -aT ${STATE} /root/state; mount -t tmpfs -o mode=700,size=1m tmpfs ${STATE}; cp -aT /root/state ${STATE}`,
    `dd if=/dev/zero of=${STATE}/other bs=4k status=none || true`,
  );
/** As it was before; what was written meanwhile is lost. */
const open = () => sh(`while mountpoint -q ${STATE}; do umount ${STATE}; done; rm -rf /root/state`);

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(FILE, HERE);
});
afterAll(() => m?.close());
beforeEach(() => {
  m.write(FILE, HERE + user("old", J, `shell = /bin/bash\nauthorized_keys = ${KEYS.join("\n  ")}\n`));
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
});
afterEach(() => {
  m.run(["chattr", "-i", STATE]);
  open();
  m.write(FILE, HERE);
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
});

/** What a run and --check say, which is the same. */
function bothOf(...options: string[]) {
  const [planned, done] = [linesOf(m, "--check", ...options), linesOf(m, ...options)];
  const seen = ({ changes, summary }: typeof done) => ({
    changes: changes.map(({ text, status, waits }) => [status === "planned" ? "done" : status, text, waits]),
    counts: [summary.changed, summary.failed, summary.unchanged],
    problems: summary.problems,
  });
  expect(seen(done)).toEqual(seen(planned));
  return { ...seen(done), statuses: [planned.status, done.status] };
}

const states = ({ changes }: ReturnType<typeof bothOf>) => changes.map(([status]) => status);

test("a new jail with users waits for a file system that is read-only, and comes when it is not any more", () => {
  m.write(FILE, `[jail ${NEW}]\n${JAIL}${user("one", NEW)}${user("two", NEW)}`);
  close();
  const both = bothOf();
  expect(both).toMatchObject({ counts: [0, 3, 0], problems: [READ_ONLY], statuses: [1, 1] });
  expect(new Set(both.changes.map(([status, , waits]) => `${status} ${waits}`))).toEqual(
    new Set([`not-done ${MEMORY}`]),
  );
  expect([m.exists(NEW), isUser("one"), isUser("two")]).toEqual([false, false, false]);
  expect(typeRemedy(m, REMOUNT).status).toBe(0);
  expect(linesOf(m).summary).toMatchObject({ changed: 3, failed: 0, problems: [] });
});

test("the lines say what waits, and count it", () => {
  m.write(FILE, HERE + user("one"));
  close();
  for (const options of [["--check"], []]) {
    const { stdout, stderr, status } = m.run(["jailkit", "apply", ...options]);
    const would = options.length > 0 ? "to change" : "changed";
    expect([stdout, status]).toEqual([expect.stringContaining(`0 ${would}, 1 failed, 1 as declared\n`), 1]);
    expect(stderr.split("\n").filter((line) => line.startsWith("jailkit apply: "))).toEqual([
      `jailkit apply: ${STATE}: its file system is read-only (what is declared cannot be kept): ${REMOUNT}, and run this again`,
      `jailkit apply: user one: not done: account; it waits for ${MEMORY}`,
    ]);
  }
});

test("a new user of a jail that is there waits, and an account that is not declared any more stays", () => {
  m.write(FILE, HERE + user("one"));
  close();
  const both = bothOf("--prune", "--delete-homes");
  expect(both).toMatchObject({ counts: [0, 2, 1], problems: [READ_ONLY], statuses: [1, 1] });
  expect(states(both)).toEqual(["not-done", "not-done"]);
  expect([isUser("one"), isUser("old")]).toEqual([false, true]);
});

test("what takes something away is made all the same", () => {
  m.write(FILE, HERE + user("old", J, `shell = /bin/bash\nauthorized_keys = ${KEYS[0]}\n`) + user("one"));
  close();
  const both = bothOf("--prune");
  expect(both).toMatchObject({ counts: [1, 1, 1], problems: [READ_ONLY], statuses: [10, 1] });
  expect(states(both).toSorted()).toEqual(["done", "not-done"]);
  expect(m.read(`${J}/home/old/.ssh/authorized_keys`)).not.toContain(KEYS[1]);
});

test("what is there already, and is declared for the first time, cannot be kept either; the rest needs nothing", () => {
  close();
  m.write(FILE, HERE + user("old"));
  expect(bothOf()).toMatchObject({ counts: [0, 0, 2], problems: [], statuses: [0, 0] });
  open();
  m.must(["jk_init", "-j", NEW, "uidbasics"]);
  m.write(FILE, `${HERE + user("old")}[jail ${NEW}]\nsections = uidbasics\n`);
  close();
  expect(bothOf()).toMatchObject({ counts: [0, 0, 3], problems: [READ_ONLY], statuses: [1, 1] });
});

test("a file system that is full keeps new ones waiting, and prevents no removal", () => {
  m.write(FILE, HERE + user("full"));
  fill();
  const both = bothOf("--prune", "--delete-homes");
  const message = expect.stringContaining(`${STATE}: its file system is full`);
  expect(both).toMatchObject({
    ...{ counts: [1, 1, 1], statuses: [10, 1] },
    problems: [{ code: "no-room", path: MEMORY, message, remedy: null }],
  });
  expect(states(both)).toEqual(["done", "not-done"]);
  expect([isUser("full"), isUser("old")]).toEqual([false, false]);
  m.remove(`${STATE}/other`);
  expect(linesOf(m, "--prune", "--delete-homes").summary).toMatchObject({
    changed: 1,
    failed: 0,
    problems: [],
  });
});

test("the same of a directory that chattr(1) protects, also where something is only removed", () => {
  m.write(FILE, HERE);
  m.must(["chattr", "+i", STATE]);
  const remedy = `chattr -i ${STATE}`;
  expect(bothOf("--prune", "--delete-homes")).toMatchObject({
    ...{ counts: [0, 1, 1], problems: [{ code: "immutable", path: MEMORY, remedy }], statuses: [1, 1] },
  });
  expect(isUser("old")).toBe(true);
  expect(typeRemedy(m, remedy).status).toBe(0);
  expect(linesOf(m, "--prune", "--delete-homes").summary).toMatchObject({ changed: 1, problems: [] });
});

test("a quota that only the run finds: nothing is given then either, and is counted", () => {
  m.write(FILE, HERE + user("one") + user("two"));
  const used = ["strace", "-qq", "-o", "/root/trace", "-e", "inject=renameat,renameat2:error=EDQUOT"];
  const { stdout, stderr, status } = m.run([...used, "jailkit", "apply"]);
  expect([stdout, status]).toEqual([expect.stringContaining("0 changed, 2 failed, 1 as declared\n"), 1]);
  expect(stderr).toContain(`jailkit apply: ${STATE}: the quota is used up (what is declared cannot be kept)`);
  expect(stderr.match(/quota/g)).toHaveLength(1);
  expect(stderr).toContain(`jailkit apply: user two: not done: account; it waits for ${MEMORY}\n`);
  expect([isUser("one"), isUser("two")]).toEqual([false, false]);
});

test("more than is read again is not written: it is told first, nothing is given, and --prune makes room", () => {
  const keys = (text: string) => user("old", J, `shell = /bin/bash\nauthorized_keys = ${text}\n`);
  m.write(FILE, HERE + keys(KEYS[0]));
  m.must(["jailkit", "apply", "--prune"]);
  const once = JSON.parse(m.read(MEMORY));
  const old = once.users.find(({ name }: { name: string }) => name === "old");
  old.keys.push(...Array.from({ length: 65_535 }, (_, at) => `${at}`.padStart(64, "0")));
  m.write(MEMORY, JSON.stringify(once), { mode: 0o600 });
  m.write(FILE, HERE + keys(`${KEYS[0]}\n  ${KEYS[1]}`));
  const remedy = "jailkit apply --prune";
  for (let count = 0; count < 2; count++) {
    const both = bothOf();
    const message = `what is declared cannot be kept: 'old': keys has more than 65536 items; what is not declared any more is forgotten with: ${remedy}; declare what is new after that`;
    expect(both.problems.map((one) => [one.code, one.message, one.remedy])).toEqual([
      ["state-full", expect.stringContaining(message), remedy],
    ]);
    expect(states(both)).toEqual(["not-done"]);
  }
  expect(m.read(`${J}/home/old/.ssh/authorized_keys`)).toBe(`${KEYS[0]}\n`);
  // As it says.
  m.write(FILE, HERE + keys(KEYS[0]));
  m.must(remedy.split(" "));
  m.write(FILE, HERE + keys(`${KEYS[0]}\n  ${KEYS[1]}`));
  m.must(["jailkit", "apply"]);
  expect(m.read(`${J}/home/old/.ssh/authorized_keys`)).toBe(`${KEYS.join("\n")}\n`);
});

test("it says what --prune would take away, and then that is no remedy to type", () => {
  m.write(FILE, HERE + user("old") + user("bert"));
  m.must(["jailkit", "apply", "--prune"]);
  const once = JSON.parse(m.read(MEMORY));
  const old = once.users.find(({ name }: { name: string }) => name === "old");
  old.keys = Array.from({ length: 65_536 }, (_, at) => `${at}`.padStart(64, "0"));
  m.write(MEMORY, JSON.stringify(once), { mode: 0o600 });
  m.write(FILE, HERE + user("old", J, `shell = /bin/bash\nauthorized_keys = ${KEYS[0]}\n`));
  const { problems } = bothOf();
  const advice =
    "forgotten with: jailkit apply --prune, which also takes away what is there of it (user bert); declare what is new after that";
  expect(problems.map((one) => [one.code, one.message, one.remedy])).toEqual([
    ["state-full", expect.stringContaining(advice), null],
  ]);
  expect(isUser("bert")).toBe(true);
});

test.each([
  ["a FILE", "/root/a\nb\x1b[1m.ini", ["/root/a\nb\x1b[1m.ini"]],
  ["a file of jails.d", "/etc/jailkit/jails.d/a\nb\tc.ini", []],
])("%s with control characters in its name is as any other", (_, file, operands) => {
  m.write(file, user("eve"));
  expect(m.run(["jailkit", "config", "check"]).status).toBe(0);
  expect(bothOf(...operands)).toMatchObject({ problems: [], statuses: [10, 0] });
  expect(isUser("eve")).toBe(true);
  expect(linesOf(m, ...operands).summary).toMatchObject({ changed: 0, failed: 0 });
  // It is known which file has declared her.
  m.write(file, "");
  const left = linesOf(m, "--check", "--prune", ...operands);
  expect(left.changes.map(({ name, action }) => [name, action])).toEqual([["eve", "remove"]]);
  expect(linesOf(m, "--prune", "--delete-homes", ...operands).status).toBe(0);
  m.remove(file);
  expect([isUser("eve"), linesOf(m).status]).toEqual([false, 0]);
});

test("the path of a jail and of a file in it may have tabs", () => {
  m.write("/opt/a\tb", "x");
  m.write(FILE, `${HERE}[jail /srv/t\tb]\nsections = uidbasics\nfiles = /opt/a\tb\n`);
  expect(bothOf("--prune", "--delete-homes")).toMatchObject({ problems: [], statuses: [10, 0] });
  expect([m.exists("/srv/t\tb/opt/a\tb"), linesOf(m).summary.changed]).toEqual([true, 0]);
  m.write(FILE, `${HERE}[jail /srv/t\tb]\nsections = uidbasics\n`);
  m.must(["jailkit", "apply", "--prune"]);
  expect([m.exists("/srv/t\tb/etc"), m.exists("/srv/t\tb/opt/a\tb")]).toEqual([true, false]);
  m.write(FILE, HERE);
  m.must(["jailkit", "apply", "--prune"]);
  expect(m.exists("/srv/t\tb")).toBe(false);
});

const RULES = "/etc/jailkit/jk_chrootsh.d/old.ini";
const LIMITED = "shell = /bin/bash\nconfine = 1\nwrite = none\nnetwork = none\n";

/** Declares rules that take something away, while what is declared cannot be kept. */
function limitUnkept(declared: string) {
  m.write(FILE, declared);
  fill();
  expect(linesOf(m).status).toBe(1);
  open();
}

test.each([
  ["the user", HERE, "user old"],
  ["the user's rules", HERE + user("old"), "user old: policy"],
])("rules that could not be kept go with %s", (_, declared, line) => {
  limitUnkept(HERE + user("old", J, LIMITED));
  expect(m.read(RULES)).toContain("[old]\n");
  m.write(FILE, declared);
  expect(m.run(["jailkit", "apply", "--check"]).stdout).toContain(line);
  expect(m.run(["jailkit", "apply", "--prune", "--delete-homes"]).status).toBe(0);
  expect(m.exists(RULES)).toBe(false);
});

test("those of a user of whom nothing could be kept are told of, with what takes them away", () => {
  m.addUser("anna", { createHome: true });
  m.must(["jk_jailuser", "-n", "-m", "-s", "/bin/bash", "-j", J, "anna"]);
  limitUnkept(HERE + user("old") + user("anna", J, LIMITED));
  const rules = "/etc/jailkit/jk_chrootsh.d/anna.ini";
  expect(m.exists(rules)).toBe(true);
  m.write(FILE, HERE + user("old"));
  const { status, summary } = linesOf(m, "--prune");
  const warning = `user anna: is not declared, and '${rules}', which apply wrote, limits who has this name; it stays, since nothing is remembered of it: to take it away: mv -nT ${rules} ${rules}.old`;
  expect([status, summary.warnings]).toEqual([0, [warning]]);
  expect(m.exists(rules)).toBe(true);
  sh(warning.slice(warning.lastIndexOf("mv ")), "jk_jailuser --unjail -m -s /bin/bash anna");
  expect(linesOf(m, "--prune").summary.warnings).toEqual([]);
});
