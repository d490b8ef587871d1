import type { ByteString } from "../../ffi/bytes.ts";
import { display, displayAgain } from "../cli/display.ts";
import { shortened, table, widest } from "../cli/table.ts";
import { chosen, commandForAll } from "./findings.ts";
import type { MachineFacts } from "./gather.ts";
import type { StatusFinding } from "./kinds.ts";
import type { Moment, Span, StatusNumbers } from "./numbers.ts";

/** The width of the page. */
const WIDTH = 80;
const GAP = "  ";
const MOST_FINDINGS = 10;
// Of these, some take a line for their command.
const MOST_LINES = 11;
// What is left for the subject of a finding tells jails apart.
const WIDEST_COMMAND = 44;
const LABEL = "Configuration".length;

const number = (count: number, what: string) => `${count} ${what}`;
/** Parts without those whose number is 0. */
const nonZero = (parts: readonly (readonly [number, string])[]) =>
  parts.flatMap(([count, what]) => (count === 0 ? [] : [number(count, what)]));

/** Lines with a label and items, as many items on each as fit. */
function row(label: string, items: readonly ByteString[]): ByteString[] {
  const room = WIDTH - LABEL - GAP.length;
  const lines: ByteString[] = [];
  for (const [index, item] of items.entries()) {
    const end = index === items.length - 1 ? "" : ",";
    const part = shortened(item, room - end.length) + end;
    const last = lines.at(-1);
    const longer = last === undefined ? part : `${last} ${part}`;
    if (last !== undefined && widest([longer]) <= room) lines[lines.length - 1] = longer;
    else lines.push(part);
  }
  return lines.map((line, index) => `${(index === 0 ? label : "").padEnd(LABEL)}${GAP}${line}`);
}

function versionItems(facts: MachineFacts): ByteString[] {
  const { jailkit, kernel, landlock, filters, openssh } = facts;
  return [
    jailkit,
    `Linux ${display(kernel ?? "of unknown version")}`,
    landlock === 0 ? "no Landlock" : `Landlock ${landlock}`,
    filters ? "seccomp" : "no seccomp",
    openssh ?? "no sshd",
  ];
}

// Nearly always there is one.
const MOST_PROGRAMS = 2;

function loginItems({ logins }: MachineFacts): ByteString[] {
  if (logins.length === 0) return ["jk_chrootsh is not installed"];
  const shown = logins.slice(0, MOST_PROGRAMS).map(({ reason }) => displayAgain(reason));
  return [...shown, ...nonZero([[logins.length - shown.length, "more"]])];
}

function jailItems({ jails }: StatusNumbers): ByteString[] {
  if (jails === undefined) return ["unknown"];
  if (jails.total === 0) return ["none"];
  const states = Object.entries(jails.byState).map(([state, count]) => [count, state] as const);
  return [number(jails.total, "in all"), ...nonZero(states)];
}

function userItems({ users }: StatusNumbers): ByteString[] {
  const { total, fromServices, inMissingJails, withoutJail, more } = users;
  const parts = nonZero([
    [fromServices, "of a name service"],
    [inMissingJails, "in jails that do not exist"],
    [withoutJail, "in no jail"],
  ]);
  const unknown = more === undefined ? [] : ["perhaps more"];
  return [total === 0 ? "none" : number(total, "in all"), ...parts, ...unknown];
}

function mountItems({ mounts: { total, lacking } }: StatusNumbers): ByteString[] {
  if (total === 0) return ["none"];
  return [number(total - lacking, "mounted"), ...nonZero([[lacking, "not as they should be"]])];
}

function socketItems({ logSockets }: StatusNumbers): ByteString[] {
  const { running, configured, served, working, overLimit } = logSockets;
  const wanted = configured === undefined ? "configuration unknown" : number(configured, "configured");
  if (!running) return configured === 0 ? ["none"] : ["jk_socketd does not run", wanted];
  const limited = nonZero([[overLimit, "over the limit"]]);
  return ["jk_socketd runs", wanted, `${working} of ${served} work`, ...limited];
}

// Two days and two of these fit on a line.
const WIDEST_JAIL = 19;

/** The days, of UTC, as in --json. */
function spanItems(span: Span | undefined): ByteString[] {
  if (span === undefined) return ["never"];
  const { oldest, newest } = span;
  const day = (time: number) => new Date(time * 1000).toISOString().slice(0, 10);
  const item = ({ jail, time }: Moment) => `${day(time)} ${shortened(display(jail), WIDEST_JAIL)}`;
  return [oldest === newest ? item(oldest) : `${item(oldest)} to ${item(newest)}`];
}

function configItems({ config: { files, errors, warnings } }: StatusNumbers): ByteString[] {
  const problems = nonZero([
    [errors, errors === 1 ? "error" : "errors"],
    [warnings, warnings === 1 ? "warning" : "warnings"],
  ]);
  return [
    number(files, files === 1 ? "file in /etc/jailkit" : "files in /etc/jailkit"),
    ...(problems.length === 0 ? ["no errors"] : problems),
  ];
}

