import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { updateReportSchema } from "../../src/update/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const JAIL = "/srv/customers/one";
const OTHER = "/srv/customers/two";
const REGISTRY = "/var/lib/jailkit/jails";

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.mkdir("/srv/customers");
  for (const jail of [JAIL, OTHER]) m.must(["jk_init", "-j", jail, "netbasics"]);
  m.must(["jk_cp", "-j", JAIL, "/usr/bin/true"]);
  // Found by the home of its user, even if the record does not name it.
  m.addUser("anna", { home: `${JAIL}/./home/anna`, shell: "/usr/sbin/jk_chrootsh" });
});
afterAll(async () => m.close());

/** The record of a jail. */
function fileOf(jail: string): string {
  const found = m.list(REGISTRY).map((id) => `${REGISTRY}/${id}/manifest.json`);
  const file = found.find((path) => m.exists(path) && m.read(path).includes(`"path":"${jail}"`));
  if (file === undefined) throw new Error(`${jail}: no record`);
  return file;
}

interface Kind {
  name: string;
  damage: (file: string) => void;
  reason: string;
  /** What the machine must not keep. */
  undo?: (file: string) => void;
}

const write = (content: string | Uint8Array) => (file: string) => m.write(file, content, { mode: 0o600 });
const kinds: readonly Kind[] = [
  {
    name: "cut off after its first line",
    damage: (file) => write(`${m.read(file).split("\n")[0]}\n`)(file),
    reason: "is damaged",
  },
  {
    name: "cut off in its first line",
    damage: (file) => write(m.read(file).slice(0, 70))(file),
    reason: "is damaged",
  },
  { name: "empty", damage: write(""), reason: "is empty" },
  {
    name: "of random bytes",
    damage: write(new Uint8Array(5000).map((_, index) => (index * 7919 + (index >> 3)) & 0xff)),
    reason: "is damaged",
  },
  {
    name: "of a newer version",
    damage: (file) => write(m.read(file).replace('"version":1', '"version":2'))(file),
    reason: "has version 2, of a newer jailkit",
  },
  {
    name: "of a user",
    damage: (file) => m.must(["chown", "anna", file]),
    reason: "belongs to uid ",
    undo: (file) => m.run(["chown", "root", file]),
  },
  {
    name: "that others can write",
    damage: (file) => m.chmod(file, 0o666),
    reason: "can be written by users other than root",
  },
  {
    name: "that is a directory",
    damage: (file) => m.must(["sh", "-ec", 'rm "$1"; mkdir "$1"; touch "$1/x"', "sh", file]),
    reason: "is not a regular file",
  },
  {
    name: "that is a link to nothing",
    damage: (file) => m.must(["ln", "-sf", "/mnt/records/one", file]),
    reason: "is a symbolic link to nothing",
  },
  {
    name: "that is too large",
    damage: (file) => m.must(["truncate", "-s", "1G", file]),
    reason: "is too large",
  },
  {
    name: "that the disk does not give back",
    // Reading the memory of a process at address 0 fails with EIO.
    damage: (file) => m.must(["mount", "--bind", "/proc/1/mem", file]),
    reason: "cannot be read (read: Input/output error)",
    undo: (file) => m.run(["umount", file]),
  },
];

