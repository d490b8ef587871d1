import type { ByteString } from "../../ffi/bytes.ts";
import { parentOf } from "../../ffi/paths.ts";
import { answered, problemFrom } from "../cli/error.ts";
import { lookUp, withTree } from "../jail/fs/look.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { readOnlyProblem } from "../jail/fs/writable.ts";
import { REGISTRY } from "../jail/record/manifest.ts";
import { findProgram } from "../system/run.ts";
import { lacksAccounts } from "./apply/accounts.ts";
import { concernsLibraries, lacksCache } from "./apply/library-cache.ts";
import { requireLiveLines } from "./apply/live-lines.ts";
import type { Plan, PopulateProblem } from "./entry.ts";
import type { PopulateRequest } from "./request.ts";

/**
 * What keeps a plan from being carried out at all: a dry run reports it, and a real run before its first change.
 * Undefined if there is nothing. `root` is undefined for a jail that is still to be created.
 */
export function obstacleTo(
  root: JailRoot | undefined,
  request: PopulateRequest,
  plan: Plan,
): PopulateProblem | undefined {
  if (plan.unsafe !== undefined) return plan.unsafe;
  const { jail } = request;
  const lines = linesProblem(request);
  if (lines !== undefined) return lines;
  const inJail = root && readOnlyProblem(root, placesToChange(root, request, plan), jail);
  return inJail ?? withTree((host) => readOnlyProblem(host, [REGISTRY], jail));
}

/** What keeps the lines of a live jail out of fstab(5): without them nothing is copied. */
function linesProblem({ jail, live }: PopulateRequest): PopulateProblem | undefined {
  if (live === undefined) return undefined;
  try {
    requireLiveLines(jail, { add: live.directories, remove: [] });
    return undefined;
  } catch (error) {
    return problemFrom(error, "live", jail);
  }
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
