import type { ByteString } from "./bytes.ts";
import { SystemError } from "./error.ts";
import { guardRules } from "./guard.ts";
import type { Handled } from "./landlock.ts";
import { addressOf } from "./libc.ts";

// Signs and structure of ffi/guard/guard.h, in words of 32 bits: all but what is allowed and the results have two each.
const FILES = 0;
const PORTS = 2;
const SCOPES = 4;
const RULESET = 6;
const END = 8;
const FILTERS = 10;
const FILTERED = 12;
const NAMES = 14;
const SIZE = 16;
const COUNT = 18;
const ALLOWED = 20;
const LETTERS = 12;
const RESULTS = ALLOWED + LETTERS;
const OF_A_RULE = 4096;

const ADD = 0;
const RESTRICT_PROVED = 1;
const RESTRICT = 2;
const FILTER = 3;
const NO_FILTERS = 1;

/**
 * Names, each with a sign, the letter of what it is allowed, and a NUL. What no sign of these is before is a name in the
 * root directory: "/" of a directory, "=" of a file of any kind, and ">" of a directory in which the next names are. The
 * first name is of HOME or ROOT.
 */
export interface Names {
  text: ByteString;
  count: number;
  /** By letter, from A; there is no rule for 0. Twelve at most. */
  allowed: readonly number[];
}

/** What a name is allowed. */
export const allowedOf = (name: ByteString, allowed: readonly number[]): number =>
  allowed[name.charCodeAt(1) - 0x41] ?? 0;

/** A path: what follows gets a rule only if root alone can write it and all above, and this is not in it. */
export const HOME = "~";
/** Alone: what follows needs no trust. */
export const ROOT = "<";
/** And a path: of a program, through any symbolic links; or of any file, through none. */
export const PROGRAM = "@";
export const NAMED = "!";
/** A path that gets no rule: whether it is in a directory that each session reads, and no symbolic link leads elsewhere. */
export const READABLE = "?C/usr";
/** The number of a TCP port. */
export const PORT = ":";

/** What came of rules that are not all done. */
export interface Added {
  /** Open. */
  ruleset: number;
  /** The errno of a name, by its index; 0 if the rule was added. EPERM also if it is not trusted. */
  errorOf: (index: number) => number;
}

/**
 * Makes a ruleset and adds rules for names and paths, all in one call, since that saves a login much time. What a name is
 * allowed counts as far as it is handled, and as a file that is no directory may have it. `restricts`: if nothing needs a
 * look, the rules apply to this process from now on, which is proved, and then filters are installed (bits, see
 * applyFilters, whose result it is). A name needs none if it has its rule, is missing, or is a symbolic link; one of NAMED only
 * if it has its rule. Returns the errno if the kernel makes no such ruleset, or a path has a NUL. Throws SystemError.
 */
export function addRules(
  { files, ports, scopes }: Handled,
  { text, count, allowed }: Names,
  restricts: boolean,
  filters: number,
): Added | number | boolean {
  const size = text.length;
  const words = new Uint32Array(RESULTS + count);
  const bytes = Buffer.alloc(size);
  bytes.write(text, "latin1");
  // SAFETY: both arrays are held until the guard returns, and the guard counts the names in the bytes.
  const names = addressOf(bytes);
  words[FILES] = files;
  words[PORTS] = ports;
  words[SCOPES] = scopes;
  // An element takes a number modulo 2 ** 32.
  words[RULESET] = words[RULESET + 1] = -1;
  words[END] = restricts ? RESTRICT_PROVED : ADD;
  words[FILTERS] = filters;
  words[NAMES] = names;
  words[NAMES + 1] = names / 2 ** 32;
  words[SIZE] = size;
  words[COUNT] = count;
  words.set(allowed, ALLOWED);
  // SAFETY: see above.
  const left = guardRules(addressOf(words));
  return left === 0 && restricts ? areFiltered(words) : resultOf(words, left);
}

function areFiltered(words: Uint32Array): boolean {
  const result = (words[FILTERED] ?? 0) | 0;
  if (result < 0) throw new SystemError(-result, "prctl(PR_SET_SECCOMP)", undefined);
  return result !== NO_FILTERS;
}

/**
 * Installs filters of a session in this process and everything that it starts: bits of ffi/seccomp.ts. Each is proved.
 * False if the kernel has no filters of system calls. no_new_privs must be set. Throws SystemError.
 */
export function applyFilters(filters: number): boolean {
  const words = new Uint32Array(RESULTS);
  words[END] = FILTER;
  words[FILTERS] = filters;
  // SAFETY: the array is held until the guard returns. There are no names.
  guardRules(addressOf(words));
  return areFiltered(words);
}

function resultOf(words: Uint32Array, left: number): Added | number {
  const ruleset = (words[RULESET] ?? 0) | 0;
  if (ruleset < 0) return -ruleset;
  if (left < 0) throw new SystemError(-left, "landlock_restrict_self", undefined);
  const errorOf = (index: number) => -((words[RESULTS + index] ?? 0) | 0);
  for (let i = 0; i < (words[COUNT] ?? 0); i++)
    if (errorOf(i) > OF_A_RULE) throw new SystemError(errorOf(i) - OF_A_RULE, "landlock_add_rule", undefined);
  return { ruleset, errorOf };
}

/**
 * landlock_restrict_self(2): for this thread and everything that it starts. no_new_privs must be set. `proves`: only if that
 * can be proved, in a working directory where the user can write; false if not. Throws SystemError, also if the rules are not
 * in force then.
 */
export function restrictSelf(ruleset: number, proves: boolean): boolean {
  const words = new Uint32Array(RESULTS);
  words[RULESET] = ruleset;
  words[END] = proves ? RESTRICT_PROVED : RESTRICT;
  // SAFETY: the array is held until the guard returns. There are no names.
  const result = guardRules(addressOf(words));
  if (result < 0) throw new SystemError(-result, "landlock_restrict_self", undefined);
  return result === 0;
}