describe.each(kinds.map((kind) => [kind.name, kind] as const))("a record %s", (_, kind) => {
  let file: string;
  let saved: string;
  beforeAll(() => {
    file = fileOf(JAIL);
    saved = m.read(file);
    kind.damage(file);
  });
  afterAll(() => {
    if (m.exists(file)) kind.undo?.(file);
    m.must(["rm", "-rf", file]);
    m.write(file, saved, { mode: 0o600 });
    m.must(["sh", "-c", `rm -rf ${REGISTRY}/*/*.damaged*`]);
    m.must(["jailkit", "list"]);
  });

  const says = () => expect.stringContaining(`${file}, the record of ${JAIL}, ${kind.reason}`);
  const remedy = `jailkit adopt --force ${JAIL}`;

  test("is an error of jailkit list, which shows the jail and the others", () => {
    const { status, stdout, stderr } = m.run(["jailkit", "list"]);
    expect([status, stderr]).toEqual([1, says()]);
    expect(stderr).toEndWith(`${remedy}\n`);
    expect(stdout).toMatch(new RegExp(`^${JAIL} +unreadable +anna `, "m"));
    expect(stdout).toMatch(new RegExp(`^${OTHER} +ready `, "m"));
    const json = m.run(["jailkit", "list", "--json"]);
    const report = reportOf(REPORT_SCHEMAS["jailkit list"], json.stdout);
    expect(json.status).toBe(1);
    expect(report.jails).toContainEqual(
      expect.objectContaining({ path: JAIL, state: "unreadable", reason: says() }),
    );
    expect(m.run(["jailkit", "list", OTHER])).toMatchObject({ status: 0, stderr: "" });
    expect(m.run(["jailkit", "list", JAIL])).toMatchObject({ status: 1, stderr: says() });
  });

  test("is an error of jk_update, which updates the others", () => {
    const hosts = `${OTHER}/etc/hosts`;
    m.remove(hosts);
    for (const words of [["--all"], ["-j", JAIL], ["--check", "--all"]]) {
      const { status, stderr } = m.run(["jk_update", ...words]);
      expect([words, status, stderr]).toEqual([words, 1, says()]);
    }
    expect(m.exists(hosts)).toBe(true);
    const json = m.run(["jk_update", "--json", "--all"]);
    const report = reportOf(updateReportSchema, json.stdout);
    expect([json.status, report.jails.find(({ jail }) => jail === JAIL)?.state]).toEqual([1, "failed"]);
    expect(report.problems).toContainEqual(
      expect.objectContaining({ code: "bad-manifest", message: says() }),
    );
  });

  test("is a finding of jk_check", () => {
    const { status, stdout } = m.run(["jk_check"]);
    expect([status, stdout]).toEqual([1, says()]);
    expect(stdout).toContain(`  remedy: ${remedy}\n`);
    expect(stdout.split(file).length).toBe(2);
  });

  test("is a warning of jailkit explain", () => {
    const { stdout } = m.run(["jailkit", "explain", "--json", "anna"]);
    const report = reportOf(REPORT_SCHEMAS["jailkit explain"], stdout) as { steps: { name: string }[] };
    const step = { name: "record", outcome: "warned", message: says(), remedy };
    expect(report.steps.filter(({ name }) => name === "record")).toEqual([expect.objectContaining(step)]);
  });

  test("is a problem of jailkit disk, with the numbers", () => {
    const { status, stdout, stderr } = m.run(["jailkit", "disk"]);
    expect([status, stderr]).toEqual([1, says()]);
    expect(stderr.split(file).length).toBe(2);
    expect(stdout).toContain(JAIL);
  });

  test("is an error of jailkit mount --all, which cannot know whether the jail is live", () => {
    for (const command of ["mount", "unmount"]) {
      const { status, stderr } = m.run(["jailkit", command, "--all"]);
      expect([command, status, stderr]).toEqual([command, 1, says()]);
      expect(stderr.split(file).length).toBe(2);
    }
  });

  test("is not replaced unasked", () => {
    const before = m.must(["ls", "-lR", "--time-style=full-iso", REGISTRY]).stdout;
    const jail = m.snapshot(JAIL);
    for (const words of [
      ["jk_init", "-f", "-j", JAIL, "netbasics"],
      ["jk_cp", "-f", "-j", JAIL, "/usr/bin/false"],
      ["jk_cp", "--remove", "-j", JAIL, "/usr/bin/true"],
      ["jk_update", "-j", JAIL],
      ["jailkit", "adopt", JAIL],
      ["jk_jailuser", "-n", "-s", "/usr/bin/true", "-j", JAIL, "anna"],
    ]) {
      const { status, stderr } = m.run(words);
      expect([words, status, stderr]).toEqual([words, 1, says()]);
      expect(stderr).toContain(remedy);
    }
    const json = m.run(["jk_init", "--json", "-j", JAIL, "netbasics"]);
    expect(reportOf(REPORT_SCHEMAS.jk_init, json.stdout)).toMatchObject({
      exitStatus: 1,
      actions: [],
      problems: [{ code: "bad-manifest", path: file }],
    });
    expect(m.must(["ls", "-lR", "--time-style=full-iso", REGISTRY]).stdout).toBe(before);
    expect(m.snapshot(JAIL)).toEqual(jail);
  });

  test("is mended by jailkit adopt --force, which keeps it", () => {
    if (kind.name === "that the disk does not give back") kind.undo?.(file);
    if (kind.name === "that the disk does not give back") kinds[2]?.damage(file);
    const before = m.stat(file)?.ino;
    const dry = m.must(["jailkit", "adopt", "--force", "--dry-run", JAIL]).stdout;
    expect(dry).toContain(`: it would be kept as ${file}.damaged\n`);
    expect(m.stat(file)?.ino).toBe(before);
    const { stdout } = m.must(["jailkit", "adopt", "--force", JAIL]);
    expect(stdout).toContain(`: it is kept as ${file}.damaged\n`);
    expect(m.stat(`${file}.damaged`)?.ino).toBe(before);
    expect(m.run(["jailkit", "list"])).toMatchObject({ status: 0, stderr: "" });
    expect(m.run(["jk_update", "--check", "--all"])).toMatchObject({ status: 0, stderr: "" });
    m.write(file, saved, { mode: 0o600 });
  });
});

