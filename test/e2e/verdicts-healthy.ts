import type { Account, Case, Scene } from "./verdicts-scene.ts";

const POLICY =
  "paths = /usr/bin, /usr/lib/openssh\nexecutables = /usr/bin/id, /usr/lib/openssh/sftp-server\n";
const SHELL = "/usr/sbin/jk_lsh";

/** Puts a section for the account into the policy of its jail. */
export function allow({ m }: Scene, { jail, user }: Account, more = ""): void {
  m.write(`${jail}/etc/jailkit/jk_lsh.ini`, `[${user}]\n${POLICY}${more}`);
}

const day = (offset: number) => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);

/** Accounts that nothing keeps out. */
export const HEALTHY: readonly Case[] = [
  { name: "a shell, by a key", verdict: "works" },
  { name: "a shell, by the password", by: "password", verdict: "works" },
  { name: "a shell, by su", by: "su", verdict: "works" },
  {
    name: "the limited shell, a command",
    shell: SHELL,
    command: "id",
    breaks: (scene, account) => allow(scene, account),
    verdict: "works",
  },
  {
    name: "the limited shell, sftp",
    shell: SHELL,
    by: "sftp",
    breaks: (scene, account) => allow(scene, account),
    verdict: "works",
  },
  {
    name: "the limited shell as a file of the jail",
    shell: SHELL,
    command: "id",
    breaks(scene, account) {
      allow(scene, account);
      scene.m.must(["jk_cp", "-j", account.jail, SHELL]);
    },
    verdict: "works",
  },
  { name: "sshd without PAM", sshd: ["UsePAM no"], verdict: "works" },
  {
    name: "a locked password, and a key",
    breaks: ({ m }, { user }) => m.must(["usermod", "-L", user]),
    verdict: "works",
  },
  {
    name: "no key, and a password",
    by: "password",
    breaks: ({ m }, { keys }) => m.remove(keys),
    verdict: "works",
  },
  {
    name: "not in /etc/shells, which nobody asks for",
    breaks: ({ m }) => m.write("/etc/shells", "/bin/sh\n"),
    verdict: "works",
  },
  {
    name: "a jail that the user may pass by an ACL alone",
    breaks({ m }, { jail, user }) {
      m.chmod(jail, 0o750);
      m.must(["setfacl", "-m", `u:${user}:x`, jail]);
    },
    verdict: "works",
  },
  {
    name: "a configuration that the user's group may read",
    breaks({ m }, { gid }) {
      m.write("/etc/jailkit/jk_chrootsh.ini", "[DEFAULT]\n", { mode: 0o640, owner: [0, gid] });
    },
    verdict: "works",
  },
  {
    name: "a home that its group may write, by a setting",
    breaks({ m }, { home }) {
      m.chmod(home, 0o770);
      m.write("/etc/jailkit/jk_chrootsh.ini", "[DEFAULT]\nrelax_home_group_permissions = 1\n");
    },
    sshd: ["StrictModes no"],
    verdict: "works",
  },
  {
    name: "an environment of the user's own that sshd does not take",
    breaks({ m }, { home, uid, gid }) {
      m.write(`${home}/.ssh/environment`, "USER=somebody\n", { mode: 0o600, owner: [uid, gid] });
    },
    verdict: "works",
  },
  {
    name: "an account that expires tomorrow",
    breaks: ({ m }, { user }) => m.must(["chage", "-E", day(1), user]),
    verdict: "works",
  },
  {
    name: "a password that was changed long ago, without an age",
    breaks: ({ m }, { user }) => m.must(["chage", "-d", "2001-01-01", "-M", "-1", user]),
    verdict: "works",
  },
  {
    name: "AllowUsers that names the user, and AllowGroups one of its groups",
    sshd: ["AllowUsers root USER", "AllowGroups friends"],
    breaks: ({ m }, { user }) => m.must(["usermod", "-aG", "friends", user]),
    verdict: "works",
  },
  {
    name: "AllowGroups that names a group of the user, and the same with a ! that means nothing there",
    sshd: ["AllowGroups users !users"],
    verdict: "works",
  },
  {
    name: "a file of keys that a group can write which is the user's alone, as Debian's sshd has it",
    sshd: ["PasswordAuthentication no"],
    breaks({ m }, { user, keys }) {
      m.must(["groupadd", `${user}-own`]);
      m.must(["gpasswd", "-a", user, `${user}-own`]);
      m.must(["chgrp", `${user}-own`, keys]);
      m.chmod(keys, 0o664);
    },
    verdict: "works",
  },
  {
    name: "a list that revokes other keys",
    sshd: ["PasswordAuthentication no", "RevokedKeys /run/verdicts/host.pub"],
    verdict: "works",
  },
  {
    name: "keys that root keeps",
    sshd: ["AuthorizedKeysFile /etc/ssh/keys/%u"],
    breaks({ m }, { user, keys }) {
      m.write(`/etc/ssh/keys/${user}`, m.read(keys));
      m.remove(keys);
    },
    verdict: "works",
  },
  {
    name: "keys that root keeps, where a link in the home leads",
    breaks({ m }, { user, keys }) {
      m.write(`/etc/ssh/keys/${user}`, m.read(keys));
      m.remove(keys);
      m.symlink(`/etc/ssh/keys/${user}`, keys);
    },
    verdict: "works",
  },
  {
    name: "limits that will do",
    breaks: ({ m }, { user }) => m.write("/etc/security/limits.d/verdicts.conf", `${user} hard nofile 64\n`),
    verdict: "works",
  },
  {
    name: "pam_access that lets the user in",
    breaks({ m }, { user }) {
      m.write("/etc/pam.d/sshd", `account required pam_access.so\n${m.read("/etc/pam.d/sshd")}`);
      m.write("/etc/security/access.conf", `+:${user}:ALL\n-:ALL:ALL\n`);
    },
    verdict: "works",
  },
  {
    name: "pam_time, and no rule for sshd",
    breaks({ m }) {
      m.write("/etc/pam.d/sshd", `account required pam_time.so\n${m.read("/etc/pam.d/sshd")}`);
      m.write("/etc/security/time.conf", "login;*;root;Al0000-2400\n");
    },
    verdict: "works",
  },
  {
    name: "limits.conf too low, and no PAM that reads it",
    sshd: ["UsePAM no"],
    breaks: ({ m }, { user }) => m.write("/etc/security/limits.d/verdicts.conf", `${user} hard nofile 10\n`),
    verdict: "works",
  },
];
