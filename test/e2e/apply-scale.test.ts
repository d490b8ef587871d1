/** What `jailkit apply` does for a jail and a user does not grow with the number of those that are there. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { KEYS, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(180_000);

const DROP_INS = ["/etc/jailkit/jk_socketd.d/admin.ini", "/etc/jailkit/jk_chrootsh.d/admin.ini"];
let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
  m.mkdir("/run/sshd", { mode: 0o755 });
  m.write(DROP_INS[0] ?? "", "[/srv/web/dev/log]\nbase = 512\n");
  m.write(DROP_INS[1] ?? "", "[somebody]\nnetwork = local\n");
  m.write(
    "/etc/ssh/sshd_config.d/jails.conf",
    "Match Group team\nAllowTcpForwarding no\nMatch User u1,u4\nX11Forwarding no\n",
  );
});
afterAll(() => m?.close());

/** Declares jails, one user in each, of which every other one is in the group team. */
const declare = (first: number, last: number) => {
  for (let number = first; number <= last; number++) {
    const groups = number % 2 === 0 ? "jailed, team" : "jailed";
    m.write(
      `/etc/jailkit/jails.d/${number}.ini`,
      `[jail /srv/${number}]\nsections = basicshell\nlog_socket = yes\n[user u${number}]\njail = /srv/${number}\nshell = /bin/bash\nnetwork = local\ngroups = ${groups}\n`,
    );
  }
};

