import type { ByteString } from "../../../ffi/bytes.ts";

// What a client may tell an rsync server, as rrsync of rsync 3.5 has it. "value": has a value that names no file. "write",
// "basis": the value is a directory that the server writes, or reads; a relative one is in the destination. "list", "log":
// the value is a file of names to read, or a log to append to; a relative one is in the working directory. "remove": removes
// files. "follow": leads out of a limited tree by its symbolic links, and is refused there.

/** The long options of each kind, without dashes. `sender` is missing: only the second word may be that. */
export const RSYNC_LONG = {
  flag: [
    "append delay-updates dirs existing fake-super force from0 fsync fuzzy group hard-links",
    "ignore-errors ignore-existing ignore-missing-args ignore-times inplace links list-only mkpath",
    "msgs2stderr munge-links new-compress no-W no-implied-dirs no-msgs2stderr no-r no-relative",
    "no-specials numeric-ids old-compress one-file-system open-noatime owner partial perms",
    "preallocate recursive safe-links server size-only specials stats super times use-qsort",
  ].join(" "),
  // With --only-write-batch a server writes no batch, and the client always sends `X`.
  value: [
    "block-size bwlimit checksum-choice checksum-seed compress-choice compress-level compress-threads",
    "groupmap iconv info log-format max-alloc max-delete max-size min-size modify-window",
    "only-write-batch skip-compress stderr suffix timeout usermap",
  ].join(" "),
  write: "backup-dir partial-dir temp-dir",
  basis: "compare-dest copy-dest link-dest",
  list: "files-from",
  log: "log-file",
  remove: [
    "delete delete-after delete-before delete-delay delete-during delete-excluded delete-missing-args",
    "remove-sent-files remove-source-files",
  ].join(" "),
  follow: "copy-unsafe-links",
} as const satisfies Readonly<Record<string, string>>;

/** The kind of a long option that a client may send. */
export type RsyncOption = keyof typeof RSYNC_LONG;

/**
 * The other long options of rsync 3.5, for the comparison with the installed one: a client does not send them, or they start
 * programs, open devices, or hide arguments. An option that is nowhere is refused as well.
 */
export const RSYNC_REFUSED = [
  "8-bit-output acls address append-verify archive atimes backup blocking-io checksum chmod chown",
  "compress config confine-root contimeout copy-as dry-run copy-devices copy-dirlinks copy-links",
  "crtimes cvs-exclude daemon debug del devices dparam drop-D early-input exclude exclude-from",
  "executability filter help human-readable i-r ignore-non-existing inc-recursive include",
  "include-from insecure-links ipv4 ipv6 itemize-changes keep-dirlinks log-file-format no-OPTION",
  "no-detach no-i-r no-inc-recursive no-motd no-munge-links no-whole-file old-args old-d old-dirs",
  "omit-dir-times omit-link-times out-format outbuf password-file port progress protect-args",
  "protocol prune-empty-dirs quiet read-batch relative remote-option rsh rsync-path secluded-args",
  "sockopts sparse stop-after stop-at trust-sender update verbose version whole-file write-batch",
  "write-devices xattrs",
].join(" ");

const KINDS: readonly RsyncOption[] = ["flag", "value", "write", "basis", "list", "log", "remove", "follow"];

/** The kind of a long option, by its name without dashes; undefined if it is refused. */
export function rsyncOption(name: ByteString): RsyncOption | undefined {
  for (const kind of KINDS) if (RSYNC_LONG[kind].split(" ").includes(name)) return kind;
  return undefined;
}

/** Short options without a value; -K, -L and -k are of the kind "follow". Without -s, which hides the arguments. */
export const RSYNC_SHORT = "ACDEHIJKLNORSUWXbcdgklmnopqrtuvxyz";
export const RSYNC_SHORT_FOLLOW = "KLk";
/** Short options with a number, in a word of their own. */
export const RSYNC_SHORT_NUMBER = "@B";
