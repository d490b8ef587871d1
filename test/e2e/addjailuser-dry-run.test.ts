/** jk_addjailuser --dry-run is compared with the real run: status, messages and report are the same, and it changes nothing. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { errorReportSchema } from "../../src/cli/report-schema.ts";
import { newUserReportSchema } from "../../src/users/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import {
  ALWAYS,
  done,
  filler,
  keepHost,
  listing,
  OMIT,
  putBack,
  type Said,
  SSHD,
  saidBy,
  setUpSshd,
} from "./dry-run-scene.ts";

setDefaultTimeout(60_000);

const TEMPLATE = "/srv/template";
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_jailuser", "jk_addjailuser", "jk_chrootsh"] });
  m.must(["jk_init", "-j", TEMPLATE, "uidbasics", "basicshell", "sftp"]);
  m.mkdir(`${TEMPLATE}/home`);
  m.must(["groupadd", "team"]);
  m.must(["groupadd", "-f", "-r", "jailed"]);
  m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/key"]);
  m.write("/root/two.pub", `${m.read("/root/key.pub")}restrict,from="10.0.0.1" ${m.read("/root/key.pub")}`);
  m.write("/root/bad.pub", "ssh-ed25519 nonsense\n");
  setUpSshd(m);
  keepHost(m);
});
beforeEach(() => putBack(m));
afterAll(() => m?.close());

interface Situation {
  /** What is done before, as root; J is the jail, N the account, H the home on the host, S the home in the jail. */
  scene?: string;
  /** Besides -j and the account; by default an account that can log in. */
  options?: string;
  stdin?: string;
  /** What both say on standard error; nothing where it is left out. */
  says?: RegExp;
  /** The exit status of both; 0 where it is left out. */
  status?: number;
  /** Why the dry run cannot or should not say the same, and what it says. */
  differs?: { why: string; dry: RegExp; status?: number };
}

const LOGIN = "-s /bin/bash -p $6$salt$hash";
const sshd = (text: string) => `printf '${text.replaceAll("\n", "\\n")}\\n' >> ${SSHD}`;
const EXTRA =
  "sed -i 's/^\\(passwd\\|group\\|shadow\\):.*/\\1: files extrausers/' /etc/nsswitch.conf; mkdir -p /var/lib/extrausers";

