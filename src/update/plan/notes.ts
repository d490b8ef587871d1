import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import type { PopulateProblem } from "../../populate/entry.ts";
import type { Draft } from "../../populate/plan/draft.ts";
import { look } from "../state.ts";
import type { UpdateInput } from "./input.ts";
import { inJail } from "./scope.ts";

// What cannot be had today could not be had when it was asked for: no update failed for it.
const USUAL = new Set([
  "not-copyable",
  "refused-source",
  "no-such-device",
  "relative-path",
  "directory-in-the-way",
  "untrusted-source",
]);
/** What was so before, or is so because a user has put something in the way: no user is to hold up the rest. */
export function isUsual({ code, path }: PopulateProblem, obstacle: (path: ByteString) => boolean): boolean {
  return USUAL.has(code) || (code === "cannot-place" && obstacle(`${path}/`));
}

/** Rather than that all was uninstalled, something is not mounted. */
export function isEmpty({ recipe, records }: UpdateInput, plan: Draft): boolean {
  return recipe !== undefined && plan.entries.length === 0 && records.size > 0;
}

/** What is told of a plan: `warnings`, and `notes` where more output is asked for. */
export function messages(
  input: UpdateInput,
  plan: Draft,
  obstacle: (path: ByteString) => boolean,
): { warnings: string[]; notes: string[] } {
  const asked = new Set<ByteString | undefined>();
  for (const { source, because } of plan.entries) {
    if (because.some(({ reason }) => reason.kind === "asked")) asked.add(source);
  }
  const lacking = input.loader.problems();
  const told = lacking.filter(({ file }) => asked.has(file)).map(({ message }) => message);
  const untold = lacking.filter(({ file }) => !asked.has(file)).map(({ message }) => message);
  const usual = plan.problems.filter((problem) => isUsual(problem, obstacle)).map(({ message }) => message);
  const warnings = [...(input.recipe?.warnings ?? []), ...plan.warnings, ...told];
  const vanished = (input.recipe?.wants ?? []).filter(
    ({ pattern, section }) => section === pattern && !plan.satisfied.has(section),
  );
  for (const written of input.directories) {
    const path = inJail(input.root.path, written);
    if (look(input.root, path) === undefined && path !== "/")
      warnings.push(`${display(input.root.path + path)} does not exist`);
  }
  if (isEmpty(input, plan)) {
    warnings.push("of what was asked for there is nothing on this machine: nothing is removed");
  }
  for (const { pattern } of vanished) {
    warnings.push(`${display(pattern)}, which was put there by jk_cp, is gone from this machine`);
  }
  return { warnings, notes: [...plan.notes, ...usual, ...untold] };
}
