import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import type { ToolCall } from "../../cli/tool.ts";
import { openManifest } from "../../jail/record/manifest.ts";
import { openNamedJail } from "../../jail/record/named-jail.ts";
import { mountJail } from "../../jails/live.ts";
import { hideFromJail } from "../../populate/apply/live.ts";
import { registerLogSocket } from "../../populate/apply/log-socket.ts";
import { addProcLine, mountJailProc } from "../../populate/apply/proc.ts";
import { isPassedOver } from "../../populate/passed-over.ts";
import { asksForFiles } from "../../populate/record/requests.ts";
import type { PopulateReport } from "../../populate/report-schema.ts";
import {
  removeProcLine,
  stillServed,
  unmountJailProc,
  unregisterLogSocket,
} from "../../update/remove-extras.ts";
import type { RemoveReport } from "../../update/report-schema.ts";
import type { Change } from "../change.ts";
import type { JailWork } from "../compare/compare.ts";
import { fillingsOf } from "../compare/fillable.ts";
import type { Tools } from "../compare/foresee-jail.ts";
import type { Said, Step } from "./steps.ts";

interface Means {
  readonly tools: Tools;
  readonly tool: string;
  readonly noWait: boolean;
  readonly pathOf: (operand: ByteString) => ByteString;
}

/** The steps that make a jail as it is declared. */
export function jailSteps({ path, declared, changes }: JailWork, means: Means): Step[] {
  const of = (what: Change["what"], removes = false) =>
    changes.filter((change) => change.what === what && (change.action === "remove") === removes);
  const items = (some: readonly Change[]) => some.flatMap((change) => change.items);
  const step = (some: readonly Change[], work: Step["work"]): Step => ({ changes: some, work });
  const options = means.noWait ? ["--no-wait", "--json"] : ["--json"];
  return [
    // First: what they showed is copied then.
    step(of("live", true), ({ steps }) => {
      using root = openNamedJail(path);
      hideFromJail(root, "live", items(of("live", true)), (line) => steps.push(line));
    }),
    // A live jail that is not mounted is not filled.
    step(of("mounts"), ({ steps, errors }) => {
      const { tool, noWait } = means;
      const { mounts, problems } = mountJail(path, { tool, noWait, dryRun: false, json: true });
      for (const mount of mounts)
        if (mount.changed) steps.push(`mounted ${display(mount.path)} on ${display(path + mount.path)}`);
      errors.push(...problems.map(({ message }) => message));
    }),
    ...fillingsOf(path, changes).map(({ tool, changes: some, names, args }) =>
      step(some, async (said) => {
        const recorded = tool === "jk_cp" ? names.map(means.pathOf) : names;
        await fill(path, recorded, said, means.tools[tool], [...options, ...args]);
      }),
    ),
    step(of("log-socket"), ({ steps }) => {
      const file = registerLogSocket(path);
      if (file !== undefined) steps.push(`added the log socket in ${display(file)}`);
    }),
    step(of("log-socket", true), ({ steps }) => {
      const removed = unregisterLogSocket(path);
      if (removed !== undefined) steps.push(`removed ${display(removed)}`);
      const left = stillServed(path);
      if (left !== undefined) throw new JailkitError("log-socket", 1, left);
    }),
    step(of("proc"), ({ steps }) => {
      mountProcIn(path);
      steps.push(`mounted proc on ${display(path)}/proc`);
    }),
    step(of("proc", true), ({ steps }) => {
      using root = openNamedJail(path);
      if (unmountJailProc(root)) steps.push(`unmounted proc from ${display(path)}/proc`);
      if (removeProcLine(path)) steps.push(`removed the line for ${display(path)}/proc from /etc/fstab`);
    }),
    step(of("files", true), (said) => {
      const files = items(of("files", true));
      return takeAway(said, means.tools.jk_cp, [...options, "--remove", "-j", path, "--", ...files]);
    }),
    step(of("sections", true), async (said) => {
      const sections = items(of("sections", true));
      await takeAway(said, means.tools.jk_init, [...options, "--remove", "-j", path, "--", ...sections]);
      // What only these sections needed has gone with them, also if it is declared.
      if (declared?.logSocket === true) registerLogSocket(path);
      if (declared?.proc === true) mountProcIn(path);
    }),
  ];
}

function mountProcIn(jail: ByteString): void {
  using root = openNamedJail(jail);
  addProcLine(jail);
  mountJailProc(root);
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
  if (actions.length > 0) said.steps.push(`created ${actions.length} files, directories, links and devices`);
  said.warnings.push(...warnings);
  // There is no jail if nothing could be made.
  const passed = problems.every(isPassedOver) && answered(() => isRecorded(jail, names)) === true;
  (passed ? said.warnings : said.errors).push(...problems.map(({ message }) => message));
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
  if (count > 0) said.steps.push(`removed ${count} files, directories, links and devices`);
  said.warnings.push(...warnings, ...kept.map(({ path, reason }) => `${path}: ${reason}`));
  said.errors.push(...problems.map(({ message }) => message));
}
