import type { ByteString } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { OptionTable } from "../cli/options.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { hostPath, type JailRoot } from "../jail/fs/walk.ts";
import { SERVICES, type Service } from "../programs/services.ts";
import type { GroupEntry } from "../system/accounts.ts";
import { requireGroups } from "./groups.ts";
import { type KeyLine, type KeyMerge, mergeKeys } from "./key-lines.ts";
import { describeKeys, KEYS_FILE, type KeyPlace, planKeys, readPublicKeys, writeKeys } from "./keys.ts";
import { describePolicy, planPolicy, requireServices, writePolicy } from "./policy.ts";

/** Options of jk_addjailuser and jk_jailuser: what an account gets besides its place in the jail. */
export const ACCESS_OPTIONS = {
  groups: {
    short: "G",
    value: "GROUPS",
    repeat: true,
    description: "more groups, with commas; the account stays in those that it has",
  },
  authorizedKey: {
    value: "FILE",
    repeat: true,
    description: "let the public keys in FILE log in; with - they come from standard input",
  },
  policy: {
    value: "SERVICES",
    // Its own check tells which services there are.
    mayBeEmpty: true,
    repeat: true,
    description: `what the limited shell lets the account use, with commas: ${SERVICES.map(({ name }) => name).join(", ")}`,
  },
} as const satisfies OptionTable;

/** What was asked for with these options, looked up. */
export interface Access {
  joins: readonly GroupEntry[];
  keys: readonly KeyLine[];
  services: readonly Service[];
  lacking: FindLacking;
}

/** What the program at a path below a root directory does not start without, and how to bring that in; undefined for nothing. */
export type FindLacking = (
  root: ByteString,
  program: ByteString,
) => { message: ByteString; copy: readonly ByteString[] } | undefined;

/** Nothing of it. */
export const NO_ACCESS: Access = { joins: [], keys: [], services: [], lacking: () => undefined };

/** Looks up what these options name; standard input is read for `-`. Throws JailkitError. */
export function readAccess(
  options: Record<keyof typeof ACCESS_OPTIONS, readonly ByteString[]>,
  lacking: FindLacking,
): Access {
  const { groups, policy, authorizedKey } = options;
  return {
    lacking,
    joins: groups.length === 0 ? [] : requireGroups(groups.join(",")),
    services: policy.length === 0 ? [] : requireServices(policy.join(",")),
    // Standard input gives its keys once.
    keys: [...new Set(authorizedKey)].flatMap(readPublicKeys),
  };
}

/** Whose access it is: a jail, an account's home in it, and the shell that it has there. */
export interface AccessPlace {
  root: JailRoot;
  name: ByteString;
  home: ByteString;
  shell: ByteString;
}

/** True for the shell that goes by jk_lsh.ini. */
export const isLimitedShell = (shell: ByteString): boolean => shell.endsWith("/jk_lsh");

/** What keys and services come to: a printable line each, and whether anything changes. */
export interface AccessPlan {
  lines: string[];
  changes: boolean;
  /** What the administrator should know when it is done; printable lines. */
  warnings: string[];
}

/**
 * What keys and services come to; nothing is written. `now` is where the home is as yet, undefined where it is still to be
 * made. Throws JailkitError where something speaks against them: services for a shell that does not go by jk_lsh.ini,
 * and what planKeys and planPolicy refuse.
 */
export function planAccess(
  { root, name, home, shell }: AccessPlace,
  { keys, services, lacking }: Access,
  now: KeyPlace | undefined,
): AccessPlan {
  if (services.length > 0 && !isLimitedShell(shell)) {
    const message = `--policy is for the limited shell jk_lsh, and the shell in the jail is ${quoted(shell)}: leave one of the two out`;
    throw new JailkitError("bad-shell", 1, message);
  }
  const lines: string[] = [];
  const warnings: string[] = [];
  let changes = false;
  if (keys.length > 0) {
    const merge = now === undefined ? mergeKeys("", keys) : planKeys(now, keys);
    const file = hostPath(root, `${home}/${KEYS_FILE}`);
    lines.push(...describeKeys(merge, file, true));
    warnings.push(...keysKept(merge, file));
    changes ||= merge.text !== undefined;
  }
  if (services.length > 0) {
    const policy = planPolicy(root, name, services);
    for (const program of policy.executables) requireStart(root, program, lacking);
    lines.push(describePolicy(policy, true));
    changes ||= !policy.present;
  }
  return { lines, changes, warnings };
}

function keysKept({ otherOptions }: Pick<KeyMerge, "otherOptions">, file: ByteString): string[] {
  if (otherOptions === 0) return [];
  return [
    `${quoted(file)} has one of the keys with other options: that line stays as it is; change it there`,
  ];
}

/** Throws where a program that is in the jail does not start there, with what to type. */
function requireStart(root: JailRoot, program: ByteString, lacking: FindLacking): void {
  const lack = lacking(root.path, program);
  if (lack === undefined) return;
  const bring = `jk_cp -j ${shellWord(root.path)} ${operands(...lack.copy)}`;
  const message = `--policy: in the jail ${quoted(root.path)} ${display(lack.message)}; this brings it: ${bring}`;
  throw new JailkitError("program-missing", 1, message);
}

/**
 * Writes the keys into the home in the jail, and the services into its jk_lsh.ini. Tells `done` what was done and `warn`
 * what the administrator should know. Throws as planAccess does.
 */
export function writeAccess(
  { root, user, home }: KeyPlace,
  { keys, services }: Access,
  done: (line: string) => void,
  warn: (line: string) => void,
): void {
  if (keys.length > 0) {
    const file = hostPath(root, `${home}/${KEYS_FILE}`);
    const merge = writeKeys({ root, home, user }, keys);
    for (const line of describeKeys(merge, file, false)) done(line);
    for (const line of keysKept(merge, file)) warn(line);
  }
  if (services.length > 0) done(describePolicy(writePolicy(root, user.name, services), false));
}
