import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { otherName } from "../../system/account-name.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import type { DeclaredUser } from "../model.ts";

/**
 * Why nothing is made for a user whose name is none of an account: a login counts by the account's own, and so would find no line
 * in the jail, no rules and no limits that have the declared one. Undefined if the account has it. Pure.
 */
export function otherNameFault(
  { name, place: { file, line } }: Pick<DeclaredUser, "name" | "place">,
  account: Pick<PasswdEntry, "name"> | undefined,
  isDeclared: (name: ByteString) => boolean,
) {
  const other = otherName(name, account);
  if (account === undefined || other === undefined) return undefined;
  const code = "other-name";
  if (isDeclared(account.name))
    return { code, message: `${other}, who is declared, too: one of the two sections is enough` } as const;
  const header = `[user ${account.name}]`;
  const message = `${other}: write ${quoted(header)} in place of ${quoted(`[user ${name}]`)}`;
  const remedy: Remedy = `write in line ${line} of ${file}:\n${header}`;
  return { code, message, remedy } as const;
}
