import type { ByteString } from "../../ffi/bytes.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { holdingSignals } from "../../ffi/interrupts.ts";
import type { CheckProblem } from "../check/rules.ts";
import { counted, display, jsonText, quoted } from "../cli/display.ts";
import { problemFrom, UsageError } from "../cli/error.ts";
import { statusAfterSignals } from "../cli/interrupt.ts";
import { onlyJail } from "../cli/jail-operand.ts";
import { BUSY, BUSY_STATUS, DRY_RUN, forceOption, JSON_OUTPUT, jailOption, NO_WAIT } from "../cli/options.ts";
import { print, printError, printLine } from "../cli/output.ts";
import { jsonTextOrNull, problemReport } from "../cli/report.ts";
import { shellWord } from "../cli/shell-word.ts";
import { defineTool, type ToolOutput } from "../cli/tool.ts";
import { planDeclaredMove, requireOneSection } from "../declaration/follow-move.ts";
import { remadeError } from "../declaration/remade.ts";
import { directoryCommand } from "../enter/remedies.ts";
import { lockDeclarations, lockJails } from "../jail/record/jail-lock.ts";
import type { Adoption } from "../jails/adopt.ts";
import { type AdoptedJail, type AdoptOptions, adoptAll, adoptOne, openMeans } from "../jails/adopt-all.ts";
import { followMove, followRecord, planMove, requireNamed } from "../jails/follow-move.ts";
import { damagedReport } from "../jails/list-report.ts";
import type { AdoptAllReport, AdoptionReport, MoveReport } from "../jails/report-schema.ts";

const NAME = "jailkit adopt";

function lines(jail: ByteString, adoption: Adoption): string[] {
  const { sections, files, entries, unexplained, hardlink, closed } = adoption;
  const shown = display(jail);
  const out = [`${shown}: ${entries.length} objects are explained${hardlink ? ", as hard links" : ""}`];
  for (const { name, lacking } of sections) {
    const missing = lacking.length === 0 ? "" : ` (lacks ${lacking.map(display).join(", ")})`;
    out.push(`  section ${display(name)}${missing}`);
  }
  for (const { path, owner, setuid } of files) {
    const kept = `${owner ? ", with its owner" : ""}${setuid ? ", with setuid and setgid" : ""}`;
    out.push(`  file ${display(path)}${kept}`);
  }
  if (unexplained.length > 0) out.push(`${unexplained.length} are not explained, and are not recorded:`);
  for (const { path, reason } of unexplained) out.push(`  ${shown}${display(path)} ${reason}`);
  if (closed > 0) {
    out.push(
      `${closed} give others less than the host's: to give them as much, type jk_check --fix ${shellWord(jail)}`,
    );
  }
  return out;
}

function adopted({ jail, adoption, damaged }: AdoptedJail, dryRun: boolean): ToolOutput {
  const { sections, files, hardlink, entries, unexplained, problems, left } = adoption;
  const exitStatus = problems.length === 0 ? 0 : 1;
  return {
    exitStatus,
    report: (): AdoptionReport => ({
      version: 1,
      tool: NAME,
      jail: jsonText(jail),
      dryRun,
      sections: sections.map(({ name, lacking }) => ({
        name: jsonText(name),
        lacking: lacking.map(jsonText),
      })),
      files: files.map(({ path, owner, setuid }) => ({ path: jsonText(path), owner, setuid })),
      hardlink,
      entries: entries.length,
      damagedRecords: damaged.map(({ error, keptAs }) => ({
        ...damagedReport(error),
        keptAs: jsonText(keptAs),
      })),
      unexplained: unexplained.map(({ path, reason }) => ({ path: jsonText(path), reason })),
      left: left.map(jsonText),
      problems: problems.map(problemReport),
      exitStatus,
    }),
    print() {
      if (left.length > 0) {
        const places = left.map((path) => display(jail + path)).join(", ");
        printError(
          `${NAME}: warning: /etc/fstab has lines for ${places}, which a jail of before has left; after this: jailkit unmount --left ${shellWord(jail)}`,
        );
      }
      for (const { error, keptAs } of damaged) {
        const kept = `${dryRun ? "would be" : "is"} kept as ${display(keptAs)}`;
        printLine(`${display(error.file)} ${error.reason}: it ${kept}`);
      }
      print(`${lines(jail, adoption).join("\n")}\n`);
      for (const { message } of problems) printError(`${NAME}: ${message}`);
      if (dryRun) printLine("(dry run: nothing was recorded)");
    },
  };
}

