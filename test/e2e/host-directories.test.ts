/** Directories of the host itself cannot be jails, under whatever name. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const tools = [
  "jk_init",
  "jk_cp",
  "jk_update",
  "jk_jailuser",
  "jk_addjailuser",
  "jk_check",
  "jk_chrootsh",
  "jailkit",
];
let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: tools });
  m.write("/etc/jailkit/jk_init.d/test.ini", "[one]\npaths = cat\nincludesections = uidbasics\n");
  m.addUser("someone", { uid: 4100, home: "/home/someone", createHome: true });
  for (const name of ["boot", "root"]) {
    m.mkdir(`/srv/bound-${name}`);
    m.must(["mount", "--bind", `/${name}`, `/srv/bound-${name}`]);
  }
});
afterAll(async () => m.close());

const commands = (jail: string): (readonly [status: number, argv: string[]])[] => [
  [3, ["jk_init", "-j", jail, "one"]],
  [3, ["jk_init", "--dry-run", "-j", jail, "one"]],
  [6, ["jk_cp", "-j", jail, "cat"]],
  [1, ["jk_update", "-j", jail]],
  [33, ["jk_jailuser", "-n", "-j", jail, "someone"]],
  [33, ["jk_addjailuser", "-j", jail, "newcomer"]],
  [1, ["jailkit", "adopt", jail]],
];

const HOST = (
  "/boot /dev /etc /home /proc /root /sys /usr /usr/local /var /var/lib /tmp /run /var/tmp /var/mail /var/cache " +
  "/var/spool /dev/shm"
).split(" ");

test.each([...HOST, "/srv/bound-boot", "/srv/bound-root", "/usr/../home", "/usr/share/"])("%s", (jail) => {
  const host = jail === "/usr/../home" ? "/home" : jail.replace("/srv/bound-", "/").replace(/\/$/, "");
  const listed = m.list(host);
  const passwd = m.read("/etc/passwd");
  for (const [status, argv] of commands(jail)) {
    const result = m.run(argv);
    expect([argv[0], result.status, result.stderr]).toEqual([
      argv[0] ?? "",
      status,
      expect.stringContaining(`is the host's ${host}, which cannot be a jail`),
    ]);
  }
  if (!["/proc", "/run", "/tmp"].includes(host)) expect(m.list(host)).toEqual(listed);
  expect(m.read("/etc/passwd")).toBe(passwd);
});

const UPLOADS = "/srv/uploads";
const OWN = "name a directory of its own, such as /srv/jail";
const modes = (paths: readonly string[]) =>
  paths.map((path) => {
    const { mode = 0, uid, gid } = m.stat(path) ?? {};
    return [mode & 0o7777, uid, gid];
  });

test.each(["/tmp", "/var/tmp", "/dev/shm", "/var/mail", UPLOADS, `${UPLOADS}-of-www`])(
  "%s, which others write, is not closed to them to become a jail",
  (jail) => {
    m.must(["install", "-d", "-m", "1777", UPLOADS]);
    m.must(["install", "-d", "-o", "someone", `${UPLOADS}-of-www`]);
    for (const path of [UPLOADS, `${UPLOADS}-of-www`]) m.write(`${path}/picture`, "");
    const before = modes([jail]);
    const why = jail.startsWith(UPLOADS)
      ? "has other things in it, such as 'picture', and nothing of a jail"
      : `is the host's ${jail}, which cannot be a jail`;
    const said = `and ${why}; ${OWN}`;
    for (const section of [
      `[jail ${jail}]\nsections = one\n`,
      `[user u]\njail = ${jail}\nshell = /bin/sh\n`,
    ]) {
      m.write("/root/typo.ini", section);
      const run = m.run(["jailkit", "apply", "--check", "--json", "/root/typo.ini"]);
      const [problem] = JSON.parse(run.stdout.trim().split("\n").at(-1) ?? "").problems;
      expect(problem).toMatchObject({
        code: "unsafe-jail",
        remedy: null,
        message: expect.stringContaining(said),
      });
      if (section.startsWith("[jail") && !jail.startsWith(UPLOADS)) expect(problem.finding).toBe("bad-path");
    }
    expect(m.run(["jailkit", "list", jail]).stderr).toContain(said);
    const checked = m.run(["jk_check", jail]);
    expect(checked.stdout + checked.stderr).toContain(why);
    expect(checked.stdout + checked.stderr).not.toMatch(/ch(?:mod|own) .*\n/);
    m.run(["jk_check", "--fix", jail]);
    expect(modes([jail])).toEqual(before);
  },
);

test.each([
  ["without other things", ["home"]],
  ["with what a jail has", ["data", "etc"]],
])("a directory %s is made safe by the command, and becomes a jail", (_, names) => {
  const jail = `/srv/of-group-${names[0]}`;
  m.must(["install", "-d", "-m", "2775", "-g", "mail", jail]);
  for (const name of names) m.mkdir(`${jail}/${name}`);
  const { stderr } = m.run(["jk_init", "-j", jail, "one"]);
  m.must(["sh", "-c", /fix it with: (.*)$/m.exec(stderr)?.[1] ?? "false"]);
  m.must(["jk_init", "-j", jail, "one"]);
});

test("jk_check --fix repairs nothing there", () => {
  m.chmod("/srv/bound-boot", 0o777);
  const { stdout, stderr } = m.run(["jk_check", "--fix", "-j", "/srv/bound-boot"]);
  expect(stdout + stderr).toContain("nothing was repaired: it is the host's /boot");
  expect((m.stat("/boot")?.mode ?? 0) & 0o7777).toBe(0o777);
  m.chmod("/boot", 0o755);
});

test.each(["/opt", "/mnt", "/srv"])("%s may be a jail, and is never deleted", (jail) => {
  expect(m.run(["jk_init", "-j", jail, "one"])).toMatchObject({ status: 0, stderr: "" });
  const { status, stderr } = m.run(["jailkit", "delete", "--yes", jail]);
  expect([status, stderr]).toEqual([
    1,
    expect.stringContaining(`is the host's ${jail}, which is never deleted`),
  ]);
  expect(m.exists(`${jail}/usr/bin/cat`)).toBe(true);
});
