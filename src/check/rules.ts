import type { ByteString } from "../../ffi/bytes.ts";
import type { Stat } from "../../ffi/files.ts";
import { type ErrorPlace, problemFrom } from "../cli/error.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import { type Advice, type Remedy, told } from "../cli/remedy.ts";

/** "error": wrong, or not as it was installed. "warning": a danger that may be intended. */
export const LEVELS = ["error", "warning"] as const;
type Level = (typeof LEVELS)[number];

/** The subjects of rules; findings are shown in this order. */
export const SUBJECTS = ["host", "jail", "files", "accounts", "run"] as const;
type Subject = (typeof SUBJECTS)[number];

interface RuleFacts {
  readonly level: Level;
  readonly subject: Subject;
  /** One sentence without a full stop. */
  readonly summary: string;
}

const error = (subject: Subject, summary: string): RuleFacts => ({ level: "error", subject, summary });
const warning = (subject: Subject, summary: string): RuleFacts => ({ level: "warning", subject, summary });

/** Every kind of finding, by its stable name. */
export const RULES = {
  "config-directory": error("host", "users other than root can change the configuration directory"),
  "config-file": warning("host", "users other than root can change a configuration file"),
  "user-not-in-jail": error("host", "a jailed user is missing from the jail's passwd"),
  "wrong-shell": error("host", "a user with a jail has a shell other than jk_chrootsh"),
  "bad-separator": error("host", "a home has the separator /./ but no jail before it"),
  "left-mount": error(
    "host",
    "/etc/fstab would show directories of the host in a jail that was deleted, emptied or created anew",
  ),
  "interrupted-move": error(
    "host",
    "a run that was killed while it moved a home has left the home closed to others, elsewhere, or copied and not removed, or a part of the copy; or one that ended while it removed a home, the rest of that",
  ),
  "registry-unsafe": error("jail", "the record of the jail cannot be used"),
  "above-jail": error("jail", "users other than root can change a directory above the jail"),
  emptied: warning("jail", "somebody removed the contents of the jail, but its record is left"),
  incomplete: warning("jail", "not all that was requested is in the jail, because a run was stopped"),
  "unsafe-jail": error("jail", "the jail is not safe, and logins are refused"),
  "closed-directory": error(
    "jail",
    "users cannot pass the jail, a directory above it, or one that a login needs",
  ),
  "inner-jail": warning("jail", "another jail is in the jail, which --fix does not change"),
  "host-directory": error("jail", "a directory of the host is visible in the jail"),
  "host-mount": warning("jail", "a system directory of the host is mounted in the jail, and was not checked"),
  "live-mount": error(
    "jail",
    "a directory of the host is not mounted in the jail as it should be, or a link into it is missing",
  ),
  "dangerous-mount": error("jail", "a file system of the kernel is mounted in the jail"),
  "proc-writable": warning("jail", "proc is mounted writable in the jail"),
  "kernel-files": error("jail", "/proc or /sys of the jail contains files, but is not mounted"),
  "user-mount": warning(
    "files",
    "a program of a user serves a file system in the jail, which was not checked",
  ),
  "too-deep": warning("files", "directories are nested too deep to be checked"),
  "writable-for-others": warning("files", "everybody can write a directory"),
  "writable-for-group": warning("files", "a group can write a directory"),
  "file-writable-for-others": warning("files", "everybody can write a file"),
  "file-writable-for-group": warning("files", "a group can write a file"),
  "setuid-for-others": warning("files", "everybody can execute a setuid or setgid file"),
  "setuid-for-group": warning("files", "a group can execute a setuid or setgid file"),
  "setuid-for-user": warning("files", "the owner can execute a setuid or setgid file"),
  "setuid-dormant": warning("files", "a file is setuid or setgid, but nobody can execute it"),
  "file-capability": error("files", "a program has file capabilities"),
  "acl-entry": warning("files", "an ACL grants more than the permission bits show"),
  "acl-inherited": warning("files", "a directory has a default ACL that names somebody"),
  "foreign-owner": error("files", "a file in a system directory does not belong to root"),
  "unknown-owner": warning("files", "a file belongs to a uid without an account"),
  "device-unexpected": error("files", "there is a device that nothing asked for"),
  "device-differs": error("files", "a device is not the one that its name or the record promises"),
  socket: warning("files", "there is a socket that nothing asked for"),
  fifo: warning("files", "there is a FIFO in a system directory"),
  "link-outside": warning("files", "a symbolic link leads out of the jail when it is followed from the host"),
  "hard-link": warning("files", "a file has a name outside the jail that nothing asked for"),
  "different-size": error("files", "the size of a file differs from the host's"),
  "different-content": error("files", "the contents of a file differ from the host's"),
  "different-link": error("files", "the target of a symbolic link differs from the host's"),
  "different-type": error("files", "the type of a file differs from the record or the host's"),
  "no-counterpart": error("files", "a file in a system directory is not on the host"),
  outdated: warning("files", "the host's file has changed since it was put into the jail"),
  "source-gone": warning("files", "the host's file that was put into the jail is missing"),
  "changed-file": error(
    "files",
    "a file has changed since it was put into the jail, and the host's is missing",
  ),
  missing: error("files", "a file that was put into the jail is missing"),
  "others-file": warning("files", "a user has a file in the place of one of the host that was asked for"),
  unrecorded: error("files", "a file in a system directory is not in the record"),
  leftover: warning("files", "an interrupted tool of jailkit left a temporary file"),
  "changed-mode": error("files", "the mode of a file differs from the record"),
  "changed-owner": error("files", "the owner of a file differs from the record"),
  "dangerous-program": warning("files", "a program helps to leave a jail or to gain rights"),
  "own-shell": error("files", "the limited shell of jailkit 2, or a copy of jailkit, runs in the jail"),
  preload: error("files", "the dynamic linker loads a library into every program"),
  shadow: error("files", "a file with password hashes is in the jail"),
  "library-directory": error(
    "files",
    "users other than root can write a directory that is searched for libraries",
  ),
  "missing-library": error("files", "a library that a program needs is missing in the jail"),
  "missing-interpreter": error("files", "the interpreter of a program is missing in the jail"),
  "bad-program": error("files", "a program cannot be started"),
  "unreadable-accounts": error(
    "accounts",
    "users cannot read the jail's passwd or group, or the rules of the limited shell",
  ),
  "account-line": warning("accounts", "a line of the jail's passwd or group is not an entry"),
  "user-changed": error("accounts", "a user has a different uid or gid in the jail"),
  "home-differs": error("accounts", "the homes on the host and in the jail do not match"),
  "user-unknown": error("accounts", "a user of the jail does not exist on the host"),
  "extra-root": error("accounts", "a second account has uid 0"),
  "duplicate-user": error("accounts", "a name or uid occurs twice in the jail's passwd"),
  "group-changed": error("accounts", "a group has a different gid in the jail"),
  "group-not-in-jail": error(
    "accounts",
    "the primary group of a jailed user is missing on the host or in the jail, or has another name there",
  ),
  "group-unknown": warning("accounts", "a group of the jail does not exist on the host"),
  "password-hash": error("accounts", "the jail's passwd or group contains a password hash"),
  "home-missing": error("accounts", "the home of a jailed user is missing, or is not a directory"),
  "home-exchangeable": warning(
    "accounts",
    "another user owns a directory above the home of a jailed user, and can exchange the home",
  ),
  "home-owner": warning("accounts", "the home of a jailed user belongs to another user"),
  "home-group": warning(
    "accounts",
    "the home of a jailed user has another group than the user, so that jk_chrootsh refuses the login",
  ),
  "home-closed": warning("accounts", "a jailed user cannot enter the home, so that the login is refused"),
  "shell-missing": error(
    "accounts",
    "the shell of a jailed user is not in the jail, or the user cannot execute it",
  ),
  "not-confined": warning(
    "accounts",
    "the kernel could confine the sessions of jailed users, and the configuration does not ask for it",
  ),
  "smoke-test": error("run", "a test of a section failed in the jail"),
  "too-many": warning("files", "there are more findings of one rule than are shown"),
} as const satisfies Readonly<Record<string, RuleFacts>>;

