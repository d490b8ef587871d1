/** What `jailkit apply --check` says is what the run does: each thing that can be refused is told before anything is done. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine, MachineProcess } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

/** A jail with bash, and with an account of before. */
const J = "/srv/jail";
const NEW = "/srv/new";
/** With /dev/log it has more bytes than the path of a socket can have. */
const LONG = `/srv/${"l".repeat(98)}`;
const FILE = "/etc/jailkit/jails.d/one.ini";
const INI = "/etc/jailkit/jk_init.d/own.ini";

interface Case {
  readonly what: string;
  /** What cannot be made; the rest of what is declared is made. */
  readonly fails: readonly string[];
  /** What they wait for, which is as declared itself. */
  readonly because?: string;
  readonly declared: string;
  readonly options?: readonly string[];
  /** Makes the fault, and takes it away again. */
  readonly before?: (m: Machine) => void | Promise<void>;
  readonly after?: (m: Machine) => void;
}

const user = (name: string, more = "", jail = J) =>
  `[user ${name}]\njail = ${jail}\nshell = /bin/bash\n${more}`;
const all = (m: Machine, ...commands: readonly string[]) => {
  for (const command of commands) m.must(["sh", "-ec", command]);
};
/** A file system of its own, and its end. */
const small = (name: string, limits: string) =>
  `mkdir /srv/${name}; mount -t tmpfs -o mode=755,${limits} none /srv/${name}`;
