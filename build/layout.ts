import { basename } from "node:path";

/** Programs that any user may start and that may hold CAP_SYS_CHROOT, and their folders below the prefix. */
export const PRIVILEGED_FOLDERS: Readonly<Record<string, "bin" | "sbin">> = {
  jk_chrootsh: "sbin",
  jk_procmailwrapper: "sbin",
  jk_uchroot: "bin",
};

/** Names in sbin/ that are hard links to the shared executable, sbin/jailkit. */
export const LINKS = [
  "jk_addjailuser",
  "jk_check",
  "jk_chrootlaunch",
  "jk_cp",
  "jk_init",
  "jk_jailuser",
  "jk_list",
  "jk_lsh",
  "jk_socketd",
  "jk_update",
];

/**
 * An example for sshd, which the administrator copies. Debian's policy (12.6) and rpm put examples below /usr/share/doc;
 * a file in /etc would be a configuration file, which upgrades ask about.
 */
export const SSHD_EXAMPLE = "config/sshd-jailkit.conf.example";

/** Where it is installed, below the prefix. */
export const SSHD_EXAMPLE_PATH = `share/doc/jailkit/examples/${basename(SSHD_EXAMPLE, ".example")}`;

/** The directory in that of the configuration for files that declare jails: empty, and removed with the package if it still is. */
export const DECLARATIONS = "jails.d";
