import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { openAt, readDirectory, readLink, withFd } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { allOf, type Remedy } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import { liveState } from "../jail/fs/live-mounts.ts";
import { lookUp } from "../jail/fs/look.ts";
import { hostPath, type JailRoot, withDirectory } from "../jail/fs/walk.ts";
import { moveAway } from "../jail/record/live.ts";
import type { ManifestContent } from "../jail/record/manifest.ts";
import { asksForFiles } from "./record/requests.ts";

const USR = "/usr";
// No jail of copied programs has so many of the host's. A host that was upgraded since has a few others.
const MOST_PROGRAMS = 0.9;
// A system of its own, as debootstrap(8) makes it, may have the same programs, and has a database of its packages.
const DATABASES = ["/var/lib/dpkg", "/var/lib/rpm", "/var/lib/pacman", "/var/db/pkg"];

/** The names in a directory, also of an O_PATH descriptor. */
const namesIn = (directory: number, path = ".") =>
  withFd(
    openAt(directory, path, O_RDONLY | O_DIRECTORY),
    (fd) => new Set(readDirectory(fd).map(({ name }) => name)),
  );

/** True if one directory has nearly all names of another. Pure. */
export function hasNearlyAll(names: ReadonlySet<ByteString>, of: ReadonlySet<ByteString>): boolean {
  let found = 0;
  for (const name of of) if (names.has(name)) found++;
  return of.size > 0 && found >= of.size * MOST_PROGRAMS;
}

/** What a copy of a live jail has in place of the mount: nothing, or all of the host's; undefined in other jails. */
function inPlaceOf(root: JailRoot): "nothing" | "copy" | undefined {
  // One that was made live by hand is no copy.
  if (liveState(root, USR) !== "missing") return undefined;
  // An error: a symbolic link of a user's, behind which there may be one.
  if (DATABASES.some((path) => answered(() => lookUp(root, path) !== undefined) ?? true)) return undefined;
  // Missing after the command for a copy, if jk_init failed.
  const usr = answered(() =>
    lookUp(root, USR) === undefined
      ? new Set()
      : withDirectory(root, USR, ({ fd, path }) => (path === USR ? namesIn(fd) : undefined)),
  );
  if (usr === undefined || usr.size === 0) {
    const bin = answered(() => readLink(root.fd, "bin"));
    return bin === "usr/bin" && usr !== undefined ? "nothing" : undefined;
  }
  const copied = ["/usr/bin", "/usr/sbin"].every((path) => {
    const host = answered(() => namesIn(AT_FDCWD, path));
    const jail = answered(() =>
      withDirectory(root, path, ({ fd, path: real }) => (real === path ? namesIn(fd) : undefined)),
    );
    return host !== undefined && jail !== undefined && hasNearlyAll(jail, host);
  });
  return copied ? "copy" : undefined;
}

/**
 * The problem of a directory that was copied from a live jail: the record stays with the original, so the copy has no
 * mount. Undefined for a jail with a record, and for all others.
 */
export function liveCopyProblem(
  root: JailRoot,
  content: Pick<ManifestContent, "requests" | "live"> | undefined,
) {
  if (content?.requests.some(asksForFiles) || (content?.live ?? []).length > 0) return undefined;
  const place = inPlaceOf(root);
  if (place === undefined) return undefined;
  const shown = display(hostPath(root, USR));
  const what = place === "nothing" ? "nothing is there" : "a copy of the host's is there";
  const init: Remedy = `jk_init --live -j ${shellWord(root.path)}`;
  const away = place === "copy" ? moveAway(root, USR) : undefined;
  const remedy = allOf([away ?? "", init]);
  const message = `${shown}: ${what}, and the jail has no record, as in a copy of a live jail; to make it live (name its sections too): ${remedy}`;
  return { code: "live-copy", path: root.path, message, remedy } as const;
}
