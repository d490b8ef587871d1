/**
 * Live jails under attack: jailkit delete and jk_init --live are killed at each call that changes something, the mount is
 * busy, covered, replaced, in a peer group or writable. The host's /usr is whole afterwards, and no mount of it can ever be
 * written.
 */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(300_000);

const jail = "/srv/live";
let m: Machine;

const CREATE = ["jk_init", "--live=/usr,/opt/tool", "-c", "/etc/small.ini", "-j", jail];
const DELETE = ["jailkit", "delete", "--yes", jail];

/** What changed in the host's /usr and /opt since the first call: each file with the time of its last change. */
const changes = () =>
  m.must([
    "sh",
    "-c",
    "find /usr /opt -xdev -printf '%p %m %U %G %s %C@\\n' | sort > /tmp/now\n" +
      "[ -e /tmp/before ] || mv /tmp/now /tmp/before\n[ ! -e /tmp/now ] || diff /tmp/before /tmp/now || :",
  ]).stdout;

/** The options of the mounts in the jail, by their paths there; the last one counts. */
const mounts = () =>
  Object.fromEntries(
    m
      .must(["cat", "/proc/self/mountinfo"])
      .stdout.split("\n")
      .map((line) => line.split(" "))
      .filter((fields) => fields[4]?.startsWith(`${jail}/`))
      .map((fields) => [fields[4]?.slice(jail.length), `${fields[5]} ${fields[6]}`]),
  );
const LIMITED = expect.stringMatching(/^ro,nosuid,nodev,/);

/** Each time that a command makes one of these system calls. */
function pointsOf(command: readonly string[], calls: readonly string[]) {
  m.must(["strace", "-f", "-o", "/root/trace", "-e", `trace=${calls.join(",")}`, ...command]);
  const made = m
    .read("/root/trace")
    .split("\n")
    .map((line) => /^\d+ +(\w+)(?=\()/.exec(line)?.[1] ?? "");
  return calls.flatMap((call) => {
    const times = made.filter((name) => name === call).length;
    return Array.from({ length: times }, (_, index) => ({ call, nth: index + 1 }));
  });
}
const killed = (command: readonly string[], { call, nth }: { call: string; nth: number }) =>
  m.run(["strace", "-o", "/root/trace", "-e", `inject=${call}:signal=KILL:when=${nth}`, ...command]).signal;

beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_cp", "jk_update", "jk_check", "jailkit"] });
  m.write("/etc/small.ini", "[livebasics]\npaths = /etc/hosts, /etc/passwd, cat\nemptydirs = /tmp, /home\n");
  m.write("/opt/tool/bin/run", "the host's", { mode: 0o755 });
  changes();
});
afterAll(async () => m.close());
afterEach(() => {
  m.run(["umount", "--recursive", "--lazy", jail]);
  m.run(["chattr", "-i", jail]);
  m.run(DELETE);
  m.remove(jail);
  expect(changes()).toBe("");
});

const FILES = ["renameat2", "unlinkat", "mkdirat", "symlinkat", "linkat", "write"];
const MOUNTS = ["open_tree", "mount_setattr", "move_mount", "umount2"];

test("jk_init --live, killed at each of its calls, leaves no mount that can be written, and a second run completes it", () => {
  const points = pointsOf(CREATE, [...MOUNTS, ...FILES]);
  m.must(DELETE);
  let count = 0;
  for (const point of points) {
    if (killed(CREATE, point) === "SIGKILL") count++;
    for (const options of Object.values(mounts())) expect([point, options]).toEqual([point, LIMITED]);
    m.must(CREATE);
    expect([point, mounts()]).toEqual([point, { "/usr": LIMITED, "/opt/tool": LIMITED }]);
    expect(m.read("/etc/fstab").split(`${jail}/`).length - 1).toBe(2);
    m.must(DELETE);
  }
  expect(count).toBeGreaterThan(20);
});

test("jailkit delete, killed at each of its calls, removes nothing of the host, and a second run completes it", () => {
  m.must(CREATE);
  const points = pointsOf(DELETE, [...MOUNTS, ...FILES]);
  let count = 0;
  for (const point of points) {
    m.must(CREATE);
    if (killed(DELETE, point) === "SIGKILL") count++;
    m.run(DELETE);
    expect([point, m.exists(jail), m.read("/etc/fstab").includes(jail)]).toEqual([point, false, false]);
  }
  expect(count).toBeGreaterThan(20);
});

