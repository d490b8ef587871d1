/**
 * A jail whose path cannot be looked at, as on a disk with errors or a file server that has gone: here by a loop of symbolic
 * links above it. It counts as there, its own error says why it is left alone, and all others are served as ever.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const [HERE, LOST] = ["/srv/here", "/srv/disk/lost"];
const declared = (jail: string, user: string, more = "") =>
  `[jail ${jail}]\nsections = uidbasics, jk_lsh, sftp${more}\n[user ${user}]\njail = ${jail}\nallow = sftp\n`;

let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
  m.mkdir("/srv/disk", { mode: 0o755 });
  m.write("/etc/jailkit/jails.d/here.ini", declared(HERE, "hanna"));
  m.write("/etc/jailkit/jails.d/lost.ini", declared(LOST, "lotte"));
  m.must(["jailkit", "apply"]);
  m.must(["mv", "/srv/disk", "/srv/aside"]);
  m.must(["ln", "-s", "disk", "/srv/disk"]);
});

afterAll(() => m.close());

const run = (...argv: string[]) => {
  const { status, stdout, stderr } = m.run(argv);
  return { status, stdout, stderr, all: stdout + stderr };
};

test("jailkit list, status and jk_check tell of the others too", () => {
  const list = run("jailkit", "list");
  expect(list.stdout).toMatch(new RegExp(`^${HERE} +ready +hanna`, "m"));
  expect(list.stdout).toMatch(new RegExp(`^${LOST} +unreadable +lotte`, "m"));
  expect(run("jailkit", "status").stdout).toContain("Jails          2 in all, 1 ready, 1 unreadable\n");
  const check = run("jk_check");
  expect(check.all).not.toContain("registry");
  expect(check.stderr).toContain(`cannot check files in ${LOST}/`);
});

test("jailkit config check reads the files of the others", () => {
  m.write(`${HERE}/etc/jailkit/jk_lsh.d/odd.ini`, "[other]\nalow = sftp\n");
  const { all } = run("jailkit", "config", "check");
  expect(all).toContain("'alow'");
  expect(all).toContain(`cannot read ${LOST}/etc/jailkit/jk_lsh.ini`);
  m.remove(`${HERE}/etc/jailkit/jk_lsh.d/odd.ini`);
});

test("jk_update and jailkit adopt --all do the others", () => {
  m.write("/usr/local/bin/tool", "#!/bin/sh\n", { mode: 0o755 });
  m.must(["jk_cp", "-j", HERE, "/usr/local/bin/tool"]);
  m.write("/usr/local/bin/tool", "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  const update = run("jk_update", "--all", "-n");
  expect(update.all).toContain(`${HERE}/usr/local/bin/tool`);
  expect(update.stderr).toContain(`${LOST}: /srv/disk: is a symbolic link`);
  m.must(["jk_init", "-j", "/srv/other", "uidbasics"]);
  m.write("/etc/jailkit/jk_check.ini", "[/srv/other]\n");
  m.must(["jailkit", "forget", "/srv/other"]);
  m.write("/etc/jailkit/jk_check.ini", "[/srv/other]\n");
  expect(run("jailkit", "adopt", "--all").all).toContain("/srv/other");
});

test("jailkit apply does the others, with --prune too, and forgets and removes nothing of it", () => {
  const file = "/etc/jailkit/jails.d/here.ini";
  m.write(file, declared(HERE, "hanna", ", netbasics"));
  const first = linesOf(m);
  expect(first.changes.map(({ text, status }) => `${status} ${text}`)).toEqual([
    `done + jail ${HERE}: sections netbasics (not in the jail)`,
  ]);
  expect(first.summary.problems.map(({ message }) => message)).toEqual([
    `jail ${LOST}: /srv/disk: is a symbolic link; name its target instead`,
    `user lotte: waits for the jail '${LOST}'`,
  ]);
  m.write("/etc/jailkit/jails.d/lost.ini", "");
  m.write(file, declared(HERE, "hanna"));
  expect(did(m, "--prune")).toEqual([`done - jail ${HERE}: sections netbasics (no longer declared)`]);
  const stays = linesOf(m, "--prune").summary.problems.map(({ message }) => message);
  expect(stays.join("\n")).toContain(`jail ${LOST}: is not declared any more, and stays: `);
  // It is known as before when it is there again.
  m.must(["rm", "/srv/disk"]);
  m.must(["mv", "/srv/aside", "/srv/disk"]);
  expect(did(m, "--prune", "--delete-homes").toSorted()).toEqual([
    `done - jail ${LOST} (no longer declared)`,
    `done - user lotte: account and its home ${LOST}/home/lotte (no longer declared)`,
  ]);
});
