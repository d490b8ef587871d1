/** Where a home may be: what others could create first, what is the jail's own, and what only jailkit has. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/c1";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;

let m: Machine;
let next = 0;

const user = (name: string, home: string, more = "") =>
  `[user ${name}]\njail = ${J}\nshell = /bin/bash\nhome = ${home}\n${more}`;
const declare = (...users: readonly string[]) => m.write(FILE, JAIL + users.join(""));
const faults = (...options: readonly string[]) => linesOf(m, ...options).summary.problems;
const newName = () => `user${++next}`;
const exists = (name: string) => new RegExp(`^${name}:`, "m").test(m.read("/etc/passwd"));

beforeAll(async () => {
  m = await openApplyMachine();
  declare();
  m.must(["jailkit", "apply"]);
  m.mkdir(`${J}/tmp`, { mode: 0o1777 });
  m.addUser("bob", { uid: 4001, home: "/home/bob", createHome: true });
});
afterAll(() => m?.close());

describe("a home below a directory that is missing in one that users can write", () => {
  const missing = (name: string) =>
    `${J}/tmp is writable by everyone (mode 1777), and others could create ${J}/tmp/${name} first`;

  /** Runs the command, types what its error advises, and runs it again. */
  function heals(name: string, command: readonly string[]): void {
    const { status, stderr } = m.run(command);
    const remedy = `mkdir -m 0755 ${J}/tmp/${name}`;
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining(`${missing(name)}; fix it with: ${remedy}\n`),
    ]);
    expect(m.exists(`${J}/tmp/${name}`)).toBe(false);
    m.must(["sh", "-c", remedy]);
    m.must(command);
    expect(m.stat(`${J}/tmp/${name}/sub`)?.uid).toBe(0);
    expect((m.stat(`${J}/tmp`)?.mode ?? 0) & 0o7777).toBe(0o1777);
  }

  test("jk_addjailuser", () => {
    const name = newName();
    heals(name, ["jk_addjailuser", "-j", J, "-d", `/tmp/${name}/sub/home`, name]);
    expect(m.stat(`${J}/tmp/${name}/sub/home`)?.uid).not.toBe(0);
  });

  test("jk_jailuser -m", () => {
    const name = newName();
    m.mkdir(`/tmp/${name}/sub`);
    m.addUser(name, { home: `/tmp/${name}/sub/home`, createHome: true });
    heals(name, ["jk_jailuser", "-n", "-m", "-j", J, name]);
    expect(m.stat(`${J}/tmp/${name}/sub/home`)?.uid).not.toBe(0);
  });

  test("jailkit apply", () => {
    const name = newName();
    declare(user(name, `/tmp/${name}/home`));
    const remedy = `mkdir -m 0755 ${J}/tmp/${name}`;
    for (const options of [["--check"], []])
      expect(faults(...options)).toMatchObject([
        { code: "unsafe-parent", message: expect.stringContaining(missing(name)), remedy },
      ]);
    expect([exists(name), m.exists(`${J}/tmp/${name}`)]).toEqual([false, false]);
    m.must(["sh", "-c", remedy]);
    m.must(["jailkit", "apply"]);
    expect(m.stat(`${J}/tmp/${name}/home`)?.uid).not.toBe(0);
  });

  test("who creates it first keeps it, and no command takes it by a name that its owner can exchange", () => {
    const name = newName();
    m.mkdir(`${J}/tmp/${name}`, { owner: [4001, 4001] });
    const { status, stderr } = m.run(["jk_addjailuser", "-j", J, "-d", `/tmp/${name}/home`, name]);
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining(
        `: ${J}/tmp/${name} belongs to uid 4001, not to root: name another home with -d\n`,
      ),
    ]);
    declare(user(name, `/tmp/${name}/home`));
    for (const options of [["--check"], []])
      expect(faults(...options)).toMatchObject([{ code: "unsafe-parent", remedy: null }]);
    declare();
  });

  test("the home itself may be missing there", () => {
    const name = newName();
    declare(user(name, `/tmp/${name}`));
    expect(did(m)).toHaveLength(1);
    expect(m.stat(`${J}/tmp/${name}`)?.uid).not.toBe(0);
    declare();
  });
});