/** How many files, directories and links a section brings into a new jail. */
function objectsOf(m: Machine, section: string): number {
  const { stdout } = m.must(["jk_init", "--dry-run", "--json", "-j", NEW, section]);
  const report = reportOf(REPORT_SCHEMAS.jk_init, stdout);
  return "actions" in report ? report.actions.length : 0;
}
/** Accounts with as much in their homes. */
function addHomes(m: Machine, sizes: Readonly<Record<string, string>>) {
  for (const [name, size] of Object.entries(sizes)) {
    m.addUser(name, { home: `/home/${name}`, createHome: true });
    all(m, `head -c ${size} /dev/zero >/home/${name}/data; chown ${name} /home/${name}/data`);
  }
}
const clear = (name: string) => `sed -i /^${name}:/d ${J}/etc/passwd ${J}/etc/group`;
const SOCKETS = "/etc/jailkit/jk_socketd.d";
const READ_ONLY_SOCKETS = [
  `mkdir -p ${SOCKETS}; mount --bind ${SOCKETS} ${SOCKETS}; mount -o remount,bind,ro ${SOCKETS}`,
];
const gone = (name: string) => `umount /srv/${name}; rmdir /srv/${name}`;
const CASES: readonly Case[] = [
  {
    what: "a section that does not exist",
    fails: [`jail ${NEW}`, "user x"],
    declared: `[jail ${NEW}]\nsections = uidbasics, nosuch\n${user("x", "", NEW)}`,
  },
  {
    what: "sections that include each other",
    fails: [`jail ${NEW}`],
    declared: `[jail ${NEW}]\nsections = one\n`,
    before: (m) => m.write(INI, "[one]\nincludesections = two\n[two]\nincludesections = one\n"),
    after: (m) => m.remove(INI),
  },
  {
    what: "no file with sections",
    fails: [`jail ${NEW}`],
    declared: `[jail ${NEW}]\nsections = uidbasics\n`,
    before: (m) => all(m, "mv /etc/jailkit/jk_init.ini /etc/jailkit/away"),
    after: (m) => all(m, "mv /etc/jailkit/away /etc/jailkit/jk_init.ini"),
  },
  {
    what: "a file with sections that cannot be read",
    fails: [`jail ${NEW}`],
    declared: `[jail ${NEW}]\nsections = uidbasics\n`,
    before: (m) => m.write(INI, "[one\n"),
    after: (m) => m.remove(INI),
  },
  {
    what: "a file that does not exist",
    fails: [`jail ${NEW}`],
    declared: `[jail ${NEW}]\nfiles = /usr/bin/nosuch\n`,
  },
  {
    what: "a program that does not exist",
    fails: [`jail ${J}`],
    declared: `[jail ${J}]\nfiles = nosuch\n`,
  },
  {
    what: "a symbolic link to nothing",
    fails: [`jail ${NEW}`],
    declared: `[jail ${NEW}]\nfiles = /srv/link\n`,
    before: (m) => all(m, "ln -s nothing /srv/link"),
    after: (m) => m.remove("/srv/link"),
  },
  {
    what: "a named pipe",
    fails: [`jail ${NEW}`],
    declared: `[jail ${NEW}]\nfiles = /srv/pipe\n`,
    before: (m) => all(m, "mkfifo /srv/pipe"),
    after: (m) => m.remove("/srv/pipe"),
  },
  {
    what: "a directory that is not copied whole",
    fails: [`jail ${NEW}`],
    declared: `[jail ${NEW}]\nfiles = /etc\n`,
  },
  {
    what: "a file that only its owner may read, which root is not refused",
    fails: [],
    declared: `[jail ${J}]\nfiles = /srv/private\n`,
    before: (m) => m.write("/srv/private", "x", { mode: 0 }),
    after: (m) => all(m, `jk_cp --remove -j ${J} /srv/private`, "rm /srv/private"),
  },
  {
    what: "a file in the way of a directory",
    fails: [`jail ${J}`],
    declared: `[jail ${J}]\nfiles = /srv/some/file\n`,
    before: (m) => all(m, "mkdir /srv/some; touch /srv/some/file", `mkdir -p ${J}/srv; touch ${J}/srv/some`),
    after: (m) => all(m, `rm -r /srv/some ${J}/srv/some`),
  },
  {
    what: "a place below a directory that everybody may write",
    fails: ["jail /srv/open/jail"],
    declared: "[jail /srv/open/jail]\nsections = uidbasics\n",
    before: (m) => all(m, "mkdir /srv/open; chmod 777 /srv/open"),
    after: (m) => m.remove("/srv/open"),
  },
  {
    what: "the same, of a jail like one at a good place",
    fails: ["jail /srv/open/jail"],
    declared: `[jail ${NEW}]\nsections = uidbasics\n[jail /srv/open/jail]\nsections = uidbasics\n`,
    before: (m) => all(m, "mkdir /srv/open; chmod 777 /srv/open"),
    after: (m) => all(m, "rm -r /srv/open", `jailkit delete --yes ${NEW}`),
  },
  {
    what: "a place in a directory that a section copies, of a jail like one elsewhere",
    fails: ["jail /srv/tree/jail"],
    declared: `[jail ${NEW}]\nsections = one\n[jail /srv/tree/jail]\nsections = one\n`,
    before: (m) => {
      m.write(INI, "[one]\npaths = /srv/tree\n");
      m.write("/srv/tree/file", "x");
    },
    after: (m) => all(m, "rm -r /srv/tree", `rm ${INI}`, `jailkit delete --yes ${NEW}`),
  },
  {
    what: "a place in a home",
    fails: ["jail /home/owner/jail"],
    declared: "[jail /home/owner/jail]\nsections = uidbasics\n",
    before: (m) => m.addUser("owner", { createHome: true, home: "/home/owner" }),
    after: (m) => all(m, "userdel -r owner"),
  },
  {
    what: "a place below a file",
    fails: ["jail /srv/file/jail"],
    declared: "[jail /srv/file/jail]\nsections = uidbasics\n",
    before: (m) => m.write("/srv/file", ""),
    after: (m) => m.remove("/srv/file"),
  },
  {
    what: "a file in the place of a jail",
    fails: ["jail /srv/file"],
    declared: "[jail /srv/file]\nsections = uidbasics\n",
    before: (m) => m.write("/srv/file", ""),
    after: (m) => m.remove("/srv/file"),
  },
  ...["/proc/jail", "/proc/sys/jail", "/sys/jail", "/sys/kernel/jail", "/dev/pts/jail"].map((path) => ({
    what: `a place in a file system of the kernel, ${path}`,
    fails: [`jail ${path}`],
    declared: `[jail ${path}]\nsections = uidbasics\n`,
  })),
  {
    what: "a directory of the kernel's that is there",
    fails: ["jail /sys/kernel"],
    declared: "[jail /sys/kernel]\nsections = uidbasics\n",
  },
  {
    what: "a file system of the kernel that is mounted elsewhere",
    fails: ["jail /srv/groups/jail"],
    declared: "[jail /srv/groups/jail]\nsections = uidbasics\n",
    before: (m) => all(m, "mkdir /srv/groups; mount -t cgroup2 none /srv/groups"),
    after: (m) => all(m, "umount /srv/groups; rmdir /srv/groups"),
  },
  {
    what: "a place in /dev/shm, which is none",
    fails: [],
    declared: "[jail /dev/shm/jail]\nsections = uidbasics\n",
    after: (m) => all(m, "jailkit delete --yes /dev/shm/jail"),
  },
  {
    what: "an immutable directory, for a new jail",
    fails: ["jail /srv/held/more/jail"],
    declared: "[jail /srv/held/more/jail]\nsections = uidbasics\n",
    before: (m) => all(m, "mkdir /srv/held; chattr +i /srv/held"),
    after: (m) => all(m, "chattr -i /srv/held; rmdir /srv/held"),
  },
  {
    what: "a directory that is append-only, which lets new ones in",
    fails: [],
    declared: "[jail /srv/held/jail]\nsections = uidbasics\n",
    before: (m) => all(m, "mkdir /srv/held; chattr +a /srv/held"),
    after: (m) => all(m, "chattr -a /srv/held; jailkit delete --yes /srv/held/jail; rmdir /srv/held"),
  },
  {
    what: "an immutable directory of a jail that is there",
    fails: [`jail ${J}`],
    declared: `[jail ${J}]\nfiles = /opt/kept/tool\n`,
    before: (m) =>
      all(m, `mkdir -p /opt/kept ${J}/opt; echo x > /opt/kept/tool; chmod 755 ${J}/opt; chattr +i ${J}/opt`),
    after: (m) => all(m, `chattr -i ${J}/opt; rm -r /opt/kept ${J}/opt`),
  },
  {
    what: "an append-only directory of a jail that is there, which lets a new file in",
    fails: [],
    declared: `[jail ${J}]\nfiles = /opt/kept\n`,
    before: (m) =>
      all(m, `mkdir -p /opt/kept ${J}/opt/kept; echo x > /opt/kept/tool`, `chattr +a ${J}/opt/kept`),
    after: (m) => all(m, `chattr -a ${J}/opt/kept; rm -r /opt/kept ${J}/opt`),
  },
  {
    what: "an immutable etc of a jail that gets accounts, while another one gets what it lacks",
    fails: ["jail /srv/held"],
    declared: `[jail /srv/held]\nsections = uidbasics\n[jail ${NEW}]\nsections = uidbasics\n`,
    before: (m) => all(m, "mkdir -p /srv/held/etc; chattr +i /srv/held/etc"),
    after: (m) => all(m, `chattr -i /srv/held/etc; rm -r /srv/held; jailkit delete --yes ${NEW}`),
  },
  {
    what: "an immutable directory of a jail in which all is there, which is none",
    fails: [],
    declared: "[jail /srv/held]\nfiles = /usr/bin/true\n",
    before: (m) => all(m, "mkdir -p /srv/held/opt; chattr +i /srv/held/opt"),
    after: (m) => all(m, "chattr -i /srv/held/opt; jailkit delete --yes /srv/held"),
  },
  {
    what: "an immutable file of the accounts of this machine",
    fails: ["user x"],
    declared: user("x"),
    before: (m) => all(m, "chattr +i /etc/passwd"),
    after: (m) => all(m, "chattr -i /etc/passwd"),
  },
  {
    what: "an immutable file of its groups, for an account that joins none",
    fails: [],
    declared: user("x", "comment = X\n"),
    before: (m) => all(m, `jk_addjailuser -j ${J} -s /bin/bash x; chattr +i /etc/group`),
    after: (m) => all(m, `chattr -i /etc/group; userdel -r x; sed -i /^x:/d ${J}/etc/passwd`),
  },
  {
    what: "an immutable etc of a jail, for another shell",
    fails: ["user x"],
    because: `jail ${J}`,
    declared: `[user x]\njail = ${J}\nshell = /bin/sh\n`,
    before: (m) => all(m, `jk_addjailuser -j ${J} -s /bin/bash x; chattr +i ${J}/etc`),
    after: (m) => all(m, `chattr -i ${J}/etc; userdel -r x; sed -i /^x:/d ${J}/etc/passwd`),
  },
  {
    what: "an immutable file of the groups of a jail, for a new user",
    fails: ["user x"],
    because: `jail ${J}`,
    declared: user("x"),
    before: (m) => all(m, `chattr +i ${J}/etc/group`),
    after: (m) => all(m, `chattr -i ${J}/etc/group`),
  },
  {
    what: "a jail in the home of a user who comes first",
    fails: [`jail ${NEW}/home/x/jail`],
    declared: `[jail ${NEW}/home/x/jail]\nsections = uidbasics\n[jail ${NEW}]\nsections = uidbasics, basicshell\n${user("x", "", NEW)}`,
    after: (m) => all(m, "userdel -r x", `jailkit delete --yes ${NEW}`),
  },
  {
    what: "a file system with too few free inodes, and one with enough, for a new jail",
    fails: ["jail /srv/few/jail"],
    declared: "[jail /srv/few/jail]\nsections = basicshell\n[jail /srv/more/jail]\nsections = basicshell\n",
    before: (m) => all(m, small("few", "nr_inodes=20"), small("more", "nr_inodes=2000")),
    after: (m) => all(m, gone("few"), "jailkit delete --yes /srv/more/jail", gone("more")),
  },
  {
    what: "a file system with too few free inodes, after one with enough for the same contents",
    fails: ["jail /srv/few/jail"],
    declared: "[jail /srv/more/jail]\nsections = basicshell\n[jail /srv/few/jail]\nsections = basicshell\n",
    before: (m) => all(m, small("few", "nr_inodes=20"), small("more", "nr_inodes=2000")),
    after: (m) => all(m, gone("few"), "jailkit delete --yes /srv/more/jail", gone("more")),
  },
  {
    what: "a file system with too few free inodes, for a jail that is there",
    fails: ["jail /srv/few/jail"],
    declared: "[jail /srv/few/jail]\nsections = basicshell\n",
    before: (m) => all(m, small("few", "nr_inodes=20"), "mkdir /srv/few/jail"),
    after: (m) => all(m, gone("few")),
  },
  {
    what: "a file system with too little space",
    fails: ["jail /srv/few/jail"],
    declared: "[jail /srv/few/jail]\nsections = basicshell\n",
    before: (m) => all(m, small("few", "size=1m")),
    after: (m) => all(m, gone("few")),
  },
  {
    what: "a file system with too little space for many small files, each of which takes a block",
    fails: ["jail /srv/few/jail"],
    declared: "[jail /srv/few/jail]\nfiles = /opt/many\n",
    before: (m) =>
      all(m, small("few", "size=4m"), "mkdir /opt/many; seq 1200 | split -l 1 -a 3 - /opt/many/"),
    after: (m) => all(m, "rm -r /opt/many", gone("few")),
  },
  {
    what: "a file system with enough space for them",
    fails: [],
    declared: "[jail /srv/few/jail]\nfiles = /opt/many\n",
    before: (m) =>
      all(m, small("few", "size=5m"), "mkdir /opt/many; seq 1200 | split -l 1 -a 3 - /opt/many/"),
    after: (m) => all(m, "jailkit delete --yes /srv/few/jail; rm -r /opt/many", gone("few")),
  },
  {
    what: "a file with a hole that is larger than the file system, which is none",
    fails: [],
    declared: "[jail /srv/few/jail]\nfiles = /opt/hole\n",
    before: (m) => all(m, small("few", "size=1m"), "truncate -s 8m /opt/hole"),
    after: (m) => all(m, "jailkit delete --yes /srv/few/jail; rm /opt/hole", gone("few")),
  },
  {
    what: "two new jails on a file system with room for one",
    fails: ["jail /srv/few/two"],
    declared: "[jail /srv/few/one]\nsections = basicshell\n[jail /srv/few/two]\nsections = basicshell\n",
    before: (m) => all(m, small("few", `nr_inodes=${Math.floor(objectsOf(m, "basicshell") * 1.5)}`)),
    after: (m) => all(m, "jailkit delete --yes /srv/few/one", gone("few")),
  },
  {
    what: "two new jails with other contents on a file system with too little space for both",
    fails: ["jail /srv/few/two"],
    declared: "[jail /srv/few/one]\nfiles = /opt/one\n[jail /srv/few/two]\nfiles = /opt/two\n",
    before: (m) =>
      all(m, small("few", "size=4m"), "for f in one two; do head -c 2500k /dev/zero >/opt/$f; done"),
    after: (m) => all(m, "jailkit delete --yes /srv/few/one; rm /opt/one /opt/two", gone("few")),
  },
  {
    what: "two new jails on a file system with room for one, where another one is removed first, with --prune",
    fails: [],
    declared: "[jail /srv/few/one]\nfiles = /opt/one\n[jail /srv/few/two]\nfiles = /opt/two\n",
    options: ["--prune"],
    before: (m) => {
      all(m, small("few", "size=6m"), "for f in one two; do head -c 2500k /dev/zero >/opt/$f; done");
      m.write(FILE, "[jail /srv/few/gone]\nfiles = /opt/two\n");
      all(m, "jailkit apply");
    },
    after: (m) =>
      all(
        m,
        "jailkit delete --yes /srv/few/one; jailkit delete --yes /srv/few/two; rm /opt/one /opt/two",
        gone("few"),
      ),
  },
  {
    what: "a home that has too little room in the jail, and one that has enough",
    fails: ["user large"],
    declared: user("large") + user("little"),
    before: (m) => {
      addHomes(m, { large: "5m", little: "1m" });
      all(m, `mkdir ${J}/home/large.disk; mount -t tmpfs -o mode=755,size=4m none ${J}/home`);
    },
    after: (m) =>
      all(
        m,
        `userdel -r large; userdel little; umount ${J}/home; rmdir ${J}/home/large.disk`,
        clear("little"),
      ),
  },
  {
    what: "the same in a jail that is made by the run",
    fails: ["user large"],
    declared: `[jail /srv/few/jail]\nsections = uidbasics\nfiles = bash\n${user("large", "", "/srv/few/jail")}`,
    before: (m) => {
      addHomes(m, { large: "40m" });
      all(m, small("few", "size=40m"));
    },
    after: (m) => all(m, "jailkit delete --yes /srv/few/jail; userdel -r large", gone("few")),
  },
  {
    what: "two homes that have too little room together",
    fails: ["user second"],
    declared: user("first") + user("second"),
    before: (m) => {
      addHomes(m, { first: "3m", second: "3m" });
      all(m, `mount -t tmpfs -o mode=755,size=4m none ${J}/home`);
    },
    after: (m) => all(m, `userdel first; userdel -r second; umount ${J}/home`, clear("first")),
  },
  {
    what: "a jail of sections and files that have objects in common, which fits",
    fails: [],
    declared: "[jail /srv/few/jail]\nsections = basicshell\nfiles = bash, cat, ls\n",
    before: (m) => all(m, small("few", `nr_inodes=${Math.floor(objectsOf(m, "basicshell") * 1.2)}`)),
    after: (m) => all(m, "jailkit delete --yes /srv/few/jail", gone("few")),
  },
  {
    what: "a home with a hole, and with two names of one file, which fits",
    fails: [],
    declared: user("first"),
    before: (m) => {
      addHomes(m, { first: "3m" });
      all(
        m,
        "truncate -s 20m /home/first/hole; ln /home/first/data /home/first/again; chown -R first /home/first",
      );
      all(m, `mount -t tmpfs -o mode=755,size=4m none ${J}/home`);
    },
    after: (m) => all(m, `userdel first; umount ${J}/home`, clear("first")),
  },
  {
    what: "a place behind a symbolic link to nothing, and to itself",
    fails: ["jail /srv/dangling/jail", "jail /srv/loop/jail"],
    declared:
      "[jail /srv/dangling/jail]\nsections = uidbasics\n[jail /srv/loop/jail]\nsections = uidbasics\n",
    before: (m) => all(m, "ln -s nothing /srv/dangling; ln -s loop /srv/loop"),
    after: (m) => all(m, "rm /srv/dangling /srv/loop"),
  },
  {
    what: "a directory of the machine",
    fails: ["jail /var/lib", "user x"],
    declared: `[jail /var/lib]\nsections = uidbasics\n${user("x", "", "/var/lib")}`,
  },
  {
    what: "a directory of the machine that only a user names",
    fails: ["user x"],
    because: "jail /var/lib",
    declared: user("x", "", "/var/lib"),
  },
  {
    what: "a read-only file system, for a new jail",
    fails: ["jail /srv/ro/jail"],
    declared: "[jail /srv/ro/jail]\nsections = uidbasics\n",
    before: (m) => all(m, "mkdir /srv/ro; mount -t tmpfs -o ro,mode=755 none /srv/ro"),
    after: (m) => all(m, "umount /srv/ro; rmdir /srv/ro"),
  },
  {
    what: "a read-only file system, for a jail that is there",
    fails: [`jail ${J}`],
    declared: `[jail ${J}]\nfiles = /usr/bin/who\n`,
    before: (m) => all(m, `mount --bind ${J} ${J}; mount -o remount,bind,ro ${J}`),
    after: (m) => all(m, `umount ${J}`),
  },
  {
    what: "a read-only file system, for a new user",
    fails: ["user x"],
    because: `jail ${J}`,
    declared: user("x"),
    before: (m) => all(m, `mount --bind ${J} ${J}; mount -o remount,bind,ro ${J}`),
    after: (m) => all(m, `umount ${J}`),
  },
  {
    what: "a read-only file system, for a user whose shell differs",
    fails: ["user guest"],
    because: `jail ${J}`,
    declared: `[user guest]\njail = ${J}\nshell = /bin/sh\n`,
    before: (m) => all(m, `mount --bind ${J} ${J}; mount -o remount,bind,ro ${J}`),
    after: (m) => all(m, `umount ${J}`),
  },
  {
    what: "a file system without programs, setuid and devices, which is none for jk_init",
    fails: [],
    declared: `[jail /srv/no/jail]\nsections = uidbasics, basicshell\n${user("x", "", "/srv/no/jail")}`,
    before: (m) => all(m, "mkdir /srv/no; mount -t tmpfs -o nosuid,nodev,noexec,mode=755 none /srv/no"),
    after: (m) => all(m, "userdel x; umount /srv/no; rmdir /srv/no"),
  },
  {
    what: "a jail of copies that is to be live",
    fails: [`jail ${J}`],
    declared: `[jail ${J}]\nlive = /usr\n`,
  },
  {
    what: "a live jail that is not mounted, and gets more files, which is none",
    fails: [],
    declared: "[jail /srv/live]\nlive = /usr\nfiles = /etc/hostname\n",
    before: (m) => all(m, "jk_init --live -j /srv/live", "umount /srv/live/usr"),
    after: (m) => all(m, "jailkit delete --yes /srv/live"),
  },
  {
    what: "a section that does not exist, in a live jail that is not mounted",
    fails: ["jail /srv/live"],
    declared: "[jail /srv/live]\nlive = /usr\nsections = nosuch\n",
    before: (m) => all(m, "jk_init --live -j /srv/live", "umount /srv/live/usr"),
    after: (m) => all(m, "jailkit delete --yes /srv/live"),
  },
  {
    what: "a program that does not exist, in a live jail that is not mounted",
    fails: ["jail /srv/live"],
    declared: "[jail /srv/live]\nlive = /usr\nfiles = nosuch\n",
    before: (m) => all(m, "jk_init --live -j /srv/live", "umount /srv/live/usr"),
    after: (m) => all(m, "jailkit delete --yes /srv/live"),
  },
  {
    what: "a live directory with the jail in it",
    fails: ["jail /opt/site/jail"],
    declared: "[jail /opt/site/jail]\nlive = /opt/site\n",
    before: (m) => all(m, "mkdir -p /opt/site"),
    after: (m) => m.remove("/opt/site"),
  },
  {
    what: "a jail in a directory that another jail shows, with the users of both",
    fails: ["jail /opt/site/jail", "user x"],
    declared: `[jail /srv/live]\nlive = /opt/site\n[jail /opt/site/jail]\nsections = uidbasics, basicshell\n${user("x", "", "/opt/site/jail")}`,
    before: (m) => all(m, "mkdir -p /opt/site", "jk_init --live=/opt/site -j /srv/live"),
    after: (m) => all(m, "jailkit delete --yes /srv/live", "rmdir /opt/site"),
  },
  {
    what: "a jail in a live directory of another one, if both are made in the same run",
    fails: ["jail /srv/live"],
    declared: "[jail /srv/live]\nlive = /opt/site\n[jail /opt/site/jail]\nsections = uidbasics\n",
    before: (m) => all(m, "mkdir -p /opt/site"),
    after: (m) => all(m, "jailkit delete --yes /opt/site/jail", "rm -r /opt/site"),
  },
  {
    what: "a live directory that is missing",
    fails: [`jail ${NEW}`],
    declared: `[jail ${NEW}]\nlive = /opt/nosuch\n`,
  },
  {
    what: "an fstab that is a symbolic link, for proc",
    fails: [`jail ${J}`],
    declared: `[jail ${J}]\nproc = yes\n`,
    before: (m) => all(m, "mv /etc/fstab /etc/fstab.away; ln -s fstab.away /etc/fstab"),
    after: (m) => all(m, "mv -T /etc/fstab.away /etc/fstab"),
  },
  {
    what: "a jk_socketd.ini that cannot be read, for a log socket",
    fails: [`jail ${J}`],
    declared: `[jail ${J}]\nlog_socket = yes\n`,
    before: (m) =>
      all(m, "cp /etc/jailkit/jk_socketd.ini /etc/jailkit/away; echo '[one' >>/etc/jailkit/jk_socketd.ini"),
    after: (m) => all(m, "mv /etc/jailkit/away /etc/jailkit/jk_socketd.ini"),
  },
  {
    what: "a jail whose log socket no section can name",
    fails: ["jail /srv/a]b"],
    declared: "[jail /srv/a]b]\nsections = uidbasics\nlog_socket = yes\n",
  },
  {
    what: "a jail whose log socket has a path with more bytes than an address of unix(7)",
    fails: [],
    declared: `[jail ${LONG}]\nsections = uidbasics\nlog_socket = yes\n`,
    after: (m) => all(m, `jailkit delete --yes ${LONG}`),
  },
  {
    what: "the same, if a section needs it",
    fails: [],
    declared: `[jail ${LONG}]\nsections = uidbasics, jk_lsh\n`,
    after: (m) => all(m, `jailkit delete --yes ${LONG}`),
  },
  {
    what: "a new jail without the shell of a user",
    fails: ["user x"],
    declared: `[jail ${NEW}]\nsections = uidbasics\n${user("x", "", NEW)}`,
    after: (m) => all(m, `rm -r ${NEW}`),
  },
  ...["/bin", "/etc", "/dev/null", "/etc/profile"].map(
    (shell): Case => ({
      what: `a new jail in which the shell of a user, ${shell}, is no program`,
      fails: ["user x"],
      declared: `[jail ${NEW}]\nsections = basicshell\n${user("x", "", NEW).replace("/bin/bash", shell)}`,
      after: (m) => all(m, `rm -r ${NEW}`),
    }),
  ),
  {
    what: "a new jail of files alone, without account files",
    fails: ["user x"],
    because: `jail ${NEW}`,
    declared: `[jail ${NEW}]\nfiles = bash\n${user("x", "", NEW)}`,
    after: (m) => all(m, `rm -r ${NEW}`),
  },
  {
    what: "a jail without account files",
    fails: ["user x"],
    because: `jail ${J}`,
    declared: user("x"),
    before: (m) => all(m, `mv ${J}/etc/passwd ${J}/etc/away`),
    after: (m) => all(m, `mv ${J}/etc/away ${J}/etc/passwd`),
  },
  {
    what: "a jail that brings files, but not the shell",
    fails: ["user x"],
    declared: `[jail ${J}]\nfiles = true\n[user x]\njail = ${J}\nshell = /bin/zsh\n`,
    after: (m) => all(m, `jk_cp --remove -j ${J} /usr/bin/true`),
  },
  {
    what: "a shell that the jail lacks, for one user of two",
    fails: ["user x"],
    declared: `[user x]\njail = ${J}\nshell = /bin/zsh\n${user("y")}`,
    after: (m) => all(m, `userdel y; rm -r ${J}/home/y; sed -i /^y:/d ${J}/etc/passwd`),
  },
  {
    what: "a shell that is no program",
    fails: ["user x"],
    declared: `[user x]\njail = ${J}\nshell = /etc/passwd\n`,
  },
  {
    what: "a shell that is a directory",
    fails: ["user x"],
    declared: `[user x]\njail = ${J}\nshell = /usr\n`,
  },
  { what: "a uid that is taken", fails: ["user x"], declared: user("x", "uid = 33\n") },
  { what: "a group that is missing", fails: ["user x"], declared: user("x", "groups = nosuch\n") },
  { what: "a name that useradd refuses", fails: ["user an@na"], declared: user("an@na") },
  { what: "root", fails: ["user root"], declared: user("root") },
  {
    what: "a home that another user of the jail has",
    fails: ["user x"],
    declared: user("x", "home = /home/guest\n"),
  },
  {
    what: "a home behind a symbolic link",
    fails: ["user x"],
    declared: user("x", "home = /link/x\n"),
    before: (m) => all(m, `ln -s /home ${J}/link`),
    after: (m) => m.remove(`${J}/link`),
  },
  {
    what: "a home below a file",
    fails: ["user x"],
    declared: user("x", "home = /file/x\n"),
    before: (m) => m.write(`${J}/file`, ""),
    after: (m) => m.remove(`${J}/file`),
  },
  {
    what: "a home in that of another user",
    fails: ["user x"],
    declared: user("x", "home = /home/guest/x\n"),
  },
  {
    what: "a line in the jail with another uid",
    fails: ["user x"],
    declared: user("x"),
    before: (m) => all(m, `echo x:x:7777:100::/home/x:/bin/bash >>${J}/etc/passwd`),
    after: (m) => all(m, `sed -i /^x:/d ${J}/etc/passwd`),
  },
  {
    what: "a group that has another gid in the jail, and gets that of the host",
    fails: [],
    declared: user("x", "groups = team\n"),
    before: (m) => all(m, `echo team:x:7777: >>${J}/etc/group`),
    after: (m) => all(m, "userdel -r x", `sed -i /^x:/d ${J}/etc/passwd`, `sed -i /^team:/d ${J}/etc/group`),
  },
  {
    what: "a skeleton with a link in the place of keys",
    fails: ["user x"],
    declared: user("x", `authorized_keys = ${KEYS[0]}\n`),
    before: (m) => all(m, "ln -s /tmp /etc/skel/.ssh"),
    after: (m) => m.remove("/etc/skel/.ssh"),
  },
  {
    what: "a skeleton whose directory of keys others can write, also in a jail that is not there yet",
    fails: ["user x", "user y"],
    declared: `${user("x", `authorized_keys = ${KEYS[0]}\n`)}[jail ${NEW}]\nsections = uidbasics, basicshell\n${user("y", `authorized_keys = ${KEYS[0]}\n`, NEW)}`,
    before: (m) => all(m, "mkdir /etc/skel/.ssh; chmod 777 /etc/skel/.ssh"),
    after: (m) => all(m, "rm -r /etc/skel/.ssh", `jailkit delete --yes ${NEW}`),
  },
  {
    what: "a skeleton whose keys a group can write, also if it has the key",
    fails: ["user x", "user y"],
    declared: user("x", `authorized_keys = ${KEYS[0]}\n`) + user("y", `authorized_keys = ${KEYS[1]}\n`),
    before: (m) => m.write("/etc/skel/.ssh/authorized_keys", `${KEYS[1]}\n`, { mode: 0o664 }),
    after: (m) => m.remove("/etc/skel/.ssh"),
  },
  {
    what: "a skeleton whose file of keys has two names",
    fails: ["user x"],
    declared: user("x", `authorized_keys = ${KEYS[0]}\n`),
    before: (m) =>
      all(m, "mkdir -m 700 /etc/skel/.ssh; cd /etc/skel/.ssh; touch authorized_keys; ln authorized_keys x"),
    after: (m) => m.remove("/etc/skel/.ssh"),
  },
  {
    what: "a home on which an empty file system is mounted read-only",
    fails: ["user guest", "user x"],
    declared: user("guest") + user("x"),
    before: (m) =>
      all(
        m,
        ...["guest", "x"].map(
          (name) => `mkdir -p ${J}/home/${name}; mount -t tmpfs -o ro,mode=755 none ${J}/home/${name}`,
        ),
      ),
    after: (m) => all(m, `umount ${J}/home/guest ${J}/home/x; rmdir ${J}/home/x`),
  },
  {
    what: "no uid that is left, in a jail that is not there yet",
    fails: ["user x"],
    declared: `[jail ${NEW}]\nsections = uidbasics, basicshell\n${user("x", "", NEW)}`,
    before: (m) =>
      all(m, "cp /etc/login.defs /root/defs; printf 'UID_MIN 33\\nUID_MAX 33\\n' >/etc/login.defs"),
    after: (m) => all(m, "mv /root/defs /etc/login.defs", `jailkit delete --yes ${NEW}`),
  },
  {
    what: "an account without a home",
    fails: ["user mover"],
    declared: user("mover"),
    before: (m) => m.addUser("mover", { home: "/home/mover" }),
    after: (m) => all(m, "userdel mover"),
  },
  {
    what: "an account whose home is in the jail already, and another's",
    fails: ["user mover"],
    declared: user("mover"),
    before: (m) => {
      m.addUser("mover", { home: "/home/mover", createHome: true });
      m.mkdir(`${J}/home/mover`);
    },
    after: (m) => all(m, `userdel -r mover; rm -r ${J}/home/mover`),
  },
  {
    what: "an account with a mount in the home",
    fails: ["user mover"],
    declared: user("mover"),
    before: (m) => {
      m.addUser("mover", { home: "/home/mover", createHome: true });
      all(m, "mkdir /home/mover/disk; mount -t tmpfs none /home/mover/disk");
    },
    after: (m) => all(m, "umount /home/mover/disk; userdel -r mover"),
  },
  ...["its new home", "a mount in the old one"].map((what, index) => ({
    what: `the same of an account that an earlier stay has left a line of, with ${what}`,
    fails: ["user mover"],
    declared: `[user mover]\njail = ${J}\nallow = sftp\n`,
    before: (m: Machine) => {
      m.addUser("mover", { home: "/home/mover", createHome: true });
      const fault = [`mkdir ${J}/home/mover`, "mkdir /home/mover/disk; mount -t tmpfs none /home/mover/disk"][
        index
      ];
      all(m, `echo mover:x:9999:100::/home/mover:/usr/sbin/jk_lsh >>${J}/etc/passwd`, fault ?? "");
    },
    after: (m: Machine) => {
      all(m, "umount /home/mover/disk || true", "userdel -r mover", `rm -rf ${J}/home/mover`);
      all(m, `sed -i /^mover:/d ${J}/etc/passwd`);
      expect(m.read(`${J}/etc/jailkit/jk_lsh.ini`)).not.toContain("[mover]");
    },
  })),
  {
    what: "an account outside of which an earlier stay has left a line, which is made right",
    fails: [],
    declared: user("mover"),
    before: (m) => {
      m.addUser("mover", { home: "/home/mover", createHome: true });
      all(m, `echo mover:x:9999:100::/home/mover:/bin/bash >>${J}/etc/passwd`);
    },
    after: (m) => all(m, "userdel mover", `rm -r ${J}/home/mover`, `sed -i /^mover:/d ${J}/etc/passwd`),
  },
  {
    what: "an account whose primary group is gone",
    fails: ["user mover"],
    declared: user("mover"),
    before: (m) => {
      m.addUser("mover", { home: "/home/mover", createHome: true });
      all(m, "cp /etc/group /etc/group.away; sed -i /^mover:/d /etc/group");
    },
    after: (m) => all(m, "mv /etc/group.away /etc/group; userdel -r mover"),
  },
  {
    what: "an account with processes",
    fails: ["user mover"],
    declared: user("mover"),
    before: async (m) => {
      m.addUser("mover", { home: "/home/mover", createHome: true });
      await startSession(m, "mover");
    },
    after: (m) => all(m, "userdel -r mover"),
  },
  {
    what: "accounts for a new jail, with processes, without a home, without a group",
    fails: ["user one", "user two", "user three"],
    declared: `[jail ${NEW}]\nsections = uidbasics, basicshell\n${["one", "two", "three"].map((name) => user(name, "", NEW)).join("")}`,
    before: async (m) => {
      for (const name of ["one", "two", "three"])
        m.addUser(name, { home: `/home/${name}`, createHome: name !== "two" });
      await startSession(m, "one");
      all(m, "sed -i /^three:/d /etc/group");
    },
    after: (m) => all(m, "userdel -r one", "userdel two", "userdel -r three", `rm -r ${NEW}`),
  },
  {
    what: "an account of the jail that has lost its line there, and its primary group",
    fails: ["user guest"],
    declared: user("guest"),
    before: (m) => all(m, `sed -i.away /^guest:/d ${J}/etc/passwd`, "sed -i.away /^users:/d /etc/group"),
    after: (m) => all(m, `mv ${J}/etc/passwd.away ${J}/etc/passwd`, "mv /etc/group.away /etc/group"),
  },
  {
    what: "a home that an interrupted run has put aside, which the run completes",
    fails: [],
    declared: user("mover"),
    before: (m) => {
      m.addUser("mover", { home: "/home/mover", createHome: true });
      all(m, "mkdir -m 700 /home/.jk-move-mover", "mv /home/mover /home/.jk-move-mover/home");
    },
    after: (m) => all(m, "userdel mover", `rm -r ${J}/home/mover`, `sed -i /^mover:/d ${J}/etc/passwd`),
  },
  {
    what: "a jail of the same contents as one before, which has one of them in it",
    fails: ["jail /srv/tree/jail"],
    declared: `[jail ${NEW}]\nfiles = /srv/tree\n[jail /srv/tree/jail]\nfiles = /srv/tree\n`,
    before: (m) => all(m, "mkdir /srv/tree", "touch /srv/tree/file"),
    after: (m) => all(m, `rm -r ${NEW} /srv/tree`),
  },
  {
    what: "a directory that cannot become live, while another one goes, with --prune",
    fails: ["jail /srv/live"],
    options: ["--prune"],
    declared: "[jail /srv/live]\nsections = uidbasics\nlive = /usr\n",
    before: (m) => {
      m.mkdir("/opt/tool");
      m.write(FILE, "[jail /srv/live]\nsections = uidbasics\nlive = /opt/tool\n");
      m.must(["jailkit", "apply"]);
    },
    after: (m) => all(m, "jailkit delete --yes /srv/live", "rmdir /opt/tool"),
  },
  {
    what: "a home that is in the way of who may be its user, with --prune --delete-homes",
    fails: ["user x", "user old"],
    options: ["--prune", "--delete-homes"],
    declared: user("x", "home = /home/old\n"),
    before: (m) => {
      m.write(FILE, user("old"));
      m.must(["jailkit", "apply"]);
    },
    after: (m) => all(m, "userdel old", `sed -i /^old:/d ${J}/etc/passwd`, `rm -r ${J}/home/old`),
  },
  {
    what: "a home that stays with the account of who may be its user, with --prune",
    fails: ["user x", "user old"],
    options: ["--prune"],
    declared: user("x", "home = /home/old\n"),
    before: (m) => {
      m.write(FILE, user("old"));
      m.must(["jailkit", "apply"]);
    },
    after: (m) => all(m, "userdel old", `sed -i /^old:/d ${J}/etc/passwd`, `rm -r ${J}/home/old`),
  },
  {
    what: "a shell that the jail lacks, from which somebody is removed first, with --prune",
    fails: ["user guest", "user x"],
    options: ["--prune"],
    declared:
      `${user("guest", "groups = team\n")}${user("x")}${user("limited").replace("/bin/bash", "/usr/sbin/jk_lsh")}allow = sftp\n`.replaceAll(
        "/bin/bash",
        "/bin/nosuch",
      ),
    before: (m) => {
      m.write(FILE, user("leaves"));
      m.must(["jailkit", "apply"]);
    },
    after: (m) => all(m, `rm -r ${J}/home/leaves`, "userdel -r limited"),
  },
  {
    what: "an account of another uid in the jail",
    fails: ["user mover"],
    declared: user("mover", "uid = 7777\n"),
    before: (m) => m.addUser("mover", { home: "/home/mover", createHome: true }),
    after: (m) => all(m, "userdel -r mover"),
  },
  {
    what: "an account of the system, whose home is another's",
    fails: ["user backup"],
    declared: user("backup"),
    before: (m) => m.mkdir("/var/backups"),
  },
  {
    what: "an account with a new key whose key file is a directory",
    fails: ["user guest"],
    declared: user("guest", `authorized_keys = ${KEYS[0]}\n`),
    before: (m) =>
      all(m, `mkdir -p ${J}/home/guest/.ssh/authorized_keys; chown -R guest: ${J}/home/guest/.ssh`),
    after: (m) => m.remove(`${J}/home/guest/.ssh`),
  },
  {
    what: "rights that a file of the administrator in the jail has already",
    fails: ["user x"],
    declared: `[user x]\njail = ${J}\nallow = sftp\n`,
    before: (m) =>
      all(m, `mkdir -p ${J}/etc/jailkit/jk_lsh.d; echo '[x]' >${J}/etc/jailkit/jk_lsh.d/own.ini`),
    after: (m) => m.remove(`${J}/etc/jailkit/jk_lsh.d`),
  },
  {
    what: "limits that a file of the administrator has already",
    fails: ["user x"],
    declared: user("x", "confine = 1\n"),
    before: (m) => m.write("/etc/jailkit/jk_chrootsh.d/own.ini", "[x]\numask = 077\n"),
    after: (m) => m.remove("/etc/jailkit/jk_chrootsh.d/own.ini"),
  },
  {
    what: "rights in a file that users may change",
    fails: ["user x"],
    because: `jail ${J}`,
    declared: `[user x]\njail = ${J}\nallow = sftp\n`,
    before: (m) => all(m, `chmod 666 ${J}/etc/jailkit/jk_lsh.ini`),
    after: (m) => all(m, `chmod 644 ${J}/etc/jailkit/jk_lsh.ini`),
  },
  {
    what: "a home in that of a user who comes first",
    fails: ["user in", "user deep"],
    declared: `${user("out")}${user("in", "home = /home/out/in\n")}${user("deep", "home = /home/out/in/deep\n")}`,
    after: (m) => all(m, "userdel -r out"),
  },
  {
    what: "the same in another order, in a new jail",
    fails: ["user in"],
    declared: `[jail ${NEW}]\nsections = uidbasics, basicshell\n${user("in", "home = /home/out/in\n", NEW)}${user("out", "", NEW)}`,
    after: (m) => all(m, "userdel -r out", `jailkit delete --yes ${NEW}`),
  },
  {
    what: "a home in that of a new user, which is in one that is there",
    fails: ["user top", "user in"],
    declared: `${user("top", "home = /data\n")}${user("mid", "home = /data/mid\n")}${user("in", "home = /data/mid/in\n")}`,
    before: (m) => m.mkdir(`${J}/data`),
    after: (m) => all(m, "userdel -r mid", `rm -r ${J}/data`),
  },
  {
    what: "a home in that of a user who comes first, which is there, and is root's",
    fails: ["user x"],
    declared: `${user("x", "home = /data\n")}${user("in", "home = /data/in\n")}`,
    before: (m) => m.mkdir(`${J}/data`),
    after: (m) => all(m, "userdel -r in", `rm -r ${J}/data`),
  },
  {
    what: "a home of before in the jail, without /./, that is not the user's",
    fails: ["user x"],
    declared: user("x"),
    before: (m) => {
      m.mkdir(`${J}/home/x`);
      m.addUser("x", { home: `${J}/home/x` });
    },
    after: (m) => all(m, "userdel x", `rmdir ${J}/home/x`),
  },
  {
    what: "the home of an account that a section brings, in a new jail",
    fails: ["user x"],
    declared: `[jail ${NEW}]\nsections = uidbasics, basicshell, own\n${user("x", "home = /data/svc\n", NEW)}`,
    before: (m) => {
      m.addUser("svc", { home: "/data/svc" });
      m.write(INI, "[own]\nusers = svc\n");
    },
    after: (m) => all(m, `jailkit delete --yes ${NEW}`, "userdel svc", `rm ${INI}`),
  },
  {
    what: "the home of an account that a section brings into a jail",
    fails: ["user x"],
    declared: `[jail ${J}]\nsections = own\n${user("x", "home = /data/svc\n")}${user("y")}`,
    before: (m) => {
      m.addUser("svc", { home: "/data/svc" });
      m.write(INI, "[own]\nusers = svc\n");
    },
    after: (m) => {
      all(m, "userdel -r y", `sed -i /^svc:/d ${J}/etc/passwd`, "userdel svc");
      m.remove(INI);
    },
  },
  {
    what: "a home that is there, and is somebody else's",
    fails: ["user x"],
    declared: user("x"),
    before: (m) => m.mkdir(`${J}/home/x`),
    after: (m) => m.remove(`${J}/home/x`),
  },
  {
    what: "a home that is there, and has the uid that is declared",
    fails: [],
    declared: user("x", "uid = 7878\n"),
    before: (m) => m.mkdir(`${J}/home/x`, { owner: [7878, 100] }),
    after: (m) => all(m, "userdel -r x"),
  },
  {
    what: "a read-only file system at the place of homes, for one whose home is gone, one who moves there, and one who comes",
    fails: ["user guest", "user mover", "user x"],
    declared: `${user("guest", `authorized_keys = ${KEYS[0]}\n`)}${user("mover")}${user("x")}`,
    before: (m) => {
      m.addUser("mover", { home: "/home/mover", createHome: true, shell: "/bin/sh" });
      all(m, `mount -t tmpfs -o ro,mode=755 none ${J}/home`);
    },
    after: (m) => all(m, `umount ${J}/home`, "userdel -r mover"),
  },
  {
    what: "a home on a read-only file system, which gets keys",
    fails: ["user guest"],
    declared: user("guest", `authorized_keys = ${KEYS[0]}\n`),
    before: (m) =>
      all(m, `mount --bind ${J}/home/guest ${J}/home/guest; mount -o remount,bind,ro ${J}/home/guest`),
    after: (m) => all(m, `umount ${J}/home/guest`),
  },
  {
    what: "a home in the jail that is gone, below a directory of another user",
    fails: ["user guest"],
    declared: user("guest"),
    before: (m) => all(m, `mv ${J}/home/guest ${J}/home/away; chown 7777 ${J}/home`),
    after: (m) => all(m, `chown 0 ${J}/home; mv ${J}/home/away ${J}/home/guest`),
  },
  {
    what: "a read-only directory of drop-ins, for a log socket that is declared",
    fails: [`jail ${NEW}`, "user x"],
    declared: `[jail ${NEW}]\nsections = uidbasics, basicshell\nlog_socket = yes\n${user("x", "", NEW)}`,
    before: (m) => all(m, ...READ_ONLY_SOCKETS),
    after: (m) => all(m, `umount ${SOCKETS}`),
  },
  {
    what: "the same, for one that comes with a section",
    fails: [`jail ${NEW}`],
    declared: `[jail ${NEW}]\nsections = own\n`,
    before: (m) => {
      m.write(INI, "[own]\nneed_logsocket = 1\npaths = /usr/bin/id\n");
      all(m, ...READ_ONLY_SOCKETS);
    },
    after: (m) => {
      all(m, `umount ${SOCKETS}`);
      m.remove(INI);
    },
  },
  {
    what: "the same, for a log socket that is there already",
    fails: [],
    declared: `[jail ${J}]\nsections = own\n`,
    before: (m) => {
      m.write(INI, "[own]\nneed_logsocket = 1\npaths = /usr/bin/id\n");
      all(m, ...READ_ONLY_SOCKETS);
    },
    after: (m) => {
      all(m, `umount ${SOCKETS}; jk_init -j ${J} --remove own`);
      m.remove(INI);
    },
  },
  {
    what: "an /etc/fstab that chattr(1) protects, for proc that is declared, and for one that comes with a section",
    fails: [`jail ${J}`, `jail ${NEW}`],
    declared: `[jail ${J}]\nproc = yes\n[jail ${NEW}]\nsections = own\n`,
    before: (m) => {
      m.write(INI, "[own]\nneed_proc = 1\npaths = /usr/bin/id\n");
      all(m, "touch /etc/fstab; chattr +i /etc/fstab");
    },
    after: (m) => {
      all(m, "chattr -i /etc/fstab");
      m.remove(INI);
    },
  },
  {
    what: "a read-only directory of drop-ins, for a log socket that goes",
    fails: [`jail ${J}`],
    declared: `[jail ${J}]\nlog_socket = no\n`,
    options: ["--prune"],
    before: (m) => {
      m.write(FILE, `[jail ${J}]\nlog_socket = yes\n`);
      all(m, "jailkit apply", ...READ_ONLY_SOCKETS);
    },
    after: (m) => all(m, `umount ${SOCKETS}; jailkit apply --prune`),
  },
  {
    what: "an /etc/fstab that chattr(1) protects, for proc that goes",
    fails: [`jail ${J}`],
    declared: `[jail ${J}]\n`,
    options: ["--prune"],
    before: (m) => {
      m.write(FILE, `[jail ${J}]\nproc = yes\n`);
      all(m, "jailkit apply; chattr +i /etc/fstab");
    },
    after: (m) => {
      all(m, "chattr -i /etc/fstab");
      m.write(FILE, `[jail ${J}]\nproc = no\n`);
      all(m, "jailkit apply --prune");
    },
  },
  {
    what: "a read-only /etc, for one who leaves, two who lose a group, and one who comes",
    fails: ["user goes", "user loses", "user outside", "user x"],
    declared: user("loses") + user("x"),
    options: ["--prune"],
    before: (m) => {
      m.write(FILE, ["goes", "loses", "outside"].map((name) => user(name, "groups = team\n")).join(""));
      const mounts = ["/etc", "/etc/jailkit"].map((path) => `mount --bind ${path} ${path}`);
      all(
        m,
        "jailkit apply",
        "jk_jailuser --unjail -m -s /bin/sh outside",
        ...mounts,
        "mount -o remount,bind,ro /etc",
      );
    },
    after: (m) => {
      all(
        m,
        "umount /etc/jailkit; umount /etc; userdel -r goes; userdel -r loses; userdel -r outside",
        `sed -i '/^goes:/d;/^loses:/d;/^team:/d' ${J}/etc/passwd ${J}/etc/group`,
      );
    },
  },
];

