import type { ByteString } from "../../ffi/bytes.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { display, quoted } from "../cli/display.ts";
import { JailkitError, UsageError } from "../cli/error.ts";
import { jailOrFirst } from "../cli/jail-operand.ts";
import {
  BUSY_STATUS,
  DRY_RUN,
  forceOption,
  HARDLINK,
  JSON_OUTPUT,
  jailOption,
  NO_WAIT,
  STRICT,
  SYNC,
  VERBOSE,
} from "../cli/options.ts";
import { startTool } from "../cli/start.ts";
import { defineTool } from "../cli/tool.ts";
import { isDirectory } from "../jail/fs/walk.ts";
import { createLoader } from "../libraries/closure.ts";
import { serveCopies } from "../populate/apply/threads.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { type FileSystem, fileSystemAt } from "../populate/file-system.ts";
import { holdsPlans, PlanCache } from "../populate/plan-cache/plan-cache.ts";
import { Trace, tracedWithSections } from "../populate/plan-cache/trace.ts";
import { populate } from "../populate/populate.ts";
import { givenOptions } from "../populate/record/requests.ts";
import { installedCompanions } from "../profile/companions.ts";
import { copyWant } from "../profile/recipe.ts";
import { searchPath } from "../profile/search.ts";
import { SECTIONS_FILE } from "../transfer/sections.ts";

const NAME = "jk_cp";
const NO_JAIL = 3;
const NO_FILE = 4;
const UNSAFE = 6;

/** The path of an operand; undefined if there is no such command. A name without a slash is a command. */
function pathOf(host: FileSystem, operand: ByteString): ByteString | undefined {
  return operand.includes("/") ? absolutePath(operand) : searchPath(host, operand);
}

/** jk_cp(8): copies files, and what they need, into an existing jail. */
export const tool = defineTool({
  name: NAME,
  summary: "copy files, with the libraries that they need, into a jail",
  synopsis: [
    "[OPTION...] -j JAIL FILE...",
    "[OPTION...] JAIL FILE...",
    "[OPTION...] --remove -j JAIL FILE...",
  ],
  options: {
    jail: jailOption("the jail to copy into"),
    init: { short: "i", description: "create the jail if it is missing" },
    force: forceOption("overwrite files that are already in the jail"),
    hardlink: HARDLINK,
    owner: { short: "o", description: "keep owner and group instead of root" },
    setuid: {
      short: "s",
      description: "keep setuid and setgid bits if the ids that they grant are kept",
    },
    dryRun: DRY_RUN,
    remove: {
      description: "remove FILE again, with everything that nothing else needs",
    },
    why: { value: "PATH", description: "show which file adds PATH to the jail, and why" },
    strict: STRICT,
    sync: SYNC,
    noWait: NO_WAIT,
    json: JSON_OUTPUT,
    verbose: VERBOSE,
  },
  exitStatus: {
    0: "everything requested is in the jail, except for what a warning names",
    1: "something could not be written or is refused, or the options are wrong",
    2: "too few arguments",
    3: "the jail does not exist",
    4: "a file or command does not exist",
    6: "the jail is not safe",
    ...BUSY_STATUS,
  },
  root: 5,
  async run({ options, operands }) {
    const { jail: jailPath, rest: names } = jailOrFirst(options.jail, operands);
    const unwatched = fileSystemAt();
    // Of one run of apply, which plans a new jail before it acts. Alone it keeps none: most plans are small.
    const trace = holdsPlans() ? new Trace() : undefined;
    const host = trace === undefined ? unwatched : tracedWithSections(unwatched, trace, SECTIONS_FILE);
    if (options.remove && jailPath !== undefined && names.length > 0) {
      const { removeRequested } = await import("../update/remove.ts");
      // The files may be missing on the host by now.
      const paths = names.map((name) => pathOf(host, name) ?? name);
      const statuses = { unsafe: UNSAFE, missing: NO_JAIL, unknown: NO_FILE };
      return removeRequested({ tool: NAME, jail: absolutePath(jailPath), names: paths, statuses }, options);
    }
    const found = names.map((name) => ({ name, path: pathOf(host, name) }));
    if (jailPath === undefined || found.every(({ path }) => path === undefined)) {
      const lost = names.length > 0 ? `no such command: ${names.map(quoted).join(", ")}; ` : "";
      throw new UsageError(`${lost}need a jail and at least one file`, 2);
    }
    const jail = absolutePath(jailPath);
    const stat = unwatched.stat(jail);
    if (stat === undefined ? !options.init : !isDirectory(stat))
      throw new JailkitError("no-such-jail", NO_JAIL, `${display(jail)} is not a directory`);
    const problems: PopulateProblem[] = [];
    const once = [...new Map(found.map((one) => [one.path ?? one.name, one])).values()];
    const wants = once.flatMap(({ name, path }) => {
      if (path === undefined && !options.strict && !options.json) {
        problems.push({ code: "no-such-command", path: name, message: `${display(name)}: no such command` });
        return [];
      }
      if (path === undefined || host.stat(path) === undefined)
        throw new JailkitError("no-such-file", NO_FILE, `${display(path ?? name)} does not exist`);
      return copyWant(path, options);
    });
    using loader = createLoader({ dlopen: true, watch: (...looked) => trace?.saw(...looked) });
    const companions = installedCompanions(host, loader);
    const planCache = trace && new PlanCache(trace, { jail, wants, companions, host: unwatched });
    return await populate(
      {
        tool: NAME,
        jail,
        // Full paths, since the record is read from other directories.
        asked: wants.map(({ pattern }) => pattern),
        recordedOptions: givenOptions({ owner: options.owner, setuid: options.setuid }),
        wants,
        needProc: false,
        needLogsocket: false,
        mustExist: [],
        problems,
        warnings: [],
        notes: [],
      },
      {
        ...options,
        create: options.init,
        missingStatus: NO_JAIL,
        unsafeStatus: UNSAFE,
        ...{ companions, planCache },
      },
      host,
      loader,
    );
  },
});

if (import.meta.main && Bun.isMainThread) await startTool(tool);
else if (!Bun.isMainThread) serveCopies();
