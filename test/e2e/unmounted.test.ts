/** The tools that are typed by hand while a file system of /etc/fstab is not mounted: what they put there would be hidden later. */
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
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const DATA = "/var/lib/data";

let m: Machine;
let fstab = "";

const sh = (text: string) => m.must(["sh", "-ec", text]);
/** The line of a file system that root mounts by hand. */
const mountPoint = (path: string) => m.write("/etc/fstab", `${fstab}${DATA} ${path} none bind,noauto 0 0\n`);
/** Runs a command that refuses. */
const stderrOf = (command: readonly string[], status = 1) => {
  const run = m.run(command);
  expect([command, run.status]).toEqual([command, status]);
  return run.stderr;
};
const says = (path: string, remedy: string) =>
  `'${path}': its file system, which /etc/fstab names, is not mounted; fix it with: ${remedy}\n`;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["groupadd", "-f", "-r", "jailed"]);
  fstab = m.read("/etc/fstab");
});
beforeEach(() => {
  m.mkdir(DATA, { mode: 0o755 });
  m.mkdir(J, { mode: 0o755 });
});
afterEach(() => {
  for (const path of [`${J}/opt/of-others`, `${J}/home`, J, "/srv"]) m.run(["umount", path]);
  m.write("/etc/fstab", fstab);
  for (const name of ["bob", "carl"]) m.run(["userdel", name]);
  for (const path of ["/srv", "/home/bob", DATA, "/opt/of-others", "/var/lib/jailkit", "/root/x.json"])
    m.remove(path);
});
afterAll(() => m?.close());

describe("a jail whose own file system is not mounted", () => {
  const remedy = `mount ${J}`;
  const COMMANDS = [
    ["jk_init", "-j", J, "basicshell"],
    ["jk_init", "--dry-run", "-j", J, "basicshell"],
    ["jk_init", "-j", J, "--live", "basicshell"],
    ["jk_cp", "-j", J, "/bin/true"],
    ["jk_cp", "--init", "-j", J, "/bin/true"],
  ];

  test.each([true, false])("is neither filled nor begun; it has a record: %p", (isKnown) => {
    mountPoint(J);
    m.must(["mount", J]);
    if (isKnown) m.must(["jk_init", "-j", J, "basicshell", "uidbasics"]);
    m.must(["umount", J]);
    for (const command of COMMANDS) expect(stderrOf(command)).toBe(`${command[0]}: ${says(J, remedy)}`);
    expect(stderrOf(["jk_update", "-j", J])).toContain(`fix it with: ${remedy}\n`);
    m.must(["useradd", "-m", "bob"]);
    for (const command of [
      ["jk_addjailuser", "-s", "/bin/bash", "-j", J, "carl"],
      ["jk_addjailuser", "--dry-run", "-s", "/bin/bash", "-j", J, "carl"],
    ])
      expect(stderrOf(command, 33)).toContain(says(J, remedy));
    expect(stderrOf(["jk_jailuser", "-m", "-s", "/bin/bash", "-j", J, "bob"])).toContain(says(J, remedy));
    for (const command of [
      ["jailkit", "export", J],
      ["jailkit", "adopt", J],
    ])
      expect(stderrOf(command)).toContain(says(J, remedy));
    if (isKnown)
      expect(stderrOf(["jailkit", "delete", "--yes", J])).toContain(
        `its file system, which /etc/fstab names, is not mounted; fix it with: ${remedy}`,
      );
    expect(m.list(J)).toEqual([]);
    sh(remedy);
    m.must(["jk_init", "-j", J, "basicshell"]);
    expect(m.list(DATA)).toContain("bin");
  });

  test("nor one that is missing in such a directory, nor one of an import", () => {
    m.must(["jk_init", "-j", J, "uidbasics"]);
    m.write("/root/x.json", m.must(["jailkit", "export", J]).stdout, { mode: 0o600 });
    m.remove("/srv");
    mountPoint("/srv");
    const missing = `mkdir -p /srv && mount /srv`;
    for (const path of [J, "/srv/new"]) {
      for (const command of [
        ["jk_init", "-j", path, "basicshell"],
        ["jk_cp", "--init", "-j", path, "/bin/true"],
      ])
        expect(stderrOf(command)).toContain(says(path, missing));
      expect(stderrOf(["jailkit", "import", "-j", path, "/root/x.json"])).toContain(says(path, missing));
    }
    expect(m.exists("/srv")).toBe(false);
    sh(missing);
    m.must(["jk_init", "-j", J, "uidbasics"]);
    expect(m.list(DATA)).toEqual(["customer"]);
  });

  test("one that is there all the same is used as before", () => {
    m.must(["jk_init", "-j", J, "basicshell"]);
    mountPoint("/srv");
    m.must(["jk_cp", "-j", J, "/bin/true"]);
    m.must(["jk_init", "-j", J, "uidbasics"]);
    m.must(["jk_update", "-j", J]);
  });

  test.each(["/srv", J])("nor is one without a record taken for missing, by a line for %s", (point) => {
    m.must(["jk_init", "-j", J, "basicshell"]);
    m.remove("/var/lib/jailkit");
    m.must(["useradd", "-m", "bob"]);
    m.must(["jk_jailuser", "-m", "-s", "/bin/bash", "-j", J, "bob"]);
    mountPoint(point);
    const check = ["jailkit", "apply", "--check", "/root/jail.ini"];
    m.write("/root/jail.ini", `[jail ${J}]\nsections = basicshell\n`, { mode: 0o600 });
    expect(m.run(check).stdout + m.run(check).stderr).not.toContain("not mounted");
    m.remove("/root/jail.ini");
    expect(m.run(["jailkit", "status"]).stdout).toContain(`jailkit adopt ${J}`);
    expect(stderrOf(["jailkit", "export", J])).toContain(`jailkit adopt ${J}`);
    m.must(["jailkit", "adopt", "--dry-run", J]);
    m.must(["jailkit", "adopt", "--all"]);
    m.remove("/var/lib/jailkit");
    m.must(["jk_cp", "-j", J, "/bin/true"]);
    m.remove("/var/lib/jailkit");
    m.must(["jk_init", "-j", J, "uidbasics"]);
    m.remove("/var/lib/jailkit");
    // Its mount points, which a boot makes, are not the jail.
    sh(`rm -rf ${J}/*; mkdir ${J}/usr ${J}/bin; mount --bind /usr ${J}/usr`);
    expect(stderrOf(["jk_cp", "-j", J, "/bin/true"])).toContain(says(J, `mount ${point}`));
    sh(`umount ${J}/usr`);
    expect(stderrOf(["jk_cp", "-j", J, "/bin/true"])).toContain(says(J, `mount ${point}`));
  });
});

