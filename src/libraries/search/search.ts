import type { ByteString } from "../../../ffi/bytes.ts";
import { baseName, directoryOf } from "../../../ffi/paths.ts";
import type { Candidates } from "../candidate.ts";
import { type Abi, abiKey } from "../elf/abi.ts";
import type { ElfFile } from "../elf/dynamic.ts";
import { badElf } from "../elf/reader.ts";
import type { Interpreter } from "../interpreter.ts";
import type { RootView } from "../root-view.ts";
import { nativeHwcaps } from "./hwcaps.ts";
import { LARGEST_CACHE, type LinkerCache, parseLinkerCache } from "./ld-cache.ts";
import { type LinkerConf, readLinkerConf } from "./ld-conf.ts";
import { expandTokens, type LoadedObject, rpathDirectories } from "./rpath.ts";

/** A failed search: the searched places, and a file of that name that is not ELF. */
export interface NotFound {
  readonly searched: ByteString[];
  readonly refused: ByteString | undefined;
}

type Found = { path: ByteString; elf: ElfFile } | NotFound;

/** A search in progress: the places so far, and a file that is not ELF, which ends it. */
interface Attempt {
  readonly name: ByteString;
  readonly abi: Abi;
  readonly rules: Interpreter;
  readonly searched: Set<ByteString>;
  refused?: ByteString;
}

const CACHE = "/etc/ld.so.cache";
/** Directories tried for one program. Hundreds are usual; a real program needs ten thousand at most. */
const MOST_ATTEMPTS = 200_000;

const failed = ({ searched, refused }: Attempt): Found => ({ searched: [...searched], refused });
const inDirectory = (directory: ByteString, name: ByteString) =>
  `${directory === "/" ? "" : directory}/${name}`;

/** Searches libraries below one root directory, and caches all results. `hwcapsOf`: see LoaderOptions. */
export class LibrarySearch {
  private readonly cleanDirectories = new Map<ByteString, ByteString | undefined>();
  private readonly directoriesWithHwcaps = new Map<string, ByteString[]>();
  private readonly rpaths = new WeakMap<LoadedObject, ByteString[]>();
  private readonly systemResults = new Map<string, Found>();
  private cache: LinkerCache | undefined | "unread" = "unread";
  private linkerConf: LinkerConf | undefined;
  private program: ByteString = "";
  private attempts = 0;

  constructor(
    private readonly view: RootView,
    private readonly candidates: Candidates,
    private readonly hwcapsOf: (abi: Abi) => ByteString[] = nativeHwcaps,
  ) {}

  /** Starts a new program, for errors and for the limit of work. */
  begin(program: ByteString): void {
    this.program = program;
    this.attempts = 0;
  }

  /** /etc/ld.so.conf. */
  conf(): LinkerConf {
    this.linkerConf ??= readLinkerConf(this.view);
    return this.linkerConf;
  }

  /** Finds `name`, from DT_NEEDED or dlopen(3), for `object`, which runs under the interpreter of `rules`. */
  find(name: ByteString, object: LoadedObject, rules: Interpreter): Found {
    const { abi } = object.elf.header;
    const expanded = expandTokens(name, object.origin, rules) ?? "";
    const newAttempt = (): Attempt => ({ name: expanded, abi, rules, searched: new Set() });
    const attempt = newAttempt();
    if (expanded === "" || expanded.includes("/")) return this.findByPath(attempt) ?? failed(attempt);
    const rpath = this.rpaths.getOrInsertComputed(object, () => rpathDirectories(object, rules));
    const own = this.tryDirectories(rpath, attempt);
    if (own !== undefined) return own;
    const noDefault = object.elf.noDefaultLibraries;
    const key = `${expanded}\0${rules.path}\0${abiKey(abi)}\0${noDefault}`;
    const found = this.systemResults.getOrInsertComputed(key, () =>
      this.findInSystem(newAttempt(), noDefault),
    );
    if ("path" in found) return found;
    return { searched: [...attempt.searched, ...found.searched], refused: found.refused };
  }

