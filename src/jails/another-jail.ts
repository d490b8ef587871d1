import type { ByteString } from "../../ffi/bytes.ts";
import { isMissing } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { allAdvice } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import { homeTextAdvice } from "../enter/remedies.ts";
import type { JailedUser } from "../jail/accounts/jailed-users.ts";
import { byWhat, leadingInto, linkIn, realPath } from "../jail/fs/leads-into.ts";
import { adviceAt } from "../system/exchange.ts";
import { below } from "../system/mountinfo.ts";
import { joinHome, splitHome } from "../system/separator.ts";

/**
 * Throws JailkitError for a jail that must not be deleted, since another one of `jails` would go with it: "holds-a-jail" for
 * one in it, by its name, and "another-jail" for one to whose directory a symbolic link or a mount leads.
 */
export function requireNoOtherJail(
  jail: ByteString,
  jails: readonly ByteString[],
  users: readonly JailedUser[],
): void {
  const leads = leadingInto();
  const others = jails.filter((path) => path !== jail && leads(path, jail) && !isMissing(path));
  // Before those in it by their names, for which a caller may know that they go first.
  const other = others.find((path) => below(path, jail) === undefined);
  const [inside] = others;
  if (other === undefined && inside !== undefined) {
    const message = `${display(jail)}: another jail is in it, ${display(inside)}: delete that first`;
    throw new JailkitError("holds-a-jail", 1, message);
  }
  if (other === undefined) return;
  const how = byWhat(linkIn(other) === undefined ? jail : other);
  const which = display(other);
  const isSame = leads(jail, other);
  const what = isSame
    ? `is, ${how}, also the directory of the jail ${which}`
    : `the jail ${which} is, ${how}, in it`;
  const ofMount = {
    advice: isSame ? "unmount one of the two first" : "delete that first",
    remedy: undefined,
  };
  const { advice, remedy } = nameItself(other, users) ?? nameItself(jail, users) ?? ofMount;
  const message = `${display(jail)}: ${what}, and would go with it: ${advice}`;
  throw new JailkitError("another-jail", 1, message, undefined, remedy);
}

/** What lets nothing name a jail by a symbolic link any more; undefined for a path without one. */
function nameItself(jail: ByteString, users: readonly JailedUser[]) {
  const link = linkIn(jail);
  if (link === undefined) return undefined;
  const real = realPath(jail);
  const commands = users.flatMap(({ name, home, jail: its, fromService = false }) => {
    const split = its === jail ? splitHome(home) : undefined;
    return split === undefined ? [] : homeTextAdvice(joinHome(real, split.home), name, !fromService);
  });
  // Of a file that others can exchange, nobody knows where it leads.
  const all =
    commands.length === 0 ? (`jailkit forget ${shellWord(jail)}` as const) : allAdvice(commands, " && ");
  const { advice, remedy } =
    typeof all === "string" ? adviceAt(link, all) : { advice: all.words, remedy: undefined };
  const why =
    commands.length === 0
      ? "nothing should name it by the link"
      : "let its users have their homes where the link leads";
  return { advice: `${why}: ${advice}`, remedy };
}
