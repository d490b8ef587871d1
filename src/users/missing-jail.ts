import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { display, quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { withTree } from "../jail/fs/look.ts";
import { requireWritableAccounts } from "../jail/fs/writable.ts";
import { findMoved, lostJail } from "../jail/record/moved.ts";
import { jailError } from "../jail/record/named-jail.ts";
import { REGISTRY, readContent } from "../jail/record/registry.ts";
import { modifyAccount } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { beforeIn } from "./account-record.ts";
import type { AccountRun } from "./account-run.ts";
import type { JailingOptions } from "./jailing.ts";

/**
 * Plans to take an account out of a jail that was removed: it gets back its former home and shell. Calling the result
 * does it. Throws `error` if the jail may have been moved.
 */
export function leaveGoneJail(
  user: PasswdEntry,
  jail: ByteString,
  jailHome: ByteString,
  request: JailingOptions,
  run: AccountRun,
  error: unknown,
): () => void {
  const gone = error instanceof JailkitError && error.code === "no-such-jail";
  const lost = gone ? lostJail(jail) : undefined;
  if (!gone || (lost !== undefined && findMoved(lost) !== undefined)) throw jailError(jail, error);
  const content = lost === undefined ? undefined : withTree((tree) => readContent(tree, REGISTRY, lost.id));
  const before = beforeIn(content?.requests ?? [], user.name);
  const home = before?.home ?? jailHome;
  const shell = request.shell ?? before?.shell ?? "/bin/sh";
  if (statIfPresent(AT_FDCWD, shell, true) === undefined)
    throw new JailkitError("bad-shell", 1, `${quoted(shell)} does not exist: choose another with -s`);
  run.home = home;
  run.shell = shell;
  return () => {
    requireWritableAccounts();
    run.status = request.dryRun ? "planned" : "done";
    run.warn(`${display(jail)} is missing: it has nothing to move or to repair`);
    if (!request.dryRun) modifyAccount(user, { home, shell, groups: [] });
    const gets = `${quoted(user.name)} the home ${quoted(home)} and the shell ${quoted(shell)}`;
    run.done(request.dryRun ? `would give ${gets}` : `gave ${gets}`);
  };
}
