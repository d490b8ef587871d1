import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { close, fstat, openAt2, readAllFd, readDirectory, statIfPresent } from "../../ffi/files.ts";
import { GIT_HOOKS, type HookedRepository } from "../programs/hooks.ts";

/** What a search costs at most: a directory of a user's may hold anything. `directories` and `found`: in each place. */
const LIMITS = { depth: 2, directories: 500, all: 50_000, entries: 1000, found: 100, hgrcBytes: 1 << 16 };

/** Where repositories stand besides the homes. */
export const SHARED = "/srv";

const BENEATH = C.RESOLVE_BENEATH | C.RESOLVE_NO_SYMLINKS | C.RESOLVE_NO_MAGICLINKS;

/** Opens what lies below an open directory without following a link, and uses it; undefined where it cannot. */
function within<T>(above: number, path: ByteString, flags: number, resolve: number, use: (fd: number) => T) {
  try {
    const fd = openAt2(above, path, flags | C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY | C.O_NOFOLLOW, resolve);
    try {
      return use(fd);
    } finally {
      close(fd);
    }
  } catch (error) {
    // It is the user's ground: what cannot be looked at is nothing.
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

const inDirectory = <T>(above: number, path: ByteString, use: (fd: number) => T) =>
  within(above, path, C.O_DIRECTORY, BENEATH | C.RESOLVE_NO_XDEV, use);

/** The hooks of the git repository that an open directory is; none where it is none. */
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

/** What a directory holds that matters here. */
interface Seen {
  hooked: { kind: HookedRepository["kind"]; hooks: ByteString[] }[];
  /** Directories in which there may be repositories. */
  below: ByteString[];
}

function look(fd: number): Seen {
  const entries = readDirectory(fd, LIMITS.entries).slice(0, LIMITS.entries);
  const names = new Set(entries.map(({ name }) => name));
  const hooked: Seen["hooked"] = [];
  const hooks = gitHooks(fd, names);
  if (hooks.length > 0) hooked.push({ kind: "git", hooks });
  if (names.has(".hg") && hasHgHooks(fd)) hooked.push({ kind: "hg", hooks: [".hg/hgrc"] });
  const isRepository = names.has("HEAD") && names.has("objects");
  const directories = entries.filter(({ type }) => type === C.DT_DIR || type === C.DT_UNKNOWN);
  return { hooked, below: isRepository ? [] : directories.map(({ name }) => name) };
}

/**
 * Looks into a directory and what lies below it, the nearest first, so that no heap of others hides it. Returns how many
 * directories were opened, of `most`.
 */
function searchPlace(place: number, path: ByteString, most: number, found: HookedRepository[]): number {
  let left = Math.min(most, LIMITS.directories);
  const started = left;
  let level = ["."];
  const before = found.length;
  for (let depth = 0; depth <= LIMITS.depth + 1; depth++) {
    const next: ByteString[] = [];
    for (const at of level) {
      if (left-- <= 0 || found.length - before >= LIMITS.found) return started - left;
      const seen = inDirectory(place, at, look);
      const here = at === "." ? path : `${path}/${at}`;
      for (const one of seen?.hooked ?? []) found.push({ path: here, ...one });
      for (const name of seen?.below ?? []) {
        // The repository of a work tree lies one level deeper.
        if (depth < LIMITS.depth || name === ".git") next.push(at === "." ? name : `${at}/${name}`);
      }
    }
    level = next;
  }
  return started - left;
}

/**
 * The repositories with hooks in directories below an open root directory, and in what lies at most two levels deep in
 * them. No link is followed, and no other file system entered below them; what is many is not looked through to the end.
 */
export function hookedRepositories(rootFd: number, places: readonly ByteString[]): HookedRepository[] {
  const found: HookedRepository[] = [];
  let left = LIMITS.all;
  for (const place of new Set(places)) {
    const below = place.replace(/^\/+|\/+$/g, "");
    if (!place.startsWith("/") || below === "") continue;
    left -=
      within(rootFd, below, C.O_DIRECTORY, BENEATH, (fd) => searchPlace(fd, `/${below}`, left, found)) ?? 0;
  }
  return found;
}
