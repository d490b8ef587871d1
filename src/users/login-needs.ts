import type { ByteString } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { oneOf, operands, shellWord } from "../cli/shell-word.ts";
import { isLimitedShell } from "../jail/accounts/jailed-users.ts";
import { hostPath, type JailRoot } from "../jail/fs/walk.ts";
import { isLocalUser } from "../system/account-tools.ts";
import { hostUser } from "../system/name-services.ts";
import type { Access } from "./access.ts";
import { type Advice, OPTIONS } from "./advice.ts";
import { ownSection, POLICY_FILE, policyFor, servicesIn } from "./policy.ts";
import type { MissingReport } from "./report-schema.ts";

/** An account that is or will be in a jail. */
export interface JailedAccount {
  root: JailRoot;
  /** The jail, if that has yet to be filled: then `root` is the machine, whose files come there. */
  jail?: ByteString | undefined;
  name: ByteString;
  /** The name of its primary group. */
  group: ByteString;
  /** The names of other groups that it has already. */
  groups?: readonly ByteString[];
  /** In the jail. */
  shell: ByteString;
  access: Access;
}

/** What is missing. `before`: what will do as well, and is no command. */
type Missing = MissingReport & { readonly before?: string };

type NewJailedAccount = JailedAccount & { hasPassword: boolean; hasKey: boolean };

// The usual purposes of accounts with the limited shell.
const USUAL = ["sftp", "scp", "rsync", "git"];

function again({ root, name }: JailedAccount, option: string) {
  // Of an account of a directory, jk_jailuser can change the jail's side alone. A new account has yet to be.
  const side = isLocalUser(name) || hostUser(name) === undefined ? "" : " --jail-side-only";
  return `jk_jailuser -n${side} -j ${shellWord(root.path)} ${option} ${operands(name)}`;
}

/** Reports that a new account has neither a password nor a key, and cannot log in. */
export function missingLogin(account: NewJailedAccount, advice: Advice): Missing[] {
  const { name, access, hasPassword, hasKey } = account;
  if (hasPassword || hasKey || access.keys.length > 0) return [];
  const message = `${quoted(name)} has no password and no key, and cannot log in`;
  const remedies = [`passwd ${operands(name)}`];
  if (advice.key !== undefined) return [{ code: "password-or-key", message, remedies, before: advice.key }];
  const key = again(account, "--authorized-key FILE");
  return [{ code: "password-or-key", message, remedies: [...remedies, key] }];
}

/**
 * Reports that an account with the limited shell has no section of jk_lsh.ini, so that it can run nothing. Throws
 * SystemError.
 */
export function missingPolicy(account: JailedAccount, advice: Advice = OPTIONS): MissingReport[] {
  const { root, jail, name, group, groups = [], shell, access } = account;
  if (access.services.length > 0 || !isLimitedShell(shell)) return [];
  const nothing = `${quoted(name)} can run nothing`;
  try {
    if (policyFor(root, name, group, [...groups, ...access.joins.map((one) => one.name)]) !== undefined)
      return [];
  } catch (error) {
    if (!(error instanceof JailkitError)) throw error;
    // Whether the jail gets that file is not known.
    if (jail !== undefined) return [];
    return [{ code: "policy", message: `${nothing}: ${describeError(error)}`, remedies: [] }];
  }
  const file = quoted(hostPath(jail === undefined ? root : { path: jail }, POLICY_FILE));
  const services = servicesIn(root).flatMap(({ name }) => (USUAL.includes(name) ? [name] : []));
  const none = services.length === 0;
  const why = none ? `, and none of ${USUAL.join(", ")} is in the jail` : "";
  const message = `${nothing}: no section of ${file} is for it${why}`;
  if (advice.policy !== undefined)
    return [{ code: "policy", message: `${message}; ${advice.policy}`, remedies: [] }];
  const wanted = none ? ["sftp"] : services;
  const first = none ? `jk_init -j ${shellWord(root.path)} sftp && ` : "";
  return [{ code: "policy", message, remedies: [first + again(account, `--policy ${wanted.join(",")}`)] }];
}

/** The steps that a new account still needs before a user can log in and run something. Throws SystemError. */
export function missingOf(account: NewJailedAccount, advice: Advice = OPTIONS): Missing[] {
  return [...missingLogin(account, advice), ...missingPolicy(account, advice)];
}

/** One printable line, with the remedies. */
export function missingLine({ message, remedies, before }: Missing): string {
  const start = before === undefined ? "" : `${before}, or `;
  return remedies.length === 0 ? message : `${message}; ${start}fix it with: ${oneOf(remedies)}`;
}

/**
 * A warning that a new account gets the section of jk_lsh.ini of an earlier account of its name. Undefined if there is none,
 * if services were asked for, or for a shell that does not obey it. Throws SystemError.
 */
export function inheritedPolicy({
  root,
  name,
  access,
  shell,
}: Pick<JailedAccount, "root" | "name" | "access" | "shell">): string | undefined {
  if (access.services.length > 0 || !isLimitedShell(shell)) return undefined;
  let own: ReturnType<typeof ownSection>;
  try {
    own = ownSection(root, name);
  } catch (error) {
    if (error instanceof JailkitError) return undefined;
    throw error;
  }
  if (own === undefined) return undefined;
  return `${own.place}: a section [${display(name)}] exists already and allows the new account to run: ${own.allows}`;
}