describe("a user whose home is not mounted", () => {
  const home = `${J}/home/bob`;

  /** Makes the jail with bob. `place`: where his home is mounted. */
  function make(place: string, point: string): void {
    if (point === J) sh(`${mountLine(J)}; mount ${J}`);
    m.must(["jk_init", "-j", J, "basicshell", "uidbasics"]);
    if (point !== J) sh(`mkdir ${place}; ${mountLine(point)}; mount ${point}`);
    m.must(["jk_addjailuser", "-s", "/bin/bash", "-j", J, "bob"]);
    m.must(["umount", point]);
  }
  const mountLine = (path: string) => `echo '${DATA} ${path} none bind,noauto 0 0' >>/etc/fstab`;

  test.each([`${J}/home`, J])("does not leave the jail without it: %s", (point) => {
    make(`${J}/home`, point);
    const remedy = `mount ${point}`;
    const unjail = ["jk_jailuser", "--unjail", "-m", "-s", "/bin/sh", "bob"];
    for (const command of [unjail, [...unjail, "--dry-run"]])
      expect(stderrOf(command)).toContain(says(home, remedy));
    expect(stderrOf(["jailkit", "delete", "--unjail", "--yes", J])).toContain(`fix it with: ${remedy}`);
    expect(m.read("/etc/passwd")).toContain(`:${J}/./home/bob:`);
    sh(remedy);
    m.must(unjail);
    expect(m.exists("/home/bob")).toBe(true);
  });

  test("nor a jail that is missing because of that", () => {
    make(`${J}/home`, J);
    m.must(["rmdir", J]);
    expect(stderrOf(["jk_jailuser", "--unjail", "-n", "-s", "/bin/sh", "bob"])).toContain(
      `mkdir -p ${J} && mount ${J}`,
    );
    expect(m.read("/etc/passwd")).toContain(`:${J}/./home/bob:`);
  });

  test("is told with the command that mounts it, not with one that makes a home below", () => {
    make(`${J}/home`, `${J}/home`);
    expect(m.run(["jk_check", "-j", J]).stdout).toContain(`remedy: mount ${J}/home\n`);
  });
});

describe("a file system in a jail", () => {
  const place = `${J}/opt/of-others`;
  const remedy = `mount ${place}`;
  const file = "/opt/of-others/deep/x";

  beforeEach(() => {
    m.must(["jk_init", "-j", J, "basicshell", "uidbasics"]);
    sh(`mkdir -p ${place} /opt/of-others/deep; echo one >${file}`);
    mountPoint(place);
  });

  test("gets no file while it is not mounted, from jk_cp and jk_init", () => {
    m.write("/etc/jailkit/jk_init.d/own.ini", `[own]\npaths = ${file}\n`);
    for (const command of [
      ["jk_cp", "-j", J, file],
      ["jk_cp", "--dry-run", "-j", J, file],
      ["jk_init", "-j", J, "own"],
    ])
      expect(stderrOf(command)).toBe(`${command[0]}: ${says(place, remedy)}`);
    expect(m.list(place)).toEqual([]);
    // What is elsewhere is copied.
    m.must(["jk_cp", "-j", J, "/bin/true"]);
    sh(remedy);
    m.must(["jk_init", "-j", J, "own"]);
    expect(m.exists(`${DATA}/deep/x`)).toBe(true);
    m.remove("/etc/jailkit/jk_init.d/own.ini");
  });

  test("nor from jk_update, for which it lacks all that was there", () => {
    sh(remedy);
    m.must(["jk_cp", "-j", J, file]);
    m.must(["umount", place]);
    for (const command of [
      ["jk_update", "-j", J],
      ["jk_update", "--dry-run", "-j", J],
    ])
      expect(stderrOf(command)).toContain(`jk_update: ${says(place, remedy)}`);
    expect(m.list(place)).toEqual([]);
    sh(remedy);
    m.must(["jk_update", "-j", J]);
    expect(m.read(`${DATA}/deep/x`)).toBe("one\n");
  });
});
