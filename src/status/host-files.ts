import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { quoted } from "../cli/display.ts";
import { octal } from "../cli/octal.ts";
import { shellWord } from "../cli/shell-word.ts";
import { isShadowLost, SHADOW_LOST, type Shadows } from "../users/no-shadow.ts";
import type { AccountFault } from "./account-fault.ts";

// A login reads them with the rights of its user: passwd(5), group(5).
const READ_BY_ALL = ["/etc/passwd", "/etc/group"];
const SHADOW = "/etc/shadow";

/** What is wrong with the account files of the machine, for all who live in jails. */
export function hostFileFaults(shadows: Shadows): AccountFault[] {
  const faults = READ_BY_ALL.flatMap((file): AccountFault[] => {
    const kind = "account-file";
    const stat = attempt(() => statIfPresent(AT_FDCWD, file, true));
    if (stat === undefined) {
      const message = `${quoted(file)} is missing: no login works; put it back, as from ${file}-`;
      return [{ kind, subject: file, message, remedy: undefined }];
    }
    if ((stat.mode & 0o004) !== 0) return [];
    const message = `users cannot read ${quoted(file)} (mode ${octal(stat.mode & 0o7777)}): no login works`;
    return [{ kind, subject: file, message, remedy: `chmod a+r ${shellWord(file)}` }];
  });
  const lost = isShadowLost(shadows);
  return lost
    ? [...faults, { kind: "account-file", subject: SHADOW, message: SHADOW_LOST, remedy: undefined }]
    : faults;
}
