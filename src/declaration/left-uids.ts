import type { ByteString } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import { describeError, isReported, JailkitError, remedyOf } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { operands } from "../cli/shell-word.ts";
import { CHANGES, type Owned, ownedIn } from "../jail/fs/owned.ts";
import { requireNoneUnmounted } from "../jail/fs/unmounted.ts";
import { hostPath, joinPath } from "../jail/fs/walk.ts";
import { forgetCommand, unmounted } from "../jail/record/emptied.ts";
import { openNamedJail } from "../jail/record/named-jail.ts";
import { giveAllCommand, giveCommand } from "../system/give.ts";
import { type Holder, holdersOf, waysOf } from "../system/holders.ts";
import { type IpcObject, ipcOf, ipcText } from "../system/ipc.ts";
import { firstUserId } from "../system/login-defs.ts";
import { isNobodys } from "../system/name-services.ts";
import { whyStays } from "../users/kernel-objects.ts";
import { endingOf, MOST_PIDS } from "../users/sessions.ts";
import { listed } from "./change.ts";
import type { KeptHome } from "./once-shape.ts";

// The uid of an account that was removed stays reserved as long as a jail is there that it was in, since files in that may
// have it. Nobody tells when the last one goes. So they are looked for when no other uid is left, or somebody wants this one,
// and only then: a jail may have millions.

// The ctime of a file is that of the last tick of a clock, which may be 10 ms ago.
const TICK = 10;
const ATTEMPTS = 3;

/** Why a uid stays reserved. */
export interface LeftUid {
  readonly jail: ByteString;
  /** Undefined for all of the jail. */
  readonly uid: number | undefined;
  readonly why: () => Left;
}

/** Printable. */
interface Left {
  readonly what: string;
  /** What to do, as the end of the sentence. */
  readonly advice: string;
  /** The command in that. */
  readonly remedy?: Remedy | undefined;
}

/** Which of the uids, each that of an account which had its home in a jail, files in that or processes still have. */
export function uidsLeftIn(jail: ByteString, uids: ReadonlySet<number>): readonly LeftUid[] {
  try {
    const { holders, owned, objects } = lookThrough(jail, uids);
    return [
      ...[...owned].map(([uid, files]) => ({ jail, uid, why: () => ofFiles(jail, uid, files) })),
      ...[...holders].map(([uid, some]) => ({ jail, uid, why: () => ofProcesses(uid, some) })),
      ...[...objects].map(([uid, some]) => ({ jail, uid, why: () => ofObjects(uid, some) })),
    ];
  } catch (error) {
    if (!isReported(error) || (error instanceof JailkitError && error.code === "interrupted")) throw error;
    return [{ jail, uid: undefined, why: () => unknown(jail, error) }];
  }
}

function lookThrough(jail: ByteString, uids: ReadonlySet<number>) {
  using root = openNamedJail(jail);
  // The files may be on another file system, whatever is in the directory below.
  const elsewhere = unmounted(jail);
  if (elsewhere !== undefined) {
    const { message, remedy } = elsewhere;
    throw new JailkitError("not-mounted", 1, `${display(jail)}: ${message}`, undefined, remedy);
  }
  for (let attempt = 1; ; attempt++) {
    const since = BigInt(Date.now() - TICK) * 1_000_000n;
    try {
      // Before the files: what a process has open may get a name, and lose it when it has been looked for there.
      // Or nobody knows what is there: who only warned would let in whoever has a program on it.
      requireNoneUnmounted(jail);
      const holders = holdersOf(uids, "no account was created; run this again");
      const owned = ownedIn(root, uids, since);
      return { holders, owned, objects: ipcOf(uids) };
    } catch (error) {
      const isBusy = error instanceof JailkitError && error.code === CHANGES;
      if (!isBusy || attempt === ATTEMPTS) throw error;
      Bun.sleepSync(2 * TICK);
    }
  }
}

/** What can be done about a jail that is another directory than it was. */
export const formerWays = (jail: ByteString): string =>
  `if the one of before is on a file system that is not mounted, that is to be mounted; if it was deleted: ${forgetCommand(jail)} && jailkit adopt ${operands(jail)}`;

/** A uid that files in the directory may have which was the jail before. */
export const inFormer = (jail: ByteString, uid: number): LeftUid => ({
  jail,
  uid,
  why: () => ({
    what: `${quoted(jail)} is another directory than the jail in which an account had the uid ${uid}`,
    advice: formerWays(jail),
  }),
});

