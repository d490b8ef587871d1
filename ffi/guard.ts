import type { Pointer } from "bun:ffi";
import { type ByteString, cString, fromCString } from "./bytes.ts";
import { ENOENT, ENOSYS } from "./constants.ts";
import { SystemError } from "./error.ts";
import { type ExecOptions, execError, prepareExec } from "./exec-arguments.ts";
import { check, errno, libc, pointerAt, stringAt } from "./libc.ts";
import { i32, linkSymbols, read, toBuffer, u64 } from "./native.ts";
import { normalPath } from "./paths.ts";
import { workingDirectory } from "./process.ts";

// The guard's address (ffi/guard/guard.ld), and the members of its two structures (guard.h).
const GUARD = 0x50000000;
/** The first word of a guard, in memory and in the file of each executable: GUARD_MAGIC of guard.h. */
export const GUARD_MAGIC = 0x31647261754b4a01n;
const CONFIG = { magic: 0, stateSlot: 64 } as const;
const STATE = {
  magic: 0,
  argc: 8,
  argv: 16,
  envc: 24,
  env: 32,
  execfn: 40,
  uid: 48,
  euid: 56,
  gid: 64,
  egid: 72,
  exec: 96,
  stackTop: 104,
  writePid: 112,
  daemon: 120,
  entry: 128,
  standardError: 136,
  holdSignals: 144,
  receivedSignal: 152,
  directory: 160,
  writeNotices: 168,
  noticesThread: 176,
  rules: 184,
  keys: 192,
} as const;

const CLOSE_RANGE_CLOEXEC = 4;

const compiled = import.meta.path.startsWith("/$bunfs/");

/** The address of the guard's state; 0 if no guard ran. Uses nothing that the caller controls. */
function findState(): number {
  // mincore(2) fails for memory that is not mapped, which a read would not survive.
  // SAFETY: a byte for one page.
  if (libc.mincore(GUARD, 4096, new Uint8Array(1)) !== 0) return 0;
  // SAFETY: the page is mapped.
  if (read.u64(GUARD as Pointer, CONFIG.magic) !== GUARD_MAGIC) return 0;
  const slot = pointerAt(GUARD, CONFIG.stateSlot);
  const state = slot === 0 ? 0 : pointerAt(slot);
  // SAFETY: the guard put the address of its state there, which stays mapped for good.
  return state !== 0 && read.u64(state as Pointer, STATE.magic) === GUARD_MAGIC ? state : 0;
}

// From source there is no guard, and the heap may be at its address.
const state = compiled ? findState() : 0;

/** Whether the guard ran in this process before the runtime. */
export function isGuarded(): boolean {
  return state !== 0;
}

/**
 * The descriptor of the caller's standard error. In an executable, number 2 is /dev/null, so that the runtime's own
 * output (such as a crash report) does not reach a user. execve restores number 2.
 */
export const standardError: number = state === 0 ? 2 : pointerAt(state, STATE.standardError);

/** The address of the word where the guard notes a signal; 0 when run from source, and in privileged programs. */
export function signalWord(): number {
  return state === 0 ? 0 : pointerAt(state, STATE.receivedSignal);
}

/** Ends an executable that lost its guard, with exit status 127 and one line. Does nothing when run from source. */
export function requireGuard(tool: string): void {
  if (!compiled || state !== 0) return;
  const line = cString(`${tool}: this executable has lost its guard and does not run: install it again\n`);
  // SAFETY: all of the array but its NUL.
  libc.write(2, line, line.length - 1);
  libc._exit(127);
}

/**
 * The strings at `count` pointers. They are close together at the end of the stack, so they are read as one. It uses
 * loops, since the first use of Array.from, map or reduce costs a login a tenth of a millisecond each.
 */
function stringsAt(pointers: number, count: number): ByteString[] {
  if (count === 0) return [];
  const addresses: number[] = [];
  const end = pointerAt(state, STATE.stackTop);
  let lowest = end;
  for (let i = 0; i < count; i++) {
    const address = pointerAt(pointers, 8 * i);
    addresses.push(address);
    if (address < lowest) lowest = address;
  }
  const strings: ByteString[] = [];
  // SAFETY: the guard measured the end of the stack, which stays mapped. The copy is ours.
  const bytes = lowest < end ? new Uint8Array(toBuffer(lowest as Pointer, 0, end - lowest)) : undefined;
  for (const address of addresses) {
    const near = bytes !== undefined && address < end;
    strings.push(near ? fromCString(bytes, address - lowest) : (stringAt(address) ?? ""));
  }
  return strings;
}

/** The caller's arguments, with argv[0]; there may be none. */
export function args(): ByteString[] {
  if (state === 0) return process.argv.slice(1).map((text) => Buffer.from(text).toString("latin1"));
  return stringsAt(pointerAt(state, STATE.argv), pointerAt(state, STATE.argc));
}

/** The caller's environment: entries, usually NAME=value, in order and unchanged. */
export function environment(): ByteString[] {
  if (state === 0) {
    return Object.entries(process.env).map(([name, value]) =>
      Buffer.from(`${name}=${value}`).toString("latin1"),
    );
  }
  return stringsAt(pointerAt(state, STATE.env), pointerAt(state, STATE.envc));
}

