import type { ByteString } from "../../ffi/bytes.ts";
import { shellWord } from "../cli/shell-word.ts";
import type { CheckOutcome } from "../enter/checks.ts";
import { groupIdsOf, groupNamesOf, type PasswdEntry } from "../system/accounts.ts";
import { hostNames, hostText } from "../system/host-files.ts";
import { flattened, type PamRule } from "../system/pam/rules.ts";
import { serviceRules } from "../system/pam/service.ts";
import { processesOf } from "../system/processes.ts";
import type { ReportStep } from "./report.ts";
import {
  hardLimits,
  isCount,
  type LimitItem,
  lowSoftLimits,
  neededFor,
  privilegeLimit,
  rootLimit,
  sessionLimits,
  tooLow,
} from "./runtime-limits.ts";

const LIMIT_FILE = "/etc/security/limits.conf";
const LIMIT_DIRECTORY = "/etc/security/limits.d";

/** The files of pam_limits(8) in the order in which it reads them; with `conf=` in its rule only that one. */
function limitFiles(rules: readonly PamRule[]): { file: ByteString; text: ByteString }[] {
  const own = rules.flatMap(({ arguments: words }) => words.filter((word) => word.startsWith("conf=")));
  const names = hostNames(LIMIT_DIRECTORY).filter((name) => name.endsWith(".conf"));
  const files =
    own.length > 0
      ? own.map((word) => word.slice("conf=".length))
      : [LIMIT_FILE, ...names.map((name) => `${LIMIT_DIRECTORY}/${name}`)];
  return files.flatMap((file) => {
    const text = hostText(file);
    return text === undefined ? [] : [{ file, text }];
  });
}

/** A limit in words. */
function shown(item: LimitItem, value: number): string {
  if (item === "cpu") return `${value} minutes`;
  if (isCount(item)) return `${value}`;
  return value >= 1 << 20 ? `${Math.floor(value / 2 ** 20)} MiB` : `${Math.floor(value / 1024)} KiB`;
}

/**
 * Whether the hard limits that pam_limits(8) sets in sessions of a service (undefined: of none that PAM opens) leave the
 * runtime of the programs what it needs. Those of this session need no look: below them this program does not start.
 */
export function limitSteps(account: PasswdEntry, service: ByteString | undefined): ReportStep[] {
  const step = (name: string, outcome: CheckOutcome, message: ByteString, remedy = ""): ReportStep => ({
    stage: "limits",
    name,
    outcome,
    message,
    remedy,
  });
  const rules = service === undefined ? [] : limitRules(service);
  if (rules.length === 0)
    return [step("pam-limits", "passed", "no session of this kind is limited by pam_limits")];
  const gids = groupIdsOf(account.name, account.gid);
  const user = { name: account.name, uid: account.uid, groups: groupNamesOf(account), gids };
  const files = limitFiles(rules);
  const steps = tooLow(hardLimits(files, user), service).map(({ item, value, file, line }): ReportStep => {
    const need = neededFor(item, service);
    const least = isCount(item) ? `${need}` : `${need / 1024} (KiB)`;
    const what = item === "nproc" ? "a login by ssh needs" : "the programs need";
    const message = `${file}:${line} limits '${item}' to ${shown(item, value)}, and ${what} ${shown(item, need)}`;
    return step(
      item,
      "failed",
      message,
      `raise the hard limit '${item}' of ${account.name} to ${least} or more`,
    );
  });
  for (const { item, value, file, line, needed, certain } of lowSoftLimits(files, user, service)) {
    if (steps.some(({ name }) => name === item)) continue;
    const least = isCount(item) ? `${needed}` : `${needed / 1024} (KiB)`;
    const message = `${file}:${line} limits '${item}' to ${shown(item, value)} at first, and a login needs ${certain ? "" : "up to "}${shown(item, needed)} before the programs can raise it`;
    const remedy = `raise the soft limit '${item}' of ${account.name} to ${least} or more`;
    steps.push(step(item, certain ? "failed" : "unknown", message, remedy));
  }
  const privileges = privilegeLimit(files, user);
  if (privileges !== undefined) {
    const { file, line } = privileges;
    const message = `${file}:${line} sets nonewprivs: jk_chrootsh gets no privilege, and enters no jail`;
    steps.push(step("nonewprivs", "failed", message, `sed -i '${line}s/^/#/' ${shellWord(file)}`));
  }
  const root = rootLimit(files, user);
  if (root !== undefined) {
    const { file, line, value } = root;
    const message = `${file}:${line} sets another root directory, ${value}, where pam_limits knows 'chroot' (Debian's does): login shell and home are then looked for in there`;
    steps.push(step("chroot", "unknown", message, `sed -i '${line}s/^/#/' ${shellWord(file)}`));
  }
  steps.push(...sessionLimits(files, user).flatMap((limit) => countSteps(limit, account, step)));
  if (steps.length > 0) return steps;
  const message = `${LIMIT_FILE} and ${LIMIT_DIRECTORY} set no limit below what the programs need`;
  return [step("pam-limits", "passed", message)];
}

/** How many logins at a time there may be: how many there are now is known only where there is none. */
function countSteps(
  { item, value, file, line }: ReturnType<typeof sessionLimits>[number],
  { name, uid }: PasswdEntry,
  step: (name: string, outcome: CheckOutcome, message: ByteString, remedy?: ByteString) => ReportStep,
): ReportStep[] {
  const remedy = `raise ${item} of ${name} in ${file}`;
  if (value === 0) return [step(item, "failed", `${file}:${line} lets ${name} have no login`, remedy)];
  // How many logins of all users there are is not looked at: it is another question at each moment.
  if (item === "maxsyslogins" || processesOf(uid).length === 0) return [];
  const message = `${file}:${line} lets ${value} logins be open at a time, and there are processes of the user`;
  return [step(item, "unknown", message, remedy)];
}

function limitRules(service: ByteString): PamRule[] {
  return flattened(serviceRules("session", service)).filter(({ module }) => module === "pam_limits.so");
}
