/**
 * A jail that was copied in one of the ways that people use, and what its copy lacks or has too much. The remedies of
 * jk_check are typed as printed, the first of each list, until none is left: each heals, and the login works.
 */
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  setDefaultTimeout,
  test,
} from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";
import { check } from "./check-helper.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(300_000);

const OLD = "/srv/old";
const JAIL = "/srv/jails/copy";
const KEPT = ["/etc", "/var/lib/jailkit"];
const SECTIONS = ["uidbasics", "basicshell", "processes"];
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.remove("/var/lib/jailkit");
  m.addUser("anna", { uid: 5001, createHome: true, home: "/home/anna" });
  m.must(["jk_init", "-j", OLD, ...SECTIONS]);
  m.must(["jk_cp", "-j", OLD, "/usr/bin/id"]);
  m.must(["jk_jailuser", "-n", "-m", "-j", OLD, "-s", "/bin/bash", "anna"]);
  for (const path of KEPT) m.must(["rsync", "-aHAX", "--mkpath", `${path}/`, `/root/kept${path}/`]);
});
afterAll(async () => m.close());

const login = () =>
  m.run(["/usr/sbin/jk_chrootsh", "-c", "echo $UID"], { user: "anna", env: { USER: "anna" } });

/** What a shell does with the old jail, so that a copy is in the new place and the old one is not. */
const WAYS: Readonly<Record<string, string>> = {
  mv: `umount ${OLD}/proc; cp -a ${OLD} /root/away; mv ${OLD} ${JAIL}`,
  "rsync -a, with proc mounted": `rsync -a ${OLD}/ ${JAIL}/; umount ${OLD}/proc; mv ${OLD} /root/away`,
  "tar, without owners, with a umask": `umount ${OLD}/proc; mkdir ${JAIL}; umask 077; tar -C ${OLD} -cf - . | tar -C ${JAIL} -xf - --no-same-owner --no-same-permissions; mv ${OLD} /root/away`,
  "tar, without devices": `umount ${OLD}/proc; mkdir ${JAIL}; tar -C ${OLD} -cf - --exclude='./dev/*' . | tar -C ${JAIL} -xmf -; mv ${OLD} /root/away`,
  "cp -r": `umount ${OLD}/proc; cp -r ${OLD} ${JAIL}; mv ${OLD} /root/away`,
  "cp -r, with a umask": `umount ${OLD}/proc; umask 077; cp -r ${OLD} ${JAIL}; mv ${OLD} /root/away`,
  "cp -rL": `umount ${OLD}/proc; cp -rL ${OLD} ${JAIL}; mv ${OLD} /root/away`,
  "rsync -r": `umount ${OLD}/proc; rsync -r ${OLD}/ ${JAIL}/; mv ${OLD} /root/away`,
  "cp -a, and chown -R": `umount ${OLD}/proc; cp -a ${OLD} ${JAIL}; chown -R 5001 ${JAIL}; mv ${OLD} /root/away`,
};

const MOST_ROUNDS = 200;

/** What a finding hides until it is fixed, by rule. */
const CONSEQUENCES: Readonly<Record<string, readonly string[]>> = {
  "changed-mode": ["unreadable-accounts"],
  "closed-directory": ["closed-directory", "unreadable-accounts"],
  // jk_cp starts a record, and jailkit adopt completes it.
  "different-type": ["unrecorded"],
  "missing-interpreter": ["unrecorded"],
  "shell-missing": ["unrecorded"],
  unrecorded: ["changed-mode"],
  "unsafe-jail": ["unsafe-jail"],
};

const keys = (found: readonly { rule: string; path: string }[]) =>
  found.map(({ rule, path }) => `${rule} ${path}`);

