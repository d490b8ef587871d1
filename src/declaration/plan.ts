import type { ByteString } from "../../ffi/bytes.ts";
import { isMissing } from "../../ffi/files.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { display, quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import type { UnreadFile } from "../config/unread.ts";
import { leftMoves } from "../jail/fs/home-moves.ts";
import { declarationsWorker, Looks } from "../jail/record/at-work.ts";
import { lockJails } from "../jail/record/jail-lock.ts";
import { asideCommand } from "../system/free-name.ts";
import { hostAccounts } from "../system/host-accounts.ts";
import { notCompared, withoutReplaced } from "./beside.ts";
import { type FaultText, NO_LONGER, nameOf } from "./change.ts";
import { doubtsOf, withBusy } from "./compare/busy.ts";
import { type Comparison, compare, hasWork } from "./compare/compare.ts";
import { once } from "./compare/machine.ts";
import { ELSEWHERE, emptyFile } from "./compare/not-declared.ts";
import { withGroupNames } from "./compare/settle.ts";
import { requireDeclarations } from "./config-dir.ts";
import { DeclarationError } from "./errors.ts";
import type { Remembered } from "./keep.ts";
import { DECLARATION_FILE, knownAs, rememberedAs } from "./known-file.ts";
import { finishedMoves, leftMoveWarnings } from "./left-moves.ts";
import { Meanwhile } from "./meanwhile.ts";
import type { Declaration } from "./model.ts";
import { isInScope, readOnce } from "./once.ts";
import type { Once } from "./once-shape.ts";
import { parsedCache } from "./parsed.ts";
import { readDeclaration, readWithOthers } from "./read.ts";
import { withRegrouped } from "./regrouped.ts";
import { withRenamed } from "./renamed.ts";
import { APPLY } from "./report-failed.ts";
import { whyUnkept } from "./unkept.ts";
import { emptyFiles } from "./warnings.ts";

/** The options of `jailkit apply`. */
export interface PlanOptions {
  readonly check: boolean;
  readonly configDir: string | undefined;
  readonly prune: boolean;
  readonly deleteHomes: boolean;
  readonly noWait: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
}

/** Why a run ends before it does anything. */
function refusal(
  code: ProblemCode,
  message: string,
  { unread, file }: { unread: readonly UnreadFile[]; file: ByteString },
): DeclarationError {
  const error = new JailkitError(code, 1, message);
  return new DeclarationError([{ file, position: undefined, finding: undefined, error }], unread);
}

/** Nothing at all, or no file in jails.d any more, may be a file system that is not mounted, or a copy that failed. */
function requireSomething(
  { files, jails, users, unread }: Declaration,
  before: Once,
  { prune, configDir = DECLARATION_FILE }: Pick<PlanOptions, "prune" | "configDir">,
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
  // That is no remedy: a program that types these would remove whose file has a wrong name by mistake.
  throw refusal("unread-file", message, { unread, file: first });
}

/** A file may have been deleted to remove what it declared; others of that name are misspelt. */
function requireFiles(named: readonly ByteString[], { jails, users }: Once): void {
  const declared = new Set([...jails, ...users].map(({ file }) => file));
  const file = named.find((one) => declared.has(one) && isMissing(one));
  if (file === undefined) return;
  const empty = emptyFile(file);
  const how = empty === undefined ? ELSEWHERE : `create an empty one: ${empty}`;
  const message = `${display(file)}: no such file; to remove what it declared once, ${how}`;
  // That is no remedy, either: it may be missing by mistake.
  throw refusal("config-unreadable", message, { unread: [], file });
}

/** With more users than that, a compiled program is faster (measured: a seventh with 250, a third with 2,000). */
export const MANY = 100;

/** The executables are built for short runs; many users pay for the compiler. */
export function compileIf(many: boolean): void {
  if (many) Bun.unsafe.setJITPolicy(20);
}

/** What a run is to do, and what it is made of. */
export interface Plan {
  readonly remembered: Remembered;
  readonly comparison: Comparison;
  readonly unkept: FaultText | undefined;
  readonly meanwhile: Meanwhile;
  readonly unread: readonly UnreadFile[];
  /** What other files declare; undefined if it is not known. */
  readonly beside: readonly Declaration[] | undefined;
  /** About no jail and no user; printable. */
  readonly warnings: readonly string[];
}

/** Gives the answers of dry runs to a comparison. */
type Foresee = (compared: Comparison) => Promise<Comparison>;

/** Reads what is declared, and compares. `finished`: what a run has done before it compares; printable. */
async function plan(
  files: readonly string[],
  options: PlanOptions,
  finished: typeof finishedMoves,
  foresee: Foresee,
): Promise<Plan> {
  const { check, configDir, prune, deleteHomes, json } = options;
  const usual = files.length === 0;
  const directory = configDir === undefined ? undefined : requireDeclarations(configDir);
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
  // A file that is to be renamed is checked as if it were.
  const beside = others && withGroupNames(check ? withoutReplaced(others, declaration) : others);
  const all = beside === undefined ? [declaration] : [declaration, beside];
  const { warnings: done, left } = finished();
  // Thousands may be declared at once.
  const accountsOf = once(hostAccounts);
  const compared = compare(
    declaration,
    withRegrouped(
      withRenamed(known, all, (name) => accountsOf().userByName(name)),
      all,
      accountsOf,
    ),
    {
      ...{ prune, deleteHomes, check, usual, others: beside, left },
      namesAll: options.verbose || json,
    },
  );
  const { unread } = (prune ? others : undefined) ?? declaration;
  if (prune) requireAllRead(others ?? declaration, compared);
  const remembered = { declaration, beside, written: known };
  const unkept = await whyUnkept(remembered, compared);
  // Dry runs of what is not given would say the same for each jail.
  const comparison = hasWork(compared) && unkept === undefined ? await foresee(compared) : compared;
  const warnings = [
    ...notCompared(read.others),
    ...emptyFiles(declaration, known, usual),
    ...done,
    ...leftMoveWarnings(compared, left, check),
  ];
  return {
    remembered,
    comparison,
    unkept,
    meanwhile,
    unread,
    beside: usual ? [] : others && [others],
    warnings,
  };
}

/** That somebody is at work on what is planned. */
function atWork(comparison: Comparison): string[] {
  const worker = hasWork(comparison) ? declarationsWorker() : undefined;
  return worker === undefined
    ? []
    : [`${worker} is carrying out declarations: some of this may be done by then`];
}

/**
 * The same again, where what it finds may be half of a change that another command makes. A run waits for the jails on which
 * one works; a plan alone says so.
 */
export async function settledPlan(
  files: readonly string[],
  options: PlanOptions,
  foresee: Foresee,
): Promise<Plan> {
  const { check, noWait, json } = options;
  const finished = check ? () => ({ warnings: [], left: leftMoves() }) : once(finishedMoves);
  const looks = new Looks();
  for (;;) {
    looks.begin();
    const found = await plan(files, options, finished, foresee);
    const comparison = withBusy(found.comparison);
    const { others, jails } = doubtsOf(comparison);
    if (looks.again([...others, ...jails])) continue;
    if (check) return { ...found, comparison, warnings: [...found.warnings, ...atWork(comparison)] };
    if (noWait || jails.length === 0) return { ...found, comparison };
    lockJails(jails, { tool: APPLY, noWait, json })[Symbol.dispose]();
  }
}
