import type { ByteString } from "../../../ffi/bytes.ts";
import { isMissing } from "../../../ffi/files.ts";
import { quoted } from "../../cli/display.ts";
import { operands } from "../../cli/shell-word.ts";
import { linkIn } from "../../jail/fs/leads-into.ts";
import { type JailMount, jailMounts } from "../../jail/fs/unmount.ts";
import { exchangedAt } from "../../jail/record/displaced.ts";
import { unmounted } from "../../jail/record/emptied.ts";
import { followRemedy } from "../../jail/record/named-jail.ts";
import { readRegistry } from "../../jail/record/registry.ts";
import { planDelete } from "../../jails/delete-plan.ts";
import type { LeftHome } from "../../jails/delete-request.ts";
import { requireNoOthersMounts } from "../../jails/others-mounts.ts";
import { below } from "../../system/mountinfo.ts";
import { stillMounted } from "../../update/remove-extras.ts";
import { type Change, type Fault, type FaultText, faultText, listed, NO_LONGER, stays } from "../change.ts";
import { jailIdAt, samenessOf } from "../ids.ts";
import { leftIn } from "../kept-homes.ts";
import { keptElsewhere } from "../kept-where.ts";
import type { DeclaredUser } from "../model.ts";
import type { KeptHome, OnceJail } from "../once-shape.ts";
import { requireNoHomeIn, requireNothingElse } from "../other-things.ts";
import { closedFiles } from "./closed-accounts.ts";
import { lostFault, movedInto } from "./former-away.ts";
import {
  declareAgain,
  elsewhereText,
  goesText,
  leftText,
  PRUNES,
  pruneCommand,
} from "./former-jail-texts.ts";
import type { Leavers } from "./leaving.ts";

/** A jail that was declared once, is not declared any more, and is there. */
export interface FormerJail {
  readonly of: "jail";
  readonly once: OnceJail;
  readonly change: Change;
  /** Homes that earlier runs have left in it, and that go with it. */
  readonly homes: readonly LeftHome[];
  /** The declared jails. */
  readonly others: readonly ByteString[];
}

/** What is to be forgotten: it is neither declared nor there, and what gets its name later is something else. */
export type Gone = Pick<Change, "of" | "name"> & {
  /** It is there, or another one in its place. */
  readonly isOther?: boolean;
};

/** Something about a jail or user that is no error. */
export type Note = Pick<Fault, "of" | "name" | "message">;

const NO_RECORDS: ReturnType<typeof readRegistry> = { jails: [], damaged: [] };

interface Means {
  readonly prune: boolean;
  readonly deleteHomes: boolean;
  /** Users who will have left. */
  readonly leaving: Leavers["leaving"];
  /** Users who are to leave, and may not have left. */
  readonly waiting: Leavers["waiting"];
  /** The declared jails. */
  readonly declared: readonly ByteString[];
  /** The declared users of each jail. */
  readonly inhabitants: ReadonlyMap<ByteString, readonly DeclaredUser[]>;
  /** Homes that stay without their accounts, or will. */
  readonly kept: readonly KeptHome[];
  /** Homes of users who are still there, and that stay after these. */
  readonly staying: readonly KeptHome[];
  /** The local accounts in a jail. */
  readonly namesIn: (jail: ByteString) => readonly ByteString[];
  readonly hasAccount: (uid: number) => boolean;
  /** Whether a home has not, or will not have, the account that had it. */
  readonly isLeft: (home: KeptHome) => boolean;
  /** The files that --prune is typed with for a jail. */
  readonly filesOf: (once: OnceJail) => readonly ByteString[];
}

