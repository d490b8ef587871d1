import type { ByteString } from "../../ffi/bytes.ts";
import type { Stat } from "../../ffi/files.ts";
import type { ErrorPlace } from "../cli/error.ts";

/** "error": not as it must be, or not as it was put there. "warning": a danger that may be wanted. */
export const LEVELS = ["error", "warning"] as const;
type Level = (typeof LEVELS)[number];

/** What a rule is about; findings are shown in this order. */
export const SUBJECTS = ["host", "jail", "files", "accounts", "run"] as const;
type Subject = (typeof SUBJECTS)[number];

/** What jk_check looks for. */
export interface RuleFacts {
  readonly level: Level;
  readonly subject: Subject;
  /** One sentence without a full stop. */
  readonly summary: string;
}

const error = (subject: Subject, summary: string): RuleFacts => ({ level: "error", subject, summary });
const warning = (subject: Subject, summary: string): RuleFacts => ({ level: "warning", subject, summary });

/** Every kind of finding, by its stable name. */
export const RULES = {
  "config-directory": error("host", "the configuration directory is not root's alone"),
  "config-file": warning("host", "a configuration file can be changed by others than root"),
  "user-not-in-jail": error("host", "a jailed user is missing from the jail's passwd"),
  "wrong-shell": error("host", "a user with a jail has another shell than jk_chrootsh"),
  "bad-separator": error("host", "a home with the separator /./ names no jail"),
  "registry-unsafe": error("jail", "the record of the jail cannot be used"),
  "above-jail": error("jail", "a directory above the jail is not root's alone"),
  "unsafe-jail": error("jail", "the jail breaks the rule of safety, and logins are refused"),
  "closed-directory": error("jail", "users cannot pass the jail, or a directory above it"),
  "host-directory": error("jail", "a directory of the host is visible in the jail"),
  "dangerous-mount": error("jail", "a file system of the kernel is mounted in the jail"),
  "proc-writable": warning("jail", "proc is mounted in the jail so that it can be written"),
  "too-deep": warning("files", "directories are nested too deep to be looked at"),
  "writable-for-others": warning("files", "a directory can be written by everybody"),
  "writable-for-group": warning("files", "a directory can be written by its group"),
  "file-writable-for-others": warning("files", "a file can be written by everybody"),
  "file-writable-for-group": warning("files", "a file can be written by its group"),
  "setuid-for-others": warning("files", "everybody may execute a setuid or setgid file"),
  "setuid-for-group": warning("files", "its group may execute a setuid or setgid file"),
  "setuid-for-user": warning("files", "its owner may execute a setuid or setgid file"),
  "setuid-dormant": warning("files", "a file is setuid or setgid, though nobody may execute it"),
  "file-capability": error("files", "a program has file capabilities"),
  "acl-entry": warning("files", "an ACL lets somebody do more than the permission bits tell"),
  "acl-inherited": warning("files", "what is made in a directory gets an ACL that names somebody"),
  "foreign-owner": error("files", "something in a system directory does not belong to root"),
  "unknown-owner": warning("files", "something belongs to a uid that no account has"),
  "device-unexpected": error("files", "a device that nothing asked for"),
  "device-differs": error("files", "a device is not the one that its name promises"),
  socket: warning("files", "a socket that nothing asked for"),
  fifo: warning("files", "a FIFO in a system directory"),
  "link-outside": warning("files", "a symbolic link leads out of the jail for who follows it from the host"),
  "hard-link": warning("files", "a file has a name outside the jail that nothing asked for"),
  "different-size": error("files", "a file has another size than the host's"),
  "different-content": error("files", "a file has other content than the host's"),
  "different-link": error("files", "a symbolic link says something else than the host's"),
  "different-type": error(
    "files",
    "what is a file, link or directory on the host is something else in the jail",
  ),
  "no-counterpart": error("files", "a file in a system directory is not on the host"),
  outdated: warning("files", "the host's file changed since it was put into the jail"),
  "source-gone": warning("files", "the host's file that was put into the jail is gone"),
  "changed-file": error("files", "a file is not what was put into the jail, and the host's is gone"),
  missing: error("files", "what was put into the jail is gone"),
  unrecorded: error("files", "something in a system directory that nothing put there"),
  leftover: warning("files", "a tool of jailkit's that was cut short has left something half-made"),
  "changed-mode": error("files", "permissions are not those that were given"),
  "changed-owner": error("files", "the owner is not the one that was given"),
  "dangerous-program": warning("files", "a program that helps to leave a jail or to gain rights"),
  "own-shell": error("files", "the limited shell of jailkit 2, or a copy of jailkit, runs in the jail"),
  preload: error("files", "the dynamic linker loads something into every program"),
  shadow: error("files", "a file with password hashes is in the jail"),
  "library-directory": error("files", "libraries are looked for where others than root can put them"),
  "missing-library": error("files", "a library that a program needs is not in the jail"),
  "missing-interpreter": error("files", "the interpreter of a program is not in the jail"),
  "bad-program": error("files", "a program that makes no sense"),
  "account-line": warning("accounts", "a line of the jail's passwd or group is no entry"),
  "user-changed": error("accounts", "a user has another uid or gid in the jail"),
  "home-differs": error("accounts", "the homes on the host and in the jail do not belong together"),
  "user-unknown": error("accounts", "a user of the jail does not exist on the host"),
  "extra-root": error("accounts", "a second account with uid 0"),
  "duplicate-user": error("accounts", "a name or uid stands twice in the jail's passwd"),
  "group-changed": error("accounts", "a group has another gid in the jail"),
  "group-unknown": warning("accounts", "a group of the jail does not exist on the host"),
  "password-hash": error("accounts", "the jail's passwd or group holds a password hash"),
  "home-missing": error("accounts", "the home of a jailed user is missing"),
  "home-owner": warning("accounts", "the home of a jailed user belongs to somebody else"),
  "shell-missing": error("accounts", "the shell of a jailed user is not in the jail"),
  "smoke-test": error("run", "something that the jail is for does not work in it"),
  "too-many": warning("files", "there is more of one kind than is shown"),
} as const satisfies Readonly<Record<string, RuleFacts>>;

