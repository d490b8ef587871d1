/** Jails whose directory is missing: what `jailkit list` prints for them is typed, and heals. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { listReportSchema } from "../../src/jails/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.remove("/var/lib/jailkit");
  m.write("/root/own.ini", "[own]\npaths = /usr/bin/id\n");
});
afterAll(async () => m.close());

const J = "/srv/a jail";
beforeEach(() => {
  m.run(["sh", "-c", `umount "${J}/usr"`]);
  m.remove(J);
  m.run(["jk_jailuser", "--unjail", "lost"]);
  m.run(["jailkit", "forget", J]);
});

const list = (...words: string[]) => m.run(["jailkit", "list", ...words]);
const listed = () => reportOf(listReportSchema, list("--json").stdout).jails.find(({ path }) => path === J);
const type = (command: string | null | undefined) => m.must(["sh", "-c", command ?? "false"]);
/** What the message says for a jail that is not needed. */
const unneeded = () => /; if it is not needed: ([^;]*)/.exec(list().stderr)?.[1]?.trim();

const REQUESTS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  "sections, files and their options": [
    ["jk_init", "-j", J, "basicshell", "sftp"],
    ["jk_init", "-c", "/root/own.ini", "-j", J, "own"],
    ["jk_cp", "-o", "-s", "-k", "-j", J, "/usr/bin/uniq", "/usr/bin/passwd"],
    ["jk_init", "-k", "-j", J, "netbasics"],
  ],
  "a live jail, to which files were added first": [
    ["jk_cp", "-j", J, "/etc/issue.net"],
    ["jk_init", "--live", "-j", J, "basicshell"],
    ["jk_init", "-j", J, "sftp"],
  ],
  "a live jail without a section": [["jk_init", "--live", "-j", J]],
};

for (const [name, requests] of Object.entries(REQUESTS)) {
  test(`${name}: asked for again, or forgotten`, () => {
    if (name.includes("first")) m.mkdir(J);
    for (const request of requests) m.must(request);
    const before = listed();
    expect(before?.state).toBe("ready");
    m.run(["umount", `${J}/usr`]);
    m.remove(J);
    expect(listed()).toMatchObject({
      ...before,
      state: "missing",
      reason: expect.any(String),
      remedy: expect.any(String),
      entries: expect.any(Number),
    });
    expect(list()).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`; to create it again: ${listed()?.remedy}; `),
    });
    type(listed()?.remedy);
    const { sections, files, live } = before ?? {};
    const after = listed();
    expect(after).toMatchObject({ state: "ready", reason: null, remedy: null, live });
    expect([after?.sections.toSorted(), after?.files.toSorted()]).toEqual([
      sections?.toSorted(),
      files?.toSorted(),
    ]);
    expect(m.run(["jk_update", "--check", "-j", J]).status).toBe(0);
    m.run(["umount", `${J}/usr`]);
    m.remove(J);
    expect(unneeded()).toBe(`jailkit forget '${J}'`);
    type(unneeded());
    expect(listed()).toBeUndefined();
  });
}

test("a jail in which users live: they are taken out first, or it is created for them", () => {
  m.must(["jk_init", "-j", J, "basicshell"]);
  m.addUser("lost", { home: "/home/lost", createHome: true });
  m.must(["jk_jailuser", "-m", "-j", J, "-s", "/bin/bash", "lost"]);
  m.remove(J);
  type(listed()?.remedy);
  expect(listed()?.state).toBe("ready");
  m.remove(J);
  type(unneeded());
  expect(listed()).toBeUndefined();
  expect(m.read("/etc/passwd")).toContain(":/home/lost:");
});

test("jails that were moved: of the first four the list looks for the new path", () => {
  const names = ["m1", "m2", "m3", "m4", "m5"];
  for (const name of names) {
    m.must(["jk_init", "-j", `/srv/${name}`, "uidbasics"]);
    m.rename(`/srv/${name}`, `/srv/is-${name}`);
  }
  const commands = () => [...list().stderr.matchAll(/jailkit adopt --moved .*$/gm)].map(([one]) => one);
  const follows = (name: string) => `jailkit adopt --moved /srv/${name} /srv/is-${name}`;
  expect(commands()).toEqual([...names.slice(0, 4).map(follows), "jailkit adopt --moved /srv/m5 NEW"]);
  for (const command of commands().slice(0, 4)) type(command);
  expect(commands()).toEqual([follows("m5")]);
  type(commands()[0]);
  for (const name of names) m.must(["jailkit", "delete", "--yes", `/srv/is-${name}`]);
});

test("a jail without a record: no command is complete, so none is the remedy", () => {
  m.addUser("stray", { home: `${J}/./home/stray`, shell: "/usr/sbin/jk_chrootsh" });
  m.write("/etc/jailkit/jk_check.ini", `[${J}]\n`);
  expect(listed()).toMatchObject({ state: "missing", remedy: null });
  const { stderr } = list();
  expect(stderr).toContain(`; to create it again: jk_init -j '${J}' SECTION; if it is not needed: `);
  expect(stderr).toContain("; and remove its section from /etc/jailkit/jk_check.ini\n");
  type(unneeded());
  expect(list().stderr).toBe(
    `jailkit list: ${J} is missing; to create it again: jk_init -j '${J}' SECTION; if it is not needed: remove its section from /etc/jailkit/jk_check.ini\n`,
  );
  m.write("/etc/jailkit/jk_check.ini", "");
  expect(listed()).toBeUndefined();
  expect(list(J).stderr).toBe(`jailkit list: ${J} does not exist, and is not a known jail\n`);
});

