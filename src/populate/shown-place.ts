import type { ByteString } from "../../ffi/bytes.ts";
import { pathsDownTo } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import { answered, JailkitError } from "../cli/error.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { openManifest } from "../jail/record/manifest.ts";
import { isRecorded } from "../jail/record/registry.ts";
import { ownMounts } from "../system/mountinfo.ts";
import { canBeLive } from "./apply/live-line.ts";
import { directoriesByJail } from "./apply/live-lines.ts";
import { fstabText } from "./apply/proc.ts";

/**
 * Throws JailkitError "live-source" for a new jail in a directory of the host that another jail shows its users, as
 * requireNoJailIn does for the same in the other order. `root`: the jail, if it is there; a known one begins nowhere.
 */
export function requireNotShown(path: ByteString, root: JailRoot | undefined): void {
  const shown = showing(path);
  if (shown === undefined || (root !== undefined && answered(() => hasRecord(root)) !== false)) return;
  const what = `a jail there is in ${display(shown.path)}, which is live in ${display(shown.jail)}, and its files would be visible there: choose another place, such as /srv/jail`;
  throw new JailkitError("live-source", 1, `${display(path)}: ${what}`);
}

function hasRecord(root: JailRoot): boolean {
  const { requests, entries } = openManifest(root).content;
  return requests.length + entries.size > 0;
}

/** A jail that shows a path of the host, now or after the next boot, and the directory with which it does. */
function showing(path: ByteString) {
  const live = pathsDownTo(path).filter(canBeLive);
  // Nearly no jail is in one.
  if (live.length === 0) return undefined;
  const atBoot = [...directoriesByJail(fstabText())].flatMap(([jail, paths]) =>
    live.filter((one) => paths.includes(one)).map((one) => ({ jail, path: one })),
  );
  const now = ownMounts().flatMap(({ mountPoint }) =>
    live
      .filter((one) => mountPoint !== one && mountPoint.endsWith(one))
      .map((one) => ({ jail: mountPoint.slice(0, -one.length), path: one })),
  );
  return [...atBoot, ...now.filter(({ jail }) => isRecorded(jail))][0];
}
