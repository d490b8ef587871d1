import { type ByteString, fromBytes, toBytes, utf8 } from "../../ffi/bytes.ts";
import { libc } from "../../ffi/libc.ts";
import { jsonText, quoted } from "../cli/display.ts";
import { isReported, JailkitError } from "../cli/error.ts";
import { isLimitedShell } from "../jail/accounts/jailed-users.ts";
import { withTree } from "../jail/fs/look.ts";
import { openTree } from "../jail/fs/walk.ts";
import { appendToFile, putFile } from "../jail/fs/write.ts";
import {
  badDeclared,
  documentsIn,
  LARGEST_DECLARED,
  ONCE_FILE,
  readDeclared,
} from "../jail/record/declared-file.ts";
import { withControls } from "../jail/record/manifest-text.ts";
import { makeOwnDirectory } from "../jail/record/registry.ts";
import { STATE_DIRECTORY } from "../jail/record/state-directory.ts";
import { readShape } from "../transfer/shape.ts";
import type { AllKeys } from "../users/declared-keys.ts";
import { keysPerhapsIn } from "../users/key-text.ts";
import { withCreated } from "./creating.ts";
import { isUsual } from "./known-file.ts";
import type { DeclaredUser } from "./model.ts";
import { completed, type Fields, identified, withAdded } from "./once-document.ts";
import {
  type Creating,
  type KeptHome,
  type LeftJail,
  ONCE,
  type Once,
  type OnceJail,
  type OnceUser,
  uidOf,
} from "./once-shape.ts";

export { ONCE_FILE } from "../jail/record/declared-file.ts";

/** That of a file without accounts that are about to be created, which a run that ends writes. */
const VERSION = 4;
const WITH_CREATING = 5;

/** Begins why what is declared waits. */
export const UNKEPT = "what is declared cannot be kept";

/** What is known before anything was declared. */
export const NOTHING: Once = { jails: [], users: [], kept: [], creating: [] };

/** With other paths of the files that declared it. */
function withFiles(once: Once, fileOf: (file: ByteString) => ByteString): Once {
  const of = <T extends OnceJail | OnceUser>(one: T): T => {
    const file = fileOf(one.file);
    return file === one.file ? one : { ...one, file };
  };
  return { ...once, jails: once.jails.map(of), users: once.users.map(of) };
}

/**
 * Reads what was declared once, as it is after a run that was killed. `fileOf`: the paths of the files that declared it, which
 * an earlier version may have written as they were named. Throws JailkitError "bad-state".
 */
export function readOnce(fileOf?: (file: ByteString) => ByteString): Once {
  const bytes = readDeclared();
  return bytes === undefined ? NOTHING : onceFrom(bytes, fileOf);
}

/** The same from the bytes of the file. Pure. */
export function onceFrom(bytes: Uint8Array, fileOf: (file: ByteString) => ByteString = (file) => file): Once {
  try {
    const [whole, ...added] = documentsIn(bytes);
    const { version, ...rest } = whole as Fields;
    if (typeof version !== "number" || ![1, 2, 3, VERSION, WITH_CREATING].includes(version))
      throw badDeclared("is of another version of jailkit");
    const written = readShape(identified(version < 3 ? completed(rest) : { kept: [], ...rest }), ONCE);
    const once = withFiles(withCreated(withAdded(written, added)), fileOf);
    texts.set(once, fromBytes(bytes));
    return once;
  } catch (error) {
    if (error instanceof JailkitError && error.code === "bad-state") throw error;
    throw badDeclared(error instanceof JailkitError ? error.message : "is not JSON");
  }
}

/** Why what was declared once cannot be read, without which nothing is applied; undefined if it can. */
export function onceFault(): Error | undefined {
  try {
    readOnce();
  } catch (error) {
    if (isReported(error)) return error;
    throw error;
  }
  return undefined;
}

const encode = (_: string, value: unknown) =>
  value === undefined ? null : typeof value === "string" ? withControls(jsonText(value)) : value;

/** The texts of what was read or written: thousands of users take a while to write down, and are written again for each jail. */
const texts = new WeakMap<Once | One, ByteString>();

type One = OnceJail | OnceUser | KeptHome | Creating;

const TOO_LONG = `it is longer than ${LARGEST_DECLARED} bytes`;

