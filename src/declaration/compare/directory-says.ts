import { normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { isChrootShell } from "../../jail/accounts/jailed-users.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { below } from "../../system/mountinfo.ts";
import { jailOfHome } from "../../system/separator.ts";
import { isClosed } from "../../users/leaving.ts";
import type { DeclaredUser } from "../model.ts";

/**
 * Why no login of an account of a directory comes into its jail, printable; undefined if one does, if its shell lets nobody in, and if
 * its directory says nothing of a jail yet. Pure.
 */
export function misplacedText(
  { jail }: Pick<DeclaredUser, "jail">,
  { home, shell }: Pick<PasswdEntry, "home" | "shell">,
): string | undefined {
  const there = jailOfHome(home);
  const [isInside, isOuter] = [there === jail, isChrootShell(shell)];
  const isSaid = there !== undefined || isOuter || below(normalPath(home), jail) !== undefined;
  if (!isSaid || isClosed(shell) || (isInside && isOuter)) return undefined;
  const what = isInside
    ? `the shell ${quoted(shell)}, which runs outside of it`
    : `the home ${quoted(home)}, which names ${there === undefined ? "no" : "another"} jail`;
  return `no login comes into the jail ${quoted(jail)}: in its directory the account has ${what}`;
}
