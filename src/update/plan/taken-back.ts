import type { ByteString } from "../../../ffi/bytes.ts";
import { hostMountsIn } from "../../jail/fs/host-mounts.ts";
import { socketDirectory } from "../../jail/fs/socket-directory.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import type { Manifest, ManifestRequest } from "../../jail/record/manifest.ts";
import type { Refusable } from "../../jail/record/without.ts";
import type { Loader } from "../../libraries/closure.ts";
import { fileSystemAt } from "../../populate/file-system.ts";
import { isIn } from "../../populate/plan/draft.ts";
import { makePlan } from "../../populate/plan/plan.ts";
import { installedCompanions } from "../../profile/companions.ts";
import type { Recipe } from "../../profile/recipe.ts";
import { jailState, mayReplace, planningView } from "../state.ts";
import { broughtBefore } from "./brought-before.ts";
import { decideRemovals, type Removals } from "./removals.ts";

/** Names to take back: sections of jk_init, or operands of jk_cp. */
export interface TakenBack {
  readonly tool: "jk_init" | "jk_cp";
  readonly names: readonly ByteString[];
}

/** Splits the requests: without the names, and for the names alone. Pure. */
export function separate(
  requests: readonly ManifestRequest[],
  { tool, names }: TakenBack,
): { remaining: ManifestRequest[]; removed: ManifestRequest[] } {
  const key = tool === "jk_init" ? "sections" : "operands";
  const only = (which: (name: ByteString) => boolean) => (request: ManifestRequest) => {
    const left = request[key].filter(which);
    return left.length > 0 ? [{ ...request, [key]: left }] : [];
  };
  const without = only((name) => !names.includes(name));
  return {
    remaining: requests.flatMap((request) => (request.tool === tool ? without(request) : [request])),
    removed: requests
      .filter((request) => request.tool === tool)
      .flatMap(only((name) => names.includes(name))),
  };
}

/** The recipe of the remaining requests, and that of the removed ones. */
export interface Recipes {
  readonly stays: Recipe;
  readonly goes: Recipe;
}

/** Plans the removal: files of the removed requests that the remaining ones do not bring, which are `planned`. */
export function decideTakenBack(
  root: JailRoot,
  { content: { entries } }: Manifest,
  names: readonly ByteString[],
  { stays, goes }: Recipes,
  loader: Loader,
): Removals & { readonly planned: ReadonlySet<ByteString> } {
  const live = hostMountsIn(root);
  const state = jailState(root, entries, new Map());
  const plan = makePlan({
    host: fileSystemAt(),
    jail: planningView(state, (path, existing) => mayReplace(path, existing, false), new Set()),
    jailPath: root.path,
    wants: stays.wants,
    force: false,
    loader,
    live,
    companions: installedCompanions(fileSystemAt(), loader),
    broughtBefore: broughtBefore(entries.values()),
  });
  const taken = new Set([...goes.resolved, ...names]);
  const certain = stays.problems.length === 0;
  const candidates = [...entries.values()].filter(({ path, sections }) => {
    if (isIn(live, path)) return false;
    if (plan.planned.has(path) || sections.some((section) => stays.resolved.has(section))) return false;
    const isTaken = (section: ByteString) => taken.has(section);
    return certain ? sections.some(isTaken) : sections.every(isTaken);
  });
  const found = candidates.map((record) => ({ path: record.path, record }));
  const removals = decideRemovals(state, found, (path) => plan.planned.has(path), false);
  return { ...removals, planned: new Set(plan.planned.keys()) };
}

/** What only the removed requests need. */
export const extrasToEnd = (keeps: readonly Refusable[], { stays, goes }: Recipes) => ({
  logSocket: goes.needLogsocket && !stays.needLogsocket && !keeps.includes("log-socket"),
  proc: goes.needProc && !stays.needProc && !keeps.includes("proc"),
});

/** The directories with sockets of the host that only removed requests name. */
export function unusedSockets(recorded: readonly ByteString[], { stays, goes }: Recipes): ByteString[] {
  const [kept, gone] = [stays, goes].map(
    ({ sockets }) => new Set(sockets.map((socket) => socketDirectory(socket))),
  );
  const certain = stays.problems.length === 0;
  return recorded.filter((path) => !kept?.has(path) && (certain || gone?.has(path)));
}
