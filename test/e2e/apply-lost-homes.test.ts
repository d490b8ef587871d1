/** Users who leave while their homes are not in their places: on a file system that is not mounted, or behind a link. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { KEYS, linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const [J, OTHER] = ["/srv/customer", "/srv/other"] as const;
const [FILE, NEXT] = ["/etc/jailkit/jails.d/one.ini", "/etc/jailkit/jails.d/two.ini"] as const;
const HOME = `${J}/home/bob`;
const declared = (jail: string, name: string, more = "") =>
  `[jail ${jail}]\nsections = uidbasics, basicshell\n[user ${name}]\njail = ${jail}\nshell = /bin/bash\n${more}`;

let m: Machine;
let fstab = "";
/** That of bob. */
let uid = 0;

const sh = (text: string) => m.must(["sh", "-ec", text]);

beforeAll(async () => {
  m = await openApplyMachine();
  fstab = m.read("/etc/fstab");
});
beforeEach(() => {
  m.mkdir("/srv", { mode: 0o755 });
  m.mkdir("/data", { mode: 0o755 });
  m.write(FILE, declared(J, "bob", `authorized_keys = ${KEYS[0]}\ngroups = team\n`));
  m.must(["jailkit", "apply"]);
  uid = uidIn(m, "bob") ?? 0;
  sh(`echo of bob >${HOME}/letter; chown bob: ${HOME}/letter`);
});
afterEach(() => {
  m.run(["umount", "-l", `${J}/home`]);
  m.write("/etc/fstab", fstab);
  for (const name of ["bob", "carl"]) if (uidIn(m, name) !== undefined) m.must(["userdel", name]);
  for (const path of ["/srv", "/data", NEXT, "/var/lib/jailkit"]) m.remove(path);
});
afterAll(() => m?.close());

/** Puts the homes on another disk. */
function moveToDisk(): void {
  sh(`mv ${J}/home /data/homes; mkdir ${J}/home; mount --bind /data/homes ${J}/home`);
  m.must(["jailkit", "apply"]);
}

/** Removes what is not declared any more; the plan says the same changes and problems. */
function prune(...options: readonly string[]) {
  const [check, run] = [["--check"], []].map((more) => linesOf(m, "--prune", ...options, ...more));
  expect(run?.changes.map(({ text }) => text)).toEqual(check?.changes.map(({ text }) => text));
  expect(run?.summary.problems).toEqual(check?.summary.problems ?? []);
  return run ?? expect.unreachable();
}

/** The uid that the next customer gets, in another jail. */
function nextUid(): number {
  m.write(NEXT, declared(OTHER, "carl"));
  m.run(["jailkit", "apply", "--prune"]);
  return uidIn(m, "carl") ?? expect.unreachable();
}

const warningsOf = ({ changes }: ReturnType<typeof prune>) => changes.flatMap(({ warnings }) => warnings);

/** With it, and without. */
const WAYS = ["--delete-homes", "--no-wait"];

test.each(WAYS)(
  "who leaves while fstab(5) names what is not mounted there stays, without logins (%s)",
  (way) => {
    moveToDisk();
    sh(`echo /data/homes ${J}/home none bind,nofail 0 0 >>/etc/fstab; umount ${J}/home`);
    m.write(FILE, "");
    const { summary, status } = prune(way);
    const remedy = `mount ${J}/home`;
    const why = `'${HOME}': its file system, which /etc/fstab names, is not mounted; fix it with: ${remedy}`;
    expect([status, summary.problems]).toMatchObject([
      1,
      [
        {
          path: "bob",
          code: "not-mounted",
          message: `user bob: is not declared any more, and stays: ${why}`,
          remedy,
        },
        { path: J },
      ],
    ]);
    expect([uidIn(m, "bob"), m.exists(J)]).toEqual([uid, true]);
    expect(m.read(`${J}/etc/passwd`)).not.toMatch(/^bob:/m);
    expect(m.read("/etc/group")).not.toMatch(/^team:.*bob/m);
    // The next run does nothing more.
    expect(prune(way).changes).toEqual([]);
    expect(nextUid()).not.toBe(uid);
    typeRemedy(m, remedy);
    // Of what is mounted in its home or jail, no run removes anything.
    prune(way);
    expect([uidIn(m, "bob"), m.exists("/data/homes/bob/letter")]).toEqual([undefined, way !== WAYS[0]]);
  },
);

test.each(WAYS)("nobody gets the uid of a home that is on a disk of which nothing tells (%s)", (way) => {
  moveToDisk();
  sh(`umount ${J}/home`);
  m.write(FILE, "");
  const run = prune(way);
  expect([run.status, run.changes[0]?.text]).toEqual([
    0,
    `- user bob: account but not its home ${HOME}, which is not there (no longer declared)`,
  ]);
  expect(warningsOf(run)[0]).toStartWith(
    `'${HOME}' is not there: the home that apply created there was not found`,
  );
  expect(m.exists(J)).toBe(false);
  expect(nextUid()).not.toBe(uid);
});

test.each([
  ["of all homes", `mv ${J}/home /data/homes; ln -s /data/homes ${J}/home`, "/data/homes/bob"],
  ["of one home", `mv ${HOME} /data/bob; ln -s /data/bob ${HOME}`, "/data/bob"],
  [
    "of all homes, with another one in the jail",
    `cp -a ${J}/home /data/homes; mv ${J}/home ${J}/data; ln -s ../../data/../data/homes ${J}/home; mkdir -p ${J}/data/homes; mv ${J}/data/bob ${J}/data/homes`,
    "/data/homes/bob",
  ],
])("nor of one that is behind a link %s", (_, move, place) => {
  sh(`cd ${J}; ${move}`);
  for (const way of WAYS) {
    m.write(FILE, "");
    const run = prune(way);
    if (run.status !== 0) throw new Error(JSON.stringify(run));
  }
  expect([m.exists(J), m.exists(`${place}/letter`)]).toEqual([false, true]);
  expect(nextUid()).not.toBe(uid);
});

test("nor while fstab(5) mounts something else in the jail that is gone, which is told before", () => {
  sh(`mkdir -p ${J}/data; echo /data ${J}/data none bind,noauto 0 0 >>/etc/fstab`);
  m.write(FILE, "");
  const run = prune("--delete-homes");
  const told = `'${J}/data' is not mounted: a setuid program of 'bob' may be there; nobody else gets its uid while it is there`;
  expect([run.status, warningsOf(run)]).toEqual([0, [told]]);
  expect([m.exists(J), nextUid() !== uid]).toEqual([false, true]);
  m.must(["userdel", "carl"]);
  for (const path of [OTHER, NEXT]) m.remove(path);
  m.run(["jailkit", "apply", "--prune"]);
  m.write("/etc/fstab", fstab);
  expect(nextUid()).toBe(uid);
});

test("nor of an account that somebody has removed while its home was behind a link", () => {
  sh(`mv ${J}/home /data/homes; ln -s /data/homes ${J}/home; userdel bob`);
  m.write(FILE, "");
  prune();
  expect(m.exists(J)).toBe(false);
  expect(nextUid()).not.toBe(uid);
});

test("one that root has removed, and who comes back: the uid is free again when the home goes", () => {
  m.remove(HOME);
  m.write(FILE, "");
  prune("--delete-homes");
  m.write(FILE, declared(J, "bob", `uid = ${uid}\n`));
  m.must(["jailkit", "apply"]);
  m.write(FILE, "");
  prune("--delete-homes");
  expect(nextUid()).toBe(uid);
});
