import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { type Abi, abiKey, machineOf } from "./elf/abi.ts";
import type { RootView } from "./root-view.ts";
import { nativePlatform } from "./search/hwcaps.ts";

/** The search rules of a dynamic loader: built-in ones, and its configuration. */
export interface Interpreter {
  path: ByteString;
  kind: "glibc" | "musl";
  /** The directories searched last, without a slash at the end. */
  directories: ByteString[];
  /** $LIB and $PLATFORM; musl has neither. */
  lib: ByteString;
  platform: () => ByteString;
}

const LARGEST_INTERPRETER = 1 << 22;
const LARGEST_PATH_FILE = 1 << 16;

/**
 * The default directories of glibc, read from ld.so, since distributions differ. They are compiled in as adjacent
 * strings that end in a slash ("/lib/x86_64-linux-gnu/", "/usr/lib/x86_64-linux-gnu/", "/lib/", "/usr/lib/"): the
 * longest such run in which each string has a component that starts with "lib".
 */
export function builtInDirectories(interpreter: Uint8Array): ByteString[] {
  const text = fromBytes(interpreter);
  const run = /(?:\/(?:[\w.+-]{1,64}\/){1,16}\0){1,16}/y;
  let best: ByteString[] = [];
  // Only at each "/lib": at every byte of the file, the expression would take milliseconds.
  for (let at = text.indexOf("/lib"); at >= 0; at = text.indexOf("/lib", at + 1)) {
    run.lastIndex = text.lastIndexOf("\0", at) + 1;
    const match = run.exec(text)?.[0];
    if (match === undefined) continue;
    at = Math.max(at, run.lastIndex - 1);
    const directories = match.split("\0").slice(0, -1);
    if (directories.length > best.length && directories.every((name) => /\/lib[^/]*\//.test(name)))
      best = directories;
  }
  return [...new Set(best.map((name) => name.slice(0, -1)))];
}

/** The usual directories of distributions, if a loader contains none. */
function conventionalDirectories(abi: Abi): ByteString[] {
  const { triplet } = machineOf(abi);
  const multiarch = triplet === "" ? [] : [`/lib/${triplet}`, `/usr/lib/${triplet}`];
  return [...multiarch, ...(abi.bits === 64 ? ["/lib64", "/usr/lib64"] : []), "/lib", "/usr/lib"];
}

/** musl: from etc/ld-musl-ARCH.path beside the lib directory of the loader, separated by colons or newlines. */
function muslDirectories(view: RootView, path: ByteString): ByteString[] {
  const arch = /\/ld-musl-([^/]*)\.so\.1$/.exec(path)?.[1] ?? "";
  const prefix = path.replace(/\/[^/]*\/[^/]*$/, "");
  const bytes = view.readFile(`${prefix}/etc/ld-musl-${arch}.path`, LARGEST_PATH_FILE);
  const text = bytes === undefined ? "/lib:/usr/local/lib:/usr/lib" : fromBytes(bytes);
  return text.split(/[:\n]/).filter((directory) => directory.startsWith("/"));
}

/** The dynamic loaders of one root directory, each read once. */
export class Interpreters {
  private readonly rules = new Map<string, Interpreter>();
  private readonly conventions = new Map<string, ByteString>();

  constructor(private readonly view: RootView) {}

  /** The search rules of the loader `path` (PT_INTERP; it need not exist) for libraries of `abi`. */
  rulesOf(path: ByteString, abi: Abi): Interpreter {
    const key = `${path}\0${abiKey(abi)}`;
    return this.rules.getOrInsertComputed(key, () => readInterpreterRules(this.view, path, abi));
  }

  /** The first existing loader of those that are usual for `abi`, for a file that names none. */
  conventional(abi: Abi, musl: boolean): ByteString {
    const key = `${musl} ${abiKey(abi)}`;
    return this.conventions.getOrInsertComputed(key, () => conventionalInterpreter(this.view, abi, musl));
  }
}

function readInterpreterRules(view: RootView, path: ByteString, abi: Abi): Interpreter {
  const platform = () => nativePlatform(abi);
  if (/\/ld-musl-[^/]*$/.test(path)) {
    return { path, kind: "musl", directories: muslDirectories(view, path), lib: "lib", platform };
  }
  const bytes = view.readFile(path, LARGEST_INTERPRETER);
  const found = bytes === undefined ? [] : builtInDirectories(bytes);
  const directories = found.length > 0 ? found : conventionalDirectories(abi);
  // $LIB is the directory of the C library below its prefix: "lib/x86_64-linux-gnu", "lib64".
  const lib = (directories[0] ?? "/lib").replace(/^\/(?:usr\/)?/, "");
  return { path, kind: "glibc", directories, lib, platform };
}

function conventionalInterpreter(view: RootView, abi: Abi, musl: boolean): ByteString {
  const { interpreters } = machineOf(abi);
  const all = [...interpreters.filter((path) => path.includes("/ld-musl-") === musl), ...interpreters];
  return all.find((path) => view.realPath(path) !== undefined) ?? all[0] ?? "/lib/ld.so.1";
}