const CLOSED: readonly Case[] = [
  {
    what: "a jail on a read-only file system, for two who leave, with --prune: their logins end on the machine",
    fails: ["user goes", "user before"],
    because: `jail ${J}`,
    declared: "",
    options: ["--prune", "--delete-homes"],
    before: (m) => {
      m.addUser("before", { home: "/home/before", createHome: true, shell: "/bin/sh" });
      const keys = `authorized_keys = ${KEYS[0]}\n`;
      m.write(FILE, user("goes", `groups = team\n${keys}`) + user("before", keys));
      all(m, "jailkit apply", `mount --bind ${J} ${J}; mount -o remount,bind,ro ${J}`);
    },
    after: (m) => {
      const shells = m.read("/etc/passwd").match(/^(goes|before):.*/gm) ?? [];
      expect(shells.map((line) => line.split(":").at(-1))).toEqual([
        "/usr/sbin/nologin",
        "/usr/sbin/nologin",
      ]);
      expect(m.must(["id", "-Gn", "goes"]).stdout).not.toContain("team");
      // What was declared is still known, and goes with the next run that can do it.
      const again = linesOf(m, "--prune", "--delete-homes");
      expect(again.changes).toEqual([]);
      all(m, `umount ${J}`);
      expect(linesOf(m, "--prune", "--delete-homes").status).toBe(0);
      expect(m.read("/etc/passwd")).toMatch(/^before:.*:\/home\/before:\/bin\/sh$/m);
      expect(m.run(["id", "goes"]).status).toBe(1);
      all(m, "userdel -r before");
    },
  },
  {
    what: "the same where chattr(1) protects the account file, and the home has the keys",
    fails: ["user goes"],
    because: `jail ${J}`,
    declared: "",
    options: ["--prune"],
    before: (m) => {
      m.write(FILE, user("goes", `authorized_keys = ${KEYS[0]}\n`));
      all(m, "jailkit apply", `chattr +i ${J}/etc/passwd`);
    },
    after: (m) => {
      expect(m.read(`${J}/home/goes/.ssh/authorized_keys`)).toBe("");
      all(m, `chattr -i ${J}/etc/passwd`);
      expect(linesOf(m, "--prune").status).toBe(0);
      expect(m.run(["id", "goes"]).status).toBe(1);
      all(m, `rm -r ${J}/home/goes`);
    },
  },
  {
    what: "a jail in a read-only directory, which goes with its user, with --prune",
    fails: ["jail /srv/few/jail", "user goes"],
    declared: "",
    options: ["--prune"],
    before: (m) => {
      m.write(
        FILE,
        `[jail /srv/few/jail]\nsections = uidbasics, basicshell\n${user("goes", "", "/srv/few/jail")}`,
      );
      all(m, small("few", "size=40m"), "jailkit apply", "mount -o remount,ro /srv/few");
    },
    after: (m) => {
      all(m, "mount -o remount,rw /srv/few");
      expect(linesOf(m, "--prune", "--delete-homes").status).toBe(0);
      all(m, gone("few"));
    },
  },
  {
    what: "the same without users",
    fails: ["jail /srv/few/jail"],
    declared: "",
    options: ["--prune"],
    before: (m) => {
      m.write(FILE, "[jail /srv/few/jail]\nsections = uidbasics\n");
      all(m, small("few", "size=40m"), "jailkit apply", "mount -o remount,ro /srv/few");
    },
    after: (m) => {
      all(m, "mount -o remount,rw /srv/few");
      expect(linesOf(m, "--prune").status).toBe(0);
      all(m, gone("few"));
    },
  },
];

