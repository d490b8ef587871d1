import { allow } from "./verdicts-healthy.ts";
import type { Account, Case, Scene } from "./verdicts-scene.ts";

const SHELL = "/usr/sbin/jk_lsh";
const ENTRY = "/usr/sbin/jk_chrootsh";
const chrootsh = (check: string) => ({ verdict: "refused", check: `jk_chrootsh ${check}` }) as const;
const limited = (check: string, log: RegExp) =>
  ({ verdict: "refused", check: `jk_lsh ${check}`, log, shell: SHELL, command: "id" }) as const;

/** Mounts a directory on itself with options; undone by what it gives back. */
function remount({ m }: Scene, directory: string, options: string): () => void {
  m.must(["mount", "--bind", directory, directory]);
  m.must(["mount", "-o", `remount,bind,${options}`, directory]);
  return () => m.must(["umount", "-l", directory]);
}

/** Gives the account a login shell on a file system of its own options. */
function entryOn(scene: Scene, { user, jail }: Account, options: string): () => void {
  const { m } = scene;
  const directory = `${jail}.sbin`;
  m.mkdir(directory);
  m.must(["cp", "-a", ENTRY, directory]);
  m.must(["setcap", "cap_sys_chroot+ep", `${directory}/jk_chrootsh`]);
  m.must(["usermod", "-s", `${directory}/jk_chrootsh`, user]);
  return remount(scene, directory, options);
}

