import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { readFileIfPresent } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { answered, problemFrom } from "../cli/error.ts";
import { noRoom } from "../jail/fs/no-room.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import type { Manifest } from "../jail/record/manifest.ts";
import { isRefused } from "../jail/record/without.ts";
import { addAccounts, hasAccounts } from "../populate/apply/accounts.ts";
import { lacksCache, renewLibraryCache } from "../populate/apply/library-cache.ts";
import { logSocketSections, registerLogSocket } from "../populate/apply/log-socket.ts";
import { addProcLine, hasProc, LARGEST_FSTAB, mountJailProc, withProcLine } from "../populate/apply/proc.ts";
import { removeSockets, setUpSockets, socketChanges } from "../populate/apply/sockets.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import type { LineReporter } from "../populate/reporter.ts";
import type { Recipe } from "../profile/recipe.ts";
import { findProgram } from "../system/run.ts";

/** Something besides files that a recipe asks for. */
export interface Extra {
  readonly kind: "accounts" | "proc" | "sockets" | "log-socket" | "library-cache";
  /** Continues "will ". */
  readonly what: string;
  /** The directory of the jail that it changes, if any. */
  readonly place: ByteString | undefined;
  readonly add: (reporter: LineReporter) => void;
}

/**
 * The extras that a recipe asks for and the jail lacks, but for what it does without. Recorded directories with sockets of the host that nothing asks
 * for are hidden again.
 */
export function missingExtras(root: JailRoot, recipe: Recipe, { content }: Manifest): Extra[] {
  const extras: Extra[] = [];
  const need = (kind: Extra["kind"], what: string, add: Extra["add"], place?: ByteString) =>
    extras.push({ kind, what, place, add });
  const { accounts } = recipe;
  const some = accounts.users.length + accounts.groups.length > 0;
  if (some && !hasAccounts(root, accounts)) {
    const what = "add accounts to etc/passwd and etc/group";
    need("accounts", what, (reporter) => addAccounts(root, accounts, reporter), "/etc");
  }
  if (recipe.needProc && !isRefused(content, "proc") && !(hasProcLine(root.path) && isProcThere(root))) {
    need("proc", "mount proc", () => {
      addProcLine(root.path);
      mountJailProc(root);
    });
  }
  const { lacking, unused } = socketChanges(root, recipe, content.sockets ?? []);
  const inThem = (paths: readonly ByteString[]) => `the sockets in ${paths.map(display).join(", ")}`;
  if (lacking.length > 0)
    need("sockets", `make ${inThem(lacking)} visible`, (reporter) =>
      setUpSockets(root, lacking, (line) => reporter.say(line)),
    );
  if (unused.length > 0)
    need("sockets", `hide ${inThem(unused)}`, (reporter) =>
      removeSockets(root, unused, (line) => reporter.say(line)),
    );
  if (recipe.needLogsocket && !isRefused(content, "log-socket") && !isServed(root.path))
    need("log-socket", "tell jk_socketd to serve dev/log", () => void registerLogSocket(root.path));
  if (lacksCache(root) && findProgram("ldconfig") !== undefined)
    need("library-cache", "create the cache of libraries", () => renewLibraryCache(root), "/etc");
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

/** True if fstab(5) of the host mounts proc in a jail. */
export function hasProcLine(jail: ByteString): boolean {
  const bytes = readFileIfPresent("/etc/fstab", LARGEST_FSTAB);
  return bytes !== undefined && withProcLine(fromBytes(bytes), jail) === undefined;
}

/** Where that is not known, mounting it will report why. */
const isProcThere = (root: JailRoot): boolean => answered(() => hasProc(root)) ?? false;

/** Adding it will report an error of the file. */
const isServed = (jail: ByteString): boolean =>
  (answered(() => logSocketSections(jail).sections.length) ?? 0) > 0;
