import type { ByteString } from "../../../ffi/bytes.ts";
import { withRightsOf } from "../../../ffi/rights.ts";
import { type Advice, inWords } from "../../cli/remedy.ts";
import { type Check, check, runChecks, settingsVerdict } from "../../enter/checks.ts";
import { NOT_CONFINED } from "../../enter/confine-session.ts";
import { CONFIG_FILE, gatherFacts, type Login } from "../../enter/gather.ts";
import {
  deliveryConfinement,
  gatherProcmail,
  isJailedHome,
  PROCMAIL,
  PROCMAIL_WRAPPER,
  TRY_AGAIN,
} from "../../enter/procmail/checks.ts";
import { copyRemedy, sectionLinesRemedy } from "../../enter/remedies.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { findProgram } from "../../system/run.ts";
import { callBy, explainUser, orUnknown, type Subject, type UserQuestion } from "../account.ts";
import { explainLost } from "../home-elsewhere.ts";
import { librarySteps } from "../libraries.ts";
import { MAIL_CHECKS } from "../login-checks.ts";
import type { LoginReport } from "../report.ts";
import { addChecks, stepsOf } from "../steps.ts";
import { closedSteps } from "./closed-places.ts";
import { confinedProgramSteps } from "./confined-program.ts";
import { confinementSteps, notRequired } from "./confinement.ts";
import { noexecSteps } from "./noexec.ts";
import { stoppedSteps } from "./stopped.ts";

const EXEC_FAILED = 111;

/** Adds whether procmail can start below `root`, and how. */
function explainProgram(report: LoginReport, root: ByteString, advice: Advice, environment: ByteString[]) {
  const ending = () => ({ advice, exitStatus: EXEC_FAILED });
  const libraries = librarySteps(PROCMAIL_WRAPPER, root, PROCMAIL, ending);
  report.steps.push(...libraries);
  if (libraries.every(({ outcome }) => outcome === "passed"))
    report.command = { path: PROCMAIL, argv: [PROCMAIL], environment };
}

const SETTINGS = "config-file";

/** The settings of jk_chrootsh.ini: a delivery keeps the mail while they cannot be used. */
const settingsCheck = (login: Login): Check =>
  check(SETTINGS, TRY_AGAIN, "the configuration cannot be used", ["account", "group", "separator"], () => {
    const { section, warnings } = gatherFacts(login).settings();
    const found =
      section === undefined
        ? "no section limits what procmail may do"
        : `section [${section}] of ${CONFIG_FILE}`;
    return settingsVerdict(found, warnings, CONFIG_FILE);
  });

/** Adds what jk_chrootsh.ini lets procmail do, and the programs of recipes. */
function explainConfined(report: LoginReport, login: Login, root: JailRoot, home: ByteString): void {
  const confinement = deliveryConfinement(login);
  const { section } = gatherFacts(login).settings();
  report.chrootshSection = section;
  const asked = { weaker: notRequired(CONFIG_FILE, section), exitStatus: NOT_CONFINED };
  const session = { stage: PROCMAIL_WRAPPER, root: root.path, rootFd: root.fd, confinement, home } as const;
  report.steps.push(
    ...confinementSteps(PROCMAIL_WRAPPER, confinement, asked),
    ...confinedProgramSteps({
      ...{ stage: PROCMAIL_WRAPPER, root: root.path, rootFd: root.fd, program: PROCMAIL, confinement },
      ...{ settings: `section [${section}] of ${CONFIG_FILE}`, notExecuted: EXEC_FAILED },
    }),
    ...noexecSteps(session),
    ...closedSteps(session, report.uid ?? 0),
    ...stoppedSteps({
      ...{ ...session, directory: home },
      program: { path: PROCMAIL, args: [] },
      adviceFor: (lines) => sectionLinesRemedy(CONFIG_FILE, section ?? "DEFAULT", lines),
    }),
  );
}

function explainDelivery(report: LoginReport, subject: Subject): void {
  const { home, name } = subject.account;
  const installed = () => findProgram(PROCMAIL_WRAPPER) ?? `/usr/sbin/${PROCMAIL_WRAPPER}`;
  const login = { ...callBy(subject, PROCMAIL_WRAPPER, installed), userVariable: undefined };
  const facts = gatherProcmail(login);
  const jailed = isJailedHome(home);
  const { host, jailedHost, inJail } = MAIL_CHECKS;
  const checks = [...host, ...(jailed ? [...jailedHost, settingsCheck(login), ...inJail] : [])];
  const passed = addChecks(report, PROCMAIL_WRAPPER, runChecks(facts, checks));
  const failed = checks.some((check) => !passed.has(check.name));
  if (!jailed) {
    const message = `the home ${home} is not in a jail: the host's ${PROCMAIL} delivers the mail`;
    report.steps.push(stepsOf(PROCMAIL_WRAPPER)("jail", "passed", message));
    if (!failed) explainProgram(report, "/", inWords("install procmail"), []);
    return;
  }
  const split = facts.split();
  if (split === undefined) return;
  report.jail = split.jail;
  report.home = split.home;
  const remedy = copyRemedy(split.jail, PROCMAIL);
  const environment = [`HOME=${split.home}`, `USER=${name}`];
  if (passed.has(SETTINGS) && passed.has("jail-path"))
    explainConfined(report, login, facts.root(), split.home);
  if (!failed) explainProgram(report, split.jail, remedy, environment);
}

/** Explains mail to a user through jk_procmailwrapper. Throws as explainUser. */
export function explainMail(question: UserQuestion): LoginReport {
  return explainUser(question, PROCMAIL_WRAPPER, (report, subject) => {
    orUnknown(report, PROCMAIL_WRAPPER, () =>
      withRightsOf(subject.who, () => explainDelivery(report, subject)),
    );
    explainLost(report, subject.account, subject.onBehalf);
  });
}
