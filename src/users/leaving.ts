import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { baseName, normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { answered, JailkitError } from "../cli/error.ts";
import { composed, type Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { withTree } from "../jail/fs/look.ts";
import { openJailRoot } from "../jail/fs/walk.ts";
import type { ManifestRequest } from "../jail/record/manifest.ts";
import { lostJail } from "../jail/record/moved.ts";
import { readContent } from "../jail/record/record-file.ts";
import { REGISTRY } from "../jail/record/registry.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { localUsers } from "../system/flat-accounts.ts";
import { usualShell } from "../system/login-defs.ts";
import { recallAll, recallAmong } from "./account-record.ts";

type Leaver = Pick<PasswdEntry, "name" | "shell">;
/** The recorded shell of an account from before it was jailed. */
type RecordedShell = (name: ByteString) => ByteString | undefined;

const NO_LOGIN = ["/usr/sbin/nologin", "/sbin/nologin", "/bin/false"] as const;

/** A login shell of the host that lets nobody in. */
export const noLoginShell = (): ByteString =>
  NO_LOGIN.find((path) => statIfPresent(AT_FDCWD, path, true) !== undefined) ?? NO_LOGIN[0];

/** True for a shell that lets nobody in. */
export const isClosed = (shell: ByteString): boolean => ["nologin", "false"].includes(baseName(shell));

/** A login shell of the host that lets an account in: that of new accounts, if it does. */
export function openShell(): ByteString {
  const usual = usualShell();
  return isClosed(usual) ? "/bin/sh" : usual;
}

/** The recorded shells of the accounts of a jail, which may be missing. A record that cannot be used knows none. */
export function shellsOutside(jail: ByteString): RecordedShell {
  const recalled = answered(() => {
    using root = openJailRoot(jail);
    return recallAll(root);
  });
  const lost = recalled === undefined ? answered(() => lostJail(jail)) : undefined;
  const content = lost && answered(() => withTree((tree) => readContent(tree, REGISTRY, lost.id)));
  return shellsAmong(content?.requests ?? [], recalled);
}

/** The same, from the requests of a record. */
export const shellsAmong =
  (requests: readonly ManifestRequest[], recalled = recallAmong(requests)): RecordedShell =>
  (name) =>
    recalled(name)?.shell;

/**
 * The shell that an account gets when it leaves its jail and none is requested: its former one; else one that lets nobody
 * in, if it has that now or new accounts have. Undefined otherwise: a jailed user must get no shell of the host unasked.
 */
export const shellAfter = ({ name, shell }: Leaver, recorded: RecordedShell): ByteString | undefined =>
  recorded(name) ?? [shell, usualShell()].find(isClosed);

const command = (
  move: boolean,
  shell: ByteString | undefined,
  names: readonly ByteString[],
  dryRun = false,
): Remedy =>
  composed(
    [
      "jk_jailuser --unjail",
      dryRun ? "--dry-run" : [],
      move ? "-m" : [],
      shell === undefined ? [] : `-s ${shellWord(shell)}`,
      operands(...names),
    ]
      .flat()
      .join(" "),
  );

/**
 * The commands that take accounts out of their jail, or with `dryRun` show how, each with the shell of shellAfter, or else one
 * that lets nobody in.
 */
export function leaveCommand(
  users: readonly Leaver[],
  recorded: RecordedShell,
  { move, dryRun = false }: { move: boolean; dryRun?: boolean },
): Remedy {
  const { known = [], unknown = [] } = Object.groupBy(users, (user) =>
    shellAfter(user, recorded) === undefined ? "unknown" : "known",
  );
  const part = (some: readonly Leaver[], shell?: ByteString) =>
    some.length === 0
      ? []
      : [
          command(
            move,
            shell,
            some.map(({ name }) => name),
            dryRun,
          ),
        ];
  // A dry run fails for an account that only a directory can change.
  return composed([...part(known), ...part(unknown, noLoginShell())].join(dryRun ? "; " : " && "));
}

/** The command that takes an account out of its jail, with its home and without a login: for one that goes into another jail. */
export const leaveWithoutLogin = (name: ByteString): Remedy => command(true, noLoginShell(), [name]);

/** How an account gets a shell of the machine, or one that lets it in nowhere. */
function shellChoice(name: ByteString, move: boolean): string {
  const [open, closed] = [openShell(), noLoginShell()].map((shell) => command(move, shell, [name]));
  return `to let it log in on this machine: ${open}; to let it log in nowhere: ${closed}`;
}

/** The refusal to choose a shell for an account. */
export function noShell(name: ByteString, move: boolean): JailkitError {
  const message = `${quoted(name)} has no recorded shell outside the jail, and gets none unasked; ${shellChoice(name, move)}`;
  return new JailkitError("no-shell", 1, message);
}

/** The refusal of a shell that this machine does not have. */
export function shellGone(shell: ByteString, name: ByteString, move: boolean): JailkitError {
  const message = `${quoted(shell)}, the shell of ${quoted(name)} outside the jail, does not exist; ${shellChoice(name, move)}`;
  return new JailkitError("bad-shell", 1, message);
}

/** Throws JailkitError if the place to which a home would go is that of another account, which must not be put aside. */
export function requireNotOthers({ name }: Leaver, place: ByteString, shell: ByteString): void {
  if (statIfPresent(AT_FDCWD, place) === undefined) return;
  const other = localUsers().find((one) => one.name !== name && normalPath(one.home) === place);
  if (other === undefined) return;
  const remedy = command(false, shell, [name]);
  const message = `${quoted(place)}, where the home of ${quoted(name)} would go, is that of ${quoted(other.name)}: to leave it in the jail: ${remedy}`;
  throw new JailkitError("home-exists", 1, message, undefined, remedy);
}
