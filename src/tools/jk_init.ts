import type { ByteString } from "../../ffi/bytes.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { display, jsonText } from "../cli/display.ts";
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
import { printLine } from "../cli/output.ts";
import { startTool } from "../cli/start.ts";
import { defineTool, type ToolOutput } from "../cli/tool.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import type { IniFile } from "../config/model.ts";
import { socketDirectory } from "../jail/fs/socket-directory.ts";
import { insideJail, jailsAround } from "../jail/record/around.ts";
import { REFUSABLE } from "../jail/record/without.ts";
import { createLoader, type Loader } from "../libraries/closure.ts";
import { wantedAccounts } from "../populate/apply/accounts.ts";
import { LIVE_SECTION, liveOf } from "../populate/apply/live.ts";
import { readSockets } from "../populate/apply/sockets.ts";
import { serveCopies } from "../populate/apply/threads.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { type FileSystem, fileSystemAt } from "../populate/file-system.ts";
import { PlanCache, type PlanQuestion } from "../populate/plan-cache/plan-cache.ts";
import { Trace, tracedWithSections } from "../populate/plan-cache/trace.ts";
import { explainWhy, populate } from "../populate/populate.ts";
import { givenOptions } from "../populate/record/requests.ts";
import { createCompanions, installedCompanions } from "../profile/companions.ts";
import { readProfile } from "../profile/profile.ts";
import { logSocketDirectory } from "../profile/recipe.ts";
import type { SectionsReport } from "../profile/report-schema.ts";
import {
  listSections,
  noSuchSection,
  onlySockets,
  sectionNames,
  selectSections,
} from "../profile/sections.ts";
import type { RemoveOptions } from "../update/remove.ts";

const NAME = "jk_init";
const UNSAFE = 3;
const NO_FILE = 3;
const UNKNOWN_SECTION = 4;

function readIni(file: ByteString): IniFile | undefined {
  try {
    return loadConfig(absolutePath(file), { dialect: "py", exitStatus: NO_FILE });
  } catch (error) {
    // An invalid file is another failure than a missing one.
    if (!(error instanceof JailkitError) || error.code !== "config-invalid") throw error;
    throw new JailkitError(error.code, 1, error.message, error.place);
  }
}

function list(file: ByteString): ToolOutput {
  const ini = readIni(file);
  const sections = ini ? listSections(ini) : [];
  return {
    exitStatus: 0,
    report: (): SectionsReport => ({
      version: 1,
      tool: NAME,
      sections: sections.map(({ name, comment = "" }) => ({
        name: jsonText(name),
        comment: jsonText(comment),
      })),
    }),
    print() {
      printLine(`\n** Available sections in ${display(file)} **\n`);
      for (const { name, comment } of sections)
        printLine(comment === undefined ? display(name) : `${display(name)} - ${display(comment)}`);
    },
  };
}

/** See PopulateRequest. `directories`: those that are not refused. */
function onlySocketsOf(ini: IniFile, names: readonly ByteString[], directories: readonly ByteString[]) {
  const found = names.map((name) => [name, onlySockets(ini, name)] as const);
  const theirs = (sockets: readonly ByteString[]) => {
    const wanted = sockets.map(socketDirectory);
    return directories.filter((path) => wanted.includes(path));
  };
  return new Map(found.flatMap(([name, sockets]) => (sockets.length === 0 ? [] : [[name, theirs(sockets)]])));
}

function unknownSection(name: ByteString, ini: IniFile, file: ByteString): PopulateProblem {
  const message = noSuchSection(name, sectionNames(ini), file);
  return { code: "no-such-section", path: name, message, exitStatus: UNKNOWN_SECTION };
}

/** What programs need, by the installed sections: those of another file are not complete. */
function companionsFor(other: ByteString | undefined, ini: IniFile, host: FileSystem, loader: Loader) {
  return other === undefined ? createCompanions(() => ini, host, loader) : installedCompanions(host, loader);
}

/** Plans are kept for jails with the installed sections only. */
function planCacheFor(other: ByteString | undefined, trace: Trace, question: PlanQuestion) {
  return other === undefined ? new PlanCache(trace, question) : undefined;
}

async function takeBack(
  jail: ByteString,
  names: readonly ByteString[],
  options: RemoveOptions & Readonly<Record<"keepLogSocket" | "keepProc", boolean>>,
): Promise<ToolOutput> {
  const { removeRequested } = await import("../update/remove.ts");
  const statuses = { unsafe: UNSAFE, missing: NO_FILE, unknown: UNKNOWN_SECTION };
  const keeps = REFUSABLE.filter((what) => options[what === "proc" ? "keepProc" : "keepLogSocket"]);
  return removeRequested({ tool: NAME, jail, names, statuses, keeps }, options);
}

