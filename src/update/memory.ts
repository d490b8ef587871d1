import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { type Stat, statIfPresent } from "../../ffi/files.ts";
import type { ManifestRequest } from "../jail/record/manifest.ts";
import type { Loader } from "../libraries/closure.ts";
import { cachedHost } from "../populate/host-cache.ts";
import { type Recipe, readRecipe } from "../profile/recipe.ts";

// The host may change during a long run: no plan is made from what was read long before.
const REMEMBERED_MS = 1000;

/** The facts about the host that the jails of one run share. Nothing of a jail is in it. */
export class HostMemory {
  readonly host = cachedHost();
  readonly #loader: Loader;
  readonly #recipes = new Map<string, Recipe>();
  readonly #sources = new Map<ByteString, Stat | undefined>();
  #since = performance.now();

  constructor(loader: Loader) {
    this.#loader = loader;
  }

  /** Forgets what was read more than a second ago; returns whether it did. Call it before a plan. */
  refresh(): boolean {
    const now = performance.now();
    if (now - this.#since < REMEMBERED_MS) return false;
    this.#since = now;
    this.host.forget();
    this.#recipes.clear();
    this.#sources.clear();
    return true;
  }

  /** The recipe of requests; see readRecipe. */
  recipe(requests: readonly ManifestRequest[]): Recipe {
    const key = JSON.stringify(requests.map(({ time: _, ...request }) => request));
    return this.#recipes.getOrInsertComputed(key, () => readRecipe(requests, this.host, this.#loader));
  }

  /** lstat(2) of a file to copy. */
  source(path: ByteString): Stat | undefined {
    return this.#sources.getOrInsertComputed(path, () => statIfPresent(AT_FDCWD, path));
  }
}
