import type { ByteString } from "../../ffi/bytes.ts";
import { libc } from "../../ffi/libc.ts";
import { baseName } from "../../ffi/paths.ts";
import { COLOR, type Paint, paintFor } from "../cli/colour.ts";
import { quoted } from "../cli/display.ts";
import { answered, UsageError } from "../cli/error.ts";
import { jailBeforeUsers } from "../cli/jail-operand.ts";
import { JSON_OUTPUT, jailOption } from "../cli/options.ts";
import { printLine } from "../cli/output.ts";
import { type Remedy, told } from "../cli/remedy.ts";
import { defineTool, parseArguments, type ToolOutput } from "../cli/tool.ts";
import { adviceInstead } from "../declaration/bring.ts";
import { countDeclaredHomes } from "../declaration/known-homes.ts";
import { meantHere } from "../declaration/meant-of-lacking.ts";
import { declaredHere } from "../declaration/read.ts";
import { WrittenSections } from "../declaration/written-sections.ts";
import { LAUNCH_OPTIONS, launchRequest } from "../enter/launch/options.ts";
import { HAVE_UID } from "../enter/login/other-uid.ts";
import { directoryCommand } from "../enter/remedies.ts";
import { explainId, idLines, idReport, idStatus, isErrorId } from "../explain/error-id.ts";
import { explainLogin } from "../explain/explain.ts";
import { explainLaunch } from "../explain/programs/launch.ts";
import { explainMail } from "../explain/programs/mail.ts";
import { explainUchroot } from "../explain/programs/uchroot.ts";
import { explainReport, type LoginReport, type ReportStep, reportStatus } from "../explain/report.ts";
import { reportLines } from "../explain/show.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { openJailRoot } from "../jail/fs/walk.ts";
import { hostUser } from "../system/name-services.ts";

const NAME = "jailkit explain";
const SHOWS = "jailkit apply --check";

/** What the program that refused an account would do now; undefined if more must be asked. */
function askAgain(program: ByteString, user: ByteString): LoginReport | undefined {
  const callerUid = libc.getuid();
  if (program === "jk_procmailwrapper") return asDeclared(explainMail({ user, callerUid }));
  if (program === "jk_uchroot") return undefined;
  return asDeclared(explainLogin({ user, command: undefined, callerUid, by: "su", from: undefined }));
}

function showId(id: ByteString): ToolOutput {
  const found = explainId(id, askAgain);
  const print = () => idLines(found).forEach(printLine);
  return { exitStatus: idStatus(found), report: () => idReport(found), print };
}

const isSide = ({ remedy }: ReportStep) => remedy.startsWith("jk_jailuser --jail-side-only ");

/** Of a declared account of a directory, `jailkit apply` shows what that should have; it is not put into another jail. */
function withDirectory(report: LoginReport): LoginReport {
  const show = directoryCommand("JAIL", report.user);
  if (!report.steps.some((step) => step.message.includes(show) || isSide(step))) return report;
  const user = declaredHere()?.users.get(report.user);
  if (user?.directory !== true) return report;
  const isElsewhere = report.jail !== undefined && report.jail !== user.jail;
  const steps = report.steps.map((step): ReportStep => {
    const remedy = isElsewhere && isSide(step) ? SHOWS : step.remedy;
    return { ...step, message: step.message.replace(show, SHOWS), remedy };
  });
  return { ...report, steps };
}

/** With the lines of the declaration instead of commands that bring programs into its jail, and of lines that a run would undo. */
function withLines(report: LoginReport): LoginReport {
  if (report.steps.every(({ remedy }) => !/\bjk_(?:init|cp) -j|^in section |^add these lines /.test(remedy)))
    return report;
  const written = new WrittenSections();
  const steps = report.steps.map((step) => {
    const instead = written.instead(step.remedy);
    if (instead !== undefined)
      return { ...step, message: `${step.message}${instead.note}`, remedy: instead.remedy };
    const advice = adviceInstead(step.remedy, written.declared?.jails);
    return { ...step, ...told(step.message, advice ?? step.remedy) };
  });
  return { ...report, steps };
}

/**
 * What jk_check tells of an account whose line is missing, or has another uid, or whose home has: a run puts it back, or it may be
 * another one, by its name of before. `why`: for the message.
 */
function meantOf(
  name: ByteString,
  jail: ByteString,
): { why?: string; remedy: Remedy | undefined } | undefined {
  using root = openJailRoot(jail);
  const user = hostUser(name);
  if (user === undefined) return undefined;
  const line = readJailAccounts(root).userByName(name);
  const { lacking, otherUid } = meantHere();
  if (line === undefined) return { remedy: lacking({ ...user, jail }, jail).remedy };
  const other = otherUid(user, jail, line);
  return other && { why: other.message, remedy: other.remedy };
}

/** With that in place of commands that make the line right, or give or set aside the home. */
function withMeant(report: LoginReport): LoginReport {
  const { jail, steps, user } = report;
  const isUid = ({ message }: ReportStep) => message.includes(HAVE_UID);
  if (jail === undefined || !steps.some((step) => isSide(step) || isUid(step))) return report;
  const meant = answered(() => meantOf(user, jail));
  if (meant === undefined) return report;
  const { why, remedy } = meant;
  const asMeant = (step: ReportStep): ReportStep => {
    const { message } = step;
    if (why === undefined) return isSide(step) ? { ...step, remedy: remedy ?? step.remedy } : step;
    if (isSide(step)) return { ...step, message: `${message}; ${quoted(user)} ${why}`, remedy: remedy ?? "" };
    if (!isUid(step) || remedy !== undefined) return step;
    return { ...step, message: message.slice(0, message.indexOf(HAVE_UID)) + why };
  };
  return { ...report, steps: steps.map(asMeant) };
}

