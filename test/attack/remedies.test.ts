/**
 * A user chooses the names of files, and what they are when root types a command of jk_check or `jailkit explain`:
 * nobody else's file is changed, moved or given away, no program of the user runs, and the check excludes only what the
 * remedy says.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { checkReportSchema, type FindingReport } from "../../src/check/report/report-schema.ts";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { BEFORE, commandsOf, typeRemedy } from "../e2e/remedies-scene.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(240_000);

const jail = "/srv/j";
const home = `${jail}/home/mal`;
const INI = "/etc/jailkit/jk_check.ini";
const SECRET = "/etc/secret";
let m: Machine;
let ids: [number, number];

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  await m.startSshd({ config: ["AuthorizedKeysFile .ssh/authorized_keys", "StrictModes yes"] });
  m.must(["jk_init", "-j", jail, "jk_lsh", "sftp"]);
  for (const name of ["mal", "victim"]) m.must(["jk_addjailuser", "-j", jail, name]);
  ids = [m.ids("mal").uid, m.ids("mal").gid];
  m.mkdir(`${jail}/var`);
  m.mkdir(`${jail}/tmp`, { mode: 0o1777 });
  m.mkdir("/root/.ssh", { mode: 0o700 });
  m.must(["rsync", "-aH", "/etc/jailkit/", "/root/kept/"]);
});
afterAll(() => m?.close());

beforeEach(() => {
  m.remove(home);
  m.mkdir(home, { owner: ids });
  m.must(["find", `${jail}/tmp`, "-mindepth", "1", "-delete"]);
  m.must(["rsync", "-aH", "--delete", "/root/kept/", "/etc/jailkit/"]);
  m.write(SECRET, "root's alone\n", { mode: 0o600 });
  const { uid, gid } = m.ids("victim");
  m.write(`${jail}/home/victim/note`, "victim's\n", { mode: 0o644, owner: [uid, gid] });
});

const mal = (script: string) => m.must(["bash", "-ec", `cd ${home}; ${script}`], { user: "mal" });
function typeAll(remedies: readonly string[]): void {
  for (const remedy of remedies) typeRemedy(m, remedy);
}
function findings(): FindingReport[] {
  const { stdout } = m.run(["jk_check", "--json", jail]);
  const { jails } = reportOf(checkReportSchema, stdout);
  return jails.flatMap((one) => one.findings);
}
const remediesOf = (path: string) => findings().flatMap((one) => (one.path === path ? commandsOf(one) : []));
/** Everything that mal must not affect, except the configuration that the remedies change. */
function others(): Map<string, string> {
  const all = ["/etc", "/root/.ssh", `${jail}/home/victim`, `${jail}/etc`].flatMap((place) =>
    m.exists(place)
      ? Object.entries(m.snapshot(place)).map(([name, is]): [string, string] => [`${place}/${name}`, is])
      : [],
  );
  const names = m.list("/root").map((name): [string, string] => [`/root/${name}`, ""]);
  return new Map([...all.filter(([name]) => !name.includes("/etc/jailkit/")), ...names]);
}
/** The names of what is another now. */
function changed(before: Map<string, string>): string[] {
  const after = others();
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (name) => before.get(name) !== after.get(name),
  );
}

test("what is moved out of the jail gets no name in root's home that means something there", () => {
  mal(`echo 'touch /root/RAN' > run; ln -s ${home}/run ${jail}/tmp/.bash_profile`);
  const path = `${jail}/tmp/.bash_profile`;
  typeAll(remediesOf(path));
  expect(m.exists("/root/.bash_profile")).toBe(false);
  m.must(["mv", "-T", path, "/root/x"]);
  m.must(["mv", "-T", "/root/x", `${jail}/var/.bash_profile`]);
  typeAll(remediesOf(`${jail}/var/.bash_profile`));
  expect(m.exists(`${jail}/var/.bash_profile`)).toBe(false);
  expect(m.exists("/root/.bash_profile")).toBe(false);
  m.run(["bash", "-l", "-c", "true"], { env: { HOME: "/root" } });
  expect(m.exists("/root/RAN")).toBe(false);
  m.remove("/root/out-of-jail-.bash_profile");
});

