import type { JailFacts } from "../jails/jails.ts";
import { bootFaultsIn, bootProblem } from "../populate/apply/live-lines.ts";
import { fstabText } from "../populate/apply/proc.ts";
import type { LeftMounts } from "../populate/record/left-mounts.ts";

export type BootFault = Pick<LeftMounts, "jail" | "message" | "remedy">;

/** What the next boot would not show in live jails: of each jail the first, whose command is for all. */
export function bootFaults(jails: readonly JailFacts[]): BootFault[] {
  const shows = jails.filter(
    ({ condition, live, sockets }) => condition === "ready" && live.length + sockets.length > 0,
  );
  if (shows.length === 0) return [];
  const faultOf = bootFaultsIn(fstabText());
  return shows.flatMap(({ path: jail, live, sockets }): BootFault[] => {
    const [first] = [...live, ...sockets].flatMap((path) => bootProblem(jail, path, faultOf) ?? []);
    return first === undefined ? [] : [{ jail, ...first }];
  });
}
