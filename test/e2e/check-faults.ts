import type { Rule } from "../../src/check/rules.ts";
import type { Machine } from "../machine/machine.ts";

/** The jail that the faults are planted in, and the directories above it. */
export const JAIL = "/srv/above/farther/jail";
export const USER = 4711;

/** A fault: what is done to the jail or the machine, and the finding that must come of it. */
export interface Fault {
  readonly rule: Rule;
  /** On the host; in the jail where it does not begin with `//`. */
  readonly path: string;
  readonly plant: (m: Machine) => void;
}

const sh = (script: string) => (m: Machine) => {
  m.must(["sh", "-ec", `cd ${JAIL}\n${script}`]);
};

/** A fault that shell commands plant; they run in the jail's directory, as root of the host. */
const fault = (rule: Rule, path: string, script: string): Fault => ({ rule, path, plant: sh(script) });

/** Changes one byte and keeps size, times and mode. */
const flip = (path: string, offset: string) => `
  cp -p ${path} /root/flip; at=${offset}
  printf '\\377' | dd of=${path} bs=1 seek=$at conv=notrunc status=none
  if cmp -s ${path} /root/flip; then printf '\\376' | dd of=${path} bs=1 seek=$at conv=notrunc status=none; fi
  touch -r /root/flip ${path}`;
const size = (path: string) => `$(stat -c %s ${path})`;
const socket = (path: string) =>
  `perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) or die $!' ${path}`;

const SECTIONS = ["basicshell", "extendedshell", "sftp", "rsync", "perl", "editors", "terminfo"];

/** The contents of the jail before, created by the tools. */
export function makeJail(m: Machine, sections: readonly string[] = SECTIONS): void {
  m.addUser("u", { uid: USER, createHome: true, home: "/home/u" });
  for (const name of ["v", "w", "x"]) m.addUser(name, { createHome: true, home: `/home/${name}` });
  m.addUser("stray");
  m.must(["groupadd", "-g", "6001", "team"]);
  m.must([
    "sh",
    "-ec",
    "mkdir -p /opt/data/tree/below; cd /opt/data; for n in 1 2 3 4 5 6 7 8; do echo $n > $n; done",
  ]);
  m.must([
    "sh",
    "-ec",
    "cd /opt/data; ln -s 1 link; echo x > tree/below/file; head -c 3000000 /dev/urandom > large",
  ]);
  m.mkdir("/srv/above/farther");
  m.must(["jk_init", "-j", JAIL, ...sections]);
  m.must(["jk_cp", "-j", JAIL, "/opt/data"]);
  m.write("/srv/open/file", "x");
  m.must(["jk_cp", "-j", JAIL, "/usr/bin/su", "/usr/bin/mount", "/srv/open/file"]);
  for (const name of ["u", "v", "w", "x"])
    m.must(["jk_jailuser", "-n", "-m", "-j", JAIL, "-s", "/bin/bash", name]);
  m.must([
    "sh",
    "-ec",
    `cd ${JAIL}; mkdir -p -m 1777 tmp; mkdir -p var/cache; echo hello > home/u/file; chown ${USER} home/u/file`,
  ]);
}

