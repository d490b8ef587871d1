import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { isMissing, statIfPresent } from "../../ffi/files.ts";
import { quoted } from "../cli/display.ts";
import { octal } from "../cli/octal.ts";
import { shellWord } from "../cli/shell-word.ts";
import { hostText } from "../system/host-files.ts";
import { parseNsswitch } from "../system/name-services.ts";
import { isShadowLost, SHADOW_LOST, type Shadows } from "../users/no-shadow.ts";
import type { AccountFault } from "./account-fault.ts";

// A login reads them with the rights of its user: passwd(5), group(5).
const READ_BY_ALL = ["/etc/passwd", "/etc/group"];
const SHADOW = "/etc/shadow";
/** Which services are asked for accounts. */
export const NSSWITCH = "/etc/nsswitch.conf";

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
  const all = [...faults, ...unaskedFiles()];
  const lost = isShadowLost(shadows);
  return lost
    ? [...all, { kind: "account-file", subject: SHADOW, message: SHADOW_LOST, remedy: undefined }]
    : all;
}

/** The lines of nsswitch.conf(5) by which no service reads an account file that is there. Without the file, or a line, that is read. */
function unaskedFiles(): AccountFault[] {
  const text = attempt(() => hostText(NSSWITCH)) ?? "";
  const services = parseNsswitch(text);
  const lines = text.split("\n");
  return ["passwd", "group", "shadow"].flatMap((database): AccountFault[] => {
    const asked = services.get(database) ?? ["files"];
    const file = `/etc/${database}`;
    if (asked.some((one) => one === "files" || one === "compat") || isMissing(file)) return [];
    const line =
      lines.findLastIndex((one) => new RegExp(`^[\\t-\\r ]*${database}[\\t-\\r ]*:`).test(one)) + 1;
    const subject = `${NSSWITCH}:${line}`;
    const message = `'${database}' has no service 'files', so that nobody reads ${file}, and no account in it can log in: write there, before the others: ${database}: files`;
    return [{ kind: "account-file", subject, message, remedy: undefined }];
  });
}
