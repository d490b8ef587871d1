import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { readRegistry } from "../../jail/record/registry.ts";
import { planDelete } from "../../jails/delete-plan.ts";
import { type Change, type Fault, type FaultText, faultText, listed, NO_LONGER, stays } from "../change.ts";
import type { DeclaredUser } from "../model.ts";
import type { OnceJail } from "../once-shape.ts";
import { requireNothingElse } from "../other-things.ts";
import { absentFault } from "./absent.ts";
import type { Leavers } from "./leaving.ts";

/** A jail that was declared once, is not declared any more, and is there. */
export interface FormerJail {
  readonly of: "jail";
  readonly once: OnceJail;
  readonly change: Change;
}

/** What is to be forgotten: it is neither declared nor there, and what gets its name later is something else. */
export type Gone = Pick<Change, "of" | "name">;

const NO_RECORDS: ReturnType<typeof readRegistry> = { jails: [], damaged: [] };

interface Means {
  readonly prune: boolean;
  /** Users who will have left. */
  readonly leaving: Leavers["leaving"];
  /** The declared users of each jail. */
  readonly inhabitants: ReadonlyMap<ByteString, readonly DeclaredUser[]>;
}

/** Of jails that are not declared any more, those that are there or are to be forgotten; with `prune` also why some stay. */
export function formerJails(candidates: readonly OnceJail[], { prune, leaving, inhabitants }: Means) {
  const former: FormerJail[] = [];
  const faults: Fault[] = [];
  const forgotten: Gone[] = [];
  const { jails: known, damaged } = candidates.length === 0 ? NO_RECORDS : readRegistry();
  const recorded = new Set(known.map(({ jail }) => jail.path));
  const going = new Set<ByteString>();
  // A jail in another one first, which is not deleted before.
  for (const once of candidates.toSorted((a, b) => b.path.length - a.path.length)) {
    if (!recorded.has(once.path)) {
      if (damaged.length === 0) forgotten.push({ of: "jail", name: once.path });
      continue;
    }
    const about = { of: "jail", name: once.path, jail: once.path } as const;
    const inside = [...recorded].filter((path) => path.startsWith(`${once.path}/`));
    const found = prune ? whyItStays(once.path, leaving, inhabitants) : undefined;
    const isEmptiedFirst = inside.length > 0 && inside.every((path) => going.has(path));
    const fault = found?.code === "holds-a-jail" && isEmptiedFirst ? undefined : found;
    if (fault !== undefined) faults.push({ ...about, ...fault });
    else {
      going.add(once.path);
      former.push({
        ...{ of: "jail", once },
        change: { ...about, action: "remove", what: "jail", why: NO_LONGER, items: [] },
      });
    }
  }
  return { former, faults, forgotten };
}

/** Why a jail would not be deleted after these users have left: by what its deletion says, or for `declared` users. */
function whyItStays(
  jail: ByteString,
  leaving: Leavers["leaving"],
  inhabitants: ReadonlyMap<ByteString, readonly DeclaredUser[]>,
): FaultText | undefined {
  const declared = inhabitants.get(jail) ?? [];
  try {
    const here = leaving.filter((one) => one.jail === jail);
    const { seen } = planDelete({ jail, unjail: false, userFiles: false, leaving: here });
    if (seen !== undefined) requireNothingElse(jail);
    if (declared.length === 0) return undefined;
    const names = listed(declared.map(({ name }) => name));
    const message = `users are declared in it (${names}): declare the jail too, or another one for them`;
    return stays({ code: "has-users", message });
  } catch (error) {
    const isGone = statIfPresent(AT_FDCWD, jail) === undefined;
    // The words of a jail that is declared.
    const lost = isGone ? absentFault(jail, [...inhabitants.keys()]) : undefined;
    return stays(lost ?? faultText(error));
  }
}
