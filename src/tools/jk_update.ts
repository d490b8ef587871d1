import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { readLink, statIfPresent } from "../../ffi/files.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import { JailkitError, problemFrom, UsageError } from "../cli/error.ts";
import { interruption, statusAfterSignals } from "../cli/interrupt.ts";
import { jailOrFirst } from "../cli/jail-operand.ts";
import {
  BUSY,
  BUSY_STATUS,
  DRY_RUN,
  HARDLINK,
  JSON_OUTPUT,
  jailOption,
  NO_WAIT,
  type OptionTable,
  type OptionValues,
  STRICT,
  SYNC,
  VERBOSE,
} from "../cli/options.ts";
import { printError, printLine } from "../cli/output.ts";
import { startTool } from "../cli/start.ts";
import { defineTool, type ToolOutput } from "../cli/tool.ts";
import { type KeyValues, readKeys } from "../config/keys.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import { problemLine } from "../config/model.ts";
import { problemError } from "../config/place.ts";
import { updateKeys } from "../config/schemas/update.ts";
import { type JailedUser, jailedUsers } from "../jail/accounts/jailed-users.ts";
import { isDirectory } from "../jail/fs/walk.ts";
import { readRegistry } from "../jail/record/manifest.ts";
import { createLoader } from "../libraries/closure.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { absolutePath } from "../populate/file-system.ts";
import { countedProblems, isPassedOver } from "../populate/passed-over.ts";
import { LineReporter, problemAt } from "../populate/reporter.ts";
import { HostMemory } from "../update/memory.ts";
import { hasWork, type UpdateOutcome, untouched, updateReport } from "../update/report.ts";
import { type UpdateContext, updateJail } from "../update/update.ts";

const NAME = "jk_update";
const CONFIG = `${CONFIG_DIRECTORY}/jk_update.ini`;
const WORK_TO_DO = 10;

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

function settingsFor(settings: Settings, jail: ByteString) {
  return settings.entries().find(([name]) => name.startsWith("/") && absolutePath(name) === jail)?.[1];
}

/** A jail to update. `shellsOnly`: it is known only from homes, and was never given to jk_update. */
interface JailToUpdate {
  readonly path: ByteString;
  readonly shellsOnly: boolean;
}

/** All known jails: of the registry, of jk_update.ini, and of the homes of accounts; and records without a jail to update. */
function allJails(settings: Settings, users: readonly JailedUser[]) {
  const named = [...settings.keys()].filter((name) => name.startsWith("/")).map(absolutePath);
  const lived = users.flatMap(({ jail }) => (jail === undefined || jail === "/" ? [] : [jail]));
  const { jails: recorded, damaged } = readRegistry([...named, ...lived]);
  const given = new Set([...recorded.map(({ jail }) => jail.path), ...named]);
  const jails: JailToUpdate[] = [];
  const missing: ByteString[] = [];
  const broken = new Set(damaged.flatMap(({ error }) => error.jail ?? []));
  for (const path of [...new Set([...given, ...broken, ...lived])].sort()) {
    const stat = statIfPresent(AT_FDCWD, path);
    if (stat !== undefined && isDirectory(stat))
      jails.push({ path, shellsOnly: !given.has(path) && !broken.has(path) });
    else if (given.has(path) || broken.has(path)) missing.push(path);
  }
  const updated = new Set(jails.map(({ path }) => path));
  const unmatched = damaged.filter(({ error }) => error.jail === undefined || !updated.has(error.jail));
  return { jails, missing, damaged: unmatched };
}

