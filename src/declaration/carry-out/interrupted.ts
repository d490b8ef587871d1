import { hostMountsIn } from "../../jail/fs/host-mounts.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { type ManifestRequest, openManifest, saveManifest } from "../../jail/record/manifest.ts";
import { createLoader } from "../../libraries/closure.ts";
import { fileSystemAt } from "../../populate/file-system.ts";
import { jailFileSystem } from "../../populate/open-jail.ts";
import { makePlan } from "../../populate/plan/plan.ts";
import { asksForFiles, finishRequests } from "../../populate/record/requests.ts";
import { installedCompanions } from "../../profile/companions.ts";
import { readRecipe } from "../../profile/recipe.ts";
import { missingExtras } from "../../update/extras.ts";

/**
 * Records that requests which were interrupted are all there, if everything that they ask for has come by others: by a section
 * with the same files. Throws JailkitError, SystemError.
 */
export function settleInterrupted(root: JailRoot): void {
  const manifest = openManifest(root);
  const requests = manifest.content.requests.filter(asksForFiles);
  const unfinished = requests.filter((request) => request.unfinished === true);
  if (unfinished.length === 0 || unfinished.some(asksForRights)) return;
  const host = fileSystemAt();
  using loader = createLoader({ dlopen: true });
  const recipe = readRecipe(unfinished, host, loader);
  const { entries, problems } = makePlan({
    ...{ host, loader, jail: jailFileSystem(root), jailPath: root.path, force: false, wants: recipe.wants },
    live: hostMountsIn(root),
    companions: installedCompanions(host, loader),
  });
  const isThere = entries.every(({ action, differs = false }) => action === "keep" && !differs);
  if (!isThere || recipe.problems.length + problems.length > 0) return;
  // Those of all requests: what the others need is not hidden.
  if (missingExtras(root, readRecipe(requests, host, loader), manifest).length > 0) return;
  finishRequests(manifest);
  saveManifest(manifest);
}

/** Files that are there may have other attributes. */
const asksForRights = ({ options }: ManifestRequest): boolean =>
  options.owner === true || options.setuid === true;
