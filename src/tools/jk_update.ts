import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { readLink, statIfPresent } from "../../ffi/files.ts";
import { display, quoted } from "../cli/display.ts";
import { describeError, JailkitError, UsageError } from "../cli/error.ts";
import { interruption, statusAfterSignals } from "../cli/interrupt.ts";
import { jailOrFirst } from "../cli/jail-operand.ts";
import { DRY_RUN, HARDLINK, JSON_OUTPUT, jailOption, SYNC, VERBOSE } from "../cli/options.ts";
import { printJson, printLine } from "../cli/output.ts";
import { requireRoot } from "../cli/root.ts";
import { startTool } from "../cli/start.ts";
import { defineTool } from "../cli/tool.ts";
import { readKeys } from "../config/keys.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import { problemLine } from "../config/model.ts";
import { problemError } from "../config/place.ts";
import { updateKeys } from "../config/schemas/update.ts";
import { type JailedUser, jailedUsers } from "../jail/accounts/jailed-users.ts";
import { isDirectory } from "../jail/fs/walk.ts";
import { knownJails } from "../jail/record/manifest.ts";
import { createLoader } from "../libraries/closure.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { absolutePath, fileSystemAt } from "../populate/file-system.ts";
import { makeReporter, type Reporter } from "../populate/reporter.ts";
import { readRecipe } from "../profile/recipe.ts";
import { hasWork, type UpdateOutcome, untouched, updateReport } from "../update/report.ts";
import { type UpdateMeans, type UpdateOptions, updateJail } from "../update/update.ts";

const NAME = "jk_update";
const CONFIG = `${CONFIG_DIRECTORY}/jk_update.ini`;

/** What jk_update.ini says of jails, by their path. */
interface Settings {
  readonly directories: readonly ByteString[];
  readonly skips: readonly ByteString[];
  readonly hardlink: boolean;
}

function readSettings(reporter: Reporter): Map<ByteString, Settings> {
  const found = new Map<ByteString, Settings>();
  const ini = loadConfig(CONFIG, { dialect: "py" });
  for (const section of ini?.sections ?? []) {
    const { problems, ...values } = readKeys(section, updateKeys);
    for (const problem of problems) {
      if (problem.severity === "error") throw problemError(problem, 1, ini);
      reporter.warn(problemLine(problem, display(problem.file)));
    }
    found.set(section.name, {
      directories: values.directories,
      skips: values.skips,
      hardlink: values.hardlinks || values.hardlink,
    });
  }
  return found;
}

/** A jail that is to be brought up to date; `shellsOnly`: it was never given to jk_update. */
interface Known {
  readonly path: ByteString;
  readonly shellsOnly: boolean;
}

/** The jails that are known: of the registry, of jk_update.ini, and of the homes of accounts. */
function allJails(
  settings: ReadonlyMap<ByteString, Settings>,
  users: readonly JailedUser[],
): { known: Known[]; gone: ByteString[] } {
  const named = [...settings.keys()].filter((name) => name.startsWith("/")).map(absolutePath);
  const given = new Set([...knownJails().map(({ jail }) => jail.path), ...named]);
  const lived = users.flatMap(({ jail }) => (jail === undefined || jail === "/" ? [] : [jail]));
  const known: Known[] = [];
  const gone: ByteString[] = [];
  for (const path of [...new Set([...given, ...lived])].sort()) {
    const stat = statIfPresent(AT_FDCWD, path);
    if (stat !== undefined && isDirectory(stat)) known.push({ path, shellsOnly: !given.has(path) });
    else if (given.has(path)) gone.push(path);
  }
  return { known, gone };
}

/** Where the running program is installed; the usual place where proc(5) is not mounted. */
function ownPath(): ByteString {
  try {
    return readLink(AT_FDCWD, "/proc/self/exe");
  } catch {
    return `/usr/sbin/${NAME}`;
  }
}

/** The jk_chrootsh beside the running program, and the login shells of the accounts that live in a jail. */
function loginsOf(users: readonly JailedUser[]): UpdateMeans["loginsOf"] {
  const program = ownPath();
  const chrootsh = `${program.slice(0, program.lastIndexOf("/"))}/jk_chrootsh`;
  return (jail) => ({
    chrootsh,
    shells: users.filter((user) => user.jail === jail).map(({ shell }) => shell),
  });
}