describe("a damaged record of a jail that nothing names", () => {
  const jail = "/srv/customers/lost";
  let file: string;
  beforeAll(() => {
    m.must(["jk_init", "-j", jail, "netbasics"]);
    file = fileOf(jail);
    m.write(file, "", { mode: 0o600 });
  });

  const says = () => expect.stringContaining(`${file}, the record of an unknown jail, is empty; `);

  test("is an error without hiding the others", () => {
    const list = m.run(["jailkit", "list"]);
    expect(list).toMatchObject({ status: 1, stderr: says() });
    expect(list.stdout).toMatch(new RegExp(`^${OTHER} +ready `, "m"));
    const json = reportOf(REPORT_SCHEMAS["jailkit list"], m.run(["jailkit", "list", "--json"]).stdout);
    expect(json.damagedRecords).toEqual([{ file, jail: null, reason: "is empty" }]);
    expect(m.run(["jk_update", "--all"])).toMatchObject({ status: 1, stderr: says() });
    expect(m.run(["jk_check"])).toMatchObject({ status: 2, stderr: says() });
    expect(m.run(["jailkit", "disk"])).toMatchObject({ status: 1, stderr: says() });
    expect(m.run(["jailkit", "list", OTHER]).status).toBe(0);
  });

  test("is named if a configuration file names the jail", () => {
    m.write("/etc/jailkit/jk_update.ini", `[${jail}]\n`);
    const named = expect.stringContaining(`${file}, the record of ${jail}, is empty; `);
    expect(m.run(["jk_update", "--all"])).toMatchObject({ status: 1, stderr: named });
    expect(m.run(["jailkit", "list"])).toMatchObject({ status: 1, stderr: named });
    m.remove("/etc/jailkit/jk_update.ini");
  });

  test("is removed with the jail", () => {
    m.must(["jk_init", "-j", "/srv/customers/new", "netbasics"]);
    m.must(["sh", "-c", `cut -c1-70 ${fileOf("/srv/customers/new")} | head -1 > /root/head`]);
    const damaged = fileOf("/srv/customers/new");
    m.must(["cp", "/root/head", damaged]);
    m.must(["jailkit", "delete", "--yes", "/srv/customers/new"]);
    expect(m.exists(damaged)).toBe(false);
    m.must(["rm", "-rf", file]);
    expect(m.run(["jailkit", "list"])).toMatchObject({ status: 0, stderr: "" });
  });
});

test("the path of a jail may be any bytes", () => {
  const jail = "/srv/customers/caf\xc3\xa9 \x1b[31m'$(id)";
  m.must(["jk_init", "-j", jail, "netbasics"]);
  const files = m.list(REGISTRY).map((id) => `${REGISTRY}/${id}/manifest.json`);
  const file = files.find((path) => m.exists(path) && m.read(path).includes("/caf")) ?? "";
  m.write(file, m.read(file).slice(0, 200), { mode: 0o600 });
  const { status, stderr } = m.run(["jailkit", "list"]);
  expect(status).toBe(1);
  expect(stderr).not.toContain("\x1b");
  const remedy = /create a new record: (.*)\n$/.exec(stderr)?.[1] ?? "";
  m.must(["bash", "-c", remedy]);
  expect(m.run(["jailkit", "list"])).toMatchObject({ status: 0, stderr: "" });
  m.must(["jailkit", "delete", "--yes", jail]);
});

test("a file in place of the directory of a record", () => {
  const directory = fileOf(OTHER).slice(0, -"/manifest.json".length);
  m.must(["mv", directory, "/root/saved"]);
  m.write(directory, "", { mode: 0o600 });
  const says = expect.stringContaining(`${directory}, the record of an unknown jail, is not a directory; `);
  expect(m.run(["jailkit", "list"])).toMatchObject({ status: 1, stderr: says });
  const named = expect.stringContaining(`${directory}, the record of ${OTHER}, is not a directory; `);
  expect(m.run(["jk_init", "-j", OTHER, "netbasics"])).toMatchObject({ status: 1, stderr: named });
  m.must(["jailkit", "adopt", "--force", OTHER]);
  expect(m.run(["jailkit", "list"])).toMatchObject({ status: 0, stderr: "" });
});

test("a jail that was removed, with its record damaged, can be created again", () => {
  const file = fileOf(JAIL);
  m.write(file, "", { mode: 0o600 });
  m.must(["rm", "-rf", JAIL]);
  expect(m.run(["jk_init", "-j", JAIL, "netbasics"]).status).toBe(1);
  m.must(["jailkit", "adopt", "--force", JAIL]);
  m.must(["jk_init", "-j", JAIL, "netbasics"]);
  expect(m.run(["jailkit", "list"])).toMatchObject({ status: 0, stderr: "" });
});
