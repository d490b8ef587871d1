import { isErrno } from "../../ffi/error.ts";
import { clearKeys, keysFault } from "../../ffi/keys.ts";
import { answered, describeError, isReported, JailkitError } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { passwdByUid } from "../system/accounts.ts";
import { endSessions } from "../system/end-sessions.ts";
import { attachedTo, hasKeyrings, type IpcObject, ipcOf, ipcText, removeObjects } from "../system/ipc.ts";
import { endingOf, MOST_PIDS, type Owner, ownerText, whatRuns } from "./sessions.ts";

const GONE_AT_START = "they are gone when the machine was started anew";

/** Hears what was removed, and what stays, a printable line each. */
interface Hearer {
  readonly say: (line: string) => void;
  readonly warn: (line: string, error?: JailkitError) => void;
}

/** The objects of a user in the kernel, which outlive processes. Throws SystemError. */
export const objectsOf = (uid: number): readonly IpcObject[] => ipcOf(new Set([uid]), true).get(uid) ?? [];

/**
 * Removes what the kernel keeps of a user without processes, and whoever gets the uid later would have: objects of System V IPC
 * that the user owns or has created, message queues of POSIX, and keys. What fails is a warning.
 */
export function removeFromKernel(owner: Owner, { say, warn }: Hearer): void {
  const removed: string[] = [];
  const tried = (what: string, work: () => void, told: (error: unknown) => Told) => {
    try {
      work();
    } catch (error) {
      if (!isReported(error)) throw error;
      const { why, advice } = told(error);
      warn(`${what} of ${ownerText(owner)} stay in the kernel: ${why}; ${advice}`);
    }
  };
  tried(
    "shared memory, semaphores or message queues",
    () => removeIpcOf(owner, removed, warn),
    (error) => ({ why: describeError(error), advice: again(owner) }),
  );
  tried(
    "keys",
    () => {
      if (hasKeyrings(owner.uid) && clearKeys(owner.uid)) removed.push("keys");
    },
    (error) => {
      const { why, advice } = toldOfKeys(owner.uid, error);
      return { why, advice: `no new account gets the uid while they are there; ${advice}` };
    },
  );
  if (removed.length > 0) say(`removed what the kernel had of ${ownerText(owner)}: ${removed.join(", ")}`);
}

/**
 * The error with which a new account of a uid, or one that is about to get it, does not get rid of the keys of an earlier one; undefined
 * if it does. Whoever has the uid, or a link to a keyring, would have them later. Throws SystemError.
 */
export function whyKeysStay(uid: number): JailkitError | undefined {
  if (!hasKeyrings(uid)) return undefined;
  const running = processesFault(uid);
  if (running !== undefined) return running;
  const fault = keysFault(uid);
  return fault && keysStayFor(uid, fault);
}

function processesFault(uid: number): JailkitError | undefined {
  const runs = whatRuns(uid);
  const remedy = endSessions(uid);
  return runs === undefined
    ? undefined
    : keysStay(uid, `processes have it (${runs})`, `end them with: ${remedy}`, remedy);
}

/** What is said of an error, and what heals it. */
interface Told {
  readonly why: string;
  readonly advice: string;
}

function toldOfKeys(uid: number, error: unknown): Told {
  if (!isErrno(error, "ECANCELED")) return { why: describeError(error), advice: GONE_AT_START };
  const why =
    "the process that asks for them was ended or does not answer, as a setuid program of the uid can bring about";
  return { why, advice: `look for that with: find / -uid ${uid} -perm -4000` };
}

function keysStayFor(uid: number, error: unknown): JailkitError {
  const { why, advice } = toldOfKeys(uid, error);
  return keysStay(uid, why, advice);
}

const keysOfEarlier = (uid: number) => `keys that an earlier account with the uid ${uid} had`;

function keysStay(uid: number, why: string, advice: string, remedy?: Remedy): JailkitError {
  const message = `${keysOfEarlier(uid)} stay in the kernel: ${why}; ${advice}, or choose another uid`;
  return new JailkitError("left-uid", 1, message, undefined, remedy);
}

const stayed = new Set<number>();

/** Whether this process has created an account with a uid whose keys it could not remove, though they did not seem to stay. */
export const hasStayed = (uid: number): boolean => stayed.has(uid);

/**
 * Removes the keys that an earlier account had with the uid of a new one, which nobody has used in between. Throws JailkitError
 * "left-uid": the new one could have them later, and whoever is linked to them.
 */
export function removeKeysOfEarlier({ name, uid }: Owner, done: (line: string) => void): void {
  // An account of before may have the same uid.
  if (passwdByUid(uid)?.name !== name || !hasKeyrings(uid)) return;
  const stay = processesFault(uid) ?? clearingFault(uid, done);
  if (stay === undefined) return;
  stayed.add(uid);
  throw stay;
}

function clearingFault(uid: number, done: (line: string) => void): JailkitError | undefined {
  try {
    if (clearKeys(uid)) done(`removed ${keysOfEarlier(uid)}`);
    return undefined;
  } catch (error) {
    if (!isReported(error)) throw error;
    return keysStayFor(uid, error);
  }
}

const again = ({ uid }: Owner) => `try again with: ${endSessions(uid)}`;

function removeIpcOf(owner: Owner, removed: string[], warn: Hearer["warn"]): void {
  const before = objectsOf(owner.uid);
  if (before.length === 0) return;
  removeObjects(before);
  const key = (object: IpcObject) => `${object.kind} ${"id" in object ? object.id : object.name}`;
  const left = new Set(objectsOf(owner.uid).map(key));
  const gone = before.filter((object) => !left.has(key(object)));
  if (gone.length > 0) removed.push(ipcText(gone));
  // Others may have given it some meanwhile.
  const stay = ipcOf(new Set([owner.uid])).get(owner.uid) ?? [];
  if (stay.length === 0) return;
  const { why, advice, remedy } = whyStays(owner.uid, stay);
  const what = `${ipcText(stay)} of ${ownerText(owner)} ${stay.length === 1 ? "stays" : "stay"} in the kernel${why}`;
  const message = advice === "" ? what : `${what}; ${advice}`;
  warn(message, new JailkitError("has-processes", 1, message, undefined, remedy));
}

/** What is to be said of objects with a uid that should go, and what heals it. */
export function whyStays(uid: number, objects: readonly IpcObject[]) {
  if (objects.some((object) => object.kind !== "shm" || !object.isMarked)) {
    const remedy = endSessions(uid);
    return {
      why: "",
      advice: `remove what the kernel has of the uid, and run this again: ${remedy}`,
      remedy,
    };
  }
  const holders = answered(() => attachedTo(objects)) ?? [];
  if (holders.length === 0)
    return { why: ", as long as processes have it attached", advice: "", remedy: undefined };
  const { whose, remedy } = endingOf(holders, MOST_PIDS);
  return { why: `, attached by processes of ${whose}`, advice: `end them with: ${remedy}`, remedy };
}
