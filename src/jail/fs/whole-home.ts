import type { ByteString } from "../../../ffi/bytes.ts";
import { attempt } from "../../../ffi/error.ts";
import { quoted } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import type { Watch } from "./empty.ts";
import { closeGone, emptyGone, type GoneHome, putBackGone, takeAway } from "./gone-home.ts";
import { noteMove } from "./home-note.ts";
import { removeTree } from "./remove.ts";
import { type Directory, hostPath, type JailRoot } from "./walk.ts";

/** How a whole home is removed. */
export interface Removal {
  /** The account that has it. */
  readonly name: ByteString;
  /** Looks at all of the open home, before something of it is removed, and throws if it stays. */
  readonly examine: (fd: number) => void;
  /** Watches the removal. `how`: how far it is, printable, for a signal that ends it. */
  readonly watch: (how: string) => Watch;
  /** Hears what is left of a home that is removed. */
  readonly warn: (line: string) => void;
}

/**
 * Removes an open home, the whole one or nothing of it: see GoneHome. Where that cannot be, it is removed in its place. Throws
 * JailkitError, SystemError.
 */
export function removeWholeHome(
  root: JailRoot,
  path: ByteString,
  { fd, stat }: Pick<Directory, "fd" | "stat">,
  removal: Removal,
): void {
  const place = hostPath(root, path);
  removal.examine(fd);
  // A home may go since there is no room for anything.
  const note = answered(() => noteMove(fd, { name: removal.name, before: place, after: place }));
  try {
    const gone = takeAway(root, path, stat, (box) => attempt(() => note?.boxAt(box)));
    if (gone === undefined) {
      const how = `${quoted(place)} is removed in part; run this again`;
      removeTree(root, path, stat, undefined, removal.watch(how));
    } else removeGone(gone, fd, removal);
  } finally {
    note?.end();
  }
}

function removeGone(gone: GoneHome, fd: number, { examine, watch, warn }: Removal): void {
  const { root, path, box } = gone;
  const rest = `${quoted(hostPath(root, path))} is removed, but for what is left in ${quoted(hostPath(root, box.path))}`;
  try {
    try {
      // Until now, others could change it.
      examine(fd);
    } catch (error) {
      putBackGone(gone);
      throw error;
    }
    try {
      emptyGone(gone, watch(`${rest}; run this again`));
    } catch (error) {
      if (!(error instanceof JailkitError && error.code === "interrupted"))
        warn(`${rest}; the next run removes that`);
      throw error;
    }
  } finally {
    closeGone(gone);
  }
}