/** Types the remedies, the first of what is left, until nothing is left. Returns what was typed. */
function typeAll(): string[] {
  const typed: string[] = [];
  const gone = new Set<string>();
  for (let { found, jails } = check(m, JAIL); ; ) {
    expect(jails.flatMap(({ problems }) => problems)).toEqual([]);
    const [next] = found;
    if (next === undefined) return typed;
    const key = `${next.rule} ${next.path}`;
    const before = keys(found);
    typed.push(`${key}: ${next.remedy}`);
    const { status, stderr } = typeRemedy(m, next.remedy ?? "false");
    ({ found, jails } = check(m, JAIL));
    const after = keys(found);
    gone.add(key);
    expect({ typed, stderr, back: after.filter((one) => gone.has(one)) }).toEqual({
      typed,
      stderr,
      back: [],
    });
    const appeared = after.filter((one) => !before.includes(one));
    const consequences = CONSEQUENCES[next.rule] ?? [];
    const others = appeared.filter((one) => !consequences.some((rule) => one.startsWith(`${rule} `)));
    expect({ typed, others }).toEqual({ typed, others: [] });
    // --fix leaves what it cannot repair, and says so.
    const left = /^jk_check --fix/.test(next.remedy ?? "") && after.length > 0 ? 1 : 0;
    expect({ typed, stderr, status }).toEqual({ typed, stderr, status: left });
    expect(typed.length).toBeLessThan(MOST_ROUNDS);
  }
}

beforeEach(() => {
  m.mkdir("/srv/jails");
  m.run(["sh", "-c", `mountpoint -q ${OLD}/proc || mount -t proc -o ro proc ${OLD}/proc`]);
});
afterEach(() => {
  m.run(["sh", "-c", `umount ${JAIL}/proc; rm -rf ${JAIL} /root/out-of-jail-*; mv /root/away ${OLD}`]);
  for (const path of KEPT)
    m.must(["rsync", "-aHAX", "--checksum", "--delete", `/root/kept${path}/`, `${path}/`]);
});

describe.each(Object.keys(WAYS))("a jail copied by %s", (way) => {
  test("with its record, each remedy works, and so do the login and jk_update", () => {
    m.run(["sh", "-c", WAYS[way] ?? "false"]);
    m.must(["jailkit", "adopt", "--moved", OLD, JAIL]);
    const typed = typeAll();
    expect({ typed, login: login().stdout }).toEqual({ typed, login: "5001\n" });
    const { status, stderr } = m.run(["jk_update", "-j", JAIL]);
    expect({ typed, status, stderr }).toMatchObject({ status: 0 });
    expect(keys(check(m, JAIL).found)).toEqual([]);
    expect(login().stdout).toBe("5001\n");
  });

  test("without a record, each remedy works, and so does the login", () => {
    m.run(["sh", "-c", WAYS[way] ?? "false"]);
    m.must(["sed", "-i", `s#${OLD}/#${JAIL}/#`, "/etc/passwd"]);
    m.remove("/var/lib/jailkit/jails");
    const typed = typeAll();
    expect({ typed, login: login().stdout }).toEqual({ typed, login: "5001\n" });
  });

  test("adopted without a record, each remedy works, and so do the login and jk_update", () => {
    m.run(["sh", "-c", WAYS[way] ?? "false"]);
    m.must(["sed", "-i", `s#${OLD}/#${JAIL}/#`, "/etc/passwd"]);
    m.remove("/var/lib/jailkit/jails");
    // It refuses a jail that others own.
    if (m.run(["jailkit", "adopt", JAIL]).status !== 0) {
      typeAll();
      m.must(["jailkit", "adopt", "--force", JAIL]);
    }
    const typed = typeAll();
    expect({ typed, login: login().stdout }).toEqual({ typed, login: "5001\n" });
    expect(m.run(["jk_update", "-j", JAIL])).toMatchObject({ status: 0, stderr: "" });
    expect(keys(check(m, JAIL).found)).toEqual([]);
  });
});

