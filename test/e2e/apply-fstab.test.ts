/** Lines of fstab(5) as administrators write them, and as a jail of before leaves them: apply changes them once, or says why not. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const COPIED = "sections = uidbasics, basicshell\n";
const LIVE = "sections = uidbasics\nlive = /usr\n";
const GOES = `done - jail ${J}: mounts /usr (no longer declared)`;

let m: Machine;

const declare = (text: string) => m.write(FILE, `[jail ${J}]\n${text}`);
const apply = () => m.must(["jailkit", "apply"]);
const fstab = () =>
  m
    .read("/etc/fstab")
    .split("\n")
    .filter((line) => line.includes("/srv/"));
const add = (line: string) => m.write("/etc/fstab", `${m.read("/etc/fstab")}${line}\n`);
const mounts = () =>
  m
    .run(["findmnt", "-rno", "TARGET"])
    .stdout.split("\n")
    .filter((line) => line.startsWith("/srv/"));
const problems = (...options: string[]) =>
  linesOf(m, ...options).summary.problems.map(({ message }) => message);

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  m.write(FILE, "");
  m.must(["jailkit", "apply", "--prune"]);
  m.run(["umount", `${J}/usr`]);
  m.remove(J);
  m.must(["sed", "-i", "/srv/d", "/etc/fstab"]);
});
afterAll(() => m?.close());

test("proc that is mounted more than once goes at once", () => {
  declare(`${COPIED}proc = yes\n`);
  apply();
  for (let count = 0; count < 2; count++) m.must(["mount", "-t", "proc", "proc", `${J}/proc`]);
  declare(`${COPIED}proc = no\n`);
  expect([did(m), did(m), mounts()]).toEqual([[`done - jail ${J}: proc (declared to be off)`], [], []]);
});

test("proc that is in use is an error with what shows the processes", async () => {
  declare(`${COPIED}proc = yes\n`);
  apply();
  declare(`${COPIED}proc = no\n`);
  const holder = m.start(["sh", "-c", "echo there; exec sleep 600"], { cwd: `${J}/proc` });
  try {
    await holder.until(({ stdout }) => (stdout === "" ? undefined : stdout));
    expect(problems()).toEqual([
      `jail ${J}: ${J}/proc: is in use; end the processes in the jail first (see: jk_list -j ${J})`,
    ]);
  } finally {
    holder.kill();
    await holder.ended;
  }
  expect([did(m), did(m)]).toEqual([[`done - jail ${J}: proc (declared to be off)`], []]);
});

test.each([`proc ${J}/proc/ proc defaults 0 0`, `proc //srv//customer/./proc proc defaults 0 0`])(
  "the line is that of proc, however its place is written: %s",
  (line) => {
    declare(`${COPIED}proc = no\n`);
    apply();
    add(line);
    expect(did(m)).toEqual([`done - jail ${J}: proc (declared to be off)`]);
    expect([fstab(), did(m)]).toEqual([[], []]);
    add(line);
    declare(`${COPIED}proc = yes\n`);
    apply();
    expect([fstab(), did(m)]).toEqual([[line], []]);
  },
);

test("a line with which a boot does not mount proc is mended, and its other options stay", () => {
  declare(`${COPIED}proc = yes\n`);
  apply();
  const [line = ""] = fstab();
  for (const options of ["ro,nosuid,noauto", "noauto"]) {
    m.must(["sed", "-i", "/srv/d", "/etc/fstab"]);
    add(`proc ${J}/proc proc ${options} 0 0`);
    expect(did(m)).toEqual([expect.stringContaining("proc")]);
    const left = options === "noauto" ? "defaults" : "ro,nosuid";
    expect([fstab(), did(m)]).toEqual([[`proc ${J}/proc proc ${left} 0 0`], []]);
  }
  expect(line).toContain(`proc ${J}/proc proc ro,`);
});

test("the line of a live directory, too", () => {
  declare(LIVE);
  apply();
  m.must(["sed", "-i", `s,${J}/usr ,/${J}/usr/ ,`, "/etc/fstab"]);
  expect([did(m), fstab()]).toEqual([[], [expect.stringContaining(`/usr /${J}/usr/ none`)]]);
  declare(COPIED);
  expect(linesOf(m, "--prune").status).toBe(0);
  expect([fstab(), did(m, "--prune")]).toEqual([[], []]);
});

describe("what a live jail that was deleted by hand has left in fstab(5)", () => {
  beforeEach(() => {
    declare(LIVE);
    apply();
    m.must(["umount", `${J}/usr`]);
    m.remove(J);
  });

  test("goes when it is created again as one of copies, before the next boot", () => {
    declare(COPIED);
    const { stdout } = m.must(["jk_init", "--dry-run", "-j", J, "uidbasics"]);
    expect(stdout).toContain(`Removing the line for ${J}/usr from /etc/fstab\n`);
    expect(did(m)).toEqual([expect.stringContaining("sections uidbasics, basicshell")]);
    expect([fstab(), linesOf(m).summary.undeclared, did(m, "--prune")]).toEqual([[], [], []]);
  });

  test("stays for what is mounted now", () => {
    const line = `/opt ${J}/opt none bind,ro,nosuid,nodev,private,nofail,x-jailkit 0 0`;
    m.mkdir(`${J}/opt`);
    add(line);
    m.must(["mount", `${J}/opt`]);
    m.must(["jk_init", "-j", J, "uidbasics"]);
    expect([fstab(), mounts()]).toEqual([[line], [`${J}/opt`]]);
    m.must(["umount", `${J}/opt`]);
    m.must(["sed", "-i", `\\,${J}/opt,d`, "/etc/fstab"]);
  });

  test("is told after it, and goes with --prune", () => {
    declare(COPIED);
    // As systemd does, which creates the mount point.
    m.mkdir(`${J}/usr`);
    m.must(["mount", `${J}/usr`]);
    const left = [`jail ${J}: mounts /usr (in /etc/fstab)`];
    const run = () => {
      const { status, summary } = linesOf(m);
      return { status, undeclared: summary.undeclared };
    };
    expect([run(), run()]).toEqual([
      { status: 0, undeclared: left },
      { status: 0, undeclared: left },
    ]);
    // What they showed is copied.
    expect(did(m, "--prune")).toEqual([GOES, expect.stringContaining("sections uidbasics, basicshell")]);
    expect([did(m, "--prune"), fstab(), mounts()]).toEqual([[], [], []]);
    expect(m.exists(`${J}/usr/bin/bash`) || m.exists(`${J}/bin/bash`)).toBe(true);
  });

  test("is used again by a live jail", () => {
    expect(linesOf(m, "--prune").status).toBe(0);
    expect([fstab().length, mounts(), did(m, "--prune")]).toEqual([1, [`${J}/usr`], []]);
  });
});

describe("a symbolic link in place of fstab(5) is an error of --check, too", () => {
  const byHand = (what: string) => [`jail ${J}: /etc/fstab: not a regular file; ${what} by hand`];
  const link = (isLink: boolean) =>
    m.must(
      isLink
        ? ["sh", "-c", "mv /etc/fstab /etc/real && ln -s real /etc/fstab"]
        : ["mv", "/etc/real", "/etc/fstab"],
    );

  test.each([
    [
      "a line to remove",
      `${COPIED}proc = yes\n`,
      `${COPIED}proc = no\n`,
      "",
      `take the line for ${J}/proc out`,
    ],
    ["live lines to add", LIVE, LIVE, "sed -i /srv/d /etc/fstab", `add the lines for ${J}`],
    ["live lines to remove", LIVE, COPIED, "", `take the lines for ${J} out`],
  ])("%s", (_, first, then, hand, what) => {
    declare(first);
    apply();
    if (hand !== "") m.must(hand.split(" "));
    const before = [m.read("/etc/fstab"), mounts()];
    link(true);
    try {
      declare(then);
      const checked = linesOf(m, "--check", "--prune");
      expect([checked.changes, problems("--check", "--prune"), problems("--prune")]).toEqual([
        [],
        byHand(what),
        byHand(what),
      ]);
      expect([checked.status, linesOf(m, "--prune").status]).toEqual([1, 1]);
      expect([m.read("/etc/fstab"), mounts()]).toEqual(before);
    } finally {
      link(false);
    }
    expect(linesOf(m, "--prune").status).toBe(0);
  });
});

test("a jail that was moved, and repaired at its new place before, has each line once", () => {
  const now = "/srv/now";
  declare(`${LIVE}proc = yes\n`);
  apply();
  m.must(["umount", `${J}/usr`, `${J}/proc`]);
  m.must(["mv", J, now]);
  m.write(FILE, `[jail ${now}]\n${LIVE}proc = yes\n`);
  m.must(["sh", "-c", `lines=$(sed -n 's,${J}/,${now}/,p' /etc/fstab); echo "$lines" >>/etc/fstab`]);
  m.must(["jailkit", "adopt", "--moved", J, now]);
  apply();
  expect(
    fstab()
      .map((line) => line.split(" ")[1])
      .sort(),
  ).toEqual([`${now}/proc`, `${now}/usr`]);
  expect(did(m, "--prune")).toEqual([]);
});
