import type { ByteString } from "../../../ffi/bytes.ts";
import type { Entry, Plan, PopulateProblem } from "../entry.ts";
import { linkTarget } from "../file-system.ts";
import type { PopulateRequest } from "../request.ts";

/**
 * The sections of jk_init that were asked for, and those operands of jk_cp that are in the jail: jk_update would try the
 * others again each time. An operand that is a symbolic link is there if its target is too. A directory or program of which
 * a part failed is there: the next run completes it.
 */
export function copiedOf(
  { tool, asked }: Pick<PopulateRequest, "tool" | "asked">,
  plan: Pick<Plan, "entries" | "problems">,
  applied: { readonly present: readonly Entry[]; readonly problems: readonly PopulateProblem[] },
): readonly ByteString[] {
  if (tool !== "jk_cp" || plan.problems.length + applied.problems.length === 0) return asked;
  const present = new Set(applied.present);
  const refused = new Set(plan.problems.map(({ path }) => path));
  const isThere = (entry: Entry, section: ByteString, seen: ReadonlySet<Entry>): boolean => {
    if (!present.has(entry)) return false;
    if (entry.type !== "symlink" || seen.has(entry)) return true;
    if (refused.has(linkTarget(entry.path, entry.target ?? ""))) return false;
    const targets = reasonsOf(plan.entries, section, ({ kind, from }) => kind === "link" && from === entry);
    return targets.every((target) => isThere(target, section, new Set([...seen, entry])));
  };
  return asked.filter((section) => {
    const named = reasonsOf(plan.entries, section, ({ kind }) => kind === "asked");
    return named.length > 0 && named.every((entry) => isThere(entry, section, new Set()));
  });
}

/** The entries that a section brings for such a reason. */
function reasonsOf(
  entries: readonly Entry[],
  section: ByteString,
  is: (reason: { readonly kind: string; readonly from?: Entry }) => boolean,
): Entry[] {
  return entries.filter(({ because }) => because.some((each) => each.section === section && is(each.reason)));
}
