import { S_IFBLK, S_IFCHR, S_IFLNK, S_IFMT } from "../../../ffi/constants.ts";
import { display } from "../../cli/display.ts";
import { describeError } from "../../cli/error.ts";
import { KEEP_OWNER, KEEP_SETUID, type Keeps, type Reason, type Want } from "../entry.ts";
import { type FileSystem, isDirectory, tidy } from "../file-system.ts";
import type { CopyRules, PlannerInput } from "./context.ts";
import { addProblem, type Draft } from "./draft.ts";
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
  return planner.draft;
}

function placeWant(planner: Planner, host: FileSystem, glob: Glob, want: Want): void {
  const { draft } = planner;
  const reason: Reason = { kind: "asked", pattern: want.written };
  const keeps = ((want.keepOwner ? KEEP_OWNER : 0) | (want.keepSetuid ? KEEP_SETUID : 0)) as Keeps;
  const rules: CopyRules = { section: want.section, keeps, withNeeds: true };
  const path = tidy(want.pattern);
  if (!path.startsWith("/")) {
    addProblem(draft, "relative-path", path, "is not an absolute path");
    return;
  }
  if (want.kind === "empty-directory") {
    const stat = host.stat(path);
    // As in jailkit 2: a directory that the host lacks is skipped.
    if (stat === undefined || !isDirectory(stat.mode)) {
      draft.notes.push(`Source directory ${display(path)} does not exist`);
      return;
    }
    planner.placeDirectory({ path, stat, rules, reason });
    return;
  }
  const stat = host.lstat(path);
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
