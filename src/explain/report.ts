import type { ByteString } from "../../ffi/bytes.ts";
import { type Paint, plain, type Tone } from "../cli/colour.ts";
import { display, displayAgain, jsonText } from "../cli/display.ts";
import { jsonTextOrNull } from "../cli/report.ts";
import { type CheckOutcome, NOT_LOOKED_AT } from "../enter/checks.ts";
import type { ExplainReport, StepReport } from "./report-schema.ts";

/** One thing that was looked at. */
export interface ReportStep {
  stage: StepReport["stage"];
  name: string;
  outcome: CheckOutcome;
  message: ByteString;
  /** Empty where there is nothing to mend. Lines to write into a file stand on lines of their own. */
  remedy: ByteString;
  /** What the program of the stage would end with; undefined for the other stages. */
  exitStatus?: number | undefined;
}

/** The program that the login ends in. */
export interface ReportedCommand {
  path: ByteString;
  argv: ByteString[];
  environment: ByteString[];
  /** The umask that is set for it; undefined: as the session has it. */
  umask: number | undefined;
}

/** What a login, or a call of jk_uchroot, would do. */
export interface LoginReport {
  about: ExplainReport["about"];
  user: ByteString;
  uid: number | undefined;
  verdict: ExplainReport["verdict"];
  /** sshd serves the login itself: the login shell is never run. */
  unjailed: boolean;
  /** The root directory in which it does, by ChrootDirectory. */
  heldBySshd?: ByteString | undefined;
  /** What a refused login ends with. */
  exitStatus: number | undefined;
  loginShell: ByteString | undefined;
  jail: ByteString | undefined;
  home: ByteString | undefined;
  /** The section of jk_chrootsh.ini, of jk_lsh.ini and of jk_uchroot.ini that apply. */
  chrootshSection: ByteString | undefined;
  lshSection: ByteString | undefined;
  uchrootSection: ByteString | undefined;
  /** The shell in the jail; "internal" where it is the one inside jk_chrootsh. */
  shell: ByteString | undefined;
  internalShell: boolean;
  /** Names of variables that are kept if the session has them. */
  keptVariables: ByteString[];
  command: ReportedCommand | undefined;
  steps: ReportStep[];
}

/** A report in which nothing is known yet. */
export function emptyReport(user: ByteString, about: LoginReport["about"] = "login"): LoginReport {
  return {
    about,
    user,
    uid: undefined,
    verdict: "unknown",
    unjailed: false,
    exitStatus: undefined,
    loginShell: undefined,
    jail: undefined,
    home: undefined,
    chrootshSection: undefined,
    lshSection: undefined,
    uchrootSection: undefined,
    shell: undefined,
    internalShell: false,
    keptVariables: [],
    command: undefined,
    steps: [],
  };
}

/** The exit status of `jailkit explain` for a report: 0 works, 1 refused, 2 may fail, or is not jailed. */
export function reportStatus({ verdict }: LoginReport): number {
  return { works: 0, refused: 1, unknown: 2, "not-jailed": 2 }[verdict];
}

const TONES: Readonly<Partial<Record<CheckOutcome, Tone>>> = {
  passed: "good",
  warned: "caution",
  failed: "bad",
  unknown: "caution",
};

const LABELS: Readonly<Record<CheckOutcome, string>> = {
  passed: "ok",
  warned: "warning",
  failed: "FAILED",
  skipped: "skipped",
  unknown: "unknown",
};

/** The step that tells that a session without a command is refused. */
export const INTERACTIVE = "interactive";
/** The step about the commands of keys. */
export const KEY_COMMAND = "key-command";
/** The step that tells that sshd turns addresses away for a time. */
export const PENALTIES = "penalties";

const octal = (mask: number) => mask.toString(8).padStart(3, "0");

/** An argument vector so that where each argument ends can be seen. */
function words(argv: readonly ByteString[]): ByteString {
  return argv.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${display(word)}'`)).join(" ");
}

/** Works out the verdict from the steps: the first that fails decides, and what is unknown leaves it open. */
export function judgeReport(report: LoginReport): void {
  const failed = report.steps.find((step) => step.outcome === "failed");
  if (failed !== undefined) {
    report.verdict = "refused";
    report.exitStatus = failed.exitStatus;
    return;
  }
  const open = report.steps.some((step) => step.outcome === "unknown");
  const free = report.unjailed && report.heldBySshd === undefined;
  report.verdict = open ? "unknown" : free ? "not-jailed" : "works";
}

function verdictLine(report: LoginReport): ByteString {
  const { about, verdict, exitStatus, user, steps, heldBySshd } = report;
  const name = display(user);
  const subject = {
    login: "A login of",
    jk_uchroot: "jk_uchroot for",
    jk_procmailwrapper: "Mail for",
    jk_chrootlaunch: "jk_chrootlaunch as",
  }[about];
  if (verdict === "works" && report.unjailed)
    return `${subject} ${name} would work: sshd serves it itself, in ${display(heldBySshd ?? "/")} (ChrootDirectory), and never runs the login shell.`;
  if (verdict === "works") {
    const told = (wanted: string) =>
      steps.some(({ name: check, outcome }) => check === wanted && outcome === "warned");
    const single = told(INTERACTIVE) ? ", for single commands alone" : "";
    const unless = told(PENALTIES) ? ", from an address that sshd does not turn away just now" : "";
    return `${subject} ${name} would work${single}${unless}.`;
  }
  if (verdict === "not-jailed")
    return `${subject} ${name} would work, and is NOT JAILED: sshd serves it itself and never runs the login shell.`;
  if (verdict === "unknown") {
    const open = steps
      .filter(({ outcome }) => outcome === "unknown")
      .map(({ stage, name }) => `${stage} ${name}`);
    return `${subject} ${name} may fail: it depends on what is not known (${open.join(", ")}).`;
  }
  const status = exitStatus === undefined ? "" : ` with exit status ${exitStatus}`;
  return `${subject} ${name} would be refused${status}.`;
}

