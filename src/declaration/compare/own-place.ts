import type { ByteString } from "../../../ffi/bytes.ts";
import { O_DIRECTORY, O_RDONLY } from "../../../ffi/constants.ts";
import { openAt, readDirectory, withFd } from "../../../ffi/files.ts";
import { display, quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { operands } from "../../cli/shell-word.ts";
import { requireJailToFill } from "../../jail/fs/host-directories.ts";
import { isStrict } from "../../jail/fs/strict.ts";
import { type JailRoot, namedError } from "../../jail/fs/walk.ts";
import type { Change } from "../change.ts";
import { fillingOf } from "./fillable.ts";
import type { JailState } from "./jail-state.ts";
import type { Machine } from "./machine.ts";

// Besides the strict ones: what a jail has before it is filled, such as homes that were brought back.
const OF_JAILS: readonly ByteString[] = ["boot", "home", "lost+found", "media", "mnt", "srv", "tmp", "var"];

/**
 * Throws JailkitError for a directory that is to be filled, is no jail yet and holds what no jail has at its top, as /etc/ssh does: when the
 * jail is not declared any more, all of it would go.
 */
export function requireOwnPlace(
  root: JailRoot,
  changes: readonly Change[],
  { sections, files, live }: Pick<JailState, "sections" | "files" | "live">,
  { byJail }: Pick<Machine, "byJail">,
): void {
  if (sections.size + files.size + live.size > 0 || byJail.has(root.path)) return;
  if (fillingOf(changes).length === 0) return;
  // What can be no jail at all has an error of its own.
  requireJailToFill(root, 1);
  const other = namesIn(root).find((name) => !isStrict(name) && !OF_JAILS.includes(name));
  if (other === undefined) return;
  const adopt = `jailkit adopt ${operands(root.path)}`;
  const message = `${display(root.path)} is not known as a jail, and holds other things, such as ${quoted(other)}: name a directory of its own; or, if it is a jail: ${adopt}`;
  throw new JailkitError("holds-other-things", 1, message);
}

function namesIn(root: JailRoot): ByteString[] {
  try {
    const fd = openAt(root.fd, ".", O_RDONLY | O_DIRECTORY);
    return withFd(fd, readDirectory)
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    throw namedError(error, root.path);
  }
}
