/** What jailkit import makes is what jk_init, jk_cp and jk_addjailuser make; test/e2e/transfer.test.ts has two machines. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const JAIL = "/srv/j";
const NEW = "/srv/new";
const FILE = "/root/export.json";
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/srv"]);
  m.must(["groupadd", "-f", "-r", "jailed"]);
});
afterEach(() => {
  for (const jail of [JAIL, NEW].filter(m.exists)) {
    m.run(["rm", "-rf", "/home/anna"]);
    m.must(["jailkit", "delete", "--yes", "--unjail", "--user-files", jail]);
  }
  m.run(["rm", "-rf", "/home/anna"]);
  m.run(["userdel", "anna"]);
  m.must(["find", "/etc/jailkit/jk_init.d", "-name", "*.ini", "-delete"]);
});
afterAll(() => m?.close());

const sh = (line: string) => m.must(["sh", "-ec", line]).stdout;
// The homes stay on the former machine.
const moved = () =>
  sh(`jailkit export -o ${FILE} ${JAIL}; jailkit delete --yes --unjail ${JAIL}; rm -rf /home/anna`);
const tree = (jail: string) => sh(`cd ${jail} && find . -xdev -printf '%p %y %m %U:%G %s %l\\n' | sort`);
/** The requests of a record, and its files; why they are there depends on the order of the requests. */
const record = (jail: string) => {
  const [{ record: id }] = JSON.parse(m.must(["jailkit", "list", "--json", jail]).stdout).jails;
  const { requests, entries } = JSON.parse(m.read(`/var/lib/jailkit/jails/${id}/manifest.json`));
  type Fields = Record<string, unknown>;
  return {
    requests: requests.map(({ time: _, ...rest }: Fields) => rest),
    entries: entries
      .map(({ path, type, mode, uid, gid, size, target, hardLink, sections }: Fields) =>
        JSON.stringify([path, type, mode, uid, gid, size, target, hardLink, (sections as string[]).sort()]),
      )
      .sort(),
  };
};
const imported = (...options: string[]) => m.run(["jailkit", "import", ...options, "-j", NEW, FILE]);

test("the jail and its record are those of jk_init and jk_cp", () => {
  m.mkdir("/etc/jailkit/jk_init.d");
  m.write(
    "/etc/jailkit/jk_init.d/x.ini",
    "[mine]\npaths = id,\n  env\nneed_proc = 1\nneed_logsocket = 1\nusers = games\n",
  );
  sh(`jk_init -j ${JAIL} basicshell mine; jk_init -k -j ${JAIL} netbasics; jk_cp -j ${JAIL} /usr/bin/cut`);
  const [files, requests] = [tree(JAIL), record(JAIL)];
  moved();
  m.remove("/etc/jailkit/jk_init.d/x.ini");
  expect(imported()).toMatchObject({ status: 0, stderr: "" });
  expect(tree(NEW)).toBe(files);
  expect(record(NEW)).toEqual(requests);
  expect(m.read("/etc/fstab")).toContain(`proc ${NEW}/proc proc`);
  expect(m.must(["mount"]).stdout).toContain(`on ${NEW}/proc type proc`);
  expect(m.read("/etc/jailkit/jk_socketd.d/srv-new.ini")).toContain(`[${NEW}/dev/log]`);
  expect(m.read("/etc/jailkit/jk_init.d/mine.ini")).toContain("paths = id, env\n");
  expect(m.run(["jk_update", "--check", "-j", NEW]).status).toBe(0);
  expect(imported()).toMatchObject({
    status: 0,
    stdout: `${NEW} was imported before; there is nothing to do\n`,
  });
});

