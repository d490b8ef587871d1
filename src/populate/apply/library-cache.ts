import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { setTimesOf } from "../../jail/fs/attributes.ts";
import { hostSystemOf, requireNoHostMount } from "../../jail/fs/host-mounts.ts";
import { lookUp, withJailFile } from "../../jail/fs/look.ts";
import { noRoomSaid } from "../../jail/fs/no-room.ts";
import { onlyRootDecides, requireSafeJail } from "../../jail/fs/safety.ts";
import { hostPath, isRegular, type JailRoot, withDirectory } from "../../jail/fs/walk.ts";
import { makeDirectories, removePath } from "../../jail/fs/write.ts";
import { createLoader } from "../../libraries/closure.ts";
import { isLibraryName } from "../../libraries/dependency.ts";
import { dropInheritedAcl } from "../../system/acl.ts";
import { findProgram, runProgram } from "../../system/run.ts";
import type { Entry } from "../entry.ts";

const CACHE = "/etc/ld.so.cache";
// ldconfig(8) writes the new cache under this name first, and would follow a link of that name.
const DRAFT = "/etc/ld.so.cache~";
// ldconfig(8) keeps the sonames that it has read there, reads and writes that file by name, and would wait for a FIFO.
const AUXILIARY = "/var/cache/ldconfig";
// The time of a cache while it is renewed. If the run is interrupted, the next one sees that the cache is incomplete.
const RENEWING = 0n;

/** True if new entries affect ldconfig(8): libraries, or the configuration of their directories. */
export function concernsLibraries(entries: readonly Entry[]): boolean {
  return entries.some(
    ({ action, path }) => action !== "keep" && (isLibraryName(path) || path.startsWith("/etc/ld.so.conf")),
  );
}

/** True if the jail has no cache, or an old one: of a live jail, one that is older than the host's. */
export function lacksCache(root: JailRoot): boolean {
  const found = lookUp(root, CACHE);
  if (found === undefined || hasOldCache(root)) return true;
  const usr = statIfPresent(root.fd, "usr");
  if (usr === undefined || hostSystemOf(root, { path: "/usr", stat: usr }) === undefined) return false;
  const host = statIfPresent(AT_FDCWD, CACHE);
  return host !== undefined && host.mtime > found.stat.mtime;
}

/** True if a run was interrupted while it renewed the cache. */
export function hasOldCache(root: JailRoot): boolean {
  return lookUp(root, CACHE)?.stat.mtime === RENEWING;
}

/**
 * Renews JAIL/etc/ld.so.cache with `ldconfig -X -r JAIL`; -X changes no links, since the plan has these. ldconfig runs as
 * root and follows symbolic links of the jail, so the jail must be safe, and the files that it touches must belong to
 * root, in directories that only root can write. Does nothing without ldconfig (a host with musl). Throws SystemError if
 * the file system is full or read-only, JailkitError "library-cache".
 */
export function renewLibraryCache(root: JailRoot): void {
  const program = findProgram("ldconfig");
  if (program === undefined) return;
  requireSafeJail(root, 1);
  makeDirectories(root, "/etc", () => ({ mode: 0o755, uid: 0, gid: 0 }));
  const isTrusted = withDirectory(root, "/etc", (etc) => {
    // The host's may be mounted there as a single file.
    requireNoHostMount(root, etc, CACHE, lookUp(root, CACHE)?.stat);
    return etc.trusted;
  });
  if (!isTrusted) throw refusal(root, "/etc");
  for (const path of [CACHE, DRAFT, "/etc/ld.so.conf"]) {
    const found = lookUp(root, path);
    if (found && !(isRegular(found.stat) && found.stat.uid === 0)) throw refusal(root, path);
  }
  requireOwnDirectories(root);
  withJailFile(root, CACHE, (fd, { stat }) => setTimesOf(fd, stat.atime, RENEWING), { follow: false });
  const { status, stderr } = runProgram(program, ["-X", "-r", root.path]);
  if (status === 0) {
    // The new cache inherited the default ACL of its directory.
    withJailFile(root, CACHE, (fd) => dropInheritedAcl(fd, false), { follow: false });
    return;
  }
  const draft = lookUp(root, DRAFT);
  if (draft !== undefined) removePath(root, DRAFT, draft.stat);
  const line = stderr.trim().split("\n").at(-1) ?? "";
  const full = noRoomSaid(line, "ldconfig", hostPath(root, CACHE));
  if (full !== undefined) throw full;
  const message = `${program} -r ${display(root.path)} failed (${status}): ${display(line)}`;
  throw new JailkitError("ldconfig", 1, message);
}

/** Requires that only root can put files where ldconfig reads or writes them. */
function requireOwnDirectories(root: JailRoot): void {
  using loader = createLoader({ root: root.path });
  for (const path of [AUXILIARY, ...loader.configuredDirectories(), ...loader.libraryDirectories()]) {
    if (answered(() => onlyRootDecides(root, path)) !== true)
      throw refusal(
        root,
        path,
        "must be root's, and so must each directory above it, and writable by nobody else",
      );
  }
}

function refusal(root: JailRoot, path: ByteString, why = "does not belong to root"): JailkitError {
  const message = `${display(root.path + path)}: ${why}; the cache of libraries is not renewed`;
  return new JailkitError("library-cache", 1, message);
}
