import type { ByteString } from "../../../ffi/bytes.ts";
import { isMissing } from "../../../ffi/files.ts";
import { directoryOf, normalPath } from "../../../ffi/paths.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { sizesToCopy } from "../../jail/fs/home-move.ts";
import { withTree } from "../../jail/fs/look.ts";
import type { SizedEntry } from "../../jail/fs/room.ts";
import type { RoomOfRun } from "../../jail/fs/room-of-run.ts";
import { type JailRoot, joinPath, openJailRoot } from "../../jail/fs/walk.ts";
import { homeFor } from "../../users/jail-side.ts";
import { faultText } from "../change.ts";
import type { Comparison } from "./compare.ts";
import { withFault } from "./takes.ts";
import type { JailWork, UserWork } from "./work.ts";

/** True if something is removed first, or meanwhile, which makes room. */
export const mayMakeRoom = ({ former, jails }: Comparison): boolean =>
  former.some(({ of }) => of === "jail" || of === "user") ||
  jails.some(({ changes }) => changes.some(({ action, items }) => action === "remove" && items.length > 0));

/** Throws JailkitError "no-room" for what has certainly too little room in a directory of a jail. */
export function requireRoom(
  room: RoomOfRun | undefined,
  jail: ByteString,
  directory: ByteString,
  sizes: readonly SizedEntry[],
  progress: string,
): void {
  const problem = room?.take(jail, directory, sizes, progress);
  if (problem !== undefined) throw new JailkitError(problem.code, 1, problem.message);
}

/** With a fault in place of the changes of users whose homes have no room beside what comes before them. */
export function withRoomForHomes(work: JailWork, room: RoomOfRun | undefined): JailWork {
  const { path, fault, users } = work;
  if (room === undefined || fault !== undefined || users.every(({ moves }) => moves === undefined))
    return work;
  const isThere = !isMissing(path);
  const withRoom = (root: JailRoot, host: JailRoot) => (user: UserWork) => {
    const { moves, declared } = user;
    if (moves === undefined || user.fault !== undefined) return user;
    try {
      const jailHome = homeFor(moves, path);
      const to = isThere ? jailHome : joinPath(path, jailHome);
      const copied = sizesToCopy(host, normalPath(moves.home), moves.uid, root, to);
      if (copied === undefined) return user;
      requireRoom(room, path, joinPath(path, directoryOf(jailHome)), copied.sizes, "nothing was moved");
      room.give(copied.stat, copied.sizes);
      return user;
    } catch (error) {
      return withFault(user, { of: "user", name: declared.name, jail: path, ...faultText(error) });
    }
  };
  return withTree((host) => {
    using root = isThere ? answered(() => openJailRoot(path)) : undefined;
    if (isThere && root === undefined) return work;
    return { ...work, users: users.map(withRoom(root ?? host, host)) };
  });
}