/** All faults. They are planted in this order, each beside those before it. */
export const FAULTS: readonly Fault[] = [
  fault("writable-for-others", "/usr/share/", "chmod 0757 usr/share"),
  fault("writable-for-others", "/var/cache/", "chmod 0757 var/cache"),
  fault("writable-for-others", "/home/u/", "chmod 0777 home/u"),
  fault("writable-for-group", "/usr/share/vim/", "chmod 0775 usr/share/vim"),
  fault("writable-for-group", "/home/v/", "chmod 0770 home/v"),
  fault("file-writable-for-others", "/usr/bin/ls", "chmod 0757 usr/bin/ls"),
  fault("file-writable-for-others", "/etc/nsswitch.conf", "chmod 0646 etc/nsswitch.conf"),
  fault("file-writable-for-others", "/home/u/file", "chmod 0666 home/u/file"),
  fault("file-writable-for-group", "/usr/bin/cat", "chmod 0775 usr/bin/cat"),
  fault("file-writable-for-group", "/etc/passwd", "chmod 0664 etc/passwd"),
  fault(
    "file-writable-for-group",
    "/home/u/shared",
    `echo x > home/u/shared; chown ${USER}:6001 home/u/shared; chmod 0664 home/u/shared`,
  ),
  fault("setuid-for-others", "/usr/bin/chmod", "chmod 4755 usr/bin/chmod"),
  fault(
    "setuid-for-others",
    "/home/u/sh",
    `cp usr/bin/bash home/u/sh; chown ${USER}:${USER} home/u/sh; chmod 4755 home/u/sh`,
  ),
  fault("setuid-for-others", "/tmp/root", "cp usr/bin/bash tmp/root; chmod 4755 tmp/root"),
  fault("setuid-for-group", "/usr/bin/mkdir", "chmod 4750 usr/bin/mkdir"),
  fault("setuid-for-group", "/usr/bin/ln", "chgrp 6001 usr/bin/ln; chmod 2755 usr/bin/ln"),
  fault("setuid-for-user", "/usr/bin/mv", "chmod 2700 usr/bin/mv"),
  fault("setuid-for-user", "/usr/bin/rm", "chmod 4700 usr/bin/rm"),
  fault("setuid-dormant", "/usr/bin/rmdir", "chmod 4644 usr/bin/rmdir"),
  fault(
    "setuid-dormant",
    "/home/u/later",
    `cp usr/bin/true home/u/later; chown ${USER} home/u/later; chmod 2644 home/u/later`,
  ),
  fault("file-capability", "/usr/bin/sync", "setcap cap_setuid+ep usr/bin/sync"),
  fault(
    "file-capability",
    "/home/u/net",
    `cp usr/bin/true home/u/net; chown ${USER} home/u/net; setcap cap_net_raw+ep home/u/net`,
  ),
  fault("acl-entry", "/usr/bin/chmod", "setfacl -m u:6001:r-x usr/bin/chmod"),
  fault("acl-entry", "/usr/lib/locale", "setfacl -m g:6001:r-x usr/lib/locale"),
  fault(
    "acl-entry",
    "/home/u/opened",
    `echo x > home/u/opened; chown ${USER} home/u/opened; setfacl -m u:6001:rw home/u/opened`,
  ),
  fault("acl-inherited", "/usr/lib/", "setfacl -m d:u:6001:rwx usr/lib"),
  fault("foreign-owner", "/usr/bin/date", `chown ${USER} usr/bin/date`),
  fault("foreign-owner", "/usr/lib/locale", `chown ${USER} usr/lib/locale`),
  fault("foreign-owner", "/etc/ld.so.conf.d", `chown ${USER} etc/ld.so.conf.d`),
  fault(
    "unknown-owner",
    "/home/u/left",
    "mkdir home/u/left; chown 54321 home/u/left; touch home/u/left/more; chown 54321 home/u/left/more",
  ),
  fault("unknown-owner", "/var/left", "touch var/left; chown 54321 var/left"),
  fault(
    "others-file",
    "/var/theirs/x",
    `mkdir -p /var/theirs var/theirs; echo x > /var/theirs/x; echo own > var/theirs/x
    chown ${USER} var/theirs/x; jk_cp -j ${JAIL} /var/theirs`,
  ),
  fault(
    "others-file",
    "/home/u/asked",
    `mkdir -p /home/u; echo x > /home/u/asked; echo own > home/u/asked; chown ${USER} home/u/asked
    jk_cp -j ${JAIL} /home/u/asked; rm -r /home/u`,
  ),
  fault("device-unexpected", "/dev/disk", "mknod dev/disk b 8 0"),
  fault("device-unexpected", "/dev/memory", "mknod dev/memory c 1 1"),
  fault("device-unexpected", "/home/u/null", "mknod home/u/null c 1 3"),
  fault("device-unexpected", "/usr/share/kmsg", "mknod usr/share/kmsg c 1 11"),
  fault("device-differs", "/dev/null", "rm dev/null; mknod -m 0666 dev/null c 1 5"),
  fault("device-differs", "/dev/urandom", "rm dev/urandom; mknod -m 0666 dev/urandom c 1 1"),
  fault("device-differs", "/dev/zero", "mknod -m 0666 dev/zero c 1 8"),
  fault("socket", "/usr/share/socket", socket("usr/share/socket")),
  fault("socket", "/dev/log", socket("dev/log")),
  fault("socket", "/home/u/mysqld.sock", socket("home/u/mysqld.sock")),
  fault("fifo", "/etc/fifo", "mkfifo etc/fifo"),
  fault("fifo", "/usr/bin/fifo", "mkfifo usr/bin/fifo"),
  fault("link-outside", "/usr/share/up", "ln -s ../../../../etc/passwd usr/share/up"),
  fault("link-outside", "/home/u/shadow", "ln -s /etc/gshadow home/u/shadow"),
  fault("link-outside", "/usr/share/self", `ln -s ${JAIL}/etc usr/share/self`),
  fault("link-outside", "/home/u/up", "ln -s ../../../x home/u/up"),
  fault("hard-link", "/usr/bin/pwd", "ln usr/bin/pwd /srv/above/pwd"),
  fault("hard-link", "/usr/bin/sleep", "ln -f /usr/bin/sleep usr/bin/sleep"),
  fault(
    "hard-link",
    "/home/u/linked",
    `echo x > home/u/linked; chown ${USER} home/u/linked; ln home/u/linked /srv/above/linked`,
  ),
  fault(
    "different-size",
    "/usr/bin/touch",
    "cp -p usr/bin/touch /root/touch; printf x >> usr/bin/touch; touch -r /root/touch usr/bin/touch",
  ),
  fault("different-size", "/etc/bash.bashrc", "echo changed > etc/bash.bashrc"),
  fault("different-size", "/usr/bin/id", "printf x >> usr/bin/id"),
  fault("different-content", "/opt/data/large", flip("opt/data/large", "2000001")),
  fault("different-content", "/usr/bin/rsync", flip("usr/bin/rsync", `$((${size("usr/bin/rsync")} - 1))`)),
  fault("different-content", "/usr/bin/du", flip("usr/bin/du", "30000")),
  fault("different-content", "/opt/data/3", flip("opt/data/3", "0")),
  fault("different-size", "/srv/open/file", "chmod 0777 srv/open; echo more >> srv/open/file"),
  fault("writable-for-others", "/srv/open", "true"),
  fault("writable-for-group", "/srv/open", "true"),
  fault("different-link", "/opt/data/link", "ln -sf 2 opt/data/link"),
  fault("different-link", "/usr/bin/sh", "ln -sf bash usr/bin/sh"),
  fault("different-type", "/usr/bin/false", "ln -sf true usr/bin/false"),
  fault("different-type", "/usr/bin/awk", "rm usr/bin/awk; cp usr/bin/true usr/bin/awk"),
  fault("different-type", "/usr/share/tabset", "rm -r usr/share/tabset; echo x > usr/share/tabset"),
  fault("outdated", "/opt/data/4", "echo new >> /opt/data/4"),
  fault("outdated", "/opt/data/5", "rm /opt/data/5; ln -s 4 /opt/data/5"),
  fault("source-gone", "/opt/data/6", "rm /opt/data/6"),
  fault("changed-file", "/opt/data/7", "rm /opt/data/7; echo x >> opt/data/7"),
  fault("missing", "/usr/bin/head", "rm usr/bin/head"),
  fault("missing", "/dev/tty", "rm dev/tty"),
  fault("missing", "/opt/data/tree", "rm -r opt/data/tree"),
  fault("missing", "/usr/bin/fgrep", "rm usr/bin/fgrep"),
  fault("unrecorded", "/usr/bin/evil", "echo evil > usr/bin/evil"),
  fault("unrecorded", "/etc/extra", "echo x > etc/extra"),
  fault("unrecorded", "/usr/lib/libevil.so.1", "ln -s libc.so.6 usr/lib/libevil.so.1"),
  fault("unrecorded", "/usr/bin/factor", "cp -p /usr/bin/factor usr/bin/factor"),
  fault("changed-mode", "/usr/bin/cp", "chmod 0700 usr/bin/cp"),
  fault("changed-mode", "/usr/share/terminfo", "chmod 0700 usr/share/terminfo"),
  fault("changed-mode", "/opt/data/8", "chmod 0755 opt/data/8"),
  fault("changed-owner", "/usr/bin/echo", "chgrp 6001 usr/bin/echo"),
  fault("changed-owner", "/etc/ld.so.conf", "chgrp 6001 etc/ld.so.conf"),
  fault("dangerous-program", "/usr/bin/su", "true"),
  fault("dangerous-program", "/usr/bin/mount", "true"),
  fault("dangerous-program", "/usr/bin/gdb", "cp usr/bin/true usr/bin/gdb"),
  fault("preload", "/etc/ld.so.preload", "echo /usr/lib/evil.so > etc/ld.so.preload"),
  fault("shadow", "/etc/shadow", "cp /etc/shadow etc/shadow"),
  fault("shadow", "/etc/gshadow-", "echo x > etc/gshadow-"),
  fault(
    "library-directory",
    "/home/u/lib",
    `mkdir home/u/lib; chown ${USER} home/u/lib; echo /home/u/lib > etc/ld.so.conf.d/user.conf`,
  ),
  fault("missing-library", "/usr/bin/grep", "rm usr/lib/*-linux-*/libpcre2-8.so*"),
  fault("missing-library", "/usr/bin/factor", "sed -i s/libgmp/libgmq/g usr/bin/factor"),
  fault(
    "missing-interpreter",
    "/usr/bin/script",
    "printf '#!/usr/bin/nothing\\n' > usr/bin/script; chmod 0755 usr/bin/script",
  ),
  fault(
    "missing-interpreter",
    "/usr/bin/tailed",
    "printf '#!/usr/bin/tail -n1\n' > usr/bin/tailed; chmod 0755 usr/bin/tailed; rm usr/bin/tail",
  ),
  fault("bad-program", "/usr/bin/sort", "truncate -s 200 usr/bin/sort"),
  fault(
    "bad-program",
    "/usr/bin/broken",
    "head -c 120 /usr/bin/true > usr/bin/broken; chmod 0755 usr/bin/broken",
  ),
  fault("account-line", "/etc/passwd", "echo 'nonsense:x:1' >> etc/passwd"),
  fault("account-line", "/etc/group", "echo 'nonsense' >> etc/group"),
  fault("user-changed", "/etc/passwd", "sed -i 's/^v:x:[0-9]*:/v:x:4999:/' etc/passwd"),
  fault("user-changed", "/etc/passwd", `sed -i 's/^\\(u:x:${USER}\\):[0-9]*:/\\1:6009:/' etc/passwd`),
  fault("home-differs", "/etc/passwd", "sed -i 's#:/home/w:#:/home/other:#' etc/passwd"),
  fault("user-unknown", "/etc/passwd", "echo 'ghost:x:4998:4998::/home/ghost:/bin/sh' >> etc/passwd"),
  fault("extra-root", "/etc/passwd", "echo 'toor:x:0:0::/root:/bin/sh' >> etc/passwd"),
  fault("duplicate-user", "/etc/passwd", "grep '^u:' etc/passwd > /root/u; cat /root/u >> etc/passwd"),
  fault("group-changed", "/etc/group", "echo 'team:x:6002:' >> etc/group"),
  fault("group-not-in-jail", "/etc/group", "sed -i '/^v:/d' etc/group"),
  fault("group-not-in-jail", "/etc/group", "sed -i 's/^v:/V:/' etc/group"),
  fault("group-unknown", "/etc/group", "echo 'phantoms:x:6003:' >> etc/group"),
  fault("password-hash", "/etc/passwd", "sed -i 's#^root:x:#root:$6$salt$hash:#' etc/passwd"),
  fault("password-hash", "/etc/group", "echo 'root:$6$salt$hash:0:' >> etc/group"),
  fault("home-missing", "/home/w", "rm -r home/w"),
  fault("home-owner", "/home/x", "chown root home/x"),
  fault("home-group", "/home/u", "chgrp 6001 home/u"),
  fault("shell-missing", "/bin/nosuchshell", "sed -i '/^x:/s#/bin/bash#/bin/nosuchshell#' etc/passwd"),
  fault("user-not-in-jail", "/etc/passwd", `usermod -d ${JAIL}/./home/stray -s /usr/sbin/jk_chrootsh stray`),
  fault("wrong-shell", "//etc/passwd", "usermod -s /bin/sh v"),
  fault("bad-separator", "//etc/passwd", "useradd -M -d /./x -s /usr/sbin/jk_chrootsh nojail"),
  fault("config-directory", "//etc/jailkit", "chmod 0777 /etc/jailkit"),
  fault("config-file", "//etc/jailkit/jk_lsh.ini", "chmod 0666 /etc/jailkit/jk_lsh.ini"),
  fault(
    "config-file",
    "//etc/jailkit/jk_init.d/own.ini",
    `mkdir -p /etc/jailkit/jk_init.d; touch /etc/jailkit/jk_init.d/own.ini; chown ${USER} /etc/jailkit/jk_init.d/own.ini`,
  ),
  fault(
    "left-mount",
    "//etc/fstab",
    "echo '/usr /srv/gone/usr none bind,ro,nosuid,nodev,private,nofail,x-jailkit 0 0' >>/etc/fstab",
  ),
  fault(
    "interrupted-move",
    "/home/moving",
    `mkdir -m 1700 home/moving; python3 -c 'import os; os.setxattr("home/moving", "trusted.jailkit.mode", b"0755")'; ` +
      `mkdir -p -m 700 /var/lib/jailkit/moves; printf '%s\\0\\0' "$PWD/home/moving" >/var/lib/jailkit/moves/x`,
  ),
  fault("above-jail", "//srv/above", "chmod 0777 /srv/above"),
  fault("above-jail", "//srv/above/farther", `chown ${USER} /srv/above/farther`),
  fault("unsafe-jail", "/opt", `chown ${USER} opt`),
  fault("writable-for-others", "/home", "chmod 0777 home"),
  // As a panel leaves tmp of a site.
  fault("writable-for-group", "/tmp", "chown root:team tmp; chmod 0770 tmp"),
  fault("home-exchangeable", "/home", `chown ${USER} home`),
  fault("host-directory", "/var/host", "mkdir var/host; mount --bind / var/host"),
  fault("host-mount", "/opt/host", "mkdir -p opt/host; mount --bind -o ro,nosuid,nodev /usr/share opt/host"),
  fault("live-mount", "/opt/live", "mkdir -p opt/live /usr/lib/x; mount --bind /usr/lib/x opt/live"),
  fault("host-directory", "/var/etc", "mkdir var/etc; mount --bind /etc var/etc"),
  fault("dangerous-mount", "/var/queue", "mkdir var/queue; mount -t mqueue mqueue var/queue"),
  fault("proc-writable", "/var/proc", "mkdir var/proc; mount -t proc proc var/proc"),
  fault(
    "kernel-files",
    "/proc",
    "mkdir -p proc/1/task; cp /proc/version proc; ln -s 1/task/1 proc/thread-self",
  ),
  fault("leftover", "/usr/bin/.jk-0123456789aB", "cp usr/bin/bash usr/bin/.jk-0123456789aB"),
  fault(
    "leftover",
    "/var/.jk-home-_123456789a-",
    `mkdir -p var/.jk-home-_123456789a-/d; echo x > var/.jk-home-_123456789a-/d/f; chmod 4777 var/.jk-home-_123456789a-/d/f; chown -R ${USER} var/.jk-home-_123456789a-`,
  ),
  fault(
    "too-deep",
    `/home/u/deep${"/d".repeat(254)}`,
    'perl -e \'chdir "home/u"; mkdir "deep"; chdir "deep"; for (1 .. 300) { mkdir "d"; chdir "d" }\'',
  ),
];