/** The name of a rule. */
export type Rule = keyof typeof RULES;

/** How grave a finding is and what it is about: of one that makes the jail unsafe, that. */
export function factsOf({ rule, reason }: Pick<CheckFinding, "rule" | "reason">): RuleFacts {
  return RULES[reason === undefined ? rule : "unsafe-jail"];
}

/** What --fix would do, as data. Paths are as the jail sees them. */
export type Repair =
  /** `clear`: bits that go from the mode, whatever else is in it. */
  | {
      readonly kind: "attributes";
      readonly clear?: number;
      readonly mode?: number;
      readonly uid?: number;
      readonly gid?: number;
    }
  /** From the manifest's source, with what the manifest says of it. */
  | { readonly kind: "restore" }
  /** A fresh copy of itself: without other names and extended attributes. */
  | { readonly kind: "own-copy" }
  | { readonly kind: "remove" }
  | { readonly kind: "password"; readonly user: ByteString };

/** Something that is not as it should be. */
export interface CheckFinding {
  readonly rule: Rule;
  /** On the host. */
  readonly path: ByteString;
  /** One printable line; it names the thing. */
  readonly message: string;
  /** What the administrator can do about it, printable. */
  readonly remedy?: string;
  /** Why it is worse than its rule says: one printable line about the rule of safety, see withReasons. */
  readonly reason?: string;
  /** The rule by which jailkit 2 tells the same of the same path. */
  readonly toldAs?: Rule;
  readonly repair?: Repair;
  /** As the jail sees it; what `repair` is about. */
  readonly jailPath?: ByteString;
  /** The directories whose fault it is, on the host: where all of them are told, this is not. */
  readonly causes?: readonly ByteString[];
  /** What was looked at, where `repair` changes its attributes: nothing else gets them. Undefined: any directory. */
  readonly seen?: Stat;
}

/** Something that could not be looked at. */
export interface CheckProblem {
  /** A stable name, such as "unreadable". */
  readonly code: string;
  readonly path: ByteString;
  /** One printable line. */
  readonly message: string;
  /** The line of a configuration file that it is about. */
  readonly place?: ErrorPlace | undefined;
}
