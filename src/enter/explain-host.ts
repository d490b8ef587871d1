import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { close, openAt, readDirectory, readFileIfPresent } from "../../ffi/files.ts";
import { groupIdsOf, groupNamesOf, type PasswdEntry } from "../system/accounts.ts";
import { loginWarnings } from "../system/sshd.ts";
import { hardLimits, type LimitItem, NEEDED, tooLow } from "./limits.ts";
import type { ReportStep } from "./report.ts";

const LIMIT_FILE = "/etc/security/limits.conf";
const LIMIT_DIRECTORY = "/etc/security/limits.d";
const LARGEST_FILE = 1 << 20;

/** The files of pam_limits(8) in the order in which it reads them. */
function limitFiles(): { file: ByteString; text: ByteString }[] {
  const files = [LIMIT_FILE];
  try {
    const fd = openAt(AT_FDCWD, LIMIT_DIRECTORY, O_RDONLY | O_DIRECTORY);
    try {
      const names = readDirectory(fd).map(({ name }) => name);
      // Code units are bytes, so this is the order of the C locale.
      const wanted = names.filter((name) => name.endsWith(".conf")).sort((a, b) => (a < b ? -1 : 1));
      files.push(...wanted.map((name) => `${LIMIT_DIRECTORY}/${name}`));
    } finally {
      close(fd);
    }
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
  return files.flatMap((file) => {
    const bytes = readFileIfPresent(file, LARGEST_FILE);
    return bytes === undefined ? [] : [{ file, text: fromBytes(bytes) }];
  });
}

/** A limit in words. */
function shown(item: LimitItem, value: number): string {
  if (item === "nofile") return `${value}`;
  return value >= 1 << 20 ? `${Math.floor(value / 2 ** 20)} MiB` : `${Math.floor(value / 1024)} KiB`;
}

/**
 * Whether the hard limits that pam_limits(8) sets leave the runtime of the programs what it needs. Those of this session
 * need no look: below them this program does not start either.
 */
export function limitSteps(account: PasswdEntry): ReportStep[] {
  const gids = groupIdsOf(account.name, account.gid);
  const user = { name: account.name, uid: account.uid, groups: groupNamesOf(account), gids };
  const steps = tooLow(hardLimits(limitFiles(), user)).map(({ item, value, file, line }): ReportStep => {
    const least = item === "nofile" ? `${NEEDED[item]}` : `${NEEDED[item] / 1024} (KiB)`;
    const message = `${file}:${line} limits '${item}' to ${shown(item, value)}, and the programs need ${shown(item, NEEDED[item])}`;
    const remedy = `raise the hard limit '${item}' of ${account.name} to ${least} or more`;
    return { stage: "limits", name: item, outcome: "failed", message, remedy };
  });
  if (steps.length > 0) return steps;
  const message = `${LIMIT_FILE} and ${LIMIT_DIRECTORY} set no hard limit below what the programs need`;
  return [{ stage: "limits", name: "pam-limits", outcome: "passed", message, remedy: "" }];
}

/** What sshd would do for the user before and instead of the login shell. Only root can ask it. */
export function sshdSteps(
  account: PasswdEntry,
  isRoot: boolean,
): { steps: ReportStep[]; forced?: ByteString } {
  const step = (
    name: string,
    outcome: ReportStep["outcome"],
    message: ByteString,
    remedy = "",
  ): ReportStep => ({
    stage: "sshd",
    name,
    outcome,
    message,
    remedy,
  });
  if (!isRoot) return { steps: [step("settings", "unknown", "only root can ask sshd for its settings")] };
  const answer = loginWarnings({ ...account, groups: groupNamesOf(account) });
  if ("unavailable" in answer) return { steps: [step("settings", "unknown", answer.unavailable)] };
  const steps = answer.warnings.map(({ code, message, remedy }) => step(code, "warned", message, remedy));
  const value = (keyword: string) => answer.settings.get(keyword)?.[0] ?? "";
  const set = (keyword: string) => !["", "none"].includes(value(keyword));
  if (set("chrootdirectory")) {
    const message = `sshd itself changes the root to ${value("chrootdirectory")} before it starts the login shell`;
    steps.push(step("chroot-directory", "warned", message, "let one of the two make the jail, not both"));
  }
  const shown = ["forcecommand", "permittty", "allowtcpforwarding", "acceptenv"].filter(set);
  const sftp = (answer.settings.get("subsystem") ?? []).find((entry) => entry.startsWith("sftp "));
  const settings = [...shown.map((keyword) => `${keyword} ${value(keyword)}`)];
  if (sftp !== undefined) settings.push(`subsystem ${sftp}`);
  steps.unshift(step("settings", "passed", settings.join(", ")));
  return set("forcecommand") ? { steps, forced: value("forcecommand") } : { steps };
}
