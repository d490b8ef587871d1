/** Lines of fstab(5) of a live jail that somebody changed: apply, jk_check, jk_init and jailkit mount see what the next boot would make of them. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/live";
const OURS = "bind,ro,nosuid,nodev,private,nofail,x-jailkit";
const lineWith = (options: string, from = "/usr", type = "none") => `${from} ${J}/usr ${type} ${options} 0 0`;
const LINE = lineWith(OURS);
const MOUNT = `jailkit mount ${J}`;
let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
  m.mkdir("/opt/usr");
  m.write("/etc/jailkit/jails.d/one.ini", `[jail ${J}]\nsections = uidbasics\nlive = /usr\n`);
  m.must(["jailkit", "apply"]);
});
beforeEach(() => set(LINE));
afterAll(() => m?.close());

const set = (...lines: string[]) => m.write("/etc/fstab", `# mine\n${lines.join("\n")}\n`);
const fstab = () =>
  m
    .read("/etc/fstab")
    .split("\n")
    .filter((line) => line.includes("/srv/"));
const findings = () =>
  reportOf(checkReportSchema, m.run(["jk_check", "--json", J]).stdout).jails.flatMap((one) => one.findings);
const remedies = () => findings().map(({ rule, path, remedy }) => [rule, path, remedy]);
const planned = () => linesOf(m, "--check").changes.map(({ what }) => what);
const init = () => m.run(["jk_init", "--live", "-j", J, "uidbasics"]);

/** What the boot does with the lines. */
function boots(): void {
  m.must(["umount", `${J}/usr`]);
  m.must(["mount", "-a"]);
  expect(m.run(["findmnt", "-rno", "OPTIONS", `${J}/usr`]).stdout).toMatch(/^ro,nosuid,nodev/);
  expect(m.exists(`${J}/usr/bin/env`)).toBe(true);
}

describe.each([
  ["noauto", lineWith(`${OURS},noauto`), LINE],
  ["the options of others", lineWith("bind,ro,nosuid,nodev,noauto"), LINE],
  ["another source", lineWith(OURS, "/opt/usr"), LINE],
  ["another source in it", lineWith(OURS, "/usr/local"), LINE],
  ["a type that is not mounted", lineWith(OURS, "/usr", "swap"), LINE],
  ["mounts below it, too", lineWith(OURS.replace("bind", "rbind")), LINE],
  ["another directory of it", lineWith(`${OURS},X-mount.subdir=local`), LINE],
  ["users who may unmount it", lineWith(`${OURS},user`), LINE],
  ["a mount that is changed, not made", lineWith(`remount,${OURS}`), LINE],
  [
    "choices that stay",
    lineWith(
      "bind,rw,noauto,x-systemd.requires=srv.mount,_netdev,noatime,comment=x,x-systemd.requires=srv.mount",
    ),
    lineWith(`${OURS},x-systemd.requires=srv.mount,_netdev,noatime,comment=x`),
  ],
])("%s", (_, line, mended) => {
  test("is a finding, and jailkit mount mends it", () => {
    set(line);
    expect(remedies()).toEqual([["live-mount", `${J}/usr`, MOUNT]]);
    m.must(MOUNT.split(" "));
    expect([fstab(), remedies()]).toEqual([[mended], []]);
    boots();
  });

  test("is mended by apply, and by jk_init", () => {
    set(line);
    expect([planned(), did(m).length, fstab(), did(m)]).toEqual([["mounts"], 1, [mended], []]);
    set(line);
    expect([init().status, fstab()]).toEqual([0, [mended]]);
  });
});

test.each([
  lineWith("bind,ro,nosuid,nodev"),
  lineWith(`${OURS},noexec`),
  lineWith("ro,nosuid,nodev,bind,x-systemd.requires=srv.mount,_netdev", "//usr/", "auto"),
  lineWith("bind,ro,nosuid,nodev,noauto,x-systemd.automount,x-systemd.idle-timeout=600"),
  `\t${lineWith(`${OURS},X-mount.mkdir=0755`)}\r`,
])("the choice of an administrator stays: %s", (line) => {
  set(line);
  expect([remedies(), planned(), did(m), init().status, fstab()]).toEqual([[], [], [], 0, [line]]);
  m.must(MOUNT.split(" "));
  expect(fstab()).toEqual([line]);
});