  private findByPath(attempt: Attempt): Found | undefined {
    const path = attempt.name;
    if (!path.startsWith("/")) return undefined;
    const directory = this.clean(directoryOf(path));
    attempt.searched.add(path);
    if (directory === undefined) return undefined;
    return this.tryPath(inDirectory(directory, baseName(path)), attempt);
  }

  /**
   * The part of a search that is the same for all objects: the cache, the default directories, and then those of
   * ldconfig.
   */
  private findInSystem(attempt: Attempt, noDefault: boolean): Found {
    const { kind, directories } = attempt.rules;
    if (kind === "musl") return this.tryDirectories(directories, attempt) ?? failed(attempt);
    const skipped = noDefault ? directories : [];
    const hit = this.tryCache(attempt, skipped);
    if (hit !== undefined) return hit;
    // ld.so never reads ld.so.conf. ldconfig does, before the default directories: if there is no cache, or it is older
    // than the library, the next run of ldconfig finds this.
    const hasCache = this.cache !== undefined;
    const configured = this.conf().directories.filter((path) => !skipped.includes(path));
    const defaults = noDefault ? [] : directories;
    const order = hasCache ? [...defaults, ...configured] : [...configured, ...defaults];
    return this.tryDirectories(order, attempt) ?? failed(attempt);
  }

  private tryCache(attempt: Attempt, skip: readonly ByteString[]): Found | undefined {
    if (this.cache === "unread") {
      const bytes = this.view.readFile(CACHE, LARGEST_CACHE);
      this.cache = bytes && parseLinkerCache(bytes);
    }
    if (this.cache === undefined) return undefined;
    attempt.searched.add(CACHE);
    const entries = this.cache.entries(attempt.name);
    const order = entries.some((entry) => entry.hwcap !== undefined) ? this.hwcapsOf(attempt.abi) : [];
    for (const hwcap of [...order, undefined]) {
      for (const entry of entries) {
        if (entry.hwcap !== hwcap || skip.some((prefix) => entry.path.startsWith(`${prefix}/`))) continue;
        const found = this.tryPath(entry.path, attempt);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  private tryDirectories(list: readonly ByteString[], attempt: Attempt): Found | undefined {
    const { name, abi, rules, searched } = attempt;
    for (const path of list) {
      if (++this.attempts > MOST_ATTEMPTS)
        throw badElf(this.program, "its libraries are searched in too many directories");
      if (searched.has(path)) continue;
      searched.add(path);
      const clean = rules.kind === "glibc" ? this.withHwcaps(path, abi) : [this.clean(path)];
      for (const each of clean) {
        const found = each === undefined ? undefined : this.tryPath(inDirectory(each, name), attempt);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  private tryPath(path: ByteString, attempt: Attempt): Found | undefined {
    const candidate = this.candidates.open(path, attempt.abi);
    if (candidate.kind === "elf") return candidate;
    if (candidate.kind !== "not-elf") return undefined;
    // ld.so stops at a file that is not ELF. No such file goes into a jail as a library.
    attempt.refused = path;
    return failed(attempt);
  }

  /** A directory without "..", as entries of a jail need it; undefined if there is none. */
  private clean(path: ByteString): ByteString | undefined {
    return this.cleanDirectories.getOrInsertComputed(path, () => {
      const plain = path.replace(/\/(?:\.?\/)+/g, "/").replace(/(?<=.)\/\.?$/, "");
      const clean = /\/\.\.(?:\/|$)/.test(plain) ? this.view.realPath(plain) : plain;
      return clean !== undefined && this.view.isDirectory(clean) ? clean : undefined;
    });
  }

  /** A directory, and before it those of its glibc-hwcaps subdirectories that this processor can use. */
  private withHwcaps(path: ByteString, abi: Abi): ByteString[] {
    return this.directoriesWithHwcaps.getOrInsertComputed(`${path}\0${abiKey(abi)}`, () => {
      const clean = this.clean(path);
      if (clean === undefined) return [];
      const parent = `${clean}/glibc-hwcaps`;
      const names = this.view.isDirectory(parent) ? this.hwcapsOf(abi) : [];
      const subdirectories = names.map((name) => `${parent}/${name}`);
      return [...subdirectories.filter((name) => this.view.isDirectory(name)), clean];
    });
  }
}