test("a live jail is live on the new machine", () => {
  sh(`jk_init --live -j ${JAIL} basicshell; jk_addjailuser -s /bin/bash -j ${JAIL} anna`);
  const before = JSON.parse(m.must(["jailkit", "list", "--json", JAIL]).stdout).jails[0];
  moved();
  m.must(["userdel", "anna"]);
  expect(imported("--create-users")).toMatchObject({ status: 0, stderr: "" });
  const after = JSON.parse(m.must(["jailkit", "list", "--json", NEW]).stdout).jails[0];
  expect(after).toMatchObject({ state: "ready", live: before.live, sections: before.sections });
  expect(m.read("/etc/fstab")).toMatch(new RegExp(`^/usr ${NEW}/usr none bind,ro,nosuid,nodev,private`, "m"));
  expect(m.run(["chroot", "--userspec=anna", NEW, "/bin/bash", "-c", "touch /usr/x || echo no"]).stdout).toBe(
    "no\n",
  );
  expect(m.run(["jk_check", NEW])).toMatchObject({ status: 0 });
  expect(imported("--create-users").status).toBe(0);
});

test("an account that a panel has prepared is entered in the jail, with an empty home", () => {
  sh(`jk_init -j ${JAIL} basicshell; jk_addjailuser -u 6001 -s /bin/bash -j ${JAIL} anna`);
  moved();
  m.must(["usermod", "-d", `${NEW}/./home/anna`, "-s", "/usr/sbin/jk_chrootsh", "anna"]);
  const account = m.must(["getent", "passwd", "anna"]).stdout;
  const { users, steps, problems } = reportOf(REPORT_SCHEMAS["jailkit import"], imported("--json").stdout);
  expect(problems).toEqual([]);
  expect(users).toEqual([{ name: "anna", uid: 6001, state: "here" }]);
  expect(steps.at(-1)).toBe(`'anna': created the home '${NEW}/home/anna'`);
  expect(m.must(["getent", "passwd", "anna"]).stdout).toBe(account);
  expect(m.read(`${NEW}/etc/passwd`)).toContain("anna:x:6001:100::/home/anna:/bin/bash\n");
  expect(m.stat(`${NEW}/home/anna`)).toMatchObject({ uid: 6001, mode: 0o040700 });
});

test("a home that is there already is left as it is", () => {
  sh(`jk_init -j ${JAIL} basicshell; jk_addjailuser -u 6001 -s /bin/bash -j ${JAIL} anna`);
  moved();
  m.must(["userdel", "anna"]);
  expect(imported("--create-users").status).toBe(0);
  m.write(`${NEW}/home/anna/letter`, "dear");
  m.must(["chmod", "751", `${NEW}/home/anna`]);
  m.must(["sed", "-i", "/^anna/d", `${NEW}/etc/passwd`]);
  const before = m.snapshot(`${NEW}/home`);
  expect(imported()).toMatchObject({ status: 0, stdout: expect.stringContaining("'anna': added") });
  expect(m.snapshot(`${NEW}/home`)).toEqual(before);
});

test("--force leaves out what this machine does not have, and records only the rest", () => {
  m.mkdir("/etc/jailkit/jk_init.d");
  m.write("/etc/jailkit/jk_init.d/x.ini", "[gone]\npaths = /usr/local/bin/gone\ndevices = /dev/gone\n");
  m.write("/usr/local/bin/gone", "#!/bin/sh\n", { mode: 0o755 });
  m.must(["mknod", "/dev/gone", "c", "1", "3"]);
  sh(`jk_init -j ${JAIL} basicshell gone; jk_cp -j ${JAIL} /usr/local/bin/gone /usr/bin/cut`);
  moved();
  for (const path of ["/usr/local/bin/gone", "/dev/gone"]) m.remove(path);
  const refused = imported();
  expect([refused.status, m.exists(NEW)]).toEqual([1, false]);
  expect(refused.stderr.split("\n").sort()).toEqual([
    "",
    "jailkit import: /dev/gone is not a device of this machine",
    "jailkit import: /usr/local/bin/gone does not exist on this machine",
    "jailkit import: no file of section 'gone' is on this machine: install the package that has them",
    "jailkit import: the file asks for more than copies of files: /dev/gone is a device; if you trust it, use --trusted",
  ]);
  expect(imported("--force").status).toBe(0);
  expect(record(NEW).requests).toMatchObject([{ sections: ["basicshell"] }, { operands: ["/usr/bin/cut"] }]);
  expect(m.run(["jk_update", "--check", "-j", NEW])).toMatchObject({ status: 0, stderr: "" });
});

