import type { ByteString } from "../../ffi/bytes.ts";
import { type Paint, plain, type Tone } from "../cli/colour.ts";
import { display, displayAgain } from "../cli/display.ts";
import { type CheckOutcome, NOT_LOOKED_AT } from "../enter/checks.ts";
import {
  INTERACTIVE,
  KEY_COMMAND,
  type LoginReport,
  NOT_RUNNING,
  PENALTIES,
  type ReportStep,
  umaskText,
} from "./report.ts";

const LABELS: Readonly<Record<CheckOutcome, [label: string, tone?: Tone]>> = {
  passed: ["ok", "good"],
  warned: ["warning", "caution"],
  failed: ["FAILED", "bad"],
  skipped: ["skipped"],
  unknown: ["unknown", "caution"],
};
const LABEL_WIDTH = 8;

const VERDICT_TONES: Readonly<Record<LoginReport["verdict"], Tone>> = {
  works: "good",
  refused: "bad",
  unknown: "caution",
  "not-jailed": "bad",
};

const SUBJECTS: Readonly<Record<LoginReport["about"], string>> = {
  login: "A login of",
  jk_uchroot: "jk_uchroot for",
  jk_procmailwrapper: "Mail for",
  jk_chrootlaunch: "jk_chrootlaunch as",
};

/** A report as lines of printable text. */
export function reportLines(report: LoginReport, paint: Paint = plain): ByteString[] {
  const byKey = isWarned(report, KEY_COMMAND);
  return [
    ...stepLines(report.steps, paint),
    ...factLines(report),
    ...(byKey
      ? ["This answer is about a login by key; a login by password ignores the command of the keys."]
      : []),
    paint(VERDICT_TONES[report.verdict], verdictLine(report)),
  ];
}

/** The steps by stage. Checks that depend on a failed one are in one line. */
function stepLines(steps: readonly ReportStep[], paint: Paint): ByteString[] {
  const isShown = ({ outcome, message }: ReportStep) =>
    outcome !== "skipped" || !message.startsWith(NOT_LOOKED_AT);
  const shown = steps.filter(isShown);
  const skipped = steps.filter((step) => !isShown(step)).map(({ name }) => name);
  const lines = shown.flatMap((step, index) => {
    const heading = step.stage === shown[index - 1]?.stage ? [] : [`${step.stage}:`];
    return [...heading, stepLine(step, paint), ...remedyLines(step)];
  });
  if (skipped.length === 0) return lines;
  return [...lines, `  ${label("skipped", paint)} checks that build on that: ${skipped.join(", ")}`];
}

function stepLine({ outcome, name, message, exitStatus }: ReportStep, paint: Paint): ByteString {
  const status = outcome === "failed" && exitStatus !== undefined ? ` [exit ${exitStatus}]` : "";
  return `  ${label(outcome, paint)} ${name}: ${displayAgain(message)}${status}`;
}

function remedyLines({ outcome, remedy }: ReportStep): ByteString[] {
  if (remedy === "") return [];
  const [first = "", ...more] = remedy.split("\n").map(displayAgain);
  return [
    `           ${outcome === "passed" ? "advice" : "remedy"}: ${first}`,
    ...more.map((line) => `             ${line}`),
  ];
}

function label(outcome: CheckOutcome, paint: Paint): ByteString {
  const [word, tone] = LABELS[outcome];
  return `${tone === undefined ? word : paint(tone, word)}${" ".repeat(LABEL_WIDTH - word.length)}`;
}

/** The facts about the login itself, and the program that it executes. */
function factLines(report: LoginReport): ByteString[] {
  const section = (name: ByteString | undefined) => name && `section [${name}]`;
  const facts: [string, ByteString | undefined][] = [
    ["jail", report.jail],
    ["home", report.home],
    ["jk_chrootsh.ini", section(report.chrootshSection)],
    ["jk_lsh.ini", section(report.lshSection)],
    ["jk_uchroot.ini", section(report.uchrootSection)],
    ["shell", report.shell && `${report.shell}${report.internalShell ? " (inside jk_chrootsh)" : ""}`],
    ["kept variables", report.keptVariables.join(" ")],
  ];
  const lines = [report.about === "login" ? "login:" : "call:"];
  for (const [name, value] of facts) if (value) lines.push(`  ${name}: ${display(value)}`);
  const { command } = report;
  if (command === undefined) return lines;
  lines.push(`  executes: ${display(command.path)}`, `  arguments: ${words(command.argv)}`);
  for (const entry of command.environment) lines.push(`  environment: ${display(entry)}`);
  if (command.umask !== undefined) lines.push(`  umask: ${umaskText(command.umask)}`);
  return lines;
}

/** Arguments; those with unusual characters are quoted, to show where they end. */
function words(argv: readonly ByteString[]): ByteString {
  return argv.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${display(word)}'`)).join(" ");
}

const isWarned = ({ steps }: LoginReport, wanted: string) =>
  steps.some(({ name, outcome }) => name === wanted && outcome === "warned");

function verdictLine(report: LoginReport): ByteString {
  const { verdict, exitStatus, steps } = report;
  const subject = `${SUBJECTS[report.about]} ${display(report.user)}`;
  switch (verdict) {
    case "works":
      return `${subject} would work${conditions(report)}.`;
    case "not-jailed":
      return `${subject} would work, and is NOT JAILED: sshd serves it itself and never runs the login shell.`;
    case "unknown": {
      const open = steps.filter(({ outcome }) => outcome === "unknown");
      const names = open.map(({ stage, name }) => `${stage} ${name}`).join(", ");
      return `${subject} may fail: it depends on something unknown (${names}).`;
    }
    case "refused": {
      const status = exitStatus === undefined ? "" : ` with exit status ${exitStatus}`;
      return `${subject} would be refused${status}.`;
    }
  }
}

/** The conditions under which a login works. */
function conditions(report: LoginReport): ByteString {
  if (report.unjailed) {
    const root = display(report.heldBySshd ?? "/");
    return `: sshd serves it itself, in ${root} (ChrootDirectory), and never runs the login shell`;
  }
  const single = isWarned(report, INTERACTIVE) ? ", for single commands only" : "";
  const penalties = report.steps.some(({ name }) => name === PENALTIES);
  const unless = penalties ? ", from an address that sshd does not refuse at the moment" : "";
  const running = report.steps.some(({ name }) => name === NOT_RUNNING) ? ", once sshd runs" : "";
  return `${single}${unless}${running}`;
}