describe("a mount that is not as it was made", () => {
  test("is busy: delete stops before it removes anything", async () => {
    m.must(CREATE);
    const before = m.list(jail);
    const holder = m.start(["sh", "-c", "echo ready; read x"], { cwd: `${jail}/usr/share` });
    await holder.until(({ stdout }) => stdout.includes("ready\n") || undefined);
    expect(m.run(DELETE)).toMatchObject({ status: 1 });
    expect(m.list(jail)).toEqual(before);
    expect(mounts()).toMatchObject({ "/usr": LIMITED });
    holder.end();
    await holder.ended;
    m.must(DELETE);
  });

  test("can be written: jk_check reports it, no tool writes, and jailkit mount or jk_init --live restricts it", () => {
    m.must(CREATE);
    m.must(["mount", "-o", "remount,bind,rw", `${jail}/usr`]);
    expect(m.run(["jk_check", jail]).stdout).toContain(`mount -o remount,bind,ro,nosuid,nodev ${jail}/usr`);
    for (const words of [
      ["jk_cp", "-f", "-j", jail, "/usr/bin/id"],
      ["jk_init", "-f", "-c", "/etc/small.ini", "-j", jail, "livebasics"],
      ["jk_update", "-j", jail],
      ["jk_check", "--fix", jail],
    ])
      m.run(words);
    expect(changes()).toBe("");
    expect(m.run(["jk_check", jail]).stdout).toContain("and is not read-only");
    for (const restrict of [["jailkit", "mount", jail], CREATE]) {
      m.must(["mount", "-o", "remount,bind,rw,suid,dev", `${jail}/usr`]);
      m.must(restrict);
      expect(mounts()["/usr"]).toMatch(/^ro,nosuid,nodev,\S* -$/);
      expect(m.must(["jk_check", jail]).stdout).toBe("");
    }
    m.must(["mount", "-o", "remount,bind,rw", `${jail}/usr`]);
    m.must(["mount", "-o", "remount,bind,ro,nosuid,nodev", `${jail}/usr`]);
    expect(m.must(["jk_check", jail]).stdout).toBe("");
    expect(changes()).toBe("");
  });

  test("is in a peer group: jk_check reports it, and its remedy works", () => {
    m.must(CREATE);
    m.must(["mount", "--make-shared", `${jail}/usr`]);
    expect(m.run(["jk_check", jail]).stdout).toContain(`mount --make-private ${jail}/usr`);
    m.must(["mount", "--make-private", `${jail}/usr`]);
    expect(m.must(["jk_check", jail]).stdout).toBe("");
  });

  test("is made in a peer group: it is private nevertheless", () => {
    m.mkdir(jail);
    m.must(["mount", "--bind", jail, jail]);
    m.must(["mount", "--make-shared", jail]);
    m.must(CREATE);
    expect(mounts()).toEqual({
      "/usr": expect.stringMatching(/^ro,nosuid,nodev,\S* -$/),
      "/opt/tool": LIMITED,
    });
    m.must(["umount", `${jail}/opt/tool`, `${jail}/usr`]);
    m.must(["umount", jail]);
  });

  test("is covered, moved or replaced by a symbolic link: nothing else is unmounted, mounted or removed", () => {
    m.must(CREATE);
    m.must(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", `${jail}/usr`]);
    expect(m.run(["jailkit", "unmount", jail]).stderr).toContain("something else is mounted there");
    expect(m.run(["jailkit", "mount", jail]).stderr).toContain("something else is mounted there");
    m.must(["umount", `${jail}/usr`]);
    m.mkdir(`${jail}/home/moved`);
    m.must(["mount", "--make-private", "/"]);
    m.must(["jailkit", "mount", jail]);
    m.must(["mount", "--move", `${jail}/usr`, `${jail}/home/moved`]);
    m.must(["rmdir", `${jail}/usr`]);
    m.symlink("home/moved", `${jail}/usr`);
    expect(m.run(["jailkit", "mount", jail])).toMatchObject({ status: 1 });
    expect(m.run(["jk_check", jail]).stdout).toContain(`${jail}/usr`);
    m.run(["jk_update", "-j", jail]);
    m.run(["jk_cp", "-f", "-j", jail, "/usr/bin/id"]);
    expect(changes()).toBe("");
    m.must(DELETE);
    expect(m.exists(jail)).toBe(false);
  });

  test("is in the way of rm -rf by root: nothing of the host is lost, and the jail can be filled again", () => {
    const restored = () => {
      m.must(CREATE);
      expect(mounts()).toEqual({ "/usr": LIMITED, "/opt/tool": LIMITED });
      expect(m.must(["chroot", jail, "/bin/cat", "/etc/passwd"]).stdout).toContain("root:");
    };
    m.must(CREATE);
    for (const place of [`${jail}/usr`, jail]) {
      expect(m.run(["rm", "-rf", place]).status).toBe(1);
      expect(changes()).toBe("");
      expect(mounts()).toEqual({ "/usr": LIMITED, "/opt/tool": LIMITED });
      restored();
    }
    // Without the mounts, the directories for them and the symbolic links into them are lost.
    m.must(["jailkit", "unmount", jail]);
    m.must(["rm", "-rf", `${jail}/usr`, `${jail}/bin`, `${jail}/lib64`]);
    const report = m.run(["jk_check", jail]).stdout;
    for (const lost of ["usr", "bin", "lib64"]) expect(report).toContain(`${jail}/${lost}: the `);
    expect(m.must(["jailkit", "mount", jail]).stdout).toContain(`mounted ${jail}/usr\n`);
    expect(m.must(["jk_check", jail]).stdout).toBe("");
    expect(m.readlink(`${jail}/bin`)).toBe("usr/bin");
    restored();
  });

  test("would be on a directory that users can exchange: it is refused", () => {
    m.mkdir(`${jail}/opt`, { mode: 0o777 });
    expect(m.run(CREATE).status).not.toBe(0);
    m.chmod(`${jail}/opt`, 0o755);
    m.mkdir(`${jail}/elsewhere`);
    m.symlink("elsewhere", `${jail}/usr`);
    expect(m.run(CREATE)).toMatchObject({ status: 1, stderr: expect.stringContaining("is a symbolic link") });
    expect(mounts()).toEqual({});
  });
});
