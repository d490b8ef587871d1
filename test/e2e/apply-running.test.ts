/** `jailkit apply --check --prune` warns of processes with which an account would not be removed now. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());

test.each(["made", "moved"])(
  "one that apply has %s into the jail; without --prune, and when they have ended, it says nothing",
  async (how) => {
    m.write(FILE, `${JAIL}[user ${how}]\njail = ${J}\nshell = /bin/bash\n`);
    if (how === "moved") m.addUser(how, { createHome: true, shell: "/bin/bash" });
    m.must(["jailkit", "apply"]);
    m.write(FILE, JAIL);
    const { uid } = m.ids(how);
    const session = m.start(["sh", "-c", "echo up; sleep 600"], { user: how });
    await session.until(({ stdout }) => (stdout.includes("up") ? true : undefined));
    const said = (...options: string[]) =>
      linesOf(m, ...options).summary.warnings.filter((line) => line.includes("running processes"));
    const [line = "", ...more] = said("--check", "--prune");
    expect([line, more]).toEqual([
      expect.stringMatching(
        new RegExp(
          `^user ${how}: has running processes now \\([0-9 ]+\\), .*: jailkit terminate-user --uid=${uid}$`,
        ),
      ),
      [],
    ]);
    expect(said("--check")).toEqual([]);
    m.must(["sh", "-ec", line.slice(line.lastIndexOf(": ") + 2)]);
    expect(said("--check", "--prune")).toEqual([]);
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  },
);
