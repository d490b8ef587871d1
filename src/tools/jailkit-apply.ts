import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { isMissing, statIfPresent } from "../../ffi/files.ts";
import { absolutePath, standardError } from "../../ffi/guard.ts";
import { holdingSignals } from "../../ffi/interrupts.ts";
import { waitInLookUps } from "../../ffi/last-words.ts";
import { display, quoted } from "../cli/display.ts";
import { describeError, isReported, JailkitError, UsageError } from "../cli/error.ts";
import { endInLookUpsWith } from "../cli/interrupt.ts";
import { BUSY_STATUS, NO_WAIT, VERBOSE } from "../cli/options.ts";
import { jsonLine, printJsonLine } from "../cli/output.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import type { Remedy } from "../cli/remedy.ts";
import { defineTool, type ToolCall } from "../cli/tool.ts";
import type { UnreadFile } from "../config/unread.ts";
import { notCompared } from "../declaration/beside.ts";
import { type FaultText, NO_LONGER, nameOf } from "../declaration/change.ts";
import { type Comparison, compare, hasWork, UNCHANGED } from "../declaration/compare/compare.ts";
import { ELSEWHERE, emptyFile } from "../declaration/compare/not-declared.ts";
import { withGroupNames } from "../declaration/compare/settle.ts";
import { changesOf } from "../declaration/compare/work.ts";
import { DeclarationError } from "../declaration/errors.ts";
import type { Remembered } from "../declaration/keep.ts";
import { DECLARATION_FILE, knownAs, rememberedAs } from "../declaration/known-file.ts";
import { finishedMoves, leftMoveWarnings } from "../declaration/left-moves.ts";
import { Meanwhile } from "../declaration/meanwhile.ts";
import type { Declaration } from "../declaration/model.ts";
import { isInScope, ONCE_FILE, readOnce } from "../declaration/once.ts";
import type { Once } from "../declaration/once-shape.ts";
import { parsedCache } from "../declaration/parsed.ts";
import { readDeclaration, readWithOthers } from "../declaration/read.ts";
import { withRenamed } from "../declaration/renamed.ts";
import { ApplyReport } from "../declaration/report.ts";
import { APPLY, failedSummary, showErrors } from "../declaration/report-failed.ts";
import { requireOwnState } from "../declaration/state.ts";
import { unkeptBy, whyUnkept } from "../declaration/unkept.ts";
import { type Doubt, emptyFiles } from "../declaration/warnings.ts";
import { lockDeclarations } from "../jail/record/jail-lock.ts";
import { asideCommand } from "../system/free-name.ts";
import { isHostDirectory } from "../system/host-files.ts";
import { hostUser } from "../system/name-services.ts";

/** The tools that it starts, loaded when there is work. */
const TOOLS = {
  jk_init: (async (args) => (await import("./jk_init.ts")).tool.call(args)) satisfies ToolCall,
  jk_cp: (async (args) => (await import("./jk_cp.ts")).tool.call(args)) satisfies ToolCall,
};

/** With the answers of dry runs: a run without work does not load their modules. */
async function foreseen(compared: Comparison, check: boolean): Promise<Comparison> {
  const { foreseeFilling } = await import("../declaration/compare/foresee-jail.ts");
  return foreseeFilling(compared, TOOLS, check);
}

/** What `jailkit config check` says of what is given: a run that gives nothing does not load its modules. */
async function doubtful({ jails }: Comparison, check: boolean): Promise<readonly Doubt[]> {
  const given = check || jails.some((work) => changesOf(work).length > 0);
  return given ? (await import("../lint/given.ts")).doubtsIn(jails, check) : [];
}

/** Why a run ends before it does anything. */
function refusal(
  code: ProblemCode,
  message: string,
  { unread, file, remedy }: { unread: readonly UnreadFile[]; file: ByteString; remedy?: Remedy | undefined },
): DeclarationError {
  const error = new JailkitError(code, 1, message, undefined, remedy);
  return new DeclarationError([{ file, position: undefined, finding: undefined, error }], unread);
}

/** Nothing at all, or no file in jails.d any more, may be a file system that is not mounted, or a copy that failed. */
function requireSomething(
  { files, jails, users, unread }: Declaration,
  before: Once,
  { prune, configDir = DECLARATION_FILE }: Pick<Options, "prune" | "configDir">,
): void {
  if (!prune || files.some((file) => file !== DECLARATION_FILE)) return;
  // As on a machine that has no customer yet, or none any more.
  if (![...before.jails, ...before.users].some(({ file }) => isInScope(file, [], true))) return;
  let message = `nothing is declared, and there is no file in jails.d: --prune would remove everything; to do that, create an empty one there`;
  if (jails.length + users.length > 0) {
    const names = new Set([...jails.map(({ path }) => path), ...users.map(({ name }) => name)]);
    const lost = [
      ...before.jails.filter(({ path }) => !names.has(path)),
      ...before.users.filter(({ name }) => !names.has(name)),
    ];
    if (lost.every(({ file }) => file === DECLARATION_FILE || !isInScope(file, [], true))) return;
    message = `there is no file in jails.d any more: --prune would remove all that such files declared; to do that, create an empty one there`;
  }
  throw refusal("nothing-declared", message, { unread, file: configDir });
}

