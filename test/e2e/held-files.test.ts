/** Files that chattr(1) protects, and files of the kernel: one line says why they stay, and its command helps. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";
import { check } from "./check-helper.ts";
import { openManifestFile } from "./manifest-file.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const JAIL = "/srv/held";
const KEPT = ["/etc", "/srv", "/var/lib/jailkit", "/usr/local/bin"];
const TOOL = "/usr/local/bin/tool";
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.remove("/var/lib/jailkit");
  m.write(TOOL, "#!/bin/sh\n", { mode: 0o755 });
  m.must(["jk_init", "-j", JAIL, "uidbasics", "basicshell", "processes"]);
  m.must(["jk_cp", "-j", JAIL, TOOL]);
  m.must(["umount", `${JAIL}/proc`]);
  for (const path of KEPT) m.must(["rsync", "-aHAX", "--mkpath", `${path}/`, `/root/kept${path}/`]);
});
afterAll(async () => m.close());
afterEach(() => {
  m.run(["umount", "-q", `${JAIL}/proc`]);
  for (const path of KEPT)
    m.must(["rsync", "-aHAX", "--checksum", "--delete", `/root/kept${path}/`, `${path}/`]);
});

const PATH = `${JAIL}${TOOL}`;
const BIN = `${JAIL}/usr/local/bin`;
const cases: readonly (readonly [command: string, first: string, flag: string, held: string])[] = [
  [`jk_cp -f -j ${JAIL} ${TOOL}`, "true", "i", PATH],
  [`jk_cp -f -j ${JAIL} ${TOOL}`, "true", "a", PATH],
  [`jk_cp -f -j ${JAIL} ${TOOL}`, "true", "i", BIN],
  [`jk_init -f -j ${JAIL} basicshell`, "true", "i", `${JAIL}/usr/bin`],
  [`jk_update -j ${JAIL}`, `echo >> ${TOOL}`, "i", PATH],
  [`jk_update -j ${JAIL}`, `echo >> ${TOOL}`, "i", BIN],
  [`jk_update -j ${JAIL}`, `echo >> ${TOOL}`, "a", BIN],
  [`jk_check --fix ${JAIL}`, `chmod 700 ${PATH}`, "i", PATH],
  [`jk_check --fix ${JAIL}`, `rm ${PATH}`, "i", BIN],
  [`jk_cp --remove -j ${JAIL} ${TOOL}`, "true", "i", PATH],
  [`jk_init --remove -j ${JAIL} basicshell processes`, "true", "i", `${JAIL}/usr/bin`],
  [`jk_init --remove -j ${JAIL} processes`, "true", "i", "/etc/fstab"],
  [`jailkit delete --yes ${JAIL}`, "true", "i", PATH],
  [`jailkit delete --yes ${JAIL}`, "true", "a", JAIL],
  [`jk_addjailuser -j ${JAIL} -s /bin/bash -p * ben`, "true", "i", `${JAIL}/etc/passwd`],
];

test.each(cases)("%s, after %s, with +%s of %s", (command, first, flag, held) => {
  m.must(["sh", "-ec", first]);
  m.must(["chattr", `+${flag}`, held]);
  const words = command.split(" ");
  const { status, stdout, stderr } = m.run(words);
  const said = `${stdout}\n${stderr}`.split("\n").filter((line) => line.includes("chattr"));
  if (said.length !== 1) m.run(["chattr", `-${flag}`, held]);
  const what = flag === "i" ? "immutable" : "append-only";
  expect({ said, stderr, status }).toEqual({
    said: [expect.stringContaining(`${held} is ${what}; first type chattr -${flag} ${held}`)],
    stderr,
    status: 1,
  });
  typeRemedy(m, /first type (chattr \S+ \S+?)(?:;|$)/.exec(said[0] ?? "")?.[1] ?? "false");
  const again = m.run(words);
  expect({ again: again.stderr, status: again.status }).toEqual({ again: "", status: 0 });
  if (command.startsWith("jailkit delete") || command.includes("--remove")) return;
  expect(check(m, JAIL).found).toEqual([]);
});

test.each(cases.filter(([command]) => / -f /.test(command)))(
  "%s: a dry run, after %s, with +%s of %s, and the run say the same, and change nothing",
  (command, _, flag, held) => {
    const words = command.split(" ");
    const state = () => m.snapshot(JAIL);
    const before = state();
    m.must(["chattr", `+${flag}`, held]);
    const [dry, done] = [m.run([...words, "--dry-run"]), m.run(words)];
    m.must(["chattr", `-${flag}`, held]);
    const told = ({ stderr }: typeof dry) => stderr.split("\n").filter((line) => line.includes("chattr"));
    expect([dry.status, told(dry)]).toEqual([1, told(done)]);
    expect(told(dry)).toHaveLength(1);
    expect(state()).toEqual(before);
  },
);

test("no command names a file in a directory that a user could exchange", () => {
  m.addUser("anna", { uid: 5001, createHome: true, home: "/home/anna" });
  m.must(["jk_jailuser", "-n", "-m", "-j", JAIL, "-s", "/bin/bash", "anna"]);
  const home = `${JAIL}/home/anna`;
  m.must(["sh", "-ec", `mkdir -p ${home}/one; touch ${home}/one/file; chown -R anna: ${home}`]);
  m.must(["chattr", "+i", `${home}/one/file`]);
  const { stderr } = m.run(["jk_jailuser", "-n", "-m", "--unjail", "anna"]);
  m.must(["chattr", "-i", `${home}/one/file`]);
  expect(stderr).toContain(`: ${home}/one/file is immutable; chattr(1) changes that\n`);
});

test("a proc that --remove unmounts is reported", () => {
  m.must(["mount", "-t", "proc", "-o", "ro", "proc", `${JAIL}/proc`]);
  const { stdout } = m.must(["jk_init", "--remove", "-j", JAIL, "processes"]);
  expect(stdout.split("\n").slice(0, 2)).toEqual([
    `unmounted proc from ${JAIL}/proc`,
    `removed the line for ${JAIL}/proc from /etc/fstab`,
  ]);
});

test("files of the kernel that have no size are not copied, nor asked for again", () => {
  const source = "/sys/kernel/mm/transparent_hugepage/enabled";
  const { status, stderr } = m.run(["jk_cp", "--strict", "-j", JAIL, source, "/usr/bin/tac"]);
  expect([status, stderr]).toEqual([
    1,
    `jk_cp: ${JAIL}${source}: the source is a file that the kernel makes up (sysfs): it cannot be copied\n`,
  ]);
  const { requests } = openManifestFile(m, JAIL);
  expect(requests.flatMap(({ operands }) => operands)).toEqual([TOOL, "/usr/bin/tac"]);
  expect(m.run(["jk_update", "-j", JAIL])).toMatchObject({ status: 0, stderr: "" });
  expect(check(m, JAIL).found).toEqual([]);
});

test("a directory with a file of the kernel in it is asked for again", () => {
  m.must(["sh", "-ec", "mkdir -p /opt/app; touch /opt/app/data /opt/app/kernel"]);
  m.must(["mount", "--bind", "/sys/kernel/mm/transparent_hugepage/enabled", "/opt/app/kernel"]);
  expect(m.run(["jk_cp", "--strict", "-j", JAIL, "/opt/app"]).status).toBe(1);
  m.write("/opt/app/new", "");
  const { status, stderr } = m.run(["jk_update", "--strict", "-j", JAIL]);
  m.must(["umount", "/opt/app/kernel"]);
  expect([status, stderr]).toEqual([
    1,
    expect.stringContaining("/opt/app/kernel: the source is a file that"),
  ]);
  expect(m.exists(`${JAIL}/opt/app/new`)).toBe(true);
});
