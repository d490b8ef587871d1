import type { ByteString } from "../../ffi/bytes.ts";
import { parentOf } from "../../ffi/paths.ts";
import { answered, problemFrom } from "../cli/error.ts";
import { lookUp, withTree } from "../jail/fs/look.ts";
import { roomProblem } from "../jail/fs/no-room.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { heldPlace, readOnlyProblem } from "../jail/fs/writable.ts";
import { type Manifest, REGISTRY } from "../jail/record/manifest.ts";
import { findProgram } from "../system/run.ts";
import { lacksAccounts } from "./apply/accounts.ts";
import { foreseen } from "./apply/foresee.ts";
import { concernsLibraries, lacksCache } from "./apply/library-cache.ts";
import { requireLiveLines, requireNoLiveLines } from "./apply/live-lines.ts";
import type { Plan, PopulateProblem } from "./entry.ts";
import { hiddenProblem } from "./hidden-place.ts";
import { openNearest } from "./open-jail.ts";
import { formerLive } from "./record/start-over.ts";
import { type PopulateOptions, type PopulateRequest, shownDirectories } from "./request.ts";

type HowToFill = Pick<PopulateOptions, "dryRun" | "hardlink">;

/**
 * What keeps a plan from being carried out at all: a dry run reports it, and a real run before its first change.
 * Undefined if there is nothing. `root` is undefined for a jail that is still to be created.
 */
export function obstacleTo(
  root: JailRoot | undefined,
  request: PopulateRequest,
  plan: Plan,
  options: HowToFill,
  manifest: Manifest | undefined,
): PopulateProblem | undefined {
  if (plan.unsafe !== undefined) return plan.unsafe;
  const { jail } = request;
  const lines = linesProblem(root, request, manifest);
  if (lines !== undefined) return lines;
  const places = root === undefined ? [] : placesToChange(root, request, plan);
  const changed = plan.entries.filter(({ action }) => action !== "keep").map(({ path }) => path);
  const hidden = hiddenProblem(jail, changed);
  const inJail = root && readOnlyProblem(root, places, jail);
  const onHost = () => withTree((host) => readOnlyProblem(host, [REGISTRY], jail));
  const held = () => root && heldProblem(root, places, plan);
  return (
    hidden ??
    inJail ??
    onHost() ??
    held() ??
    (options.dryRun ? lackOfRoom(root, jail, plan, options) : undefined)
  );
}

/** The problem of a place that chattr(1) protects. */
function heldProblem(
  root: JailRoot,
  places: Iterable<ByteString>,
  { entries }: Plan,
): PopulateProblem | undefined {
  const replaced = entries.filter(({ action }) => action === "replace").map(({ path }) => path);
  const held = heldPlace(root, places, replaced);
  return held && problemFrom(held, "immutable", root.path);
}

/**
 * What a dry run tells of a file system that has certainly too little room for a plan; the run fills it, and goes on when there
 * is more. `hardlink`: files may become links, which need none.
 */
function lackOfRoom(
  root: JailRoot | undefined,
  jail: ByteString,
  { entries }: Plan,
  { hardlink }: HowToFill,
): PopulateProblem | undefined {
  const made = entries.filter(({ action, type }) => action === "create" && !(hardlink && type === "file"));
  if (root !== undefined) return roomProblem(root, jail, made);
  using above = openNearest(jail);
  return roomProblem(above, jail, made);
}

/** What keeps the lines of a live jail out of fstab(5), or former ones in it: nothing is copied before. */
function linesProblem(
  root: JailRoot | undefined,
  request: PopulateRequest,
  manifest: Manifest | undefined,
): PopulateProblem | undefined {
  const { jail, live } = request;
  return foreseen(jail, "live", () => {
    const { recorded, left } = formerLive(jail, root, manifest, shownDirectories(request));
    if (recorded.length + left.length > 0) requireNoLiveLines(jail, [...recorded, ...left]);
    if (live !== undefined) requireLiveLines(jail, live.directories);
  });
}

/** The directories of the jail in which a name would be created or replaced. */
function placesToChange(root: JailRoot, request: PopulateRequest, { entries }: Plan): Set<ByteString> {
  const changes = entries.filter(({ action }) => action !== "keep");
  // In a directory that the plan creates there is nothing to look at.
  const created = new Set(changes.flatMap(({ type, path }) => (type === "directory" ? [path] : [])));
  const places = new Set(changes.map(({ path }) => parentOf(path)).filter((path) => !created.has(path)));
  // A file that cannot be read does not end the run: applying the plan reports it.
  const lacks = (test: () => boolean) => answered(test) ?? true;
  const { accounts } = request;
  const cache = () => concernsLibraries(entries) || lacksCache(root);
  if (accounts !== undefined && lacks(() => lacksAccounts(root, accounts))) places.add("/etc");
  if (findProgram("ldconfig") !== undefined && lacks(cache)) places.add("/etc");
  if (request.needProc && lookUp(root, "/proc") === undefined) places.add("/");
  return places;
}