/** What was declared once may be declared in a file that is not read, for example since somebody has renamed it. */
function requireAllRead(
  { unread, aside }: Pick<Declaration, "unread" | "aside">,
  { former }: Comparison,
): void {
  const [first] = [...unread.map(({ file }) => file), ...aside];
  const [gone, ...more] = former.flatMap(({ change }) => (change.why === NO_LONGER ? [change] : []));
  if (first === undefined || gone === undefined) return;
  const others = more.length === 0 ? "" : ` and ${more.length} more`;
  // Nothing asks about a file with such a name.
  const rename = asideCommand(first, ".off");
  const message = `--prune would remove ${nameOf(gone)}${others}, which ${quoted(first)} may declare: that is not read; if it does not count any more: ${rename}`;
  throw refusal("unread-file", message, { unread, file: first, remedy: rename });
}

/** A file may have been deleted to remove what it declared; others of that name are misspelt. */
function requireFiles(named: readonly ByteString[], { jails, users }: Once): void {
  const declared = new Set([...jails, ...users].map(({ file }) => file));
  const file = named.find((one) => declared.has(one) && isMissing(one));
  if (file === undefined) return;
  const remedy = emptyFile(file);
  const how = remedy === undefined ? ELSEWHERE : `create an empty one: ${remedy}`;
  const message = `${display(file)}: no such file; to remove what it declared once, ${how}`;
  throw refusal("config-unreadable", message, { unread: [], file, remedy });
}

/** What --config-dir leads to. */
const NAMES = ["jails.ini", "jails.d"] as const;

/** With more users than that, a compiled program is faster (measured: a seventh with 250, a third with 2,000). */
const MANY = 100;
/** About what declared.json has of one, in bytes. */
const USER_SIZE = 300;

interface Options {
  readonly check: boolean;
  readonly configDir: string | undefined;
  readonly prune: boolean;
  readonly deleteHomes: boolean;
  readonly noWait: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
}

/** The absolute path of --config-dir. A file that is missing there declares nothing; a misspelt directory must not. */
function requireDeclarations(configDir: string): ByteString {
  const unreadable = (why: string) =>
    new JailkitError("config-unreadable", 1, `${display(configDir)}: ${why}`);
  if (!isHostDirectory(configDir)) throw unreadable("no such directory");
  if (NAMES.every((name) => statIfPresent(AT_FDCWD, `${configDir}/${name}`) === undefined))
    throw unreadable(`has neither ${NAMES.join(" nor ")}`);
  return absolutePath(configDir);
}

/** The executables are built for short runs; many users pay for the compiler. */
function compileIf(many: boolean): void {
  if (many) Bun.unsafe.setJITPolicy(20);
}

/** What the problem of the whole run is about. */
const subjectOf = (files: readonly string[], { configDir }: Pick<Options, "configDir">): ByteString =>
  absolutePath(files[0] ?? configDir ?? DECLARATION_FILE);

/** A signal ends a plan also during a look-up of an account, which nobody may answer; it is told as between two steps. */
function endWhilePlanning(files: readonly string[], options: Options): void {
  const { json, check } = options;
  endInLookUpsWith(UNCHANGED, json ? 1 : standardError, (error, exitStatus) =>
    json
      ? jsonLine({ ...failedSummary(error, subjectOf(files, options), check), exitStatus })
      : `${APPLY}: ${error.message}\n`,
  );
}

