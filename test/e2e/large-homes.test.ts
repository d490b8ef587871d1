/** A home of any size leaves its jail, unless it holds what does not go along. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(240_000);

const J = "/srv/jail";
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
  for (const name of ["anna", "bert"]) {
    m.addUser(name, { home: `/home/${name}`, createHome: true, shell: "/bin/bash" });
    m.must(["jk_jailuser", "-n", "-m", "-s", "/bin/bash", "-j", J, name]);
  }
});
afterAll(() => m?.close());

test("more than is looked at in a plan, with a directory of another user at its end", () => {
  const deep = `/home/anna${`/${"d".repeat(200)}`.repeat(18)}`;
  const script = [
    "import os",
    `os.makedirs("${J}${deep}")`,
    `os.chdir("${J}${deep}")`,
    "for i in range(14500): os.mkdir(str(i))",
    'os.makedirs("0/bert/private")',
  ].join("\n");
  m.must(["python3", "-c", script]);
  m.must(["chown", "-R", "anna", `${J}/home/anna`]);
  m.must(["chown", "-R", "bert", `${J}${deep}/0/bert`]);
  const leave = ["jk_jailuser", "--unjail", "-n", "-m", "anna"];
  for (const more of [["--dry-run"], []]) {
    const { status, stderr } = m.run([...leave, ...more]);
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/^jk_jailuser: 'anna' has the home .* of 'bert' is in it/),
    ]);
  }
  // As it says.
  m.must(["mv", `${J}${deep}/0/bert`, `${J}/srv`]);
  expect(m.run(leave)).toMatchObject({ status: 0, stderr: "" });
  expect([m.exists(`${deep}/14499`), m.exists(`${J}/home/anna`)]).toEqual([true, false]);
});