let m: Machine;
let session: MachineProcess | undefined;

/** A process of a user, which is there when this returns, and ends with its input. */
async function startSession(m: Machine, user: string): Promise<void> {
  session = m.start(["cat"], { user });
  session.write("ready\n");
  await session.until(({ stdout }) => (stdout.includes("ready") ? true : undefined));
}

beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["jk_init", "-j", J, "uidbasics", "basicshell", "jk_lsh"]);
  m.must(["jk_addjailuser", "-j", J, "-p", "*", "-s", "/bin/bash", "guest"]);
  m.mkdir("/etc/jailkit/jk_init.d", { mode: 0o755 });
  m.mkdir("/etc/jailkit/jk_chrootsh.d", { mode: 0o755 });
});
afterAll(() => m?.close());

test.each([...CASES, ...CLOSED].map((one) => [one.what, one] as const))(
  "%s",
  async (_, { fails, because, declared, options = [], before, after }) => {
    await before?.(m);
    try {
      m.write(FILE, declared);
      const planned = linesOf(m, "--check", ...options);
      const done = linesOf(m, ...options);
      const failed = (run: ReturnType<typeof linesOf>) =>
        new Set(run.summary.problems.map(({ message }) => message.split(":")[0]));
      // What is planned is done, and nothing else is begun.
      const texts = ({ changes }: ReturnType<typeof linesOf>) =>
        changes.map(({ text, status }) => (status === "not-done" ? `not done: ${text}` : text));
      expect({
        changes: texts(done),
        states: new Set(done.changes.map(({ status }) => status)).difference(new Set(["done", "not-done"])),
        problems: done.summary.problems.map(({ message }) => message),
        failed: done.summary.failed,
      }).toEqual({
        changes: texts(planned),
        states: new Set(),
        problems: planned.summary.problems.map(({ message }) => message),
        failed: planned.summary.failed,
      });
      expect(planned.summary.failed).toBe(fails.length);
      for (const name of failed(planned)) expect([...fails, because]).toContain(name);
    } finally {
      session?.end();
      await session?.ended;
      session = undefined;
      after?.(m);
      m.remove(FILE);
      m.remove("/var/lib/jailkit/declared.json");
    }
  },
);