test("sections from another file come along, unless two have the same name", () => {
  m.write("/root/own.ini", "[mine]\npaths = id\n");
  sh(`jk_init -j ${JAIL} uidbasics; jk_init -c /root/own.ini -j ${JAIL} mine`);
  m.mkdir("/etc/jailkit/jk_init.d");
  m.write("/etc/jailkit/jk_init.d/y.ini", "[mine]\npaths = cut\n");
  sh(`jk_init -j ${JAIL} mine`);
  const refused = m.run(["jailkit", "export", JAIL]);
  expect(refused).toMatchObject({ status: 1, stdout: "" });
  expect(refused.stderr).toContain("section 'mine' is taken from two files, /root/own.ini and /etc/jailkit/");
  sh(
    `jk_init --remove -j ${JAIL} mine; jk_init -c /root/own.ini -j ${JAIL} mine; rm /etc/jailkit/jk_init.d/y.ini`,
  );
  moved();
  expect(imported()).toMatchObject({ status: 0, stderr: "" });
  expect(m.read("/etc/jailkit/jk_init.d/mine.ini")).toContain("[mine]\npaths = id\n");
  expect(m.exists(`${NEW}/usr/bin/id`)).toBe(true);
});

test("two imports at once may bring the same section", async () => {
  m.mkdir("/etc/jailkit/jk_init.d");
  m.write("/etc/jailkit/jk_init.d/x.ini", "[mine]\npaths = id\n");
  sh(`jk_init -j ${JAIL} mine`);
  moved();
  m.remove("/etc/jailkit/jk_init.d/x.ini");
  const both = [JAIL, NEW].map((jail) => m.start(["jailkit", "import", "-j", jail, FILE]));
  expect(await Promise.all(both.map(async ({ ended }) => (await ended).status))).toEqual([0, 0]);
  expect(m.read("/etc/jailkit/jk_init.d/mine.ini")).toContain("[mine]\npaths = id\n");
});

test("a read-only /etc is reported before the first change, also by a dry run", () => {
  sh(`jk_init -j ${JAIL} basicshell; jk_addjailuser -u 6001 -s /bin/bash -j ${JAIL} anna`);
  moved();
  m.must(["userdel", "anna"]);
  sh("mount --bind /etc /etc; mount -o remount,bind,ro /etc");
  try {
    for (const option of ["--dry-run", "--json"]) {
      const { status, stdout, stderr } = imported("--create-users", option);
      expect([status, stdout + stderr]).toEqual([
        1,
        expect.stringContaining("/etc: its file system is read-only"),
      ]);
      expect(m.exists(NEW)).toBe(false);
    }
    expect(imported("--without-users").status).toBe(0);
  } finally {
    m.must(["umount", "/etc"]);
  }
});

test("so is a path that files of the machine cannot contain", () => {
  m.write("/etc/jailkit/jk_init.d/x.ini", "[mine]\npaths = id\nneed_logsocket = 1\n");
  sh(`jk_init -j ${JAIL} basicshell mine; jk_addjailuser -u 6001 -s /bin/bash -j ${JAIL} anna`);
  moved();
  m.must(["userdel", "anna"]);
  for (const [jail, file] of [
    ["/srv/a:b", "passwd(5)"],
    ["/srv/a]b", "jk_socketd.ini"],
  ] as const) {
    const { status, stderr } = m.run(["jailkit", "import", "--create-users", "-j", jail, FILE]);
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining(`${jail}: ${file} cannot name a jail with '`),
    ]);
    expect(m.exists(jail)).toBe(false);
  }
});

