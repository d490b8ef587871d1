/** A log socket and proc that are declared to be off stay off, though sections need them: jk_update and apply agree. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";
import { manifestPathOf } from "./manifest-file.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const SOCKET = "/etc/jailkit/jk_socketd.d/srv-customer.ini";
const NEEDY = "uidbasics, needy";
const OFF = "log_socket = no\nproc = no\n";
const REMOVED = ["log-socket", "proc"].map((what) => `done - jail ${J}: ${what} (declared to be off)`);

let m: Machine;

const declare = (more: string, sections = NEEDY) =>
  m.write(FILE, `[jail ${J}]\nsections = ${sections}\n${more}`);
const hasProc = () => m.must(["stat", "-fc", "%T", `${J}/proc`]).stdout === "proc\n";
const state = () => ({
  socket: m.exists(SOCKET),
  proc: m.exists(`${J}/proc`) && hasProc(),
  fstab: m.read("/etc/fstab").includes(`${J}/proc`),
});
const ALL_OFF = { socket: false, proc: false, fstab: false };
const ALL_ON = { socket: true, proc: true, fstab: true };

/** Nobody changes anything, however often. */
function agree(now: typeof ALL_ON): void {
  expect(m.run(["jk_update", "--check", J])).toMatchObject({ status: 0, stderr: "" });
  m.must(["jk_update", J]);
  expect([did(m), state()]).toEqual([[], now]);
  expect(m.run(["jailkit", "apply", "--check", "--prune"]).status).toBe(0);
}

beforeAll(async () => {
  m = await openApplyMachine();
  m.mkdir("/etc/jailkit/jk_init.d");
  m.write(
    "/etc/jailkit/jk_init.d/needy.ini",
    "[needy]\nneed_logsocket = 1\nneed_proc = 1\nemptydirs = /var/needy\n",
  );
});
afterAll(() => m?.close());

test("what a section of a new jail brings goes, and jk_update does not bring it back", () => {
  declare(OFF);
  expect(did(m)).toEqual([`done + jail ${J}: sections ${NEEDY} (it does not exist)`, ...REMOVED]);
  agree(ALL_OFF);
  // The section is there, and another one comes.
  declare(OFF, "uidbasics, needy, sftp");
  expect(did(m)).toHaveLength(1);
  agree(ALL_OFF);
  expect(m.must(["jailkit", "export", "--declaration", J]).stdout).toContain("log_socket = 0\nproc = 0\n");
  const exported = m.must(["jailkit", "export", J]);
  expect([JSON.parse(exported.stdout).without, exported.stderr]).toEqual([["log-socket", "proc"], ""]);
  declare(OFF);
  m.must(["jailkit", "apply", "--prune"]);
  agree(ALL_OFF);
});

test("without the keys, sections bring it again, and with other keys it stays", () => {
  declare("");
  const why = "no longer declared to be off, and its sections need it";
  expect(did(m)).toEqual(["log-socket", "proc"].map((what) => `done + jail ${J}: ${what} (${why})`));
  agree(ALL_ON);
  declare(OFF);
  expect(did(m)).toEqual(REMOVED);
  agree(ALL_OFF);
  declare("log_socket = yes\nproc = yes\n");
  expect(linesOf(m).status).toBe(0);
  agree(ALL_ON);
  m.must(["jk_init", "-j", J, "--remove", "needy"]);
  declare("", "uidbasics");
  m.must(["jailkit", "apply", "--prune"]);
  agree(ALL_OFF);
});

test("without the keys, what somebody took away comes back, as with jk_update", () => {
  declare("");
  m.must(["jailkit", "apply"]);
  m.must(["sed", "-i", "s/^/#/", SOCKET]);
  m.must(["umount", `${J}/proc`]);
  const plan = m.run(["jailkit", "apply", "--check"]);
  expect(plan.status).toBe(10);
  expect(did(m)).toEqual([
    `done + jail ${J}: log-socket (jk_socketd does not serve it, and its sections need it)`,
    `done + jail ${J}: proc (not mounted, and its sections need it)`,
  ]);
  agree(ALL_ON);
});

test("who asks for the section by hand gets it, until apply takes it away again", () => {
  declare(OFF);
  m.must(["jailkit", "apply"]);
  m.must(["jk_init", "-j", J, "needy"]);
  expect(state()).toEqual(ALL_ON);
  m.must(["jk_update", J]);
  expect([state(), did(m)]).toEqual([ALL_ON, REMOVED]);
  agree(ALL_OFF);
});

test("what an older version took away, and the record does not know, is not brought back", () => {
  const path = manifestPathOf(m, J);
  const text = m.read(path);
  expect(text).toContain(',"without":["log-socket","proc"]');
  m.write(path, text.replace(',"without":["log-socket","proc"]', ""), { mode: 0o600 });
  const why = "declared to be off: jk_update would bring it, for its sections";
  expect(did(m)).toEqual(["log-socket", "proc"].map((what) => `done - jail ${J}: ${what} (${why})`));
  agree(ALL_OFF);
});

test("proc that is mounted by hand, or that the next boot would mount, goes", () => {
  const [, proc = ""] = REMOVED;
  m.must(["mount", "-t", "proc", "proc", `${J}/proc`]);
  expect(did(m)).toEqual([proc]);
  m.write("/etc/fstab", `${m.read("/etc/fstab")}proc ${J}/proc proc defaults 0 0\n`);
  expect(did(m)).toEqual([proc]);
  agree(ALL_OFF);
});

test("a jail that is emptied begins anew", () => {
  m.must(["sh", "-c", `rm -rf ${J}/*`]);
  expect(did(m)).toEqual([`done + jail ${J}: sections ${NEEDY} (its contents were removed)`, ...REMOVED]);
  agree(ALL_OFF);
});

/** Somebody deletes the jail by hand: its line in fstab(5) and its log socket stay. */
function deleteByHand(): void {
  declare("");
  m.must(["jailkit", "apply"]);
  expect(state()).toEqual(ALL_ON);
  m.must(["umount", `${J}/proc`]);
  m.must(["rm", "-r", J]);
}

test("what a jail that was deleted by hand has left goes, when it is declared to be off", () => {
  deleteByHand();
  declare(OFF, "uidbasics");
  expect(did(m)).toEqual([`done + jail ${J}: sections uidbasics (it was here, and is missing)`, ...REMOVED]);
  agree(ALL_OFF);
});

test("what it has left is told, when nothing is declared of it", () => {
  deleteByHand();
  declare("", "uidbasics");
  const left = ["log-socket", "proc"].map((what) => `jail ${J}: ${what}`);
  expect(linesOf(m).summary.undeclared).toEqual(left);
  expect(linesOf(m).summary.undeclared).toEqual(left);
  expect(state()).toEqual({ socket: true, proc: false, fstab: true });
});
