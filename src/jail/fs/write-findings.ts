import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import type { Stat } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { octal } from "../../cli/octal.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { type AclReading, removalCommand, showEntries, writersOf } from "../../system/acl.ts";
import { closeCommand, toleratesGroup } from "../../system/exchange.ts";
import type { Finding, SafetyRule } from "./finding.ts";
import type { Ancestor } from "./walk.ts";

// Who else than root may write, of one file or directory.

export function finding(path: ByteString, rule: SafetyRule, what: string, command: Remedy): Finding {
  return {
    path,
    rule,
    message: `${display(path)} ${what}`,
    advice: `${command} ${shellWord(path)}` as Remedy,
  };
}

export function ownerFinding(path: ByteString, stat: Stat): Finding[] {
  return stat.uid === 0
    ? []
    : [finding(path, "owner", `belongs to uid ${stat.uid}, not to root`, "chown -h root")];
}

export function groupWriteFinding(path: ByteString, stat: Stat): Finding {
  const what = `is writable by its group (gid ${stat.gid}, mode ${octal(stat.mode)})`;
  return finding(path, "group-writable", what, closeCommand(stat.mode));
}

export function otherWriteFinding(path: ByteString, stat: Stat): Finding {
  const what = `is writable by everyone (mode ${octal(stat.mode)})`;
  return finding(path, "other-writable", what, closeCommand(stat.mode));
}

/**
 * If group 0 may write: other users and groups that the ACL lets write; the group bits show only its mask. With an unknown
 * ACL, the write permission of the group is not tolerated.
 */
export function aclFindings(path: ByteString, stat: Stat, acl: AclReading): Finding[] {
  if (acl === "unknown") return [groupWriteFinding(path, stat)];
  const writers = writersOf(acl);
  if (writers.length === 0) return [];
  return [finding(path, "acl-writable", throughAcl(writers), removalCommand(writers))];
}

export const throughAcl = (writers: ReturnType<typeof writersOf>) =>
  `is writable by users other than root through its ACL (${showEntries(writers)})`;

/** The rule for the jail itself and its strict directories: only root may write. */
export function strictFindings(path: ByteString, stat: Stat): Finding[] {
  const findings = ownerFinding(path, stat);
  if (stat.mode & 0o020) findings.push(groupWriteFinding(path, stat));
  if (stat.mode & 0o002) findings.push(otherWriteFinding(path, stat));
  return findings;
}

/** The rule for directories above the jail: only root may be able to exchange the jail. */
export function parentFindings({ path, stat, acl }: Ancestor): Finding[] {
  const findings = ownerFinding(path, stat);
  if (stat.mode & 0o020 && stat.gid !== 0) findings.push(groupWriteFinding(path, stat));
  if (toleratesGroup(stat)) findings.push(...aclFindings(path, stat, acl));
  if (stat.mode & 0o002 && !(stat.mode & C.S_ISVTX)) findings.push(otherWriteFinding(path, stat));
  return findings;
}
