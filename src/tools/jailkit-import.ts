import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { fstat, openAt, readAllFd, withFd } from "../../ffi/files.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { countedObjects, display, jsonText } from "../cli/display.ts";
import { JailkitError, problemFrom, UsageError } from "../cli/error.ts";
import { statusAfterSignals } from "../cli/interrupt.ts";
import { jailOrFirst } from "../cli/jail-operand.ts";
import { BUSY, BUSY_STATUS, DRY_RUN, forceOption, JSON_OUTPUT, jailOption, NO_WAIT } from "../cli/options.ts";
import { printError, printLine } from "../cli/output.ts";
import { problemReport } from "../cli/report.ts";
import { defineTool, type ToolOutput } from "../cli/tool.ts";
import { tellCreated, tellForgotten } from "../declaration/follow-move.ts";
import { type KnownUids, keptFault, uidsHere } from "../declaration/kept-fault.ts";
import { lockJail } from "../jail/record/jail-lock.ts";
import { createLoader } from "../libraries/closure.ts";
import { fileSystemAt } from "../populate/file-system.ts";
import type { AccountChoice, KeptUid } from "../transfer/accounts.ts";
import { carryOut, IMPORT, type ImportOutcome } from "../transfer/carry-out.ts";
import { LARGEST_EXPORT, parseTransfer, type Transfer } from "../transfer/document.ts";
import { type ImportPlan, planImport } from "../transfer/import-plan.ts";
import type { ImportReport } from "../transfer/report-schema.ts";
import { whyKeysStay } from "../users/kernel-objects.ts";

const STDIN = 0;

/** Reads the file, or standard input for "-". With `trusted`, only root may have written it. Throws JailkitError. */
function readTransfer(file: ByteString, trusted: boolean): Transfer {
  if (file === "-") return parseTransfer(readAllFd(STDIN, LARGEST_EXPORT));
  const path = absolutePath(file);
  const flags = C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY;
  return withFd(openAt(C.AT_FDCWD, path, flags), (fd) => {
    const { mode, uid } = fstat(fd);
    if ((mode & C.S_IFMT) !== C.S_IFREG) throw new SystemError(C.EINVAL, "not a regular file", path);
    if (trusted && (uid !== 0 || (mode & 0o022) !== 0)) {
      const why = "users other than root can change it: copy it to a file that is root's, and read that";
      throw new JailkitError("file-unsafe", 1, `--trusted: ${display(path)}: ${why}`);
    }
    return parseTransfer(readAllFd(fd, LARGEST_EXPORT));
  });
}

/** The lines of a dry run. */
function describe(plan: ImportPlan): void {
  const { jail, transfer, dropIns, contents, accounts, settings, begun } = plan;
  const make = begun ? "complete" : "create";
  printLine(`would ${make} the jail ${display(jail)}, which was ${display(transfer.jail)}`);
  for (const { section, file } of dropIns)
    printLine(`would add the section ${display(section)} in ${display(file)}`);
  for (const { tool, sections, operands } of contents.requests)
    printLine(`would add what ${tool} was asked for: ${[...sections, ...operands].map(display).join(" ")}`);
  for (const path of contents.live?.directories ?? [])
    printLine(`would show ${display(path)} of this machine in it, read-only`);
  printLine(`would create ${countedObjects(contents.entries.length)}`);
  if (transfer.logSocket !== undefined || contents.needLogsocket)
    printLine(`would add the log socket ${display(jail)}/dev/log`);
  if (transfer.proc || contents.needProc) printLine(`would have proc mounted on ${display(jail)}/proc`);
  for (const { name } of transfer.policies)
    printLine(`would add the section [${display(name)}] in the jail's jk_lsh.ini`);
  accounts.forEach(describeAccount);
  for (const { name } of settings) printLine(`would add the section [${display(name)}] of jk_chrootsh.ini`);
  printLine("(dry run: nothing was changed)");
}

function describeAccount({ user, state, createGroup, joins }: AccountChoice): void {
  const { name, uid, gid, group, home, shell } = user;
  const values = `uid ${uid}, group ${display(group)}, home ${display(home)}, shell ${display(shell)}`;
  const who = `${display(name)} (${values})`;
  if (createGroup) printLine(`would create the group ${display(group)} with the gid ${gid}`);
  if (state === "create") printLine(`would create the account ${who}`);
  else if (state === "here") printLine(`would enter the account ${who} in the jail`);
  for (const join of joins) printLine(`would add it to the group ${display(join.name)}`);
}

