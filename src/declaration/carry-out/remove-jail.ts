import { isMissing } from "../../../ffi/files.ts";
import { quoted } from "../../cli/display.ts";
import { deleteJail } from "../../jails/delete.ts";
import { planDelete } from "../../jails/delete-plan.ts";
import { requireNoOthersMounts } from "../../jails/others-mounts.ts";
import { stillMounted } from "../../update/remove-extras.ts";
import type { FormerJail } from "../compare/former-jails.ts";
import { jailIdAt, samenessOf } from "../ids.ts";
import { requireNoHomeIn, requireNothingElse } from "../other-things.ts";
import { changedSince, removeLeftHomes } from "./remove-home.ts";
import type { Said } from "./steps.ts";

/** Removes a jail with the homes that stayed in it. Throws as removeFormer. */
export function removeJail({ once, homes, others }: FormerJail, { steps, warnings, errors }: Said): void {
  const { path: jail, directoryId } = once;
  if (samenessOf(directoryId, jailIdAt(jail)) !== "same")
    throw changedSince("another-jail", `${quoted(jail)} has become another jail`);
  const request = { jail, unjail: false, userFiles: false, keepsMounts: true, others };
  const gone = homes.map(({ path }) => path);
  if (!isMissing(jail)) requireNoOthersMounts(jail);
  requireNoHomeIn(jail, homes);
  let plan = planDelete({ ...request, gone: homes });
  if (plan.seen !== undefined) requireNothingElse(jail, gone);
  if (homes.length > 0) {
    removeLeftHomes(jail, homes, { steps, warnings });
    plan = planDelete(request);
  }
  const outcome = deleteJail(plan, () => undefined);
  steps.push(...outcome.steps);
  const planned = stillMounted(jail);
  warnings.push(...outcome.warnings.filter((line) => line !== planned));
  errors.push(...outcome.problems);
}
