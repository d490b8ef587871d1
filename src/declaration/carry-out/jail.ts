import type { ByteString } from "../../../ffi/bytes.ts";
import { countedObjects, display } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { reportedProblem } from "../../cli/report.ts";
import type { ToolCall } from "../../cli/tool.ts";
import { openManifest, saveManifest } from "../../jail/record/manifest.ts";
import { openNamedJail } from "../../jail/record/named-jail.ts";
import { isRefused, type Refusable, setRefused } from "../../jail/record/without.ts";
import { mountJail } from "../../jails/live.ts";
import { hideFromJail, hideLeft } from "../../populate/apply/live.ts";
import { registerLogSocket } from "../../populate/apply/log-socket.ts";
import { addProcLine, mountJailProc } from "../../populate/apply/proc.ts";
import { isPassedOver } from "../../populate/passed-over.ts";
import { asksForFiles } from "../../populate/record/requests.ts";
import type { PopulateReport } from "../../populate/report-schema.ts";
import { removeProc, stillServed, unregisterLogSocket } from "../../update/remove-extras.ts";
import type { RemoveReport } from "../../update/report-schema.ts";
import type { Change } from "../change.ts";
import { fillingsOf } from "../compare/fillable.ts";
import type { Tools } from "../compare/foresee-jail.ts";
import type { JailWork } from "../compare/work.ts";
import { JAIL_STEPS } from "../order.ts";
import { settleInterrupted } from "./interrupted.ts";
import { itemsOf, type Said, type Step, stepsOf } from "./steps.ts";

interface Means {
  readonly tools: Tools;
  readonly tool: string;
  readonly noWait: boolean;
  readonly pathOf: (operand: ByteString) => ByteString;
}

/** The steps that make a jail as it is declared. */
export function jailSteps(jail: JailWork, means: Means): Step[] {
  const { path, declared, changes } = jail;
  const { tools } = means;
  const options = means.noWait ? ["--no-wait", "--json"] : ["--json"];
  const bring = (some: readonly Change[]) => async (said: Said) => {
    for (const { tool, names, args } of fillingsOf(path, some)) {
      const recorded = tool === "jk_cp" ? names.map(means.pathOf) : names;
      await fill(path, recorded, said, tools[tool], [...options, ...args]);
    }
  };
  const remove = (tool: keyof Tools, keeps: readonly string[]) => (some: readonly Change[]) => (said: Said) =>
    takeAway(said, tools[tool], [...options, ...keeps, "--remove", "-j", path, "--", ...itemsOf(some)]);
  const removeFiles = remove("jk_cp", []);
  const removeSections = remove("jk_init", [
    ...(declared?.logSocket === true ? ["--keep-log-socket"] : []),
    ...(declared?.proc === true ? ["--keep-proc"] : []),
  ]);
  const works: Parameters<typeof stepsOf<keyof typeof JAIL_STEPS>>[2] = {
    hide:
      (some) =>
      ({ steps }) => {
        using root = openNamedJail(path);
        hideFromJail(root, "live", itemsOf(some), (line) => steps.push(line));
      },
    hideLeft:
      (some) =>
      ({ steps }) => {
        using root = openNamedJail(path);
        hideLeft(path, root, itemsOf(some), (line) => steps.push(line));
      },
    mount: () => (said) => mountAll(path, means, said),
    fill: bring,
    copy: bring,
    serveLog: () => (said) => serveLog(path, said),
    endLog: () => (said) => endLog(jail, said),
    mountProc: () => (said) => startProc(path, said),
    unmountProc: () => (said) => endProc(jail, said),
    clear: (some) => async (said) => {
      for (const [what, remove] of [
        ["files", removeFiles],
        ["sections", removeSections],
      ] as const) {
        const those = some.filter((change) => change.what === what);
        if (those.length > 0) await remove(those)(said);
      }
    },
    removeFiles,
    removeSections,
  };
  return stepsOf(JAIL_STEPS, changes, works, TAKING);
}

const ALWAYS = { always: true } as const;
const TAKING = {
  ...{ hide: ALWAYS, hideLeft: ALWAYS, endLog: ALWAYS, unmountProc: ALWAYS },
  ...{ clear: ALWAYS, removeFiles: ALWAYS, removeSections: ALWAYS },
};

