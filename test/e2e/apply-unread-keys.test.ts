/** What a user makes of the own authorized_keys, so that no key can be taken out of it: it is told before, and what is told heals. */
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const SSH = `${J}/home/dora/.ssh`;
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const [OLD = "", NEW = ""] = KEYS;
const dora = (keys = OLD) =>
  `${JAIL}[user dora]\njail = ${J}\nshell = /bin/bash\n${keys === "" ? "" : `authorized_keys = ${keys}\n`}`;

let m: Machine;

const sh = (text: string) => m.must(["sh", "-ec", text]);
/** Whether the old key is in a file that sshd reads. */
const isValid = (home: string) =>
  m.run(["sh", "-c", `cat ${home}/.ssh/authorized_keys ${home}/.ssh/authorized_keys2`]).stdout.includes(OLD);

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  m.addUser("dora", { home: "/home/dora", createHome: true, shell: "/bin/bash" });
  m.write(FILE, dora());
  m.must(["jailkit", "apply"]);
});
afterEach(() => {
  m.run(["userdel", "dora"]);
  for (const path of ["/srv", "/home/dora", "/var/lib/jailkit"]) m.remove(path);
  m.mkdir("/srv", { mode: 0o755 });
});
afterAll(() => m?.close());

describe.each([
  [".ssh that is a link", "mv .ssh real; ln -s /srv/customer/home/dora/real .ssh"],
  ["a file that is a link", "mv .ssh/authorized_keys real; ln -s ../real .ssh/authorized_keys"],
  ["a file with two names", "ln .ssh/authorized_keys other"],
  ["a file that is too long", "head -c 1100000 /dev/zero | tr '\\0' '\\n' >> .ssh/authorized_keys"],
])("%s", (_, make) => {
  beforeEach(() => {
    m.must(["runuser", "-u", "dora", "--", "sh", "-ec", `cd ${J}/home/dora; ${make}`]);
    expect(isValid(`${J}/home/dora`)).toBe(true);
  });

  const STILL = "keys that are to go may still let somebody in: ";

  test.each([NEW, ""])(
    "is told with the key that it keeps, of who stays, %p, and what is told heals",
    (keys) => {
      m.write(FILE, dora(keys));
      expect(linesOf(m).summary.noLongerDeclared.length).toBe(1);
      const planned = linesOf(m, "--check", "--prune");
      const texts = planned.changes.map(({ text }) => text);
      expect(texts).toEqual(["- user dora: keys 1 that cannot be read (no longer declared)"]);
      const { status, changes, summary } = linesOf(m, "--prune");
      expect([status, changes.map(({ text }) => text), summary.problems]).toEqual([
        ...[1, texts, planned.summary.problems],
      ]);
      const [problem, ...others] = summary.problems;
      expect([others, problem]).toEqual([
        [],
        expect.objectContaining({
          code: "keys-not-written",
          message: expect.stringContaining(`user dora: ${STILL}'${SSH}`),
        }),
      ]);
      expect(changes.flatMap(({ warnings }) => warnings)).toEqual([
        "'dora' is still allowed what it was before; end its logins until a run of jailkit apply can do it, with: usermod -s /usr/sbin/nologin dora",
      ]);
      expect(isValid(`${J}/home/dora`)).toBe(true);
      sh(problem?.remedy ?? "false");
      expect(linesOf(m, "--prune").status).toBe(0);
      expect(isValid(`${J}/home/dora`)).toBe(false);
      expect(linesOf(m, "--check", "--prune").status).toBe(0);
    },
  );

  test("is told of who leaves before, as by the run, and what is told heals", () => {
    m.write(FILE, JAIL);
    const planned = linesOf(m, "--check", "--prune").summary.problems;
    expect(planned).toEqual([
      expect.objectContaining({
        code: "keys-not-written",
        message: expect.stringContaining(`user dora: is not declared any more, and stays: ${STILL}'${SSH}`),
      }),
    ]);
    const { status, summary } = linesOf(m, "--prune");
    expect([status, summary.problems]).toEqual([1, planned]);
    expect(m.read("/etc/passwd")).toMatch(/^dora:.*:\/srv\/customer\/\.\/home\/dora:/m);
    sh(planned[0]?.remedy ?? "false");
    expect(linesOf(m, "--prune").status).toBe(0);
    expect(m.read("/etc/passwd")).toMatch(/^dora:.*:\/home\/dora:\/bin\/bash$/m);
    expect(isValid("/home/dora")).toBe(false);
  });
});