/** Runs apply, and counts the times that it opened each drop-in, and that it asked sshd. */
function counted() {
  const trace = ["strace", "-f", "-qq", "-y", "-o", "/root/trace", "-e", "trace=openat,openat2,execve"];
  const { stderr } = m.must([...trace, "jailkit", "apply", "--verbose"]);
  const lines = m.read("/root/trace").split("\n");
  const opened = DROP_INS.map((path) => lines.filter((line) => line.endsWith(`<${path}>`)).length);
  const asked = lines.filter((line) => /execve\(.*"-T"/.test(line)).length;
  return { opened, asked, stderr };
}

const warned = (stderr: string, what: string) =>
  [...stderr.matchAll(/^jailkit apply: warning: user (\w+): (.*)$/gm)]
    .filter(([, , text]) => text?.includes(what))
    .map(([, user]) => user);

test("drop-ins are read again only for what others change, and sshd is asked once about users that are alike to it", () => {
  declare(1, 3);
  const few = counted();
  declare(4, 12);
  const many = counted();
  expect(many.opened).toEqual(few.opened);
  // u1 and u4 are named by a line of their own, and u4 is in the group, too.
  expect([few.asked, many.asked]).toEqual([3, 3]);
  const { stderr } = many;
  const all = Array.from({ length: 9 }, (_, index) => `u${index + 4}`);
  expect(warned(stderr, "forwards TCP").sort()).toEqual(all.filter((_, index) => index % 2 === 1).sort());
  m.must(["jailkit", "apply", "--check"]);
});

test("the homes of the others are looked up once, however many accounts move into a jail", () => {
  const looked = (first: number, last: number) => {
    const sections = [`[jail /srv/movers]\nsections = basicshell\n`];
    for (let number = first; number <= last; number++) {
      m.addUser(`mover${number}`, { home: `/home/mover${number}`, createHome: true, shell: "/bin/bash" });
      sections.push(`[user mover${number}]\njail = /srv/movers\nshell = /bin/bash\n`);
    }
    m.write("/etc/jailkit/jails.d/movers.ini", sections.join(""));
    const trace = ["strace", "-f", "-qq", "-o", "/root/trace", "-e", "trace=statx"];
    m.run([...trace, "jailkit", "apply", "--check"]);
    const lines = m.read("/root/trace").split("\n");
    m.must(["jailkit", "apply"]);
    return lines.filter((line) => /"(\/home\/)?bystander"/.test(line)).length;
  };
  m.addUser("bystander", { home: "/home/bystander", createHome: true, shell: "/bin/bash" });
  // In a jail that is not there yet, and in one that is.
  // For its place, and whether it is there.
  expect([looked(1, 1), looked(2, 2), looked(3, 9)]).toEqual([2, 2, 2]);
});

test("the files of accounts are read once for a plan, however many accounts are to be jailed, also into a new jail", () => {
  const JAIL = "/srv/jailed";
  const FILES = [
    ...["/etc/passwd", "/etc/group", "/proc", `${JAIL}/etc/passwd`, `${JAIL}/etc/group`],
    "manifest.json",
  ];
  const read = (users: number) => {
    const sections = [`[jail ${JAIL}]\nsections = basicshell\n`];
    for (let number = 0; number < users; number++) {
      const name = `outsider${number}`;
      if (m.run(["id", name]).status !== 0) m.addUser(name, { home: `/home/${name}`, createHome: true });
      sections.push(`[user ${name}]\njail = ${JAIL}\nshell = /bin/bash\ngroups = team\n`);
    }
    m.write("/etc/jailkit/jails.d/outsiders.ini", sections.join(""));
    const trace = ["strace", "-f", "-qq", "-y", "-o", "/root/trace", "-e", "trace=openat,openat2"];
    m.run([...trace, "jailkit", "apply", "--check", "/etc/jailkit/jails.d/outsiders.ini"]);
    const lines = m.read("/root/trace").split("\n");
    return FILES.map((file) => lines.filter((line) => line.endsWith(`${file}>`)).length);
  };
  // All are there before: the first plan is to be as large as the second one.
  read(9);
  expect(read(9)).toEqual(read(2));
  m.must(["jk_init", "-j", JAIL, "basicshell"]);
  const few = read(2);
  expect(read(9)).toEqual(few);
  // Of an earlier stay, and made right first.
  for (const name of ["outsider0", "outsider5"]) {
    const line = new RegExp(`^${name}:.*$`, "m")
      .exec(m.read("/etc/passwd"))?.[0]
      .replace(/:[^:]*$/, ":/bin/sh");
    m.write(`${JAIL}/etc/passwd`, `${m.read(`${JAIL}/etc/passwd`)}${line}\n`);
  }
  expect(read(9)).toEqual(read(2));
  expect(few.slice(0, 5).includes(0)).toBe(false);
});

test("what new accounts have in common is looked up once, however many are planned", () => {
  m.must(["jk_init", "-j", "/srv/new", "basicshell"]);
  const opened = (users: number) => {
    const sections = Array.from(
      { length: users },
      (_, number) => `[user new${number}]\njail = /srv/new\nshell = /bin/bash\ngroups = jailed, team\n`,
    );
    m.write("/etc/jailkit/jails.d/new.ini", sections.join(""));
    const trace = ["strace", "-f", "-qq", "-y", "-o", "/root/trace", "-e", "trace=openat,openat2"];
    m.run([...trace, "jailkit", "apply", "--check", "/etc/jailkit/jails.d/new.ini"]);
    const lines = m.read("/root/trace").split("\n");
    // The C library opens the host's own, too, for each name that it does not know.
    const files = ["/srv/new/etc/passwd", "/srv/new/etc/group", "/etc/login.defs", "/etc/default/useradd"];
    return files.map((file) => lines.filter((line) => line.endsWith(`<${file}>`)).length);
  };
  expect(opened(9)).toEqual(opened(2));
});

test("a jail is looked at once, however many users leave it, or have left it", () => {
  const JAIL = "/srv/leavers";
  const FILES = [`${JAIL}/etc/passwd`, `${JAIL}/etc/jailkit/jk_lsh.ini`];
  const file = "/etc/jailkit/jails.d/leavers.ini";
  const text = (count: number) =>
    Array.from(
      { length: count },
      (_, number) => `[user leaver${number}]\njail = ${JAIL}\nallow = sftp\n`,
    ).join("");
  const jail = `[jail ${JAIL}]\nsections = basicshell, sftp\n`;
  const looked = () => {
    const trace = ["strace", "-f", "-qq", "-y", "-o", "/root/trace", "-e", "trace=openat,openat2"];
    m.run([...trace, "jailkit", "apply", "--check", "--prune", "--delete-homes"]);
    const lines = m.read("/root/trace").split("\n");
    return FILES.map((path) => lines.filter((line) => line.endsWith(`<${path}>`)).length);
  };
  const both = (count: number) => {
    m.write(file, jail + text(count));
    m.must(["jailkit", "apply"]);
    m.write(file, jail);
    const leave = looked();
    for (let number = 0; number < count; number++)
      m.must(["jk_jailuser", "--unjail", "-m", "-s", "/usr/sbin/nologin", `leaver${number}`]);
    return { leave, left: looked() };
  };
  const few = both(2);
  expect(both(6)).toEqual(few);
  // In these runs something was read.
  expect(few.left).not.toContain(0);
});

test("what was declared is written as often, however many users are changed", () => {
  const JAIL = "/srv/changed";
  const declare = (users: number, shell: string) => {
    const sections = Array.from(
      { length: users },
      (_, number) => `[user changed${number}]\njail = ${JAIL}\nshell = ${shell}\n`,
    );
    m.write(
      "/etc/jailkit/jails.d/changed.ini",
      `[jail ${JAIL}]\nsections = basicshell\n${sections.join("")}`,
    );
  };
  const written = (users: number) => {
    declare(users, "/bin/bash");
    m.must(["jailkit", "apply", "--prune"]);
    declare(users, "/bin/sh");
    const trace = ["strace", "-f", "-qq", "-o", "/root/trace", "-e", "trace=renameat,renameat2"];
    const { stdout } = m.must([...trace, "jailkit", "apply"]);
    expect(stdout).toContain(`${users} changed, 0 failed`);
    return m.read("/root/trace").match(/declared\.json/g)?.length;
  };
  const few = written(2);
  expect(written(9)).toBe(few);
  expect(few).toBeGreaterThan(0);
});

test("a warning that is the same for many users is printed once, and then their number", () => {
  declare(13, 15);
  const { stderr } = m.must(["jailkit", "apply"]);
  const lines = stderr.split("\n").filter((line) => line.includes("local sockets"));
  const said =
    "sshd forwards connections to local sockets for this user, from outside the jail; set 'AllowStreamLocalForwarding no' in a block 'Match Group jailed' of /etc/ssh/sshd_config";
  expect(lines).toEqual([
    `jailkit apply: warning: user u13: ${said}`,
    `jailkit apply: warning: user u13 and 2 more: ${said}`,
  ]);
});

test("a list of jails names a few of the users of each, and that of one jail all", () => {
  const names = ["v1", "v2", "v3", "v4", "v5", "v6"];
  for (const name of names)
    m.addUser(name, { home: `/srv/many/./home/${name}`, shell: "/usr/sbin/jk_chrootsh" });
  const line = (...jails: string[]) =>
    m
      .run(["jailkit", "list", ...jails])
      .stdout.split("\n")
      .find((one) => one.startsWith("/srv/many "));
  expect(line()).toMatch(/ missing +v1,v2,v3,v4 and 2 more +-$/);
  expect(line("/srv/many")).toMatch(/ missing +v1,v2,v3,v4,v5,v6 +-$/);
  m.must(["userdel", "v6"]);
  expect(line()).toMatch(/ missing +v1,v2,v3,v4,v5 +-$/);
});

test.each(["answers", "does not answer"])(
  "export asks sshd once about users that are alike to it, if it %s",
  (how) => {
    if (how === "does not answer") m.remove("/run/sshd");
    const users = [1, 2, 3, 4].map(
      (number) => `[user k${number}]\njail = /srv/keys\nshell = /bin/bash\nauthorized_keys = ${KEYS[0]}\n`,
    );
    m.write("/etc/jailkit/jails.d/keys.ini", `[jail /srv/keys]\nsections = basicshell\n${users.join("")}`);
    m.must(["jailkit", "apply", "/etc/jailkit/jails.d/keys.ini"]);
    m.run([
      "strace",
      "-f",
      "-qq",
      "-o",
      "/root/trace",
      "-e",
      "trace=execve",
      "jailkit",
      "export",
      "--declaration",
      "/srv/keys",
    ]);
    expect(m.read("/root/trace").match(/execve\(.*"-T"/g)).toHaveLength(1);
  },
);
