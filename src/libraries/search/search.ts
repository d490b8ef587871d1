import type { ByteString } from "../../../ffi/bytes.ts";
import type { OpenCandidate } from "../candidate.ts";
import { type Abi, abiKey } from "../elf/abi.ts";
import type { ElfFile } from "../elf/dynamic.ts";
import { badElf } from "../elf/reader.ts";
import type { Interpreter } from "../interpreter.ts";
import type { RootView } from "../root-view.ts";
import { nativeHwcaps } from "./hwcaps.ts";
import { LARGEST_CACHE, type LinkerCache, parseLinkerCache } from "./ld-cache.ts";
import { type LinkerConf, readLinkerConf } from "./ld-conf.ts";

/** A program or library as it was loaded: by whom decides where its own libraries are looked for. */
export interface LoadedObject {
  path: ByteString;
  elf: ElfFile;
  /** What $ORIGIN stands for in it; few files ask. */
  origin(): ByteString;
  /** The object that needed it; undefined for the program itself. */
  loader: LoadedObject | undefined;
}

/** The outcome of a search: the file, or where it was looked for in vain, and what was found instead. */
export type Found =
  | { path: ByteString; elf: ElfFile }
  | { searched: ByteString[]; refused: ByteString | undefined };

/** The looking for libraries in one root, all of it remembered. */
export interface LibrarySearch {
  /** DT_NEEDED or dlopen(3) of `name` on behalf of `object`, which runs under `interpreter`. */
  find(name: ByteString, object: LoadedObject, interpreter: Interpreter): Found;
  /** /etc/ld.so.conf. */
  conf(): LinkerConf;
  /** A new program, which errors will name: the limit on the work for one program starts afresh. */
  begin(program: ByteString): void;
}

/** More elements than that in an RPATH are not looked at. */
const MOST_RPATH_ELEMENTS = 256;
/** Directories tried for one program. Hundreds are usual, some ten thousand the most that a real one needs. */
const MOST_ATTEMPTS = 200_000;

/** Replaces $ORIGIN, $LIB and $PLATFORM as ld.so(8); undefined where musl would not take the text. */
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

