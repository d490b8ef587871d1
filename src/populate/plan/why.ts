import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import type { Entry, Plan, Reason } from "../entry.ts";

/** One step of an explanation: a path of the jail, and its relation to the step before. */
export interface Step {
  readonly path: ByteString;
  readonly why: string;
}

/** The chain from a path of the jail to the request of a section that brings it in. */
export interface Explanation {
  readonly section: ByteString;
  readonly steps: readonly Step[];
}

/** Explains why `path` (of the jail, or of the host) is in a plan, once for each section; undefined if it is not. */
export function explain(plan: Plan, path: ByteString): Explanation[] | undefined {
  const byPath = new Map(plan.entries.map((entry) => [entry.path, entry]));
  const entry = byPath.get(path) ?? bySource(plan.entries, path);
  return entry?.because.map(({ section }) => ({ section, steps: chain(entry, section, byPath) }));
}

function chain(entry: Entry, section: ByteString, byPath: ReadonlyMap<ByteString, Entry>): Step[] {
  const steps: Step[] = [];
  const visited = new Set<Entry>();
  let at: Entry | undefined = entry;
  while (at !== undefined && !visited.has(at)) {
    visited.add(at);
    const own: Entry = at;
    const reason = (own.because.find((each) => each.section === section) ?? own.because[0])?.reason;
    if (reason === undefined) break;
    steps.push({ path: own.path, why: inWords(reason) });
    if (reason.kind === "parent") at = byPath.get(reason.of) ?? bySource(byPath.values(), reason.of);
    else at = reason.kind === "asked" ? undefined : reason.from;
  }
  return steps;
}

/** The entry of a plan or a record for a path of the host. */
export function bySource<T extends { readonly source?: ByteString | undefined }>(
  entries: Iterable<T>,
  path: ByteString,
): T | undefined {
  for (const entry of entries) if (entry.source === path) return entry;
  return undefined;
}

function inWords(reason: Reason): string {
  if (reason.kind === "asked") return `asked for as ${display(reason.pattern)}`;
  if (reason.kind === "parent") return `on the way to ${display(reason.of)}`;
  const from = display(reason.from.path);
  const name = "name" in reason ? display(reason.name) : "";
  return {
    tree: `in the directory ${from}`,
    link: `target of the symbolic link ${from}`,
    interpreter: `program interpreter of ${from}`,
    script: `interpreter of the script ${from}`,
    dlopen: `opened by ${from} when it runs (${name})`,
    needed: `library ${name} of ${from}`,
  }[reason.kind];
}

/** Explanations as lines: the section of jk_init or the operand of jk_cp, then one line for each step. */
export function explanationLines(path: ByteString, explanations: readonly Explanation[]): string[] {
  return explanations.flatMap(({ section, steps }) => [
    // Operands of jk_cp are recorded as full paths.
    `${display(path)}: ${section.startsWith("/") ? "operand" : "section"} ${display(section)}`,
    ...steps.map((step) => `  ${display(step.path)}: ${step.why}`),
  ]);
}