/** The value of a variable in an environment, the caller's unless given; the first entry, as getenv(3) finds it. */
export function variable(name: ByteString, entries: readonly ByteString[] = environment()) {
  const start = `${name}=`;
  for (const entry of entries) if (entry.startsWith(start)) return entry.slice(start.length);
  return undefined;
}

/**
 * A path that the caller gave, as an absolute one. Throws SystemError for a relative path if the caller's working
 * directory has no name, as one that was removed: the guard has left it for the root directory.
 */
export function absolute(path: ByteString): ByteString {
  if (path.startsWith("/")) return path;
  const wasLeft = state !== 0 && pointerAt(state, STATE.directory) !== 0;
  const directory = wasLeft ? undefined : workingDirectory();
  if (directory === undefined) throw new SystemError(ENOENT, "getcwd", path);
  return `${directory}/${path}`;
}

/** The same, without `.`, `..` and doubled slashes, as names and not as directories. */
export const absolutePath = (path: ByteString): ByteString => normalPath(absolute(path));

/** AT_EXECFN of getauxval(3): the executed file name, as the caller wrote it. */
export function execfn(): ByteString {
  if (state === 0) return Buffer.from(process.argv[1] ?? "").toString("latin1");
  return stringAt(pointerAt(state, STATE.execfn)) ?? "";
}

/** Real and effective ids at exec, before the guard gave up any. */
export function callerIds(): { uid: number; euid: number; gid: number; egid: number } {
  if (state === 0) {
    return { uid: libc.getuid(), euid: libc.geteuid(), gid: libc.getgid(), egid: libc.getegid() };
  }
  return {
    uid: pointerAt(state, STATE.uid),
    euid: pointerAt(state, STATE.euid),
    gid: pointerAt(state, STATE.gid),
    egid: pointerAt(state, STATE.egid),
  };
}

/**
 * The program whose native entry (ffi/guard/entry/) started this executable, with or without its capability. Undefined
 * if it was started in any other way, under any name.
 */
export function entryName(): ByteString | undefined {
  if (state === 0) return undefined;
  const name = pointerAt(state, STATE.entry);
  return name === 0 ? undefined : stringAt(name);
}

/** The address of a function of the guard. Throws SystemError (ENOSYS) when run from source. */
export function guardFunction(
  name: "exec" | "writePid" | "daemon" | "holdSignals" | "writeNotices" | "noticesThread" | "rules" | "keys",
): Pointer {
  if (state === 0)
    throw new SystemError(ENOSYS, `the guard's ${name}, which only an executable has`, undefined);
  return pointerAt(state, STATE[name]) as Pointer;
}

function linkOfLogins() {
  return linkSymbols({
    exec: { ptr: guardFunction("exec"), args: [u64, u64, u64, u64, u64], returns: i32 },
    rules: { ptr: guardFunction("rules"), args: [u64], returns: i32 },
  }).symbols;
}

let linked: ReturnType<typeof linkOfLogins> | undefined;

/** The functions that a login calls. They are linked together, since the first one takes the most time. */
function ofLogins() {
  linked ??= linkOfLogins();
  return linked;
}

/** Adds the rules that ffi/landlock-names.ts laid out at this address. Throws SystemError (ENOSYS) when run from source. */
export function guardRules(address: number): number {
  // SAFETY: the caller keeps the structure there.
  return ofLogins().rules(address);
}

/**
 * execve(2). The new program gets what this program's caller had set up: signal dispositions and mask, resource limits,
 * working directory (unless `chdir` and `fchdir` of ffi/process.ts changed it) and, unless this is a privileged build,
 * the inherited descriptors. All others above 2 are closed. `last` is called just before, with the address of the path,
 * which no other execve(2) has.
 * Throws `SystemError` if it fails (its call is "prlimit" for a limit), and this process can continue. If it cannot, since
 * its hard limits are below what the runtime needs, the guard reports the error, and ends it with 126 or 127.
 */
export function execve(
  path: ByteString,
  argv: readonly ByteString[],
  envp: readonly ByteString[],
  { last, ...options }: ExecOptions & { last?: (path: number) => void } = {},
): never {
  const prepared = prepareExec(path, argv, envp, options);
  last?.(prepared.path);
  if (state === 0) {
    if (prepared.lowering !== 0) guardFunction("exec");
    check(libc.close_range(3, 0xffffffff, CLOSE_RANGE_CLOEXEC), "close_range");
    const [from, vector, block] = [prepared.path, prepared.argv, prepared.envp] as Pointer[];
    // SAFETY: prepareExec holds them.
    libc.execve(from ?? null, vector ?? null, block ?? null);
    throw new SystemError(errno(), "execve", path);
  }
  const { argv: vector, envp: block, flags, lowering } = prepared;
  // SAFETY: prepareExec holds what these point to.
  const result: number = ofLogins().exec(prepared.path, vector, block, flags, lowering);
  throw execError(result, path);
}
