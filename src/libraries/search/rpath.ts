import type { ByteString } from "../../../ffi/bytes.ts";
import type { ElfFile } from "../elf/dynamic.ts";
import type { Interpreter } from "../interpreter.ts";

/** A loaded program or library. Its loader decides where its own libraries are searched. */
export interface LoadedObject {
  path: ByteString;
  elf: ElfFile;
  /** The value of $ORIGIN; few files ask. */
  origin(): ByteString;
  /** The object that needed it; undefined for the program itself. */
  loader: LoadedObject | undefined;
}

/** More elements of an RPATH are ignored. */
const MOST_RPATH_ELEMENTS = 256;

/** Replaces $ORIGIN, $LIB and $PLATFORM as ld.so(8) does; undefined if musl would refuse the text. */
export function expandTokens(
  text: ByteString,
  origin: () => ByteString,
  rules: Interpreter,
): ByteString | undefined {
  if (!text.includes("$")) return text;
  const names = rules.kind === "musl" ? "ORIGIN" : "ORIGIN|LIB|PLATFORM";
  const token = new RegExp(`\\$(?:\\{(${names})\\}|(${names})(?![A-Za-z0-9_]))`, "g");
  const expanded = text.replace(token, (_, braced: string | undefined, bare: string | undefined) => {
    const name = braced ?? bare ?? "";
    if (name === "ORIGIN") return origin();
    return name === "LIB" ? rules.lib : rules.platform();
  });
  return rules.kind === "musl" && expanded.includes("$") ? undefined : expanded;
}

/** The directories of RPATH and RUNPATH for the libraries of `object`, in order. */
export function rpathDirectories(object: LoadedObject, rules: Interpreter): ByteString[] {
  const { runpath } = object.elf;
  if (rules.kind === "glibc" && runpath !== undefined) return elements(runpath, object, rules);
  const found: ByteString[] = [];
  for (let it: LoadedObject | undefined = object; it !== undefined; it = it.loader) {
    const text = inherited(it.elf, rules);
    if (text !== undefined) found.push(...elements(text, it, rules));
  }
  return found;
}

/** musl treats RPATH and RUNPATH alike, and inherits both. In glibc an RPATH beside a RUNPATH does not count. */
function inherited({ rpath, runpath }: ElfFile, rules: Interpreter): ByteString | undefined {
  if (rules.kind === "musl") return runpath ?? rpath;
  return runpath === undefined ? rpath : undefined;
}

function elements(text: ByteString, object: LoadedObject, rules: Interpreter): ByteString[] {
  // In musl one bad token makes the whole list void.
  const whole = rules.kind === "musl" ? expandTokens(text, object.origin, rules) : text;
  return (whole ?? "")
    .split(":")
    .slice(0, MOST_RPATH_ELEMENTS)
    .map((element) => expandTokens(element, object.origin, rules) ?? "")
    .filter((element) => element.startsWith("/")); // never the current directory
}
