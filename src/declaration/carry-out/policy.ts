import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { CONFIG_DIRECTORY } from "../../config/load.ts";
import { dropInText } from "../../config/write.ts";
import { isLimitedShell } from "../../jail/accounts/jailed-users.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { putDropIn, removeDropIn } from "../../populate/apply/drop-in.ts";
import { replacePolicy, requireOwnSection } from "../../users/policy.ts";
import { requireOwnDropIn, settingsDropIn } from "../compare/machine.ts";
import { RULES_COMMENT } from "../compare/own-rules.ts";

/** Below the directory of the configuration. */
const dropInOf = (user: ByteString): ByteString => settingsDropIn(user).slice(CONFIG_DIRECTORY.length);

/**
 * Gives a user a section of the jail's jk_lsh.ini, or of the machine's jk_chrootsh.ini, by the shell. Returns a printable
 * line about it. Throws JailkitError.
 */
export function putPolicy(
  root: JailRoot,
  user: ByteString,
  shell: ByteString,
  keys: ReadonlyMap<ByteString, ByteString>,
): string {
  if (isLimitedShell(shell)) {
    replacePolicy(root, user, keys);
    return `wrote the section [${display(user)}] of the jail's jk_lsh.ini`;
  }
  requireOwnSection(user);
  requireOwnDropIn(user);
  const path = dropInOf(user);
  const text = dropInText({ name: user, values: Object.fromEntries(keys) }, "c", RULES_COMMENT);
  putDropIn(CONFIG_DIRECTORY, path, text, { replace: true });
  return `wrote ${display(settingsDropIn(user))}`;
}

/** Takes the section out again. Returns a printable line about it, or none if an earlier run has done it. Throws JailkitError. */
export function removePolicy(root: JailRoot, user: ByteString, limited: boolean): string[] {
  if (!limited) return removeSettings(user);
  const line = `took the section [${display(user)}] out of the jk_lsh.ini of ${display(root.path)}`;
  return replacePolicy(root, user, undefined) ? [line] : [];
}

/** The same of jk_chrootsh.ini. */
export function removeSettings(user: ByteString): string[] {
  requireOwnDropIn(user);
  const isRemoved = removeDropIn(CONFIG_DIRECTORY, dropInOf(user));
  return isRemoved ? [`removed ${display(settingsDropIn(user))}`] : [];
}
