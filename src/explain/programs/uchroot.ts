import type { ByteString } from "../../../ffi/bytes.ts";
import { environment } from "../../../ffi/guard.ts";
import { withRightsOf } from "../../../ffi/rights.ts";
import { answered } from "../../cli/error.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { runChecks } from "../../enter/checks.ts";
import { NOT_CONFINED } from "../../enter/confine-session.ts";
import { copyRemedy, sectionLinesRemedy } from "../../enter/remedies.ts";
import { uchrootSettingsOf } from "../../enter/uchroot/facts.ts";
import { type GatheredUchrootFacts, gatherUchroot } from "../../enter/uchroot/gather.ts";
import { uchrootConfinement, uchrootEnvironment } from "../../enter/uchroot/uchroot.ts";
import type { Missing } from "../../libraries/dependency.ts";
import { commandAt } from "../../system/exchange.ts";
import { findProgram } from "../../system/run.ts";
import { callBy, explainUser, orUnknown, type Subject, type UserQuestion } from "../account.ts";
import { librarySteps } from "../libraries.ts";
import { limitSteps } from "../limits.ts";
import { UCHROOT_CHECKS } from "../login-checks.ts";
import type { LoginReport } from "../report.ts";
import { addChecks, stepsOf } from "../steps.ts";
import { closedSteps } from "./closed-places.ts";
import { confinedProgramSteps } from "./confined-program.ts";
import { confinementSteps, notRequired } from "./confinement.ts";
import { noexecSteps } from "./noexec.ts";
import { stoppedSteps } from "./stopped.ts";

const TOOL = "jk_uchroot";
const USUAL_PLACE = "/usr/bin/jk_uchroot";
const EXEC_FAILED = 111;
// The most likely service of the caller's login.
const LOGIN_SERVICE = "sshd";

/** A question about a call of jk_uchroot, and its caller. */
interface UchrootQuestion extends UserQuestion {
  jail: ByteString;
  program: ByteString;
  programArguments: readonly ByteString[];
}

/** Adds whether the program can be executed, and how. */
function explainProgram(report: LoginReport, question: UchrootQuestion, facts: GatheredUchrootFacts): void {
  const { program, programArguments, callerUid } = question;
  const jail = facts.jailPath();
  const inside = answered(() => facts.inJail());
  const settings = uchrootSettingsOf(facts);
  const inHome = (inside?.named ?? inside?.numbered)?.home ?? "";
  const confinement = uchrootConfinement(settings, inHome);
  const weaker = notRequired(facts.configFile, report.uchrootSection);
  const asked = { weaker, exitStatus: NOT_CONFINED };
  report.steps.push(...confinementSteps(TOOL, confinement, asked));
  const fact = facts.program();
  if (fact.kind === "file" && !fact.executable) {
    const place = `${jail}/${program.replace(/^\/+/, "")}`;
    const advice = commandAt(place, `chmod a+x ${shellWord(place)}`);
    const message = `${program} cannot be executed by the user`;
    report.steps.push(stepsOf(TOOL)("exec", "failed", message, advice, EXEC_FAILED));
    return;
  }
  const ending = ({ copy }: Missing) => ({ advice: copyRemedy(jail, ...copy), exitStatus: EXEC_FAILED });
  const libraries = librarySteps(TOOL, jail, program, ending);
  report.steps.push(...libraries);
  report.steps.push(
    ...confinedProgramSteps({
      ...{ stage: TOOL, root: jail, rootFd: facts.root().fd, program, confinement },
      notExecuted: EXEC_FAILED,
      settings: `section [${report.uchrootSection}] of ${facts.configFile}`,
    }),
  );
  const { configFile } = facts;
  const session = { stage: TOOL, root: jail, rootFd: facts.root().fd, confinement, home: inHome } as const;
  report.steps.push(
    ...noexecSteps(session),
    ...closedSteps(session, report.uid ?? 0),
    ...stoppedSteps({
      ...{ ...session, directory: "/", program: { path: program, args: programArguments } },
      adviceFor: (lines) => sectionLinesRemedy(configFile, report.uchrootSection ?? "DEFAULT", lines),
    }),
  );
  if (libraries.some(({ outcome }) => outcome === "failed")) return;
  // Only the caller knows the caller's environment.
  const given = callerUid === 0 ? [] : environment();
  const { env } = settings;
  const argv = [program, ...programArguments];
  report.command = { path: program, argv, environment: uchrootEnvironment(given, env) };
}

function explainChecks(report: LoginReport, question: UchrootQuestion, subject: Subject): void {
  const { jail, program } = question;
  const call = callBy(subject, TOOL, () => findProgram(TOOL) ?? USUAL_PLACE);
  const facts = gatherUchroot({ ...call, jail, program });
  const passed = addChecks(report, TOOL, runChecks(facts, UCHROOT_CHECKS));
  const settings = passed.has("config-file") ? facts.settings() : undefined;
  if (settings?.kind === "found") {
    report.uchrootSection = settings.section;
    report.keptVariables = settings.values.env;
  }
  if (!passed.has("jail-path")) return;
  report.jail = facts.jailPath();
  if (passed.has("program")) explainProgram(report, question, facts);
}

/** Explains a call of jk_uchroot by a user. Throws as explainUser. */
export function explainUchroot(question: UchrootQuestion): LoginReport {
  return explainUser(question, TOOL, (report, subject) => {
    report.steps.push(...limitSteps(subject.account, LOGIN_SERVICE));
    orUnknown(report, TOOL, () => withRightsOf(subject.who, () => explainChecks(report, question, subject)));
  });
}
