/** What a mount that is missing, or in the place of a home, lets `jailkit explain`, jk_check and the others say, and the log of a login. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { type Machine, openMachine, type Syslog } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { check } from "./check-helper.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const DATA = "/var/lib/data";
const HOME = `${J}/home/bob`;

let m: Machine;
let log: Syslog;
let fstab = "";

const sh = (text: string) => m.must(["sh", "-ec", text]);
const mountPoint = (path: string) => m.write("/etc/fstab", `${fstab}${DATA} ${path} none bind,noauto 0 0\n`);

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["groupadd", "-f", "-r", "jailed"]);
  fstab = m.read("/etc/fstab");
  log = await m.startSyslog();
});
beforeEach(() => {
  for (const path of [DATA, J]) m.mkdir(path, { mode: 0o755 });
});
afterEach(() => {
  for (const path of [HOME, `${J}/home`, J, "/home"]) m.run(["umount", path]);
  m.write("/etc/fstab", fstab);
  m.run(["userdel", "bob"]);
  for (const path of ["/srv", "/home/bob", DATA, "/var/lib/jailkit"]) m.remove(path);
});
afterAll(() => m?.close());

/** Makes the jail with bob. `point`: where DATA is mounted meanwhile. */
function make(point?: string): void {
  if (point === J) sh(`mount --bind ${DATA} ${J}`);
  m.must(["jk_init", "-j", J, "basicshell", "uidbasics"]);
  if (point !== undefined && point !== J) sh(`mkdir -p ${point}; mount --bind ${DATA} ${point}`);
  m.must(["jk_addjailuser", "-s", "/bin/bash", "-j", J, "bob"]);
  if (point !== undefined) sh(`umount ${point}`);
}

/** Where the home is told, and with which remedy, or with which words. */
async function told() {
  const explained = reportOf(
    REPORT_SCHEMAS["jailkit explain"],
    m.run(["jailkit", "explain", "--su", "--json", "bob"]).stdout,
  );
  const steps = "steps" in explained ? explained.steps : [];
  await log.clear();
  expect(
    m.run(["/usr/sbin/jk_chrootsh", "-c", "true"], { user: "bob", env: { USER: "bob" } }).status,
  ).not.toBe(0);
  const lines = (await log.lines()).map(({ message }) => message);
  return {
    explain: steps.flatMap(({ name, outcome, message, remedy }) =>
      outcome === "failed" && name.startsWith("home-") ? [remedy ?? message] : [],
    ),
    check: check(m, "-j", J).found.flatMap(({ rule, message, remedy }) =>
      /^home-(?:missing|owner|group)$/.test(rule) ? [remedy ?? message] : [],
    ),
    // With -n it only looks at the home.
    jailuser: m.run(["jk_jailuser", "-n", "-j", J, "bob"]).stderr,
    status: m.run(["jailkit", "status"]).stdout,
    login: lines.find((line) => line.startsWith("JK-")) ?? "",
  };
}
type Told = Awaited<ReturnType<typeof told>>;
const all = ({ explain, check, ...texts }: Told) =>
  [...explain, ...check, ...Object.values(texts)].join("\n");
const TAKES = /install -d|chown -h|chgrp -h/;

test.each([
  ["missing, as its directory is not mounted", `${J}/home`, ""],
  ["root's, as the mount point of the home itself", HOME, `mkdir -p ${HOME}`],
])("a home that is %s, is mounted", async (_what, point, before) => {
  make(point);
  mountPoint(point);
  if (before !== "") sh(before);
  const remedy = `mount ${point}`;
  const found = await told();
  expect(found.explain.length).toBeGreaterThan(0);
  expect(found.check.length).toBeGreaterThan(0);
  for (const one of [...found.explain, ...found.check]) expect(one).toBe(remedy);
  expect(found.jailuser).toContain(remedy);
  expect(found.login).toContain(`; remedy: ${remedy}`);
  if (before !== "") expect(found.status).toContain(remedy);
  expect(all(found)).not.toMatch(TAKES);
  sh(remedy);
  if (point === HOME) sh(`chown bob: ${HOME}`);
  m.must(["/usr/sbin/jk_chrootsh", "-c", "true"], { user: "bob", env: { USER: "bob" } });
});

