/** A jail in which no login works, whatever its users do, is warned of in each run of `jailkit apply`, and a finding of `jailkit status`. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const FILE = "/etc/jailkit/jails.d/one.ini";
let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
  m.mkdir("/root", { mode: 0o700 });
  m.must(["chmod", "0700", "/root"]);
});
afterAll(() => m?.close());
beforeEach(() => {
  m.write(FILE, "");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
});

const declare = (jail: string, users: Record<string, string>, more = "sections = basicshell\n") =>
  m.write(
    FILE,
    `[jail ${jail}]\n${more}${Object.entries(users)
      .map(([name, keys]) => `[user ${name}]\njail = ${jail}\nshell = /bin/bash\n${keys}`)
      .join("")}`,
  );

const WHY = /(?:cannot (?:pass|read) |nothing can be executed|cannot log in, )/;
/** What a run says of logins that do not work. */
const said = (...options: string[]) => {
  const { changes, summary } = linesOf(m, ...options);
  return [...summary.warnings, ...changes.flatMap(({ warnings }) => warnings)].filter((line) =>
    WHY.test(line),
  );
};
const found = () =>
  reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout)
    .findings.filter(({ kind }) => kind === "no-login" || kind === "home")
    .map(({ kind, subject, message, command }) => [kind, subject, message, command]);
const login = (user: string) => m.run(["/usr/sbin/jk_chrootsh", "-c", "/bin/true"], { user }).status;

/** Expects a warning in the plan, the run, and later ones, and that its command helps. */
function warned(jail: string, message: string, command: string, user = "anna"): void {
  const line = `jail ${jail}: ${message}; fix it with: ${command}`;
  for (const options of [["--check"], [], [], ["--check"]]) expect(said(...options)).toEqual([line]);
  expect(m.run(["jailkit", "apply"]).stderr).toBe(`jailkit apply: warning: ${line}\n`);
  expect(found()).toEqual([["no-login", jail, message, command]]);
  expect(login(user)).not.toBe(0);
  m.must(["sh", "-ec", command]);
  expect([said("--check"), said(), found(), login(user)]).toEqual([[], [], [], 0]);
}

/** What other tools say of a user of a jail, and of one whom it gets. */
const othersSay = (jail: string, user: string) => ({
  jk_check: m.run(["jk_check", "-j", jail]).stdout,
  jk_jailuser: m.run(["jk_jailuser", "-n", "-j", jail, user]).stderr,
  jk_addjailuser: m.run(["jk_addjailuser", "--dry-run", "-j", jail, "bert"]).stderr,
});

test.each(["/mnt/priv", "/root"])("below %s, which users cannot pass", (above) => {
  if (!m.exists(above)) m.mkdir(above, { mode: 0o700 });
  const jail = `${above}/j`;
  declare(jail, { anna: "" });
  warned(jail, `anna cannot pass ${above}: no login works`, `chmod a+x ${above}`);
});

test("in a directory that some users can pass, by their groups, or not, by an ACL", () => {
  const jail = "/mnt/team/j";
  m.mkdir("/mnt/team", { mode: 0o750 });
  m.must(["chgrp", "team", "/mnt/team"]);
  declare(jail, { anna: "groups = team\n" });
  expect([said("--check"), said(), said(), found(), login("anna")]).toEqual([[], [], [], [], 0]);
  declare(jail, { anna: "groups = team\n", bob: "", carl: "uid = 4100\n" });
  const message = "bob and 1 more cannot pass /mnt/team: no login works";
  warned(jail, message, "chmod a+x /mnt/team", "bob");
  m.must(["setfacl", "-m", "u:4100:---", "/mnt/team"]);
  warned(jail, "carl cannot pass /mnt/team: no login works", "setfacl -m u:4100:x /mnt/team", "carl");
});

test("not in a directory that a new account can pass by its primary group", () => {
  m.mkdir("/mnt/users", { mode: 0o750 });
  m.must(["chgrp", "users", "/mnt/users"]);
  declare("/mnt/users/j", { anna: "" });
  expect([said("--check"), said(), said(), login("anna")]).toEqual([[], [], [], 0]);
});

test("with a directory for homes that users cannot pass", () => {
  const jail = "/srv/homes";
  declare(jail, { anna: "", bob: "home = /web/bob\n" });
  m.must(["jailkit", "apply"]);
  m.must(["chmod", "0700", `${jail}/home`]);
  warned(jail, `anna cannot pass ${jail}/home: no login works`, `chmod a+x ${jail}/home`);
});

