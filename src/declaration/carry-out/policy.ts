import type { ByteString } from "../../../ffi/bytes.ts";
import { display, quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { sectionsAround } from "../../config/known-sections.ts";
import { CONFIG_DIRECTORY } from "../../config/load.ts";
import { dropInText } from "../../config/write.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { putDropIn, removeDropIn } from "../../populate/apply/drop-in.ts";
import { isLimitedShell } from "../../users/access.ts";
import { replacePolicy, requireOwnSection } from "../../users/policy.ts";
import { settingsDropIn } from "../compare/machine.ts";

const COMMENT = "Written by jailkit apply, as /etc/jailkit/jails.d declares the user.";

/** Below the directory of the configuration. */
const dropInOf = (user: ByteString): ByteString => settingsDropIn(user).slice(CONFIG_DIRECTORY.length);

/** Throws JailkitError if the section of a user in jk_chrootsh.ini is in another file than our drop-in, or not alone there. */
function requireOwnDropIn(user: ByteString): void {
  const file = settingsDropIn(user);
  const { own, named } = sectionsAround(file);
  const other = named(user).find((one) => one.file !== file) ?? own.find(({ name }) => name !== user);
  if (other === undefined) return;
  const what =
    other.name === user
      ? `a section [${display(user)}] exists already`
      : `has a section [${display(other.name)}]`;
  const message = `${quoted(other.file)}, line ${other.line}: ${what}: it is not changed; edit it, or move it to another file`;
  throw new JailkitError("policy-exists", 1, message);
}

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
  const text = dropInText({ name: user, values: Object.fromEntries(keys) }, "c", COMMENT);
  putDropIn(CONFIG_DIRECTORY, path, text, { replace: true });
  return `wrote ${display(settingsDropIn(user))}`;
}

/** Takes the section out again. Returns a printable line about it. Throws JailkitError. */
export function removePolicy(root: JailRoot, user: ByteString, limited: boolean): string {
  if (!limited) return removeSettings(user);
  replacePolicy(root, user, undefined);
  return `took the section [${display(user)}] out of the jk_lsh.ini of ${display(root.path)}`;
}

/** The same of jk_chrootsh.ini. */
export function removeSettings(user: ByteString): string {
  requireOwnDropIn(user);
  removeDropIn(CONFIG_DIRECTORY, dropInOf(user));
  return `removed ${display(settingsDropIn(user))}`;
}
