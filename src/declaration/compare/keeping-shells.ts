import { quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { type Change, taking } from "../change.ts";
import { leavingPlaces, takenBack } from "./going.ts";
import { type JailWork, withJailFault } from "./work.ts";

/**
 * Nothing goes that the shell of a declared user goes with: who is declared gets in, until the shell is another one, too. `planned`:
 * the jail with what its users lose, without what does not come since it has a fault.
 */
export function keepingShells(work: JailWork, planned: () => JailWork): JailWork {
  const { fault, changes } = work;
  const isTaken = takenBack(changes).length + leavingPlaces(changes).length > 0;
  const all = fault !== undefined && isTaken ? answered(planned) : work;
  const [first, ...more] = (all?.users ?? []).flatMap(({ declared, losesShell }) =>
    losesShell ? declared.name : [],
  );
  if (first === undefined) return work;
  const stays = { ...work, changes: taking(changes).filter(({ what }) => !HOLDS_SHELLS.includes(what)) };
  if (fault !== undefined) return stays;
  const who = more.length === 0 ? quoted(first) : `${quoted(first)} and ${more.length} more`;
  const message = `nothing is taken out of it: the shell of ${who} would go with what is not declared any more`;
  return withJailFault(stays, { code: "bad-shell", message, due: { key: "sections" } });
}

const HOLDS_SHELLS: readonly Change["what"][] = ["sections", "files", "live", "mounts"];
