import type { ByteString } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { OptionTable } from "../cli/options.ts";
import type { Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { isLimitedShell } from "../jail/accounts/jailed-users.ts";
import { hostPath, type JailRoot } from "../jail/fs/walk.ts";
import { SERVICES, type Service } from "../known-programs/services.ts";
import type { Group } from "../system/accounts.ts";
import type { AccountRun } from "./account-run.ts";
import { requireGroups } from "./groups.ts";
import type { KeyLine } from "./key-lines.ts";
import { describeKeys, type KeyMerge } from "./key-text.ts";
import { KEYS_FILE, type KeyPlace, writeKeys } from "./keys.ts";
import { describePolicy, planPolicy, requireServices, writePolicy } from "./policy.ts";
import { readPublicKeys } from "./read-keys.ts";

/** Options of jk_addjailuser and jk_jailuser for groups, keys and services. */
export const ACCESS_OPTIONS = {
  groups: {
    short: "G",
    value: "GROUPS",
    repeat: true,
    description: "more groups, by name or gid, separated by commas; the account keeps those that it has",
  },
  authorizedKey: {
    value: "FILE",
    repeat: true,
    description: "let the public keys in FILE log in; with - they come from standard input",
  },
  policy: {
    value: "SERVICES",
    // requireServices lists the services.
    mayBeEmpty: true,
    repeat: true,
    description: `services that the limited shell allows the account, separated by commas: ${SERVICES.map(({ name }) => name).join(", ")}`,
  },
} as const satisfies OptionTable;

/** The groups, keys and services that these options name. */
export interface Access {
  joins: readonly Group[];
  keys: readonly KeyLine[];
  services: readonly Service[];
  lacking: FindLacking;
  /** Groups of the jail with another gid become as on the host; else they are an error. */
  correctsGroups?: boolean;
}

/** The reasons why a program of a jail cannot start there, with the operands of jk_cp that fix them; none if it can. */
type FindLacking = (
  root: ByteString,
  program: ByteString,
) => readonly { message: ByteString; copy: readonly ByteString[] }[];

/** No groups, keys or services. */
export const NO_ACCESS: Access = { joins: [], keys: [], services: [], lacking: () => [] };

/** Looks up the groups and services of the options, and reads the keys; `-` is standard input. Throws JailkitError. */
export function readAccess(
  options: Record<keyof typeof ACCESS_OPTIONS, readonly ByteString[]>,
  lacking: FindLacking,
): Access {
  const { groups, policy, authorizedKey } = options;
  return {
    lacking,
    joins: groups.length === 0 ? [] : requireGroups(groups.join(",")),
    services: policy.length === 0 ? [] : requireServices(policy.join(",")),
    // Standard input can be read only once.
    keys: [...new Set(authorizedKey)].flatMap(readPublicKeys),
  };
}

/** The plan for adding keys and services. */
export interface AccessPlan {
  /** Printable. */
  lines: string[];
  changes: boolean;
  /** For the administrator, afterwards; printable lines. */
  warnings: string[];
}

/**
 * Plans the keys and services of an account, with its home and shell in the jail; nothing is written. `merged` plans the
 * keys. Throws JailkitError for services with a shell that does not obey jk_lsh.ini, and as planKeys and planPolicy do.
 */
export function planAccess(
  { root, name, home, shell }: { root: JailRoot; name: ByteString; home: ByteString; shell: ByteString },
  { keys, services, lacking }: Access,
  merged: (keys: readonly KeyLine[]) => KeyMerge,
): AccessPlan {
  if (services.length > 0 && !isLimitedShell(shell)) {
    const message = `--policy is for the limited shell jk_lsh, and the shell in the jail is ${quoted(shell)}: omit one of the two`;
    throw new JailkitError("bad-shell", 1, message);
  }
  const lines: string[] = [];
  const warnings: string[] = [];
  let changes = false;
  if (keys.length > 0) {
    const merge = merged(keys);
    const about = describeKeys(merge, hostPath(root, `${home}/${KEYS_FILE}`), true);
    lines.push(...about.lines);
    warnings.push(...about.warnings);
    changes = merge.text !== undefined;
  }
  if (services.length > 0) {
    const policy = planPolicy(root, name, services);
    for (const program of policy.executables) requireStart(root, program, lacking);
    lines.push(describePolicy(policy, true));
    changes ||= !policy.present;
  }
  return { lines, changes, warnings };
}

/** Throws if a program in the jail cannot start there, with the command that fixes it. */
function requireStart(root: JailRoot, program: ByteString, lacking: FindLacking): void {
  const [lack] = lacking(root.path, program);
  if (lack === undefined) return;
  const bring: Remedy = `jk_cp -j ${shellWord(root.path)} ${operands(...lack.copy)}`;
  const message = `--policy: in the jail ${quoted(root.path)} ${display(lack.message)}; add it with: ${bring}`;
  throw new JailkitError("program-missing", 1, message, undefined, bring);
}

/** Writes the keys into the home in the jail, and the services into its jk_lsh.ini. Throws as planAccess does. */
export function writeAccess(
  { root, user, home }: KeyPlace,
  { keys, services }: Access,
  run: Pick<AccountRun, "done" | "warn">,
): void {
  if (keys.length > 0) {
    const merge = writeKeys({ root, home, user }, keys);
    const about = describeKeys(merge, hostPath(root, `${home}/${KEYS_FILE}`), false);
    for (const line of about.lines) run.done(line);
    for (const line of about.warnings) run.warn(line);
  }
  if (services.length > 0) run.done(describePolicy(writePolicy(root, user.name, services), false));
}
