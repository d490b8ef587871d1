import type { ByteString } from "../../ffi/bytes.ts";
import { pathsDownTo } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import { answered, JailkitError } from "../cli/error.ts";
import { byWhat, leadingInto } from "../jail/fs/leads-into.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { openManifest } from "../jail/record/manifest.ts";
import { isRecorded } from "../jail/record/registry.ts";
import { below, ownMounts } from "../system/mountinfo.ts";
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
  const how = below(path, shown.path) === undefined ? `, ${byWhat(path)},` : "";
  const what = `a jail there is${how} in ${display(shown.path)}, which is live in ${display(shown.jail)}, and its files would be visible there: choose another place, such as /srv/jail`;
  throw new JailkitError("live-source", 1, `${display(path)}: ${what}`);
}

function hasRecord(root: JailRoot): boolean {
  const { requests, entries } = openManifest(root).content;
  return requests.length + entries.size > 0;
}

/** The jails in which a mount may be one of a live directory, and that directory, by the path of the mount alone. */
const shownAt = (mountPoint: ByteString) =>
  pathsDownTo(mountPoint).flatMap((jail) => {
    const path = mountPoint.slice(jail.length);
    return canBeLive(path) ? [{ jail, path }] : [];
  });

/** A jail that shows a path of the host, now or after the next boot, and the directory with which it does. */
function showing(path: ByteString) {
  const isBelowLive = pathsDownTo(path).some(canBeLive);
  // Where proc(5) is not mounted, as in an image that is being built, names alone tell.
  const mounts = isBelowLive ? ownMounts() : (answered(ownMounts) ?? []);
  const leads = leadingInto(mounts);
  const atBoot = [...directoriesByJail(fstabText())].flatMap(([jail, paths]) =>
    paths.map((one) => ({ jail, path: one })),
  );
  const now = mounts.flatMap(({ mountPoint }) => shownAt(mountPoint));
  const isShown = (one: { readonly path: ByteString }) => leads(path, one.path);
  return atBoot.find(isShown) ?? now.find((one) => isShown(one) && isRecorded(one.jail));
}
