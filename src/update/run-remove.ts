import type { ToolOutput } from "../cli/tool.ts";
import { createLoader } from "../libraries/closure.ts";
import { fileSystemAt } from "../populate/file-system.ts";
import { makeReporter } from "../populate/reporter.ts";
import { readRecipe } from "../profile/recipe.ts";
import { type RemoveRequest, removeReport, removeRequested } from "./remove.ts";

/** `--remove` of jk_init and jk_cp: removes what was asked for once, except what other requests need. */
export async function runRemove(
  request: RemoveRequest,
  { verbose, json }: { verbose: boolean; json: boolean },
): Promise<ToolOutput> {
  const reporter = makeReporter(request.tool, verbose, json);
  using loader = createLoader({ dlopen: true });
  const outcome = await removeRequested(request, { host: fileSystemAt(), loader, readRecipe, reporter });
  return {
    exitStatus: outcome.exitStatus,
    report: () => removeReport(request, outcome),
    print: () => undefined,
  };
}