function mountAll(jail: ByteString, { tool, noWait }: Means, { steps, errors }: Said): void {
  const { mounts, problems } = mountJail(jail, { tool, noWait, dryRun: false, json: true });
  for (const mount of mounts)
    if (mount.changed) steps.push(`mounted ${display(mount.path)} on ${display(jail + mount.path)}`);
  errors.push(...problems);
}

function serveLog(jail: ByteString, { steps }: Said): void {
  const file = registerLogSocket(jail);
  if (file !== undefined) steps.push(`added the log socket in ${display(file)}`);
  recordRefusal(jail, "log-socket", false);
}

function endLog({ path, declared }: JailWork, { steps }: Said): void {
  const removed = unregisterLogSocket(path);
  if (removed !== undefined) steps.push(`removed ${display(removed)}`);
  const left = stillServed(path);
  if (left !== undefined) throw new JailkitError("log-socket", 1, left);
  if (declared?.logSocket === false && recordRefusal(path, "log-socket", true)) steps.push(REFUSED);
}

function startProc(jail: ByteString, { steps }: Said): void {
  using root = openNamedJail(jail);
  addProcLine(jail);
  mountJailProc(root);
  steps.push(`mounted proc on ${display(jail)}/proc`);
  recordRefusal(jail, "proc", false);
}

function endProc({ path, declared }: JailWork, { steps }: Said): void {
  using root = openNamedJail(path);
  removeProc(root, (line) => steps.push(line));
  if (declared?.proc === false && recordRefusal(path, "proc", true)) steps.push(REFUSED);
}

const REFUSED = "recorded that jk_update does not bring it back";

/** Records whether a jail does without something that its sections may bring. True if the record was changed. */
function recordRefusal(jail: ByteString, what: Refusable, refused: boolean): boolean {
  using root = openNamedJail(jail);
  const manifest = openManifest(root);
  const { content } = manifest;
  // Without a request jk_update brings nothing.
  if (isRefused(content, what) === refused || !content.requests.some(asksForFiles)) return false;
  setRefused(manifest, what, refused);
  saveManifest(manifest);
  return true;
}

/**
 * Fills a jail by jk_init or jk_cp. What 2.23 passed over, such as a mount that a container refuses, is a warning if all that
 * was asked for (`names`) is in the record afterwards.
 */
async function fill(
  jail: ByteString,
  names: readonly ByteString[],
  said: Said,
  call: ToolCall,
  args: readonly ByteString[],
): Promise<void> {
  const report = (await call(args)).report as PopulateReport;
  const { actions, warnings, problems } = report;
  if (actions.length > 0) said.steps.push(`created ${countedObjects(actions.length)}`);
  said.warnings.push(...warnings);
  // There is no jail if nothing could be made.
  const passed = problems.every(isPassedOver) && answered(() => isRecorded(jail, names)) === true;
  if (passed) said.warnings.push(...problems.map(({ message }) => message));
  else said.errors.push(...problems.map(reportedProblem));
  if (!passed) return;
  using root = openNamedJail(jail);
  // What is not known stays interrupted, and jk_update finishes it.
  answered(() => settleInterrupted(root));
}

/** True if all these sections or operands are in the record of a jail. */
function isRecorded(jail: ByteString, names: readonly ByteString[]): boolean {
  using root = openNamedJail(jail);
  const requests = openManifest(root).content.requests.filter(asksForFiles);
  const there = new Set(requests.flatMap(({ sections, operands }) => [...sections, ...operands]));
  return names.every((name) => there.has(name));
}

async function takeAway(said: Said, call: ToolCall, args: readonly ByteString[]): Promise<void> {
  const { actions, kept, warnings, problems } = (await call(args)).report as RemoveReport;
  const count = actions.filter(({ done }) => done).length;
  if (count > 0) said.steps.push(`removed ${countedObjects(count)}`);
  said.warnings.push(...warnings, ...kept.map(({ path, reason }) => `${path}: ${reason}`));
  said.errors.push(...problems.map(reportedProblem));
}
