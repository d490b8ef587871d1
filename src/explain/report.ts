import type { ByteString } from "../../ffi/bytes.ts";
import { jsonText } from "../cli/display.ts";
import { jsonTextOrNull } from "../cli/report.ts";
import type { CheckOutcome } from "../enter/checks.ts";
import type { ExplainReport, StepReport } from "./report-schema.ts";

/** One step of a report. */
export interface ReportStep {
  stage: StepReport["stage"];
  name: string;
  outcome: CheckOutcome;
  message: ByteString;
  /** Empty if there is nothing to fix. Lines for a file are on lines of their own. */
  remedy: ByteString;
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

/** The step about sessions without a command. */
export const INTERACTIVE = "interactive";
/** The step about the commands of keys. */
export const KEY_COMMAND = "key-command";
/** The step about addresses that sshd refuses for a time. */
export const PENALTIES = "penalties";
/** The step about an sshd that is not running. */
export const NOT_RUNNING = "not-running";

/** Sets the verdict: the first failed step decides, else unknown steps make it unknown. */
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
    command:
      command === undefined
        ? null
        : {
            path: jsonText(command.path),
            argv: command.argv.map(jsonText),
            environment: command.environment.map(jsonText),
            umask: command.umask === undefined ? null : umaskText(command.umask),
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
