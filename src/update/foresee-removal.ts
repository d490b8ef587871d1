import type { ByteString } from "../../ffi/bytes.ts";
import { parentOf, pathComponents, pathsDownTo } from "../../ffi/paths.ts";
import { lookUp, readJailLink } from "../jail/fs/look.ts";
import { isLink, type JailRoot } from "../jail/fs/walk.ts";
import { type ManifestRequest, openManifest } from "../jail/record/manifest.ts";
import type { Refusable } from "../jail/record/without.ts";
import { createLoader } from "../libraries/closure.ts";
import { losesPlace } from "../populate/apply/live.ts";
import { fileSystemAt } from "../populate/file-system.ts";
import { asksForFiles } from "../populate/record/requests.ts";
import { readRecipe } from "../profile/recipe.ts";
import { below } from "../system/mountinfo.ts";
import type { Removals } from "./plan/removals.ts";
import { decideTakenBack, extrasToEnd, separate, type TakenBack, unusedSockets } from "./plan/taken-back.ts";

/** Paths as the jail sees them, without symbolic links above. */
export type Gone = Pick<ReadonlySet<ByteString>, "has">;

interface Foreseen extends Pick<Removals, "hidden"> {
  readonly gone: Gone;
  /** What the remaining requests bring, or have brought. */
  readonly planned: ReadonlySet<ByteString>;
}

/** What a jail shows of the machine, besides its own files. */
interface Shown {
  /** The places of mounts and sockets that go, and the live directories that are there then. */
  readonly leaves: readonly ByteString[];
  readonly live: readonly ByteString[];
  /** What stays, whatever the sections need. */
  readonly keeps: readonly Refusable[];
}

/**
 * What would be gone from an open jail if names were asked for (`added`) and then others taken back (`removed`), in this
 * order, and what is `shown` changed. `hidden`: as in Removals. Changes nothing. Throws as removeRequested does.
 */
export function foreseeRemovals(
  root: JailRoot,
  added: readonly TakenBack[],
  removed: readonly TakenBack[],
  shown: Shown,
): Foreseen {
  const manifest = openManifest(root);
  const asked = added.map(
    ({ tool, names }): ManifestRequest => ({
      tool,
      sections: tool === "jk_init" ? [...names] : [],
      operands: tool === "jk_cp" ? [...names] : [],
      ...{ options: {}, time: 0 },
    }),
  );
  let remaining = [...manifest.content.requests, ...asked];
  const gone: ManifestRequest[] = [];
  for (const one of removed) {
    const parts = separate(remaining, one);
    remaining = parts.remaining;
    gone.push(...parts.removed);
  }
  using loader = createLoader({ dlopen: true });
  const host = fileSystemAt();
  const recipes = {
    stays: readRecipe(remaining.filter(asksForFiles), host, loader),
    goes: readRecipe(gone, host, loader),
  };
  const names = removed.flatMap((one) => one.names);
  const { removals, hidden, planned } = decideTakenBack(root, manifest, names, recipes, loader);
  const objects = new Set(removals.map(({ path }) => path));
  const { entries, sockets = [] } = manifest.content;
  const ends = extrasToEnd(shown.keeps, recipes);
  const leaves = [
    ...shown.leaves,
    ...unusedSockets(sockets, recipes),
    ...(ends.proc ? ["/proc"] : []),
    ...(ends.logSocket ? [LOG_SOCKET] : []),
  ];
  const covered = notShown({ ...shown, leaves }, planned, (place) => losesPlace(place, entries));
  return { gone: { has: (path) => objects.has(path) || covered(path) }, planned, hidden };
}

/** As the jail sees it. */
export const LOG_SOCKET = "/dev/log";

/** Whether a path is one that a jail shows no more, and in whose place nothing is brought. */
function notShown(
  { leaves, live }: Pick<Shown, "leaves" | "live">,
  planned: ReadonlySet<ByteString>,
  losesPlace: (place: ByteString) => boolean,
): (path: ByteString) => boolean {
  if (leaves.length === 0) return () => false;
  const stays = new Set([...planned, ...live].flatMap(pathsDownTo));
  const isShown = (path: ByteString) => live.some((place) => below(path, place) !== undefined);
  const goes = (place: ByteString, path: ByteString) =>
    path === place ? place === LOG_SOCKET || losesPlace(place) : below(path, place) !== undefined;
  return (path) => !stays.has(path) && !isShown(path) && leaves.some((place) => goes(place, path));
}

/** True if a path of a jail, which leads somewhere now, would lead nowhere without the objects that are `gone`. */
export function leadsToGone(root: JailRoot, path: ByteString, gone: Gone): boolean {
  let here = "";
  for (const name of pathComponents(path)) {
    here += `/${name}`;
    const found = lookUp(root, here);
    if (found === undefined || gone.has(found.canonicalPath)) return true;
    if (!isLink(found.stat)) continue;
    const target = readJailLink(root, here) ?? "";
    const next = target.startsWith("/") ? target : `${parentOf(here)}/${target}`;
    if (leadsToGone(root, next, gone)) return true;
  }
  return false;
}
