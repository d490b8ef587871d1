import type { ByteString } from "../../ffi/bytes.ts";
import type { DeclaringSection } from "../check/host.ts";
import { type Advice, type Remedy, told } from "../cli/remedy.ts";
import type { PasswdEntry } from "../system/accounts.ts";

/** Why an account is not in its jail as it should be, or all with a shell are not. */
export interface AccountFault {
  readonly kind:
    | "shell"
    | "old-shell"
    | "no-rules"
    | "no-shell"
    | "closed"
    | "no-login"
    | "not-in-jail"
    | "no-group"
    | "no-shadow"
    | "account-file"
    | "root-group"
    | "changed"
    | "two-homes"
    | "home"
    | "no-jail";
  /** The account, or the jail if it is about all who live there. */
  readonly subject: ByteString;
  /** Printable. */
  readonly message: ByteString;
  /** Undefined for an account that no command of this machine changes. */
  readonly remedy: Remedy | undefined;
  /** What else may be done, and when; printable. */
  readonly otherwise?: ByteString | undefined;
  /** Its line in the jail, if that contradicts the account. */
  readonly line?: PasswdEntry | undefined;
  /** The section that declares an account, if `jailkit config check` may have an error of it that says the same. */
  readonly declared?: DeclaringSection | undefined;
}

export function faultOf(
  kind: AccountFault["kind"],
  subject: ByteString,
  { message, advice }: { readonly message: string; readonly advice: Advice },
): AccountFault {
  const said = told(message, advice);
  return { kind, subject, message: said.message, remedy: said.remedy || undefined };
}
