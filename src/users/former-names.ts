import type { ByteString } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import { findEntry, type IniSection } from "../config/model.ts";
import { confineKeys } from "../config/schemas/confine.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { formerLines } from "./jail-side.ts";
import { readPolicies } from "./policy.ts";

/** The name by which an account was declared, and what gives it by its name of now what it had. */
export interface DeclaredBefore {
  readonly name: ByteString;
  readonly remedy: Remedy;
}

/**
 * Throws JailkitError "other-name" for an account that a jail knows by another name, or that was declared by one, if only the
 * section of that name limits its sessions: with a line of its own, it could log in without these limits.
 */
export function requireSameLimits(
  user: PasswdEntry,
  root: JailRoot,
  declared: DeclaredBefore | undefined,
): void {
  const { name, uid } = user;
  const accounts = readJailAccounts(root);
  if (accounts.userByName(name)?.uid === uid) return;
  const former = new Set(formerLines(accounts, user).map((line) => line.name));
  if (declared !== undefined) former.add(declared.name);
  if (former.size === 0) return;
  const settings = loadConfig(`${CONFIG_DIRECTORY}/jk_chrootsh.ini`, { dialect: "c" })?.sections ?? [];
  for (const sections of [settings, readPolicies(root).ini.sections]) {
    if (sections.some((one) => one.name === name)) continue;
    const section = sections.find((one) => former.has(one.name) && limits(one));
    if (section !== undefined) throw lostLimits(name, section, declared);
  }
}

const limits = (section: IniSection): boolean =>
  Object.keys(confineKeys).some((key) => findEntry(section, key) !== undefined);

function lostLimits(name: ByteString, section: IniSection, declared: DeclaredBefore | undefined) {
  const { file, line } = section;
  const header = `[${name}]`;
  const remedy: Remedy =
    declared?.name === section.name ? declared.remedy : `write in line ${line} of ${file}:\n${header}`;
  const old = quoted(section.name);
  const why = `${quoted(name)} was ${old} by its uid, and ${quoted(file)}, line ${line}, limits the sessions of ${old} alone`;
  const [first = "", ...lines] = remedy.split("\n");
  const advice =
    lines.length === 0 ? `type first: ${first}` : `${display(first)} ${lines.map(quoted).join(" and ")}`;
  return new JailkitError("other-name", 1, `${why}; ${advice}`, undefined, remedy);
}
