import type { ByteString } from "../../ffi/bytes.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { holdingSignals } from "../../ffi/interrupts.ts";
import { display, jsonText } from "../cli/display.ts";
import { UsageError } from "../cli/error.ts";
import { interruption, statusAfterSignals } from "../cli/interrupt.ts";
import { BUSY, BUSY_STATUS, DRY_RUN, JSON_OUTPUT, jailsOption, NO_WAIT, VERBOSE } from "../cli/options.ts";
import { printError, printLine } from "../cli/output.ts";
import { problemReport } from "../cli/report.ts";
import { defineTool } from "../cli/tool.ts";
import { type LiveJail, leftJails, liveJails, type mountJail, unmountLeft } from "./live.ts";
import type { LiveReport } from "./report-schema.ts";

interface LiveToolFacts {
  readonly name: LiveReport["tool"];
  readonly summary: string;
  readonly act: typeof mountJail;
  /** "mount", and its participle. */
  readonly verb: string;
  readonly done: string;
  readonly success: string;
  readonly notes: string;
  /** The option --left: what no jail should show. */
  readonly left?: { readonly description: string };
}

/** `jailkit mount` or `jailkit unmount`. */
export function liveTool({ name, summary, act, verb, done, success, notes, left }: LiveToolFacts) {
  const run = (jails: readonly ByteString[], work: typeof act, options: Parameters<typeof act>[1]) => {
    const results: LiveJail[] = [];
    for (const jail of jails) {
      if (interruption(`not every jail was ${done}`) !== undefined) break;
      results.push(work(jail, options));
    }
    return results;
  };
  const mountLines = (
    { jail, mounts }: LiveJail,
    { dryRun, verbose, left: isLeft }: { dryRun: boolean; verbose: boolean; left?: boolean },
  ) =>
    mounts.flatMap(({ path, changed }) => {
      const shown = display(jail + path);
      const what = isLeft === true ? "taken out of /etc/fstab" : done;
      if (changed && dryRun) return [`would be ${what}: ${shown}`];
      if (changed) return [`${what}${isLeft === true ? ":" : ""} ${shown}`];
      return verbose ? [`${shown} is unchanged`] : [];
    });
  return defineTool({
    name,
    summary,
    synopsis: ["[OPTION...] JAIL...", "[OPTION...] --all"],
    options: {
      jail: jailsOption(`${verb} in this jail, as if it were an operand; may be repeated`),
      all: { short: "a", description: "all jails in whose record there are such directories" },
      ...(left === undefined ? {} : { left }),
      dryRun: DRY_RUN,
      noWait: NO_WAIT,
      json: JSON_OUTPUT,
      verbose: VERBOSE,
    },
    exitStatus: {
      0: success,
      1: "something could not be done, or the options are wrong",
      2: "no jail was named, or jails and --all",
      ...BUSY_STATUS,
    },
    notes,
    root: 5,
    run({ options, operands }) {
      const named = [...options.jail, ...operands].map(absolutePath);
      if (options.all === named.length > 0)
        throw new UsageError(options.all ? "name jails, or use --all" : "name a jail, or use --all", 2);
      const how = { ...options, tool: name };
      const isLeft = options.left === true;
      const every = isLeft ? leftJails : liveJails;
      const all = options.all ? every() : { jails: named, problems: [] };
      const jails = holdingSignals(() => run(all.jails, isLeft ? unmountLeft : act, how));
      const problems = [...all.problems, ...jails.flatMap((one) => one.problems)];
      const busy = problems.length > 0 && problems.every(({ code }) => code === "busy");
      const exitStatus = statusAfterSignals(problems.length === 0 ? 0 : busy ? BUSY : 1);
      return {
        exitStatus,
        report: (): LiveReport => ({
          version: 1,
          tool: name,
          dryRun: options.dryRun,
          jails: jails.map(({ jail, mounts }) => ({
            path: jsonText(jail),
            mounts: mounts.map(({ path, ...rest }) => ({ path: jsonText(path), ...rest })),
          })),
          problems: problems.map(problemReport),
          exitStatus,
        }),
        print() {
          for (const line of jails.flatMap((one) => mountLines(one, options))) printLine(line);
          for (const { message } of problems) printError(`${name}: ${message}`);
        },
      };
    },
  });
}