/** Creates the search for the root that `view` shows. `hwcapsOf`: see LoaderOptions. */
export function createLibrarySearch(
  view: RootView,
  open: OpenCandidate,
  hwcapsOf: (abi: Abi) => ByteString[] = nativeHwcaps,
): LibrarySearch {
  const directories = new Map<ByteString, ByteString | undefined>();
  const hwcapDirectories = new Map<string, ByteString[]>();
  const systemResults = new Map<string, Found>();
  let cache: LinkerCache | undefined | "unread" = "unread";
  let conf: LinkerConf | undefined;
  const ownElements = new WeakMap<LoadedObject, ByteString[]>();
  let program: ByteString = "";
  let attempts = 0;

  /** The directory without "..", as the builder of a jail wants it; undefined where there is none. */
  function directory(path: ByteString): ByteString | undefined {
    if (directories.has(path)) return directories.get(path);
    const plain = path.replace(/\/(?:\.?\/)+/g, "/").replace(/(?<=.)\/\.?$/, "");
    const clean = /\/\.\.(?:\/|$)/.test(plain) ? view.realPath(plain) : plain;
    const result = clean !== undefined && view.isDirectory(clean) ? clean : undefined;
    directories.set(path, result);
    return result;
  }

  /** A directory and, before it, those of its glibc-hwcaps subdirectories that exist and this processor can use. */
  function withHwcaps(path: ByteString, abi: Abi): ByteString[] {
    const key = `${path}\0${abiKey(abi)}`;
    let result = hwcapDirectories.get(key);
    if (result === undefined) {
      const clean = directory(path);
      result = clean === undefined ? [] : [clean];
      const parent = `${clean}/glibc-hwcaps`;
      if (clean !== undefined && view.isDirectory(parent)) {
        const names = hwcapsOf(abi).map((name) => `${parent}/${name}`);
        result.unshift(...names.filter((name) => view.isDirectory(name)));
      }
      hwcapDirectories.set(key, result);
    }
    return result;
  }

  function elements(text: ByteString, object: LoadedObject, rules: Interpreter): ByteString[] {
    // In musl one bad token spoils the whole list.
    const whole = rules.kind === "musl" ? expandTokens(text, object.origin, rules) : text;
    return (whole ?? "")
      .split(":")
      .slice(0, MOST_RPATH_ELEMENTS)
      .map((element) => expandTokens(element, object.origin, rules) ?? "")
      .filter((element) => element.startsWith("/")); // the current directory is nobody's library directory
  }

  /** Where RPATH and RUNPATH send us, best first. */
  function ownDirectories(object: LoadedObject, rules: Interpreter): ByteString[] {
    let own = ownElements.get(object);
    if (own === undefined) {
      own = readOwnDirectories(object, rules);
      ownElements.set(object, own);
    }
    return own;
  }

  function readOwnDirectories(object: LoadedObject, rules: Interpreter): ByteString[] {
    const found: ByteString[] = [];
    if (rules.kind === "musl") {
      // musl makes no difference between the two, and inherits both.
      for (let it: LoadedObject | undefined = object; it !== undefined; it = it.loader) {
        const text = it.elf.runpath ?? it.elf.rpath;
        if (text !== undefined) found.push(...elements(text, it, rules));
      }
      return found;
    }
    if (object.elf.runpath !== undefined) return elements(object.elf.runpath, object, rules);
    for (let it: LoadedObject | undefined = object; it !== undefined; it = it.loader) {
      // An RPATH beside a RUNPATH does not count, not for those below it either.
      if (it.elf.rpath !== undefined && it.elf.runpath === undefined)
        found.push(...elements(it.elf.rpath, it, rules));
    }
    return found;
  }

  type Attempt = { searched: Set<ByteString>; refused: ByteString | undefined };
  const newAttempt = (): Attempt => ({ searched: new Set(), refused: undefined });
  const failed = (attempt: Attempt): Found => ({ searched: [...attempt.searched], refused: attempt.refused });

  function tryPath(path: ByteString, abi: Abi, attempt: Attempt): Found | undefined {
    const candidate = open(path, abi);
    if (candidate.kind === "elf") return candidate;
    // ld.so stops at a file that is no ELF file; whatever it is, it does not go into a jail as a library.
    if (candidate.kind === "not-elf") {
      attempt.refused = path;
      return failed(attempt);
    }
    return undefined;
  }

  function tryDirectories(
    list: ByteString[],
    name: ByteString,
    rules: Interpreter,
    abi: Abi,
    attempt: Attempt,
  ): Found | undefined {
    for (const path of list) {
      if (++attempts > MOST_ATTEMPTS) throw badElf(program, "it makes its loader search without end");
      if (attempt.searched.has(path)) continue;
      attempt.searched.add(path);
      const clean = rules.kind === "glibc" ? withHwcaps(path, abi) : [directory(path)];
      for (const each of clean) {
        const found =
          each === undefined ? undefined : tryPath(`${each === "/" ? "" : each}/${name}`, abi, attempt);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  function linkerConf(): LinkerConf {
    conf ??= readLinkerConf(view);
    return conf;
  }

  function cached(name: ByteString, abi: Abi, attempt: Attempt, skip: ByteString[]): Found | undefined {
    if (cache === "unread") {
      const bytes = view.readFile("/etc/ld.so.cache", LARGEST_CACHE);
      cache = bytes === undefined ? undefined : parseLinkerCache(bytes);
    }
    if (cache === undefined) return undefined;
    attempt.searched.add("/etc/ld.so.cache");
    const entries = cache.entries(name);
    const order = entries.some((entry) => entry.hwcap !== undefined) ? hwcapsOf(abi) : [];
    for (const hwcap of [...order, undefined]) {
      for (const entry of entries) {
        if (entry.hwcap !== hwcap || skip.some((prefix) => entry.path.startsWith(`${prefix}/`))) continue;
        const found = tryPath(entry.path, abi, attempt);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  /** What does not depend on who asks: the cache, the default directories, and what ldconfig would add. */
  function findInSystem(name: ByteString, abi: Abi, rules: Interpreter, noDefault: boolean): Found {
    const attempt = newAttempt();
    if (rules.kind === "musl") {
      return tryDirectories(rules.directories, name, rules, abi, attempt) ?? failed(attempt);
    }
    const defaults = noDefault ? [] : rules.directories;
    const hit = cached(name, abi, attempt, noDefault ? rules.directories : []);
    if (hit !== undefined) return hit;
    // ld.so never reads ld.so.conf. ldconfig does, before the default directories: where there is no cache, or
    // one older than the library, that is what the next run of ldconfig will make of it.
    const hasCache = cache !== undefined;
    const configured = linkerConf().directories.filter(
      (path) => !noDefault || !rules.directories.includes(path),
    );
    const order = hasCache ? [...defaults, ...configured] : [...configured, ...defaults];
    return tryDirectories(order, name, rules, abi, attempt) ?? failed(attempt);
  }

  function find(name: ByteString, object: LoadedObject, rules: Interpreter): Found {
    const { abi } = object.elf.header;
    const expanded = expandTokens(name, object.origin, rules);
    const attempt = newAttempt();
    if (expanded === undefined || expanded.includes("/")) {
      if (!expanded?.startsWith("/")) return failed(attempt);
      const slash = expanded.lastIndexOf("/");
      const parent = directory(expanded.slice(0, slash) || "/");
      attempt.searched.add(expanded);
      if (parent === undefined) return failed(attempt);
      return (
        tryPath(`${parent === "/" ? "" : parent}${expanded.slice(slash)}`, abi, attempt) ?? failed(attempt)
      );
    }
    const own = tryDirectories(ownDirectories(object, rules), expanded, rules, abi, attempt);
    if (own !== undefined) return own;
    const noDefault = object.elf.noDefaultLibraries;
    const key = `${expanded}\0${rules.path}\0${abiKey(abi)}\0${noDefault}`;
    let found = systemResults.get(key);
    if (found === undefined) {
      found = findInSystem(expanded, abi, rules, noDefault);
      systemResults.set(key, found);
    }
    if ("path" in found) return found;
    return { searched: [...attempt.searched, ...found.searched], refused: found.refused };
  }

  function begin(path: ByteString): void {
    program = path;
    attempts = 0;
  }

  return { find, conf: linkerConf, begin };
}