// Each is read with the rights of the user.
test.each([
  ["passwd", "0600", "read", "r"],
  ["group", "0640", "read", "r"],
  ["jailkit", "0700", "pass", "x"],
  ["jailkit/jk_lsh.ini", "0600", "read", "r"],
  ["jailkit/jk_lsh.d", "0711", "read", "rx"],
  ["jailkit/jk_lsh.d/more.ini", "0600", "read", "r"],
])("with etc/%s of mode %s, which users cannot %s", (name, mode, verb, letter) => {
  const jail = "/srv/files";
  const file = `${jail}/etc/${name}`;
  const rules = "shell = /usr/sbin/jk_lsh\nexecutables = /bin/true\n";
  if (name.includes("jk_lsh.d")) m.write(`${jail}/etc/jailkit/jk_lsh.d/more.ini`, "[other]\nallow = sftp\n");
  m.write(FILE, `[jail ${jail}]\nsections = basicshell\n[user anna]\njail = ${jail}\n${rules}`);
  m.must(["jailkit", "apply"]);
  expect([login("anna"), said("--check")]).toEqual([0, []]);
  m.must(["chmod", mode, file]);
  const [why, remedy] = [`cannot ${verb} ${file}: no login`, `chmod a+${letter} ${file}`];
  expect(othersSay(jail, "anna")).toEqual({
    jk_check: expect.stringContaining(`user anna ${why} in ${jail} works`),
    jk_jailuser: expect.stringContaining(`warning: anna ${why} works; fix it with: ${remedy}\n`),
    jk_addjailuser: expect.stringContaining(`warning: bert ${why} works; fix it with: ${remedy}\n`),
  });
  warned(jail, `anna ${why} works`, remedy);
  // The rules of the limited shell are nothing to others.
  m.write(FILE, `[jail ${jail}]\nsections = basicshell\n[user anna]\njail = ${jail}\nshell = /bin/bash\n`);
  m.must(["jailkit", "apply"]);
  m.must(["chmod", mode, file]);
  expect(said("--check").length).toBe(login("anna") === 0 ? 0 : 1);
  m.must(["chmod", `a+${letter}`, file]);
});

test("with several files that users cannot read, of which one round tells", () => {
  const jail = "/srv/both";
  const files = [`${jail}/etc/passwd`, `${jail}/etc/group`];
  declare(jail, { anna: "" });
  m.must(["jailkit", "apply"]);
  m.must(["chmod", "0640", ...files]);
  expect(said("--check")).toEqual(
    files.map(
      (file) => `jail ${jail}: anna cannot read ${file}: no login works; fix it with: chmod a+r ${file}`,
    ),
  );
  const { stdout } = m.run(["jk_check", "-j", jail]);
  for (const file of files)
    expect(stdout).toContain(`user anna cannot read ${file}: no login in ${jail} works`);
});

test("on a file system that is mounted noexec; a live jail has its programs elsewhere", () => {
  m.mkdir("/mnt/noexec");
  m.must(["mount", "-t", "tmpfs", "-o", "mode=755,nosuid,noexec", "none", "/mnt/noexec"]);
  const [jail, live] = ["/mnt/noexec/j", "/mnt/noexec/live"];
  declare(live, { anna: "" }, "live = /usr\nsections = uidbasics\n");
  expect([said("--check"), said(), said(), found(), login("anna")]).toEqual([[], [], [], [], 0]);
  expect(m.run(["jk_check", live]).stdout).not.toContain("noexec");
  declare(jail, { bob: "" });
  const message = "nothing can be executed, since the file system is mounted noexec: no login works";
  const remount = (at: string) =>
    `mount -o "remount,bind,$(findmnt -no VFS-OPTIONS -T ${at}),exec" "$(findmnt -no TARGET -T ${at})"`;
  const line = (at: string) => `jail ${jail}: ${message}; fix it with: ${remount(at)}`;
  // Before the jail is there, its directory is not.
  expect(said("--check")).toEqual([line("/mnt/noexec")]);
  expect(said()).toEqual([line("/mnt/noexec")]);
  const others = expect.stringContaining("nothing can be executed");
  expect(othersSay(jail, "bob")).toMatchObject({ jk_jailuser: others, jk_addjailuser: others });
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  warned(jail, message, remount(jail), "bob");
});

test("a home that its user cannot enter, as one that others can write", () => {
  const jail = "/srv/closed";
  const home = `${jail}/home/anna`;
  declare(jail, { anna: "" });
  m.must(["jailkit", "apply"]);
  m.must(["chmod", "0", home]);
  expect(login("anna")).toBe(41);
  const message = `anna cannot log in, chdir(/home/anna) failed inside the jail ${jail}: Permission denied, check the permissions for ${home}`;
  const command = `chmod u+x ${home}`;
  const [line = "", ...more] = said("--check");
  expect([line, more]).toEqual([
    expect.stringContaining(`user anna: ${message}; fix it with: ${command}`),
    [],
  ]);
  expect([said(), found()]).toEqual([[], [["home", "anna", message, command]]]);
  expect(m.run(["jk_check", jail]).stdout).toContain(`${home} of user anna cannot be entered by the user`);
  m.must(["sh", "-ec", command]);
  expect([said("--check"), found(), login("anna")]).toEqual([[], [], 0]);
});

test("such a home that is to move into the jail", () => {
  m.addUser("mover", { createHome: true, home: "/home/mover" });
  m.must(["chmod", "0600", "/home/mover"]);
  declare("/srv/closed", {});
  m.must(["jailkit", "apply"]);
  declare("/srv/closed", { mover: "" });
  const line = /mover cannot log in, chdir.*fix it with: chmod u\+x \/srv\/closed\/home\/mover/;
  for (const options of [["--check"], [], ["--check"]])
    expect(said(...options)).toEqual([expect.stringMatching(line)]);
  m.must(["chmod", "u+x", "/srv/closed/home/mover"]);
  expect([said("--check"), login("mover")]).toEqual([[], 0]);
});