const asDeclared = (report: LoginReport): LoginReport => withLines(withDirectory(withMeant(report)));

function showReport(asked: LoginReport, paint: Paint): ToolOutput {
  const report = asDeclared(asked);
  const print = () => reportLines(report, paint).forEach(printLine);
  return { exitStatus: reportStatus(report), report: () => explainReport(report), print };
}

const misused = (what: string) => new UsageError(what, 2);
const noLogin = () => misused("--su and --from are only for logins");

/** The options that say how somebody logs in. */
const OF_LOGINS = ["su", "from"];

/** What jk_chrootlaunch would do with these arguments; its name may precede them. */
function launchReport(words: readonly ByteString[]): LoginReport {
  const own = baseName(words[0] ?? "") === "jk_chrootlaunch" ? words.slice(1) : words;
  try {
    const { options, operands } = parseArguments(own, LAUNCH_OPTIONS);
    const request = launchRequest(options, operands);
    return explainLaunch({ request, callerUid: libc.getuid() });
  } catch (error) {
    if (error instanceof UsageError) throw misused(`jk_chrootlaunch: ${error.message}`);
    throw error;
  }
}

/** What the options and operands ask. Without a jail or --mail it is about a login. */
interface Question {
  readonly user: ByteString;
  readonly words: readonly ByteString[];
  readonly jail: ByteString | undefined;
  readonly mail: boolean;
  readonly su: boolean;
  readonly from: ByteString | undefined;
}

function requireSensible({ words, jail, mail, su, from }: Question): void {
  if (jail !== undefined && (su || from !== undefined)) throw noLogin();
  if (jail !== undefined && words.length === 0) throw misused("no program for jk_uchroot");
  if (mail && (jail !== undefined || words.length > 0)) throw misused("--mail needs only a user");
}

function explain({ user, words, jail, mail, su, from }: Question): LoginReport {
  const callerUid = libc.getuid();
  if (mail) return explainMail({ user, callerUid });
  const [program, ...programArguments] = words;
  if (jail !== undefined && program !== undefined)
    return explainUchroot({ user, jail, program, programArguments, callerUid });
  const command = words.length === 0 ? undefined : words.join(" ");
  return explainLogin({ user, command, callerUid, by: su ? "su" : "ssh", from });
}

/** `jailkit explain`: would this login work, and if not, why not? */
export const tool = defineTool({
  name: NAME,
  summary: "show what a user's login would do, and why it fails",
  synopsis: [
    "[--json] [--from ADDRESS | --su] USER",
    "[OPTION...] USER -- COMMAND [ARGUMENT...]",
    "[--json] -j JAIL USER -- PROGRAM [ARGUMENT...]",
    "[--json] JAIL USER -- PROGRAM [ARGUMENT...]",
    "[--json] --mail USER",
    "[--json] --launch -- ARGUMENT...",
    "[--json] ID",
  ],
  options: {
    from: {
      value: "ADDRESS",
      description:
        "the address from which the user connects; without it, checks that depend on it are unknown",
    },
    su: {
      description: "show a login by 'su - USER', run by root, instead of sshd",
      excludes: ["from"],
    },
    jail: {
      ...jailOption("instead of a login, show what jk_uchroot -j JAIL -x PROGRAM would do for the user"),
      excludes: OF_LOGINS,
    },
    mail: {
      description: "instead of a login, show how jk_procmailwrapper would deliver mail for the user",
      excludes: ["jail", ...OF_LOGINS],
    },
    launch: {
      description: "instead of a login, show what jk_chrootlaunch would do with these arguments",
      excludes: ["jail", "mail", ...OF_LOGINS],
    },
    json: JSON_OUTPUT,
    color: COLOR,
  },
  posix: true,
  exitStatus: {
    0: "the login, the call or the delivery would work; for an ID: it would no longer be refused",
    1: "it would be refused; for an ID: it would still be refused",
    2: "it may fail, which depends on something unknown; the login does not use jailkit; sshd serves it outside any jail; the ID is in no log; or the arguments are wrong",
  },
  badOptionStatus: 2,
  notes: `It runs every check of a login without logging in, and prints each with its outcome and, if it fails, a remedy. Root may ask about anyone, others about themselves.

COMMAND is what a client would ask sshd to run; several words are joined by blanks, as ssh(1) does. Without it the question is about a session without a command. ID is the error id (JK- and eight letters or digits) of a refusal: it is looked up in the logs, and the check is repeated.`,
  run({ options, operands }) {
    countDeclaredHomes();
    const { mail, su, from } = options;
    const paint = paintFor(options.color, 2);
    if (options.launch) return showReport(launchReport(operands), paint);
    const { jail, rest } = jailBeforeUsers(options.jail, operands, 2);
    const [user, ...more] = rest;
    const words = more[0] === "--" ? more.slice(1) : more;
    if (user === undefined || user === "") throw misused("no user");
    const question = { user, words, jail, mail, su, from };
    requireSensible(question);
    const plain = jail === undefined && !mail && words.length === 0;
    if (plain && isErrorId(user) && answered(() => hostUser(user)) === undefined) {
      if (su || from !== undefined) throw noLogin();
      return showId(user);
    }
    return showReport(explain(question), paint);
  },
});
