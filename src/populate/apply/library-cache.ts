import type { ByteString } from "../../../ffi/bytes.ts";
import { baseName } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { setTimesOf } from "../../jail/fs/attributes.ts";
import { lookUp, withJailFile } from "../../jail/fs/look.ts";
import { noRoomSaid } from "../../jail/fs/no-room.ts";
import { requireSafeJail } from "../../jail/fs/safety.ts";
import { hostPath, isRegular, type JailRoot, release, walk } from "../../jail/fs/walk.ts";
import { makeDirectories, removePath } from "../../jail/fs/write.ts";
import { dropInheritedAcl } from "../../system/acl.ts";
import { findProgram, runProgram } from "../../system/run.ts";
import type { Entry } from "../entry.ts";

const CACHE = "/etc/ld.so.cache";
// ldconfig(8) writes the new cache under this name first, and would follow a link of that name.
const DRAFT = "/etc/ld.so.cache~";
// The time that a cache has while it is renewed: what it knows is not all, and the next run is to see that.
const OLD = 0n;

/** True where what was put into the jail changes what ldconfig(8) would find: a library, or where to look for them. */
export function concernsLibraries(entries: readonly Entry[]): boolean {
  return entries.some(
    ({ action, path }) =>
      action !== "keep" && (/\.so(?:\.|$)/.test(baseName(path)) || path.startsWith("/etc/ld.so.conf")),
  );
}

/** True where the jail has no cache yet, or an old one. */
export function lacksCache(root: JailRoot): boolean {
  return lookUp(root, CACHE) === undefined || hasOldCache(root);
}

/** True where renewing the cache was begun and came to no end. */
export function hasOldCache(root: JailRoot): boolean {
  return lookUp(root, CACHE)?.stat.mtime === OLD;
}

/**
 * Renews JAIL/etc/ld.so.cache through `ldconfig -X -r JAIL`, which only reads the jail's library directories and
 * changes no links (-X: the links are in the plan already). It runs as root and follows what it finds in the jail, so
 * only after the jail was found safe, and the directories and files that it touches are root's. Without ldconfig (a
 * host with musl) there is nothing to do. Throws SystemError where the file system is full or cannot be written.
 */
export function renewLibraryCache(root: JailRoot): void {
  const program = findProgram("ldconfig");
  if (program === undefined) return;
  requireSafeJail(root, 1);
  makeDirectories(root, "/etc", () => ({ mode: 0o755, uid: 0, gid: 0 }));
  const etc = walk(root, "/etc");
  const trusted = etc.trusted;
  release(etc);
  if (!trusted) throw refusal(root, "/etc");
  for (const path of [CACHE, DRAFT, "/etc/ld.so.conf"]) {
    const found = lookUp(root, path);
    if (found && !(isRegular(found.stat) && found.stat.uid === 0)) throw refusal(root, path);
  }
  withJailFile(root, CACHE, (fd, { stat }) => setTimesOf(fd, stat.atime, OLD), { follow: false });
  const { status, stderr } = runProgram(program, ["-X", "-r", root.path]);
  if (status === 0) {
    // ldconfig makes it with what a default ACL of the directory hands down.
    withJailFile(root, CACHE, (fd) => dropInheritedAcl(fd, false), { follow: false });
    return;
  }
  const draft = lookUp(root, DRAFT);
  if (draft !== undefined) removePath(root, DRAFT, draft.stat);
  const line = stderr.trim().split("\n").at(-1) ?? "";
  const full = noRoomSaid(line, "ldconfig", hostPath(root, CACHE));
  if (full !== undefined) throw full;
  throw new JailkitError(
    "ldconfig",
    1,
    `${program} -r ${display(root.path)} failed (${status}): ${display(line)}`,
  );
}

function refusal(root: JailRoot, path: ByteString): JailkitError {
  const message = `${display(root.path + path)}: is not root's own; the cache of libraries is not renewed`;
  return new JailkitError("library-cache", 1, message);
}
