import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { type Abi, machineOf } from "./elf/abi.ts";
import type { RootView } from "./root-view.ts";
import { nativePlatform } from "./search/hwcaps.ts";

/** How the dynamic loader at a path searches: what is built into it, and what its configuration adds. */
export interface Interpreter {
  path: ByteString;
  kind: "glibc" | "musl";
  /** The directories searched last, without a slash at the end. */
  directories: ByteString[];
  /** What stands for $LIB and $PLATFORM; musl knows neither. */
  lib: ByteString;
  platform: () => ByteString;
}

const LARGEST_INTERPRETER = 1 << 22;

/**
 * glibc's default directories are compiled into ld.so, as strings one after the other, each with a slash at its
 * end ("/lib/x86_64-linux-gnu/", "/usr/lib/x86_64-linux-gnu/", "/lib/", "/usr/lib/"). Distributions differ, so
 * they are read there: the longest such run in which each has a component that starts with "lib".
 */
export function builtInDirectories(interpreter: Uint8Array): ByteString[] {
  const text = fromBytes(interpreter);
  const run = /(?:\/(?:[\w.+-]{1,64}\/){1,16}\0){1,16}/y;
  let best: ByteString[] = [];
  // From one "/lib" to the next: to try the expression at each of the file's bytes takes milliseconds.
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

/** The directories that some distribution would have built in, for a loader that does not tell. */
function conventionalDirectories(abi: Abi): ByteString[] {
  const { triplet } = machineOf(abi);
  const multiarch = triplet === "" ? [] : [`/lib/${triplet}`, `/usr/lib/${triplet}`];
  return [...multiarch, ...(abi.bits === 64 ? ["/lib64", "/usr/lib64"] : []), "/lib", "/usr/lib"];
}

/** musl: /etc/ld-musl-ARCH.path beside the loader's lib directory, separated by colons and line ends. */
function muslDirectories(view: RootView, path: ByteString): ByteString[] {
  const arch = /\/ld-musl-([^/]*)\.so\.1$/.exec(path)?.[1] ?? "";
  const prefix = path.replace(/\/[^/]*\/[^/]*$/, "");
  const bytes = view.readFile(`${prefix}/etc/ld-musl-${arch}.path`, 65536);
  const text = bytes === undefined ? "/lib:/usr/local/lib:/usr/lib" : fromBytes(bytes);
  return text.split(/[:\n]/).filter((directory) => directory.startsWith("/"));
}

/** How the loader `path` (PT_INTERP; it need not exist) searches for libraries of `abi`. */
export function readInterpreterRules(view: RootView, path: ByteString, abi: Abi): Interpreter {
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

/** The loader that a program of `abi` would name on this system: by convention, the first that is there. */
export function conventionalInterpreter(view: RootView, abi: Abi, musl: boolean): ByteString {
  const { interpreters } = machineOf(abi);
  const candidates = interpreters.filter((path) => path.includes("/ld-musl-") === musl);
  const all = [...candidates, ...interpreters];
  return all.find((path) => view.realPath(path) !== undefined) ?? all[0] ?? "/lib/ld.so.1";
}
