/** What is mounted in a jail, and not by jailkit, keeps it: on a disk there may be homes of customers, and a tmpfs is nowhere else. */
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
import { did, linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";

setDefaultTimeout(180_000);

const J = "/srv/customer";
const OTHER = "/srv/other";
const FILE = "/etc/jailkit/jails.d/one.ini";
const jail = (path: string) => `[jail ${path}]\nsections = uidbasics, basicshell\n`;
const user = (name: string, where = J) => `[user ${name}]\njail = ${where}\nshell = /bin/bash\n`;
const KEEP = jail(OTHER);
const FORGET = `jailkit forget ${J}`;

let m: Machine;
let fstab = "";
const sh = (text: string) => m.must(["sh", "-ec", text]);
const mounts = () =>
  m
    .must(["cat", "/proc/self/mounts"])
    .stdout.split("\n")
    .flatMap((line) => line.split(" ")[1] ?? [])
    .filter((place) => place.startsWith(`${J}`));
function declare(text: string, ...options: string[]): void {
  m.write(FILE, text);
  m.must(["jailkit", "apply", ...options]);
}
/** What keeps the jail: --check and each run say the same, and nothing is unmounted, removed or forgotten. */
function stays(...options: string[]) {
  const before = [mounts(), m.list(J), m.exists("/data") ? m.must(["find", "/data"]).stdout : ""];
  const all = [["--check"], [], []].map((some) => linesOf(m, "--prune", ...some, ...options));
  for (const { status, summary, changes } of all) {
    expect([status, changes.filter(({ of }) => of === "jail")]).toEqual([1, []]);
    expect(summary.problems).toEqual(all[0]?.summary.problems ?? []);
  }
  expect([mounts(), m.list(J), m.exists("/data") ? m.must(["find", "/data"]).stdout : ""]).toEqual(before);
  expect(all[0]?.summary.problems).toMatchObject([{ path: J, code: "mounts" }]);
  const { message = "", remedy = "" } = all[0]?.summary.problems[0] ?? {};
  return { message, remedy };
}

beforeAll(async () => {
  m = await openApplyMachine();
  fstab = m.read("/etc/fstab");
});
beforeEach(() => {
  m.mkdir("/srv", { mode: 0o755 });
  declare(KEEP + jail(J) + user("bob"));
  m.write(`${J}/home/bob/letter`, "precious");
  sh(`chown bob: ${J}/home/bob/letter`);
});
afterEach(() => {
  m.write("/etc/fstab", fstab);
  for (const place of mounts().reverse()) m.run(["umount", place]);
  for (const name of ["bob", "carl"]) if (uidIn(m, name) !== undefined) m.must(["userdel", name]);
  for (const path of ["/srv", "/var/lib/jailkit", "/data"]) m.remove(path);
});
afterAll(() => m?.close());

/** Mounts the homes from a disk. */
const onDisk = () => sh(`mkdir -p /data/kh; mv ${J}/home/bob /data/kh/; mount --bind /data/kh ${J}/home`);

describe("homes on a disk", () => {
  test("keep it, in one run or in two, also with --delete-homes, and nobody else gets the uid", () => {
    onDisk();
    const uid = uidIn(m, "bob");
    declare(KEEP + jail(J), "--prune");
    m.write(FILE, KEEP);
    for (const options of [[], ["--delete-homes"]]) {
      const { message, remedy } = stays(...options);
      expect(remedy).toBe(FORGET);
      expect(message).toContain(`is mounted at '${J}/home', with files of users, such as '${J}/home/bob`);
      expect(message).toEndWith(`: keep all of it as it is with: ${FORGET}; or unmount it: umount ${J}/home`);
    }
    // A run that removes nothing says so, too.
    expect(m.run(["jailkit", "apply"]).stderr).toContain(`is mounted at '${J}/home', with files of users`);
    declare(KEEP + user("carl", OTHER));
    expect(uidIn(m, "carl")).toBe((uid ?? 0) + 1);
    m.must(FORGET.split(" "));
    expect([m.read(`${J}/home/bob/letter`), linesOf(m, "--prune").status]).toEqual(["precious", 0]);
  });

  test("keep it when the user leaves in the same run", () => {
    onDisk();
    m.write(FILE, KEEP);
    const { changes, summary } = linesOf(m, "--check", "--prune");
    expect(changes.map(({ text }) => text)).toEqual([expect.stringContaining("account but not its home")]);
    expect(summary.problems).toMatchObject([{ path: J, code: "mounts" }]);
    linesOf(m, "--prune");
    stays();
    expect(m.read("/data/kh/bob/letter")).toBe("precious");
  });

  test.each([
    ["a disk", onDisk],
    [
      "a tmpfs",
      () =>
        sh(
          `rm -r ${J}/home/bob; mount -t tmpfs none ${J}/home; mkdir -p ${J}/home/bob /data/kh; chown bob: ${J}/home/bob`,
        ),
    ],
  ])("of those who leave in the same run with them keep it until %s is unmounted", (kind, put) => {
    put();
    // Which home it is counts.
    if (kind === "a tmpfs") m.must(["jailkit", "apply"]);
    m.write(FILE, KEEP);
    const remedy = `jailkit apply --prune; umount ${J}/home`;
    for (const options of [["--check"], []]) {
      const { changes, summary } = linesOf(m, "--prune", "--delete-homes", ...options);
      expect(changes.map(({ text }) => text)).toEqual([expect.stringContaining(`its home ${J}/home/bob`)]);
      expect(summary.problems).toMatchObject([{ path: J, code: "mounts", remedy }]);
      expect(summary.problems[0]?.message).toEndWith(`and has to be unmounted first; fix it with: ${remedy}`);
    }
    expect([m.must(["ls", "/data/kh"]).stdout, uidIn(m, "bob")]).toEqual(["", undefined]);
    const [again] = linesOf(m, "--prune", "--delete-homes").summary.problems;
    expect(again?.remedy).toBe(`umount ${J}/home`);
    m.run(["sh", "-c", remedy]);
    expect(mounts()).toEqual([]);
    expect(did(m, "--prune", "--delete-homes")).toEqual([expect.stringContaining(`done - jail ${J}`)]);
    expect(m.exists(J)).toBe(false);
  });

  test("and that command loses none, typed before the run", () => {
    onDisk();
    m.write(FILE, KEEP);
    m.run(["sh", "-c", `${linesOf(m, "--check", "--prune", "--delete-homes").summary.problems[0]?.remedy}`]);
    expect([m.read("/data/kh/bob/letter"), uidIn(m, "bob")]).toEqual(["precious", undefined]);
    const { status, summary } = linesOf(m, "--prune", "--delete-homes");
    expect([status, summary.problems]).toEqual([0, []]);
    expect(summary.warnings[0]).toContain("is on a file system that is not mounted there any more");
  });

  test("that was unmounted meanwhile keep it, and the uid, until somebody deletes the jail by hand", () => {
    onDisk();
    const uid = uidIn(m, "bob") ?? 0;
    declare(KEEP + jail(J), "--prune");
    sh(`umount ${J}/home`);
    m.write(FILE, KEEP);
    for (const options of [["--check"], [], []]) {
      const { status, summary, changes } = linesOf(m, "--prune", ...options);
      expect([status, changes]).toEqual([0, []]);
      expect(summary.warnings).toEqual([
        expect.stringContaining(
          `'${J}/home/bob' of uid ${uid}, which earlier runs left, is on a file system that is not mounted there any more`,
        ),
      ]);
      expect(summary.warnings[0]).toEndWith(`: jailkit delete ${J}`);
    }
    declare(KEEP + user("carl", OTHER), "--prune");
    expect(uidIn(m, "carl")).toBe(uid + 1);
    m.must(["jailkit", "delete", "-y", J]);
    expect([m.exists(J), linesOf(m, "--prune").status]).toEqual([false, 0]);
  });
});

test("a tmpfs with a home keeps it, and is not unmounted", () => {
  sh(`mount -t tmpfs none ${J}/home; mkdir ${J}/home/bob; echo precious >${J}/home/bob/letter`);
  sh(`chown -R bob: ${J}/home/bob`);
  declare(KEEP + jail(J), "--prune");
  m.write(FILE, KEEP);
  const { message, remedy } = stays();
  expect(remedy).toBe(FORGET);
  expect(message).toContain(`a file system is mounted at '${J}/home'`);
  expect(message).toEndWith(`; or copy them, and unmount it: umount ${J}/home`);
  expect(m.read(`${J}/home/bob/letter`)).toBe("precious\n");
});

describe("without files of users", () => {
  beforeEach(() => declare(KEEP + jail(J), "--prune", "--delete-homes"));

  test("a disk keeps it until what is shown was typed, which keeps the next boot from mounting it", () => {
    sh(`mkdir -p /data/web/in ${J}/web; echo of-root >/data/web/index; mount --bind /data/web ${J}/web`);
    sh(`mount --bind /data ${J}/web/in`);
    m.write("/etc/fstab", `${fstab}/data/web ${J}/web none bind 0 0\n`);
    m.write(FILE, KEEP);
    const { message, remedy } = stays();
    expect(message).toContain(`is mounted at '${J}/web', and at 1 more places in the jail, and has to be`);
    expect(message).toEndWith(`; fix it with: ${remedy}`);
    sh(remedy ?? "false");
    expect([mounts(), m.read("/etc/fstab")]).toEqual([[], expect.stringContaining(`\n#/data/web ${J}/web`)]);
    m.remove(`${J}/web`);
    expect(did(m, "--prune")).toEqual([`done - jail ${J} (no longer declared)`]);
    expect([m.exists(J), m.read("/data/web/index")]).toEqual([false, "of-root\n"]);
  });

  test("a tmpfs with a file keeps it, and an empty one until it is unmounted", () => {
    sh(`mkdir -p ${J}/cache; mount -t tmpfs none ${J}/cache; echo of-root >${J}/cache/x`);
    m.write(FILE, KEEP);
    expect(stays()).toEqual({
      message: expect.stringContaining("with files that exist only there: keep all of it"),
      remedy: FORGET,
    });
    sh(`rm ${J}/cache/x`);
    const { remedy } = stays();
    expect(remedy).toBe(`umount ${J}/cache`);
    sh(remedy ?? "false");
    expect(linesOf(m, "--prune").status).toBe(0);
    expect(m.exists(J)).toBe(false);
  });

  test("what is mounted under a directory of the host keeps a live jail, and what jailkit mounts does not", () => {
    const live = `[jail ${J}]\nsections = livebasics\nlive = /usr\nproc = yes\n`;
    declare(KEEP, "--prune");
    declare(KEEP + live);
    sh(`umount ${J}/usr; mount -t tmpfs none ${J}/usr; echo x >${J}/usr/x; mount --bind /usr ${J}/usr`);
    sh(`mount -o remount,bind,ro,nosuid,nodev ${J}/usr`);
    m.write(FILE, KEEP);
    stays();
    sh(`umount ${J}/usr; umount ${J}/usr; jailkit mount ${J}`);
    expect(mounts().length).toBeGreaterThan(1);
    expect(did(m, "--prune")).toEqual([
      expect.stringMatching(new RegExp(`^done - jail ${J}: jail after unmounting .* from ${J}/usr`)),
    ]);
    expect([mounts(), m.exists(J)]).toEqual([[], false]);
  });

  test("what jailkit mounts in a jail in it does not, which goes before, and what others mount there keeps both", () => {
    const both = `${KEEP}${jail(J)}${jail(`${J}/in`)}proc = yes\n`;
    declare(both);
    sh(`mkdir -p /data ${J}/in/web; mount --bind /data ${J}/in/web`);
    m.write(FILE, KEEP);
    const { status, summary } = linesOf(m, "--prune");
    expect([status, summary.problems.map(({ path, code }) => [path, code])]).toEqual([
      1,
      [
        [`${J}/in`, "mounts"],
        [J, "holds-a-jail"],
      ],
    ]);
    sh(`umount ${J}/in/web`);
    m.remove(`${J}/in/web`);
    expect(did(m, "--prune")).toEqual([
      `done - jail ${J}/in: jail after unmounting proc from ${J}/in/proc (no longer declared)`,
      `done - jail ${J} (no longer declared)`,
    ]);
    expect([mounts(), m.exists(J)]).toEqual([[], false]);
  });

  test("a place that a user has made in a directory for all is unmounted by no command: the user could move it", () => {
    sh(
      `install -d -m 1777 ${J}/tmp; mkdir ${J}/tmp/m; chown 54321 ${J}/tmp/m; mount -t tmpfs none ${J}/tmp/m`,
    );
    m.write(FILE, KEEP);
    const { message, remedy } = stays("--delete-homes");
    expect(message).toContain(`first let root alone write the directories above ${J}/tmp/m`);
    expect(remedy).toBeNull();
  });

  test("a line of /etc/fstab for a place in it is told by the plan, and by the run", () => {
    m.write("/etc/fstab", `${fstab}/data/web ${J}/web none bind,noauto 0 0\n`);
    m.write(FILE, KEEP);
    const told = new RegExp(`jail ${J}: /etc/fstab still mounts .*: ${J}/web \\(line \\d+\\);`);
    for (const options of [["--check"], []]) {
      const { changes, summary } = linesOf(m, "--prune", ...options);
      expect([changes.length, changes.flatMap(({ warnings }) => warnings)]).toEqual([1, []]);
      expect(summary.warnings).toEqual([expect.stringMatching(told)]);
    }
  });
});

describe("jailkit delete", () => {
  test("refuses a file of a user that exists only on a tmpfs, and unmounts a disk", () => {
    sh(
      `mkdir -p ${J}/cache /data/web ${J}/web; mount -t tmpfs none ${J}/cache; mount --bind /data/web ${J}/web`,
    );
    sh(`for at in ${J}/cache ${J}/web; do echo precious >$at/x; chown 54321 $at/x; done`);
    const { status, stderr } = m.run(["jailkit", "delete", "-y", "--unjail", J]);
    expect([status, stderr]).toEqual([1, expect.stringContaining(`uid 54321: 1, as ${J}/cache/x)`)]);
    expect([m.read(`${J}/cache/x`), mounts().length]).toEqual(["precious\n", 2]);
    sh(`chown root ${J}/cache/x; mkdir /data/web/of-bob; chown bob: /data/web/of-bob`);
    const warning = `jailkit delete: warning: files with the uid 54321, which is that of no account, stay in the file system`;
    for (const options of [["--dry-run"], ["-y"]]) {
      const { status, stderr } = m.run(["jailkit", "delete", ...options, "--unjail", J]);
      expect([status, stderr]).toEqual([0, expect.stringContaining(warning)]);
      expect(stderr).toContain(
        `mounted on '${J}/web', such as '${J}/web/x': whoever gets this uid owns them`,
      );
    }
    expect([m.exists(J), m.read("/data/web/x")]).toEqual([false, "precious\n"]);
  });
});