/** Of jails that are not declared any more, those that are there or are to be forgotten; and why some stay, all of them with `prune`. */
export function formerJails(candidates: readonly OnceJail[], means: Means) {
  const former: FormerJail[] = [];
  const faults: Fault[] = [];
  const notes: Note[] = [];
  const forgotten: Gone[] = [];
  const { jails: known, damaged } = candidates.length === 0 ? NO_RECORDS : readRegistry();
  const recorded = new Set(known.map(({ jail }) => jail.path));
  const going = new Set<ByteString>();
  const staying = new Set<ByteString>();
  const isAway = movedInto(means.declared);
  // A jail in another one first, which is not deleted before.
  for (const once of candidates.toSorted((a, b) => b.path.length - a.path.length)) {
    if (!recorded.has(once.path)) {
      if (damaged.length === 0 && !isAway(once)) forgotten.push({ of: "jail", name: once.path });
      continue;
    }
    const about = { of: "jail", name: once.path, jail: once.path } as const;
    // Of one that has exchanged its path with another, it is known which one it is.
    if (isOther(once) && exchangedAt(once.path) === undefined) {
      if (!isAway(once)) forgotten.push({ of: "jail", name: once.path, isOther: true });
      const message = `the jail stays, as it may be another one than was declared; jailkit delete ${operands(once.path)} removes it`;
      notes.push({ of: "jail", name: once.path, message });
      continue;
    }
    const inside = [...recorded].filter((path) => path.startsWith(`${once.path}/`));
    const isEmptiedFirst = inside.length > 0 && inside.every((path) => going.has(path));
    const { homes, fault, note, isTold } = fateOfJail(once, means, isEmptiedFirst);
    if (isTold) continue;
    if (note !== undefined) notes.push({ ...about, message: note });
    else if (fault !== undefined) {
      staying.add(once.path);
      const isOfRun = inside.every((path) => going.has(path) || staying.has(path));
      faults.push({ ...about, ...(isOfRun ? ofInner(fault, inside, staying) : fault) });
    } else {
      going.add(once.path);
      former.push(goingJail(once, homes, inside, means));
      notes.push(...linesLeft(once.path, means));
    }
  }
  return { former, faults, notes, forgotten };
}

/** The next boot mounts something there again. What removes the jail leaves it to the plan to say so. */
function linesLeft(jail: ByteString, { prune }: Means): Note[] {
  const message = prune ? stillMounted(jail) : undefined;
  return message === undefined ? [] : [{ of: "jail", name: jail, message }];
}

function goingJail(
  once: OnceJail,
  homes: readonly LeftHome[],
  inside: readonly ByteString[],
  { prune, declared }: Means,
): FormerJail {
  const { path } = once;
  // Those of a jail in it go with that one.
  const isOwn = (mount: JailMount) => !inside.some((jail) => below(path + mount.path, jail) !== undefined);
  const to = goesText(path, homes, prune ? jailMounts(path).filter(isOwn) : []);
  const about = { of: "jail", name: path, jail: path } as const;
  const change = { ...about, action: "remove", what: "jail", to, why: NO_LONGER, items: [] } as const;
  return { of: "jail", once, change, homes, others: declared };
}

/** Why a jail stays, if that is one in it which the same run cannot remove. */
function ofInner(fault: FaultText, inside: readonly ByteString[], staying: ReadonlySet<ByteString>) {
  const inner = inside.find((path) => staying.has(path));
  if (fault.code !== "holds-a-jail" || inner === undefined) return fault;
  return stays({ code: fault.code, message: `the jail ${quoted(inner)}, which is in it, cannot be removed` });
}

/** True for a jail that is not known to be the one which was declared; its directory may be the place of a file system, too. */
const isOther = ({ path, directoryId }: OnceJail): boolean =>
  !isMissing(path) && samenessOf(directoryId, jailIdAt(path)) !== "same" && unmounted(path) === undefined;

interface JailFate {
  /** That go with it. */
  readonly homes: readonly LeftHome[];
  readonly fault?: FaultText | undefined;
  /** Why it stays, if that is no error. */
  readonly note?: string | undefined;
  /** It was moved to where users are declared: the error of that place says so. */
  readonly isTold?: boolean;
}

/** Whether a jail is deleted, and with which homes. */
function fateOfJail(once: OnceJail, means: Means, isEmptiedFirst: boolean): JailFate {
  const { path } = once;
  const { prune, deleteHomes, inhabitants, kept, hasAccount } = means;
  const isHere = !isMissing(path);
  const declared = inhabitants.get(path) ?? [];
  if (isHere && declared.length > 0) {
    const fault = stays({ code: "has-users", message: declareAgain(declared) });
    return prune ? { homes: [], fault } : { homes: [], note: fault.message };
  }
  const known = prune ? undefined : whyNotPruned(path, isHere, means);
  const isAt = (place: ByteString) => known?.remedy?.endsWith(followRemedy(path, place)) === true;
  if (known !== undefined)
    return { homes: [], note: stays(known).message, isTold: [...inhabitants.keys()].some(isAt) };
  const left = leftIn(path, kept, means.isLeft);
  const isTaken = left.some(({ uid, isCreated }) => !isCreated || hasAccount(uid));
  const homes = prune && deleteHomes && !isTaken ? left : [];
  const isKept = left.length > homes.length;
  // Who has to leave first keeps the jail from being forgotten.
  const leaving = means.leaving.filter((one) => one.jail === path);
  // That run ends with 1 for this jail.
  const first = leaving.length > 0 ? `${pruneCommand(PRUNES, once, means)}; ` : "";
  const away = isHere ? keptElsewhere(path, kept, means.isLeft)[0] : undefined;
  const awayNote = away && elsewhereText(path, away);
  const without = (gone: readonly LeftHome[], isPlanned = true) => {
    const found = whyItStays(path, gone, { ...means, leaving, first }, isPlanned);
    return found?.code === "holds-a-jail" && isEmptiedFirst ? undefined : found;
  };
  if (!prune) {
    const other = without([...left, ...leftIn(path, means.staying, means.isLeft)], isKept);
    if (other !== undefined) return { homes: [], note: other.message };
    return isKept
      ? { homes: [], note: leftText(left, isTaken, leaving.length > 0, once, means) }
      : { homes: [], note: awayNote };
  }
  const fault = without(homes);
  if (fault === undefined && awayNote !== undefined) return { homes: [], note: awayNote };
  // A home that stayed may be that of a user who leaves now.
  if (!isKept || fault === undefined) return { homes, fault };
  // Of homes that are kept, whether these alone are the reason.
  const other = without(left);
  if (other !== undefined) return { homes, fault: other };
  return { homes: [], note: leftText(left, isTaken, leaving.length > 0, once, means) };
}