/** Throws JailkitError "state-full": what would not be read again is not written. What makes room is not known here. */
function full(why: string): never {
  throw new JailkitError("state-full", 1, `${UNKEPT}: ${why}`);
}

function textOfOne(one: One, list: keyof typeof ONCE.fields): ByteString {
  return texts.getOrInsertComputed(one, () => {
    const text = JSON.stringify(one, encode);
    try {
      readShape(JSON.parse(text), ONCE.fields[list].of);
    } catch (error) {
      if (!(error instanceof JailkitError)) throw error;
      full(`${quoted("path" in one ? one.path : one.name)}: ${error.message}`);
    }
    return utf8(text);
  });
}

function listed(all: readonly One[], list: keyof typeof ONCE.fields): ByteString {
  const { most } = ONCE.fields[list];
  if (all.length > most) full(`${list} has more than ${most} items`);
  return `[${all.map((one) => textOfOne(one, list)).join(",")}]`;
}

/** The text of the file. Throws JailkitError "state-full" for what would not be read again. Pure. */
export function onceText(once: Once): ByteString {
  return texts.getOrInsertComputed(once, () => {
    const [version, last] =
      once.creating.length === 0
        ? [VERSION, ""]
        : [WITH_CREATING, `,"creating":${listed(once.creating, "creating")}`];
    const lists = `"jails":${listed(once.jails, "jails")},"users":${listed(once.users, "users")},"kept":${listed(once.kept, "kept")}`;
    const text = `{"version":${version},${lists}${last}}\n`;
    return text.length > LARGEST_DECLARED ? full(TOO_LONG) : text;
  });
}

const isSame = <T>(before: readonly T[], now: readonly T[]): boolean =>
  before.length === now.length && before.every((one, index) => one === now[index]);

/** True unless the file is of a former version, or a run that was killed has begun anything. */
function isCurrent(once: Once): boolean {
  const text = onceText(once);
  return text.startsWith(`{"version":${VERSION},`) && text.indexOf("\n") === text.length - 1;
}

/** True if what is there need not be written again. Throws JailkitError "state-full" for what would not be read again. */
export function isWritten(before: Once, now: Once): boolean {
  const lists = ["jails", "users", "kept", "creating"] as const;
  if (lists.every((list) => isSame<One>(before[list], now[list])) && isCurrent(before)) return true;
  return onceText(now) === onceText(before);
}

/** Writes it, by one rename, if it differs from what is there, or always. Throws SystemError, JailkitError. */
export function writeOnce(before: Once, now: Once, always = false): void {
  if (!always && isWritten(before, now)) return;
  // As useradd(8), which writes to the disk what it does.
  using tree = openTree("/", { sync: now.creating.length > 0 });
  makeOwnDirectory(tree, `${STATE_DIRECTORY}/jails`);
  const attributes = { uid: libc.geteuid(), gid: libc.getegid(), mode: 0o600 };
  putFile(tree, ONCE_FILE, toBytes(onceText(now)), attributes, { replace: true });
}

/**
 * Adds a line with some of what is declared now to the file, which must be there: thousands of users, each of whom is begun,
 * take too long to write down again and again. Throws SystemError, JailkitError.
 */
export function addOnce(begun: Pick<Once, "jails" | "users">): void {
  // A line may follow one that was not written to its end.
  const line = `\n{"jails":${listed(begun.jails, "jails")},"users":${listed(begun.users, "users")}}\n`;
  try {
    withTree((tree) => appendToFile(tree, ONCE_FILE, toBytes(line), LARGEST_DECLARED));
  } catch (error) {
    if (error instanceof JailkitError && error.code === "file-full") full(TOO_LONG);
    throw error;
  }
}

/** What is remembered of an account, most of it of one that apply created. */
export const createdOf = (user: OnceUser | undefined) => ({
  created: user?.created,
  createdDay: user?.createdDay,
  createdHome: user?.createdHome,
  homeId: user?.homeId,
  uid: user?.uid,
  recordedAs: user?.recordedAs,
  formerly: user?.formerly,
});

/** A user whose account counts as one that apply did not create. */
export const notCreated = (once: OnceUser): OnceUser => ({
  ...once,
  ...createdOf(undefined),
  ...{ homeId: once.homeId, uid: uidOf(once), formerly: once.formerly },
});

