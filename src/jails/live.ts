import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { describeError, problemFrom } from "../cli/error.ts";
import { liveState, mountLive, unmountLive } from "../jail/fs/live-mounts.ts";
import { requireSafeJail } from "../jail/fs/safety.ts";
import { openJailRoot } from "../jail/fs/walk.ts";
import { lockJail } from "../jail/record/jail-lock.ts";
import { knownJails, openManifest } from "../jail/record/manifest.ts";
import { openNamedJail } from "../jail/record/named-jail.ts";
import { addLiveLines } from "../populate/apply/live.ts";
import type { PopulateProblem } from "../populate/entry.ts";

/** A directory of a live jail after `jailkit mount` or `jailkit unmount`. */
export interface LiveMount {
  /** As the jail sees it, and as the host. */
  readonly path: ByteString;
  readonly state: ReturnType<typeof liveState>;
  /** It was mounted or unmounted now. */
  readonly changed: boolean;
}

/** A live jail with its mounts. */
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

/** The recorded directories of the jails that are live. A jail that cannot be opened is left out. */
export function liveJails(): ByteString[] {
  return knownJails().flatMap(({ jail: { path } }) => {
    try {
      using root = openJailRoot(path);
      return openManifest(root).content.live === undefined ? [] : [path];
    } catch {
      // `jailkit list` reports it.
      return [];
    }
  });
}

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

/** Mounts the recorded directories of a live jail, and adds their lines to fstab(5). */
export function mountJail(jail: ByteString, options: LiveOptions): LiveJail {
  return inLiveJail(jail, options, (root, live) => {
    const done = eachMount(
      jail,
      live,
      (path) => liveState(root, path),
      (path) => (options.dryRun ? liveState(root, path) !== "mounted" : mountLive(root, path)),
    );
    if (options.dryRun || done.problems.length > 0) return done;
    try {
      addLiveLines(jail, live);
      return done;
    } catch (error) {
      return { ...done, problems: [{ code: "fstab", path: "/etc/fstab", message: describeError(error) }] };
    }
  });
}

/** Unmounts the recorded directories of a live jail; its lines in fstab(5) stay. */
export function unmountJail(jail: ByteString, options: LiveOptions): LiveJail {
  return inLiveJail(jail, options, (root, live) =>
    eachMount(
      jail,
      live.toReversed(),
      (path) => liveState(root, path),
      (path) => (options.dryRun ? liveState(root, path) !== "missing" : unmountLive(root, path)),
    ),
  );
}

function inLiveJail(
  jail: ByteString,
  options: LiveOptions,
  act: (root: ReturnType<typeof openJailRoot>, live: readonly ByteString[]) => LiveJail,
): LiveJail {
  try {
    using _lock = lockJail(jail, { ...options, changes: !options.dryRun });
    using root = openNamedJail(jail);
    requireSafeJail(root, 1);
    const { live } = openManifest(root).content;
    if (live !== undefined) return act(root, live);
    const message = `${display(jail)}: is not a live jail; 'jk_init --live' makes one`;
    return { jail, mounts: [], problems: [{ code: "not-live", path: jail, message }] };
  } catch (error) {
    return { jail, mounts: [], problems: [problemFrom(error, "failed", jail)] };
  }
}