const SITUATIONS: Readonly<Record<string, Situation>> = {
  plain: {},
  "many accounts and groups": {
    scene:
      "seq -f %.0f 10000 59000 > /tmp/n; sed 's|.*|many&:x:&:100::/none:/bin/sh|' /tmp/n >> /etc/passwd; sed 's|.*|many&:x:&:|' /tmp/n >> /etc/group",
    options: "-s /bin/bash -p *",
  },
  "no password and no key": { options: "-s /bin/bash", says: /has no password and no key/ },
  "a limited shell without a policy": { options: "-p *", says: /can run nothing: no section/ },
  "a policy": { options: "-p * --policy sftp" },
  "a policy for another shell": { options: "-s /bin/bash --policy sftp", says: /--policy is for/, status: 1 },
  "a policy whose program is missing": { options: "-p * --policy rsync", says: /rsync/, status: 1 },
  "an unknown policy": { options: "--policy telnet", says: /telnet/, status: 1 },
  "a policy of an earlier account": {
    scene: "mkdir -p J/etc/jailkit; printf '[N]\\nexecutables = /usr/bin/id\\n' > J/etc/jailkit/jk_lsh.ini",
    options: "-p *",
    says: /a section \[N\] exists already/,
  },
  "a policy beside one of an earlier account": {
    scene: "mkdir -p J/etc/jailkit; printf '[N]\\nexecutables = /usr/bin/id\\n' > J/etc/jailkit/jk_lsh.ini",
    options: "-p * --policy sftp",
    says: /./,
    status: 1,
  },
  "a policy file that cannot be used": {
    scene: "mkdir -p J/etc/jailkit; echo nonsense > J/etc/jailkit/jk_lsh.ini",
    options: "-p * --policy sftp",
  },
  "a policy file that is a directory": {
    scene: "mkdir -p J/etc/jailkit/jk_lsh.ini",
    options: "-p * --policy sftp",
    says: /./,
    status: 1,
  },
  "a key": { options: "-s /bin/bash --authorized-key /root/key.pub" },
  "a key from standard input": { options: "-s /bin/bash --authorized-key -", stdin: "/root/key.pub" },
  "a bad key": { options: "-s /bin/bash --authorized-key /root/bad.pub", says: /bad\.pub/, status: 1 },
  "no key file": { options: "--authorized-key /root/none.pub", says: /none\.pub/, status: 1 },
  "a key with options": { options: "-s /bin/bash --authorized-key /root/two.pub" },
  "a key without a home": {
    options: "-s /bin/bash -M --authorized-key /root/key.pub",
    says: /omit -M/,
    status: 1,
  },
  "a key and a locked password": { options: "-s /bin/bash -p ! --authorized-key /root/key.pub" },
  "a key and a locked password without PAM": {
    scene: `sed -i 's/^UsePAM.*/UsePAM no/' ${SSHD}`,
    options: "-s /bin/bash -p ! --authorized-key /root/key.pub",
    says: /is locked/,
  },
  "keys elsewhere": {
    scene: `sed -i '1i AuthorizedKeysFile /etc/keys/%u' ${SSHD}`,
    options: "-s /bin/bash --authorized-key /root/key.pub",
    says: /reads this user's keys from/,
  },
  "a key for a home that has it": {
    scene:
      "mkdir -p S/.ssh; cp /root/key.pub S/.ssh/authorized_keys; chmod 0700 S S/.ssh; chown -R 7001:100 S",
    options: "-s /bin/bash -u 7001 --authorized-key /root/key.pub",
  },
  "a key that the home has with other options": {
    scene:
      "mkdir -p S/.ssh; sed 's/^/restrict /' /root/key.pub > S/.ssh/authorized_keys; chown -R 7002:100 S",
    options: "-s /bin/bash -u 7002 --authorized-key /root/key.pub",
    says: /has one of the keys with other options/,
  },
  "a key for a home of root's": {
    scene: "mkdir S",
    options: "-s /bin/bash --authorized-key /root/key.pub",
    says: /./,
  },
  "a key for somebody else's home": {
    scene: "mkdir S; chown games S",
    options: "-s /bin/bash --authorized-key /root/key.pub",
    says: /belongs to uid 5/,
    status: 1,
  },
  "a key for a home with a link": {
    scene: "mkdir S; ln -s /etc S/.ssh; chown -h 7003:100 S S/.ssh",
    options: "-s /bin/bash -u 7003 --authorized-key /root/key.pub",
    says: /is a symbolic link/,
    status: 1,
  },
  "a key for a home that is a file": {
    scene: "touch S",
    options: "-s /bin/bash --authorized-key /root/key.pub",
    says: /is not a directory/,
    status: 1,
  },
  "a key from the skeleton": {
    scene: "rm -rf /root/skel; mkdir -p /root/skel/.ssh; cp /root/key.pub /root/skel/.ssh/authorized_keys",
    options: "-s /bin/bash -k /root/skel",
  },
  "a key and a skeleton that has it": {
    scene: "rm -rf /root/skel; mkdir -p /root/skel/.ssh; cp /root/key.pub /root/skel/.ssh/authorized_keys",
    options: "-s /bin/bash -k /root/skel --authorized-key /root/key.pub",
  },
  "a key and a skeleton that has it with other options": {
    scene:
      "rm -rf /root/skel; mkdir -p /root/skel/.ssh; sed 's/^/restrict /' /root/key.pub > /root/skel/.ssh/authorized_keys",
    options: "-s /bin/bash -k /root/skel --authorized-key /root/key.pub",
    says: /has one of the keys with other options/,
  },
  "a key and a skeleton with a link": {
    scene: "mkdir -p /root/skel; rm -rf /root/skel/.ssh; ln -s /etc /root/skel/.ssh",
    options: "-s /bin/bash -k /root/skel --authorized-key /root/key.pub",
    says: /is a symbolic link/,
    status: 1,
  },
  "a skeleton that is named from here": {
    scene: "rm -rf /root/skel; mkdir -p /root/skel/.ssh; cp /root/key.pub /root/skel/.ssh/authorized_keys",
    options: "-s /bin/bash -k skel",
  },
  "no skeleton": { options: `${LOGIN} -k /root/none`, says: /is not a directory: the new home is empty/ },
  "a group": { options: `${LOGIN} -G team` },
  "a group that is not there": { options: `${LOGIN} -G taem`, says: /no group 'taem'/, status: 1 },
  "a primary group": { options: `${LOGIN} -g team` },
  "a primary group that is not there": { options: `${LOGIN} -g taem`, says: /no group 'taem'/, status: 1 },
  "a primary group of root's": {
    options: `${LOGIN} -g sudo`,
    says: /can become root/,
    differs: OMIT,
  },
  "a group of root's": {
    options: `${LOGIN} -G sudo`,
    says: /can become root/,
    differs: OMIT,
  },
  "a group that names it already": {
    scene: "sed -i '/^sudo:/s/$/N/' /etc/group",
    options: LOGIN,
    says: /can become root/,
  },
  "no default group": { scene: "sed -i '/^users:/d' /etc/group /etc/gshadow", options: LOGIN },
  "a uid": { options: `${LOGIN} -u 7010` },
  "a uid that is taken": { options: `${LOGIN} -u 1`, says: /belongs to 'daemon'/, status: 1 },
  "a uid that is taken on purpose": { options: `${LOGIN} -o -u 5` },
  "root's uid": { options: `${LOGIN} -o -u 0`, says: /./, status: 1 },
  "no uid": { options: `${LOGIN} -u -1`, says: /is not a uid/, status: 1 },
  "a system account": { options: `${LOGIN} -r` },
  "a system account without a home": { options: `${LOGIN} -r -M` },
  "another home": { options: `${LOGIN} -d /data/N` },
  "root's directory as home": { options: `${LOGIN} -d /etc`, says: /directory of the jail's own/, status: 1 },
  "the jail as home": { options: `${LOGIN} -d /`, says: /the home cannot be/, status: 1 },
  "a home with a colon": { options: `${LOGIN} -d /home/a:b`, says: /cannot be the home/, status: 1 },
  "somebody's home": {
    scene: "echo other:x:4711:100::/home/other:/bin/sh >> J/etc/passwd",
    options: `${LOGIN} -d /home/other`,
    says: /is the home of 'other'/,
    status: 1,
  },
  "no home": { options: `${LOGIN} -M` },
  "no home, and one that is there": {
    scene: "mkdir -m 0700 S; chown 7020:100 S",
    options: `${LOGIN} -M -u 7020`,
  },
  "a home that is there": {
    scene: "mkdir -m 0700 S; chown 7021:100 S",
    options: `${LOGIN} -u 7021`,
  },
  "a home that is there, of the uid that comes next": {
    scene: "useradd -M -g users before; mkdir -m 0700 S; chown $(($(id -u before) + 1)):100 S",
    options: LOGIN,
  },
  "a home of root's": { scene: "mkdir S", options: LOGIN, says: /belongs to uid 0/ },
  "somebody else's home that is not recorded": {
    scene: "mkdir S; chown games S",
    options: LOGIN,
    says: /belongs to uid 5/,
  },
  "a home that is a link": {
    scene: "mkdir J/x; ln -s /x S",
    options: LOGIN,
    says: /is a symbolic link/,
    status: 1,
  },
  "a home that is a dangling link": { scene: "ln -s /x S", options: LOGIN, says: /./, status: 1 },
  "a home that is a file": { scene: "touch S", options: LOGIN, says: /./ },
  "a home below a file": { scene: "touch J/f", options: `${LOGIN} -d /f/N`, says: /./, status: 1 },
  "a home below a link": {
    scene: "mkdir J/x; ln -s /x J/y",
    options: `${LOGIN} -d /y/N`,
    says: /J\/y' is a symbolic link/,
    status: 1,
  },
  "a home below a link out of the jail": {
    scene: "ln -s ../../../../tmp J/y",
    options: `${LOGIN} -d /y/N`,
    says: /is a symbolic link/,
    status: 1,
  },
  "a home whose directory its group can write": {
    scene: "chgrp team J/home; chmod 0775 J/home",
    options: LOGIN,
    says: /could exchange it/,
    status: 1,
  },
  "a home whose directory belongs to somebody": {
    scene: "chown games J/home",
    options: LOGIN,
    says: /could exchange it/,
    status: 1,
  },
  "no home where others could exchange it": {
    scene: "chgrp team J/home; chmod 1775 J/home; mkdir S; chown 7024:100 S",
    options: `${LOGIN} -M -u 7024`,
  },
  "homes that a group may write": {
    scene: "sed -Ei '/^(HOME_MODE|UMASK)/d; $a HOME_MODE 0775' /etc/login.defs",
    options: LOGIN,
    says: /group writable/,
  },
  "homes that everybody may write": {
    scene: "sed -Ei '/^(HOME_MODE|UMASK)/d; $a UMASK 000' /etc/login.defs",
    options: LOGIN,
    says: /writable/,
  },
  "homes by the umask": {
    scene: "sed -Ei '/^(HOME_MODE|UMASK)/d; $a UMASK 002' /etc/login.defs",
    options: LOGIN,
    says: /group writable/,
  },
  "homes that a group may write, and that is allowed": {
    scene:
      "sed -Ei '/^(HOME_MODE|UMASK)/d; $a HOME_MODE 0775' /etc/login.defs; printf '[DEFAULT]\\nrelax_home_group_permissions = 1\\n' > /etc/jailkit/jk_chrootsh.ini",
    options: LOGIN,
  },
  "a default ACL above the home": {
    scene: "setfacl -d -m u:games:rwx J/home",
    options: LOGIN,
  },
  "a setgid directory above the home": { scene: "chgrp team J/home; chmod 2755 J/home", options: LOGIN },
  "a directory that the user cannot pass": {
    scene: "chmod 0700 J/home",
    options: LOGIN,
    says: /chdir.*Permission denied/,
  },
  "a jail that the user cannot pass": {
    scene: "chmod 0700 J",
    options: LOGIN,
    says: /cannot pass J|Permission denied/,
  },
  "a jail for a group that the account comes into": {
    scene: "mkdir -m 0750 /srv/for-team-N; chgrp team /srv/for-team-N; mv J /srv/for-team-N/jail",
    options: `${LOGIN} -G team -j /srv/for-team-N/jail`,
  },
  "a group writable jail": {
    scene: "chgrp team J; chmod 0775 J",
    options: LOGIN,
    says: /not a safe jail/,
    status: 33,
  },
  "a jail without accounts": { scene: "rm J/etc/passwd", options: LOGIN, says: /does not exist/, status: 33 },
  "a jail that is not there": { options: `${LOGIN} -j /srv/none`, says: /none/, status: 33 },
  "a jail that is not known": { scene: "rm -rf /var/lib/jailkit", options: LOGIN },
  "the host as the jail": { options: `${LOGIN} -j /`, says: /./, status: 33 },
  "a shell that is not in the jail": {
    options: "-p * -s /usr/sbin/nologin",
    says: /does not exist/,
    status: 33,
  },
  nologin: {
    scene: "mkdir -p J/usr/sbin; cp /usr/sbin/nologin J/usr/sbin",
    options: "-p * -s /usr/sbin/nologin",
  },
  "a shell that is a directory": { options: "-p * -s /etc", says: /is not a program/, status: 33 },
  "an account that exists": { scene: "useradd -M N", options: LOGIN, says: /exists already/, status: 1 },
  "an account that exists in the jail": {
    scene: "useradd -M -d J/./home/N N",
    options: LOGIN,
    says: /exists already in this jail/,
    status: 1,
  },
  "an account that exists in the jail, whose path its home has in another way": {
    scene: "useradd -M -d J//./home/N N",
    options: LOGIN,
    says: /exists already in this jail/,
    status: 1,
  },
  "an account of the jail alone": {
    scene: "echo N:x:4711:100::/home/N:/bin/sh >> J/etc/passwd",
    options: LOGIN,
    says: /from an earlier account/,
    status: 1,
  },
  "an account of the jail alone, with the uid": {
    scene: "echo N:x:7030:100::/home/N:/bin/sh >> J/etc/passwd",
    options: `${LOGIN} -u 7030`,
  },
  "a uid that the jail has for another": {
    scene: "echo old:x:7031:100::/home/old:/bin/sh >> J/etc/passwd",
    options: `${LOGIN} -u 7031`,
    says: /the uid 7031 belongs to 'old' in 'J\/etc\/passwd'/,
  },
  "a group that the jail has with another gid": {
    scene: "echo team:x:4711: >> J/etc/group",
    options: `${LOGIN} -G team`,
    says: /has gid 4711/,
    status: 1,
  },
  "a password": { options: "-s /bin/bash -p $6$salt$hash" },
  "an empty password": { options: "-s /bin/bash --password=", says: /the password is empty/ },
  "a password that is no hash": { options: "-s /bin/bash -p secret", says: /is not a hash/ },
  "a password with a colon": { options: "-s /bin/bash -p a:b", says: /cannot be the password/, status: 1 },
  "a date": { options: `${LOGIN} -e 2030-01-02` },
  "a date that is none": { options: `${LOGIN} -e tomorrow`, says: /useradd decides/ },
  "a date in another spelling": { options: `${LOGIN} -e 20300102` },
  "days that are none": { options: `${LOGIN} -f soon`, says: /is not a number of days/, status: 1 },
  "a comment": { options: `${LOGIN} -c Ann` },
  "a comment with a colon": { options: `${LOGIN} -c a:b`, says: /cannot be the comment/, status: 1 },
  "sshd that names others": { scene: sshd("AllowUsers root"), options: LOGIN },
  "sshd that denies a group": { scene: sshd("DenyGroups team"), options: `${LOGIN} -G team` },
  "sshd that chroots": { scene: sshd("ChrootDirectory /srv"), options: LOGIN },
  "sshd that forces a command": {
    scene: sshd("ForceCommand internal-sftp"),
    options: LOGIN,
    says: /internal-sftp/,
  },
  "sshd that forwards": {
    scene: sshd("Match User N\n DisableForwarding no\n PermitTunnel yes"),
    options: LOGIN,
    says: /tunnels/,
  },
  "sshd that does not forward for this user": {
    scene: sshd(
      "Match User N\n DisableForwarding no\n AllowTcpForwarding no\n AllowStreamLocalForwarding no",
    ),
    options: LOGIN,
  },
  "sshd that does not forward for a group": {
    scene: `sed -i /Forwarding/d ${SSHD}; ${sshd("Match Group jailed\n DisableForwarding yes")}`,
    options: `${LOGIN} -G jailed`,
  },
  "sshd that does not forward for the primary group": {
    scene: `sed -i /Forwarding/d ${SSHD}; ${sshd("Match Group team\n DisableForwarding yes")}`,
    options: `${LOGIN} -g team`,
  },
  "sshd that makes tunnels for a group": {
    scene: sshd("Match Group jailed\n DisableForwarding no\n PermitTunnel yes"),
    options: `${LOGIN} -G jailed`,
    says: /tunnels/,
  },
  "sshd that makes tunnels for others": {
    scene: sshd("Match Group *,!jailed\n DisableForwarding no\n PermitTunnel yes"),
    options: `${LOGIN} -G jailed`,
  },
  "sshd that cannot read its settings": { scene: sshd("Nonsense yes"), options: LOGIN },
  "sshd that is not configured": { scene: `rm ${SSHD}`, options: LOGIN },
  "environment from PAM": {
    scene: "echo 'session required pam_env.so user_readenv=1' >> /etc/pam.d/sshd",
    options: LOGIN,
    says: /pam_environment/,
  },
  "cron for everybody": { scene: "rm /etc/cron.allow", options: LOGIN, says: /crontab\(1\)/ },
  "cron for this account": { scene: "echo N >> /etc/cron.allow", options: LOGIN, says: /take N out of/ },
  "cron not for this account": { scene: "rm /etc/cron.allow; echo N > /etc/cron.deny", options: LOGIN },
  "a crontab from before": {
    scene: "mkdir -p /var/spool/cron/crontabs; echo '@daily true' > /var/spool/cron/crontabs/N",
    options: LOGIN,
    says: /crontab of the user/,
  },
  "jobs of at from before": {
    scene:
      "mkdir -p /var/spool/cron/atjobs; touch /var/spool/cron/atjobs/N; chown 7040 /var/spool/cron/atjobs/N",
    options: `${LOGIN} -u 7040`,
    says: /given to at\(1\)/,
  },
  "no list of shells": { scene: "echo /bin/sh > /etc/shells", options: LOGIN },
  "no login shell of the host's": {
    scene: "mv /usr/sbin/jk_chrootsh /root",
    options: LOGIN,
    says: /is not installed/,
  },
  "a jail that is full": {
    scene:
      "mkdir J.full; mount -t tmpfs -o size=64m,mode=755 none J.full; cp -a J/. J.full; cat /dev/zero > J.full/zero 2> /dev/null || true",
    options: `${LOGIN} -j J.full`,
    says: /its file system is full/,
    status: 33,
    differs: { why: "useradd decides how much a home needs", dry: /^$/, status: 0 },
  },
  "a jail that is read-only": {
    scene: "mount --bind J J; mount -o remount,bind,ro J",
    options: LOGIN,
    says: /[Rr]ead-only/,
    status: 1,
  },
  "a home of the jail's that is read-only": {
    scene: "mount --bind J/home J/home; mount -o remount,bind,ro J/home",
    options: LOGIN,
    says: /[Rr]ead-only/,
    status: 1,
  },
  "accounts that are read-only": {
    scene: "mount --bind /etc /etc; mount -o remount,bind,ro /etc",
    options: LOGIN,
    says: /./,
    status: 1,
  },
  "an account of another name service": {
    scene: `${EXTRA}; echo N:x:9001:100::/home/N:/bin/sh > /var/lib/extrausers/passwd`,
    options: LOGIN,
    says: /exists already/,
    status: 1,
  },
  "another name service with the uid that comes next, and a home of it": {
    scene: `${EXTRA}; useradd -M -g users before; echo ldap:x:$(($(id -u before) + 1)):100::/home/ldap:/bin/sh > /var/lib/extrausers/passwd; mkdir S; chown $(($(id -u before) + 2)):100 S`,
    options: LOGIN,
  },
  "a group of another name service": {
    scene: `${EXTRA}; echo remote:x:9002: > /var/lib/extrausers/group; ${sshd("Match Group remote\n DisableForwarding no\n PermitTunnel yes")}`,
    options: `${LOGIN} -G remote`,
    says: /'remote' is not in \/etc\/group/,
    status: 1,
  },
  "a primary group of another name service": {
    scene: `${EXTRA}; echo remote:x:9003: > /var/lib/extrausers/group`,
    options: `${LOGIN} -g remote`,
  },
  "a name that is none": { options: `${LOGIN} -- -N`, says: /cannot be an account's name/, status: 1 },
};

/** Of a uid of another machine with the same kernel, which has the keys of all. */
const OF_OTHERS = /^removed keys that an earlier account/;

let count = 0;

test.each(Object.entries(SITUATIONS))(
  "%s",
  (_name, { scene = "true", options = LOGIN, stdin, says, status = 0, differs }) => {
    const name = `n${++count}`;
    const jail = `/srv/jail-${name}`;
    const fill = filler({ J: jail, N: name, H: `/home/${name}`, S: `${jail}/home/${name}` });
    m.must(["cp", "-a", TEMPLATE, jail]);
    m.must(["sh", "-ec", fill(scene)]);
    const words = fill(options).split(" ");
    const place = words.includes("-j") ? [] : ["-j", jail];
    const last = words.includes("--") ? [] : [name];
    const run = (...dry: string[]) =>
      m.run(["jk_addjailuser", ...dry, ...place, ...words, ...last], {
        cwd: "/root",
        stdin: stdin === undefined ? "" : m.read(stdin),
      });
    const told = (...dry: string[]): Said => {
      const result = run("--json", ...dry);
      const isReport = result.stdout.includes('"dryRun"');
      if (result.stdout !== "") reportOf(isReport ? newUserReportSchema : errorReportSchema, result.stdout);
      return saidBy(result, (report) => {
        const access = (report.access as string[]).filter((line) => !OF_OTHERS.test(line));
        return { ...report, access: access.map(done) };
      });
    };
    try {
      const before = listing(m, [...ALWAYS, jail]);
      const lines = run("--dry-run");
      const dry = told("--dry-run");
      expect(listing(m, [...ALWAYS, jail])).toBe(before);
      expect({ status: lines.status, stderr: lines.stderr }).toEqual({
        status: dry.status,
        stderr: dry.stderr,
      });
      const real = told();
      if (differs === undefined) expect(dry).toEqual(real);
      else {
        expect(dry.stderr).toMatch(differs.dry);
        expect(dry.status).toBe(differs.status ?? status);
      }
      if (says === undefined) expect(real.stderr).toBe("");
      else expect(real.stderr).toMatch(new RegExp(fill(says.source)));
      expect(real.status).toBe(status);
    } finally {
      m.remove("/var/lib/extrausers");
      m.run(["umount", "-l", jail, `${jail}/home`, "/etc"]);
      if (m.exists("/root/jk_chrootsh")) m.must(["mv", "/root/jk_chrootsh", "/usr/sbin"]);
    }
  },
);