/** The jk_chrootsh beside the running program, and the login shells of the users of a jail. */
function loginsOf(users: readonly JailedUser[]): UpdateContext["loginsOf"] {
  // proc(5) may not be mounted.
  const own = attempt(() => readLink(AT_FDCWD, "/proc/self/exe")) ?? `/usr/sbin/${NAME}`;
  const chrootsh = `${directoryOf(own)}/jk_chrootsh`;
  return (jail) => ({
    chrootsh,
    shells: users.filter((user) => user.jail === jail).map(({ shell }) => shell),
  });
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
  json: JSON_OUTPUT,
  verbose: VERBOSE,
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

/** The updates of one run of the tool. */
class UpdateRun {
  readonly outcomes: UpdateOutcome[] = [];
  readonly problems: PopulateProblem[] = [];
  readonly warnings: string[] = [];

  constructor(
    private readonly options: Options,
    private readonly directories: readonly ByteString[],
    private readonly settings: Settings,
    private readonly context: UpdateContext,
  ) {}

  async updateAll({ jails, missing, damaged }: ReturnType<typeof allJails>): Promise<void> {
    for (const path of missing) this.warnMissing(path);
    for (const { error } of damaged) this.fail(problemFrom(error, error.code, error.file));
    for (const [index, jail] of jails.entries()) {
      const stop = interruption(`${index} of ${jails.length} jails are done`);
      if (stop !== undefined) {
        this.fail({ code: stop.code, path: jail.path, message: `${stop.message}; run this again` });
        return;
      }
      await this.update(jail);
    }
  }

  /** The report, or the jails that are not up to date. */
  output(): ToolOutput {
    const { outcomes, problems, warnings } = this;
    const { check, all, dryRun } = this.options;
    const found = [...problems, ...outcomes.flatMap((outcome) => outcome.problems)];
    const failed = countedProblems(found, isStrict(this.options));
    const pending = check && outcomes.some(hasWork);
    const failure = failed.every(({ code }) => code === "busy") ? BUSY : 1;
    // A jail that failed has an error message of its own.
    const exitStatus = statusAfterSignals(pending ? WORK_TO_DO : failed.length > 0 ? failure : 0);
    return {
      exitStatus,
      report: () => updateReport(outcomes, { problems, warnings }, dryRun || check, exitStatus),
      print() {
        for (const { jail } of all && check ? outcomes.filter(hasWork) : [])
          printLine(`${display(jail)}: there is something to do`);
      },
    };
  }

  private warnMissing(path: ByteString): void {
    const warning = `${display(path)} is missing: 'jailkit forget' drops its record, or name the place it was moved to`;
    this.warn([warning]);
    this.outcomes.push(untouched(path, { gone: true, warnings: [warning] }));
  }

  private warn(warnings: readonly string[]): void {
    this.warnings.push(...warnings);
    for (const warning of this.options.json ? [] : warnings) this.context.reporter.warn(warning);
  }

  private async update({ path: jail, shellsOnly }: JailToUpdate): Promise<void> {
    const { skip, prune, sync, hardlink, dryRun, check, noWait, json } = this.options;
    const own = settingsFor(this.settings, jail);
    const request = {
      ...{ jail, prune, sync, shellsOnly, noWait, json, leaveEmptied: this.options.all },
      directories: [...this.directories, ...(own?.directories ?? [])],
      skips: [...skip.filter((path) => path !== ""), ...(own?.skips ?? [])],
      hardlink: hardlink || own?.hardlinks === true || own?.hardlink === true,
      dryRun: dryRun || check,
      checkOnly: check,
    };
    this.context.memory.refresh();
    try {
      const outcome = await updateJail(request, this.context);
      if (outcome.emptied === true) this.warn(outcome.warnings);
      // The reporter of a check is quiet.
      for (const { message } of check ? outcome.problems : [])
        this.show(message.includes(display(jail)) ? message : `${display(jail)}: ${message}`);
      // If only its shells were compared, a jail is not known to be up to date.
      if (!shellsOnly || hasWork(outcome) || outcome.kept.length > 0) this.outcomes.push(outcome);
    } catch (error) {
      const problem = problemAt(jail, error, "failed");
      this.outcomes.push(untouched(jail, { problems: [problem] }));
      this.fail(problem);
    }
  }

  private fail(problem: PopulateProblem): void {
    this.problems.push(problem);
    const warning = isPassedOver(problem) && !isStrict(this.options);
    this.show(`${warning ? "warning: " : ""}${problem.message}`);
  }

  private show(message: string): void {
    if (!this.options.json) printError(`${NAME}: ${message}`);
  }
}

/** False if every option is one of jailkit 2. */
const isStrict = ({ strict, json, all, check }: Options): boolean => strict || json || all || check;

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

jk_lsh, the file of the limited shell, is removed from a jail if it is that of jailkit 2, or a copy of ours that nobody requested by name (with jk_cp or jk_init --copy-shell): jk_chrootsh has it built in. It is recognized by its content. Any other program of that name stays and is reported, and so does one that a login may need, or that --skip names. With --all this also applies to jails that are known only from the homes of accounts; nothing else in them is changed.

Without a record, each file in the directories (/bin, /sbin, /lib*, /usr and /opt unless others are named) is compared with the file of the host of that name. If it differs, it is replaced, together with what it needs. If it was copied and the host no longer has it, it is removed.

Files that were made in the jail or belong to users are not changed, nor are files below /etc that were changed in the jail.`,
  root: 5,
  async run({ options, operands }) {
    const { named, directories } = readOperands(options, operands);
    const silent = options.json || options.check;
    const lenient = !isStrict(options);
    const reporter = new LineReporter(NAME, { verbose: options.verbose, silent, quiet: silent, lenient });
    const settings: Settings = named === undefined ? readSettings(reporter) : new Map();
    const section = options.configsection;
    if (section !== undefined && !settings.has(section))
      throw new JailkitError("no-section", 1, `${CONFIG} does not have a section called ${quoted(section)}`);
    const users = jailedUsers();
    const list = options.all
      ? allJails(settings, users)
      : {
          jails: [{ path: absolutePath(named ?? section ?? ""), shellsOnly: false }],
          missing: [],
          damaged: [],
        };
    using loader = createLoader({ dlopen: true });
    const run = new UpdateRun(options, directories, settings, {
      ...{ memory: new HostMemory(loader), loader, reporter },
      loginsOf: loginsOf(users),
      full: new Set(),
    });
    await run.updateAll(list);
    return run.output();
  },
});

if (import.meta.main) await startTool(tool);