/** Why --prune would not remove a jail, as far as that is known without a search of its files. */
function whyNotPruned(
  jail: ByteString,
  isHere: boolean,
  { inhabitants, leaving, namesIn }: Means,
): FaultText | undefined {
  const lost = lostFault(jail, isHere, inhabitants);
  if (lost !== undefined || !isHere) return lost;
  const names = whoStays(jail, leaving, namesIn);
  return names.length === 0 ? undefined : hasUsers(names);
}

/** The local accounts in a jail that do not leave it. */
function whoStays(
  jail: ByteString,
  leaving: Means["leaving"],
  namesIn: Means["namesIn"],
): readonly ByteString[] {
  const leave = new Set(leaving.map(({ name }) => name));
  return namesIn(jail).filter((name) => !leave.has(name));
}

const hasUsers = (names: readonly ByteString[]): FaultText => ({
  code: "has-users",
  message: `users live in it whom --prune does not take out (${listed(names)})`,
});

/**
 * Why a jail would not be deleted after these users have left, and homes have gone: by what its deletion says. A run that is not
 * `isPlanned` to remove it looks for other things alone: files of users may be many.
 */
function whyItStays(
  jail: ByteString,
  left: readonly LeftHome[],
  {
    leaving,
    waiting,
    inhabitants,
    first,
    namesIn,
    declared: others,
  }: Pick<Means, "leaving" | "waiting" | "inhabitants" | "declared" | "namesIn"> & {
    readonly first: ByteString;
  },
  isPlanned: boolean,
): FaultText | undefined {
  const declared = inhabitants.get(jail) ?? [];
  const gone = left.map(({ path }) => path);
  try {
    const here = leaving.filter((one) => one.jail === jail);
    const homes = here.flatMap(({ home }) => home ?? []);
    // Who lives there is told first.
    const isAlone = whoStays(jail, leaving, namesIn).length === 0;
    // Its deletion tells of a link.
    if (isAlone && !isMissing(jail) && linkIn(jail) === undefined) requireNoOthersMounts(jail, first, homes);
    requireNoHomeIn(jail, left, here);
    const which = { jail, unjail: false, userFiles: false, leaving: here, gone: left, others };
    const isThere = !isPlanned || planDelete({ ...which, first }).seen !== undefined;
    // A file system that is mounted on it is unmounted.
    const closed = isThere && isPlanned ? closedFiles(jail, [jail]) : undefined;
    if (closed !== undefined) return stays(closed);
    if (isThere) requireNothingElse(jail, [...homes, ...gone], first);
    return declared.length === 0 ? undefined : stays({ code: "has-users", message: declareAgain(declared) });
  } catch (error) {
    // The words of a jail that is declared.
    const lost = lostFault(jail, !isMissing(jail), inhabitants);
    const why = lost ?? faultText(error);
    if (why.code !== "has-users") return stays(why);
    const users = new Set([...inhabitants.values()].flatMap((some) => some.map(({ name }) => name)));
    // Of declared ones their own errors say how they get out, or that the jail has a new name.
    const all = namesIn(jail);
    if (all.length > 0 && all.every((name) => users.has(name))) return stays(hasUsers(all));
    const here = waiting.filter((one) => one.jail === jail);
    if (here.length === 0) return stays(why);
    const [cause] = here.flatMap((one) => one.cause ?? []);
    if (cause !== undefined) return stays(cause);
    const names = here.map(({ name }) => name);
    // Whom its deletion would name, with what takes them out by hand: then their accounts would stay.
    return stays({ code: why.code, message: `waits for users who cannot leave it (${listed(names)})` });
  }
}