test.each([
  ["without keys", ""],
  ["with keys", `authorized_keys = ${KEYS[0]}\n`],
])("the advice about a home that is there helps: %s", (_, keys) => {
  const place = `${J}/home/back`;
  const refused = () => linesOf(m).summary.problems.map(({ code, message }) => `${code} ${message}`);
  const command = `mv -nT ${place} ${place}.old`;
  const aside = (uid: number, otherwise = "") =>
    `foreign-home user back: the account is not created, because its home '${place}' is there already, and belongs to uid ${uid}, and not to it; ${otherwise}keep it under another name: ${command}`;
  m.mkdir(place, { owner: [7979, 100] });
  m.write(FILE, user("back", keys));
  expect(refused()).toEqual([aside(7979, "declare 'uid = 7979' if it is that of this user, or ")]);
  m.write(FILE, user("back", `uid = 7979\n${keys}`));
  expect(refused()).toEqual([]);
  all(m, "userdel -r back");
  m.mkdir(place);
  m.write(FILE, user("back", keys));
  expect(refused()).toEqual([aside(0)]);
  all(m, command);
  expect([refused(), refused()]).toEqual([[], []]);
  all(m, "userdel -r back", `rm -r ${place}.old`, `sed -i /^back:/d ${J}/etc/passwd`);
  for (const file of [FILE, "/var/lib/jailkit/declared.json"]) m.remove(file);
});