function ended(
  jail: ByteString,
  transfer: Transfer | undefined,
  plan: ImportPlan | undefined,
  outcome: Omit<ImportOutcome, "created">,
  dryRun: boolean,
): ToolOutput {
  const { steps, warnings, problems } = outcome;
  const busy = problems.length > 0 && problems.every(({ code }) => code === "busy");
  const exitStatus = statusAfterSignals<0 | 1 | typeof BUSY>(problems.length === 0 ? 0 : busy ? BUSY : 1);
  return {
    exitStatus,
    report: (): ImportReport => ({
      ...{ version: 1, tool: IMPORT, jail: jsonText(jail), from: jsonText(transfer?.jail ?? ""), dryRun },
      requests: (plan?.contents.requests ?? []).map(({ tool, sections, operands }) => ({
        tool: tool === "jk_cp" ? "jk_cp" : "jk_init",
        names: [...sections, ...operands].map(jsonText),
      })),
      sections: (plan?.dropIns ?? []).map(({ section }) => jsonText(section)),
      entries: plan?.contents.entries.length ?? 0,
      live: (plan?.contents.live?.directories ?? []).map(jsonText),
      users: (plan?.accounts ?? []).map(({ user, state }) => ({
        ...{ name: jsonText(user.name), uid: user.uid, state },
      })),
      steps: steps.map(jsonText),
      warnings: warnings.map(jsonText),
      problems: problems.map(problemReport),
      exitStatus,
    }),
    print() {
      if (!dryRun && steps.length + problems.length === 0)
        printLine(`${display(jail)} was imported before; there is nothing to do`);
      for (const warning of new Set(warnings)) printError(`${IMPORT}: warning: ${warning}`);
      for (const message of new Set(problems.map((problem) => problem.message)))
        printError(`${IMPORT}: ${message}`);
    },
  };
}

/** As KeptUid, for a jail: what apply remembers is read for a new account. */
function keptUidIn(jail: ByteString): KeptUid {
  let known: KnownUids | undefined;
  return (user) => {
    known ??= uidsHere();
    const fault = keptFault({ ...user, jail }, user.uid, known, "use --without-users");
    return (fault ?? whyKeysStay(user.uid))?.message;
  };
}

/** `jailkit import`: makes a jail as it was on another machine. */
export const tool = defineTool({
  name: IMPORT,
  summary: "make a jail as it was on another machine, from the file of 'jailkit export'",
  synopsis: ["[OPTION...] -j JAIL FILE", "[OPTION...] JAIL FILE"],
  options: {
    jail: jailOption("the new jail, which must be missing or empty; the file does not decide where it is"),
    createUsers: {
      description: "also create the accounts that this machine lacks, without passwords",
      excludes: ["withoutUsers"],
    },
    withoutUsers: { description: "leave the accounts in the file alone" },
    force: forceOption("leave out sections and files that this machine does not have"),
    trusted: {
      description:
        "also do what gives users of the jail more than copies of files: setuid bits, owners, devices, sockets, files outside of /usr, /etc and /opt, system groups, settings of jk_chrootsh.ini; only root may be able to write FILE",
    },
    dryRun: DRY_RUN,
    noWait: NO_WAIT,
    json: JSON_OUTPUT,
  },
  exitStatus: {
    0: "the jail is there; accounts that are missing are a warning",
    1: "it is not, or not completely; the message says why",
    2: "the jail or the file was not named; or --create-users with --without-users",
    ...BUSY_STATUS,
  },
  notes: `FILE is what 'jailkit export' wrote on the other machine; - is standard input. The jail is made from the programs of this machine, as jk_init(8) and jk_cp(8) would make it, and jk_update(8) keeps it up to date.

Everything that prevents it is reported before the first change: a section, program or shell that this machine does not have, a uid or gid that belongs to another account, a uid that files have still of an account which jailkit-apply(8) created, a place that is not empty. An import that was interrupted goes on when it is repeated.

The file is not trusted: whoever wrote it chooses which files below /usr, /etc and /opt are copied, among those that everybody can read, and with --create-users the names of accounts. It cannot overwrite anything, change an account of this machine that lives elsewhere, or add an account to a group of the system.`,
  root: 5,
  async run({ options, operands }) {
    const { jail: named, rest } = jailOrFirst(options.jail, operands);
    const [file] = rest;
    if (named === undefined || file === undefined || rest.length > 1)
      throw new UsageError("name a jail and one file", 2);
    const { dryRun, json, noWait, trusted } = options;
    const jail = absolutePath(named);
    let transfer: Transfer | undefined;
    try {
      transfer = readTransfer(file, trusted);
      using lock = lockJail(jail, { tool: IMPORT, noWait, json, changes: !dryRun });
      using loader = createLoader({ dlopen: true });
      const plan = planImport(
        transfer,
        { ...options, jail, keptUid: keptUidIn(jail) },
        fileSystemAt(),
        loader,
      );
      const { problems, warnings } = plan;
      if (dryRun && !json && problems.length === 0) describe(plan);
      if (dryRun || problems.length > 0)
        return ended(
          jail,
          transfer,
          plan,
          { steps: [], warnings: [...warnings], problems: [...problems] },
          dryRun,
        );
      const names = plan.accounts.flatMap(({ user, state }) => (state === "create" ? user.name : []));
      // First: this run may be killed.
      const untold = [...tellForgotten(jail, IMPORT, { isRemade: true }), ...tellCreated(names, IMPORT)];
      const outcome = await carryOut(plan, { lock, noWait, say: json ? () => undefined : printLine });
      return ended(
        jail,
        transfer,
        plan,
        { ...outcome, warnings: [...warnings, ...outcome.warnings, ...untold] },
        dryRun,
      );
    } catch (error) {
      if (!json) throw error;
      const problems = [problemFrom(error, "failed", jail)];
      return ended(jail, transfer, undefined, { steps: [], warnings: [], problems }, dryRun);
    }
  },
});
