import type { ByteString } from "../../ffi/bytes.ts";
import { parentOf, pathComponents } from "../../ffi/paths.ts";
import { lookUp, readJailLink } from "../jail/fs/look.ts";
import { isLink, type JailRoot } from "../jail/fs/walk.ts";
import { type ManifestRequest, openManifest } from "../jail/record/manifest.ts";
import { createLoader } from "../libraries/closure.ts";
import { fileSystemAt } from "../populate/file-system.ts";
import { asksForFiles } from "../populate/record/requests.ts";
import { readRecipe } from "../profile/recipe.ts";
import type { Removals } from "./plan/removals.ts";
import { decideTakenBack, separate, type TakenBack } from "./plan/taken-back.ts";

interface Foreseen extends Pick<Removals, "hidden"> {
  readonly gone: ReadonlySet<ByteString>;
}

/**
 * What would be gone from an open jail if names were asked for (`added`) and then others taken back (`removed`), in this
 * order: paths as the jail sees them, without symbolic links above. `hidden`: as in Removals. Changes nothing. Throws as removeRequested does.
 */
export function foreseeRemovals(
  root: JailRoot,
  added: readonly TakenBack[],
  removed: readonly TakenBack[],
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
  const { removals, hidden } = decideTakenBack(root, manifest, names, recipes, loader);
  return { gone: new Set(removals.map(({ path }) => path)), hidden };
}

/** True if a path of a jail, which leads somewhere now, would lead nowhere without the objects that are `gone`. */
export function leadsToGone(root: JailRoot, path: ByteString, gone: ReadonlySet<ByteString>): boolean {
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