test("the dry run shows everything that is added", () => {
  m.write("/etc/jailkit/jk_init.d/x.ini", "[mine]\npaths = id\nneed_proc = 1\nneed_logsocket = 1\n");
  m.must(["groupadd", "-g", "6100", "clients"]);
  sh(`jk_init -j ${JAIL} basicshell jk_lsh mine sftp`);
  sh(`jk_addjailuser -u 6001 -g clients -G jailed --policy sftp -j ${JAIL} anna`);
  moved();
  m.must(["userdel", "anna"]);
  m.must(["groupdel", "clients"]);
  const { status, stdout } = imported("--create-users", "--dry-run");
  expect(status).toBe(0);
  for (const line of [
    `would have proc mounted on ${NEW}/proc`,
    `would add the log socket ${NEW}/dev/log`,
    "would add the section [anna] in the jail's jk_lsh.ini",
    "would create the group clients with the gid 6100",
    "would create the account anna (uid 6001, group clients, home /home/anna, shell /usr/sbin/jk_lsh)",
    "would add it to the group jailed",
  ])
    expect(stdout.split("\n")).toContain(line);
  expect(imported("--create-users").status).toBe(0);
  expect(imported("--create-users", "--dry-run").stdout).toStartWith(`would complete the jail ${NEW},`);
});

test("a comment that a user chose prevents no import", () => {
  sh(`jk_init -j ${JAIL} basicshell; jk_addjailuser -u 6001 -s /bin/bash -j ${JAIL} anna`);
  const passwd = m.read("/etc/passwd");
  for (const comment of ["a\x1b[2J\tb", "\xff", "x".repeat(3000)]) {
    m.write("/etc/passwd", passwd.replace(/^(anna:x:6001:100:)/m, `$1${comment}`));
    const { status, stderr } = m.run(["jailkit", "export", "-o", FILE, JAIL]);
    const warning = "user 'anna': the comment cannot be used elsewhere, and is left out";
    expect([status, stderr]).toEqual([0, `jailkit export: warning: ${warning}\n`]);
    expect(JSON.parse(m.read(FILE)).users[0].comment).toBe("");
  }
  m.write("/etc/passwd", passwd);
});

test("export names the expiry dates of accounts, which would be open again", () => {
  sh(`jk_init -j ${JAIL} basicshell; jk_addjailuser -u 6001 -s /bin/bash -j ${JAIL} anna`);
  for (const [given, shown] of [
    ["1", "1"],
    ["2031-02-03", "2031-02-03"],
  ] as const) {
    m.must(["usermod", "--expiredate", given, "anna"]);
    const { status, stderr } = m.run(["jailkit", "export", "-o", FILE, JAIL]);
    const remedy = `set it there: usermod --expiredate ${shown} anna\n`;
    expect([status, stderr]).toEqual([0, expect.stringContaining(remedy)]);
  }
});

test("export says that import will refuse a name with a control character", () => {
  const odd = "/srv/a\tb";
  m.must(["jk_init", "-j", odd, "uidbasics"]);
  const { status, stderr } = m.run(["jailkit", "export", "-o", FILE, odd]);
  const why = "'jailkit import' will refuse this: jail has a control character";
  expect([status, stderr]).toEqual([0, `jailkit export: warning: ${why}\n`]);
  expect(imported()).toMatchObject({ status: 1, stderr: "jailkit import: jail has a control character\n" });
  m.must(["jailkit", "delete", "--yes", odd]);
});