async function apply(files: readonly string[], options: Options): Promise<number> {
  const { check, configDir, prune, deleteHomes, json, noWait } = options;
  // Before its lock is taken there.
  requireOwnState();
  using _lock = check ? undefined : lockDeclarations({ tool: APPLY, noWait, json });
  endWhilePlanning(files, options);
  const usual = files.length === 0;
  const directory = configDir === undefined ? undefined : requireDeclarations(configDir);
  compileIf((statIfPresent(AT_FDCWD, ONCE_FILE)?.size ?? 0) > MANY * USER_SIZE);
  const known = readOnce(rememberedAs);
  const named = usual ? undefined : files.map(absolutePath);
  if (named !== undefined && prune) requireFiles(named.map(knownAs), known);
  const readAll = () =>
    named === undefined
      ? { declaration: readDeclaration(undefined, directory, parsedCache(!check)), others: undefined }
      : readWithOthers(named, prune);
  const meanwhile = new Meanwhile(named ?? [], () => {
    const now = readAll();
    requireSomething(now.declaration, known, options);
    const usualNow = now.others instanceof DeclarationError ? undefined : now.others;
    requireAllRead(usualNow ?? now.declaration, compared);
    return [now.declaration, ...(usualNow === undefined ? [] : [usualNow])].map(withGroupNames);
  });
  const read = readAll();
  compileIf(read.declaration.users.length > MANY);
  const declaration = withGroupNames(read.declaration);
  const others = read.others instanceof DeclarationError ? undefined : read.others;
  requireSomething(declaration, known, options);
  const beside = others && withGroupNames(others);
  const all = beside === undefined ? [declaration] : [declaration, beside];
  const finished = check ? [] : finishedMoves();
  const compared = compare(declaration, withRenamed(known, all, hostUser), {
    ...{ prune, deleteHomes, check, usual, others: beside },
    namesAll: options.verbose || json,
  });
  const { unread } = (prune ? others : undefined) ?? declaration;
  if (prune) requireAllRead(others ?? declaration, compared);
  const remembered = { declaration, beside, written: known };
  const unkept = await whyUnkept(remembered, compared);
  // Dry runs of what is not given would say the same for each jail.
  const comparison = hasWork(compared) && unkept === undefined ? await foreseen(compared, check) : compared;
  const warnings = [
    ...notCompared(read.others),
    ...emptyFiles(declaration, known, usual),
    ...finished,
    ...leftMoveWarnings(compared, check),
  ];
  const report = new ApplyReport({ ...options, unread, warnings });
  report.plan(comparison, await doubtful(comparison, check), unkept);
  try {
    if (!check) await carryOut(remembered, comparison, unkept, { ...options, meanwhile }, report);
  } catch (error) {
    report.broken(unkeptBy(error));
  }
  return report.end();
}

async function carryOut(
  remembered: Remembered,
  comparison: Comparison,
  unkept: FaultText | undefined,
  options: Options & { readonly meanwhile: Meanwhile },
  report: ApplyReport,
): Promise<void> {
  const { ended, fault, broken, warn } = report;
  waitInLookUps();
  // Also forgets what is neither declared nor there any more.
  if (hasWork(comparison) || options.prune) {
    const all = await import("../declaration/carry-out/outside.ts");
    const means = { ...options, unkept, tools: TOOLS, tool: APPLY, ended, fault, broken, warn };
    await all.carryOutAndLook(remembered, comparison, means);
  } else if (unkept === undefined)
    (await import("../declaration/keep.ts")).keep(remembered, comparison, report);
}

/** `jailkit apply`: makes jails and users as files declare them. */
export const tool = defineTool({
  name: APPLY,
  summary: "make jails and users as the files of /etc/jailkit/jails.d declare them",
  synopsis: ["[OPTION...] [FILE...]", "[OPTION...] --check [--config-dir DIR | FILE...]"],
  options: {
    check: { description: "change nothing; exit with 10 if something is not as declared" },
    configDir: {
      value: "DIR",
      description: "with --check, read jails.ini and jails.d in this directory instead of /etc/jailkit",
      needs: "check",
    },
    prune: {
      description:
        "also remove what was declared once and is not any more: jails and all that their keys declare, users, groups, keys, rights",
    },
    deleteHomes: {
      description: "with --prune, also delete the homes of accounts that apply created",
      needs: "prune",
    },
    noWait: NO_WAIT,
    json: {
      description:
        "print JSON: an object in one line for each change when it was made, and then one for the whole",
    },
    verbose: VERBOSE,
  },
  exitStatus: {
    0: "everything is as declared",
    1: "something is not, and could not be made so; the message says what",
    2: "--delete-homes without --prune, or --config-dir without --check or with FILE",
    10: "something is not as declared (with --check; even if something else cannot be made so)",
    ...BUSY_STATUS,
  },
  notes: `Without FILE, /etc/jailkit/jails.ini and the files of /etc/jailkit/jails.d are read; jails.ini(5) describes them. If one of them has errors, these are printed (up to 100, and all with --json), and nothing is done.

Otherwise a plan is printed, in which + is added, ~ is changed and - is removed. Then it is carried out, with the code of jk_init(8), jk_cp(8), jk_addjailuser(8), jk_jailuser(8) and the other tools, whose messages are printed. What fails in one jail, or for one user, leaves the others alone: fix what the message says, and run it again.

What was declared once and is not any more stays, unless --prune is given. No run removes an account that apply did not create; a home stays without --delete-homes.`,
  root: 5,
  async run({ options, operands }) {
    const { json, check, configDir } = options;
    if (configDir !== undefined && operands.length > 0)
      throw new UsageError("--config-dir is for --check without FILE", 2);
    try {
      // A signal ends it between two steps, and is told.
      return await holdingSignals(() => apply(operands, options));
    } catch (error) {
      if (!isReported(error)) throw error;
      if (!json && error instanceof DeclarationError) return showErrors(error);
      if (!json) throw error;
      const whole =
        error instanceof JailkitError ? error : new JailkitError("failed", 1, describeError(error));
      const asked = whole.code === "bad-state" ? ONCE_FILE : subjectOf(operands, options);
      const path = whole.place?.file ?? asked;
      const summary = failedSummary(whole, path, check);
      printJsonLine(summary);
      return summary.exitStatus;
    }
  },
});
