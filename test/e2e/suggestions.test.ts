/** What tools print about names that are nearly right, and about jails that were moved or are missing. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { check, summary } from "./check-helper.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(300_000);

const JAIL = "/srv/jails/customers";
let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  await m.startSyslog();
  m.remove("/var/lib/jailkit");
  m.mkdir("/srv/jails");
  m.must(["jk_init", "-j", JAIL, "basicshell", "uidbasics", "logbasics"]);
  m.addUser("anna", { home: "/home/anna", createHome: true, shell: "/bin/bash" });
  m.must(["jk_jailuser", "-m", "-n", "-j", JAIL, "-s", "/bin/bash", "anna"]);
});
afterAll(() => m?.close());

const said = (...words: string[]) => {
  const { status, stderr, stdout } = m.run(words);
  expect(status).not.toBe(0);
  return `${stderr}${stdout}`;
};
const login = () => m.run(["/usr/sbin/jk_chrootsh", "-c", "true"], { user: "anna", env: { USER: "anna" } });

test.each([
  [["jailkit", "expalin", "anna"], "did you mean 'explain'?"],
  [["jailkit", "jk_chekc"], "did you mean 'jk_check'?"],
  [["jk_init", "--verbsoe", "-j", JAIL, "git"], "did you mean '--verbose'?"],
  [["jk_init", "--strict", "-j", JAIL, "basicshel"], "did you mean 'basicshell'?"],
  [["jk_jailuser", "-n", "-j", JAIL, "ana"], "did you mean 'anna'?"],
  [["jailkit", "explain", "ana"], "did you mean 'anna'?"],
  [["jk_jailuser", "-n", "-j", "/srv/jails/custmers", "anna"], `did you mean ${JAIL}?`],
  [["jk_update", "--strict", "-j", "/srv/jail/customers"], `did you mean ${JAIL}?`],
  [["jk_check", "/srv/jails/custommers"], `did you mean ${JAIL}?`],
  [["jailkit", "delete", "/srv/jails/custommers"], `did you mean ${JAIL}?`],
])("%p", (words, hint) => {
  expect(said(...words)).toContain(hint);
});

test.each([
  [["jailkit", "zzzzzz"]],
  [["jk_init", "--zzzzzz", "-j", JAIL, "git"]],
  [["jk_init", "--strict", "-j", JAIL, "zzzzzz"]],
  [["jk_jailuser", "-n", "-j", JAIL, "zzzzzz"]],
  [["jk_jailuser", "-n", "-j", "/zzzzzz", "anna"]],
])("%p is similar to nothing", (words) => {
  expect(said(...words)).not.toContain("did you mean");
});

test("jk_lsh suggests no names to a jailed user", () => {
  m.write(`${JAIL}/etc/jailkit/jk_lsh.ini`, "[anna]\npaths = /usr/bin\nexecutables = /usr/bin/rsync\n");
  const env = { USER: "anna" };
  const { stderr } = m.run(["/usr/sbin/jk_lsh", "-c", "rsnyc"], { user: "anna", env });
  expect(stderr).not.toContain("did you mean");
});

test("a jail that was moved: each tool reports where it is, and adopt --moved updates everything", () => {
  m.write("/etc/jailkit/jk_uchroot.ini", `[anna]\nallowed_jails = ${JAIL}, /srv/jails/customers2\n`);
  m.write("/etc/jailkit/jk_check.ini", `[${JAIL}]\nignorepatheverywhere = ${JAIL}/home\n`);
  m.must(["mv", JAIL, "/srv/jails/clients"]);
  const command = `jailkit adopt --moved ${JAIL} /srv/jails/clients`;
  expect(said("jk_jailuser", "--unjail", "anna")).toContain(command);
  expect(said("jk_update", "--strict", "-j", JAIL)).toContain(command);
  expect(said("jk_check", JAIL)).toContain(command);
  expect(said("jailkit", "list")).toContain(command);
  const { findings } = reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout);
  const lost = findings.filter(({ kind, subject }) => kind === "missing" && subject === JAIL);
  expect(lost).toEqual([expect.objectContaining({ command })]);
  // What would take the account out of the jail that it is to follow is not told, wherever one looks.
  for (const words of [[], [JAIL], ["/srv/jails/clients"]]) {
    const remedies = check(m, ...words).found.map(({ remedy }) => remedy);
    expect(remedies).toContain(command);
    expect(remedies.filter((remedy) => remedy?.startsWith("jk_jailuser "))).toEqual([]);
  }
  // jk_update writes down where the jail is, and the account is told to follow all the same.
  m.must(["cp", "-a", "/var/lib/jailkit", "/root/records"]);
  m.must(["jk_update", "-j", "/srv/jails/clients"]);
  expect(check(m, "/srv/jails/clients").found.map(({ remedy }) => remedy)).toContain(command);
  m.remove("/var/lib/jailkit");
  m.must(["mv", "/root/records", "/var/lib/jailkit"]);
  const planned = m.must(["jailkit", "adopt", "--dry-run", "--moved", JAIL]).stdout;
  expect(planned).toContain(`${JAIL} is now /srv/jails/clients`);
  expect(typeRemedy(m, command)).toMatchObject({ status: 0 });
  expect(m.read("/etc/passwd")).toContain(":/srv/jails/clients/./home/anna:/usr/sbin/jk_chrootsh\n");
  expect(m.read("/etc/jailkit/jk_uchroot.ini")).toBe(
    "[anna]\nallowed_jails = /srv/jails/clients, /srv/jails/customers2\n",
  );
  expect(m.read("/etc/jailkit/jk_check.ini")).toBe(
    "[/srv/jails/clients]\nignorepatheverywhere = /srv/jails/clients/home\n",
  );
  expect(login().status).toBe(0);
  expect(summary(check(m, "/srv/jails/clients").found)).toEqual([]);
  expect(m.must(["jailkit", "list"]).stdout).not.toContain(JAIL);
  // Another jail is not taken for it.
  m.must(["jk_init", "-j", "/srv/jails/other", "uidbasics"]);
  m.must(["mv", "/srv/jails/clients", "/srv/clients"]);
  expect(said("jailkit", "adopt", "--moved", "/srv/jails/clients", "/srv/jails/other")).toContain(
    "is not the jail",
  );
  expect(said("jailkit", "adopt", "--moved", "/srv/jails/other")).toContain("still exists");
  m.must(["jailkit", "adopt", "--moved", "/srv/jails/clients"]);
  expect(login().status).toBe(0);
});

test("deleting a moved jail closes its log socket, even if jk_update ran first", () => {
  const places = () => m.run(["ls", "/etc/jailkit/jk_socketd.d"]).stdout;
  const before = places();
  m.must(["jk_init", "-j", "/srv/logs", "logbasics"]);
  m.must(["mv", "/srv/logs", "/srv/moved"]);
  m.must(["jk_update", "-j", "/srv/moved"]);
  m.must(["jailkit", "adopt", "--moved", "/srv/logs", "/srv/moved"]);
  expect(places()).toBe(`${before}srv-moved.ini\n`);
  expect(m.run(["jailkit", "config", "check"]).stdout).not.toContain("/srv/moved");
  expect(m.run(["jailkit", "delete", "--yes", "/srv/moved"])).toMatchObject({ status: 0, stderr: "" });
  expect(places()).toBe(before);
});

test("a log socket with other limits follows its jail, with these, and what is of the administrator stays", () => {
  const place = (name: string) => `/etc/jailkit/jk_socketd.d/srv-${name}.ini`;
  const limits = "base = 100\npeak = 9000\ntype = stream\n";
  m.must(["jk_init", "-j", "/srv/logs", "logbasics"]);
  m.write(place("logs"), `# Mine.\n[/srv/logs/dev/log]\n${limits}`);
  const move = (from: string, to: string) => {
    m.must(["mv", `/srv/${from}`, `/srv/${to}`]);
    m.must(["jailkit", "adopt", "--moved", `/srv/${from}`, `/srv/${to}`]);
  };
  move("logs", "moved");
  expect(m.exists(place("logs"))).toBe(false);
  expect(m.read(place("moved"))).toBe(`# Mine.\n[/srv/moved/dev/log]\n${limits}`);
  // A new jail at the old path takes nothing from it, and jk_update changes nothing.
  m.must(["jk_init", "-j", "/srv/logs", "logbasics"]);
  expect(m.run(["jk_update", "--check", "/srv/moved"]).status).toBe(0);
  expect(m.read(place("moved"))).toContain(limits);
  m.must(["jailkit", "delete", "--yes", "/srv/logs"]);
  // One with another socket, too, is not of jk_init.
  m.must(["jk_init", "-j", "/srv/both", "uidbasics"]);
  m.write(place("both"), "[/srv/both/dev/log]\n[/srv/both/dev/x]\n");
  move("both", "both2");
  expect(m.read(place("both"))).toBe("[/srv/both2/dev/log]\n[/srv/both2/dev/x]\n");
  m.remove(place("both"));
  m.must(["jailkit", "delete", "--yes", "/srv/both2"]);
  // Where another file has the name, both stay.
  m.write(place("other"), "[/srv/third/dev/log]\nbase = 7\n");
  move("moved", "other");
  expect(m.read(place("moved"))).toContain(`[/srv/other/dev/log]\n${limits}`);
  expect(m.read(place("other"))).toBe("[/srv/third/dev/log]\nbase = 7\n");
  m.must(["rm", place("moved")]);
  // No tool replaces it, and what it says helps.
  const refused = m.run(["jk_init", "-j", "/srv/other", "logbasics"]);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain(
    `${place("other")}: has a section [/srv/third/dev/log], and is not replaced`,
  );
  const [, command = ""] = /move it first: (.*)/.exec(refused.stderr) ?? [];
  m.must(["sh", "-ec", command]);
  m.must(["jk_init", "-j", "/srv/other", "logbasics"]);
  expect(m.read(place("other"))).toContain("[/srv/other/dev/log]");
  expect(m.read(place("other.others"))).toBe("[/srv/third/dev/log]\nbase = 7\n");
  m.remove(place("other.others"));
  m.must(["jailkit", "delete", "--yes", "/srv/other"]);
});

test("what declares a jail follows it, and apply has nothing to do", () => {
  const file = "/etc/jailkit/jails.d/nice.ini";
  m.mkdir("/etc/jailkit/jails.d");
  m.write(
    file,
    "# The jail /srv/nice\n[jail /srv/nice]\nsections = uidbasics\n[user nina]\njail = /srv/nice\nallow = sftp\n",
  );
  m.must(["jailkit", "apply"]);
  m.must(["mv", "/srv/nice", "/srv/nicer"]);
  m.must(["jailkit", "adopt", "--moved", "/srv/nice", "/srv/nicer"]);
  expect(m.read(file)).toContain("[jail /srv/nicer]\nsections = uidbasics\n[user nina]\njail = /srv/nicer\n");
  expect(m.run(["jailkit", "apply"])).toMatchObject({
    status: 0,
    stdout: "0 changed, 0 failed, 2 as declared\n",
  });
  expect(m.exists("/srv/nice")).toBe(false);
  m.remove(file);
  m.must(["jailkit", "delete", "--yes", "--unjail", "--user-files", "/srv/nicer"]);
});

test("accounts can leave a missing jail, with the home and shell that they had", () => {
  m.must(["rm", "-rf", "/srv/clients"]);
  expect(said("jailkit", "adopt", "--moved", "/srv/clients")).toContain("jk_jailuser --unjail anna");
  const result = m.run(["jk_jailuser", "--unjail", "anna"]);
  expect(result).toMatchObject({ status: 0 });
  expect(result.stderr).toContain("/srv/clients is missing");
  expect(m.read("/etc/passwd")).toContain(":/home/anna:/bin/bash\n");
});

test("jk_socketd reports errors in its options", () => {
  for (const [option, what] of [
    ["--base=abc", "--base is a number of bytes, not 'abc'"],
    ["--interval=x", "--interval is a number of seconds, not 'x'"],
  ] as const) {
    const { status, stderr } = m.run(["jk_socketd", "--socket=/srv/x/dev/log", option]);
    expect([status, stderr]).toEqual([1, `jk_socketd: ${what}; see 'jk_socketd --help'\n`]);
  }
  const missing = m.run(["jk_socketd", "--socket=/x/dev/log"]);
  expect(missing.status).toBe(1);
  expect(missing.stderr).toContain("/x/dev/log: No such file or directory; there is no directory /x/dev");
  expect(m.run(["jk_socketd", "--socket=/dev/log"]).stderr).toContain("the host's own log daemon");
});