test.each(["fstab has its line", "only its record knows it"])(
  "of a jail that is not mounted, of which %s, no step makes a part",
  async (which) => {
    make(J);
    const isNamed = which.startsWith("fstab");
    if (isNamed) mountPoint(J);
    const { stdout } = m.run(["jailkit", "explain", "--su", "bob"]);
    expect(stdout).toContain(isNamed ? `remedy: mount ${J}\n` : "it is to be mounted");
    expect(stdout).not.toMatch(/install -d|chown|jk_cp|jk_jailuser/);
  },
);

test("a directory that is mounted at a home is not given away", async () => {
  make();
  sh(`mkdir -p /srv/empty; rm -r ${HOME}; mkdir ${HOME}; mount --bind /srv/empty ${HOME}`);
  const says = `a file system is mounted there: give the user '${HOME}' and what is in it, or unmount it: umount ${HOME}`;
  const found = await told();
  expect(found.explain.length).toBeGreaterThan(0);
  expect(found.check.length).toBeGreaterThan(0);
  for (const one of [...found.explain, ...found.check, found.jailuser, found.login])
    expect(one).toContain(says);
  expect(found.status.replace(/\s+/g, " ")).toContain("home bob jailkit explain bob");
  expect(all(found)).not.toMatch(TAKES);
});

test("a file that is mounted at a home is unmounted", async () => {
  make();
  sh(`rm -r ${HOME}; touch ${HOME} /srv/file; mount --bind /srv/file ${HOME}`);
  const { explain, check: found, login } = await told();
  for (const one of [...explain, ...found, login])
    expect(one).toContain(`a file is mounted there, and no directory: unmount it: umount ${HOME}`);
  expect([explain.length > 0, found.length]).toEqual([true, 1]);
});

test("an empty file system that is mounted at a home is given to its user, as before", async () => {
  make();
  sh(`rm -r ${HOME}; mkdir ${HOME}; mount -t tmpfs -o mode=755 none ${HOME}`);
  const { explain, login } = await told();
  const uid = m.must(["id", "-u", "bob"]).stdout.trim();
  for (const one of [...explain, login]) expect(one).toMatch(/ch(?:own|grp) -h \+/);
  sh(explain.join("\n"));
  expect(sh(`stat -c %u ${HOME}`).stdout.trim()).toBe(uid);
});

test("it is not moved away, where others may once have written the directory above it", async () => {
  make();
  sh(`chgrp 5000 ${J}/home; rm -r ${HOME}; mkdir ${HOME}; mount -t tmpfs -o mode=755 none ${HOME}`);
  const found = await told();
  expect([found.check.length, all(found).includes("mv -nT")]).toEqual([1, false]);
  sh(found.check.join("\n"));
  expect((await check(m, "-j", J)).found.filter(({ rule }) => rule.startsWith("home-"))).toEqual([]);
  m.must(["/usr/sbin/jk_chrootsh", "-c", "true"], { user: "bob", env: { USER: "bob" } });
});

test("nor is one of another owner, which the settings allow, for its group", async () => {
  make();
  const settings = "/etc/jailkit/jk_chrootsh.d/relaxed.ini";
  m.mkdir("/etc/jailkit/jk_chrootsh.d", { mode: 0o755 });
  m.write(settings, "[bob]\nrelax_home_owner = 1\n");
  try {
    sh(`rm -r ${HOME}; mkdir ${HOME}; mount -t tmpfs -o mode=755 none ${HOME}; chown 5000 ${HOME}`);
    const found = await told();
    const says = `a file system is mounted there: give the user '${HOME}' and what is in it, or unmount it: umount ${HOME}`;
    for (const one of [...found.explain, ...found.check, found.jailuser, found.login])
      expect(one).toContain(says);
    expect([found.check.length, all(found).includes("mv -nT")]).toEqual([1, false]);
    sh(`chown bob: ${HOME}`);
    m.must(["/usr/sbin/jk_chrootsh", "-c", "true"], { user: "bob", env: { USER: "bob" } });
  } finally {
    m.remove(settings);
  }
});

