import type { ByteString } from "../../ffi/bytes.ts";

/** The kinds of findings, the worst first. */
export const FINDING_KINDS = {
  unsafe: "users other than root can change what they must not in a jail",
  outside:
    "processes of a user with a jail have the root directory of the host, so that they are not confined, and a way out for those in the jail",
  connections:
    "a run that was killed after it had begun to change an account has not ended the connections to sshd of before, which would begin a session with the home, the shell and the groups of then",
  stray: "processes run in a jail for a user who is not in it any more",
  shell: "a user with a jail has another shell than jk_chrootsh, so that a login is outside the jail",
  "old-shell":
    "a jail has a jk_lsh of its own, that of jailkit 2 or another program, which does not confine its users as declared",
  moved: "the directory of a jail is at the path of another one, so that nothing is done in the two",
  login: "jk_chrootsh lacks its privilege, so that nobody can log in",
  "account-file":
    "an account file of the machine is missing, has lost its lines, cannot be read by users, or is read by no name service, so that no login works",
  "root-group": "the primary group of a user is that of root, whose rights it has",
  config: "a configuration file has an error, or cannot be read",
  directory:
    "a name service does not answer, so that its users cannot log in, or does not have a declared user of a directory",
  record: "the record of a jail cannot be used",
  declared: "what was declared once cannot be read, so that jailkit apply does nothing",
  unreadable: "a jail cannot be looked at",
  unmounted: "a directory of the host, or the file system of a jail, is not mounted",
  left: "the next boot would mount directories of the host in a jail that was deleted or emptied",
  "no-login":
    "users cannot pass a directory on the way into a jail, or read a file that logins need, its file system is mounted noexec or nodev, or it has lost its null device or what programs need to start, so that no login works",
  "not-in-jail": "a user, or its group, is missing from the passwd or group of the jail, and cannot log in",
  "no-group": "the primary group of a user is not a group of the host, so that no login works",
  "no-shadow":
    "a user is not in shadow(5), though passwd(5) says so, so that PAM lets nobody in, or nobody without a key",
  changed:
    "the line of a user in the passwd of the jail has another uid, group or home than the account, so that no login works",
  "no-rules":
    "the rules of the limited shell in a jail cannot be used, or have no section for users, who cannot log in",
  "no-shell": "a jail does not have the shell of users, who cannot log in",
  "two-homes":
    "a symbolic link on the way to homes leads sshd, which reads keys there, to other homes than the jail",
  home: "jk_chrootsh refuses the home of a user, who cannot log in, because of its owner, group or mode",
  closed:
    "a declared user has a login shell that lets nobody in, such as nologin, and the next jailkit apply would give it jk_chrootsh",
  boot: "the next boot would not show in a live jail what it shows of the host now, so that no login works then",
  incomplete: "a run that fills or updates a jail was stopped",
  missing: "a jail does not exist",
  unrecorded:
    "a jail has programs, but no record of its contents, so that jk_update --all does not update them",
  emptied: "somebody removed the contents of a jail in which users live",
  "interrupted-move":
    "a run that was killed while it moved a home has left the home closed to others, elsewhere, or copied and not removed, or a part of the copy; or one that ended while it removed a home, the rest of that",
  "former-homes":
    "a jail has homes of its users also at a path where it was before it was moved: it was made anew, perhaps, without what they had",
  "log-socket": "a log socket is not served",
  "no-jail": "the home of an account that should be in a jail names none, so that it cannot log in",
} as const;

export type FindingKind = keyof typeof FINDING_KINDS;

/** Something that an administrator should look at. */
export interface StatusFinding {
  readonly kind: FindingKind;
  /** A jail, a file, a program or an account. */
  readonly subject: ByteString;
  /** One printable line. */
  readonly message: ByteString;
  /** What else may be done, and when; printable. */
  readonly otherwise?: ByteString | undefined;
  /** Printable commands. The first fixes it, or shows the ways to do so; each of the others shows more, and is shorter. */
  readonly commands: readonly [ByteString, ...ByteString[]];
}
