import type { ByteString } from "../../ffi/bytes.ts";
import { baseName, directoryOf } from "../../ffi/paths.ts";
import type { LeftOut } from "./directories.ts";
import { canonicalBelow, viewExecution } from "./execute-view.ts";
import { whyWithoutRule } from "./named-file.ts";
import type { Confinement } from "./policy.ts";

/** What each session may read, and more: what is said not to be allowed is not. */
const SYSTEM = ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt", "usr", "etc", "proc", "dev"];
const RESOLVER = "/etc/resolv.conf";

/** A path of a key that gets no rule. */
export interface Useless extends LeftOut {
  key: "read" | "write";
}

const isIn = (path: ByteString, places: readonly ByteString[]) =>
  places.some((place) => place === "/" || path === place || path.startsWith(`${place}/`));

/** What the keys `read` and `write` let a session use, for explanations; paths are those below the root directory. */
export class AccessView {
  /** Paths of the keys that lead nowhere, or do not count. */
  readonly useless: Useless[] = [];
  readonly #root: number;
  readonly #readable: readonly ByteString[] | "all";
  readonly #writable: readonly ByteString[] | "all";

  /**
   * `root`: the root directory, open; `base`: its path on the host. `program`: what the session
   * executes, which it may read. Throws SystemError.
   */
  constructor(
    root: number,
    base: ByteString,
    { read, write, execute }: Confinement,
    program: ByteString | undefined,
  ) {
    this.#root = root;
    const counting = (key: "read" | "write", paths: readonly ByteString[]) =>
      paths.flatMap((path) => {
        const why = whyWithoutRule(base, path, key === "read" && write === "all");
        if (why === undefined) return this.real(path) ?? [];
        // What is written is read, too, and has been judged then.
        if (!this.useless.some((one) => one.path === path)) this.useless.push({ key, path, why });
        return [];
      });
    const written = write === "all" ? [] : counting("write", write);
    const dev = ["/dev"];
    this.#writable = write === "all" ? "all" : [...written, ...dev];
    if (read === "all") {
      this.#readable = "all";
      return;
    }
    const executed =
      execute === "any" ? [] : [...viewExecution(root, execute).directories, ...execute.executables];
    const more = [RESOLVER, ...(program === undefined ? [] : [program]), ...executed];
    const others = more.flatMap((path) => this.real(path) ?? []);
    this.#readable = [...SYSTEM.map((name) => `/${name}`), ...counting("read", read), ...written, ...others];
  }

  /** The path without symbolic links; undefined if it leads nowhere, or if that is not known. */
  real(path: ByteString): ByteString | undefined {
    return path === "/" ? path : canonicalBelow(this.#root, path);
  }

  /** The path of something that may be missing, in a directory that is there; undefined if that is not. */
  realPlace(path: ByteString): ByteString | undefined {
    const directory = this.real(directoryOf(path));
    if (directory === undefined) return undefined;
    return `${directory === "/" ? "" : directory}/${baseName(path)}`;
  }

  /** Whether the content of a file or directory, by its path without symbolic links, may be read. */
  mayRead(real: ByteString): boolean {
    return this.#readable === "all" || isIn(real, this.#readable);
  }

  /** Whether a file may be written, or the names in a directory changed. */
  mayWrite(real: ByteString): boolean {
    return this.#writable === "all" || isIn(real, this.#writable);
  }
}
