import type { RefusalCode } from "../../src/limited-shell/refusal.ts";
import type { Machine } from "../machine/machine.ts";
import { GUEST, JAIL, LIMITED_USER, SHELL_USER } from "./remedies-scene.ts";

/** A way in which a login breaks. */
export interface LoginCase {
  tool: "jk_chrootsh" | "jk_lsh" | "jk_uchroot" | "jk_procmailwrapper";
  /** The check, or the step of `jailkit explain`, that reports it. */
  check: string;
  what: string;
  plant: (m: Machine) => void;
  /** Inserts what nothing on the machine can know. */
  fill?: (remedy: string) => string;
  /** False where it is a warning. */
  refused?: boolean;
  shellIsTheFault?: boolean;
  /** Done once the remedy has healed, so that the jail is where it was for the next case. */
  back?: (m: Machine) => void;
  /** The remedy is read from the log of a login with this environment, for `jailkit explain` does not get there. */
  fromLog?: Record<string, string>;
  /** Of jk_lsh: which of its refusals it is. */
  refusal?: RefusalCode;
  /** What `jailkit explain` is asked, if not the usual. */
  words?: string[];
}

const sh =
  (script: string) =>
  (m: Machine): void => {
    m.must(["sh", "-ec", `cd ${JAIL}\n${script}`]);
  };
const HOME = `${JAIL}/home/${SHELL_USER}`;
const inJail = (remedy: string) => remedy.replace("JAIL", JAIL);
const passwd = (script: string) => `sed -i '${script}' etc/passwd`;
/** Another home, on both sides. */
const livesAt = (home: string) =>
  `usermod -d ${JAIL}/./${home} ${SHELL_USER}; jk_jailuser --jail-side-only -j ${JAIL} ${SHELL_USER}`;
const CHROOTSH = "/usr/sbin/jk_chrootsh";
const UCHROOT = "/usr/bin/jk_uchroot";
const MAIL = "/usr/sbin/jk_procmailwrapper";
const SFTP = "/usr/lib/openssh/sftp-server";
const ALLOW_SFTP = `jk_cp -j . ${SFTP}; sed -i 's#^executables.*#&, ${SFTP}#' etc/jailkit/jk_lsh.ini`;

function moveBack(m: Machine): void {
  m.must(["mv", "/srv/jails/two", JAIL]);
  m.must(["jailkit", "adopt", "--moved", "/srv/jails/two", JAIL]);
}

/** The mount stays, as the remedy leaves it: it is that of one file. */
const mountedNosuid = (program: string) =>
  `mount --bind ${program} ${program}; mount -o remount,bind,nosuid ${program}`;

/** Ways to break what is checked by all three programs that enter a jail. */
function common(tool: LoginCase["tool"], program: string, user: string): LoginCase[] {
  const one = (check: string, what: string, script: string): LoginCase => ({
    tool,
    check,
    what,
    plant: sh(script),
  });
  return [
    one("privilege", "the capability is gone", `setcap -r ${program}`),
    one("privilege", "not executable", `chmod 0644 ${program}`),
    { ...one("privilege", "others can write it", `chmod 0777 ${program}`), refused: false },
    { ...one("privilege", "it is a user's", `chown 5001 ${program}; chmod u+s ${program}`) },
    one("privilege", "its directory is mounted nosuid", mountedNosuid(program)),
    one("group", "the primary group is gone from the host", `sed -i '/^${user}:/d' /etc/group`),
    one("jail-reachable", "a directory above is closed", "chmod 0750 /srv/jails"),
    one("jail-reachable", "the jail is closed", `chmod 0700 ${JAIL}`),
    { ...one("jail-reachable", "the jail was moved", `cd /; mv ${JAIL} /srv/jails/two`), back: moveBack },
    one("jail-safety", "a group can write the jail", `chmod g+w ${JAIL}`),
    one("jail-safety", "everybody can write a directory above", "chmod 0777 /srv/jails"),
    one("jail-safety", "etc is a user's", "chown 5001 etc"),
    one("jail-safety", "usr can be written", "chmod 0777 usr"),
    one("jail-user", "no line in the jail", passwd(`/^${user}:/d`)),
    one("jail-user", "another uid in the jail", passwd(`s/^\\(${user}:x\\):[0-9]*:/\\1:5999:/`)),
    one("jail-group", "no group in the jail", `sed -i '/^${user}:/d' etc/group`),
    one("jail-group-name", "another name of the group in the jail", `sed -i 's/^${user}:/other:/' etc/group`),
  ];
}

