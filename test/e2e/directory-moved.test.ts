/**
 * Accounts of a directory whose home is in a jail that is not there: it was moved, or the directory has a mistake. Each command
 * says what their directory should say, and none advises what changes nothing.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { adoptReportSchema, listReportSchema } from "../../src/jails/report-schema.ts";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { installNssSystemd } from "./archives.ts";
import { check } from "./check-helper.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const OLD = "/srv/j";
const NEW = "/srv/jj";
const FOLLOW = `jailkit adopt --moved ${OLD} ${NEW}`;
const ACCOUNTS = "/var/lib/extrausers/passwd";
const CHROOTSH = "/usr/sbin/jk_chrootsh";
const SHOW = `jk_jailuser --dry-run -j ${NEW} luser mary`;

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  installNssSystemd(m);
  const nss = m.read("/etc/nsswitch.conf").replace(/^(passwd|group|shadow):.*$/gm, "$1: files extrausers");
  m.write("/etc/nsswitch.conf", nss);
  m.write("/var/lib/extrausers/group", "luser:x:6001:\nmary:x:6002:\n");
  const shadow = ["luser", "mary"].map((name) => `${name}:*:19000:0:99999:7:::\n`);
  m.write("/var/lib/extrausers/shadow", shadow.join(""));
  m.remove("/var/lib/jailkit");
});
afterAll(() => m?.close());
beforeEach(() => {
  has(OLD);
  m.must(["jk_init", "-j", OLD, "basicshell"]);
  m.must(["jk_jailuser", "--jail-side-only", "-s", "/bin/bash", "-j", OLD, "luser", "mary"]);
});
afterEach(() => {
  m.run(["userdel", "anna"]);
  m.must(["rm", "-rf", OLD, NEW, "/var/lib/jailkit"]);
});

/** What the directory says of both: the jail, or the fields. */
function has(jail: string, ...fields: string[]): void {
  const lines = ["luser", "mary"].map((name, index) => {
    const own = fields[index] ?? `${jail}/./home/${name}:${CHROOTSH}`;
    return `${name}:x:600${index + 1}:600${index + 1}::${own}\n`;
  });
  m.write(ACCOUNTS, lines.join(""));
}
const status = () => reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout);
const list = (...jails: string[]) =>
  reportOf(listReportSchema, m.run(["jailkit", "list", "--json", ...jails]).stdout).jails;
/** The steps of a login that is refused. */
const explained = (user: string) =>
  reportOf(explainReportSchema, m.run(["jailkit", "explain", "--json", "--su", user]).stdout).steps.filter(
    ({ outcome }) => outcome === "failed",
  );
function login(user: string): string {
  const id = (option: string) => m.must(["id", option, user]).stdout.trim();
  const ids = [`--reuid=${id("-u")}`, `--regid=${id("-g")}`, "--clear-groups"];
  return m.run(["setpriv", ...ids, CHROOTSH, "-c", "pwd"], { env: { USER: user } }).stdout;
}
const told = (...words: string[]) =>
  check(m, ...words).found.map(
    ({ message, remedy, otherwise }) =>
      `${message} > ${remedy}${otherwise === undefined ? "" : ` > ${otherwise}`}`,
  );
const differs = (user: string) =>
  `the real homedir and jail homedir for user ${user} do not correspond in jail ${NEW}/`;
/** Both ways, as jailkit list names them for all users at once. */
const OUT = (user: string) => `jk_jailuser --unjail --jail-side-only -j ${NEW} ${user}`;
const inDirectory = (user: string) =>
  `${differs(user)}; change its directory as this shows: jk_jailuser --dry-run -j ${NEW} ${user} > undefined > take its line in the jail out: ${OUT(user)}`;

