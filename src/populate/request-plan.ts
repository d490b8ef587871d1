import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import type { Loader } from "../libraries/closure.ts";
import type { PopulateProblem } from "./entry.ts";
import type { Draft, PlannerInput } from "./plan/draft.ts";
import { makePlan, missingMessages } from "./plan/plan.ts";
import type { PlanCache } from "./plan-cache/plan-cache.ts";
import type { PopulateRequest } from "./request.ts";

/** The plan of an earlier jail, or a new one. `expectMany`: called before an earlier one is compared with the host. */
export function planFiles(
  { wants }: PopulateRequest,
  input: PlannerInput,
  loader: Loader,
  cache: PlanCache | undefined,
  expectMany: () => void,
): Draft {
  const kept = cache?.read(expectMany);
  for (const entry of kept?.entries ?? []) input.offer?.(entry);
  if (kept !== undefined) return kept;
  const plan = makePlan({ ...input, wants });
  const missing = missingMessages(plan.entries, loader.problems());
  const warnings = [...plan.warnings, ...missing.warnings];
  return { ...plan, warnings, notes: [...plan.notes, ...missing.notes] };
}

/** A plan with the problems and messages of the request itself. */
export function withRequest(plan: Draft, { problems, warnings, notes, mustExist }: PopulateRequest): Draft {
  const notFound = mustExist.filter((section) => !plan.satisfied.has(section));
  return {
    ...plan,
    problems: [...problems, ...plan.problems, ...notFound.map(nothingFound)],
    warnings: [...warnings, ...plan.warnings],
    notes: [...notes, ...plan.notes],
  };
}

function nothingFound(section: ByteString): PopulateProblem {
  const message = `no file of section ${quoted(section)} is on this machine`;
  return { code: "nothing-found", path: section, message };
}