const chrootsh = (check: string, what: string, script: string, more: Partial<LoginCase> = {}): LoginCase => ({
  tool: "jk_chrootsh",
  check,
  what,
  plant: sh(script),
  ...more,
});
const uchroot = (check: string, what: string, script: string, more: Partial<LoginCase> = {}): LoginCase => ({
  ...chrootsh(check, what, script, more),
  tool: "jk_uchroot",
});
const mail = (check: string, what: string, script: string, more: Partial<LoginCase> = {}): LoginCase => ({
  ...chrootsh(check, what, script, more),
  tool: "jk_procmailwrapper",
});
const lsh = (check: string, what: string, script: string, more: Partial<LoginCase> = {}): LoginCase => ({
  ...chrootsh(check, what, script, more),
  tool: "jk_lsh",
});

const NOEXEC = `mount --bind ${JAIL} ${JAIL}; mount -o remount,bind,noexec ${JAIL}`;
const unmount: LoginCase["back"] = (m) => void m.must(["umount", JAIL]);

/** All ways, one at a time. */
export const CASES: readonly LoginCase[] = [
  ...common("jk_chrootsh", CHROOTSH, SHELL_USER),
  ...common("jk_uchroot", UCHROOT, GUEST),
  ...common("jk_procmailwrapper", MAIL, SHELL_USER),
  chrootsh("login-shell", "a directory above is closed", "chmod 0700 /usr/sbin"),
  chrootsh("shell", "a directory above is closed", "chmod 0700 usr/bin"),
  chrootsh("shell", "mounted noexec", NOEXEC, { back: unmount }),
  chrootsh("config-directory", "everybody can write it", "chmod 0777 /etc/jailkit"),
  chrootsh("config-directory", "a user's", "chown 5001 /etc/jailkit"),
  chrootsh("config-directory", "another group's", "chgrp games /etc/jailkit"),
  chrootsh(
    "config-directory",
    "a link",
    "cd /; mv /etc/jailkit /etc/elsewhere; ln -s elsewhere /etc/jailkit",
  ),
  chrootsh("config-file", "unreadable", "chmod 0600 /etc/jailkit/jk_chrootsh.ini"),
  chrootsh("config-file", "a user's", "chown 5001 /etc/jailkit/jk_chrootsh.ini"),
  chrootsh("config-file", "everybody can write it", "chmod 0666 /etc/jailkit/jk_chrootsh.ini"),
  chrootsh(
    "config-file",
    "a value that cannot be read",
    `printf '[${SHELL_USER}]\nskip_injail_passwd_check = maybe\n' > /etc/jailkit/jk_chrootsh.ini`,
  ),
  chrootsh("config-file", "a header without an end", `echo '[${SHELL_USER}' > /etc/jailkit/jk_chrootsh.ini`),
  chrootsh(
    "home-set",
    "the home is empty",
    `sed -i 's#^\\(${SHELL_USER}:.*\\):[^:]*:\\([^:]*\\)$#\\1::\\2#' /etc/passwd`,
    {
      fill: inJail,
    },
  ),
  chrootsh("separator", "the separator is gone", `usermod -d ${HOME} ${SHELL_USER}`, { fill: inJail }),
  chrootsh("jail-path", "a slash too many", `usermod -d /srv//jails/one/./home/${SHELL_USER} ${SHELL_USER}`),
  chrootsh(
    "jail-path",
    "a link",
    `ln -sfn /srv/jails /srv/link; usermod -d /srv/link/one/./home/${SHELL_USER} ${SHELL_USER}`,
  ),
  chrootsh("home-present", "no home", `rm -r ${HOME}`),
  chrootsh("home-present", "a link to nothing in its place", `mv ${HOME} ${HOME}.was; ln -s none ${HOME}`),
  chrootsh("home-owner", "another user's", `chown 5002 ${HOME}`),
  chrootsh("home-owner", "the jail's etc is the home", livesAt("etc")),
  chrootsh("home-owner", "what all homes are in is the home", livesAt("home")),
  chrootsh("home-owner", "the home of another account", livesAt(`home/${LIMITED_USER}`)),
  chrootsh("home-present", "a link of the jail's own is the home", livesAt("bin")),
  chrootsh("home-present", "no home, and no place for one", livesAt("usr/none")),
  chrootsh("home-group", "another group's", `chgrp 5002 ${HOME}`),
  chrootsh("home-group-write", "its group can write it", `chmod 0770 ${HOME}`),
  chrootsh("home-other-write", "everybody can write it", `chmod 0707 ${HOME}`),
  chrootsh("home-group-write", "its group and everybody can write it", `chmod 0777 ${HOME}`),
  chrootsh("home-other-write", "its group and everybody can write it", `chmod 0777 ${HOME}`),
  chrootsh("home-present", "it is setgid", `chmod 2700 ${HOME}`, { refused: false }),
  chrootsh("jail-user-name", "renamed in the jail", passwd(`s/^${SHELL_USER}:/other:/`), { fromLog: {} }),
  chrootsh("jail-home", "another home in the jail", passwd(`/^${SHELL_USER}:/s#:/home/[^:]*:#:/elsewhere:#`)),
  chrootsh(
    "home-entry",
    "a file in its place",
    `rm -rf ${HOME}.old; mv ${HOME} ${HOME}.f; touch ${HOME}; chown 5001:5001 ${HOME}`,
  ),
  chrootsh("home-entry", "closed to its owner", `chmod 0600 ${HOME}`),
  chrootsh("home-present", "the directory above is closed", "chmod 0700 home"),
  chrootsh("shell", "it is gone from the jail", "rm bin/bash"),
  chrootsh("shell", "its group can write it", "chmod g+w bin/bash"),
  chrootsh("shell", "setuid", "chmod u+s bin/bash"),
  chrootsh("shell", "nobody may execute it", "chmod 0644 bin/bash"),
  chrootsh("shell", "a directory in its place", "rm bin/bash; mkdir bin/bash"),
  uchroot("config-directory", "everybody can write it", "chmod 0777 /etc/jailkit"),
  uchroot("config-file", "unreadable", "chmod 0600 /etc/jailkit/jk_uchroot.ini"),
  uchroot("config-file", "no such file", "rm /etc/jailkit/jk_uchroot.ini"),
  uchroot("config-file", "no section", "echo > /etc/jailkit/jk_uchroot.ini"),
  uchroot(
    "config-file",
    "[DEFAULT] has log_format alone",
    "printf '[DEFAULT]\\nlog_format = json\\n' > /etc/jailkit/jk_uchroot.ini",
  ),
  uchroot("config-file", "no key allowed_jails", `echo '[${GUEST}]' > /etc/jailkit/jk_uchroot.ini`),
  uchroot(
    "jail-allowed",
    "another jail alone",
    `sed -i 's#^allowed_jails.*#allowed_jails = /srv/jails#' /etc/jailkit/jk_uchroot.ini`,
  ),
  uchroot(
    "jail-path",
    "a link in the settings",
    `ln -sfn /srv/jails /srv/link; sed -i 's#/srv/jails#/srv/link#g' /etc/jailkit/jk_uchroot.ini`,
    { words: ["-j", "/srv/link/one", GUEST, "--", "/bin/bash"] },
  ),
  uchroot("jail-user-name", "renamed in the jail", passwd(`s/^${GUEST}:/other:/`), { fromLog: {} }),
  uchroot("program", "it is gone from the jail", "rm bin/bash", { refused: false }),
  uchroot("supplementary-groups", "a group that the jail lacks", "sed -i '/^games:/d' etc/group", {
    refused: false,
  }),
  mail("home-present", "no home", `rm -r ${HOME}`),
  mail("home-owner", "another user's", `chown 5002 ${HOME}`),
  mail("jail-user-name", "renamed in the jail", passwd(`s/^${SHELL_USER}:/other:/`)),
  mail("jail-home", "another home in the jail", passwd(`/^${SHELL_USER}:/s#:/home/[^:]*:#:/elsewhere:#`)),
  mail("home-entry", "closed to its owner", `chmod 0600 ${HOME}`),
  mail("procmail", "it is gone from the jail", "rm usr/bin/procmail"),
  mail("procmail", "its group can write it", "chmod g+w usr/bin/procmail"),
  lsh("policy", "a header without an end", `sed -i 's/]//' etc/jailkit/jk_lsh.ini`, {
    refusal: "config-invalid",
  }),
  lsh(
    "not-jailed",
    "jk_lsh as the login shell of an account with a jail",
    `usermod -s /usr/sbin/jk_lsh ${LIMITED_USER}`,
    {
      refused: false,
      shellIsTheFault: true,
    },
  ),
  lsh("policy", "no file", `rm etc/jailkit/jk_lsh.ini`, { refusal: "config-missing" }),
  lsh("policy", "no section", `echo > etc/jailkit/jk_lsh.ini`, { refusal: "no-section" }),
  lsh("command", "a directory above is closed", "chmod 0700 usr/bin"),
  uchroot("program", "a directory above is closed", "chmod 0700 usr/bin"),
  mail("procmail", "a directory above is closed", "chmod 0700 usr/bin"),
  lsh("command", "mounted noexec", NOEXEC, { back: unmount }),
  lsh("policy", "unreadable", `chmod 0600 etc/jailkit/jk_lsh.ini`),
  lsh("policy", "closed by an ACL", `setfacl -m u:${LIMITED_USER}:--- etc/jailkit/jk_lsh.ini`),
  lsh("executables", "no programs", `echo '[${LIMITED_USER}]' > etc/jailkit/jk_lsh.ini`, {
    refusal: "no-executables",
  }),
  lsh("command", "no pattern for it", `printf 'command x = id x\\n' >> etc/jailkit/jk_lsh.ini`, {
    refusal: "no-pattern",
    back: sh("sed -i '/^command /d' etc/jailkit/jk_lsh.ini"),
  }),
  lsh(
    "command",
    "another program alone",
    `sed -i 's#^executables.*#executables = /usr/bin/true#' etc/jailkit/jk_lsh.ini`,
    { refusal: "not-allowed" },
  ),
  lsh("command", "a server by its name, in a directory that paths has not", `jk_cp -j . ${SFTP}`, {
    refused: false,
    words: [LIMITED_USER, "--", "sftp-server"],
    back: sh(`sed -i "s#, ${SFTP}##; s#, /usr/lib/openssh##" etc/jailkit/jk_lsh.ini`),
  }),
  lsh("command", "a server by its name, which is allowed by its path alone", ALLOW_SFTP, {
    refused: false,
    words: [LIMITED_USER, "--", "sftp-server"],
    back: sh(`sed -i "s#, ${SFTP}##; s#, /usr/lib/openssh##" etc/jailkit/jk_lsh.ini`),
  }),
  lsh("command", "gone from the jail", "rm usr/bin/id", { refusal: "not-allowed" }),
  lsh(
    "command",
    "gone from the jail, and not allowed",
    `rm usr/bin/id; sed -i 's#^executables.*#executables = /usr/bin/true#' etc/jailkit/jk_lsh.ini`,
    { refusal: "not-allowed" },
  ),
  lsh("command", "nobody may execute it", "chmod 0644 usr/bin/id"),
];