test.each([
  ["missing", "/srv/a disk", "/srv/a disk/j"],
  ["unmounted", "/srv/a disk", "/srv/a disk"],
])(
  "a jail is %s because its file system is not mounted: each tool says so, and the command mounts it",
  (state, disk, jail) => {
    const before = m.read("/etc/fstab");
    // In the place of a file system of its own: these machines have no disks.
    for (const path of ["/root/disk", disk]) m.mkdir(path);
    m.write("/etc/fstab", `${before}/root/disk ${disk.replace(" ", "\\040")} none bind,nofail 0 0\n`);
    const here = () =>
      reportOf(listReportSchema, list("--json").stdout).jails.find(({ path }) => path === jail);
    const umount = ["umount", disk];
    try {
      m.must(["mount", disk]);
      m.must(["jk_init", "-j", jail, "uidbasics"]);
      m.addUser("away", { home: `${jail}/./home/away`, shell: "/usr/sbin/jk_chrootsh" });
      m.must(["jk_jailuser", "--jail-side-only", "-j", jail, "away"]);
      m.must(umount);
      const reason = `its file system, which /etc/fstab names, is not mounted; fix it with: mount '${disk}'`;
      expect(here()).toMatchObject({
        state,
        remedy: `mount '${disk}'`,
        reason: expect.stringContaining(reason),
      });
      for (const command of [
        ["jk_check"],
        ["jk_check", jail],
        ["jk_update", "--all"],
        ...(state === "missing"
          ? [
              ["jailkit", "adopt", "--moved", jail],
              ["jailkit", "disk", jail],
            ]
          : []),
      ]) {
        const { stdout, stderr } = m.run(command);
        const said = stdout + stderr;
        expect({ command, said }).toMatchObject({ said: expect.stringContaining(reason) });
        expect({ command, said }).toMatchObject({ said: expect.not.stringMatching(/forget|adopt --moved/) });
      }
      expect(m.run(["jk_update", "-j", jail])).toMatchObject({
        status: state === "missing" ? 0 : 1,
        stderr: expect.stringContaining(reason),
      });
      expect(m.run(["jailkit", "delete", "--yes", "--unjail", jail])).toMatchObject({
        status: 1,
        stderr: expect.stringContaining(reason),
      });
      expect(m.list(disk)).toEqual([]);
      type(here()?.remedy);
      expect(here()?.state).toBe("ready");
    } finally {
      m.write("/etc/fstab", before);
      m.run(["userdel", "away"]);
      m.run(["jailkit", "forget", jail]);
      m.run(umount);
      for (const path of ["/root/disk", disk]) m.remove(path);
    }
  },
);

test("a jail that has no record: the printed command creates it", () => {
  m.must(["jk_init", "-j", J, "basicshell"]);
  m.addUser("kept", { home: `${J}/./home/kept`, shell: "/usr/sbin/jk_chrootsh" });
  m.must(["jk_jailuser", "--jail-side-only", "-j", J, "kept"]);
  m.remove("/var/lib/jailkit/jails");
  const [, command] = /; to create one: (.*)$/m.exec(list().stderr) ?? [];
  type(command);
  expect(listed()?.state).toBe("ready");
  m.must(["userdel", "kept"]);
});

test("a record that knows no files, only accounts: a new directory with the inode of the jail is not that jail", () => {
  const [old, other] = ["/srv/by-hand", "/srv/new"];
  m.must(["jk_init", "-j", "/srv/t", "basicshell"]);
  m.must(["cp", "-a", "/srv/t", old]);
  m.addUser("kept", { home: "/home/kept", createHome: true, shell: "/bin/bash" });
  m.must(["jk_jailuser", "-m", "-j", old, "-s", "/bin/bash", "kept"]);
  const name = m.list("/var/lib/jailkit/jails").find((id) => record(id).includes(`"path":"${old}"`)) ?? "";
  try {
    // It is found where somebody moved it.
    m.rename(old, other);
    const refused = m.run(["jailkit", "delete", "--yes", old]);
    expect(refused.stderr).toContain(`jailkit adopt --moved ${old} ${other}`);
    m.must(["userdel", "kept"]);
    m.remove(other);
    m.mkdir(other);
    // Most file systems give the inode away again; the one of this test does not.
    const ino = m.must(["stat", "-c", "%i", other]).stdout.trim();
    m.write(
      `/var/lib/jailkit/jails/${name}/manifest.json`,
      record(name).replace(/"ino":"\d+"/, `"ino":"${ino}"`),
    );
    m.write("/etc/jailkit/jails.d/x.ini", `[jail ${other}]\nsections = basicshell\n`);
    expect(m.run(["jailkit", "apply", "--check"])).toMatchObject({ status: 10, stderr: "" });
    expect(m.run(["jailkit", "delete", "--yes", old])).toMatchObject({ status: 0, stderr: "" });
    m.must(["jailkit", "apply"]);
    expect(list().stdout).not.toContain(old);
  } finally {
    for (const path of [old, other, "/srv/t", "/etc/jailkit/jails.d/x.ini", "/home/kept"]) m.remove(path);
    m.run(["userdel", "kept"]);
    for (const path of [old, other, "/srv/t"]) m.run(["jailkit", "forget", path]);
  }
});

const record = (id: string) => m.read(`/var/lib/jailkit/jails/${id}/manifest.json`);