/** The names by which the account of a user was declared, if it has another one now. Pure. */
export const withFormer = ({ name, formerly }: OnceUser, now: ByteString): readonly ByteString[] =>
  union(formerly, [name]).filter((one) => one !== now);

/** A user whose account is in a directory by now, which nobody on this machine creates or removes. */
export const asOfDirectory = (once: OnceUser): OnceUser => ({ ...notCreated(once), directory: true });

/** What is left of a name whose account has another one: its keys are in the home of that one, which the line of it names. */
export const gone = (once: OnceUser): OnceUser => ({ ...once, out: once.directory, keys: [] });

/** What is remembered of a user who stays in the jail, and whose logins have ended, besides keys that may come back. */
export const ended = (once: OnceUser | undefined) =>
  ({
    ...{ out: true, policy: false, otherPolicy: false, groups: [], groupIds: [], left: [] },
    ...createdOf(undefined),
    // Its directory may give it another name.
    uid: once?.directory ? once.uid : undefined,
  }) as const;

/** For which sections apply wrote rights of a user: true for jk_lsh.ini of the jail, false for jk_chrootsh.ini. */
export const policiesOf = ({ limited, policy, otherPolicy }: OnceUser): boolean[] => [
  ...(policy ? [limited] : []),
  ...(otherPolicy ? [!limited] : []),
];

/**
 * The same for a jail that it is declared in now, to which it may come or come back: jk_chrootsh.ini is for all jails.
 */
export const policiesIn = (jail: ByteString, once: OnceUser): boolean[] =>
  once.jail === jail
    ? policiesOf(once)
    : [
        ...(once.left.some((one) => one.jail === jail && one.policy) ? [true] : []),
        ...policiesOf(once).filter((limited) => !limited),
      ];

/** Those of them that are not declared any more. */
export const formerPolicies = (
  { jail, policy, shell }: Pick<DeclaredUser, "jail" | "policy" | "shell">,
  once: OnceUser,
): boolean[] =>
  policiesIn(jail, once).filter((limited) => policy === undefined || isLimitedShell(shell) !== limited);

/** The jails that a user was declared in, besides the one of now. */
export const leftJails = (jail: ByteString, once: OnceUser): readonly LeftJail[] => [
  ...once.left.filter((one) => one.jail !== jail),
  ...(once.jail === jail ? [] : [{ jail: once.jail, policy: policiesOf(once).includes(true) }]),
];

/** The same user in a jail of before, which the account has not left, whatever was declared since; as it is for another jail. */
export function stillIn(jail: ByteString, once: OnceUser): OnceUser {
  const before = once.left.find((one) => one.jail === jail);
  if (before === undefined) return once;
  const otherPolicy = policiesOf(once).includes(false);
  const left = leftJails(jail, once);
  return { ...once, jail, limited: true, policy: before.policy, otherPolicy, left };
}

/** The items of two lists, each of them once. */
export const union = (one: readonly ByteString[] = [], other: readonly ByteString[]) => [
  ...new Set([...one, ...other]),
];

// Compared with what was declared, and remembered.
const sums = new Map<ByteString, ByteString>();

/** Identifies a key without its text. */
export const sumOf = (key: ByteString): ByteString =>
  sums.getOrInsertComputed(key, () => Bun.CryptoHasher.hash("sha256", toBytes(key), "hex"));

/** Those keys that have one of some sums. */
export const withSums = (sums: readonly ByteString[]): Pick<ReadonlySet<ByteString>, "has"> => {
  const all = new Set(sums);
  return { has: (key) => all.has(sumOf(key)) };
};

/** Those keys in the text of an authorized_keys that have one of some sums. */
const keysOf = (text: ByteString, sums: readonly ByteString[]): readonly ByteString[] =>
  sums.length === 0 ? [] : [...new Set(keysPerhapsIn(text, withSums(sums)))];

/** The same of all files of a home: all sums, if what is in one is not known. */
export const keysAmong = ({ text, fault }: AllKeys, sums: readonly ByteString[]): readonly ByteString[] =>
  fault === undefined ? keysOf(text, sums) : sums;

/**
 * True if what a file declared once is to be compared with a declaration from `files`, or from the usual ones, of which one
 * may be gone.
 */
export const isInScope = (file: ByteString, files: readonly ByteString[], usual: boolean): boolean =>
  files.includes(file) || (usual && isUsual(file));
