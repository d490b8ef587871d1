import type { ByteString } from "../../ffi/bytes.ts";
import { jsonText } from "../cli/display.ts";
import type { Remedy } from "../cli/remedy.ts";
import { jsonTextOrNull, remedyText } from "../cli/report.ts";
import type { CheckOutcome } from "../enter/checks.ts";
import type { ExplainReport, StepReport } from "./report-schema.ts";

/** One step of a report. */
export interface ReportStep {
  stage: StepReport["stage"];
  name: string;
  outcome: CheckOutcome;
  message: ByteString;
  /** Empty if there is nothing to fix. Lines for a file are on lines of their own. */
  remedy: Remedy;
  /** The exit status of the program of the stage; undefined for other stages. */
  exitStatus?: number | undefined;
}

interface ReportedCommand {
  path: ByteString;
  argv: ByteString[];
  environment: ByteString[];
  /** The umask that is set for it; undefined: the umask of the session. */
  umask?: number | undefined;
}

/** The result of a login, or of a call of jk_uchroot. */
export interface LoginReport {
  about: ExplainReport["about"];
  user: ByteString;
  uid?: number | undefined;
  verdict: ExplainReport["verdict"];
  /** sshd serves the login itself: the login shell is never run. */
  unjailed: boolean;
  /** The root directory in which sshd serves it (ChrootDirectory). */
  heldBySshd?: ByteString | undefined;
  /** The exit status of a refused login. */
  exitStatus?: number | undefined;
  loginShell?: ByteString | undefined;
  jail?: ByteString | undefined;
  home?: ByteString | undefined;
  /** The sections of jk_chrootsh.ini, jk_lsh.ini and jk_uchroot.ini that apply. */
  chrootshSection?: ByteString | undefined;
  lshSection?: ByteString | undefined;
  uchrootSection?: ByteString | undefined;
  /** The shell in the jail. */
  shell?: ByteString | undefined;
  /** The shell is the one inside jk_chrootsh. */
  internalShell: boolean;
  /** Names of variables that are kept if the session has them. */
  keptVariables: ByteString[];
  command?: ReportedCommand | undefined;
  steps: ReportStep[];
}

/** An empty report. */
export function emptyReport(user: ByteString, about: LoginReport["about"] = "login"): LoginReport {
  return {
    about,
    user,
    verdict: "unknown",
    unjailed: false,
    internalShell: false,
    keptVariables: [],
    steps: [],
  };
}

/** The exit status of `jailkit explain` for a report. */
export function reportStatus({ verdict }: LoginReport): number {
  return { works: 0, refused: 1, unknown: 2, "not-jailed": 2 }[verdict];
}

// The steps on which the last line of a report depends.
export const INTERACTIVE = "interactive";
export const KEY_COMMAND = "key-command";
export const PENALTIES = "penalties";
export const NOT_RUNNING = "not-running";

/** Sets the verdict: the first failed step decides, else unknown steps make it unknown. */
export function judgeReport(report: LoginReport): void {
  const first = (wanted: CheckOutcome) => report.steps.find(({ outcome }) => outcome === wanted);
  const failed = first("failed");
  report.exitStatus = failed?.exitStatus;
  const isFree = report.unjailed && report.heldBySshd === undefined;
  const otherwise = isFree ? "not-jailed" : "works";
  report.verdict = failed ? "refused" : first("unknown") ? "unknown" : otherwise;
}

/** A umask with three octal digits. */
export const umaskText = (mask: number): string => mask.toString(8).padStart(3, "0");

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
    command: command === undefined ? null : commandReport(command),
    steps: report.steps.map(({ stage, name, outcome, message, remedy, exitStatus = null }) => {
      return { stage, name, outcome, message: jsonText(message), remedy: remedyText(remedy), exitStatus };
    }),
  };
}

const commandReport = ({ path, argv, environment, umask }: ReportedCommand) => ({
  path: jsonText(path),
  argv: argv.map(jsonText),
  environment: environment.map(jsonText),
  umask: umask === undefined ? null : umaskText(umask),
});