test("no command is led to a file of the host by a directory of root that a user can exchange", () => {
  m.mkdir(`${home}/own`);
  m.must(["ln", "-s", `${jail}/x`, `${home}/own/secret`]);
  m.write(`${home}/own/writable`, "", { mode: 0o666 });
  m.write("/etc/writable", "", { mode: 0o666 });
  const remedies = ["secret", "writable"].flatMap((name) => remediesOf(`${home}/own/${name}`));
  mal("mv own away; ln -s /etc own");
  const before = others();
  typeAll(remedies);
  expect(changed(before)).toEqual([]);
  m.remove("/etc/writable");
});

test("a file without an owner is not given to a user by another name", () => {
  m.mkdir("/etc/left", { owner: [4711, 4711] });
  mal("mkdir -m 0777 d");
  m.write(`${home}/d/left`, "", { owner: [4711, 4711] });
  m.write(`${home}/left`, "", { owner: [4711, 4711] });
  const remedies = ["d/left", "left"].flatMap((name) => remediesOf(`${home}/${name}`));
  mal("mv d away; mv left gone; ln -s /etc d; ln -s /etc/left left");
  const before = others();
  typeAll(remedies);
  expect(changed(before)).toEqual([]);
  m.remove("/etc/left");
});

test("an ACL is removed only from a user's file", () => {
  const acl = ["setfacl", "-m", `u:${m.ids("victim").uid}:rw`];
  mal(`touch shared; ${acl.join(" ")} shared`);
  m.must([...acl, SECRET]);
  const remedies = remediesOf(`${home}/shared`);
  expect(remedies.join()).toContain("setfacl");
  mal(`rm shared; ln -s ${SECRET} shared`);
  const acls = () => m.must(["getfacl", "-cp", SECRET]).stdout;
  const before = acls();
  typeAll(remedies);
  expect(acls()).toBe(before);
});

