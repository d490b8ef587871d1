import { S_IFBLK, S_IFCHR, S_IFLNK, S_IFMT } from "../../../ffi/constants.ts";
import { plainPath } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { describeError } from "../../cli/error.ts";
import { isDirectory, isLink } from "../../jail/fs/walk.ts";
import type { DependencyProblem } from "../../libraries/dependency.ts";
import { type Entry, KEEP_OWNER, KEEP_SETUID, type Keeps, type Reason, type Want } from "../entry.ts";
import type { FileSystem } from "../file-system.ts";
import { addProblem, type Draft, isIn, type PlannerInput } from "./draft.ts";
import { createGlob, type Glob } from "./glob.ts";
import { Planner } from "./planner.ts";

/** Plans the files that the wants bring into a jail, with their sources, attributes and reasons. */
export function makePlan(input: PlannerInput & { readonly wants: readonly Want[] }): Draft {
  const planner = new Planner(input);
  const glob = createGlob(input.host);
  for (const want of input.wants) {
    try {
      placeWant(planner, input.host, glob, want);
    } catch (error) {
      const { pattern } = want;
      addProblem(planner.draft, "cannot-place", pattern, describeError(error), `${display(pattern)}: `);
    }
  }
  planner.finish();
  const { draft } = planner;
  const { live = [] } = input;
  if (live.length === 0) return draft;
  return { ...draft, entries: draft.entries.filter(({ path }) => !isIn(live, path)) };
}

function placeWant(planner: Planner, host: FileSystem, glob: Glob, want: Want): void {
  const { draft } = planner;
  const reason: Reason = { kind: "asked", pattern: want.written };
  const keeps = ((want.keepOwner ? KEEP_OWNER : 0) | (want.keepSetuid ? KEEP_SETUID : 0)) as Keeps;
  const rules = { section: want.section, keeps, withNeeds: true, linkAlone: want.kind === "link" };
  if (!want.pattern.startsWith("/")) {
    addProblem(draft, "relative-path", want.pattern, "is not an absolute path");
    return;
  }
  const path = plainPath(want.pattern);
  if (want.kind === "empty-directory") {
    const stat = host.stat(path);
    // As in jailkit 2: a directory that the host lacks is skipped.
    if (stat === undefined || !isDirectory(stat)) {
      draft.notes.push(`Source directory ${display(path)} does not exist`);
      return;
    }
    planner.placeDirectory({ path, stat, rules, reason });
    return;
  }
  const stat = host.lstat(path);
  if (want.kind === "link" && (stat === undefined || !isLink(stat))) return;
  if (want.kind === "device" && (stat === undefined || !isDeviceOrLink(stat.mode))) {
    const what = stat === undefined ? "is not a device of this machine" : "is not a device";
    addProblem(draft, "no-such-device", path, what);
    return;
  }
  const found = stat !== undefined ? [path] : want.glob ? glob(path) : [];
  // Devices are the same on every machine, so they do not show that a section is useful here.
  if (found.length > 0 && want.kind === "any") draft.satisfied.add(want.section);
  else if (found.length === 0) draft.notes.push(`Source file ${display(path)} does not exist`);
  const matched = stat === undefined;
  for (const each of found) planner.place(each, rules, { ...reason, matched });
}

function isDeviceOrLink(mode: number): boolean {
  const type = mode & S_IFMT;
  return type === S_IFCHR || type === S_IFBLK || type === S_IFLNK;
}

/**
 * Sorts messages about missing dependencies. They are warnings for files that were requested by name, else notes: a
 * directory may contain programs that are broken on the host already.
 */
export function missingMessages(
  entries: readonly Entry[],
  problems: readonly DependencyProblem[],
): { warnings: string[]; notes: string[] } {
  const isAsked = ({ because }: Entry) => because.some(({ reason }) => reason.kind === "asked");
  const asked = new Set(entries.filter(isAsked).map(({ source }) => source));
  const warnings: string[] = [];
  const notes: string[] = [];
  for (const { file, message } of problems) (asked.has(file) ? warnings : notes).push(message);
  return { warnings, notes };
}