test("export says that import creates no accounts that share a uid, as those of some panels do", () => {
  sh(`jk_init -j ${JAIL} basicshell; jk_addjailuser -u 6001 -s /bin/bash -j ${JAIL} anna`);
  sh(`useradd -o -u 6001 -g 100 -M -p '*' -d /home/twin twin; jk_jailuser -n -s /bin/bash -j ${JAIL} twin`);
  const { status, stderr } = m.run(["jailkit", "export", "-o", FILE, JAIL]);
  const warning = "share the uid 6001: 'jailkit import' takes the file only with --without-users";
  expect([status, stderr]).toEqual([0, `jailkit export: warning: 'anna', 'twin' ${warning}\n`]);
  sh("userdel anna; userdel -f twin");
  expect(imported("--create-users").status).toBe(1);
  expect(imported("--without-users").status).toBe(0);
});

test("export says what it cannot describe", () => {
  sh(`jk_init -j ${JAIL} basicshell jk_lsh; jk_addjailuser -j ${JAIL} anna`);
  m.write("/etc/jailkit/jk_update.ini", `[${JAIL}]\nskips = /home\n`);
  m.write("/etc/jailkit/jk_chrootsh.ini", "[group users]\nenv = LANG\n[anna]\nenv = TZ\nold_key = 1\n");
  const { status, stdout, stderr } = m.run(["jailkit", "export", JAIL]);
  const report = reportOf(REPORT_SCHEMAS["jailkit export"], stdout);
  expect([status, report.settings]).toEqual([0, [{ name: "anna", keys: { env: "TZ" } }]]);
  for (const text of ["jk_update.ini has a section for the jail", "[group users]", "'old_key' is left out"])
    expect(stderr).toContain(text);
  m.write("/etc/jailkit/jk_update.ini", "");
  m.write("/etc/jailkit/jk_chrootsh.ini", "");
  m.mkdir("/srv/bare/etc");
  const unrecorded = m.run(["jailkit", "export", "/srv/bare"]);
  expect(unrecorded).toMatchObject({ status: 1, stdout: "" });
  expect(unrecorded.stderr).toContain("jailkit adopt /srv/bare\n");
});

test.each([
  ["another jail", ""],
  ["the host", "jk_jailuser -n -m --unjail -s /bin/bash anna"],
])("an account that lives in %s: what is printed takes it into the new jail", (_, leave) => {
  sh(`jk_init -j ${JAIL} basicshell uidbasics; jk_addjailuser -s /bin/bash -j ${JAIL} anna`);
  sh(`jailkit export -o ${FILE} ${JAIL}; ${leave}`);
  const { status, stderr } = imported();
  expect([status, stderr]).toEqual([1, expect.stringContaining("is on this machine already")]);
  const [, without = "", remedy = "false"] = /use (--\S+), and jail it afterwards: (.*)$/m.exec(stderr) ?? [];
  expect(imported(without).status).toBe(0);
  m.must(["sh", "-ec", remedy]);
  expect(sh("getent passwd anna")).toContain(`${NEW}/./home/anna`);
  expect(m.run(["jk_chrootsh", "-c", "pwd"], { user: "anna" })).toMatchObject({
    status: 0,
    stdout: "/home/anna\n",
  });
});

test("a home that an account of a section has is told with what an import can do, which heals", () => {
  m.mkdir("/etc/jailkit/jk_init.d");
  m.write("/etc/jailkit/jk_init.d/x.ini", "[mine]\npaths = id\nusers = www-data\n");
  sh(`jk_init -j ${JAIL} basicshell mine; jk_addjailuser -u 6001 -s /bin/bash -j ${JAIL} anna`);
  moved();
  m.must(["userdel", "anna"]);
  m.write(FILE, m.read(FILE).replace('"/home/anna"', '"/var/www"'));
  const { status, stderr } = imported("--create-users");
  expect([status, stderr]).toEqual([
    1,
    `jailkit import: '${NEW}/var/www' is the home of 'www-data': use --without-users, and create the account afterwards with jk_addjailuser -d\n`,
  ]);
  expect(imported("--without-users").status).toBe(0);
  m.must(["jk_addjailuser", "-u", "6001", "-s", "/bin/bash", "-d", "/home/anna", "-j", NEW, "anna"]);
});
