import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { close, openIfPresent } from "../../../ffi/files.ts";
import { pathComponents } from "../../../ffi/paths.ts";
import { display, quoted } from "../../cli/display.ts";
import { hostPath, type JailRoot } from "../../jail/fs/walk.ts";
import type { CheckFinding } from "../rules.ts";

/** True if a relative text leads through ".." above the jail's root. Symbolic links on the way are not followed. */
export function climbsOut(path: ByteString, target: ByteString): boolean {
  if (target.startsWith("/")) return false;
  let depth = pathComponents(path).length - 1;
  for (const part of pathComponents(target)) {
    depth += part === ".." ? -1 : 1;
    if (depth < 0) return true;
  }
  return false;
}

/**
 * Findings about a symbolic link that leads elsewhere when it is followed from the host, for example by a backup that
 * runs as root: it climbs above the jail's root, names the jail itself, or leads to a file that only the host has.
 * `expected`: its text in the record, or on the host at the same path.
 */
export function symlinkFindings(
  root: JailRoot,
  path: ByteString,
  target: ByteString,
  expected: ByteString | undefined,
): CheckFinding[] {
  const shown = hostPath(root, path);
  const found = (what: string): CheckFinding[] => {
    const message = `${display(shown)} is a symbolic link to ${quoted(target)}: ${what}`;
    return [{ rule: "link-outside", path: shown, jailPath: path, message }];
  };
  if (climbsOut(path, target)) return found("it climbs above the jail");
  if (!target.startsWith("/") || target === expected) return [];
  const plain = `/${pathComponents(target).join("/")}`;
  if (plain === root.path || plain.startsWith(`${root.path}/`))
    return found("it names the jail by its path on the host, which the jail does not have");
  const inJail = leadsSomewhere(root.fd, path.slice(1), 0, C.RESOLVE_IN_ROOT | C.RESOLVE_NO_MAGICLINKS);
  if (!inJail && leadsSomewhere(C.AT_FDCWD, target, C.O_NOFOLLOW))
    return found("it leads nowhere in the jail, but to a file of the host");
  return [];
}

/** False also if the kernel rejects the path: a user may write any text into a symbolic link. */
function leadsSomewhere(dirfd: number, path: ByteString, flags: number, resolve?: number): boolean {
  const fd = openIfPresent(dirfd, path, C.O_PATH | flags, resolve);
  if (fd !== undefined) close(fd);
  return fd !== undefined;
}
