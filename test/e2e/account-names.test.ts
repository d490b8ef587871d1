/** Accounts with names that no useradd(8) creates, as directory services and panels have them, in every tool. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { jsonText } from "../../src/cli/display.ts";
import { listReportSchema } from "../../src/jails/report-schema.ts";
import { jailUserReportSchema } from "../../src/users/report-schema.ts";
import { type Machine, openMachine, type Sshd } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const NAMES = [
  ...[
    "anna@example.org",
    "\xc3\xbcnal",
    "EXAMPLE\\anna",
    "anna smith",
    "pc1$",
    "a%sb",
    "a#b",
    "a[b",
    "o'neil",
  ],
  ...['a"b', "a$(id>&2)`id`", "a;id", "a*", "!a", "1234", "a=b", "@a", "~a"],
];
const HARMFUL = ["-x", "a,b", "a b ", "#a", "group users", "member users"];

let m: Machine;
let sshd: Sshd;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["jk_init", "-j", "/srv/j", "basicshell", "sftp"]);
  sshd = await m.startSshd({ config: ["DisableForwarding yes"] });
});
afterAll(() => m.close());

/** An account of /etc/passwd, by the file alone. */
function account(name: string, uid: number): void {
  m.write("/etc/passwd", `${m.read("/etc/passwd")}${name}:x:${uid}:${uid}::/home/${name}:/bin/sh\n`);
  m.write("/etc/group", `${m.read("/etc/group")}${name}:x:${uid}:\n`);
  m.write("/etc/shadow", `${m.read("/etc/shadow")}${name}:*:20000:0:99999:7:::\n`);
  m.mkdir(`/home/${name}`, { mode: 0o700, owner: [uid, uid] });
}

/** ssh takes such names from its configuration, and some of them nowhere else. */
function login(name: string, command: string[], options = {}) {
  m.write("/root/client", `Host *\nUser "${name.replace(/[\\"]/g, "\\$&").replaceAll("%", "%%")}"\n`);
  return m.run(
    ["ssh", "-F", "/root/client", ...sshd.clientOptions.slice(2), "127.0.0.1", ...command],
    options,
  );
}

describe.each(NAMES.map((name, index) => [jsonText(name), name, 6000 + index] as const))(
  "%s",
  (_, name, uid) => {
    test("is jailed, logs in, is explained, listed, checked and taken out", () => {
      account(name, uid);
      const words = ["jk_jailuser", "--json", "-m", "-s", "/bin/bash", "-j", "/srv/j", "--", name];
      const { status, stdout, stderr } = m.run(words);
      expect([status, stderr]).toEqual([0, ""]);
      expect(reportOf(jailUserReportSchema, stdout).users[0]).toMatchObject({
        user: jsonText(name),
        status: "done",
        home: jsonText(`/srv/j/./home/${name}`),
      });
      expect(login(name, ["id -un; pwd"])).toMatchObject({
        status: 0,
        stdout: `${name}\n/home/${name}\n`,
      });
      const explained = m.run(["jailkit", "explain", "--from", "127.0.0.1", "--", name]);
      expect([explained.status, explained.stdout]).toEqual([0, expect.stringContaining("would work")]);
      const [jail] = reportOf(listReportSchema, m.run(["jailkit", "list", "--json", "/srv/j"]).stdout).jails;
      expect(jail?.users.map((user) => user.name)).toEqual([jsonText(name)]);
      expect(m.run(["jk_check", "/srv/j"])).toMatchObject({ status: 0, stderr: "" });
      expect(m.run(["jk_jailuser", "--unjail", "-m", "--", name])).toMatchObject({ status: 0, stderr: "" });
      expect([m.read("/srv/j/etc/passwd").includes(`${name}:`), m.exists(`/home/${name}`)]).toEqual([
        false,
        true,
      ]);
      m.must(["usermod", "-s", "/bin/false", "--", name]);
    });

    test("gets a section of jk_lsh.ini that is for it alone, and that it obeys", () => {
      const { status, stderr } = m.run(["jk_jailuser", "-n", "--policy", "sftp", "-j", "/srv/j", "--", name]);
      expect([status, stderr]).toEqual([0, expect.not.stringContaining("can run nothing")]);
      m.mkdir(`/srv/j/home/${name}`, { mode: 0o700, owner: [uid, uid] });
      expect(m.read("/srv/j/etc/jailkit/jk_lsh.ini")).toContain(`\n[${name}]\n`);
      expect(login(name, ["/usr/lib/openssh/sftp-server"], { stdin: "" }).status).toBe(0);
      expect(login(name, ["ls"]).status).not.toBe(0);
      expect(m.run(["jailkit", "config", "check"])).toMatchObject({ status: 0, stdout: "" });
      m.remove("/srv/j/etc/jailkit/jk_lsh.ini");
      m.must(["jk_jailuser", "--unjail", "--", name]);
    });
  },
);

describe.each(HARMFUL.map((name, index) => [jsonText(name), name, 6900 + index] as const))(
  "%j",
  (_, name, uid) => {
    test("is refused, and nothing is changed", () => {
      if (!name.startsWith("#")) account(name, uid);
      const before = [m.snapshot("/srv/j"), m.read("/etc/passwd")];
      for (const more of [[], ["--jail-side-only"], ["--dry-run"]]) {
        const { status, stderr } = m.run(["jk_jailuser", ...more, "-j", "/srv/j", "--", name]);
        expect([status, stderr]).toEqual([1, expect.stringMatching(/: it (?:has|begins)|does not exist/)]);
      }
      expect([m.snapshot("/srv/j"), m.read("/etc/passwd")]).toEqual(before);
    });
  },
);

test("jk_addjailuser says that useradd(8) refuses a name, also in a dry run", () => {
  for (const name of ["b@example.org", "\xc3\xa4b", "EXAMPLE\\b", "b c"])
    for (const more of [[], ["--dry-run"]]) {
      const { status, stderr } = m.run(["jk_addjailuser", ...more, "-j", "/srv/j", "--", name]);
      expect([status, stderr]).toEqual([1, expect.stringContaining("useradd(8) accepts letters, digits")]);
      expect(m.run(["useradd", "--", name]).stderr).toContain("invalid user name");
    }
});

test("AllowUsers needs a host after a name with an @, and the remedy says so", async () => {
  const name = "berta@example.org";
  account(name, 6950);
  m.must(["jk_jailuser", "-n", "-s", "/bin/bash", "-j", "/srv/j", "--", name]);
  m.write("/etc/ssh/sshd_config", `AllowUsers nobody\n${m.read("/etc/ssh/sshd_config")}`);
  const { stdout } = m.run(["jailkit", "explain", "--from", "127.0.0.1", name]);
  expect(stdout).toContain(
    "add the user to the line in sshd_config(5): AllowUsers nobody berta@example.org@*",
  );
  const config = m.read("/etc/ssh/sshd_config");
  const refusal = (users: string) => {
    m.write("/etc/ssh/sshd_config", config.replace(/^AllowUsers .*/, `AllowUsers ${users}`));
    const { stdout } = m.run(["jailkit", "explain", "--from", "127.0.0.1", name]);
    return stdout.includes("does not name the user");
  };
  expect([refusal(name), refusal(`nobody ${name}@*`)]).toEqual([true, false]);
});