describe("proc that was copied as files", () => {
  const copy = () => m.run(["sh", "-c", WAYS["rsync -a, with proc mounted"] ?? "false"]);
  const found = () => check(m, JAIL).found.map(({ rule, path }) => `${rule} ${path}`);

  test("is one finding, also for jailkit adopt, which records nothing of it", () => {
    copy();
    expect(m.list(`${JAIL}/proc`)).toContain("cpuinfo");
    m.must(["sed", "-i", `s#${OLD}/#${JAIL}/#`, "/etc/passwd"]);
    m.remove("/var/lib/jailkit/jails");
    expect(found()).toEqual([`kernel-files ${JAIL}/proc`]);
    const { stdout } = m.must(["jailkit", "adopt", JAIL]);
    expect(stdout).not.toContain("/proc/");
    expect(found()).toEqual([`kernel-files ${JAIL}/proc`]);
    expect(m.run(["jk_update", "--check", "-j", JAIL]).stderr).toBe("");
  });

  test("is not seen while proc is mounted over it", () => {
    copy();
    m.must(["jailkit", "adopt", "--moved", OLD, JAIL]);
    m.must(["jk_update", "-j", JAIL]);
    expect(m.run(["mountpoint", `${JAIL}/proc`]).status).toBe(0);
    expect(found()).toEqual([]);
    m.must(["umount", `${JAIL}/proc`]);
    typeAll();
    expect(m.list(`${JAIL}/proc`)).toEqual([]);
    expect(m.list("/root/out-of-jail-proc")).toContain("cpuinfo");
  });

  test("what was copied on purpose is no finding, and comes back when the rest is moved away", () => {
    m.run(["sh", "-c", WAYS.mv ?? "false"]);
    m.must(["jailkit", "adopt", "--moved", OLD, JAIL]);
    // What the next boot would hide is not copied there.
    m.must(["sed", "-i", `s,^[^#].* ${JAIL}/proc ,#&,`, "/etc/fstab"]);
    m.must(["jk_cp", "-j", JAIL, "/proc/cpuinfo", "/proc/self"]);
    expect(found()).toEqual([]);
    m.write(`${JAIL}/proc/version`, "Linux");
    expect(found()).toEqual([`kernel-files ${JAIL}/proc`]);
    typeAll();
    // jk_update has mounted proc too, which the jail has asked for.
    m.must(["umount", `${JAIL}/proc`]);
    expect(m.list(`${JAIL}/proc`)).toEqual(["cpuinfo", "self"]);
    m.write(`${JAIL}/proc/version`, "Linux");
    m.write("/etc/jailkit/jk_check.ini", `[${JAIL}]\nignorepathoncompare = ${JAIL}/proc/version\n`);
    expect(found()).toEqual([]);
  });
});

test("two files of one name are moved out of a jail, typed from one report", () => {
  m.run(["sh", "-c", WAYS.mv ?? "false"]);
  m.must(["jailkit", "adopt", "--moved", OLD, JAIL]);
  m.must(["mkfifo", `${JAIL}/etc/queue`, `${JAIL}/usr/bin/queue`]);
  const { found } = check(m, JAIL);
  expect(keys(found)).toEqual([`fifo ${JAIL}/etc/queue`, `fifo ${JAIL}/usr/bin/queue`]);
  for (const { remedy } of found) expect(typeRemedy(m, remedy ?? "false").status).toBe(0);
  expect(check(m, JAIL).found).toEqual([]);
  expect(m.list("/root").filter((name) => name.startsWith("out-of-jail"))).toEqual([
    "out-of-jail-queue",
    "out-of-jail-queue-2",
  ]);
});

