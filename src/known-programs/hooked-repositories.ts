import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { fstat, openAt2, readAllFd, readDirectory, statIfPresent, withFd } from "../../ffi/files.ts";
import { GIT_HOOKS, type HookedRepository } from "./hooks.ts";

/** Bounds of a search: a user's directory may hold anything. `directories` and `found` are for each place. */
const LIMITS = { depth: 2, directories: 500, all: 50_000, entries: 1000, found: 100, hgrcBytes: 1 << 16 };

/** A place of repositories besides the homes. */
export const SHARED = "/srv";

const BENEATH = C.RESOLVE_BENEATH | C.RESOLVE_NO_SYMLINKS | C.RESOLVE_NO_MAGICLINKS;

/** Opens a file below an open directory, following no symbolic link, and uses it; undefined if it cannot. */
function within<T>(above: number, path: ByteString, flags: number, resolve: number, use: (fd: number) => T) {
  const all = flags | C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY | C.O_NOFOLLOW;
  // The user decides what is here: a file that cannot be opened counts as missing.
  return attempt(() => withFd(openAt2(above, path, all, resolve), use));
}

const inDirectory = <T>(above: number, path: ByteString, use: (fd: number) => T) =>
  within(above, path, C.O_DIRECTORY, BENEATH | C.RESOLVE_NO_XDEV, use);

/** The hooks of an open directory that is a git repository; none of any other. */
function gitHooks(fd: number, names: ReadonlySet<ByteString>): ByteString[] {
  if (!["HEAD", "objects", "hooks"].every((name) => names.has(name))) return [];
  const hooks = inDirectory(fd, "hooks", (directory) =>
    GIT_HOOKS.filter((name) => {
      const stat = statIfPresent(directory, name);
      if (stat === undefined) return false;
      const type = stat.mode & C.S_IFMT;
      return type === C.S_IFLNK || (type === C.S_IFREG && (stat.mode & 0o111) !== 0);
    }),
  );
  return hooks ?? [];
}

/** Whether the .hg of an open directory names hooks. */
function hasHgHooks(fd: number): boolean {
  const text = within(fd, ".hg/hgrc", 0, BENEATH | C.RESOLVE_NO_XDEV, (file) =>
    (fstat(file).mode & C.S_IFMT) === C.S_IFREG ? fromBytes(readAllFd(file, LIMITS.hgrcBytes)) : "",
  );
  return /^\[hooks\]/m.test(text ?? "");
}

/** A directory, as far as it matters here. */
interface Directory {
  hooked: { kind: HookedRepository["kind"]; hooks: ByteString[] }[];
  /** The names of directories in which there may be repositories. */
  below: ByteString[];
}

function readHooks(fd: number): Directory {
  const entries = readDirectory(fd, LIMITS.entries).slice(0, LIMITS.entries);
  const names = new Set(entries.map(({ name }) => name));
  const hooked: Directory["hooked"] = [];
  const hooks = gitHooks(fd, names);
  if (hooks.length > 0) hooked.push({ kind: "git", hooks });
  if (names.has(".hg") && hasHgHooks(fd)) hooked.push({ kind: "hg", hooks: [".hg/hgrc"] });
  const isRepository = names.has("HEAD") && names.has("objects");
  const directories = entries.filter(({ type }) => type === C.DT_DIR || type === C.DT_UNKNOWN);
  return { hooked, below: isRepository ? [] : directories.map(({ name }) => name) };
}

/** A search that opens a limited number of directories. */
class Search {
  readonly found: HookedRepository[] = [];
  #left = LIMITS.all;

  /** Searches an open directory level by level: many files in one directory do not hide its neighbours. */
  place(fd: number, path: ByteString): void {
    const end = Math.max(0, this.#left - LIMITS.directories);
    const most = this.found.length + LIMITS.found;
    let level = ["."];
    for (let depth = 0; depth <= LIMITS.depth + 1; depth++) {
      const next: ByteString[] = [];
      for (const name of level) {
        if (this.#left <= end || this.found.length >= most) return;
        this.#left--;
        next.push(...this.#directory(fd, path, name, depth));
      }
      level = next;
    }
  }

  /** Adds the repositories of one directory; returns the directories below it to search. */
  #directory(fd: number, path: ByteString, name: ByteString, depth: number): ByteString[] {
    const directory = inDirectory(fd, name, readHooks);
    if (directory === undefined) return [];
    const here = name === "." ? path : `${path}/${name}`;
    for (const one of directory.hooked) this.found.push({ path: here, ...one });
    // The repository of a work tree is one level deeper.
    const searched = directory.below.filter((below) => depth < LIMITS.depth || below === ".git");
    return searched.map((below) => (name === "." ? below : `${name}/${below}`));
  }
}

/**
 * The repositories with hooks in directories below an open root directory, and at most two levels deep in them. No
 * symbolic link is followed, and no other file system is entered below them; a search ends at its limits.
 */
export function hookedRepositories(rootFd: number, places: readonly ByteString[]): HookedRepository[] {
  const search = new Search();
  for (const place of new Set(places)) {
    const below = place.replace(/^\/+|\/+$/g, "");
    if (!place.startsWith("/") || below === "") continue;
    within(rootFd, below, C.O_DIRECTORY, BENEATH, (fd) => search.place(fd, `/${below}`));
  }
  return search.found;
}
