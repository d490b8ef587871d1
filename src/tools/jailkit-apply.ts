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
import type { Doubt } from "../declaration/warnings.ts";
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

/** The warnings that a named file declares nothing, and never did: it may be another one that was meant, or was moved. */
function emptyFiles(declaration: Declaration, { jails, users }: Once, usual: boolean): string[] {
  const declared = [...declaration.jails, ...declaration.users].map(({ place }) => place.file);
  const known = new Set([...declared, ...[...jails, ...users].map(({ file }) => file)]);
  const empty = usual ? [] : declaration.files.filter((file) => !known.has(file));
  return empty.map(
    (file) => `${quoted(file)} declares nothing, and nothing that is remembered was declared by it`,
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
  const before = withRenamed(known, beside === undefined ? [declaration] : [declaration, beside], hostUser);
  const compared = compare(declaration, before, {
    ...{ prune, deleteHomes, check, usual, others: beside },
    namesAll: options.verbose || json,
  });
  const { unread } = (prune ? others : undefined) ?? declaration;
  if (prune) requireAllRead(others ?? declaration, compared);
  const remembered = { declaration, beside, before, written: known };
  const unkept = await whyUnkept(remembered, compared);
  // Dry runs of what is not given would say the same for each jail.
  const comparison = hasWork(compared) && unkept === undefined ? await foreseen(compared, check) : compared;
  const warnings = [...notCompared(read.others), ...emptyFiles(declaration, known, usual)];
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
  const { ended, fault, broken } = report;
  waitInLookUps();
  // Also forgets what is neither declared nor there any more.
  if (hasWork(comparison) || options.prune) {
    const all = await import("../declaration/carry-out/carry-out.ts");
    const means = { ...options, unkept, tools: TOOLS, tool: APPLY, ended, fault, broken };
    await all.carryOut(remembered, comparison, means);
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
  notes: `Without FILE, /etc/jailkit/jails.ini is read, and then the files of /etc/jailkit/jails.d; jails.ini(5) describes them. If these files have errors, these are printed (up to 100, and all with --json), and nothing is done. Otherwise a plan is printed: + is added, ~ is changed, - is removed. Then it is carried out, with the code of jk_init(8), jk_cp(8), jk_addjailuser(8), jk_jailuser(8) and the other tools, whose messages are printed. What fails in one jail, or for one user, leaves the others alone. After a failure in a jail, nothing more is given to its users, and after one of a user nothing more to this one: the message says what is not done, and for what it waits. What takes something away is done all the same: groups, keys, a shell without limits, a login shell outside of the jail, and rights. But nothing is taken out of a list (sections, files, live, groups) as long as an item of it does not exist: what would go may be what was meant, and the error says so. Of rules that allow less and more at once, what both the old and the new ones allow stays until then; a key whose options do so is taken out until then. The plan marks such a change as made in part, and it counts as not done. A run that was interrupted, or in which something failed, goes on when it is repeated.

Before anything is done for a jail or a user, dry runs of jk_init(8), jk_cp(8) and the code that jails accounts show what would be refused: that is an error, with the line of the declaration, that of the key if one is the cause, and nothing of it is begun but what takes something away. The error of a jail that cannot be used is told once; each of its users waits for it (with --json a problem with the code waits-for-jail). Jails and homes that come to one file system have to fit there together: those that have certainly too little room are errors, in the order of the run; so is a user for whom no file can be written in a full jail. --check and the run say the same, unless something is removed, live directories change, or the file system of /etc is full: then the run may find more. If /var/lib/jailkit is read-only, full or immutable, what is declared cannot be written down, and --prune could not take it back later: that is one error, and everything that gives something waits. What --prune removes waits, too, unless the file system is full, which users may bring about. What jailkit-config(8) warns of in the section of a user, such as a group by which one becomes root, is a warning of --check, and of a run that changes anything for that user; a run that has nothing to do does not repeat it. So is a path in the rights of any user that goes with what --prune takes out of the jail, and a home that jk_chrootsh(8) refuses, such as one that its group can write, or its user not enter: its mode is the user's, and is not changed. Of an account that comes into a jail, and has neither a password nor a key, or can run nothing with the limited shell, --check and the run warn with the change that brings it. What sshd(8), cron(8) and at(1) let an account do is asked by the run alone. A warning of each run is a jail in which no login of its users works, since they cannot pass its directory, one above it or one above their homes, or cannot read its etc/passwd, etc/group or rules for jk_lsh, or since it is on a file system that is mounted noexec.

A jail is compared by its record: its sections and files, its live directories and whether they are mounted, its log socket and proc. jk_update(8) keeps the files in it up to date, and jk_check(8) checks them. A user is compared by the account, its groups, its lines in the jail, its home, its keys, and its section of jk_lsh.ini or jk_chrootsh.ini; it is an error if the jail lacks its shell, or if another program than that of jailkit 3 is there as jk_lsh, whose rules would count instead.

An account that exists outside of jails moves into the jail, with its home; it is an error if that is not its own, or holds the home of another account. Accounts that are not in /etc/passwd are found there by the directories that they own. The uid of an account, and a home that is in the jail already, are not changed: a difference is an error.

What is there and not declared stays, and is shown with --verbose (without FILE also jails); lines before the last one tell of what was declared once. Each group, right and key that a user still has is told there, a key by its fingerprint, which ssh-keygen(1) shows with -l. --prune removes what these files declared once, if no file of /etc/jailkit/jails.d declares it now, and nothing else. What was declared, and could not be made, or was not begun by a run that was killed, does not count: what was there of it is of others. An account that apply created is removed; a home of it that stays is shown with its uid, which apply and jk_addjailuser(8) give to no new account while something there has it, and which nobody else can be declared or imported with. Nor do they give the uid of one whose home is deleted to a new account as long as its jail is there, where other files may have it. One that jk_jailuser(8) or apply jailed is taken out of its jail, with its home and its former shell, but without the groups and keys that were declared; any other one stays there, without its line in the jail, and cannot log in. Its sessions go on, and a warning says what ends them; those of the others are an error, and no new ones begin; so is a home of which its user has made too much to look for others in it. What has left otherwise, or was deleted, is forgotten: what has its name later stays, whether or not a run came in between. That is a jail in another directory, and an account with another uid and another home, or that jk_addjailuser(8) or jailkit-import(8) created; which one it is, is told once, with the command that removes it. An account whose home is another directory, or at another path, may be another one, too, unless the day in shadow(5) is that of its creation: users can exchange homes, and root brings them back from backups. If the day is another one, or the path, or if only the uid is, nothing is deleted; the account loses its line in the jail, and the groups and keys that were declared, and each run tells it, with --prune as an error, until somebody removes the account or declares it again. As long as a user is declared, a home that is another directory counts as that of the account from then on; --delete-homes deletes no other one. So does an account of the name with another uid than apply gave it, as by usermod(8), but as one that apply did not create: it leaves the jail, and is not removed. An account that somebody has taken out of its jail stays, which a warning says once, and loses the groups and keys that were declared. Whoever has a home in that of another one goes first. A home in which another user still lives, or something is mounted, is not deleted, and an account of before that cannot take its home along stays, which is an error of --check, too. A jail in which users are declared, or in which files of users or of root are left that are no part of a jail, is not deleted, which is an error of --check, too. A jail that is live no longer gets copies of what it needs.

A jail that was moved is an error as long as its record and its accounts have the old path, whether it is declared at that or at the new one; the message has the command that helps, jailkit-adopt(8) with --moved.

A user who is declared in another jail than before is an error while the account is in the first one; the message has the command that takes it out. Groups and keys that are not declared any more are taken away there all the same. Then apply puts it into the other one, and takes away its lines and its section of jk_lsh.ini in the first one, also without --prune. A home that apply created is still its own, for --delete-homes, where apply or jk_jailuser(8) with -m has moved it.`,
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