test("a home on which a file system is mounted is copied, and stays, and nobody takes it for what a killed run has left", () => {
  m.must(["jk_init", "-j", J, "basicshell", "uidbasics"]);
  sh("mkdir -p /home/bob; mount -t tmpfs -o mode=755 none /home/bob; useradd -d /home/bob -s /bin/bash bob");
  sh("chown bob: /home/bob; chmod 2755 /home/bob; echo thesis >/home/bob/file");
  const stays =
    "'/home/bob' stays, with all that is in it, since a file system is mounted there: umount /home/bob";
  m.write("/root/bob.ini", `[jail ${J}]\n[user bob]\njail = ${J}\nshell = /bin/bash\n`);
  expect(m.run(["jailkit", "apply", "--check", "/root/bob.ini"])).toMatchObject({
    status: 10,
    stderr: expect.stringContaining(`jailkit apply: warning: user bob: ${stays}\n`),
  });
  const { stderr } = m.must(["jk_jailuser", "-n", "-m", "-s", "/bin/bash", "-j", J, "bob"]);
  expect(stderr).toContain(`jk_jailuser: warning: ${stays}\n`);
  expect(sh(`cat ${HOME}/file /home/bob/file; stat -c %a /home/bob; ls /var/lib/jailkit/moves`).stdout).toBe(
    "thesis\nthesis\n2755\n",
  );
  expect(m.run(["jailkit", "status"]).stdout).not.toContain("interrupted");
  sh("umount /home/bob");
});

test("a home outside that would move into a jail is mounted first", () => {
  m.must(["jk_init", "-j", J, "basicshell", "uidbasics"]);
  sh(`useradd -m -d /home/bob bob; cp -a /home/bob ${DATA}; rm -r /home/bob`);
  mountPoint("/home");
  const jail = ["jk_jailuser", "-n", "-m", "-s", "/bin/bash", "-j", J, "bob"];
  expect(m.run(jail).stderr).toContain(
    "'/home/bob': its file system, which /etc/fstab names, is not mounted; fix it with: mount /home\n",
  );
  m.write(
    "/root/one.ini",
    `[jail ${J}]\nsections = basicshell, uidbasics\n[user bob]\njail = ${J}\nshell = /bin/bash\n`,
  );
  expect(m.run(["jailkit", "apply", "--check", "/root/one.ini"]).stderr).toContain(
    "fix it with: mount /home",
  );
  sh("mount /home");
  m.must(jail);
  expect(m.exists(HOME)).toBe(true);
});

test("a home that came from a mount whose top everybody can write: the message has the command after which it goes back", () => {
  const [top, shared] = ["/mnt/h", "/tmp/h"];
  m.mkdir(top);
  m.mkdir(shared);
  try {
    // As mount(8) makes it.
    sh(`mount -t tmpfs h ${top}; mount -t tmpfs h ${shared}; mount --bind ${shared} /tmp`);
    m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
    for (const [home, hint] of [
      [`${top}/bob`, `; or, if nobody else has to write there, type: chmod go-w ${top}`],
      // The host's own stays as all others need it.
      ["/tmp/bob", ""],
    ] as const) {
      m.addUser("bob", { home, createHome: true, shell: "/bin/bash" });
      m.must(["jk_jailuser", "-m", "-s", "/bin/bash", "-j", J, "bob"]);
      const leave = ["jk_jailuser", "--unjail", "-m", "bob"];
      const { status, stderr } = m.run(leave);
      expect([status, stderr]).toEqual([
        1,
        expect.stringContaining(
          `choose a home that is not below a directory that everybody can write${hint}`,
        ),
      ]);
      if (hint === "") expect(stderr).not.toContain("chmod");
      const [, command] = /type: (chmod .*)$/m.exec(stderr) ?? [];
      if (command !== undefined) {
        sh(command);
        m.must(leave);
        expect(m.exists(home)).toBe(true);
      }
      sh("userdel bob");
    }
  } finally {
    for (const path of ["/tmp", shared, top]) m.run(["umount", path]);
    m.remove(top);
  }
});
