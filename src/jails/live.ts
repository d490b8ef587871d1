import type { ByteString } from "../../ffi/bytes.ts";
import { isMissing } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { answered, problemFrom } from "../cli/error.ts";
import { jailedUsers } from "../jail/accounts/jailed-users.ts";
import { requireOwnPath } from "../jail/accounts/own-path.ts";
import { lackingMounts, liveState, mountLive, unmountLive } from "../jail/fs/live-mounts.ts";
import { noRoom } from "../jail/fs/no-room.ts";
import { requireSafeJail } from "../jail/fs/safety.ts";
import { openJailRoot } from "../jail/fs/walk.ts";
import { lockJail } from "../jail/record/jail-lock.ts";
import { mountsOf, requireMountPlace } from "../jail/record/live.ts";
import { openManifest, readRegistry } from "../jail/record/manifest.ts";
import { openNamedJail, requireNotMoved } from "../jail/record/named-jail.ts";
import { RecordError } from "../jail/record/record-file.ts";
import { hideLeft, restoreLinks } from "../populate/apply/live.ts";
import { addLiveLines, requireLiveLines, requireNoLiveLines } from "../populate/apply/live-lines.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { liveCopyProblem } from "../populate/live-copy.ts";
import { leftMounts } from "../populate/record/left-mounts.ts";

/** A directory of a live jail after `jailkit mount` or `jailkit unmount`. */
export interface LiveMount {
  /** As the jail sees it, and as the host. */
  readonly path: ByteString;
  readonly state: ReturnType<typeof liveState>;
  /** It was mounted or unmounted now. */
  readonly changed: boolean;
}

/** A jail with the directories of the host that are mounted in it. */
export interface LiveJail {
  readonly jail: ByteString;
  readonly mounts: readonly LiveMount[];
  readonly problems: readonly PopulateProblem[];
}

interface LiveOptions {
  readonly tool: string;
  readonly dryRun: boolean;
  readonly noWait: boolean;
  readonly json: boolean;
}

/**
 * The jails in which directories of the host should be mounted, and the records that do not tell because they are damaged.
 * A jail that cannot be opened is left out.
 */
export function liveJails(): { jails: ByteString[]; problems: PopulateProblem[] } {
  const { jails: known, damaged } = recordedJails();
  const errors: RecordError[] = damaged.map(({ error }) => error);
  const jails = known.flatMap(({ jail: { path } }) => {
    try {
      using root = openJailRoot(path);
      return mountsOf(openManifest(root).content).length === 0 ? [] : [path];
    } catch (error) {
      if (error instanceof RecordError) errors.push(error);
      // `jailkit list` reports others.
      return [];
    }
  });
  return { jails, problems: errors.map((error) => problemFrom(error, "failed", error.jail ?? error.file)) };
}

/** The registry; the jail of a damaged record may be the home of an account, which is asked for in this case alone. */
function recordedJails(): ReturnType<typeof readRegistry> {
  const found = readRegistry();
  if (found.damaged.length === 0) return found;
  return readRegistry(jailedUsers().flatMap(({ jail }) => jail ?? []));
}

const EMPTY: ReadonlySet<LiveMount["state"]> = new Set(["missing", "absent"]);

/** Changes each recorded directory of a jail by `change`, which returns whether it changed something. */
function eachMount(
  jail: ByteString,
  directories: readonly ByteString[],
  state: (path: ByteString) => LiveMount["state"],
  change: (path: ByteString) => boolean,
): LiveJail {
  const mounts: LiveMount[] = [];
  const problems: PopulateProblem[] = [];
  for (const path of directories) {
    let changed = false;
    try {
      changed = change(path);
    } catch (error) {
      problems.push(problemFrom(error, "failed", jail + path));
    }
    mounts.push({ path, state: state(path), changed });
  }
  return { jail, mounts, problems };
}

/** Mounts the recorded directories of the host in a jail, restores links into /usr, and adds lines to fstab(5). */
export function mountJail(jail: ByteString, options: LiveOptions): LiveJail {
  return inLiveJail(jail, options, (root, live) => {
    requireLiveLines(jail, live);
    const mount = (path: ByteString) => {
      requireMountPlace(root, path);
      return options.dryRun ? lackingMounts(root, [path]).length > 0 : mountLive(root, path);
    };
    const done = eachMount(jail, live, (path) => liveState(root, path), mount);
    if (options.dryRun || done.problems.length > 0) return done;
    try {
      restoreLinks(root, live);
      addLiveLines(jail, live);
      return done;
    } catch (error) {
      return { ...done, problems: [problemFrom(error, "fstab", "/etc/fstab")] };
    }
  });
}

/** Unmounts the recorded directories of the host from a jail; its lines in fstab(5) stay. */
export function unmountJail(jail: ByteString, options: LiveOptions): LiveJail {
  return inLiveJail(jail, options, (root, live) =>
    eachMount(
      jail,
      live.toReversed(),
      (path) => liveState(root, path),
      (path) => (options.dryRun ? !EMPTY.has(liveState(root, path)) : unmountLive(root, path)),
    ),
  );
}

/** The jails with mounts in fstab(5) that they should not have, but those that were moved. */
export const leftJails = (): { jails: ByteString[]; problems: PopulateProblem[] } => ({
  jails: leftMounts().flatMap(({ jail, moved }) => (moved ? [] : [jail])),
  problems: [],
});

/** Unmounts what a jail should not show, which may be missing itself, and takes its lines out of fstab(5). */
export function unmountLeft(jail: ByteString, options: LiveOptions): LiveJail {
  const steps: ByteString[] = [];
  try {
    using _lock = lockJail(jail, { ...options, changes: !options.dryRun });
    const directories = leftMounts([jail]).flatMap((left) => left.directories);
    if (directories.length === 0) return { jail, mounts: [], problems: [] };
    // Its lines follow it, with what the administrator has added to them.
    requireNotMoved(jail);
    using root = isMissing(jail) ? undefined : answered(() => openJailRoot(jail));
    if (options.dryRun) requireNoLiveLines(jail, directories);
    else hideLeft(jail, root, directories, (line) => steps.push(line));
    const state = (path: ByteString) => (root === undefined ? "missing" : liveState(root, path));
    return eachMount(jail, directories, state, () => true);
  } catch (error) {
    return failedAt(jail, error, steps.join(", ") || NOTHING);
  }
}

const NOTHING = "nothing was changed";

/** `progress`: what the run had done before. */
function failedAt(jail: ByteString, error: unknown, progress: string): LiveJail {
  const problem = noRoom(error, jail, { left: [], progress }) ?? problemFrom(error, "failed", jail);
  return { jail, mounts: [], problems: [problem] };
}

function inLiveJail(
  jail: ByteString,
  options: LiveOptions,
  act: (root: ReturnType<typeof openJailRoot>, live: readonly ByteString[]) => LiveJail,
): LiveJail {
  try {
    using _lock = lockJail(jail, { ...options, changes: !options.dryRun });
    using root = openNamedJail(jail);
    requireOwnPath(root.path);
    requireSafeJail(root, 1);
    const { content } = openManifest(root);
    const mounts = mountsOf(content);
    if (mounts.length > 0) return act(root, mounts);
    const not = `${display(jail)}: is not a live jail, and has no sockets of the host; 'jk_init --live' makes a live one`;
    const { message, remedy } = liveCopyProblem(root, content) ?? { message: not };
    return { jail, mounts: [], problems: [{ code: "not-live", path: jail, message, remedy }] };
  } catch (error) {
    return failedAt(jail, error, NOTHING);
  }
}
