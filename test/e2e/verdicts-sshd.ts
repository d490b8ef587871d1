import type { Case } from "./verdicts-scene.ts";

const refused = (check: string, log: RegExp) => ({ verdict: "refused", check, log }) as const;
const unknown = (check: string, why: string) => ({ verdict: "unknown", check, why }) as const;
const wrongUser = { verdict: "refused", check: "jk_chrootsh account" } as const;
const works = { verdict: "works" } as const;

const NO_WAY =
  /Connection closed by authenticating user|Permission denied \(|Too many authentication failures/;
const NO_METHOD = /contains disabled method, skipping/;
const LIMITS = "/etc/security/limits.d/verdicts.conf";

/** What sshd's settings come to that are about more than one user: variables, lists of methods, counts, places. */
export const SSHD: readonly Case[] = [
  { name: "SetEnv that names another user", sshd: ["SetEnv USER=root"], ...wrongUser },
  { name: "SetEnv that names nobody", sshd: ["SetEnv LANG=C USER=nobody-here"], ...wrongUser },
  { name: "SetEnv that names the user", sshd: ["SetEnv LANG=C USER=USER"], ...works },
  { name: "SetEnv with an empty name", sshd: ["SetEnv USER="], ...works },
  { name: "SetEnv twice: the first counts", sshd: ["SetEnv LANG=C", "SetEnv USER=root"], ...works },
  {
    name: "SetEnv and the user's own environment: that of SetEnv counts",
    sshd: ["PermitUserEnvironment yes", "PermitUserRC no", "SetEnv USER=USER"],
    breaks({ m }, { home, uid, gid }) {
      m.write(`${home}/.ssh/environment`, "USER=somebody\n", { mode: 0o600, owner: [uid, gid] });
    },
    ...works,
  },
  {
    name: "the user's own environment, of more than 1 MiB",
    sshd: ["PermitUserEnvironment yes", "PermitUserRC no"],
    breaks({ m }, { home, uid, gid }) {
      const comments = `#${"x".repeat(1500)}\n`.repeat(900);
      m.write(`${home}/.ssh/environment`, `${comments}USER=root\n`, { mode: 0o600, owner: [uid, gid] });
    },
    ...unknown("sshd user-variable", "a file that large is not read"),
    enters: false,
  },
  {
    name: "a key with an environment that names another user",
    sshd: ["PermitUserEnvironment yes", "PermitUserRC no"],
    breaks({ m }, { keys, uid, gid }) {
      m.write(keys, `environment="USER=somebody",environment="LANG=C" ${m.read(keys)}`, {
        ...{ mode: 0o600, owner: [uid, gid] },
      });
    },
    ...wrongUser,
  },
  {
    name: "a key with an environment, which sshd does not take",
    breaks({ m }, { keys, uid, gid }) {
      m.write(keys, `environment="USER=somebody" ${m.read(keys)}`, { mode: 0o600, owner: [uid, gid] });
    },
    ...works,
  },
  {
    name: "/etc/environment that names another user",
    breaks: ({ m }) => m.write("/etc/environment", "# all\nexport USER='somebody'\n"),
    ...wrongUser,
  },
  {
    name: "/etc/environment, and the user's own: that of the machine counts",
    sshd: ["PermitUserEnvironment yes", "PermitUserRC no"],
    breaks({ m }, { user, home, uid, gid }) {
      m.write("/etc/environment", `USER="${user}"\n`);
      m.write(`${home}/.ssh/environment`, "USER=somebody\n", { mode: 0o600, owner: [uid, gid] });
    },
    ...works,
  },
  {
    name: "/etc/environment where pam_env does not read it",
    breaks({ m }) {
      m.write("/etc/environment", "USER=somebody\n");
      m.write("/etc/pam.d/sshd", m.read("/etc/pam.d/sshd").replaceAll("pam_env.so", "pam_env.so readenv=0"));
    },
    ...works,
  },
  {
    name: "su: /etc/environment that names another user",
    by: "su",
    breaks: ({ m }) => m.write("/etc/environment", "USER=somebody\n"),
    ...wrongUser,
  },
  {
    name: "/etc/environment with a comment behind the name",
    breaks: ({ m }, { user }) => m.write("/etc/environment", `USER="${user}" # all\n`),
    ...unknown("pam user-variable", "versions of pam_env differ in that"),
  },
  {
    name: "pam_env.conf that has a line for USER",
    breaks: ({ m }) => m.write("/etc/security/pam_env.conf", "USER DEFAULT=@{HOME}\n"),
    ...unknown("pam user-variable", "what pam_env makes of its configuration is not worked out"),
  },
  {
    name: "two keys are wanted, and there is one",
    sshd: ["AuthenticationMethods publickey,publickey"],
    ...refused("sshd credentials", NO_WAY),
  },
  {
    name: "two keys are wanted, and one is there twice",
    sshd: ["AuthenticationMethods publickey,publickey"],
    breaks({ m }, { keys, uid, gid }) {
      m.write(keys, `${m.read(keys)}\nno-pty ${m.read(keys)}`, { mode: 0o600, owner: [uid, gid] });
    },
    ...refused("sshd credentials", NO_WAY),
  },
  {
    name: "a key and a password are wanted, and sshd takes no password",
    sshd: ["Match User USER", "AuthenticationMethods publickey,password", "PasswordAuthentication no"],
    ...refused("sshd credentials", NO_METHOD),
  },
  {
    name: "a key and a dialogue are wanted, and sshd holds none",
    sshd: ["Match User USER", "AuthenticationMethods publickey,keyboard-interactive"],
    ...refused("sshd credentials", NO_METHOD),
  },
  {
    name: "of two lists of methods one is possible",
    sshd: ["AuthenticationMethods publickey,hostbased publickey"],
    ...works,
  },
  {
    name: "no list of methods is possible",
    sshd: ["AuthenticationMethods publickey,hostbased password,publickey"],
    breaks: ({ m }, { user }) => m.must(["usermod", "-p", "*", user]),
    ...refused("sshd credentials", NO_WAY),
  },
  {
    name: "no try",
    sshd: ["MaxAuthTries 0"],
    ...refused(
      "sshd max-auth-tries",
      /Too many authentication failures|maximum authentication attempts exceeded/,
    ),
  },
  { name: "one try", sshd: ["MaxAuthTries 1"], ...works },
  {
    name: "no connection from any source",
    sshd: ["PerSourceMaxStartups 0"],
    ...refused("sshd startups", /drop connection .* Maxstartups/),
  },
  { name: "one connection at a time that has not logged in", sshd: ["MaxStartups 1:100:1"], ...works },
  {
    name: "pam_limits changes the root",
    breaks: ({ m }, { user }) => m.write(LIMITS, `${user} - chroot /srv/template\n`),
    ...unknown("limits chroot", "not each pam_limits knows that word"),
  },
  {
    name: "pam_limits changes the root for others",
    breaks: ({ m }) => m.write(LIMITS, "somebody - chroot /srv/template\n@friends - chroot /none\n"),
    ...works,
  },
  {
    name: "a Match block by the one port that sshd listens on",
    sshd: ["Match LocalPort 22", "AllowUsers root"],
    ...refused("sshd allowed-users", /not allowed because not listed in AllowUsers/),
  },
  { name: "a Match block by another port", sshd: ["Match LocalPort 2222", "AllowUsers root"], ...works },
  {
    name: "a Match block by port, and sshd listens on two",
    sshd: ["Port 2222", "Match LocalPort 2222", "AllowUsers root"],
    ...unknown("sshd match", "which port is called decides"),
  },
  {
    name: "a Match block by address, in which a login of this machine itself would be refused",
    sshd: ["Match Address 127.0.0.1", "AllowUsers root"],
    ...unknown("sshd match", "where the login comes from decides"),
  },
  {
    name: "a Match block by the one address that sshd listens on",
    sshd: ["Match LocalAddress 127.0.0.1", "AllowUsers root"],
    ...refused("sshd allowed-users", /not allowed because not listed in AllowUsers/),
  },
  {
    name: "a Match block by address, and sshd listens on all",
    sshd: ["ListenAddress 0.0.0.0:2222", "Match LocalAddress 127.0.0.9", "AllowUsers root"],
    ...unknown("sshd match", "which address is called decides"),
  },
  {
    name: "ForceCommand internal-sftp in a ChrootDirectory: that holds it",
    sshd: ["ChrootDirectory /srv/template", "ForceCommand internal-sftp"],
    by: "sftp",
    ...works,
  },
  {
    name: "a key that is for internal-sftp, in a ChrootDirectory",
    sshd: ["ChrootDirectory /srv/template"],
    breaks({ m }, { keys, uid, gid }) {
      m.write(keys, `command="internal-sftp" ${m.read(keys)}`, { mode: 0o600, owner: [uid, gid] });
    },
    by: "sftp",
    ...works,
  },
  {
    name: "ForceCommand internal-sftp in a ChrootDirectory that is the user's",
    sshd: ["ChrootDirectory %h", "ForceCommand internal-sftp"],
    by: "sftp",
    ...refused("sshd chroot-directory", /bad ownership or modes for chroot directory/),
  },
  {
    name: "no Subsystem sftp",
    sshd: ["# no Subsystem"],
    by: "sftp",
    ...unknown("sshd subsystem", "a client may name the server"),
  },
  {
    name: "Subsystem sftp internal-sftp: sftp works, and no jail holds it",
    sshd: ["Subsystem sftp internal-sftp"],
    by: "sftp",
    verdict: "not-jailed",
  },
  {
    name: "Subsystem sftp internal-sftp in a ChrootDirectory: that holds it",
    sshd: ["Subsystem sftp internal-sftp", "ChrootDirectory /srv/template"],
    by: "sftp",
    ...works,
  },
  {
    name: 'ForceCommand "internal-sftp": in quotes it is not sshd\'s',
    sshd: ['ForceCommand "internal-sftp"'],
    ...refused("jk_chrootsh command", /internal-sftp: not found/),
  },
  {
    name: "a key that is for internal-sftp, in quotes",
    breaks({ m }, { keys, uid, gid }) {
      m.write(keys, `command="'internal-sftp' -R" ${m.read(keys)}`, { mode: 0o600, owner: [uid, gid] });
    },
    ...refused("jk_chrootsh command", /internal-sftp: not found/),
  },
  {
    name: 'ForceCommand "internal-sftp", which the limited shell starts',
    sshd: ['ForceCommand "internal-sftp"'],
    shell: "/usr/sbin/jk_lsh",
    by: "sftp",
    breaks({ m }, { user, jail }) {
      const server = "/usr/lib/openssh/sftp-server";
      m.write(
        `${jail}/etc/jailkit/jk_lsh.ini`,
        `[${user}]\npaths = /usr/lib/openssh\nexecutables = ${server}\n`,
      );
    },
    ...works,
  },
  ...(["key", "sftp"] as const).map(
    (by): Case => ({
      name: `Subsystem only in a Match block: sshd crashes at every login of the user (${by})`,
      sshd: ["# no Subsystem", "Match User USER", "  Subsystem sftp /usr/lib/openssh/sftp-server"],
      by,
      ...refused("sshd settings", /killed by signal 11/),
    }),
  ),
  { name: "Subsystem sftp internal-sftp, and a command", sshd: ["Subsystem sftp internal-sftp"], ...works },
  {
    name: "Subsystem sftp internal-sftp in a ChrootDirectory, and a command",
    sshd: ["Subsystem sftp internal-sftp", "ChrootDirectory /srv/template"],
    ...refused("sshd chroot-directory", /jk_chrootsh: No such file or directory/),
  },
  ...["/usr/sbin/nologin", "/bin/false", "/bin/none"].flatMap((shell): Case[] => {
    const log = /currently not available|session opened for user|shell \S+ does not exist|failed to execute/;
    const breaks: Case["breaks"] = ({ m }, { user }) => m.must(["usermod", "-s", shell, user]);
    const way = refused("account login-shell", log);
    return [
      { name: `the login shell ${shell}`, breaks, ...way },
      { name: `su: the login shell ${shell}`, by: "su", breaks, ...way },
    ];
  }),
  ...["ForceCommand internal-sftp", "Subsystem sftp internal-sftp"].map(
    (setting): Case => ({
      name: `nologin, and ${setting}`,
      by: "sftp",
      sshd: [setting],
      breaks: ({ m }, { user }) => m.must(["usermod", "-s", "/usr/sbin/nologin", user]),
      ...unknown("account login-shell", "sshd serves sftp itself, and no tool of jailkit has a part in it"),
    }),
  ),
];