function unknown(jail: ByteString, error: unknown): Left {
  const code = error instanceof JailkitError ? error.code : undefined;
  const remedy = remedyOf(error);
  const what = `what may have the uids of accounts that were in a jail is not known: ${describeError(error)}`;
  if (code === CHANGES) return { what, advice: "end the sessions in this jail, and run this again", remedy };
  // Its record is there.
  const isLost = code === "no-such-jail" && remedy === undefined;
  const ways = `if it is on another file system, that is to be mounted; if it was deleted: ${forgetCommand(jail)}`;
  return { what, advice: isLost ? ways : "", remedy };
}

function ofFiles(jail: ByteString, uid: number, { path, tops, isReadOnly, shared }: Owned): Left {
  const what = `${quoted(hostPath({ path: jail }, path))} has the uid ${uid}, which is that of no account any more`;
  // It may be so on purpose: then no command makes it writable.
  if (isReadOnly)
    return { what, advice: "give it to root where its file system can be written, and run this again" };
  const all = [...tops].map((name) => joinPath(jail, name));
  const closed = [...shared].map((directory) => hostPath({ path: jail }, directory));
  const remedy = giveAllCommand(all, uid, closed);
  return {
    what,
    advice: remedy === undefined ? "" : `give all that has it to root, and run this again: ${remedy}`,
    remedy,
  };
}

function ofProcesses(uid: number, holders: readonly Holder[]): Left {
  const whose = `the uid ${uid}, which is that of no account any more`;
  const first = firstUserId();
  const isSure = holders.every(({ may }) => may === undefined);
  // Such as a database, which would lose what it is doing, and set up another one when it starts again.
  const users = holders.filter(({ uids }) => isSure || [...uids].some((one) => Number(one) >= first));
  const shown = users.length > 0 ? users : holders;
  const ending = endingOf(shown, MOST_PIDS);
  const take = shown.some(({ takes }) => takes !== undefined) ? ", can take it in a user namespace" : "";
  const have = isSure
    ? `${whose}${take}, or a file with it open`
    : `${waysOf(shown)}, in which they may keep ${whose}, or a file with it`;
  const what = `processes of ${ending.whose} have ${have}`;
  if (users.length === 0) return { what, advice: "stop that service until this was run again" };
  return {
    what,
    advice: `end them, and run this again: ${ending.remedy}`,
    remedy: ending.remedy,
  };
}

function ofObjects(uid: number, objects: readonly IpcObject[]): Left {
  const { why, advice, remedy } = whyStays(uid, objects);
  const have = objects.length === 1 ? "has" : "have";
  const what = `${ipcText(objects)} in the kernel ${have} the uid ${uid}, which is that of no account any more${why}`;
  return { what, advice, remedy };
}

/** Why the uid of a home stays reserved that is at a place of the host. */
export function whyHome(
  { name, uid }: KeptHome,
  place: ByteString,
): { message: string; remedy: Remedy | undefined } {
  const remedy = giveCommand(place, uid);
  const give = remedy === undefined ? "" : `; give it to root, and run this again: ${remedy}`;
  return {
    message: `${quoted(place)}, the home that ${quoted(name)} had, has the uid ${uid}${give}`,
    remedy,
  };
}

const MOST_SHOWN = 3;

/** Why those of them stay reserved that are wanted: one as an example, and the jails of others. Undefined if there are none. */
export function whyLeft(left: readonly LeftUid[], isWanted: (uid: number) => boolean) {
  const wanted = left.filter(({ uid }) => uid === undefined || isWanted(uid));
  // Whoever has an account owns these files.
  const first =
    wanted.find(({ uid }) => uid !== undefined && isNobodys(uid)) ??
    wanted.find(({ uid }) => uid === undefined);
  if (first === undefined) return undefined;
  const others = [...new Set(wanted.map(({ jail }) => jail))].filter((jail) => jail !== first.jail);
  const more = others.length > MOST_SHOWN ? ` and ${others.length - MOST_SHOWN} more` : "";
  const also = others.length === 0 ? "" : ` (it is so in ${listed(others.slice(0, MOST_SHOWN))}${more}, too)`;
  const { what, advice, remedy } = first.why();
  const all = `${what}${also}`;
  return { what: all, message: `${all}${advice === "" ? "" : `; ${advice}`}`, remedy };
}
