import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import type { PopulateProblem } from "../../populate/entry.ts";
import type { Draft } from "../../populate/plan/draft.ts";
import { missingMessages } from "../../populate/plan/plan.ts";
import { lookAt } from "../state.ts";
import type { UpdateInput } from "./input.ts";
import { inJail } from "./scope.ts";

// Files that cannot be copied could not be copied at first either, so the update does not fail.
const USUAL = new Set(
  "not-copyable refused-source no-such-device relative-path directory-in-the-way untrusted-source".split(" "),
);

/** True for an old problem, or one caused by a user, since users must not block the rest. */
export function isUsual({ code, path }: PopulateProblem, isBlocked: (path: ByteString) => boolean): boolean {
  return USUAL.has(code) || (code === "cannot-place" && isBlocked(`${path}/`));
}

/** True if nothing that was requested is on the host: probably a mount is missing, not every package. */
export function isEmpty({ recipe, records }: UpdateInput, plan: Draft): boolean {
  return recipe !== undefined && plan.entries.length === 0 && records.size > 0;
}

/** The warnings about a plan, and the notes for --verbose. */
export function messages(
  input: UpdateInput,
  plan: Draft,
  isBlocked: (path: ByteString) => boolean,
): { warnings: string[]; notes: string[] } {
  const { recipe, root } = input;
  const missing = missingMessages(plan.entries, input.loader.problems());
  const usual = plan.problems.filter((problem) => isUsual(problem, isBlocked)).map(({ message }) => message);
  const warnings = [...(recipe?.warnings ?? []), ...plan.warnings, ...missing.warnings];
  for (const written of input.directories) {
    const path = inJail(root.path, written);
    if (lookAt(root, path) === undefined && path !== "/")
      warnings.push(`${display(root.path + path)} does not exist`);
  }
  if (isEmpty(input, plan)) {
    warnings.push("nothing that was asked for is on this machine: nothing is removed");
  }
  for (const { pattern, section } of recipe?.wants ?? []) {
    // A section that is its own pattern is an operand of jk_cp.
    if (section === pattern && !plan.satisfied.has(section))
      warnings.push(`${display(pattern)}, which jk_cp copied, is missing on this machine`);
  }
  return { warnings, notes: [...plan.notes, ...usual, ...missing.notes] };
}