test("nothing is said to be removed from a jail on a read-only file system", () => {
  m.must(["sh", "-ec", "mkdir -p /srv/ro; mount -t tmpfs -o mode=0755 tmpfs /srv/ro"]);
  onTestFinished(() => void m.run(["umount", "-R", "/srv/ro"]));
  m.must(["jk_init", "-j", "/srv/ro/jail", "uidbasics", "basicshell", "processes"]);
  m.must(["jk_cp", "-j", "/srv/ro/jail", "/usr/bin/tac"]);
  m.must([
    "sh",
    "-ec",
    "mkdir -p /opt/data; cd /opt/data; echo 1 > 1; jk_cp -j /srv/ro/jail /opt/data; rm 1",
  ]);
  m.must(["mount", "-o", "remount,ro", "/srv/ro"]);
  const commands = [
    ["jk_cp", "--remove", "-j", "/srv/ro/jail", "/usr/bin/tac"],
    ["jk_init", "--remove", "-j", "/srv/ro/jail", "basicshell"],
    ["jk_init", "--remove", "-j", "/srv/ro/jail", "processes"],
    ["jk_init", "-f", "-j", "/srv/ro/jail", "basicshell"],
    ["jk_cp", "-j", "/srv/ro/jail", "/usr/bin/tee"],
    ["jk_update", "-j", "/srv/ro/jail"],
    ["jailkit", "delete", "--yes", "/srv/ro/jail"],
  ];
  for (const command of commands) {
    const { status, stdout, stderr } = m.run(command);
    expect({ command, failed: status !== 0, stderr }).toEqual({
      command,
      failed: true,
      stderr: expect.stringContaining("read-only"),
    });
    expect({ command, stdout }).toEqual({ command, stdout: "" });
    if (command[0] === "jailkit") continue;
    expect(m.run(["mountpoint", "-q", "/srv/ro/jail/proc"]).status).toBe(0);
    expect(m.read("/etc/fstab")).toContain("/srv/ro/jail/proc");
  }
});

test("jk_init -f records a device that it puts in the place of another", () => {
  m.must(["sh", "-ec", "mkdir -p -m 0755 /srv/devices/dev; mknod -m 0666 /srv/devices/dev/null c 1 5"]);
  onTestFinished(() => m.remove("/srv/devices"));
  m.must(["jk_init", "-f", "-j", "/srv/devices", "basicshell"]);
  const { rdevMajor, rdevMinor } = m.stat("/srv/devices/dev/null") ?? {};
  expect([rdevMajor, rdevMinor]).toEqual([1, 3]);
  m.must(["sh", "-ec", "cd /srv/devices/dev; rm null; mknod -m 0666 null c 1 5"]);
  const { found } = check(m, "/srv/devices");
  // Only the record knows what it was.
  expect(found.map(({ message }) => message)).toEqual([
    "/srv/devices/dev/null is character device 1:5, but was created as character device 1:3",
  ]);
});

test("a jail on a file system that is mounted noexec: the remedy lets its users in", () => {
  m.must(["sh", "-ec", "mkdir -p /srv/noexec; mount -t tmpfs -o mode=0755,noexec,nosuid tmpfs /srv/noexec"]);
  onTestFinished(() => void m.run(["umount", "-R", "/srv/noexec"]));
  const jail = "/srv/noexec/jail";
  m.must(["jk_init", "-j", jail, "uidbasics", "basicshell"]);
  m.addUser("nora", { uid: 5002, createHome: true, home: "/home/nora" });
  m.must(["jk_jailuser", "-n", "-m", "-j", jail, "-s", "/bin/bash", "nora"]);
  const { found } = check(m, jail);
  expect(found.map(({ rule, path, message }) => `${rule} ${path}: ${message}`)).toEqual([
    `shell-missing ${jail}: user nora can execute nothing: the file system of ${jail} is mounted noexec`,
  ]);
  const remedy = found[0]?.remedy ?? "false";
  const tests = m.run(["jk_check", "--run", jail]);
  expect(tests.status).toBe(2);
  expect(tests.stderr).toContain(
    `no test was run in ${jail}: its file system is mounted noexec: ${remedy}\n`,
  );
  expect(typeRemedy(m, remedy).status).toBe(0);
  expect(m.run(["jk_check", "--run", jail])).toMatchObject({ status: 0, stdout: "", stderr: "" });
  const { stdout } = m.run(["/usr/sbin/jk_chrootsh", "-c", "echo $UID"], {
    user: "nora",
    env: { USER: "nora" },
  });
  expect(stdout).toBe("5002\n");
  expect(m.must(["findmnt", "-no", "OPTIONS", "/srv/noexec"]).stdout).toContain("nosuid");
});