test.each([
  ["a comma", `'x, ${jail}'`],
  ["the end of a line", `$'x\\nignorepatheverywhere = ${jail}'`],
  ["a section", `$'x\\n[${jail}/y]\\nz'`],
  ["a blank before a line's end", `$'x \\n ${jail}'`],
  ["a reference to another key", "'%(ignorepathoncompare)s'"],
  ["a comment after it", "'x ; y'"],
  ["a control byte", "$'x\\e[2J'"],
])("a name with %s excludes nothing else from the check", (_what, word) => {
  mal(`name=${word}; mkdir -p -- "$(dirname -- "$name")"; ln -s ${jail}/y "$name"`);
  m.write(`${jail}/etc/planted`, "", { mode: 0o666 });
  for (const section of ["", `[${jail}]\nignorepathoncompare = ${jail}/usr\n`]) {
    m.write(INI, section);
    typeAll(findings().flatMap((one) => (one.path.startsWith(home) ? commandsOf(one) : [])));
    expect(findings().map(({ path }) => path)).toContain(`${jail}/etc/planted`);
    const lines = m.run(["jk_check", jail]).stdout.split("\n");
    expect(lines.filter((line) => !/^(?:ERROR|WARNING| {2}remedy| {4}[[i]|$)/.test(line))).toEqual([]);
  }
  m.remove(`${jail}/etc/planted`);
});

test("a plain name is excluded as the remedy says", () => {
  mal(`ln -s ${jail}/y 'a link'`);
  typeAll(remediesOf(`${home}/a link`));
  expect(findings().map(({ path }) => path)).not.toContain(`${home}/a link`);
});

test("a file that a user could fill is not made root's", () => {
  m.write(`${jail}/usr/bin/mine`, "mal's\n", { mode: 0o755, owner: ids });
  m.must(["cp", "/usr/bin/true", `${jail}/usr/bin/true`]);
  m.write(`${jail}/usr/bin/true`, "mal's\n", { mode: 0o755 });
  m.chown(`${jail}/usr/bin/true`, ...ids);
  const told = findings().filter(({ rule }) => rule === "foreign-owner");
  expect(told.map(({ path }) => path).sort()).toEqual([`${jail}/usr/bin/mine`, `${jail}/usr/bin/true`]);
  for (const { remedy = "" } of told) expect(typeRemedy(m, remedy).status).toBe(0);
  expect(m.exists(`${jail}/usr/bin/mine`)).toBe(false);
  expect(m.read(`${jail}/usr/bin/true`) === m.read("/usr/bin/true")).toBe(true);
  m.must(["jk_cp", "--remove", "-j", jail, "/usr/bin/true"]);
  m.remove("/root/out-of-jail-mine");
});

const keys = `${home}/.ssh/authorized_keys`;
const PASSWD = "passwd mal";
const explained = (): string => {
  const { stdout } = m.run(["jailkit", "explain", "--json", "mal"]);
  const { steps } = reportOf(explainReportSchema, stdout);
  const about = steps.find(({ name }) => name === "credentials");
  const [first, ...others] = about === undefined ? [] : commandsOf(about);
  // A password would do as well: the other way is that of the key.
  return (first === PASSWD ? others[0] : first) ?? "";
};

test.each<[what: string, plant: string]>([
  ["leads to another user's", `ln -s ${jail}/home/victim/note .ssh/authorized_keys`],
  ["leads to what root alone reads", `ln -s ${SECRET} .ssh/authorized_keys`],
  ["leads to where there is nothing yet", "ln -s /root/.ssh/authorized_keys .ssh/authorized_keys"],
  ["is in a directory that leads elsewhere", `rm -r .ssh; ln -s ${jail}/home/victim .ssh`],
  [
    "leads to a name with a command in it",
    "touch ';touch RAN;'; chmod 666 ';touch RAN;'; ln -s '../;touch RAN;' .ssh/authorized_keys",
  ],
  [
    "leads to a name with a line in it",
    "touch $'x\\ntouch RAN\\n'; chmod 666 x*; ln -s $'../x\\ntouch RAN\\n' .ssh/authorized_keys",
  ],
  ["cannot be read", "touch .ssh/authorized_keys; chmod 0 .ssh/authorized_keys"],
  ["can be written by others", "touch .ssh/authorized_keys; chmod 666 .ssh/authorized_keys"],
  ["is a FIFO", "mkfifo .ssh/authorized_keys"],
])("authorized_keys that %s", (_what, plant) => {
  mal(`mkdir -m 0700 .ssh; ${plant}`);
  const before = others();
  const remedy = explained();
  expect(remedy).not.toBe("");
  expect(remedy.split("\n")).toHaveLength(1);
  const command = remedy.replace(BEFORE, "");
  m.run(["bash", "-c", command], { cwd: "/", env: { PATH: "/usr/sbin:/usr/bin", HOME: "/root" } });
  // What a program that goes into the jail needs there.
  const own = remedy.startsWith("jk_cp ") ? ["/srv/j/etc/ld.so.cache"] : [];
  expect({ remedy, changed: changed(before).filter((path) => !own.includes(path)) }).toEqual({
    remedy,
    changed: [],
  });
  expect(["/RAN", "/root/RAN", `${home}/RAN`].filter((path) => m.exists(path))).toEqual([]);
});

test("what is exchanged after the remedy was printed stays unchanged", () => {
  mal("mkdir -m 0700 .ssh; touch .ssh/authorized_keys; chmod 666 .ssh/authorized_keys");
  const remedy = explained();
  m.write("/etc/open", "", { mode: 0o666 });
  mal("ln -sf /etc/open .ssh/authorized_keys");
  typeRemedy(m, remedy);
  expect(m.stat("/etc/open")?.mode).toBe(0o100666);
  m.remove("/etc/open");
});

test("commands with the user's own rights fix it", () => {
  mal("mkdir -m 0700 .ssh");
  m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/mal-key"]);
  m.write(keys, m.read("/root/mal-key.pub"), { mode: 0o666, owner: ids });
  m.must(["usermod", "-p", "*", "mal"]);
  expect(typeRemedy(m, explained()).status).toBe(0);
  expect(explained()).toBe("");
});

/** The commands of `jailkit explain`, except for passwords; and whether one step tells root to close a directory first. */
function advisedFor(...words: string[]): { remedies: string[]; isToBeClosed: boolean } {
  const { stdout } = m.run(["jailkit", "explain", "--json", ...words]);
  const { steps } = reportOf(explainReportSchema, stdout);
  const failed = steps.filter(({ outcome }) => outcome !== "passed");
  return {
    remedies: failed.flatMap(commandsOf).filter((command) => !/^(?:passwd|usermod -p) /.test(command)),
    isToBeClosed: failed.some(({ message }) =>
      message.includes("; first let root alone write the directories above "),
    ),
  };
}

describe("a home in a directory of another user", () => {
  const inner = `${home}/inner`;
  const place = () => [m.stat("/etc"), m.stat("/srv/host")].map((stat) => [stat?.mode, stat?.uid, stat?.gid]);
  beforeAll(() => {
    m.addUser("inner", { uid: 6001, home: `${jail}/./home/mal/inner`, shell: "/usr/sbin/jk_chrootsh" });
    m.must(["jk_jailuser", "--jail-side-only", "-j", jail, "inner"]);
    m.mkdir("/srv/host", { mode: 0o775 });
    m.mkdir("/root/key", { mode: 0o700 });
    m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/key/id"]);
  });

  test("is not created there: its lines are corrected all the same, but no key is installed", () => {
    const passwd = m.read(`${jail}/etc/passwd`);
    m.must(["sed", "-i", "/^inner:/d", `${jail}/etc/passwd`]);
    const side = (...words: string[]) =>
      m.run(["jk_jailuser", "--jail-side-only", ...words, "-j", jail, "inner"]);
    for (const options of [["--dry-run"], []]) {
      const { status, stderr } = side(...options);
      expect([status, m.exists(inner)]).toEqual([0, false]);
      expect(stderr).toContain(`warning: the home '${inner}' is not created`);
      expect(m.read(`${jail}/etc/passwd`) === passwd).toBe(options.length === 0);
    }
    const { status, stderr } = side("--authorized-key", "/root/key/id.pub");
    expect([status, m.list(home), m.stat(home)?.uid]).toEqual([1, [], ids[0]]);
    expect(stderr).toContain(`'${inner}' is not created`);
  });

  test.each<[what: string, plant: () => void]>([
    ["is missing", () => {}],
    ["is a link", () => mal("ln -s /tmp inner")],
    ["is not the user's", () => m.mkdir(inner, { owner: [6002, 6001] })],
    ["has another group", () => m.mkdir(inner, { owner: [6001, 6002] })],
    ["can be written by its group", () => m.mkdir(inner, { owner: [6001, 6001], mode: 0o775 })],
    ["is closed", () => m.mkdir(inner, { owner: [6001, 6001], mode: 0o600 })],
    ["is setgid", () => m.mkdir(inner, { owner: [6001, 6001], mode: 0o2755 })],
  ])("that %s", (_what, plant) => {
    plant();
    m.write("/FILE.pub", m.read("/root/key/id.pub"));
    const { remedies, isToBeClosed } = advisedFor("inner");
    expect(isToBeClosed).toBe(true);
    for (const target of ["/etc", "/srv/host"]) {
      m.remove(inner);
      mal(`ln -s ${target} inner`);
      const before = [others(), place()] as const;
      typeAll(remedies);
      expect({ remedies, changed: changed(before[0]), place: place() }).toEqual({
        remedies,
        changed: [],
        place: before[1],
      });
    }
  });
});

describe("a directory on the way to a program", () => {
  const tool = `${jail}/srv/tool`;
  beforeAll(() => {
    m.mkdir("/srv/tool/bin");
    m.write("/srv/tool/bin/prog", "", { mode: 0o755 });
    m.write("/etc/jailkit/jk_uchroot.ini", `[mal]\nallowed_jails = ${jail}\n`);
    m.must(["rsync", "-aH", "/etc/jailkit/", "/root/kept/"]);
  });

  test.each([
    ["opened", "mkdir -m 0700 bin; touch bin/secret; chmod 755 bin/secret", SECRET],
    ["cleared of a directory in place of the program", "mkdir -p bin/secret", "/etc"],
  ])("that a user can exchange is not %s: a login shell", (_what, plant, target) => {
    m.must(["jk_jailuser", "-n", "-j", jail, "--authorized-key", "/root/key/id.pub", "victim"]);
    m.must(["sed", "-i", "s,^\\(victim:.*:\\).*,\\1/home/mal/bin/secret,", `${jail}/etc/passwd`]);
    mal(plant);
    const { remedies, isToBeClosed } = advisedFor("victim");
    expect(isToBeClosed).toBe(true);
    mal(`rm -r bin; ln -s ${target} bin`);
    const before = others();
    typeAll(remedies);
    expect({ remedies, changed: changed(before) }).toEqual({ remedies, changed: [] });
    m.must(["sed", "-i", "s,/home/mal/bin/secret,/usr/sbin/jk_lsh,", `${jail}/etc/passwd`]);
  });

  test("that a user can exchange is not opened: a program for jk_uchroot", () => {
    m.mkdir(tool, { owner: ids });
    mal(`mkdir -m 0 ${tool}/bin`);
    const { remedies, isToBeClosed } = advisedFor("-j", jail, "mal", "--", "/srv/tool/bin/prog");
    expect(isToBeClosed).toBe(true);
    mal(`rmdir ${tool}/bin; ln -s ${SECRET} ${tool}/bin`);
    const before = others();
    typeAll(remedies);
    expect({ remedies, changed: changed(before) }).toEqual({ remedies, changed: [] });
    m.remove(tool);
  });
});

test("the name of an account is one word of a command, whatever its characters are", () => {
  const name = "x;touch RAN";
  const passwd = m.read("/etc/passwd");
  const shadow = m.read("/etc/shadow");
  let typed = 0;
  for (const [where, shell, password] of [
    [`${jail}/./home/x`, "/usr/sbin/jk_chrootsh", "!"],
    ["", "/usr/sbin/jk_chrootsh", "*"],
    ["/home/x", "/usr/sbin/jk_chrootsh", "!$6$x"],
    ["/home/x", "/usr/sbin/jk_lsh", "!"],
    ["/home/x", "/bin/sh", "!"],
  ]) {
    m.write("/etc/passwd", `${passwd}${name}:x:6003:6003::${where}:${shell}\n`);
    m.write("/etc/shadow", `${shadow}${name}:${password}:1:0:99999:7::1:\n`);
    const remedies = advisedFor(name).remedies.filter((remedy) => remedy.includes("touch"));
    typed += remedies.length;
    for (const remedy of remedies) {
      // Words before and after a command are not part of it.
      m.run(["bash"], { stdin: `${remedy.replace(/^.*?(?: with: |: )/, "")}\n${remedy}\n`, cwd: "/root" });
      expect({ remedy, ran: m.exists("/root/RAN") }).toEqual({ remedy, ran: false });
    }
  }
  m.write("/etc/passwd", passwd);
  m.write("/etc/shadow", shadow);
  expect(typed).toBeGreaterThan(4);
});

test("a program that the user's own key names is not proposed if it is the user's own", () => {
  const ini = `${jail}/etc/jailkit/jk_lsh.ini`;
  const kept = m.read(ini);
  m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/command-key"]);
  m.mkdir(`${home}/.ssh`, { mode: 0o700, owner: ids });
  m.write("/tmp/evil", "", { mode: 0o755, owner: ids });
  mal("mkdir bin; touch bin/evil; chmod 755 bin/evil");
  for (const text of [
    kept,
    `${kept}\n[mal]\npaths = /usr/bin\nexecutables = /usr/lib/openssh/sftp-server\n`,
  ]) {
    m.write(ini, text);
    for (const program of ["/home/mal/bin/evil", "/tmp/evil"]) {
      const key = `command="${program}" ${m.read("/root/command-key.pub")}`;
      m.write(keys, key, { mode: 0o600, owner: ids });
      const remedies = advisedFor("mal").remedies;
      expect(m.run(["jailkit", "explain", "mal"]).stdout).toContain(program);
      expect({ program, remedies: remedies.filter((one) => one.includes("evil")) }).toEqual({
        program,
        remedies: [],
      });
    }
  }
  m.write(ini, kept);
  m.remove("/tmp/evil");
});

test.each([
  [
    "a path that is too long for the kernel",
    "for i in $(seq 40); do mkdir -m 0777 $(printf %0200d 1); cd -P $(printf %0200d 1); done; ln -s /srv/j/x l",
  ],
  [
    "more directories than are looked into",
    "for i in $(seq 400); do mkdir d; cd -P d; done; ln -s /srv/j/x l",
  ],
  [
    "links whose text is no path",
    "ln -s /$(printf %0300d 1) a; ln -s /$(printf %04000d 1) b; ln -s /home/mal/c c; ln -s /etc/passwd/x d",
  ],
])("%s hide no other finding", (_what, script) => {
  m.write(`${jail}/etc/planted`, "", { mode: 0o666 });
  mal(script);
  const told = m.run(["jk_check", jail]);
  expect({ status: told.status, stderr: told.stderr.slice(0, 200) }).toEqual({ status: 1, stderr: "" });
  expect(told.stdout).toContain(`${jail}/etc/planted is writable for others`);
  m.run(["jk_check", "--fix", jail]);
  expect(m.stat(`${jail}/etc/planted`)?.mode).toBe(0o100644);
  m.remove(`${jail}/etc/planted`);
  m.must(["rm", "-rf", home]);
});
