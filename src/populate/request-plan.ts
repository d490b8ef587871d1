import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import type { Loader } from "../libraries/closure.ts";
import type { CopyAhead } from "./apply/ahead.ts";
import type { PopulateProblem } from "./entry.ts";
import { othersFiles } from "./others-files.ts";
import type { Draft, PlannerInput } from "./plan/draft.ts";
import { makePlan, missingMessages } from "./plan/plan.ts";
import type { PlanCache } from "./plan-cache/plan-cache.ts";
import type { PopulateRequest } from "./request.ts";

/** The plan of an earlier jail, or a new one. `ahead`: gets the entries of an earlier one before it is known to hold. */
export function planFiles(
  { wants }: PopulateRequest,
  input: PlannerInput,
  loader: Loader,
  cache: Pick<PlanCache, "read"> | undefined,
  ahead: CopyAhead | undefined,
): Draft {
  const kept = cache?.read((entries) => {
    for (const entry of entries) ahead?.offer(entry);
  });
  if (kept !== undefined) return kept;
  ahead?.startOver();
  const plan = makePlan({ ...input, wants });
  const missing = missingMessages(plan.entries, loader.problems());
  const warnings = [...plan.warnings, ...missing.warnings];
  return { ...plan, warnings, notes: [...plan.notes, ...missing.notes] };
}

/** A plan with the problems and messages of the request itself. */
export function withRequest(plan: Draft, request: PopulateRequest): Draft {
  const { jail, problems, warnings, notes, mustExist } = request;
  const notFound = mustExist.filter((section) => !plan.satisfied.has(section));
  return {
    ...plan,
    problems: [...problems, ...plan.problems, ...notFound.map(nothingFound)],
    warnings: [...warnings, ...plan.warnings, ...othersFiles(jail, plan.entries)],
    notes: [...notes, ...plan.notes],
  };
}

/** The problem of a section of which this machine has nothing. */
export function nothingFound(section: ByteString): PopulateProblem {
  const message = `no file of section ${quoted(section)} is on this machine: install the package that has them`;
  return { code: "nothing-found", path: section, message };
}