/** One line about a jail, for a run on hundreds. */
function lineOf({ jail, adoption }: AdoptedJail): string {
  const { sections, files, entries, unexplained } = adoption;
  const names = sections.map(
    ({ name, lacking }) => `${display(name)}${lacking.length > 0 ? " (not all)" : ""}`,
  );
  const parts = [
    `${entries.length} objects are explained`,
    ...(names.length === 0 ? [] : [`by ${names.join(", ")}`]),
    ...(files.length === 0 ? [] : [counted(files.length, "file")]),
    ...(unexplained.length === 0 ? [] : [`${unexplained.length} are not explained`]),
  ];
  return `${display(jail)}: ${parts.join(", ")}`;
}

interface AllOptions extends AdoptOptions {
  readonly configfile: ByteString | undefined;
}

/** --all: a line for each jail, as soon as it is done, and the problems at the end. */
function adoptedAll(options: AllOptions, operands: readonly ByteString[]): ToolOutput {
  const { dryRun, json } = options;
  if (operands.length > 0) throw new UsageError("name a jail, or use --all", 2);
  using means = openMeans(options.configfile);
  const done: AdoptAllReport["jails"] = [];
  const problems = holdingSignals(() =>
    adoptAll(means, options, (one) => {
      const { sections, files, entries, unexplained, problems } = one.adoption;
      done.push({
        jail: jsonText(one.jail),
        sections: sections.map(({ name }) => jsonText(name)),
        lacking: sections.filter(({ lacking }) => lacking.length > 0).map(({ name }) => jsonText(name)),
        files: files.length,
        entries: entries.length,
        unexplained: unexplained.length,
        problems: problems.map(problemReport),
      });
      if (!json) printLine(lineOf(one));
    }),
  );
  const failed = problems.length > 0 || done.some((one) => one.problems.length > 0);
  const isBusy = failed && problems.every(({ code }) => code === "busy");
  const exitStatus = statusAfterSignals(failed ? (isBusy ? BUSY : 1) : 0);
  return {
    exitStatus,
    report: (): AdoptAllReport => ({
      version: 1,
      tool: NAME,
      dryRun,
      jails: done,
      problems: problems.map(problemReport),
      exitStatus,
    }),
    print() {
      const what = dryRun
        ? "would get a record (dry run: nothing was recorded)"
        : `${done.length === 1 ? "has" : "have"} a record now`;
      printLine(`${counted(done.length, "jail")} ${what}`);
      for (const { problems } of done) for (const { message } of problems) printError(`${NAME}: ${message}`);
      for (const { message } of problems) printError(`${NAME}: ${message}`);
    },
  };
}

/** Changes what was declared once: after the files that declare it, since apply forgets what no file declares. */
function followDeclared(
  { from, to }: Pick<ReturnType<typeof planMove>, "from" | "to">,
  { path, follow }: NonNullable<ReturnType<typeof planDeclaredMove>>,
  say: (line: string) => void,
  failed: (problem: CheckProblem) => void,
): void {
  try {
    follow();
    say(`${display(path)} names ${quoted(to)} instead of ${quoted(from)}`);
  } catch (error) {
    failed(problemFrom(error, "file", path));
  }
}

/** Warns of accounts that do not follow a jail, which only their directory can change. */
function warnOfDirectory({ to, directoryUsers, moreUsers }: ReturnType<typeof planMove>): void {
  const warn = (message: string) => printError(`${NAME}: warning: ${message}`);
  for (const { name, home } of directoryUsers)
    warn(
      `the account ${quoted(name)} is not in /etc/passwd: its directory should say the home ${quoted(home)}`,
    );
  const names = directoryUsers.map(({ name }) => name);
  if (names.length > 0) warn(`what to change there is shown by: ${directoryCommand(to, ...names)}`);
  if (moreUsers !== undefined) warn(`accounts of a directory may be left at the old path: ${moreUsers}`);
}

