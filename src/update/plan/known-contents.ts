import type { ByteString } from "../../../ffi/bytes.ts";
import type { Stat } from "../../../ffi/files.ts";
import { answered } from "../../cli/error.ts";
import { sameContent } from "../../jail/fs/compare.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { REGISTRY } from "../../jail/record/registry.ts";
import {
  isSettled,
  loadVerified,
  nanosecondsNow,
  saveVerified,
  stampOf,
  type VerifiedFiles,
} from "../../jail/record/verified.ts";
import type { HostMemory } from "../memory.ts";

/** Compares contents, except those that an earlier run of jk_update or jk_check found equal. */
export class KnownContents {
  readonly #files: VerifiedFiles;
  #changed = false;
  readonly #memory: Pick<HostMemory, "source">;
  readonly #root: JailRoot;
  readonly #now = nanosecondsNow();

  /** `id`: that of the record, which has the contents that are known; undefined for a jail without one. */
  constructor(root: JailRoot, memory: Pick<HostMemory, "source">, id: ByteString | undefined) {
    this.#root = root;
    this.#memory = memory;
    this.#files = id === undefined ? new Map() : loadVerified(REGISTRY, id);
  }

  /** Saves the contents that are equal, for the next run. Nothing depends on it. */
  keep(id: ByteString): void {
    if (this.#changed) answered(() => saveVerified(REGISTRY, id, this.#files));
  }

  /** True if the file at a path of the jail, whose lstat is `stat`, has the content of `source` on the host. */
  same(path: ByteString, source: ByteString, stat: Stat): boolean {
    const there = this.#memory.source(source);
    if (there === undefined) return sameContent(this.#root, path, source, stat);
    const reliable = isSettled(stat, this.#now) && isSettled(there, this.#now);
    const known = { stamp: stampOf(stat), source, sourceStamp: stampOf(there) };
    const earlier = this.#files.get(path);
    const isSame = earlier?.stamp === known.stamp && earlier.source === source;
    if (reliable && isSame && earlier.sourceStamp === known.sourceStamp) return true;
    const same = sameContent(this.#root, path, source, stat);
    if (same && reliable) {
      this.#files.set(path, known);
      this.#changed = true;
    }
    return same;
  }
}