/** jk_init(8): creates or fills a jail from sections of jk_init.ini. */
export const tool = defineTool({
  name: NAME,
  summary: "create a jail, or add to one, from sections of jk_init.ini",
  synopsis: [
    "[OPTION...] -j JAIL SECTION...",
    "[OPTION...] JAIL SECTION...",
    "[OPTION...] --live -j JAIL [SECTION...]",
    "[OPTION...] --remove -j JAIL SECTION...",
    "--list",
  ],
  options: {
    jail: jailOption("the jail; it is created if it is missing"),
    configfile: {
      short: "c",
      value: "FILE",
      description: "the file with the sections, instead of /etc/jailkit/jk_init.ini",
    },
    live: {
      value: "DIR,...",
      optional: true,
      mayBeEmpty: true,
      description:
        "make a live jail: mount DIR (/usr without one; /usr/local, /opt or a directory in it) of this machine read-only in the jail, instead of copying files from there",
    },
    list: { short: "l", description: "list the sections, and exit" },
    force: forceOption("overwrite files that are already in the jail"),
    hardlink: HARDLINK,
    copyShell: { description: "also copy jk_lsh, the file of the limited shell (110 MB)" },
    dryRun: DRY_RUN,
    remove: {
      description: "remove the sections again, with everything that nothing else needs",
    },
    keepLogSocket: { hidden: true, needs: "remove", description: "leave the log socket" },
    keepProc: { hidden: true, needs: "remove", description: "leave proc" },
    why: {
      value: "PATH",
      description: "show which section adds PATH to the jail, and why (without SECTION: from the record)",
    },
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
    3: "the jail is not safe, or the file with the sections is missing",
    4: "a section does not exist (with --strict or --json; the others were installed)",
    ...BUSY_STATUS,
  },
  root: 5,
  withoutRoot: "list",
  async run({ options, operands }) {
    const file = options.configfile ?? `${CONFIG_DIRECTORY}/jk_init.ini`;
    if (options.list) return list(file);
    const { jail: jailPath, rest } = jailOrFirst(options.jail, operands);
    const live = options.live === undefined || options.remove ? [] : [LIVE_SECTION];
    const names = [...new Set([...live, ...rest])];
    if (jailPath !== undefined && options.why !== undefined && names.length === 0)
      return explainWhy(absolutePath(jailPath), options.why);
    if (jailPath === undefined || names.length === 0)
      throw new UsageError("need a jail and at least one section", 2);
    const jail = absolutePath(jailPath);
    if (options.remove) return takeBack(jail, names, options);
    const unwatched = fileSystemAt();
    const trace = new Trace();
    const host = tracedWithSections(unwatched, trace, file);
    const ini = readIni(file);
    if (ini === undefined) throw new JailkitError("no-config", NO_FILE, `${display(file)}: no such file`);
    const selection = selectSections(ini, names);
    using loader = createLoader({ dlopen: true, watch: (...looked) => trace.saw(...looked) });
    const profile = readProfile(selection.sections, host, loader.libraryDirectories(), options.copyShell);
    const unknown = selection.unknown.map((name) => unknownSection(name, ini, file));
    const nothing = selection.sections.length === 0;
    // As in jailkit 2: sections that do not exist create no jail.
    if (nothing && !options.strict && !options.json && unwatched.stat(jail) === undefined)
      throw new JailkitError("no-such-section", 1, unknown.map(({ message }) => message).join("; "));
    const companions = companionsFor(options.configfile, ini, host, loader);
    const configfile = options.configfile && absolutePath(options.configfile);
    const outer = jailsAround()(jail);
    const nested = outer === undefined ? [] : [`${display(jail)} ${insideJail(jail, outer)}`];
    const sockets = readSockets(profile.sockets, jail);
    const wants = profile.needLogsocket ? [...profile.wants, logSocketDirectory] : profile.wants;
    const question = { jail, wants, companions, host: unwatched };
    const planCache = planCacheFor(options.configfile, trace, question);
    return await populate(
      {
        tool: NAME,
        jail,
        asked: names.filter((name) => !selection.unknown.includes(name)),
        recordedOptions: givenOptions({ configfile, "copy-shell": options.copyShell }),
        wants,
        ...(nothing ? {} : { accounts: wantedAccounts(profile.users, profile.groups) }),
        sockets: sockets.directories,
        onlySockets: onlySocketsOf(ini, names, sockets.directories),
        needProc: profile.needProc,
        live: options.live === undefined ? undefined : liveOf(options.live, unwatched, jail),
        needLogsocket: profile.needLogsocket,
        mustExist: names.filter((name) => profile.needFiles.has(name)),
        problems: [...unknown, ...sockets.problems],
        warnings: [...nested, ...selection.warnings, ...profile.warnings, ...sockets.warnings],
        notes: profile.notFound,
      },
      {
        ...options,
        create: true,
        unsafeStatus: UNSAFE,
        dryRun: options.dryRun || nothing,
        companions,
        planCache,
      },
      host,
      loader,
    );
  },
});

if (import.meta.main && Bun.isMainThread) await startTool(tool);
else if (!Bun.isMainThread) serveCopies();
