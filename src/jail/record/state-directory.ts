import type { Stat } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { JailkitError } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { asideCommand } from "../../system/free-name.ts";
import { lookUp, withTree } from "../fs/look.ts";
import { isDirectory } from "../fs/walk.ts";

/** Of root alone. */
export const STATE_DIRECTORY = "/var/lib/jailkit";

/** True for a file or directory that root alone can write. */
export const isOwn = ({ uid, mode }: Pick<Stat, "uid" | "mode">): boolean =>
  (uid === 0 || uid === libc.geteuid()) && (mode & 0o022) === 0;

/**
 * Throws JailkitError "bad-state" if others than root can put another file in the place of what was declared once, or if there
 * is no directory for it.
 */
export function requireOwnState(): void {
  const stat = withTree((tree) => lookUp(tree, STATE_DIRECTORY, { follow: true })?.stat);
  if (stat === undefined || (isDirectory(stat) && isOwn(stat))) return;
  const [what, remedy]: [string, Remedy] = isDirectory(stat)
    ? [
        "users other than root can write it, and so change what --prune removes; check its contents, and then",
        `chown root:root ${STATE_DIRECTORY} && chmod 0755 ${STATE_DIRECTORY}`,
      ]
    : ["must be a directory; move it away", asideCommand(STATE_DIRECTORY)];
  throw new JailkitError("bad-state", 1, `${STATE_DIRECTORY}: ${what}: ${remedy}`, undefined, remedy);
}
