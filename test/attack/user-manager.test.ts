/**
 * systemd's manager of a jailed user, on the host: with systemd itself, its pam_systemd and sshd, in a booted machine.
 * What jk_jailuser, jk_addjailuser and jailkit explain report, and that the remedies of these and of the manual work.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { jailUserReportSchema, newUserReportSchema } from "../../src/users/report-schema.ts";
import { boot } from "../machine/booted.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const jail = "/srv/jail";
const witness = "/var/tmp/outside";
const stack = "/etc/pam.d/common-session";
const CALLED = "session optional pam_systemd.so\n";
const SKIP = "session [success=1 default=ignore] pam_succeed_if.so quiet shell = /usr/sbin/jk_chrootsh\n";

let m: Machine;
let plain: string;
let uid: number;
const unit = () => `user@${uid}.service`;
const masked = () => `/etc/systemd/system/${unit()}`;

beforeAll(async () => {
  m = await openMachine({
    under: "ours",
    only: ["jk_addjailuser", "jk_chrootsh", "jk_cp", "jk_init", "jk_jailuser", "jk_lsh", "jailkit"],
  });
  plain = m.read(stack).replace(/^.*pam_systemd\.so.*\n/gm, "");
  m.mkdir("/run/sshd");
  for (const key of ["host", "client"])
    m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", `/root/${key}`]);
  m.write("/etc/ssh/authorized", m.read("/root/client.pub"));
  const settings = [
    "UsePAM yes",
    "ListenAddress 127.0.0.1",
    "HostKey /root/host",
    "AuthorizedKeysFile /etc/ssh/authorized",
    "StrictModes no",
    "Subsystem sftp internal-sftp",
  ];
  m.write("/etc/ssh/sshd_config", `${settings.join("\n")}\n`);
  m.must(["jk_init", "-j", jail, "jk_lsh"]);
  m.must(["jk_cp", "-j", jail, "/usr/bin/id"]);
  m.must(["jk_addjailuser", "-j", jail, "test"]);
  m.must(["usermod", "-p", "*", "test"]);
  uid = m.ids("test").uid;
  m.write(`${jail}/etc/jailkit/jk_lsh.ini`, "[DEFAULT]\npaths = /usr/bin\nexecutables = /usr/bin/id\n");
});
afterAll(() => m?.close());
beforeEach(() => {
  m.write(stack, plain + CALLED);
  m.remove(masked());
});

describe("what is told", () => {
  const remedy = () => `systemctl mask ${unit()}`;
  const explained = () => {
    const { stdout } = m.run(["jailkit", "explain", "test"]);
    return stdout.includes("warning  user-manager: ") && stdout.includes(remedy());
  };
  const jailed = () => m.must(["jk_jailuser", "-n", "-j", jail, "test"]).stderr.includes(remedy());

  test("is the same by jk_addjailuser, jk_jailuser and explain, and has the account's own number", () => {
    const added = m.must(["jk_addjailuser", "--json", "-j", jail, "added"]);
    const number = m.ids("added").uid;
    expect(added.stderr).toContain(`; fix it with: systemctl mask user@${number}.service\n`);
    // Of sshd itself, too.
    expect(added.stderr).toContain("internal-sftp");
    const again = m.must(["jk_jailuser", "--json", "-n", "-j", jail, "added"]);
    const warnings = (text: string) =>
      [...text.matchAll(/^jk_(?:add)?jailuser: (warning: .*)$/gm)].map(([, line]) => line);
    expect(warnings(again.stderr)).toEqual(warnings(added.stderr));
    expect(reportOf(jailUserReportSchema, again.stdout).users[0]?.warnings).toEqual(
      reportOf(newUserReportSchema, added.stdout).warnings,
    );
    const { steps } = reportOf(explainReportSchema, m.run(["jailkit", "explain", "--json", "added"]).stdout);
    const told = steps.filter(
      ({ stage, outcome }) => (stage === "sshd" || stage === "jobs") && outcome === "warned",
    );
    const lines = told.map(({ message, remedy: what }) =>
      what === null ? message : `${message}; fix it with: ${what}`,
    );
    expect(lines).toEqual(reportOf(newUserReportSchema, added.stdout).warnings);
  });

  test("is empty if no manager starts", () => {
    expect([explained(), jailed()]).toEqual([true, true]);
    m.symlink("/dev/null", masked());
    expect([explained(), jailed()]).toEqual([false, false]);
    m.remove(masked());
    m.write(stack, plain + SKIP + CALLED);
    expect([explained(), jailed()]).toEqual([false, false]);
    m.write(stack, plain);
    expect([explained(), jailed()]).toEqual([false, false]);
    m.write(stack, plain + CALLED);
    m.write("/etc/ssh/sshd_config", m.read("/etc/ssh/sshd_config").replace("UsePAM yes", "UsePAM no"));
    expect([explained(), jailed()]).toEqual([false, false]);
    m.write("/etc/ssh/sshd_config", m.read("/etc/ssh/sshd_config").replace("UsePAM no", "UsePAM yes"));
    m.rename("/usr/lib/systemd/system/user@.service", "/root/user@.service");
    expect([explained(), jailed()]).toEqual([false, false]);
    m.rename("/root/user@.service", "/usr/lib/systemd/system/user@.service");
    expect([explained(), jailed()]).toEqual([true, true]);
  });
});

test("a login starts programs of uploaded units on the host, and each of the remedies ends that", async () => {
  const uploads = `${jail}/home/test/.config/systemd/user`;
  m.write(`${uploads}/x.service`, `[Service]\nType=oneshot\nExecStart=/bin/sh -c "id -u > ${witness}"\n`);
  m.mkdir(`${uploads}/default.target.wants`);
  m.symlink("../x.service", `${uploads}/default.target.wants/x.service`);
  m.must(["chown", "-hR", "test:", `${jail}/home/test/.config`]);
  // Nothing but what a login needs.
  const units = ["dbus", "systemd-logind", "systemd-user-sessions", "ssh"].map((name) => `${name}.service`);
  const there = boot(m, units);
  const inside = (...words: string[]) => there.must(words).stdout.trim();
  const login = () => {
    const options = [
      "-F",
      "none",
      "-i",
      "/root/client",
      "-o",
      "BatchMode=yes",
      "-o",
      "StrictHostKeyChecking=no",
    ];
    const { stdout } = m.run(["ssh", ...options, "test@127.0.0.1", "id"]);
    expect(stdout).toStartWith(`uid=${uid}(test)`);
  };
  // It has one as soon as the unit is started, and logind waits for that before it lets the login go on.
  const wasStarted = () => inside("systemctl", "show", "--value", "-p", "InvocationID", unit()) !== "";

  inside("systemctl", "mask", unit());
  login();
  expect([wasStarted(), m.exists(witness)]).toEqual([false, false]);
  inside("systemctl", "unmask", unit());
  m.write(stack, plain + SKIP + CALLED);
  login();
  expect([wasStarted(), m.exists(witness)]).toEqual([false, false]);
  m.write(stack, plain + CALLED);
  login();
  expect(wasStarted()).toBe(true);
  while (!m.exists(witness) || m.read(witness) === "");
  expect(m.read(witness)).toBe(`${uid}\n`);
});