/** The shell in the jail, the entry that leads there, and what the limited shell refuses. */
export const SHELLS: readonly Case[] = [
  {
    name: "no shell in the jail",
    breaks: ({ m }, { jail }) => m.remove(`${jail}/bin/sh`),
    ...chrootsh("shell"),
  },
  {
    name: "a shell that nobody may execute",
    breaks: ({ m }, { jail }) => m.must(["chmod", "a-x", `${jail}/bin/sh`]),
    ...chrootsh("shell"),
  },
  {
    name: "a shell whose ACL keeps the user out",
    breaks: ({ m }, { jail, user }) => m.must(["setfacl", "-m", `u:${user}:r--`, `${jail}/bin/sh`]),
    ...chrootsh("shell"),
  },
  {
    name: "a shell that is setuid",
    breaks: ({ m }, { jail }) => m.must(["chmod", "u+s", `${jail}/bin/sh`]),
    ...chrootsh("shell"),
  },
  {
    name: "a shell that belongs to the user",
    breaks: ({ m }, { jail, uid }) => m.must(["chown", String(uid), `${jail}/bin/sh`]),
    ...chrootsh("shell"),
  },
  {
    name: "no shell in the jail's passwd",
    breaks({ m }, { jail, user, uid, gid }) {
      m.write(`${jail}/etc/passwd`, `${user}:x:${uid}:${gid}::/home/${user}:\n`);
    },
    ...chrootsh("shell"),
  },
  {
    name: "a setting that names a shell which is not there",
    breaks: ({ m }) => m.write("/etc/jailkit/jk_chrootsh.ini", "[DEFAULT]\ninjail_shell = /bin/zsh\n"),
    ...chrootsh("shell"),
  },
  {
    name: "a shell without its C library",
    breaks: ({ m }, { jail }) => m.must(["find", jail, "-name", "libc.so.6", "-delete"]),
    ...chrootsh("libraries"),
    log: /libc\.so\.6: cannot open shared object file/,
  },
  {
    name: "a shell without its dynamic linker",
    breaks: ({ m }, { jail }) => m.must(["find", jail, "-name", "ld-linux*", "-delete"]),
    ...chrootsh("libraries"),
    log: /jk_chrootsh: JK-\S+: ERROR: failed to execute shell .*No such file or directory/,
  },
  {
    name: "a jail that is mounted noexec",
    breaks: (scene, { jail }) => remount(scene, jail, "noexec"),
    ...chrootsh("shell"),
    log: /jk_chrootsh: JK-\S+: ERROR: failed to execute shell .*Permission denied/,
  },
  {
    name: "a jail that is mounted nosuid and nodev, which does no harm",
    breaks: (scene, { jail }) => remount(scene, jail, "nosuid"),
    verdict: "works",
  },
  {
    name: "jk_chrootsh without its privilege",
    breaks(scene, account) {
      const undo = entryOn(scene, account, "suid");
      undo();
      scene.m.must(["setcap", "-r", `${account.jail}.sbin/jk_chrootsh`]);
    },
    ...chrootsh("privilege"),
    log: /jk_chrootsh: JK-\S+: abort, CAP_SYS_CHROOT is missing/,
  },
  {
    name: "jk_chrootsh on a file system that is mounted nosuid",
    breaks: (scene, account) => entryOn(scene, account, "nosuid"),
    ...chrootsh("privilege"),
    log: /jk_chrootsh: JK-\S+: abort, CAP_SYS_CHROOT is missing/,
  },
  {
    name: "jk_chrootsh on a file system that is mounted noexec",
    breaks: (scene, account) => entryOn(scene, account, "noexec"),
    verdict: "refused",
    check: "account login-shell",
    log: /jk_chrootsh: Permission denied/,
  },
  {
    name: "a login shell that does not exist",
    breaks: ({ m }, { user }) => m.must(["usermod", "-s", "/opt/none/jk_chrootsh", user]),
    verdict: "refused",
    check: "account login-shell",
    log: /shell \/opt\/none\/jk_chrootsh does not exist/,
  },
  {
    name: "a login shell that the user may not execute",
    breaks(scene, account) {
      entryOn(scene, account, "suid")();
      scene.m.chmod(`${account.jail}.sbin/jk_chrootsh`, 0o750);
    },
    verdict: "refused",
    check: "account login-shell",
    log: /jk_chrootsh: Permission denied/,
  },
  {
    name: "the limited shell without a section for the user",
    breaks: ({ m }, { jail }) =>
      m.write(`${jail}/etc/jailkit/jk_lsh.ini`, "[root]\nexecutables = /usr/bin/id\n"),
    ...limited("policy", /jk_lsh: did neither find a section/),
  },
  {
    name: "the limited shell without a policy",
    breaks: ({ m }, { jail }) => m.remove(`${jail}/etc/jailkit/jk_lsh.ini`),
    ...limited("policy", /jk_lsh: configfile \S+ is not available/),
  },
  {
    name: "a policy that is root's alone",
    breaks(scene, account) {
      allow(scene, account);
      scene.m.chmod(`${account.jail}/etc/jailkit/jk_lsh.ini`, 0o600);
    },
    ...limited("policy", /jk_lsh: JK-\w+: abort, .*jk_lsh\.ini.*Permission denied/),
  },
  {
    name: "a policy whose ACL keeps the user out",
    breaks(scene, account) {
      allow(scene, account);
      scene.m.must(["setfacl", "-m", `u:${account.user}:---`, `${account.jail}/etc/jailkit/jk_lsh.ini`]);
    },
    ...limited("policy", /jk_lsh: JK-\w+: abort, .*jk_lsh\.ini.*Permission denied/),
  },
  {
    name: "a policy that others can write",
    breaks(scene, account) {
      allow(scene, account);
      scene.m.chmod(`${account.jail}/etc/jailkit/jk_lsh.ini`, 0o666);
    },
    ...limited(
      "policy",
      /jk_lsh: JK-\w+: abort, .*; remedy: install .* && mv -iT (\/srv\/\w+\/etc\/jailkit\/jk_lsh\.ini)\.new \1 \|\| ! rm -f \1\.new$/m,
    ),
  },
  {
    name: "a policy that cannot be understood",
    breaks: (scene, account) => allow(scene, account, "umask = nine\n"),
    ...limited("policy", /jk_lsh: JK-\w+: abort, .*umask/),
  },
  {
    name: "a policy that allows nothing",
    breaks: ({ m }, { jail, user }) =>
      m.write(`${jail}/etc/jailkit/jk_lsh.ini`, `[${user}]\npaths = /usr/bin\n`),
    ...limited("executables", /jk_lsh: .*id/),
  },
  {
    name: "a command that is not allowed",
    breaks: (scene, account) => allow(scene, account),
    ...limited("command", /jk_lsh: WARNING: user \S+ .*cat/),
    command: "cat /etc/passwd",
  },
  ...(
    [
      ["of the user's own", "id", "[USER]\npaths = /usr/bin\nexecutables = /usr/bin/scp\numask = 022\n"],
      ["of the group", "id", "[group users]\npaths = /usr/bin\nexecutables = /usr/bin/scp\n"],
      ["of members", "id", "[member users]\npaths = /usr/bin\nexecutables = /usr/bin/scp\n"],
      ["that has no paths", "/usr/bin/id", "[USER]\nexecutables = /usr/bin/scp\n"],
      ["that has no executables", "id", "[USER]\npaths = /opt/bin\n"],
    ] as const
  ).flatMap(([what, command, text]) =>
    ["jk_lsh.ini", "jk_lsh.d/10-users.ini"].map(
      (file): Case => ({
        name: `a section ${what} in ${file}, which does not allow the command`,
        breaks({ m }, { jail, user }) {
          const directory = `${jail}/etc/jailkit`;
          m.mkdir(`${directory}/jk_lsh.d`);
          m.write(`${directory}/jk_lsh.ini`, "[root]\nexecutables = /usr/bin/id\n");
          m.write(`${directory}/${file}`, text.replaceAll("USER", user));
        },
        ...limited(what.endsWith("executables") ? "executables" : "command", /jk_lsh: WARNING: user/),
        command,
        mends: true,
      }),
    ),
  ),
  {
    name: "a command that is allowed, and not there",
    breaks(scene, account) {
      allow(scene, account);
      scene.m.remove(`${account.jail}/usr/bin/id`);
    },
    ...limited("command", /jk_lsh: WARNING: user/),
  },
  {
    name: "a command that the user may not execute",
    breaks(scene, account) {
      allow(scene, account);
      scene.m.must(["chmod", "0700", `${account.jail}/usr/bin/id`]);
    },
    ...limited("command", /jk_lsh: WARNING: running \/usr\/bin\/id failed.*Permission denied/),
  },
  {
    name: "a command in a jail that is mounted noexec",
    breaks(scene, account) {
      allow(scene, account);
      return remount(scene, account.jail, "noexec");
    },
    ...limited("command", /jk_lsh: WARNING: running \/usr\/bin\/id failed.*Permission denied/),
  },
  {
    name: "a command without its libraries",
    breaks(scene, account) {
      allow(scene, account);
      scene.m.must(["find", account.jail, "-name", "libselinux*", "-delete"]);
    },
    ...limited("libraries", /libselinux\S* cannot open shared object file/),
  },
  {
    name: "a program of somebody else's by the name of the limited shell",
    shell: SHELL,
    command: "id",
    breaks: (scene, account) => {
      allow(scene, account);
      scene.m.mkdir(`${account.jail}/usr/sbin`);
      scene.m.must(["cp", `${account.jail}/bin/sh`, `${account.jail}${SHELL}`]);
    },
    verdict: "unknown",
    check: "jk_lsh own-shell",
    why: "the jail's own program of that name decides, and nobody has read it",
  },
];
