import type { ByteString } from "./bytes.ts";
import { guardRules } from "./guard.ts";
import { addressOf } from "./libc.ts";

// Signs and structure of ffi/guard/guard.h, in words of 32 bits: ruleset, root, home, names and count have two each.
const HOME = 4;
const NAMES = 6;
const COUNT = 8;
const EACH = 10;
const OF_A_RULE = 4096;

/** With these a name begins: of a directory, of a file of any kind, and of a directory in which the next names are. */
export const DIRECTORY = "/";
export const ENTER = ">";
/** And a path: of a program, through any symbolic links; or of any file, through none. */
export const PROGRAM = "@";
export const NAMED = "!";

/** Names, each with such a sign and a NUL, and how many they are. */
export interface Names {
  text: ByteString;
  count: number;
}

/** What came of the rules. */
export interface NameResults {
  /** The errno of a name, by its index; 0 if the rule was added. EPERM also if it is not trusted. */
  errorOf(index: number): number;
  /** The errno of the first rule that the kernel did not take; 0 if there is none. */
  rule: number;
  /** No name needs a look: each has its rule, is missing, or is a symbolic link, and each of NAMED has its rule. */
  isPlain: boolean;
}

/**
 * Adds rules for names and paths below an open root to a ruleset, all in one call, since that saves a login much time.
 * `allowed`: of a name, by its index, or of all; with 0 there is no rule. What is no directory gets the part that it may
 * have. `home`: a directory gets a rule only if root alone can write it and all above, and the home is not in it. Undefined
 * when run from source, and for a home that is no path.
 */
export function allowNames(
  ruleset: number,
  root: number,
  { text, count }: Names,
  allowed: number | readonly number[],
  home?: ByteString,
): NameResults | undefined {
  if (home?.includes("\0")) return undefined;
  const words = new Uint32Array(EACH + 2 * count);
  for (let i = 0; i < count; i++)
    words[EACH + 2 * i] = typeof allowed === "number" ? allowed : (allowed[i] ?? 0);
  const length = text.length;
  const bytes = Buffer.alloc(length + 1 + (home?.length ?? 0));
  bytes.write(text, "latin1");
  if (home !== undefined) bytes.write(home, length, "latin1");
  // SAFETY: both arrays are held until the guard returns, and each name and the home ends with a NUL.
  const names = addressOf(bytes);
  words[0] = ruleset;
  words[2] = root;
  // An element takes a number modulo 2 ** 32.
  words[NAMES] = names;
  words[NAMES + 1] = names / 2 ** 32;
  if (home !== undefined) {
    words[HOME] = names + length;
    words[HOME + 1] = (names + length) / 2 ** 32;
  }
  words[COUNT] = count;
  // SAFETY: see above.
  const unclear = guardRules(addressOf(words));
  if (unclear < 0) return undefined;
  const errorOf = (index: number) => -((words[EACH + 2 * index + 1] ?? 0) | 0);
  let rule = 0;
  for (let i = 0; unclear > 0 && i < count && rule === 0; i++) rule = Math.max(0, errorOf(i) - OF_A_RULE);
  return { errorOf, rule, isPlain: unclear === 0 };
}