/** --moved: changes what names a jail by its old path. */
function follow(
  from: ByteString,
  jail: ByteString | undefined,
  options: { dryRun: boolean; json: boolean; noWait: boolean },
): ToolOutput {
  const { dryRun, json } = options;
  // Without a jail, the search for it comes before the lock.
  const first = planMove(from, jail === undefined ? undefined : absolutePath(jail), remadeError);
  const lock = { tool: NAME, ...options };
  using _all = dryRun ? undefined : lockDeclarations(lock);
  using _lock = dryRun ? undefined : lockJails([first.from, first.to], lock);
  const move = dryRun ? first : planMove(first.from, first.to, remadeError);
  requireOneSection(move.from, move.to);
  const declared = planDeclaredMove(move.from, move.to);
  requireNamed(move, declared !== undefined);
  const files = [...move.files.map(({ path }) => path), ...(declared === undefined ? [] : [declared.path])];
  const say = json ? () => undefined : printLine;
  say(`${display(move.from)} is now ${display(move.to)}`);
  const problems: CheckProblem[] = [];
  if (dryRun) {
    for (const name of move.users) say(`would change the home of ${display(name)}`);
    for (const path of files) say(`would change ${display(path)}`);
    say("(dry run: nothing was changed)");
  } else {
    const failed = (problem: CheckProblem) => {
      problems.push(problem);
      if (!json) printError(`${NAME}: ${problem.message}`);
    };
    const told = { done: say, failed };
    followMove(move, told);
    if (declared !== undefined) followDeclared(move, declared, say, failed);
    if (problems.length === 0) followRecord(move, told);
  }
  if (!json) warnOfDirectory(move);
  const exitStatus = problems.length === 0 ? 0 : 1;
  const report = (): MoveReport => ({
    version: 1,
    tool: NAME,
    moved: jsonText(move.from),
    jail: jsonText(move.to),
    dryRun,
    users: move.users.map(jsonText),
    directoryUsers: move.directoryUsers.map(({ name, home }) => ({
      name: jsonText(name),
      home: jsonText(home),
    })),
    moreUsers: jsonTextOrNull(move.moreUsers),
    files: files.map(jsonText),
    problems: problems.map(problemReport),
    exitStatus,
  });
  return { exitStatus, report };
}

/** `jailkit adopt`: creates a record of a jail that has none. */
export const tool = defineTool({
  name: NAME,
  summary: "create a record for a jail that has none, from its contents",
  synopsis: [
    "[OPTION...] JAIL",
    "[OPTION...] -j JAIL",
    "[OPTION...] --all",
    "[--dry-run] [--no-wait] [--json] --moved OLD [JAIL]",
  ],
  options: {
    jail: jailOption("the jail"),
    all: {
      short: "a",
      description: "all known jails that have no record, with a line for each, and the problems at the end",
      excludes: ["jail", "moved", "force"],
    },
    configfile: {
      short: "c",
      value: "FILE",
      description: "the file with the sections, instead of /etc/jailkit/jk_init.ini",
    },
    force: forceOption("start over if there is a record, also a damaged one, which is kept beside it"),
    moved: {
      value: "OLD",
      description: "the jail was moved from OLD: update its record, its accounts and the configuration",
      excludes: ["force", "configfile"],
    },
    noWait: NO_WAIT,
    dryRun: DRY_RUN,
    json: JSON_OUTPUT,
  },
  exitStatus: {
    0: "the jail, or each known one, has a record; files without an explanation were listed",
    1: "it has none, something could not be read, or nothing names OLD; the message says why",
    2: "no jail was named, or more than one; --all with a jail, --force or --moved; or --moved with --force or --configfile",
    ...BUSY_STATUS,
  },
  notes: `A jail of jailkit 2, or one that was filled by hand, has no record. jailkit adopt compares its files with the host's files of the same paths. Sections whose programs are all in the jail count as requested, and other files as copied with jk_cp(8). From then on jk_update(8) and jk_check(8) know the jail. Files that the host does not have, and files that were written in the jail, are listed but not recorded, so that jailkit never changes them. Nothing in the jail is changed.

With --all, a jail with a record is passed over, so that the command can be repeated, and a problem of one jail stops no other.

With --moved a jail that was moved with mv(1), or restored elsewhere, is adopted at its new path, JAIL, and its record, users and configuration follow. Without JAIL, it is searched for. A symbolic link may be left at OLD, or above it, if it is root's and leads to JAIL.`,
  root: 5,
  run({ options, operands }) {
    const { moved } = options;
    // Without a jail, it is searched for.
    if (moved !== undefined && options.jail === undefined && operands.length === 0) {
      return follow(absolutePath(moved), undefined, options);
    }
    if (options.all) return adoptedAll(options, operands);
    const jail = onlyJail(options.jail, operands, 2);
    if (moved !== undefined) return follow(absolutePath(moved), jail, options);
    using means = openMeans(options.configfile);
    return adopted(adoptOne(absolutePath(jail), means, options), options.dryRun);
  },
});
