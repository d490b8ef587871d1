import { allow } from "./verdicts-healthy.ts";
import type { Case, Scene } from "./verdicts-scene.ts";

const LIMITS = "/etc/security/limits.d/verdicts.conf";
const refused = (check: string, log: RegExp) => ({ verdict: "refused", check, log }) as const;
const unknown = (check: string, why: string) => ({ verdict: "unknown", check, why }) as const;

/** Puts a line before the rules of sshd. */
function rule({ m }: Scene, line: string): void {
  m.write("/etc/pam.d/sshd", `${line}\n${m.read("/etc/pam.d/sshd")}`);
}

const NO_WAY =
  /Connection closed by authenticating user|Permission denied \(|Too many authentication failures/;
const ACCOUNT_PHASE = /Access denied for user \S+ by PAM account configuration/;

/** What decides before the login shell: passwords and keys, their age, sshd's settings, PAM, limits. */
export const ACCOUNTS: readonly Case[] = [
  {
    name: "a locked password and no key",
    by: "password",
    breaks({ m }, { user, keys }) {
      m.must(["usermod", "-L", user]);
      m.remove(keys);
    },
    ...refused("sshd credentials", NO_WAY),
  },
  {
    name: "no password and no key, as useradd leaves it",
    breaks({ m }, { user, keys }) {
      m.must(["usermod", "-p", "!", user]);
      m.remove(keys);
    },
    ...refused("sshd credentials", NO_WAY),
  },
  {
    name: "an empty password and no key",
    by: "password",
    breaks({ m }, { user, keys }) {
      m.must(["passwd", "-d", user]);
      m.remove(keys);
    },
    ...refused("sshd credentials", NO_WAY),
  },
  {
    name: "a file of keys that others can write",
    sshd: ["PasswordAuthentication no"],
    breaks: ({ m }, { keys }) => m.chmod(keys, 0o666),
    ...refused("sshd credentials", /bad ownership or modes for file/),
    mends: true,
  },
  {
    name: "a directory of keys that others can write",
    sshd: ["PasswordAuthentication no"],
    breaks: ({ m }, { home }) => m.chmod(`${home}/.ssh`, 0o777),
    ...refused("sshd credentials", /bad ownership or modes for directory/),
    mends: true,
  },
  {
    name: "a file of keys that is somebody else's",
    sshd: ["PasswordAuthentication no"],
    breaks: ({ m }, { keys }) => {
      m.chmod(keys, 0o644);
      m.chown(keys, m.ids("somebody").uid, 0);
    },
    ...refused("sshd credentials", /bad ownership or modes for file/),
    mends: "keys",
  },
  {
    name: "a directory of keys that is somebody else's",
    sshd: ["PasswordAuthentication no"],
    breaks({ m }, { home, gid }) {
      m.chmod(`${home}/.ssh`, 0o755);
      m.chown(`${home}/.ssh`, m.ids("somebody").uid, gid);
    },
    ...refused("sshd credentials", /bad ownership or modes for directory/),
    mends: "keys",
  },
  {
    name: "a home that others can write, and keys in it",
    sshd: ["PasswordAuthentication no"],
    breaks: ({ m }, { home }) => m.chmod(home, 0o777),
    ...refused("sshd credentials", /bad ownership or modes for directory/),
    mends: true,
  },
  {
    name: "a file of keys that is a link to what others can write, out of the home",
    sshd: ["PasswordAuthentication no"],
    breaks({ m }, { keys, jail, uid, gid }) {
      m.rename(keys, `${jail}.keys`);
      m.chmod(`${jail}.keys`, 0o666);
      m.symlink(`${jail}.keys`, keys);
      m.must(["chown", "-h", `${uid}:${gid}`, keys]);
    },
    ...refused("sshd credentials", /bad ownership or modes for file/),
    mends: "keys",
  },
  {
    name: "a directory of keys that is a link to what others can write, out of the home",
    sshd: ["PasswordAuthentication no"],
    breaks({ m }, { home, jail }) {
      m.rename(`${home}/.ssh`, `${jail}.ssh`);
      m.chmod(`${jail}.ssh`, 0o777);
      m.symlink(`${jail}.ssh`, `${home}/.ssh`);
    },
    ...refused("sshd credentials", /bad ownership or modes for directory/),
    mends: "keys",
  },
  {
    name: "a directory for the keys of all that is somebody else's",
    sshd: ["PasswordAuthentication no", "AuthorizedKeysFile /srv/keys/%u"],
    breaks({ m }, { user, keys }) {
      m.mkdir("/srv/keys");
      m.write(`/srv/keys/${user}`, m.read(keys));
      m.chown("/srv/keys", m.ids("somebody").uid, 0);
    },
    ...refused("sshd credentials", /bad ownership or modes for directory/),
    mends: true,
  },
  {
    name: "a file of keys that the user cannot read",
    sshd: ["PasswordAuthentication no"],
    breaks: ({ m }, { keys }) => m.chown(keys, 0, 0),
    ...refused("sshd credentials", /Could not open user .* authorized keys|Permission denied/),
  },
  {
    name: "a file without a key",
    sshd: ["PasswordAuthentication no"],
    breaks: ({ m }, { keys, uid, gid }) =>
      m.write(keys, "# none\nssh-ed25519 AAAA\n", { mode: 0o600, owner: [uid, gid] }),
    ...refused("sshd credentials", NO_WAY),
  },
  {
    name: "a key that has expired",
    sshd: ["PasswordAuthentication no"],
    breaks({ m }, { keys, uid, gid }) {
      m.write(keys, `expiry-time="20200101" ${m.read(keys)}`, { mode: 0o600, owner: [uid, gid] });
    },
    ...refused("sshd credentials", NO_WAY),
  },
  {
    name: "a key with an option that sshd does not know",
    sshd: ["PasswordAuthentication no"],
    breaks({ m }, { keys, uid, gid }) {
      m.write(keys, `no-such-option ${m.read(keys)}`, { mode: 0o600, owner: [uid, gid] });
    },
    ...refused("sshd credentials", NO_WAY),
  },
  {
    name: "a key of a kind that sshd does not take",
    sshd: ["PasswordAuthentication no", "PubkeyAcceptedAlgorithms rsa-sha2-512"],
    ...refused("sshd credentials", NO_WAY),
  },
  {
    name: "a key that is revoked",
    sshd: ["PasswordAuthentication no", "RevokedKeys /run/verdicts/client.pub"],
    ...refused("sshd credentials", /revoked by file/),
  },
  {
    name: "no list of revoked keys, where one is named",
    sshd: ["PasswordAuthentication no", "RevokedKeys /run/verdicts/none"],
    ...refused("sshd credentials", /Error checking authentication key|No such file/),
  },
  {
    name: "a list of revoked keys that ssh-keygen made",
    sshd: ["PasswordAuthentication no", "RevokedKeys /run/verdicts/krl"],
    breaks: ({ m }) => m.must(["ssh-keygen", "-q", "-k", "-f", "/run/verdicts/krl"]),
    ...unknown("sshd credentials", "ssh-keygen -Q alone reads such a list"),
  },
  {
    name: "keys that sshd looks for elsewhere",
    sshd: ["PasswordAuthentication no", "AuthorizedKeysFile /etc/ssh/keys/%u"],
    ...refused("sshd credentials", NO_WAY),
  },
  {
    name: "neither keys nor passwords",
    sshd: ["PasswordAuthentication no", "PubkeyAuthentication no"],
    ...refused("sshd credentials", /Permission denied|no authentication methods|Connection closed/),
  },
  {
    name: "a key and a password are wanted, and there is no password",
    sshd: ["AuthenticationMethods publickey,password"],
    breaks: ({ m }, { user }) => m.must(["usermod", "-p", "*", user]),
    ...refused("sshd credentials", NO_WAY),
  },
  {
    name: "keys that a program gives",
    sshd: [
      "PasswordAuthentication no",
      "AuthorizedKeysCommand /usr/bin/false",
      "AuthorizedKeysCommandUser nobody",
    ],
    breaks: ({ m }, { keys }) => m.remove(keys),
    ...unknown("sshd credentials", "what the program of AuthorizedKeysCommand prints, it alone knows"),
  },
  {
    name: "a key for other addresses",
    sshd: ["PasswordAuthentication no"],
    breaks({ m }, { keys, uid, gid }) {
      m.write(keys, `from="192.0.2.*" ${m.read(keys)}`, { mode: 0o600, owner: [uid, gid] });
    },
    ...unknown("sshd credentials", "where the login comes from decides"),
  },
  {
    name: "an account that has expired",
    breaks: ({ m }, { user }) => m.must(["chage", "-E", "2020-01-01", user]),
    ...refused("pam account", ACCOUNT_PHASE),
  },
  {
    name: "an account that expires today",
    breaks: ({ m }, { user }) => m.must(["chage", "-E", new Date().toISOString().slice(0, 10), user]),
    ...refused("pam account", ACCOUNT_PHASE),
  },
  {
    name: "a password that has to be changed",
    breaks: ({ m }, { user }) => m.must(["chage", "-d", "0", user]),
    ...refused("pam account", /[Pp]assword (?:change required|has expired)|change your password/),
  },
  {
    name: "a password that is too old",
    breaks: ({ m }, { user }) => m.must(["chage", "-d", "2020-01-01", "-M", "90", user]),
    ...refused("pam account", /[Pp]assword (?:change required|has expired)|change your password/),
  },
  {
    name: "a password that is too old, for longer than it may be",
    breaks: ({ m }, { user }) => m.must(["chage", "-d", "2020-01-01", "-M", "90", "-I", "10", user]),
    ...refused("pam account", ACCOUNT_PHASE),
  },
  {
    name: "/etc/nologin",
    breaks: ({ m }) => m.write("/etc/nologin", "closed\n"),
    ...refused("pam account", ACCOUNT_PHASE),
  },
  {
    name: "AllowUsers that names others",
    sshd: ["AllowUsers root somebody"],
    ...refused("sshd allowed-users", /not allowed because not listed in AllowUsers/),
  },
  {
    name: "DenyUsers with a pattern",
    sshd: ["DenyUsers u*"],
    ...refused("sshd allowed-users", /not allowed because listed in DenyUsers/),
  },
  {
    name: "AllowGroups that names others",
    sshd: ["AllowGroups friends"],
    ...refused("sshd allowed-users", /not allowed because none of user's groups are listed in AllowGroups/),
  },
  {
    name: "AllowGroups with the two words of one group",
    sshd: ['AllowGroups "my users"'],
    ...refused("sshd allowed-users", /not allowed because none of user's groups are listed in AllowGroups/),
  },
  {
    name: "DenyGroups with a group of the user, and the same with a ! that means nothing there",
    sshd: ["DenyGroups users !users"],
    ...refused("sshd allowed-users", /not allowed because a group is listed in DenyGroups/),
  },
  {
    name: "DenyGroups that names a group of the user",
    sshd: ["DenyGroups friends"],
    breaks: ({ m }, { user }) => m.must(["usermod", "-aG", "friends", user]),
    ...refused("sshd allowed-users", /not allowed because a group is listed in DenyGroups/),
  },
  {
    name: "AllowUsers in a Match block for the user",
    sshd: ["Match User USER", "AllowUsers root"],
    ...refused("sshd allowed-users", /not allowed because not listed in AllowUsers/),
  },
  {
    name: "AllowUsers by address",
    sshd: ["AllowUsers USER@192.0.2.*"],
    ...unknown("sshd allowed-users", "where the login comes from decides"),
  },
  {
    name: "AllowUsers by address, and the address",
    sshd: ["AllowUsers USER@192.0.2.*"],
    options: ["--from", "127.0.0.1"],
    ...refused("sshd allowed-users", /not allowed because not listed in AllowUsers/),
  },
  {
    name: "a Match block by address",
    sshd: ["Match Address 192.0.2.0/24", "AllowUsers root"],
    ...unknown("sshd match", "where the login comes from decides"),
  },
  {
    name: "a Match block by address, and the address",
    sshd: ["Match Address 127.0.0.0/8", "AllowUsers root"],
    options: ["--from", "127.0.0.1"],
    ...refused("sshd allowed-users", /not allowed because not listed in AllowUsers/),
  },
  {
    name: "RefuseConnection",
    sshd: ["Match User USER", "RefuseConnection yes"],
    ...refused("sshd refuse-connection", /administratively prohibited|refused|Connection closed/),
  },
  {
    name: "no sessions",
    sshd: ["MaxSessions 0"],
    ...refused("sshd max-sessions", /no more sessions|open failed|session open refused/),
  },
  {
    name: "ForceCommand internal-sftp: sftp works, and no jail holds it",
    sshd: ["ForceCommand internal-sftp"],
    by: "sftp",
    verdict: "not-jailed",
  },
  {
    name: "a key that is for internal-sftp",
    breaks({ m }, { keys, uid, gid }) {
      m.write(keys, `command="internal-sftp" ${m.read(keys)}`, { mode: 0o600, owner: [uid, gid] });
    },
    by: "sftp",
    verdict: "not-jailed",
  },
  {
    name: "ForceCommand that the limited shell does not allow",
    sshd: ["ForceCommand /usr/bin/uptime"],
    shell: "/usr/sbin/jk_lsh",
    command: "id",
    breaks: (scene, account) => allow(scene, account),
    ...refused("jk_lsh command", /jk_lsh: WARNING: user \S+ .*uptime/),
  },
  {
    name: "ChrootDirectory where there is no login shell",
    sshd: ["ChrootDirectory /srv/template"],
    ...refused("sshd chroot-directory", /jk_chrootsh: No such file or directory/),
  },
  {
    name: "ChrootDirectory that is not root's alone",
    sshd: ["ChrootDirectory %h"],
    ...refused("sshd chroot-directory", /bad ownership or modes for chroot directory/),
  },
  {
    name: "pam_access that keeps the user out",
    breaks(scene, { user }) {
      rule(scene, "account required pam_access.so");
      scene.m.write("/etc/security/access.conf", `-:${user}:ALL\n`);
    },
    ...refused("pam account", ACCOUNT_PHASE),
  },
  {
    name: "pam_access that goes by address",
    breaks(scene, { user }) {
      rule(scene, "account required pam_access.so");
      scene.m.write("/etc/security/access.conf", `-:${user}:192.0.2.0/24\n`);
    },
    ...unknown("pam account", "where the login comes from decides"),
  },
  {
    name: "pam_time",
    breaks(scene) {
      rule(scene, "account required pam_time.so");
      scene.m.write("/etc/security/time.conf", "sshd;*;*;!Al0000-2400\n");
    },
    ...unknown("pam account", "the time of the login decides"),
  },
  {
    name: "pam_shells, and a shell that is not in /etc/shells",
    breaks(scene) {
      rule(scene, "account required pam_shells.so");
      scene.m.write("/etc/shells", "/bin/sh\n");
    },
    ...refused("pam account", ACCOUNT_PHASE),
  },
  {
    name: "pam_listfile that does not name the user",
    breaks(scene) {
      rule(scene, "account required pam_listfile.so onerr=fail item=user sense=allow file=/etc/ssh/allowed");
      scene.m.write("/etc/ssh/allowed", "root\n");
    },
    ...refused("pam account", ACCOUNT_PHASE),
  },
  {
    name: "pam_succeed_if by a group",
    breaks: (scene) => rule(scene, "account requisite pam_succeed_if.so user ingroup friends"),
    ...refused("pam account", ACCOUNT_PHASE),
  },
  {
    name: "pam_exec",
    breaks: (scene) => rule(scene, "account required pam_exec.so /usr/bin/false"),
    ...unknown("pam account", "what the program of pam_exec says, it alone knows"),
  },
  {
    name: "pam_localuser, and more than 1 MiB of accounts",
    breaks(scene) {
      rule(scene, "account required pam_localuser.so");
      const { m } = scene;
      const passwd = m.read("/etc/passwd");
      const others = Array.from(
        { length: 20_000 },
        (_, id) => `other${id}:x:${70_000 + id}:100:${"x".repeat(30)}:/:`,
      );
      m.write("/etc/passwd", `${passwd}${others.join("\n")}\n`);
      return () => m.write("/etc/passwd", passwd);
    },
    verdict: "works",
  },
  {
    name: "a module that is not installed",
    breaks: (scene) => rule(scene, "account required pam_none.so"),
    ...refused("pam account", ACCOUNT_PHASE),
  },
  {
    name: "a session that PAM does not open",
    breaks: (scene) => rule(scene, "session required pam_deny.so"),
    ...refused("pam session", /pam_open_session|PAM session not opened|Cannot make\/remove/),
  },
  {
    name: "an environment of the user's own that names somebody else",
    sshd: ["PermitUserEnvironment yes", "PermitUserRC no"],
    breaks({ m }, { home, uid, gid }) {
      m.write(`${home}/.ssh/environment`, "USER=somebody\n", { mode: 0o600, owner: [uid, gid] });
    },
    verdict: "refused",
    check: "jk_chrootsh account",
  },
  {
    name: "without PAM: a locked account that has a key",
    sshd: ["UsePAM no"],
    breaks: ({ m }, { user }) => m.must(["usermod", "-L", user]),
    ...refused("sshd account-locked", /not allowed because account is locked/),
  },
  {
    name: "without PAM: an account that has expired",
    sshd: ["UsePAM no"],
    breaks: ({ m }, { user }) => m.must(["chage", "-E", "2020-01-01", user]),
    ...refused("sshd account-expired", /has expired/),
  },
  {
    name: "without PAM: /etc/nologin",
    sshd: ["UsePAM no"],
    breaks: ({ m }) => m.write("/etc/nologin", "closed\n"),
    ...refused("sshd nologin", /not allowed because \/etc\/nologin exists/),
  },
  ...(
    [
      ["nofile", "15", /is below|open files|error while loading/],
      ["as", "1000000", /is below/],
      ["data", "1000000", /is below/],
      ["stack", "128", /is below/],
    ] as const
  ).map(
    ([item, value, log]): Case => ({
      name: `a limit of ${item} that is too low`,
      breaks: ({ m }, { user }) => m.write(LIMITS, `${user} hard ${item} ${value}\n`),
      ...refused(`limits ${item}`, log),
    }),
  ),
  {
    name: "no login at a time",
    breaks: ({ m }, { user }) => m.write(LIMITS, `${user} hard maxlogins 0\n`),
    ...refused("limits maxlogins", /pam_open_session|[Tt]oo many logins|PAM session not opened/),
  },
  {
    name: "no login at a time, for the group of the user",
    breaks: ({ m }) => m.write(LIMITS, "%users - maxlogins 0\n"),
    ...refused("limits maxlogins", /pam_open_session|[Tt]oo many logins|PAM session not opened/),
  },
  {
    name: "no process but that of sshd",
    breaks: ({ m }, { user }) => m.write(LIMITS, `${user} hard nproc 1\n`),
    ...refused("limits nproc", /fork: Resource temporarily unavailable/),
  },
  {
    name: "no new privileges, by pam_limits",
    breaks: ({ m }, { user }) => m.write(LIMITS, `${user} - nonewprivs 1\n`),
    ...refused("limits nonewprivs", /CAP_SYS_CHROOT is missing/),
  },
  {
    name: "su: pam_succeed_if keeps the account out",
    by: "su",
    breaks({ m }, { user }) {
      m.write(
        "/etc/pam.d/su-l",
        `account requisite pam_succeed_if.so user != ${user}\n${m.read("/etc/pam.d/su-l")}`,
      );
    },
    ...refused("pam account", /su: (?:Permission denied|Authentication failure)/),
  },
];