test("two lines for it: the one that is not right goes", () => {
  set(lineWith(`${OURS},noauto`), LINE, lineWith("bind,rw"));
  expect(remedies()).toEqual([["live-mount", `${J}/usr`, MOUNT]]);
  m.must(MOUNT.split(" "));
  expect([fstab(), remedies()]).toEqual([[LINE], []]);
  set(lineWith(`${OURS},noauto`), lineWith(`${OURS},rw`));
  expect([did(m).length, fstab(), did(m)]).toEqual([1, [LINE], []]);
});

test("a line of others that mounts something else there stays, and all tell it with the command that heals", () => {
  const other = `/dev/none ${J}/usr ext4 nofail 0 2`;
  const free = `sed -i 's@^\\s*/dev/none\\s\\+${J}/usr\\s\\+ext4\\s\\+nofail\\s\\+0\\s\\+2\\s*$@#&@' /etc/fstab`;
  const message = `/etc/fstab mounts something else on ${J}/usr than the host's /usr; if that is not wanted any more: ${free}`;
  set(other, LINE);
  expect(remedies()).toEqual([["live-mount", `${J}/usr`, `${free} && ${MOUNT}`]]);
  for (const words of [MOUNT, `jk_init --live -j ${J} uidbasics`])
    expect(m.run(words.split(" "))).toMatchObject({ status: 1, stderr: expect.stringContaining(message) });
  for (const options of [["--check"], []])
    expect(linesOf(m, ...options).summary.problems).toMatchObject([
      { code: "fstab", message: expect.stringContaining(message) },
    ]);
  expect(fstab()).toEqual([other, LINE]);
  set(other);
  m.must(["sh", "-ec", remedies()[0]?.[2] ?? "false"]);
  expect([fstab(), remedies(), did(m)]).toEqual([[`#${other}`, LINE], [], []]);
});

test("commands that are printed together heal, one after the other: each knows its lines by their text", () => {
  const other = `  /dev/no.ne\t${J}/usr ext4 nofail,x-a[1]*$^@\\ 0 2\t`;
  const mine = `/dev/mine ${J}/data ext4 noauto 0 2`;
  set(LINE.replaceAll(J, "/srv/deleted"), other, mine, LINE);
  const report = reportOf(checkReportSchema, m.run(["jk_check", "--json"]).stdout);
  const findings = [...report.host.findings, ...report.jails.flatMap((jail) => jail.findings)];
  const commands = findings.map(({ remedy }) => remedy ?? "");
  expect(commands).toEqual(["jailkit unmount --left /srv/deleted", expect.stringContaining("sed -i ")]);
  for (const command of commands) m.must(["sh", "-ec", command]);
  expect([fstab(), remedies()]).toEqual([[`#${other}`, mine, LINE], []]);
});

test("a directory that goes takes the line of an administrator along that showed it", () => {
  const other = "/srv/other";
  const own = `/usr ${other}/usr none bind,ro,nosuid,nodev 0 0`;
  const declare = (live: string) =>
    m.write("/etc/jailkit/jails.d/two.ini", `[jail ${other}]\nsections = uidbasics\n${live}`);
  set(LINE, own);
  declare("live = /usr\n");
  m.must(["jailkit", "apply"]);
  expect(fstab()).toEqual([LINE, own]);
  declare("");
  expect(linesOf(m, "--prune").status).toBe(0);
  expect(fstab()).toEqual([LINE]);
});

describe("sockets", () => {
  const other = "/srv/sockets";
  const place = "/run/service";
  test("a line that does not show them at the next boot is a finding, too", () => {
    m.must(["sh", "-ec", `mkdir ${place} && chown games ${place}`]);
    m.write("/etc/jailkit/jk_init.d/own.ini", `[service]\nsockets = ${place}/s\n`);
    m.must(["jk_init", "-j", other, "uidbasics", "service"]);
    const [line = ""] = fstab().filter((one) => one.includes(other));
    const found = () =>
      reportOf(checkReportSchema, m.run(["jk_check", "--json", other]).stdout).jails.flatMap((one) =>
        one.findings.map(({ rule, path, remedy }) => [rule, path, remedy]),
      );
    expect([line.startsWith(place), found()]).toEqual([true, []]);
    for (const changed of ["", line.replace("nofail", "noauto"), line.replace("noexec", "noexec,exec")]) {
      set(LINE, changed);
      expect(found()).toEqual([["live-mount", `${other}${place}`, `jailkit mount ${other}`]]);
      m.must(["jailkit", "mount", other]);
      expect([fstab(), found()]).toEqual([[LINE, line], []]);
    }
  });
});