/** Faults that are planted alone: they hide others, or are variants of some above. */
export const SINGLE_FAULTS: readonly Fault[] = [
  fault("registry-unsafe", "//var/lib/jailkit/jails", "chmod 0777 /var/lib/jailkit/jails"),
  // As a panel does it, though users live in the jail.
  fault("emptied", "/", "rm -rf bin dev etc lib lib32 lib64 opt sys usr var"),
  // As jk_init does it when the disk is full.
  fault(
    "incomplete",
    "/",
    'sed -i \'s/"operands":\\[/"unfinished":true,&/\' /var/lib/jailkit/jails/*/manifest.json',
  ),
  fault("writable-for-group", "/", "chmod g+w ."),
  fault("closed-directory", "/", "chmod 0700 ."),
  fault("closed-directory", "/home", "chmod 0700 home"),
  fault("unreadable-accounts", "/etc/passwd", "chmod 0640 etc/passwd"),
  fault("closed-directory", "/", "chgrp $(id -g u) .; chmod 0705 ."),
  fault("closed-directory", "/home", "setfacl -m u:u:--- home"),
  fault("unreadable-accounts", "/etc/passwd", "chgrp $(id -g u) etc/passwd; chmod 0604 etc/passwd"),
  fault("unreadable-accounts", "/etc/group", "setfacl -m u:u:--- etc/group"),
  fault("writable-for-others", "/usr", "chmod o+w usr"),
  fault("acl-entry", "/usr", "setfacl -m u:4711:rwx usr"),
  fault("own-shell", "/usr/sbin/jk_lsh", "mkdir -p usr/sbin; cp -p /usr/sbin/jk_lsh usr/sbin/jk_lsh"),
  fault("missing-library", "/usr/bin/grep", "rm usr/lib/*-linux-*/libpcre2-8.so*"),
  fault(
    "missing-interpreter",
    "/usr/bin/tailed",
    "printf '#!/usr/bin/tail -n1\\n' > usr/bin/tailed; chmod 0755 usr/bin/tailed; rm usr/bin/tail",
  ),
  fault("user-changed", "/etc/passwd", "sed -i 's/^root:x:0:/root:x:7:/' etc/passwd"),
  fault("home-missing", "/home/x", "rm -r home/x"),
  fault("home-missing", "/home/x", "rm -r home/x; echo x > home/x; chown x home/x"),
  fault("home-missing", "/home/x", "rm -r home/x; ln -s u home/x; chown -h x home/x"),
  fault("home-closed", "/home/u", "chmod 0600 home/u"),
  fault("home-differs", "/etc/passwd", "usermod -d /home/w w"),
  fault("user-not-in-jail", "/etc/passwd", "sed -i '/^x:/d' etc/passwd"),
  fault("bad-separator", "//etc/passwd", "usermod -d /./home/x x"),
  fault("writable-for-group", "/home/v/", "chmod 0770 home/v"),
  fault("different-size", "/etc/bash.bashrc", "echo changed > etc/bash.bashrc"),
  fault("link-outside", "/home/u/up", "ln -s ../../../x home/u/up"),
  fault("unrecorded", "/usr/bin/factor", "cp -p /usr/bin/factor usr/bin/factor"),
  fault("different-type", "/usr/share/tabset", "rm -r usr/share/tabset; echo x > usr/share/tabset"),
  fault(
    "socket",
    "/dev/log",
    "perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => \"dev/log\", Listen => 1) or die'",
  ),
  fault("foreign-owner", "/etc/ld.so.conf.d", "chown 4711 etc/ld.so.conf.d"),
  fault("no-counterpart", "/usr/bin/alone", "echo x > usr/bin/alone; rm -r /var/lib/jailkit/jails/*"),
];

