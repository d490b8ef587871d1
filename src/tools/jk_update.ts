import type { ByteString } from "../../ffi/bytes.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { display, quoted } from "../cli/display.ts";
import { JailkitError, UsageError } from "../cli/error.ts";
import { jailOrFirst } from "../cli/jail-operand.ts";
import {
  BUSY_STATUS,
  DRY_RUN,
  HARDLINK,
  JOBS,
  JSON_LINES_OUTPUT,
  jailOption,
  NO_WAIT,
  type OptionTable,
  type OptionValues,
  STRICT,
  SYNC,
  VERBOSE,
  WORKER,
} from "../cli/options.ts";
import { startTool } from "../cli/start.ts";
import { defineTool } from "../cli/tool.ts";
import { type KeyValues, readKeys } from "../config/keys.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import { problemLine } from "../config/model.ts";
import { problemError } from "../config/place.ts";
import { updateKeys } from "../config/schemas/update.ts";
import { LineReporter } from "../populate/reporter.ts";
import { jailsToUpdate } from "../update/jails.ts";
import { serveUpdates, UpdateRun } from "../update/run.ts";

const NAME = "jk_update";
const CONFIG = `${CONFIG_DIRECTORY}/jk_update.ini`;

/** The sections of jk_update.ini by their names. */
type Settings = Map<ByteString, KeyValues<typeof updateKeys>>;

function readSettings(reporter: LineReporter): Settings {
  const found: Settings = new Map();
  const ini = loadConfig(CONFIG, { dialect: "py" });
  for (const section of ini?.sections ?? []) {
    const { problems, ...values } = readKeys(section, updateKeys);
    for (const problem of problems) {
      if (problem.severity === "error") throw problemError(problem, 1, ini);
      reporter.warn(problemLine(problem, display(problem.file)));
    }
    found.set(section.name, values);
  }
  return found;
}

const OPTIONS = {
  jail: jailOption("the jail to bring up to date"),
  configsection: {
    short: "c",
    value: "SECTION",
    description: "the jail of that section of jk_update.ini",
  },
  all: { short: "a", description: "all known jails, with the settings of jk_update.ini" },
  // -d is from jailkit 2.
  dryRun: { ...DRY_RUN, also: ["d"] },
  check: {
    description: "change nothing; exit with 10 if a jail is not up to date; with --all, print these jails",
  },
  skip: {
    short: "s",
    // Empty skips nothing: in scripts it may be an unset variable.
    mayBeEmpty: true,
    value: "PATH",
    repeat: true,
    description: "do not change PATH or anything below it; may be repeated",
  },
  hardlink: HARDLINK,
  prune: {
    description:
      "also remove files that the host lacks, even if they were created in the jail or belong to users",
  },
  strict: STRICT,
  sync: SYNC,
  noWait: NO_WAIT,
  jobs: JOBS,
  json: JSON_LINES_OUTPUT,
  verbose: VERBOSE,
  worker: WORKER,
} as const satisfies OptionTable;

type Options = OptionValues<typeof OPTIONS>;

/** The named jail, if one is named, and the directories. Throws UsageError unless one of a jail, -c and --all is given. */
function readOperands(options: Options, operands: readonly ByteString[]) {
  const { jail, configsection, all } = options;
  if (jail !== undefined && configsection !== undefined)
    throw new UsageError("cannot specify both a jail and a configsection", 21);
  if (all && (jail ?? configsection) !== undefined)
    throw new UsageError("give --all, a jail or a section, not two of them");
  if (all || configsection !== undefined) return { named: undefined, directories: operands };
  const { jail: named, rest } = jailOrFirst(jail, operands);
  if (named === undefined) throw new UsageError("need a jail, a section or --all");
  return { named, directories: rest };
}

/** jk_update(8): updates jails from the host. */
export const tool = defineTool({
  name: NAME,
  summary: "bring a jail up to date with the files of the host",
  synopsis: [
    "[OPTION...] -j JAIL [DIRECTORY...]",
    "[OPTION...] JAIL [DIRECTORY...]",
    "[OPTION...] -c SECTION [DIRECTORY...]",
    "[OPTION...] --all",
  ],
  options: OPTIONS,
  exitStatus: {
    0: "there was nothing to do, or everything was done, except for what a warning names",
    1: "something failed, or the options are wrong",
    10: "there is something to do (with --check; even if another jail failed)",
    21: "both a jail and a section were named",
    ...BUSY_STATUS,
  },
  notes: `If the jail has a record, which jk_init and jk_cp keep, everything that was ever requested is planned again: new files of the host are added, and files that no request needs any longer are removed, if they are unchanged. 'jailkit adopt' creates a record for a jail that has none.

Without a record, each file in the directories (/bin, /sbin, /lib*, /usr and /opt unless others are named) is compared with the file of the host of that name. If it differs, it is replaced, together with what it needs. If it was copied and the host no longer has it, it is removed.

Files that were made in the jail or belong to users are not changed, nor are files below /etc that were changed in the jail. The jk_lsh of jailkit 2 is removed: jk_chrootsh has it built in.`,
  root: 5,
  async run({ options, operands }) {
    if (options.worker) return serveUpdates();
    const { named, directories } = readOperands(options, operands);
    const silent = options.json !== false || options.check;
    const reporter = new LineReporter(NAME, { verbose: options.verbose, silent, quiet: silent });
    const settings: Settings = named === undefined ? readSettings(reporter) : new Map();
    const section = options.configsection;
    if (section !== undefined && !settings.has(section))
      throw new JailkitError("no-section", 1, `${CONFIG} does not have a section called ${quoted(section)}`);
    const list = options.all
      ? jailsToUpdate([...settings.keys()].filter((name) => name.startsWith("/")).map(absolutePath))
      : {
          jails: [{ path: absolutePath(named ?? section ?? ""), shellsOnly: false }],
          ...{ missing: [], damaged: [] },
        };
    const run = new UpdateRun(options, directories, settings);
    await run.updateAll(list);
    return run.output();
  },
});

if (import.meta.main) await startTool(tool);