/** The name of a rule. */
export type Rule = keyof typeof RULES;

/** The level and the subject of a finding; if it makes the jail unsafe, those of "unsafe-jail". */
export function factsOf({ rule, reason }: Pick<CheckFinding, "rule" | "reason">): RuleFacts {
  return RULES[reason === undefined ? rule : "unsafe-jail"];
}

/** A repair of --fix. */
export type Repair =
  /** `clear`: bits to remove from the mode. */
  | Readonly<{ kind: "attributes"; clear?: number; mode?: number; uid?: number; gid?: number }>
  /** From the source that the manifest names, with its mode and owner. */
  | { readonly kind: "restore" }
  /** A new file with the same contents, without other names and extended attributes. `clear`: bits that its mode does not get. */
  | { readonly kind: "own-copy"; readonly clear?: number }
  | { readonly kind: "remove" }
  /** What was being made, by the name that only jailkit gives. */
  | { readonly kind: "leftover" }
  | { readonly kind: "password"; readonly user: ByteString };

export interface CheckFinding {
  readonly rule: Rule;
  /** On the host. */
  readonly path: ByteString;
  /** One printable line, with the path. */
  readonly message: string;
  /** For the administrator; printable. */
  readonly remedy?: Remedy | undefined;
  /** What else may be done, and when, if only the administrator can know what is meant; printable. */
  readonly otherwise?: string;
  /** The reason why it makes the jail unsafe, if its rule does not say so: one printable line; see withReasons. */
  readonly reason?: string;
  /** The rule by which jailkit 2 reports the same about the same path. */
  readonly reportedAs?: readonly Rule[];
  readonly repair?: Repair;
  /** Of what others can write: the command, without the path, for all of whom there is a finding. */
  readonly closing?: `chmod ${string}`;
  /** The path of the file to repair, as the jail sees it. */
  readonly jailPath?: ByteString;
  /** True if it is fixed before others of its subject. */
  readonly first?: boolean;
  /** Directories on the host that cause it: if all of them are reported, this finding is not. */
  readonly causes?: readonly ByteString[];
  /** The file that was seen: `repair` changes no other. Undefined: of any directory. */
  readonly seen?: Stat;
}