/** jk_update(8): brings jails up to date with the host. */
export const tool = defineTool({
  name: NAME,
  summary: "bring a jail up to date with the files of the host",
  synopsis: [
    "[OPTION...] -j JAIL [DIRECTORY...]",
    "[OPTION...] JAIL [DIRECTORY...]",
    "[OPTION...] -c SECTION [DIRECTORY...]",
    "[OPTION...] --all",
  ],
  options: {
    jail: jailOption("the jail to bring up to date"),
    configsection: {
      short: "c",
      value: "SECTION",
      description: "the jail of that name, as jk_update.ini says",
    },
    all: { short: "a", description: "every jail that is known, each as jk_update.ini says" },
    // -d is that of jailkit 2.
    dryRun: { ...DRY_RUN, also: ["d"] },
    check: {
      description:
        "change nothing; exit status 10 if there is something to do; with --all, name the jails in which there is",
    },
    skip: {
      short: "s",
      // Of an empty one there is nothing to skip: scripts give what a variable holds.
      mayBeEmpty: true,
      value: "PATH",
      repeat: true,
      description: "leave PATH, and what is below it, as it is; may be repeated",
    },
    hardlink: HARDLINK,
    prune: {
      description: "also remove what was made in the jail or belongs to users, and the host does not have",
    },
    sync: SYNC,
    json: JSON_OUTPUT,
    verbose: VERBOSE,
  },
  exitStatus: {
    0: "there was nothing to do, or all was done",
    1: "something failed, or the options are wrong",
    5: "not run as root",
    10: "there is something to do (with --check; also where another jail could not be looked at)",
    21: "both a jail and a section were named",
  },
  notes: `With a record of the jail, which jk_init and jk_cp keep, all that was ever asked for is asked for anew: what is new on the host comes in, and what no request wants any longer goes, if it is as it was put there. 'jailkit adopt' makes a record of a jail that has none.

The file of the limited shell, jk_lsh, goes from a jail where it is that of jailkit 2 or a copy of ours that nobody asked for by name (with jk_cp or jk_init --copy-shell): jk_chrootsh has it built in. It is known by its content; any other program of that name stays and is told, and so does one that a login may still need, and one that is to be skipped. With --all this is done also in jails that only the homes of accounts tell of; nothing else is, there.

Without a record, each file of the directories (/bin, /sbin, /lib*, /usr and /opt unless others are named) is compared with the host's of the same name: one that differs is replaced, with what it needs; one that was copied and is gone from the host is removed.

What was made in the jail, and what belongs to users, is left alone; so is what was changed in the jail below /etc.`,
  async run({ options, operands }) {
    if (options.jail !== undefined && options.configsection !== undefined) {
      throw new UsageError("cannot specify both a jail and a configsection", 21);
    }
    const { jail: named, rest } =
      options.configsection === undefined && !options.all
        ? jailOrFirst(options.jail, operands)
        : { jail: undefined, rest: operands };
    if (named === undefined && options.configsection === undefined && !options.all) {
      throw new UsageError("need a jail, a section or --all");
    }
    if (options.all && (options.jail ?? options.configsection) !== undefined) {
      throw new UsageError("give --all, a jail or a section, not two of them");
    }
    requireRoot();
    const silent = options.json || options.check;
    const reporter = makeReporter(NAME, options.verbose, silent);
    const quiet: Reporter = silent ? { ...reporter, warn: () => undefined, fail: () => undefined } : reporter;
    const settings = named === undefined ? readSettings(quiet) : new Map<ByteString, Settings>();
    const section = options.configsection;
    if (section !== undefined && !settings.has(section)) {
      throw new JailkitError("no-section", 1, `${CONFIG} does not have a section called ${quoted(section)}`);
    }
    const warnings: string[] = [];
    const problems: PopulateProblem[] = [];
    const users = jailedUsers();
    const { known, gone } = options.all
      ? allJails(settings, users)
      : { known: [{ path: absolutePath(named ?? section ?? ""), shellsOnly: false }], gone: [] };
    const outcomes: UpdateOutcome[] = [];
    for (const path of gone) {
      const warning = `${display(path)} is gone: 'jailkit delete' forgets it, or name the place it was moved to`;
      warnings.push(warning);
      outcomes.push(untouched(path, { gone: true, warnings: [warning] }));
    }
    if (!options.json) for (const warning of warnings) quiet.warn(warning);
    using loader = createLoader({ dlopen: true });
    const host = fileSystemAt();
    const means: UpdateMeans = {
      host,
      loader,
      readRecipe,
      reporter: quiet,
      loginsOf: loginsOf(users),
      full: new Set(),
    };
    for (const [index, { path: jail, shellsOnly }] of known.entries()) {
      const stop = interruption(`${index} of ${known.length} jails were looked at`);
      if (stop !== undefined) {
        const message = `${stop.message}; run this again`;
        problems.push({ code: stop.code, path: jail, message });
        if (!options.json) reporter.fail(message);
        break;
      }
      const own = settingsFor(settings, jail);
      const request: UpdateOptions = {
        jail,
        directories: [...rest, ...own.directories],
        skips: [...options.skip.filter((path) => path !== ""), ...own.skips],
        hardlink: options.hardlink || own.hardlink,
        prune: options.prune,
        dryRun: options.dryRun || options.check,
        sync: options.sync,
        shellsOnly,
      };
      try {
        const outcome = await updateJail(request, means);
        // Of such a jail it is not known whether it is up to date.
        if (!shellsOnly || hasWork(outcome) || outcome.kept.length > 0) outcomes.push(outcome);
      } catch (error) {
        const text = describeError(error);
        const message = text.includes(display(jail)) ? text : `${display(jail)}: ${text}`;
        const code = error instanceof JailkitError ? error.code : "failed";
        const problem = { code, path: jail, message };
        problems.push(problem);
        outcomes.push(untouched(jail, { problems: [problem] }));
        if (!options.json) reporter.fail(message);
      }
    }
    const failed = problems.length > 0 || outcomes.some((outcome) => outcome.problems.length > 0);
    const pending = options.check && outcomes.some(hasWork);
    // What can be done is not hidden by a jail that could not be looked at: that one is told by a message.
    const exitStatus = statusAfterSignals(pending ? 10 : failed ? 1 : 0);
    const dryRun = options.dryRun || options.check;
    if (options.all && options.check && !options.json)
      for (const { jail } of outcomes.filter(hasWork))
        printLine(`${display(jail)}: there is something to do`);
    if (options.json) printJson(updateReport(outcomes, { problems, warnings }, dryRun, exitStatus));
    return exitStatus;
  },
});

const NO_SETTINGS: Settings = { directories: [], skips: [], hardlink: false };

function settingsFor(settings: ReadonlyMap<ByteString, Settings>, jail: ByteString): Settings {
  for (const [name, own] of settings) if (name.startsWith("/") && absolutePath(name) === jail) return own;
  return settings.get(jail) ?? NO_SETTINGS;
}

if (import.meta.main) await startTool(tool);
