import type { Case } from "./verdicts-scene.ts";

const INI = "/etc/jailkit/jk_chrootsh.ini";
const chrootsh = (check: string) => ({ verdict: "refused", check: `jk_chrootsh ${check}` }) as const;

/** What jk_chrootsh refuses: jails, homes, the account files of jails, its own configuration. */
export const JAILS: readonly Case[] = [
  {
    name: "no jail",
    by: "password",
    breaks: ({ m }, { jail }) => m.remove(jail),
    ...chrootsh("jail-reachable"),
  },
  {
    name: "a jail that is root's alone",
    by: "password",
    breaks: ({ m }, { jail }) => m.chmod(jail, 0o700),
    ...chrootsh("jail-reachable"),
  },
  {
    name: "a jail whose ACL keeps the user out",
    by: "password",
    breaks: ({ m }, { jail, user }) => m.must(["setfacl", "-m", `u:${user}:---`, jail]),
    ...chrootsh("jail-reachable"),
  },
  {
    name: "a jail whose ACL keeps a group of the user out",
    by: "password",
    breaks: ({ m }, { jail, gid }) => m.must(["setfacl", "-m", `g:${gid}:---`, jail]),
    ...chrootsh("jail-reachable"),
  },
  {
    name: "a jail that is a link",
    by: "password",
    breaks({ m }, { jail }) {
      m.rename(jail, `${jail}.moved`);
      m.symlink(`${jail}.moved`, jail);
    },
    ...chrootsh("jail-path"),
  },
  {
    name: "a jail by a path with a detour",
    breaks: ({ m }, { jail, user }) => m.must(["usermod", "-d", `/srv/..${jail}/./home/${user}`, user]),
    ...chrootsh("jail-path"),
  },
  {
    name: "a jail that its group may write",
    by: "password",
    breaks: ({ m }, { jail }) => m.chmod(jail, 0o775),
    ...chrootsh("jail-safety"),
  },
  {
    name: "a jail that belongs to the user",
    by: "password",
    breaks: ({ m }, { jail, uid }) => m.chown(jail, uid, 0),
    ...chrootsh("jail-safety"),
  },
  {
    name: "etc of the jail that belongs to the user",
    breaks: ({ m }, { jail, uid }) => m.chown(`${jail}/etc`, uid, 0),
    ...chrootsh("jail-safety"),
  },
  {
    name: "usr of the jail that everybody may write",
    breaks: ({ m }, { jail }) => m.chmod(`${jail}/usr`, 0o777),
    ...chrootsh("jail-safety"),
  },
  {
    name: "a directory above the jail that everybody may write",
    breaks({ m }, { jail, user }) {
      m.mkdir(`${jail}.above`, { mode: 0o777 });
      m.rename(jail, `${jail}.above/jail`);
      m.must(["usermod", "-d", `${jail}.above/jail/./home/${user}`, user]);
    },
    ...chrootsh("jail-safety"),
  },
  {
    name: "a directory above the jail that the user may not pass",
    by: "password",
    breaks({ m }, { jail, user }) {
      m.mkdir(`${jail}.above`, { mode: 0o700 });
      m.rename(jail, `${jail}.above/jail`);
      m.must(["usermod", "-d", `${jail}.above/jail/./home/${user}`, user]);
    },
    ...chrootsh("jail-reachable"),
  },
  {
    name: "no home",
    by: "password",
    breaks: ({ m }, { home }) => m.remove(home),
    ...chrootsh("home-present"),
  },
  {
    name: "a home that is root's, as useradd closes it on some machines",
    by: "password",
    breaks({ m }, { home, gid }) {
      m.chmod(home, 0o700);
      m.chown(home, 0, gid);
    },
    ...chrootsh("home-owner"),
  },
  {
    name: "a home that is root's, and open, so that the key in it counts",
    breaks({ m }, { home, gid }) {
      m.chmod(home, 0o755);
      m.chown(home, 0, gid);
    },
    ...chrootsh("home-owner"),
  },
  {
    name: "a home that is somebody else's",
    by: "password",
    breaks: ({ m }, { home, gid }) => m.chown(home, m.ids("somebody").uid, gid),
    ...chrootsh("home-owner"),
  },
  {
    name: "a home of another group",
    breaks: ({ m }, { home, uid }) => m.chown(home, uid, 0),
    ...chrootsh("home-group"),
  },
  {
    name: "a home that its group may write",
    by: "password",
    breaks: ({ m }, { home }) => m.chmod(home, 0o775),
    ...chrootsh("home-group-write"),
  },
  {
    name: "a home that its ACL lets somebody write",
    by: "password",
    breaks({ m }, { home }) {
      m.write(INI, "[DEFAULT]\nrelax_home_group_permissions = 1\n");
      m.must(["setfacl", "-m", "u:somebody:rwx", home]);
    },
    ...chrootsh("home-group-write"),
  },
  {
    name: "a home that everybody may write",
    by: "password",
    breaks: ({ m }, { home }) => m.chmod(home, 0o757),
    ...chrootsh("home-other-write"),
  },
  {
    name: "a home that is a link",
    by: "password",
    breaks({ m }, { home, user }) {
      m.rename(home, `${home}.real`);
      m.symlink(`${user}.real`, home);
    },
    ...chrootsh("home-present"),
  },
  {
    name: "a home that is a file",
    by: "password",
    breaks({ m }, { home, uid, gid }) {
      m.remove(home);
      m.write(home, "", { owner: [uid, gid] });
    },
    ...chrootsh("home-entry"),
  },
  {
    name: "a home that the user may not enter",
    by: "password",
    breaks: ({ m }, { home }) => m.chmod(home, 0),
    ...chrootsh("home-entry"),
  },
  {
    name: "a directory above the home that the user may not pass",
    by: "password",
    breaks: ({ m }, { jail }) => m.chmod(`${jail}/home`, 0o700),
    ...chrootsh("home-present"),
  },
  {
    name: "a home without a jail",
    by: "password",
    breaks: ({ m }, { jail, user }) => m.must(["usermod", "-d", `${jail}/home/${user}`, user]),
    ...chrootsh("separator"),
  },
  {
    name: "no home in passwd",
    by: "password",
    breaks({ m }, { user }) {
      m.write(
        "/etc/passwd",
        m.read("/etc/passwd").replace(new RegExp(`^(${user}(?::[^:]*){4}):[^:]*:`, "m"), "$1::"),
      );
    },
    ...chrootsh("home-set"),
  },
  {
    name: "no entry in the jail's passwd",
    breaks: ({ m }, { jail }) => m.write(`${jail}/etc/passwd`, "root:x:0:0::/root:/bin/sh\n"),
    ...chrootsh("jail-user"),
  },
  {
    name: "another uid in the jail's passwd",
    breaks({ m }, { jail, user, gid }) {
      m.write(`${jail}/etc/passwd`, `${user}:x:4999:${gid}::/home/${user}:/bin/sh\n`);
    },
    ...chrootsh("jail-user"),
  },
  {
    name: "no entry in the jail's group",
    breaks: ({ m }, { jail }) => m.write(`${jail}/etc/group`, "root:x:0:\n"),
    ...chrootsh("jail-group"),
  },
  {
    name: "another name of the group in the jail",
    breaks: ({ m }, { jail, gid }) => m.write(`${jail}/etc/group`, `others:x:${gid}:\n`),
    ...chrootsh("jail-group-name"),
  },
  {
    name: "another home in the jail's passwd",
    breaks({ m }, { jail, user, uid, gid }) {
      m.write(`${jail}/etc/passwd`, `${user}:x:${uid}:${gid}::/home:/bin/sh\n`);
    },
    ...chrootsh("jail-home"),
  },
  {
    name: "a passwd of the jail that is root's alone",
    breaks: ({ m }, { jail }) => m.chmod(`${jail}/etc/passwd`, 0o600),
    ...chrootsh("jail-user"),
    log: /jk_chrootsh: JK-\S+: abort, .*\/etc\/passwd: open: Permission denied/,
  },
  {
    name: "a passwd of the jail whose ACL keeps the user out",
    breaks: ({ m }, { jail, user }) => m.must(["setfacl", "-m", `u:${user}:---`, `${jail}/etc/passwd`]),
    ...chrootsh("jail-user"),
    log: /jk_chrootsh: JK-\S+: abort, .*\/etc\/passwd: open: Permission denied/,
  },
  {
    name: "a configuration that is root's alone",
    breaks: ({ m }) => m.write(INI, "[DEFAULT]\n", { mode: 0o600 }),
    ...chrootsh("config-file"),
    log: /jk_chrootsh: JK-\S+: abort, .*jk_chrootsh\.ini.*Permission denied/,
  },
  {
    name: "a configuration whose ACL keeps the user out",
    breaks({ m }, { user }) {
      m.write(INI, "[DEFAULT]\n");
      m.must(["setfacl", "-m", `u:${user}:---`, INI]);
    },
    ...chrootsh("config-file"),
    log: /jk_chrootsh: JK-\S+: abort, .*jk_chrootsh\.ini.*Permission denied/,
  },
  {
    name: "a directory of the configuration that is root's alone",
    breaks({ m }) {
      m.write(INI, "[DEFAULT]\n");
      m.chmod("/etc/jailkit", 0o700);
    },
    ...chrootsh("config-file"),
    log: /jk_chrootsh: JK-\S+: abort, .*\/etc\/jailkit.*Permission denied/,
  },
  {
    name: "a directory of the configuration that everybody may write",
    breaks: ({ m }) => m.chmod("/etc/jailkit", 0o777),
    ...chrootsh("config-directory"),
  },
  {
    name: "a configuration that cannot be understood",
    breaks: ({ m }) => m.write(INI, "[DEFAULT]\nskip_injail_passwd_check = maybe\n"),
    ...chrootsh("config-file"),
  },
  {
    name: "a configuration that others can write",
    breaks: ({ m }) => m.write(INI, "[DEFAULT]\n", { mode: 0o666 }),
    ...chrootsh("config-file"),
  },
  {
    name: "a primary group that is new, and none of the jail's",
    by: "su",
    breaks({ m }, { user }) {
      m.must(["usermod", "-g", "friends", user]);
    },
    ...chrootsh("jail-group"),
  },
];
