/** What was interrupted, and is declared in another grouping then, is there when apply says so. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";

let m: Machine;

const declare = (text: string) => m.write(FILE, `[jail ${J}]\n${text}`);

/** A run of a tool that a signal ends while it copies. */
function interrupt(signal: "TERM" | "KILL", call: readonly string[], when = 3): void {
  const inject = ["-e", `trace=linkat`, "-e", `inject=linkat:signal=${signal}:when=${when}`];
  const run = m.run(["strace", "-f", "-qq", "-o", "/dev/null", ...inject, ...call]);
  expect(run.status).not.toBe(0);
}

/** apply has nothing to do, and no other tool says that something is not all there. */
function isWhole(): void {
  expect(did(m)).toEqual([]);
  expect(m.run(["jailkit", "list", J])).toMatchObject({ status: 0, stderr: "" });
  expect(m.run(["jk_check", J])).toMatchObject({ status: 0, stdout: "" });
  expect(m.run(["jk_update", "--check", J])).toMatchObject({ status: 0 });
}

beforeAll(async () => {
  m = await openApplyMachine();
  m.mkdir("/etc/jailkit/jk_init.d");
  m.write("/etc/jailkit/jk_init.d/two.ini", "[two]\npaths = /usr/bin/id, /usr/bin/tac\n");
});
afterAll(() => m?.close());
beforeEach(() => {
  m.remove(J);
  m.remove("/var/lib/jailkit");
});

for (const signal of ["TERM", "KILL"] as const) {
  test(`SIG${signal}: sections that are declared one after the other`, () => {
    declare("sections = uidbasics, two, sftp\n");
    interrupt(signal, ["jailkit", "apply"]);
    declare("sections = two\n");
    expect(linesOf(m).status).toBe(0);
    expect(did(m)).toEqual([]);
    declare("sections = two, uidbasics\n");
    expect(linesOf(m).status).toBe(0);
    expect(did(m)).toEqual([]);
    declare("sections = sftp, uidbasics, two\n");
    expect(linesOf(m).status).toBe(0);
    isWhole();
  });

  test(`SIG${signal}: files in another order, and by another name`, () => {
    declare("files = id, tac, /usr/bin/env\n");
    interrupt(signal, ["jailkit", "apply"]);
    declare("files = /usr/bin/tac, /usr/bin/id\n");
    expect(linesOf(m).status).toBe(0);
    declare("files = env, id, tac\n");
    expect(linesOf(m).status).toBe(0);
    isWhole();
  });

  test(`SIG${signal}: a section, and then its files`, () => {
    declare("sections = two\n");
    interrupt(signal, ["jailkit", "apply"]);
    declare("files = id, tac\n");
    expect(linesOf(m).status).toBe(0);
    isWhole();
  });

  test(`SIG${signal}: files, and then a section that has them`, () => {
    declare("files = id, tac\n");
    interrupt(signal, ["jailkit", "apply"]);
    declare("sections = two\n");
    expect(linesOf(m).status).toBe(0);
    isWhole();
  });
}

test("what somebody asked for with other options is there for apply, and not for jk_update", () => {
  interrupt("TERM", ["jk_cp", "--owner", "--init", "-j", J, "id", "tac"]);
  declare("files = id, tac\n");
  const [first = ""] = did(m);
  expect(first).toEndWith(" (not all there)");
  expect(did(m)).toEqual([]);
  expect(m.run(["jailkit", "list", J]).stderr).toContain("not all there");
  m.must(["jk_update", "-j", J]);
  isWhole();
});

test("a part that is not declared any more, and not there, is told", () => {
  declare("sections = two, sftp\n");
  interrupt("TERM", ["jailkit", "apply"]);
  declare("sections = two\n");
  expect(linesOf(m).summary.undeclared).toEqual([`jail ${J}: sections sftp (not all there)`]);
  expect(m.run(["jailkit", "list", J]).stderr).toContain(": sftp is not all there");
  expect(linesOf(m, "--prune").status).toBe(0);
  isWhole();
});