/** The lines of a command that is too long to stand in the table; undefined if they would not fit either. */
function commandLines(command: ByteString): ByteString[] | undefined {
  // A quoted word could have the same text in it, and would be another with a line break.
  const parts = /['"\\$]/.test(command) ? [command] : command.split(" && ");
  const lines = parts.map((part, index) => `    ${part}${index === parts.length - 1 ? "" : " &&"}`);
  return lines.length <= 3 && widest(lines) <= WIDTH ? lines : undefined;
}

interface FindingRow {
  readonly cells: readonly [ByteString, ByteString, ByteString];
  readonly below: readonly ByteString[];
}

/** The other way, with its command in a line of its own if one has no room for both. */
function otherLines(otherwise: ByteString): ByteString[] {
  const whole = `    or, ${otherwise}`;
  const [when, command] = otherwise.split(/: (.*)/s);
  return widest([whole]) <= WIDTH || command === undefined
    ? [whole]
    : [`    or, ${when}:`, `        ${command}`];
}

/** A command is never cut, since what is left could be another command: a shorter one takes its place. */
function findingRow({ kind, subject, otherwise, commands, count }: Alike): FindingRow {
  const shown = display(subject) + (count === 1 ? "" : ` (${count})`);
  const others = otherwise === undefined ? [] : otherLines(otherwise);
  // One way without the other could be the wrong one.
  for (const command of widest(others) <= WIDTH ? commands : []) {
    if (widest([command]) <= WIDEST_COMMAND) return { cells: [kind, shown, command], below: others };
    const below = commandLines(command);
    if (below !== undefined) return { cells: [kind, shown, ""], below: [...below, ...others] };
  }
  return { cells: [kind, shown, "jailkit status --json"], below: [] };
}

/** Findings of which the page would have equal rows, such as several errors in a line of a file. */
interface Alike extends StatusFinding {
  readonly count: number;
}

function withoutEqual(findings: readonly StatusFinding[]): Alike[] {
  const rowOf = ({ kind, subject, otherwise, commands }: StatusFinding) =>
    [kind, subject, otherwise, ...commands].join("\0");
  return [...Map.groupBy(findings, rowOf).values()].flatMap(([first, ...more]) =>
    first === undefined ? [] : [{ ...first, count: 1 + more.length }],
  );
}

function findingLines(all: readonly StatusFinding[]): ByteString[] {
  if (all.length === 0) return ["Nothing needs attention."];
  const findings = withoutEqual(all);
  const shown = chosen(findings, MOST_FINDINGS);
  const rows: FindingRow[] = [];
  let lines = 0;
  for (const one of shown.map(findingRow)) {
    lines += 1 + one.below.length;
    if (lines > MOST_LINES) break;
    rows.push(one);
  }
  const kinds = widest(["FINDING", ...rows.map(({ cells }) => cells[0])]);
  const commands = widest(["COMMAND", ...rows.map(({ cells }) => cells[2])]);
  const room = WIDTH - kinds - commands - 2 * GAP.length;
  const cells = rows.map(({ cells: [kind, subject, command] }) => [kind, shortened(subject, room), command]);
  const [heading = "", ...aligned] = table([["FINDING", "SUBJECT", "COMMAND"], ...cells]);
  const whole = aligned.flatMap((line, index) => [line, ...(rows[index]?.below ?? [])]);
  const hidden = findings.filter((one) => !shown.slice(0, rows.length).includes(one));
  const others = hidden.reduce((sum, { count }) => sum + count, 0);
  const more = hidden.length === 0 ? [] : [`and ${others} more: ${commandForAll(hidden)}`];
  return [heading, ...whole, ...more];
}

/** The page, as lines of at most 80 characters. Pure. */
export function pageLines(
  facts: MachineFacts,
  numbers: StatusNumbers,
  findings: readonly StatusFinding[],
): ByteString[] {
  const { declarations, isMainUsed = false } = facts;
  const inDirectory = `${declarations === 1 ? "file" : "files"} in /etc/jailkit/jails.d`;
  const declared = [
    ...(isMainUsed ? ["/etc/jailkit/jails.ini"] : []),
    ...(declarations === undefined || (isMainUsed && declarations === 0)
      ? []
      : [number(declarations, inDirectory)]),
  ];
  return [
    ...row("jailkit", versionItems(facts)),
    ...row("Logins", loginItems(facts)),
    ...row("Jails", jailItems(numbers)),
    ...row("Users", userItems(numbers)),
    ...row("Live mounts", mountItems(numbers)),
    ...row("Log sockets", socketItems(numbers)),
    ...row("Requested", spanItems(numbers.requested)),
    ...row("Changed", spanItems(numbers.written)),
    ...row("Configuration", configItems(numbers)),
    ...(declared.length === 0 ? [] : row("Declarations", declared)),
    "",
    ...findingLines(findings),
    "",
    !isMainUsed && (declarations ?? 0) === 0
      ? "jk_check looks at the contents of jails."
      : "jk_check looks into jails, and 'jailkit apply --check' at their declarations.",
  ];
}
