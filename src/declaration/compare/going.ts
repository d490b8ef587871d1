import type { ByteString } from "../../../ffi/bytes.ts";
import { answered } from "../../cli/error.ts";
import { lookUp } from "../../jail/fs/look.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { openManifest } from "../../jail/record/manifest.ts";
import { openNamedJail } from "../../jail/record/named-jail.ts";
import { expectGone } from "../../system/as-user.ts";
import { foreseeRemovals, type Gone, LOG_SOCKET, leadsToGone } from "../../update/foresee-removal.ts";
import type { TakenBack } from "../../update/plan/taken-back.ts";
import type { Change } from "../change.ts";
import type { DeclaredJail } from "../model.ts";
import { fillingsOf } from "./fillable.ts";
import type { Machine } from "./machine.ts";

/** What the changes of a jail take back. */
export function takenBack(changes: readonly Change[]): TakenBack[] {
  const names = (of: Change["what"]) =>
    changes.flatMap(({ what, action, items }) => (what === of && action === "remove" ? items : []));
  const all = [
    { tool: "jk_cp", names: names("files") },
    { tool: "jk_init", names: names("sections") },
  ] as const;
  return all.filter((one) => one.names.length > 0);
}

/** The live directories that come, or go. */
export const liveItems = (changes: readonly Change[], which: Change["action"]): ByteString[] =>
  changes.flatMap(({ what, action, items }) =>
    action === which && (what === "live" || what === "mounts") ? items : [],
  );

/** The places of a jail in which it shows something of the machine, and will not after these changes. */
export function leavingPlaces(changes: readonly Change[]): ByteString[] {
  const goes = (which: Change["what"]) =>
    changes.some(({ what, action }) => what === which && action === "remove");
  return [
    ...liveItems(changes, "remove"),
    ...(goes("proc") ? ["/proc"] : []),
    ...(goes("log-socket") ? [LOG_SOCKET] : []),
  ];
}

/** What the changes of a jail that is there take out of it, as it will be then. Throws as foreseeRemovals does. */
export function goneFrom(
  root: JailRoot,
  declared: Pick<DeclaredJail, "logSocket" | "proc"> | undefined,
  changes: readonly Change[],
  pathOf: (operand: ByteString) => ByteString,
): ReturnType<typeof foreseeRemovals> {
  const added = fillingsOf(root.path, changes).map(({ tool, names }) => ({
    ...{ tool, names: tool === "jk_cp" ? names.map(pathOf) : names },
  }));
  const leaves = leavingPlaces(changes);
  const recorded = openManifest(root).content.live ?? [];
  const live = [...recorded.filter((one) => !leaves.includes(one)), ...liveItems(changes, "create")];
  const keeps = [
    ...(declared?.logSocket === true ? (["log-socket"] as const) : []),
    ...(declared?.proc === true ? (["proc"] as const) : []),
  ];
  return foreseeRemovals(root, added, takenBack(changes), { leaves, live, keeps });
}

/**
 * Lets no command that is printed from now on rest on a program that these changes take out of a jail: who types it does so after
 * the run. Rights that name one are told of. What goes is looked for when somebody asks.
 */
export function tellOfGoing(
  jail: ByteString,
  declared: DeclaredJail | undefined,
  changes: readonly Change[],
  machine: Pick<Machine, "pathOf">,
): void {
  if (takenBack(changes).length + leavingPlaces(changes).length === 0) return;
  let gone: Gone | undefined;
  const goes = (path: ByteString): boolean => {
    using root = openNamedJail(jail);
    gone ??= goneFrom(root, declared, changes, (operand) => machine.pathOf(operand) ?? operand).gone;
    return lookUp(root, path, { follow: true }) !== undefined && leadsToGone(root, path, gone);
  };
  // The rights of all users of a jail name much the same.
  const known = new Map<ByteString, boolean>();
  expectGone(jail, (path) => known.getOrInsertComputed(path, () => answered(() => goes(path)) === true));
}
