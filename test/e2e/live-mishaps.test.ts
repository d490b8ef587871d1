/** What administrators do to live jails by hand: unmount, restore a backup over one, edit fstab, remove one. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { listReportSchema } from "../../src/jails/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { startSyslog } from "../machine/syslog.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const jail = "/srv/live";
const LINE = `/usr ${jail}/usr none bind,ro,nosuid,nodev,private,nofail,x-jailkit 0 0\n`;
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["jk_init", "--live", "-j", jail, "basicshell", "sftp"]);
  m.must(["jk_addjailuser", "-j", jail, "-s", "/bin/bash", "-p", "*", "lily"]);
});
afterAll(async () => m.close());

const listed = () => reportOf(listReportSchema, m.run(["jailkit", "list", "--json", jail]).stdout).jails[0];
const findings = () => {
  const report = reportOf(checkReportSchema, m.run(["jk_check", "--json", jail]).stdout);
  return report.jails.flatMap((one) =>
    one.findings.map(({ rule, path, remedy }) => ({ rule, path, remedy: remedy ?? "" })),
  );
};
const login = () => m.run(["su", "-", "lily", "-c", "id -un"]);
const shell = (script: string) => m.must(["sh", "-ec", script]);
const healthy = () => {
  expect(findings()).toEqual([]);
  expect(listed()?.state).toBe("ready");
  expect(login()).toMatchObject({ status: 0, stdout: "lily\n" });
  expect(m.read("/etc/fstab").split("\n")).toContain(LINE.trim());
};

test("unmounted: nobody advises copying the shell into the place of the mount", async () => {
  const log = await startSyslog(m, { daemon: "recorder" });
  shell(`umount ${jail}/usr`);
  const remedy = `jailkit mount ${jail}`;
  expect(login().status).toBe(111);
  const line = (await log.lines()).find(({ message }) =>
    message.includes("failed to execute shell /bin/bash"),
  );
  expect(line?.message).toEndWith(`; remedy: ${remedy}`);
  expect(m.run(["jk_chrootlaunch", "-j", jail, "-u", "lily", "-x", "/bin/ls"])).toMatchObject({
    status: 29,
    stderr: expect.stringContaining(`/bin/ls in jail ${jail} does not exist; fix it with: ${remedy}\n`),
  });
  expect(findings()).toEqual([{ rule: "live-mount", path: `${jail}/usr`, remedy }]);
  const { steps } = reportOf(explainReportSchema, m.run(["jailkit", "explain", "--json", "lily"]).stdout);
  const ofJail = steps.filter(({ stage, outcome }) => stage === "jk_chrootsh" && outcome !== "passed");
  expect(ofJail.map((step) => [step.name, step.outcome, step.remedy])).toEqual([
    ["shell", "failed", remedy],
    ["live-mount", "warned", remedy],
  ]);
  m.must(["jailkit", "mount", jail]);
  healthy();
});

test("a backup with /usr was restored over it: the remedy moves those files away and mounts", () => {
  shell(`umount ${jail}/usr; mkdir ${jail}/usr/bin; cp -r /usr/bin/b* /usr/bin/l* ${jail}/usr/bin`);
  const remedy = `mv -nT ${jail}/usr ${jail}-usr.old && chmod go= ${jail}-usr.old && jailkit mount ${jail}`;
  expect(findings()).toEqual([{ rule: "live-mount", path: `${jail}/usr`, remedy }]);
  expect(m.run(["jailkit", "list", jail]).stderr).toContain("files are in its place");
  for (const option of ["--dry-run", "--verbose"])
    expect(m.run(["jailkit", "mount", option, jail])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`fix it with: ${remedy}`),
    });
  shell(remedy);
  healthy();
  shell(`rm -r ${jail}-usr.old`);
});

test("files that users own or that are setuid are reported there all the same", () => {
  shell(`umount ${jail}/usr; cp /usr/bin/bash ${jail}/usr/sh; chmod 4755 ${jail}/usr/sh`);
  expect(findings().map(({ rule }) => rule)).toContain("setuid-for-others");
  shell(`rm ${jail}/usr/sh`);
  m.must(["jailkit", "mount", jail]);
  healthy();
});

test("a line in fstab without restrictions: list says so, and jailkit mount restricts the mount and the line", () => {
  const line = LINE.replace("ro,nosuid,nodev", "rw");
  m.write("/etc/fstab", m.read("/etc/fstab").replace(LINE, line));
  shell(`umount ${jail}/usr; mount -a`);
  expect(listed()?.reason).toContain("is mounted there, but not read-only, nosuid and nodev");
  expect(listed()?.reason).toContain(`jailkit mount ${jail}`);
  expect(m.must(["jailkit", "mount", jail]).stdout).toBe(`mounted ${jail}/usr\n`);
  expect(m.read("/etc/fstab")).not.toContain(line);
  healthy();
  shell(`umount ${jail}/usr; mount -a`);
  healthy();
});

test("a missing or unrestricted line is a finding while the mount is right, and jailkit mount heals it", () => {
  for (const instead of ["", LINE.replace("nosuid", "suid"), LINE.replace("ro,", "ro,rw,")]) {
    m.write("/etc/fstab", m.read("/etc/fstab").replace(LINE, instead));
    expect(findings()).toEqual([
      { rule: "live-mount", path: `${jail}/usr`, remedy: `jailkit mount ${jail}` },
    ]);
    m.must(["jailkit", "mount", "--all"]);
    healthy();
  }
});

test.each([
  ["/usr", `${jail}/usr`],
  ["/usr/", `${jail}/usr`],
  ["//usr", `${jail}/./usr/`],
])("a line that an administrator wrote without restrictions is replaced: %s %s", (from, to) => {
  const own = `${from} ${to} none bind 0 0\n`;
  m.write("/etc/fstab", m.read("/etc/fstab").replace(LINE, own));
  expect(findings()).toContainEqual(expect.objectContaining({ rule: "live-mount" }));
  m.must(["jailkit", "mount", jail]);
  expect(m.read("/etc/fstab")).not.toContain(own);
  healthy();
});

test("a line that an administrator wrote stays", () => {
  const own = `/usr ${jail}/usr none bind,ro,nosuid,nodev,private,nofail,x-systemd.requires=srv.mount 0 0\n`;
  m.write("/etc/fstab", m.read("/etc/fstab").replace(LINE, own));
  m.must(["jailkit", "mount", jail]);
  expect(m.read("/etc/fstab")).toContain(own);
  expect(m.read("/etc/fstab")).not.toContain(LINE);
  expect(findings()).toEqual([]);
  m.write("/etc/fstab", m.read("/etc/fstab").replace(own, LINE));
});

test("an fstab that is a symbolic link, as on NixOS: it is not changed, and lines in it are known", () => {
  const kept = m.read("/etc/fstab");
  const other = "/srv/other";
  const init = () => m.run(["jk_init", "--live", "-j", other, "uidbasics"]);
  shell("mv /etc/fstab /root/fstab; ln -s /root/fstab /etc/fstab");
  const failed = { status: 1, stderr: expect.stringContaining(`add the lines for ${other} by hand`) };
  expect(init()).toMatchObject(failed);
  m.write("/root/fstab", kept + LINE.replaceAll(jail, other));
  expect(init()).toMatchObject({ status: 0, stderr: "" });
  m.write("/root/fstab", kept);
  m.must(["jailkit", "delete", "--yes", other]);
  expect([m.exists(other), m.read("/root/fstab")]).toEqual([false, kept]);
  shell("mv -f /root/fstab /etc/fstab");
  healthy();
});

test("removed by rm -rf, which leaves the mount: it is emptied, and jk_update --all leaves it so", () => {
  const place = "/srv/removed";
  m.must(["jk_init", "--live", "-j", place, "basicshell"]);
  m.run(["find", place, "-xdev", "-mindepth", "1", "-not", "-path", `${place}/usr*`, "-delete"]);
  const state = () =>
    reportOf(listReportSchema, m.run(["jailkit", "list", "--json", place]).stdout).jails[0]?.state;
  expect(state()).toBe("emptied");
  expect(m.run(["jk_update", "--all"]).stderr).toContain("is emptied");
  expect(m.list(place)).toEqual(["usr"]);
  // Nothing is copied where the mount belongs.
  shell(`umount ${place}/usr`);
  expect(m.run(["jk_init", "-j", place, "basicshell"]).stderr).toContain(`jailkit mount ${place}`);
  expect(m.list(`${place}/usr`)).toEqual([]);
  m.must(["jailkit", "mount", place]);
  m.must(["jk_update", "-j", place]);
  expect(state()).toBe("ready");
});
