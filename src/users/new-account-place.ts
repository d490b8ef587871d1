import type { ByteString } from "../../ffi/bytes.ts";
import { directoryOf, pathsDownTo } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { type JailAccounts, readJailAccounts } from "../jail/accounts/accounts.ts";
import { badHome, homeOfOther, neverHome } from "../jail/accounts/home-place.ts";
import { lookUp } from "../jail/fs/look.ts";
import { hostPath, isDirectory, isLink, type JailRoot } from "../jail/fs/walk.ts";
import { requireWritable, requireWritableAccounts } from "../jail/fs/writable.ts";
import { type Group, groupByGid, groupByName, type PasswdEntry, passwdByUid } from "../system/accounts.ts";
import { nextId, usualSkeleton } from "../system/login-defs.ts";
import { insideBoth } from "./one-home.ts";
import { requireMountedPlace, requireSafePlace } from "./safe-place.ts";

/** What the plan of a new account looks up on the host, each once: as NewAccountPlace. */
export class NewAccountHost {
  readonly #found = new Map<string, unknown>();

  /** What throws is asked again: its message may name the account. */
  protected once<T>(what: string, find: () => T): T {
    if (!this.#found.has(what)) this.#found.set(what, find());
    return this.#found.get(what) as T;
  }

  /** The directory whose files useradd(8) copies into a new home. */
  get skeleton(): ByteString {
    return this.once("skeleton", usualSkeleton);
  }

  /** The group of that name on the host. */
  group(name: ByteString): Group | undefined {
    return this.once(`group ${name}`, () => groupByName(name));
  }

  /** The uid that useradd(8) gives to an account; undefined if all are used. */
  nextUid(system: boolean): number | undefined {
    const isUsed = (id: number) => passwdByUid(id) !== undefined;
    return this.once(`uid ${system}`, () => nextId("UID", system, isUsed));
  }

  /** The gid that groupadd(8) gives to a group; undefined if all are used. */
  nextGid(): number | undefined {
    return this.once("gid", () => nextId("GID", false, (id) => groupByGid(id) !== undefined));
  }
}

/**
 * What the plan of a new account looks up in a jail and on the host, each once. Plans of many accounts share it only while
 * none of them is created.
 */
export class NewAccountPlace extends NewAccountHost {
  #byHome: ReadonlyMap<ByteString, readonly PasswdEntry[]> | undefined;

  /** `read`: how the accounts of the jail are read. */
  constructor(
    readonly root: JailRoot,
    private readonly read: () => JailAccounts = () => readJailAccounts(root),
  ) {
    super();
  }

  /** Throws SystemError. */
  get accounts(): JailAccounts {
    return this.once("accounts", this.read);
  }

  /** The accounts of the jail with a home, which may have a slash at its end there. */
  usersOfHome(home: ByteString): readonly PasswdEntry[] {
    this.#byHome ??= Map.groupBy(this.accounts.users, (user) => user.home);
    return [...(this.#byHome.get(home) ?? []), ...(this.#byHome.get(`${home}/`) ?? [])];
  }

  /** As requireSafePlace. Throws also if the way has a symbolic link that useradd(8) must not follow. */
  requireSafe(home: ByteString, elsewhere: string): void {
    requirePlainPlace(this, home, elsewhere);
    requireMountedPlace(this.root, home);
    this.once(`safe ${directoryOf(home)}`, () => requireSafePlace(this.root, home, elsewhere));
  }

  /** Throws as requireWritable if the host's account files, or one of these directories of the jail, are read-only. */
  requireWritable(paths: readonly ByteString[]): void {
    for (const path of paths) this.once(`writable ${path}`, () => requireWritable(this.root, [path]));
    this.once("writable", requireWritableAccounts);
  }
}

/**
 * Throws if the way to a new home has a symbolic link, which useradd(8) would follow on the host, unless that leads both to one
 * directory inside of the jail, where the home could be by its own path.
 */
function requirePlainPlace(place: NewAccountPlace, home: ByteString, advice: string): void {
  const { root } = place;
  for (const path of pathsDownTo(home)) {
    const stat = lookUp(root, path)?.stat;
    if (stat === undefined) return;
    const shown = quoted(hostPath(root, path));
    const inside = isLink(stat) && path !== home ? insideBoth(root, path) : undefined;
    if (isLink(stat) && inside === undefined)
      throw badPlace(`${shown} is a symbolic link, which useradd(8) would follow outside: ${advice}`);
    if (inside !== undefined) requireFreeAt(place, `${inside}${home.slice(path.length)}`, advice);
    else if (!isDirectory(stat) && path !== home) throw badPlace(`${shown} is not a directory: ${advice}`);
  }
}

/** Throws for a home behind a link that nobody can have by its path without links, or that another account has. */
function requireFreeAt(place: NewAccountPlace, real: ByteString, advice: string): void {
  const { root } = place;
  const why = neverHome(real, true);
  if (why !== undefined) throw badHome(root, real, why, advice);
  const [other] = place.usersOfHome(real);
  if (other !== undefined) throw homeOfOther(root, real, other, advice);
}

const badPlace = (message: ByteString) => new JailkitError("bad-home", 1, message);