/** Types what shows what the directory should say, and lets it say so. */
function setAsShown(command: string): void {
  const { stdout } = typeRemedy(m, command);
  const fields = [...stdout.matchAll(/^# In \/var\/lib\/extrausers\/passwd, .*:\n(.*)$/gm)].map(
    ([, line = ""]) => line,
  );
  expect(fields).toEqual([`${NEW}/./home/luser:${CHROOTSH}`, `${NEW}/./home/mary:${CHROOTSH}`]);
  has("", ...fields);
}

function isAsItShouldBe(): void {
  expect(status()).toMatchObject({ findings: [], users: { fromServices: 2, inMissingJails: 0 } });
  expect(check(m, NEW)).toMatchObject({ status: 0, found: [] });
  expect([login("luser"), login("mary")]).toEqual(["/home/luser\n", "/home/mary\n"]);
}

test("a jail that was moved: what cannot follow it is named, with what its directory should say", () => {
  m.must(["jk_addjailuser", "-j", OLD, "-s", "/bin/bash", "anna"]);
  m.must(["mv", OLD, NEW]);
  expect(told(NEW).toSorted()).toEqual(
    ["anna", "luser", "mary"].map((user) => `${differs(user)} > ${FOLLOW}`),
  );
  for (const user of ["anna", "luser"]) expect(explained(user).map(({ remedy }) => remedy)).toEqual([FOLLOW]);
  const left = ["luser", "mary"].map(
    (user) =>
      `jailkit adopt: warning: the account '${user}' is not in /etc/passwd: its directory should say the home '${NEW}/./home/${user}'\n`,
  );
  const warnings = `${left.join("")}jailkit adopt: warning: what to change there is shown by: ${SHOW}\n`;
  expect(m.run([...FOLLOW.split(" "), "--dry-run"])).toMatchObject({ status: 0, stderr: warnings });
  expect(typeRemedy(m, FOLLOW)).toMatchObject({ status: 0, stderr: warnings });
  expect(m.read("/etc/passwd")).toContain(`:${NEW}/./home/anna:`);
  // From now on nothing advises what was done already.
  expect(told(NEW).toSorted()).toEqual(["luser", "mary"].map(inDirectory));
  expect(explained("luser")).toMatchObject([
    { message: expect.stringMatching(/; set its home and shell where .* shows$/), remedy: null },
  ]);
  expect(reportOf(adoptReportSchema, m.run([...FOLLOW.split(" "), "--json"]).stdout)).toMatchObject({
    users: [],
    directoryUsers: [
      { name: "luser", home: `${NEW}/./home/luser` },
      { name: "mary", home: `${NEW}/./home/mary` },
    ],
    problems: [],
    exitStatus: 0,
  });
  const lost = { path: OLD, state: "missing", users: [{ name: "luser" }, { name: "mary" }] };
  expect(list()).toMatchObject([lost, { path: NEW, state: "ready", users: [{ name: "anna" }] }]);
  expect(list(OLD)).toEqual(list().slice(0, 1));
  expect(status()).toMatchObject({
    users: { total: 3, fromServices: 2, inMissingJails: 2 },
    findings: [
      { kind: "missing", subject: OLD, message: list(OLD)[0]?.reason, command: `jailkit list ${OLD}` },
    ],
  });
  expect(list(OLD)[0]?.reason).toEndWith(
    `; to let luser, mary into ${NEW}, which has lines of them, change their directory as this shows: ${SHOW}; or take these lines out: jk_jailuser --unjail --jail-side-only -j ${NEW} luser mary`,
  );
  setAsShown(SHOW);
  isAsItShouldBe();
});

test("a name with bytes that a terminal obeys", () => {
  const name = "b\x1b[1mad";
  m.write(ACCOUNTS, `${name}:x:6003:6001::${OLD}/./home/bad:${CHROOTSH}\n`);
  m.write(`${OLD}/etc/passwd`, `${m.read(`${OLD}/etc/passwd`)}${name}:x:6003:6001::/home/bad:/bin/bash\n`);
  m.must(["mv", OLD, NEW]);
  const { stderr } = m.run(FOLLOW.split(" "));
  expect(stderr).toContain("the account 'b\\x1b[1mad' is not in /etc/passwd");
  const [lost] = list(OLD);
  expect(lost?.users).toMatchObject([{ name }]);
  const page = m.run(["jailkit", "list"]);
  expect(stderr + lost?.reason + page.stdout + page.stderr).not.toContain("\x1b");
});

test("a mistake in the directory, where no jail was ever moved", () => {
  m.must(["mv", OLD, NEW]);
  m.must(FOLLOW.split(" "));
  has("/srv/k");
  expect(told(NEW).toSorted()).toEqual(["luser", "mary"].map(inDirectory));
  expect(explained("mary").map(({ remedy }) => remedy)).toEqual([null]);
  expect(status()).toMatchObject({ users: { inMissingJails: 2 }, findings: [{ subject: "/srv/k" }] });
  expect(m.run(["jailkit", "adopt", "--moved", "/srv/k", NEW]).stderr).toEndWith(`: ${SHOW}\n`);
  const [lost] = list("/srv/k");
  const [, show, out] = /as this shows: (.*); or take these lines out: (.*)$/.exec(lost?.reason ?? "") ?? [];
  setAsShown(show ?? "");
  isAsItShouldBe();
  // The other way.
  has("/srv/k");
  expect(typeRemedy(m, out ?? "").status).toBe(0);
  expect(status()).toMatchObject({ users: { total: 0 }, findings: [] });
  expect(told(NEW)).toEqual([]);
});

test("a mistake in the home, too: the line in the jail says which one is meant", () => {
  m.must(["mv", OLD, NEW]);
  m.must(FOLLOW.split(" "));
  has("", `/srv/k/./home/lusr:${CHROOTSH}`, `/srv/k/./home/mary:${CHROOTSH}`);
  expect(told(NEW).toSorted()).toEqual(["luser", "mary"].map(inDirectory));
  setAsShown(SHOW);
  isAsItShouldBe();
});

test("a link in the place of the jail", () => {
  m.must(["mv", OLD, NEW]);
  m.must(["ln", "-s", NEW, OLD]);
  m.must(FOLLOW.split(" "));
  expect(m.run(FOLLOW.split(" ")).stderr).toEndWith(`: ${SHOW}\n`);
  const [lost] = list(OLD);
  expect(lost).toMatchObject({
    state: "unreadable",
    users: [{ name: "luser" }, { name: "mary" }],
    remedy: null,
  });
  expect(status().findings).toMatchObject([{ kind: "unreadable", subject: OLD }]);
  expect(lost?.reason).toContain(`as this shows: ${SHOW};`);
  expect(told(NEW).toSorted()).toEqual(["luser", "mary"].map(inDirectory));
  setAsShown(SHOW);
  isAsItShouldBe();
});

test("a home that names no jail, of accounts of a jail in which nobody else lives", () => {
  has("", `/home/luser:${CHROOTSH}`, `/./home/mary:${CHROOTSH}`);
  m.must(["jk_addjailuser", "-j", OLD, "-s", "/bin/bash", "anna"]);
  m.must(["usermod", "-d", "/home/anna", "anna"]);
  const heal = `usermod -d ${OLD}/./home/anna anna`;
  const ways = () =>
    status().findings.map(({ kind, subject, message, command }) => [
      kind,
      subject,
      message.split("; ").at(-1),
      command,
    ]);
  const told = (user: string, command = `jk_jailuser --dry-run -j ${OLD} ${user}`) => {
    const out = `take its line in the jail out: jk_jailuser --unjail --jail-side-only -j ${OLD} ${user}`;
    return ["no-jail", user, out, command];
  };
  expect(ways()).toEqual([told("luser"), told("mary"), told("anna", heal)]);
  // jk_check names the same.
  const { found } = check(m, OLD);
  expect(found.map(({ rule }) => rule)).toEqual(["home-differs", "home-differs", "home-differs"]);
  const named = found.map(({ message, remedy, otherwise }) => [
    otherwise,
    remedy ?? message.split(" as this shows: ")[1],
  ]);
  expect(named).toEqual(ways().map(([, , ...both]) => both));
  const [luser] = status().findings;
  expect(typeRemedy(m, heal).status).toBe(0);
  expect(login("anna")).toBe("/home/anna\n");
  const { stdout } = typeRemedy(m, luser?.command ?? "");
  const [, fields] = /^# In .*extrausers.*\n(.*)$/m.exec(stdout) ?? [];
  has("", fields ?? "", `/home/mary:${CHROOTSH}`);
  expect(login("luser")).toBe("/home/luser\n");
  expect(typeRemedy(m, found[1]?.otherwise?.split(": ")[1] ?? "").status).toBe(0);
  expect([status().findings, check(m, OLD).found]).toEqual([[], []]);
  has("", "/home/luser:/bin/sh", "/home/mary:/bin/sh");
  expect(status().findings).toEqual([]);
});

test("an account of /etc/passwd with a mistake: what is advised heals it, or shows the ways", () => {
  m.must(["jk_addjailuser", "-j", OLD, "-s", "/bin/bash", "anna"]);
  m.must(["usermod", "-d", "/srv/k/./home/anna", "anna"]);
  const [step] = explained("anna");
  expect(step?.remedy).toBe("jailkit list /srv/k");
  expect(typeRemedy(m, step?.remedy ?? "").stderr).toContain("jk_jailuser --unjail");
  const [found] = check(m, OLD).found;
  expect(found?.remedy).toBe(`jailkit adopt --moved /srv/k ${OLD}`);
  expect(typeRemedy(m, found?.remedy ?? "")).toMatchObject({ status: 0, stderr: "" });
  expect(check(m, OLD).found).toEqual([]);
  expect(login("anna")).toBe("/home/anna\n");
});
