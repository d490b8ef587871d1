import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { andMore, display, quoted } from "../../cli/display.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import type { JailMount } from "../../jail/fs/unmount.ts";
import type { LeftHome } from "../../jails/delete-request.ts";
import { withUserFiles } from "../../jails/whose-files.ts";
import { listed, stays } from "../change.ts";
import type { DeclaredUser } from "../model.ts";
import type { KeptHome, OnceJail } from "../once-shape.ts";

/** What heals that users are declared in a jail that is not. */
export function declareAgain([first, ...more]: readonly DeclaredUser[]): string {
  if (first === undefined) return "";
  const { name, place } = first;
  return `users are declared in it: declare the jail again, or move [user ${display(name)}] (${display(place.file)}:${place.line})${andMore(more.length)} to another jail`;
}

/** What goes with a jail, printable; undefined for nothing. `mounts`: what is unmounted. */
export function goesText(
  jail: ByteString,
  homes: readonly LeftHome[],
  mounts: readonly JailMount[],
): string | undefined {
  const all = mounts.map(
    ({ path, type }) => `${display(type)} from ${display(path === "/" ? jail : jail + path)}`,
  );
  const texts = [
    ...(homes.length === 0
      ? []
      : [`and the homes that stayed in it: ${listed(homes.map(({ path }) => jail + path))}`]),
    ...(all.length === 0 ? [] : [`after unmounting ${all.join(", ")}`]),
  ];
  return texts.length === 0 ? undefined : texts.join(", ");
}

/** Removes what is not declared any more. */
export const PRUNES = "jailkit apply --prune";
const PRUNES_WITH_HOMES = "jailkit apply --prune --delete-homes";

interface Files {
  /** Those that --prune is typed with for a jail. */
  readonly filesOf: (once: OnceJail) => readonly ByteString[];
}

/** The command, with these files. */
export const pruneCommand = (command: string, once: OnceJail, { filesOf }: Files): ByteString =>
  [command, ...filesOf(once).map((file) => ` ${shellWord(file)}`)].join("");

/**
 * Homes stay by the rules of apply, so that a jail with some is no error. `isTaken`: apply did not create one of them, or somebody has its uid by now.
 * `isLeft`: users leave it before.
 */
export function leftText(
  homes: readonly LeftHome[],
  isTaken: boolean,
  isLeft: boolean,
  once: OnceJail,
  means: Files,
): string {
  const { path } = once;
  const [first, ...more] = homes.map((home) => quoted(path + home.path));
  const what = `${first}${andMore(more.length)}`;
  // As long as users live there, it is neither forgotten nor deleted.
  const leave = isLeft ? `${pruneCommand(PRUNES, once, means)} && ` : "";
  const deletes = withUserFiles({ jail: path, unjail: false, first: leave });
  const remove = isTaken ? deletes : pruneCommand(PRUNES_WITH_HOMES, once, means);
  return `is not declared any more, and stays with what earlier runs left in it (${what}): to delete both: ${remove}; to keep them as they are: ${leave}jailkit forget ${operands(path)}`;
}

/** What is said of a jail with a home on a file system that is not mounted any more: nobody may get its uid while that may come back. */
export const elsewhereText = (jail: ByteString, { home, uid }: KeptHome): string =>
  stays({
    code: "not-mounted",
    message: `${quoted(normalPath(home))} of uid ${uid}, which earlier runs left, is on a file system that is not mounted there any more: mount that; or, if nothing with this uid is left, also there: jailkit delete ${operands(jail)}`,
  }).message;
