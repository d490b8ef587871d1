/**
 * usermod(8) writes several account files one after the other: if it fails when it has written the first, the account has changed.
 * It is set back, so that the home is where the account has it.
 */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const USERMOD = "/usr/sbin/usermod";

let m: Machine;
let name = "";
let users = 0;
let original = "";

const jailing = (...more: string[]) => ["jk_jailuser", "-n", "-m", "-s", "/bin/bash", ...more, "-j", J, name];
const lineOf = (file: string) => new RegExp(`^${name}:.*$`, "m").exec(m.read(file))?.[0] ?? "";

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
  m.must(["groupadd", "crew"]);
  m.must(["mv", USERMOD, `${USERMOD}.real`]);
  m.must(["ln", "-s", `${USERMOD}.real`, USERMOD]);
});
afterAll(() => m?.close());
beforeEach(() => {
  name = `user${users++}`;
  m.addUser(name, { home: `/home/${name}`, createHome: true, shell: "/bin/bash" });
  m.write(`/home/${name}/thesis`, "mine\n");
  original = lineOf("/etc/passwd");
});

/** Has usermod(8) fail after its work, and after the first time perhaps do none at all. */
function fails(after: "each" | "the first" = "each"): void {
  const other = after === "each" ? "" : "[ -e /root/once ] && exit 10; touch /root/once\n";
  m.remove("/root/once");
  m.remove(USERMOD);
  m.write(USERMOD, `#!/bin/sh\n${other}${USERMOD}.real "$@"\nkill -9 $$\n`, { mode: 0o755 });
}

function mend(): void {
  m.remove(USERMOD);
  m.must(["ln", "-s", `${USERMOD}.real`, USERMOD]);
}

function expectUnchanged(): void {
  expect(lineOf("/etc/passwd")).toBe(original);
  expect(m.read(`/home/${name}/thesis`)).toBe("mine\n");
  expect(m.exists(`${J}/home/${name}`)).toBe(false);
  expect(lineOf(`${J}/etc/passwd`)).toBe("");
  expect(m.must(["id", "-nG", name]).stdout).not.toContain("crew");
}

test.each(["without a copy", "with a copy"])("a move %s is undone, with the account", (how) => {
  if (how === "with a copy") m.must(["sh", "-c", `mount -t tmpfs -o mode=755 none ${J}/home`]);
  try {
    fails();
    const { status, stderr } = m.run(jailing("-G", "crew"));
    expect([status, stderr]).toEqual([1, expect.stringContaining("usermod failed with status 137")]);
    expectUnchanged();
    mend();
    m.must(jailing());
    expect(m.read(`${J}/home/${name}/thesis`)).toBe("mine\n");
  } finally {
    mend();
    if (how === "with a copy") m.must(["umount", `${J}/home`]);
  }
});

test.each(["gshadow", "group"])("so it is where /etc/%s cannot be replaced", (file) => {
  m.must(["mount", "--bind", `/etc/${file}`, `/etc/${file}`]);
  const { status, stderr } = m.run(jailing("-G", "crew"));
  const then = stderr.includes("all the same")
    ? (/ to do that: (.*)$/m.exec(stderr)?.[1] ?? "false")
    : "true";
  m.must(["umount", `/etc/${file}`]);
  expect([status, stderr]).toEqual([1, expect.stringContaining("usermod failed with status 10: ")]);
  expect(lineOf("/etc/passwd")).toBe(original);
  m.must(["sh", "-c", then]);
  expectUnchanged();
  m.must(jailing("-G", "crew"));
});

test("if it cannot be set back, the error says how the account is, and what to type", () => {
  fails("the first");
  m.write(FILE, `${JAIL}[user ${name}]\njail = ${J}\nshell = /bin/bash\n`);
  const { summary, status } = linesOf(m);
  mend();
  const [problem] = summary.problems;
  expect([status, problem]).toMatchObject([
    1,
    {
      code: "account-changed",
      message: expect.stringContaining(
        `the account '${name}' has the home '${J}/./home/${name}' and the shell '/usr/sbin/jk_chrootsh' all the same`,
      ),
      remedy: `usermod -d /home/${name} -s /bin/bash ${name}`,
    },
  ]);
  m.must(["sh", "-c", problem?.remedy ?? "false"]);
  expectUnchanged();
  expect(linesOf(m).status).toBe(0);
  expect(m.read(`${J}/home/${name}/thesis`)).toBe("mine\n");
  m.write(FILE, JAIL);
});
