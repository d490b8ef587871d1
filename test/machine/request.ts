import type { ByteString } from "../../ffi/bytes.ts";

const limits = {
  CPU: 0,
  FSIZE: 1,
  DATA: 2,
  STACK: 3,
  CORE: 4,
  NPROC: 6,
  NOFILE: 7,
  MEMLOCK: 8,
  AS: 9,
} as const;

/** Ids as numbers; `groups` are the supplementary ones. */
export interface Ids {
  uid: number;
  gid: number;
  groups?: readonly number[];
}

/** How a program is started in the machine. What is not given: root, PATH alone, cwd `/`, umask 022, no stdin. */
export interface RunOptions {
  /** A name of the machine's /etc/passwd (its ids and groups are taken from there), or ids. */
  user?: string | Ids;
  /** The whole environment: a record, or raw entries in order (duplicates and entries without `=` too). */
  env?: Readonly<Record<ByteString, ByteString>> | readonly ByteString[];
  stdin?: ByteString | Uint8Array;
  cwd?: ByteString;
  /** Stands in for argv[0]; the program is still the one that argv[0] names. */
  argv0?: ByteString;
  /** The file to execute; argv is then handed over as it is, and may be empty. */
  path?: ByteString;
  umask?: number;
  /** setrlimit(2): soft and hard, or one number for both; -1 is RLIM_INFINITY. */
  limits?: Partial<Record<keyof typeof limits, number | readonly [soft: number, hard: number]>>;
  /** Files that root opens under these descriptors (flags of open(2), O_RDONLY where not given). */
  open?: readonly { fd: number; path: ByteString; flags?: number }[];
  /** Descriptors that the program finds closed. */
  close?: readonly number[];
  noNewPrivs?: boolean;
  /** Adds a last line to stdout: CLOCK_MONOTONIC in ns before the fork and after the end, as `time` reads it. */
  timed?: boolean;
  /** Milliseconds after which the program is killed and `run` throws; two minutes where not given. */
  timeout?: number;
}

/** What a program left behind. */
export interface RunResult {
  /** The exit status, or 128 + the number of the signal, as a shell has it. */
  status: number;
  /** The name of the signal that ended it, as "SIGSEGV". */
  signal: string | undefined;
  stdout: ByteString;
  stderr: ByteString;
  stdoutBytes: Buffer;
}

/** The PATH that programs get, and are searched in. */
export const defaultPath = "/usr/sbin:/usr/bin:/sbin:/bin";

/** The file that `machine enter` reads: NUL-terminated words, a key and its value in turn. */
export function encodeRequest(
  path: ByteString,
  argv: readonly ByteString[],
  ids: Required<Ids>,
  options: RunOptions,
): Buffer {
  const words: ByteString[] = [];
  const add = (key: string, value: ByteString | number) => {
    words.push(key, String(value));
  };
  add("uid", ids.uid);
  add("gid", ids.gid);
  for (const group of ids.groups) add("group", group);
  add("umask", (options.umask ?? 0o22).toString(8));
  add("cwd", options.cwd ?? "/");
  add("path", path);
  if (options.timed) add("time", 1);
  if (options.noNewPrivs) add("nnp", 1);
  for (const fd of options.close ?? []) add("close", fd);
  for (const { fd, path, flags } of options.open ?? []) add("open", `${fd} ${flags ?? 0} ${path}`);
  for (const [name, value] of Object.entries(options.limits ?? {})) {
    const [soft, hard] = typeof value === "number" ? [value, value] : value;
    add("limit", `${limits[name as keyof typeof limits]} ${soft} ${hard}`);
  }
  for (const word of argv) add("arg", word);
  for (const entry of environment(options.env)) add("env", entry);
  const text = words.map((word) => `${word}\0`).join("");
  if (/[^\x00-\xff]/.test(text)) throw new RangeError("not a byte string: pass text through utf8()");
  if (text.length - text.replaceAll("\0", "").length !== words.length) throw new RangeError("a NUL byte");
  return Buffer.from(text, "latin1");
}

function environment(env: RunOptions["env"]): readonly ByteString[] {
  if (env === undefined) return [`PATH=${defaultPath}`];
  if (isList(env)) return env;
  return Object.entries(env).map(([name, value]) => `${name}=${value}`);
}

// Array.isArray does not narrow a readonly array away
function isList(env: NonNullable<RunOptions["env"]>): env is readonly ByteString[] {
  return Array.isArray(env);
}
