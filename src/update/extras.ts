import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { readFileIfPresent } from "../../ffi/files.ts";
import { problemFrom } from "../cli/error.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import { noRoom } from "../jail/fs/no-room.ts";
import { type JailRoot, release, walk } from "../jail/fs/walk.ts";
import { addAccounts, hasAccounts } from "../populate/apply/accounts.ts";
import { lacksCache, renewLibraryCache } from "../populate/apply/library-cache.ts";
import { registerLogSocket } from "../populate/apply/log-socket.ts";
import { addProcLine, mountJailProc, withProcLine } from "../populate/apply/proc.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import type { LineReporter } from "../populate/reporter.ts";
import type { Recipe } from "../profile/recipe.ts";
import { isProc } from "../system/mounts.ts";
import { findProgram } from "../system/run.ts";

/** Something besides files that a recipe asks for. */
export interface Extra {
  readonly kind: "accounts" | "proc" | "log-socket" | "library-cache";
  /** Continues "will ". */
  readonly what: string;
  /** The directory of the jail that it changes, if any. */
  readonly place?: ByteString;
  readonly add: (reporter: LineReporter) => void;
}

const FSTAB_LIMIT = 1 << 20;

/** The extras that a recipe asks for and the jail lacks. */
export function missingExtras(root: JailRoot, recipe: Recipe): Extra[] {
  const extras: Extra[] = [];
  const { accounts } = recipe;
  const some = accounts.users.length + accounts.groups.length > 0;
  if (some && !hasAccounts(root, accounts)) {
    extras.push({
      kind: "accounts",
      what: "add accounts to etc/passwd and etc/group",
      place: "/etc",
      add: (reporter) => addAccounts(root, accounts, reporter),
    });
  }
  if (recipe.needProc && !(hasProcLine(root.path) && hasProc(root))) {
    extras.push({
      kind: "proc",
      what: "mount proc",
      add: () => {
        addProcLine(root.path);
        mountJailProc(root);
      },
    });
  }
  if (recipe.needLogsocket && !isServed(root.path)) {
    extras.push({
      kind: "log-socket",
      what: "tell jk_socketd to serve dev/log",
      add: () => void registerLogSocket(root.path),
    });
  }
  if (lacksCache(root) && findProgram("ldconfig") !== undefined) {
    extras.push({
      kind: "library-cache",
      what: "create the cache of libraries",
      place: "/etc",
      add: () => renewLibraryCache(root),
    });
  }
  return extras;
}

/** Adds extras, and returns those that failed. `progress`: how far the work is. */
export function addExtras(
  root: JailRoot,
  extras: readonly Extra[],
  progress: string,
  reporter: LineReporter,
): PopulateProblem[] {
  return extras.flatMap(({ kind, add }) => {
    try {
      add(reporter);
      return [];
    } catch (error) {
      const full = noRoom(error, root.path, { left: [], progress });
      return [full ?? problemFrom(error, kind, root.path)];
    }
  });
}

function hasProcLine(jail: ByteString): boolean {
  const bytes = readFileIfPresent("/etc/fstab", FSTAB_LIMIT, AT_FDCWD);
  return bytes !== undefined && withProcLine(fromBytes(bytes), jail) === undefined;
}

function hasProc(root: JailRoot): boolean {
  try {
    const directory = walk(root, "/proc");
    const mounted = isProc(directory.fd);
    release(directory);
    return mounted;
  } catch {
    return false;
  }
}

function isServed(jail: ByteString): boolean {
  try {
    const ini = loadConfig(`${CONFIG_DIRECTORY}/jk_socketd.ini`, { dialect: "c" });
    return ini?.sections.some(({ name }) => name === `${jail}/dev/log`) ?? false;
  } catch {
    // Adding it will report the error.
    return false;
  }
}
