import type { ByteString } from "../../ffi/bytes.ts";
import { problemFrom } from "../cli/error.ts";
import { namesIn } from "../jail/fs/names.ts";
import { endsRun, noRoom } from "../jail/fs/no-room.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { type Manifest, openManifest } from "../jail/record/manifest.ts";
import { type Applied, type ApplyOptions, applyPlan } from "./apply/apply.ts";
import { addExtras, notRecorded } from "./apply/extras.ts";
import { setUpLive } from "./apply/live.ts";
import { OBSTACLE, removeSockets } from "./apply/sockets.ts";
import type { Plan, PopulateProblem } from "./entry.ts";
import type { NewDirectories } from "./open-jail.ts";
import { copiedOf } from "./plan/copied.ts";
import { JailRecord } from "./record/record.ts";
import { endFormerLive, startOver } from "./record/start-over.ts";
import type { LineReporter } from "./reporter.ts";
import { type PopulateOptions, type PopulateRequest, shownDirectories } from "./request.ts";

/** What a run has put into a jail, or what it would put there. */
export type Filled = Pick<Applied, "present" | "problems">;

interface Means extends Pick<ApplyOptions, "reporter" | "ahead" | "meanwhile"> {
  readonly manifest: Manifest | undefined;
  readonly fresh: NewDirectories;
}

/** Carries out the plan of a request in an open jail, and records it. */
export function fillJail(
  root: JailRoot,
  request: PopulateRequest,
  { hardlink }: PopulateOptions,
  plan: Plan,
  { manifest, reporter, ahead, meanwhile, fresh }: Means,
): Filled {
  const obstacle =
    leaveLive(root, request, manifest, reporter) ??
    refill(root, request, manifest, reporter) ??
    makeLive(root, request, reporter);
  if (obstacle !== undefined) return { present: [], problems: [obstacle] };
  const record = new JailRecord(root, request, hardlink);
  const unwritten = recording(request, reporter, () => {
    for (const warning of record.begin(manifest, plan)) reporter.warn(warning);
  });
  if (unwritten !== undefined) return { present: [], problems: [unwritten] };
  const applied = applyPlan(root, plan, { hardlink, reporter, ahead, meanwhile });
  const extras = applied.stopped ? [] : addExtras(root, request, applied.present, reporter);
  const problems = [...applied.problems, ...extras];
  // If nothing could be put into a new jail, it is removed again.
  const isNothing = fresh.hasMade(root) && namesIn(root.top).length === 0;
  const isReported = applied.stopped || extras.some(endsRun);
  const unrecorded = recording(request, isReported ? undefined : reporter, () => {
    // Recorded also after a failure, so that the next run continues.
    const shown = extras.some(({ code }) => code === OBSTACLE)
      ? openManifest(root).content.sockets
      : request.sockets;
    const asked = copiedOf(request, plan, applied).filter((name) => !isRefused(request, name, shown ?? []));
    record.end(isNothing ? [] : asked, applied);
  });
  if (unrecorded !== undefined && !isReported) problems.push(unrecorded);
  if (!isNothing) fresh.keep();
  return { present: applied.present, problems };
}

/** Writes the record of a jail. Returns the problem if that fails, and reports it. */
function recording(
  { jail }: PopulateRequest,
  reporter: LineReporter | undefined,
  write: () => void,
): PopulateProblem | undefined {
  try {
    write();
    return undefined;
  } catch (error) {
    const problem = notRecorded(error, jail);
    reporter?.fail(problem);
    return problem;
  }
}

/** True for a section that asks for sockets alone, none of which is shown in the jail: each update would try it again. */
function isRefused(
  { onlySockets }: PopulateRequest,
  name: ByteString,
  shown: readonly ByteString[],
): boolean {
  const directories = onlySockets?.get(name);
  return directories !== undefined && !directories.some((path) => shown.includes(path));
}

/** Begins the record of an emptied jail anew. Returns the problem if it cannot be written. */
function refill(
  root: JailRoot,
  request: PopulateRequest,
  manifest: Manifest | undefined,
  reporter: LineReporter,
): PopulateProblem | undefined {
  return recording(request, reporter, () => {
    const { sockets = [] } = request;
    const unused = startOver(root, manifest ?? openManifest(root)).filter((path) => !sockets.includes(path));
    removeSockets(root, unused, (line) => reporter.say(line));
  });
}

/** Takes out what was live in an emptied jail. Returns the problem if it fails. */
function leaveLive(
  root: JailRoot,
  request: PopulateRequest,
  manifest: Manifest | undefined,
  reporter: LineReporter,
): PopulateProblem | undefined {
  if (manifest === undefined) return undefined;
  const say = (line: ByteString) => reporter.say(line);
  return changingLive(request, reporter, () => endFormerLive(root, manifest, shownDirectories(request), say));
}

/** Makes the jail live, if that is requested. Returns the problem if it fails. */
function makeLive(
  root: JailRoot,
  request: PopulateRequest,
  reporter: LineReporter,
): PopulateProblem | undefined {
  const { live } = request;
  return live && changingLive(request, reporter, () => setUpLive(root, live, reporter));
}

/** Returns the problem if a change of what is live fails, and reports it. */
function changingLive(
  { jail }: PopulateRequest,
  reporter: LineReporter,
  change: () => void,
): PopulateProblem | undefined {
  try {
    change();
    return undefined;
  } catch (error) {
    const problem = noRoom(error, jail, { left: [], progress: "nothing was copied" });
    const failed = problem ?? problemFrom(error, "live", jail);
    reporter.fail(failed);
    return failed;
  }
}
