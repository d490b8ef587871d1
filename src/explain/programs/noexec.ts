import type { ByteString } from "../../../ffi/bytes.ts";
import { O_DIRECTORY, O_PATH } from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { withRightsOf } from "../../../ffi/rights.ts";
import type { Advice } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { isOfSystem } from "../../confine/directories.ts";
import { canLimitExecution } from "../../confine/execute.ts";
import { canonicalBelow, withFileBelow } from "../../confine/execute-view.ts";
import type { Confinement } from "../../confine/policy.ts";
import { commandAt, onlyRootExchanges } from "../../system/exchange.ts";
import { below, mountOver, ownMounts } from "../../system/mountinfo.ts";
import { fstabField, isNoexec, remountCommand } from "../../system/mounts.ts";
import type { ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";

/** A session with a home, which it may write. */
interface SessionHome {
  stage: ReportStep["stage"];
  root: ByteString;
  rootFd: number;
  confinement: Confinement;
  home: ByteString;
}

/** Whether a session may put a file into its home, and not execute it there. */
function mayOnlyWrite(home: ByteString, { execute, write }: Confinement): boolean {
  if (execute === "any" || execute.named.some((path) => below(home, path) !== undefined)) return false;
  const isNear = (path: ByteString) => below(home, path) !== undefined || below(path, home) !== undefined;
  return write === "all" || write.some(isNear);
}

// What a line of /etc/fstab for a bind mount has to name: without mount_setattr(2), mount(8) sets what is named alone.
const RESTRICTIONS = ["ro", "nosuid", "nodev", "nosymfollow"];

/** How to mount the home noexec: the command, and what keeps it after a reboot. */
function wayTo(root: ByteString, home: ByteString): { command: Advice; lasting: string } | undefined {
  const jail = root === "/" ? "" : root;
  const by = mountOver(ownMounts(), jail + home);
  const point = by?.mountPoint ?? "/";
  // The system's files must stay executable.
  if (!isOfSystem(below(point, root) || "/")) {
    const command = commandAt(point, remountCommand("noexec", point));
    return { command, lasting: `add noexec to the options of ${point} in /etc/fstab, if it is there` };
  }
  // One mount for all homes, if they have a directory of their own.
  const above = directoryOf(home);
  const directory = isOfSystem(above) || !onlyRootExchanges(jail + above) ? home : above;
  if (isOfSystem(directory)) return undefined;
  const place = jail + directory;
  const word = shellWord(place);
  const field = fstabField(place);
  const kept = ["bind", ...RESTRICTIONS.filter((one) => by?.options.includes(one)), "noexec"].join(",");
  return {
    command: commandAt(place, `mount --bind ${word} ${word} && mount -o remount,${kept} ${word}`),
    lasting: `the line '${field} ${field} none ${kept} 0 0' in /etc/fstab keeps it`,
  };
}

/**
 * A note that the home of a session could be mounted noexec, if the session may execute no file in it, but map one: by the
 * dynamic linker, started by hand.
 */
export function noexecSteps({ stage, root, rootFd, confinement, home }: SessionHome): ReportStep[] {
  return withRightsOf(undefined, () => {
    if (attempt(canLimitExecution) !== true) return [];
    const real = canonicalBelow(rootFd, home);
    if (real === undefined || real === "/" || !mayOnlyWrite(real, confinement)) return [];
    if (withFileBelow(rootFd, real, O_PATH | O_DIRECTORY, isNoexec) !== false) return [];
    const way = wayTo(root, real);
    if (way === undefined) return [];
    const message = `execute does not stop the dynamic linker, started by hand, from mapping a file in ${home}; noexec would: ${way.lasting}`;
    return [stepsOf(stage)("noexec", "passed", message, way.command)];
  });
}