/** Rules that no fault plants, and the tests that cover them. */
export const NO_FAULT: Readonly<Partial<Record<Rule, string>>> = {
  "smoke-test": "e2e/remedies-check.test.ts",
  // Only with --confinement.
  "not-confined": "e2e/remedies-check.test.ts",
  "user-mount": "attack/user-mounts.test.ts",
  "inner-jail": "e2e/nested-jails.test.ts",
  "too-many": "unit/check-judge.test.ts",
};

/** What follows from the faults above: the same things seen in another way. "RULE PATH", of the jail or the host. */
export const CONSEQUENCES: readonly RegExp[] = [
  /^config-file \/etc\/jailkit$/,
  // Where the machine has no gdb.
  /^unrecorded .*\/usr\/bin\/gdb$/,
  /^unrecorded .*\/(?:user\.conf|broken|tailed)$/,
  /^writable-for-(?:others|group) .*\/home(?:\/u)?$/,
  /^file-writable-for-group .*\/home\/u\/file$/,
  /^setuid-for-(?:user|group) .*\/(?:sh|root|chmod|ln|mkdir)$/,
  /^setuid-for-others .*\/ln$/,
  /^changed-(?:owner|mode) .*\/usr\/bin\/(?:ln|mkdir|mv|rm|rmdir)$/,
  /^different-size .*\/usr\/bin\/(?:gdb|script|sort)$/,
  /^different-content .*\/usr\/bin\/factor$/,
  /^missing .*\/(?:tail|libpcre2-8\.so\S*)$/,
  /^missing-library .*\/libselinux\.so\.1$/,
];