/** Checks that no command fixes, and why. */
export const NO_COMMAND: readonly { tool: string; check: string; reason: string }[] = [
  ...(["jk_chrootsh", "jk_uchroot", "jk_procmailwrapper"] as const).flatMap((tool) => [
    { tool, check: "program-name", reason: "the caller started it under another name" },
    { tool, check: "account", reason: "the caller's USER, or a uid whose account is gone with its name" },
    { tool, check: "groups", reason: "getgroups(2) does not fail" },
  ]),
  { tool: "jk_chrootsh", check: "primary-group", reason: "the session was started with another group" },
  {
    tool: "jk_procmailwrapper",
    check: "primary-group",
    reason: "the session was started with another group",
  },
  {
    tool: "jk_procmailwrapper",
    check: "separator",
    reason: "a home without it is delivered to outside of a jail",
  },
  { tool: "jk_procmailwrapper", check: "jail-path", reason: "the same check as that of jk_chrootsh" },
  { tool: "jk_uchroot", check: "not-root", reason: "root is to start it as somebody else" },
  { tool: "jk_procmailwrapper", check: "not-root", reason: "the mail server is to deliver as the recipient" },
  { tool: "jk_chrootsh", check: "not-root", reason: "root has a jailed login shell" },
];

/** Refusals of jk_lsh that no command of the administrator fixes, and why. */
export const NO_LSH_COMMAND: Readonly<Partial<Record<RefusalCode, string>>> = {
  "unknown-user": "in a jail jk_chrootsh refuses before, and says what to type; outside, the account is gone",
  "unknown-group": "the same of the group",
  interactive: "it runs single commands by design",
  "relative-executable":
    "a program is found by its path, so this takes a file without one in the user's directory",
  "not-found":
    "a program that is not there is not found in paths either, and is refused as not-allowed before",
  "not-granted": "it is refused by design",
  "spawn-option": "it is refused by design",
  "empty-command": "the user typed nothing",
};
