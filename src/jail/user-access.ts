import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { OptionTable } from "../cli/options.ts";
import { SERVICES, type Service } from "../programs/services.ts";
import type { GroupEntry, PasswdEntry } from "../system/accounts.ts";
import type { KeyLine } from "./key-lines.ts";
import { requireGroups } from "./user-groups.ts";
import { describeKeys, KEYS_FILE, planKeys, readPublicKeys, writeKeys } from "./user-keys.ts";
import { describePolicy, planPolicy, requireServices, writePolicy } from "./user-policy.ts";
import { hostPath, type JailRoot } from "./walk.ts";

/** Options of jk_addjailuser and jk_jailuser: what an account gets besides its place in the jail. */
export const ACCESS_OPTIONS = {
  groups: {
    short: "G",
    value: "GROUPS",
    description: "more groups, with commas; the account stays in those that it has",
  },
  authorizedKey: {
    value: "FILE",
    description: "let the public keys in FILE log in; with - they come from standard input",
  },
  policy: {
    value: "SERVICES",
    description: `what the limited shell lets the account use, with commas: ${SERVICES.map(({ name }) => name).join(", ")}`,
  },
} as const satisfies OptionTable;

/** What was asked for with these options, looked up. */
export interface Access {
  joins: readonly GroupEntry[];
  keys: readonly KeyLine[];
  services: readonly Service[];
}

/** Nothing of it. */
export const NO_ACCESS: Access = { joins: [], keys: [], services: [] };

/** Looks up what these options name; standard input is read for `-`. Throws JailkitError. */
export function readAccess(
  options: Partial<Record<keyof typeof ACCESS_OPTIONS, ByteString | undefined>>,
): Access {
  return {
    joins: requireGroups(options.groups),
    services: requireServices(options.policy),
    keys: options.authorizedKey === undefined ? [] : readPublicKeys(options.authorizedKey),
  };
}

/** Whose access it is: a jail, the home in it, and the shell that the account has there. */
export interface AccessPlace {
  root: JailRoot;
  user: Pick<PasswdEntry, "name" | "uid" | "gid">;
  home: ByteString;
  shell: ByteString;
}

/** True for the shell that goes by jk_lsh.ini. */
export const isLimitedShell = (shell: ByteString): boolean => shell.endsWith("/jk_lsh");

/** Throws JailkitError where services are asked for and the shell in the jail does not go by jk_lsh.ini. */
export function requireLimitedShell(shell: ByteString, { services }: Access): void {
  if (services.length === 0 || isLimitedShell(shell)) return;
  const message = `--policy is for the limited shell jk_lsh, and the shell in the jail is ${quoted(shell)}: leave one of the two out`;
  throw new JailkitError("bad-shell", 1, message);
}

/**
 * What keys and services come to, a printable line each; nothing is written. `now` is where the home is as yet. Throws
 * JailkitError where something speaks against them.
 */
export function planAccess(
  { root, user, home, shell }: AccessPlace,
  access: Access,
  now: { root: JailRoot; home: ByteString },
): { lines: string[]; changes: boolean } {
  requireLimitedShell(shell, access);
  const { keys, services } = access;
  const merge = keys.length === 0 ? undefined : planKeys({ ...now, user }, keys);
  const policy = services.length === 0 ? undefined : planPolicy(root, user.name, services);
  const lines = [
    ...(merge === undefined ? [] : describeKeys(merge, hostPath(root, `${home}/${KEYS_FILE}`), true)),
    ...(policy === undefined ? [] : [describePolicy(policy, true)]),
  ];
  return { lines, changes: merge?.text !== undefined || policy?.present === false };
}

/**
 * Writes the keys into the home in the jail, and the services into its jk_lsh.ini. Tells `done` what was done and `warn`
 * what the administrator should know. Throws as planAccess does.
 */
export function writeAccess(
  { root, user, home }: AccessPlace,
  { keys, services }: Access,
  done: (line: string) => void,
  warn: (line: string) => void,
): void {
  if (keys.length > 0) {
    const file = hostPath(root, `${home}/${KEYS_FILE}`);
    const merge = writeKeys({ root, home, user }, keys);
    for (const line of describeKeys(merge, file, false)) done(line);
    if (merge.otherOptions > 0) {
      warn(
        `${quoted(file)} has a key of those with other options: that line stays as it is; change it there`,
      );
    }
  }
  if (services.length > 0) done(describePolicy(writePolicy(root, user.name, services), false));
}