const VERDICT_TONES: Readonly<Record<LoginReport["verdict"], Tone>> = {
  works: "good",
  refused: "bad",
  unknown: "caution",
  "not-jailed": "bad",
};

/** The word for an outcome, with blanks behind it up to the width of the longest. */
function label(outcome: CheckOutcome, paint: Paint): ByteString {
  const word = LABELS[outcome];
  const tone = TONES[outcome];
  return `${tone === undefined ? word : paint(tone, word)}${" ".repeat(8 - word.length)}`;
}

/** A report for people: lines of printable text. */
export function reportLines(report: LoginReport, paint: Paint = plain): ByteString[] {
  const lines: ByteString[] = [];
  let stage: string | undefined;
  const skipped: ByteString[] = [];
  for (const step of report.steps) {
    if (step.outcome === "skipped" && step.message.startsWith(NOT_LOOKED_AT)) {
      skipped.push(step.name);
      continue;
    }
    if (step.stage !== stage) lines.push(`${step.stage}:`);
    stage = step.stage;
    const status =
      step.outcome === "failed" && step.exitStatus !== undefined ? ` [exit ${step.exitStatus}]` : "";
    lines.push(`  ${label(step.outcome, paint)} ${step.name}: ${displayAgain(step.message)}${status}`);
    if (step.remedy !== "" && step.outcome !== "passed") {
      const [first = "", ...more] = step.remedy.split("\n").map(displayAgain);
      lines.push(`           remedy: ${first}`, ...more.map((line) => `             ${line}`));
    }
  }
  if (skipped.length > 0)
    lines.push(`  ${label("skipped", paint)} what builds on that: ${skipped.join(", ")}`);
  const facts: [string, ByteString | undefined][] = [
    ["jail", report.jail],
    ["home", report.home],
    ["jk_chrootsh.ini", report.chrootshSection && `section [${report.chrootshSection}]`],
    ["jk_lsh.ini", report.lshSection && `section [${report.lshSection}]`],
    ["jk_uchroot.ini", report.uchrootSection && `section [${report.uchrootSection}]`],
    ["shell", report.shell && `${report.shell}${report.internalShell ? " (inside jk_chrootsh)" : ""}`],
    ["kept variables", report.keptVariables.join(" ")],
  ];
  lines.push(report.about === "login" ? "login:" : "call:");
  for (const [name, value] of facts) {
    if (value !== undefined && value !== "") lines.push(`  ${name}: ${display(value)}`);
  }
  const { command } = report;
  if (command !== undefined) {
    lines.push(`  executes: ${display(command.path)}`, `  arguments: ${words(command.argv)}`);
    for (const entry of command.environment) lines.push(`  environment: ${display(entry)}`);
    if (command.umask !== undefined) lines.push(`  umask: ${octal(command.umask)}`);
  }
  const byKey = report.steps.some(({ name, outcome }) => name === KEY_COMMAND && outcome === "warned");
  if (byKey)
    lines.push("This is a login by key; a login by password is not held to the command of the keys.");
  lines.push(paint(VERDICT_TONES[report.verdict], verdictLine(report)));
  return lines;
}

/** A report in JSON. */
export function explainReport(report: LoginReport): ExplainReport {
  const { command } = report;
  return {
    version: 1,
    tool: "jailkit explain",
    about: report.about,
    user: jsonText(report.user),
    uid: report.uid ?? null,
    verdict: report.verdict,
    exitStatus: report.exitStatus ?? null,
    loginShell: jsonTextOrNull(report.loginShell),
    jail: jsonTextOrNull(report.jail),
    home: jsonTextOrNull(report.home),
    chrootshSection: jsonTextOrNull(report.chrootshSection),
    lshSection: jsonTextOrNull(report.lshSection),
    uchrootSection: jsonTextOrNull(report.uchrootSection),
    shell: jsonTextOrNull(report.shell),
    internalShell: report.internalShell,
    keptVariables: report.keptVariables.map(jsonText),
    command:
      command === undefined
        ? null
        : {
            path: jsonText(command.path),
            argv: command.argv.map(jsonText),
            environment: command.environment.map(jsonText),
            umask: command.umask === undefined ? null : octal(command.umask),
          },
    steps: report.steps.map((step) => ({
      stage: step.stage,
      name: step.name,
      outcome: step.outcome,
      message: jsonText(step.message),
      remedy: step.remedy === "" ? null : jsonText(step.remedy),
      exitStatus: step.exitStatus ?? null,
    })),
  };
}
