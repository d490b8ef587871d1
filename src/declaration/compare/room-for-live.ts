import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { openAt, readDirectory, withFd } from "../../../ffi/files.ts";
import { liveObstacle } from "../../jail/fs/live-mounts.ts";
import { type JailRoot, joinPath, withDirectory } from "../../jail/fs/walk.ts";
import type { Change } from "../change.ts";
import { inOrder, JAIL_STEPS } from "../order.ts";
import { goneFrom, takenBack } from "./going.ts";
import { liveDirectories } from "./live.ts";
import type { JailWork } from "./work.ts";

const isTaken = ({ action, what }: Change): boolean =>
  action === "remove" && (what === "files" || what === "sections");

const namesIn = (root: JailRoot, directory: ByteString): ByteString[] =>
  withDirectory(root, directory, (at) =>
    at.path === directory
      ? withFd(openAt(at.fd, ".", C.O_RDONLY | C.O_DIRECTORY), (fd) => readDirectory(fd)).map(
          ({ name }) => name,
        )
      : ["."],
  );

/**
 * The changes of a jail, if what they take away is all that is in the way of directories that become live: then that goes first.
 * Undefined if nothing is in the way, or something else is. Throws as foreseeRemovals does.
 */
export function makingRoomForLive(
  root: JailRoot,
  { path, declared, changes }: Pick<JailWork, "path" | "declared" | "changes">,
  pathOf: (operand: ByteString) => ByteString,
): readonly Change[] | undefined {
  const comes = changes.filter(({ action, what }) => action === "create" && what === "live");
  const live = comes.flatMap(({ items }) => items);
  if (live.length === 0 || takenBack(changes).length === 0) return undefined;
  const full = liveDirectories(live, path, []).filter((one) => liveObstacle(root, one) !== undefined);
  if (full.length === 0) return undefined;
  const { gone } = goneFrom(root, declared, changes, pathOf);
  const isFreed = (directory: ByteString) =>
    gone.has(directory) || namesIn(root, directory).every((name) => gone.has(joinPath(directory, name)));
  if (!full.every(isFreed)) return undefined;
  const sorted = changes.map((one) => (isTaken(one) ? { ...one, isFirst: true } : one));
  return inOrder(JAIL_STEPS, sorted);
}
