import type { ByteString } from "./bytes.ts";
import { EINVAL } from "./constants.ts";
import { SystemError } from "./error.ts";
import { guardRules } from "./guard.ts";
import type { Handled } from "./landlock.ts";
import { addressOf } from "./libc.ts";

// Signs and structure of ffi/guard/guard.h, in words of 32 bits: all but the results and what is allowed have two each.
const FILES = 0;
const PORTS = 2;
const SCOPES = 4;
const RULESET = 6;
const END = 8;
const HOME = 10;
const NAMES = 12;
const COUNT = 14;
const EACH = 16;
const OF_A_RULE = 4096;
const NONE = 0xffffffff;

const ADD = 0;
const RESTRICT_PROVED = 1;
const RESTRICT = 2;

/** With these a name begins: of a directory, of a file of any kind, and of a directory in which the next names are. */
export const DIRECTORY = "/";
export const ENTER = ">";
/** Alone: the next names are in the root directory, and need not be trusted. */
export const ROOT = "<";
/** And a path: of a program, through any symbolic links; or of any file, through none. */
export const PROGRAM = "@";
export const NAMED = "!";
/** A path in a directory that is read, which gets no rule: whether a symbolic link may lead elsewhere. */
export const READABLE = "?/usr";
/** Alone: `allowed` is for a TCP port, which its upper half has. */
export const PORT = ":";

/** Names, each with such a sign and a NUL, and what is allowed of each: there is no rule for 0. */
export interface Names {
  text: ByteString;
  allowed: readonly number[];
}

/** What came of rules. */
export interface Added {
  /** All have been added, and apply to this process, which was proved. If not, there is an open ruleset. */
  isDone: boolean;
  ruleset: number;
  /** The errno of a name, by its index; 0 if the rule was added. EPERM also if it is not trusted. */
  errorOf(index: number): number;
}

/** A path for a name. Throws SystemError for one with a NUL, which would end it. */
export function nameOf(sign: string, path: ByteString): ByteString {
  if (path.includes("\0")) throw new SystemError(EINVAL, "a NUL byte in a path", path);
  return `${sign}${path}\0`;
}

/**
 * Makes a ruleset and adds rules for names and paths, all in one call, since that saves a login much time. What a name is
 * allowed counts as far as it is handled, and as a file that is no directory may have it. `home`: up to ROOT, a
 * directory gets a rule only if root alone can write it and all above, and the home is not in it. `restricts`: if nothing
 * needs a look, the rules apply to this process from now on. A name needs none if it has its rule, is missing, or is a
 * symbolic link; one of NAMED only if it has its rule. Returns the errno if the kernel makes no such ruleset. Throws
 * SystemError.
 */
export function addRules(
  { files, ports, scopes }: Handled,
  { text, allowed }: Names,
  home: ByteString | undefined,
  restricts: boolean,
): Added | number {
  const count = allowed.length;
  const words = new Uint32Array(EACH + 2 * count);
  for (let i = 0; i < count; i++) words[EACH + 2 * i] = allowed[i] ?? 0;
  const length = text.length;
  const bytes = Buffer.alloc(length + 1 + (home?.length ?? 0));
  bytes.write(text, "latin1");
  // SAFETY: both arrays are held until the guard returns, and each name and the home ends with a NUL.
  const names = addressOf(bytes);
  words[FILES] = files;
  words[PORTS] = ports;
  words[SCOPES] = scopes;
  words[RULESET] = NONE;
  words[RULESET + 1] = NONE;
  words[END] = restricts ? RESTRICT_PROVED : ADD;
  // An element takes a number modulo 2 ** 32.
  words[NAMES] = names;
  words[NAMES + 1] = names / 2 ** 32;
  if (home !== undefined) {
    bytes.write(nameOf("", home), length, "latin1");
    words[HOME] = names + length;
    words[HOME + 1] = (names + length) / 2 ** 32;
  }
  words[COUNT] = count;
  // SAFETY: see above.
  const unclear = guardRules(addressOf(words));
  const ruleset = (words[RULESET] ?? 0) | 0;
  if (ruleset < 0) return -ruleset;
  if (unclear < 0) throw new SystemError(-unclear, "landlock_restrict_self", undefined);
  const errorOf = (index: number) => -((words[EACH + 2 * index + 1] ?? 0) | 0);
  for (let i = 0; unclear > 0 && i < count; i++)
    if (errorOf(i) > OF_A_RULE) throw new SystemError(errorOf(i) - OF_A_RULE, "landlock_add_rule", undefined);
  return { isDone: restricts && unclear === 0, ruleset, errorOf };
}

/**
 * landlock_restrict_self(2): for this thread and everything that it starts. no_new_privs must be set. `proves`: only if that
 * can be proved, in a working directory where the user can write; false if not. Throws SystemError, also if the rules are not
 * in force then.
 */
export function restrictSelf(ruleset: number, proves: boolean): boolean {
  const words = new Uint32Array(EACH);
  words[RULESET] = ruleset;
  words[END] = proves ? RESTRICT_PROVED : RESTRICT;
  // SAFETY: the array is held until the guard returns. There are no names.
  const result = guardRules(addressOf(words));
  if (result < 0) throw new SystemError(-result, "landlock_restrict_self", undefined);
  return result === 0;
}