/** A finding with what to do: words are in its message. */
export function advised(finding: CheckFinding, advice: Advice): CheckFinding {
  const { message, remedy } = told(finding.message, advice);
  return { ...finding, message, remedy: remedy || undefined };
}

/** A check that failed. */
export interface CheckProblem {
  /** A stable name, such as "unreadable". */
  readonly code: ProblemCode;
  readonly path: ByteString;
  /** One printable line. */
  readonly message: string;
  /** The command in it, if one command is the remedy. */
  readonly remedy?: Remedy | undefined;
  /** The line of a configuration file with the error. */
  readonly place?: ErrorPlace | undefined;
}

/** The problem of a path that cannot be read. `what` begins the message. */
export function unreadable(path: ByteString, error: unknown, what = ""): CheckProblem {
  return { ...problemFrom(error, "unreadable", path, what), code: "unreadable" };
}

const OPEN: readonly Rule[] = ["file-writable-for-others", "file-writable-for-group", "acl-entry"];

/**
 * True if it is about a file of the jail's own configuration that others may have changed: no comparison would show that, so that
 * root has to read it.
 */
export const mayBeForged = ({ rule, jailPath = "/" }: Pick<CheckFinding, "rule" | "jailPath">): boolean =>
  OPEN.includes(rule) && /^\/etc\/(?:jailkit\/.*|passwd|group)$/.test(jailPath);
