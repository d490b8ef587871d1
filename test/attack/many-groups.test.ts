/**
 * The kernel writes all groups of a thread, up to 65,536, before it tells its ids: a user with many such threads does not make each
 * look at processes last for minutes, and is named.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { endSessions } from "../../src/system/end-sessions.ts";
import { linesOf, openApplyMachine, uidIn } from "../e2e/apply-scene.ts";
import { typeRemedy } from "../e2e/remedies-scene.ts";
import type { Machine } from "../machine/machine.ts";

setDefaultTimeout(300_000);

const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = "[jail /srv/a]\nsections = uidbasics, basicshell\n";
const userText = (name: string) => `[user ${name}]\njail = /srv/a\nshell = /bin/bash\n`;

/** As a user does who has a range in subgid(5), by newgidmap(1) and setgroups(2). */
const MANY = `
import os, sys, threading, time
uid = int(sys.argv[1])
os.setgroups(range(1, 65537))
os.setresuid(uid, uid, uid)
threading.stack_size(65536)
for _ in range(3000): threading.Thread(target=lambda: time.sleep(1000000), daemon=True).start()
print("there", flush=True)
time.sleep(1000000)
`;

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
  m.addUser("mallory");
});
afterAll(() => m?.close());

test("one process with many threads and groups delays the removal of others for seconds, and what ends it is told", async () => {
  m.write(FILE, JAIL + userText("ann") + userText("bob"));
  m.must(["jailkit", "apply"]);
  m.write(FILE, JAIL + userText("ann"));
  const uid = uidIn(m, "mallory") ?? 0;
  const many = m.start(["python3", "-c", MANY, `${uid}`]);
  await many.until(({ stdout }) => stdout.includes("there\n") || undefined);

  const { status, summary } = linesOf(m, "--prune", "--delete-homes");
  expect(status).toBe(1);
  const [problem] = summary.problems;
  expect(problem?.message).toContain("processes of 'mallory' have so many groups");
  expect(problem?.remedy).toBe(endSessions(uid));
  expect(uidIn(m, "bob")).toBeNumber();
  // What ends others is not kept from that without a word, and stops none of them for good.
  const other = m.run(["jailkit", "terminate-user", "bob"]);
  expect([other.status, other.stderr]).toEqual([1, expect.stringContaining(endSessions(uid))]);

  typeRemedy(m, problem?.remedy ?? "");
  await many.ended;
  expect(linesOf(m, "--prune", "--delete-homes").status).toBe(0);
  expect(uidIn(m, "bob")).toBeUndefined();
});
