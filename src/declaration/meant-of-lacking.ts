import type { ByteString } from "../../ffi/bytes.ts";
import type { AskMeant } from "../check/host.ts";
import { answered } from "../cli/error.ts";
import { operands } from "../cli/shell-word.ts";
import { isLocalUser } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { leaveCommand } from "../users/leaving.ts";
import { isUsual } from "./known-file.ts";
import { readOnce } from "./once.ts";
import { declaredHere } from "./read.ts";

/**
 * Tells what is meant of users whom a jail lacks. The run of `jailkit apply` that puts one back, or removes one that is not
 * declared there any more, has begun perhaps, and failed. Of one who was never declared there, or whom --prune has taken out of
 * the files of the jail, nothing tells which it is.
 */
export function meantOfLacking(): AskMeant {
  let known: { readonly declared: ReturnType<typeof declaredHere>; readonly once: readonly OnceFile[] };
  return ({ name, shell }, jail) => {
    known ??= { declared: declaredHere(), once: answered(() => readOnce().users) ?? [] };
    const declared = known.declared?.users;
    if (declared?.get(name)?.jail === jail) return { remedy: "jailkit apply" };
    const file = known.once.find((one) => one.name === name && one.jail === jail)?.file;
    if (file === undefined || declared === undefined) return { otherwise: otherWay({ name, shell }) };
    // What a named file declares now is not known here; its run says how the rest is removed.
    return { remedy: isUsual(file) ? "jailkit apply --prune" : `jailkit apply ${operands(file)}` };
  };
}

/** One of a directory goes where its home is kept. */
function otherWay(user: Pick<PasswdEntry, "name" | "shell">): string {
  if (isLocalUser(user.name)) return `if the account is to go: userdel ${operands(user.name)}`;
  const shows = leaveCommand([user], () => undefined, { move: false, dryRun: true });
  return `if the account is to leave the jail, change its directory as this shows: ${shows}`;
}

type OnceFile = Readonly<Record<"name" | "jail" | "file", ByteString>>;
