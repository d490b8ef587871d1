import type { ByteString } from "../../ffi/bytes.ts";
import { baseName } from "../../ffi/paths.ts";
import { display, displayAgain, jsonText } from "../cli/display.ts";
import { describeError } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { jsonTextOrNull, remedyText } from "../cli/report.ts";
import { shellWord } from "../cli/shell-word.ts";
import { passwdByUid } from "../system/accounts.ts";
import { type LogEntry, type LogSearch, searchLogs } from "../system/log-search.ts";
import type { LoginReport, ReportStep } from "./report.ts";
import type { IdReport } from "./report-schema.ts";

interface LoggedRefusal {
  entry: LogEntry;
  uid: number | undefined;
  check: ByteString | undefined;
  reason: ByteString;
  /** The reason why the line may be forged, if any. */
  doubt: ByteString | undefined;
}

/** True if it would still be refused; undefined if unknown. */
interface CurrentState {
  refused: boolean | undefined;
  message: ByteString;
  remedy: Remedy;
}

interface ExplainedId {
  id: ByteString;
  refusals: LoggedRefusal[];
  unread: ByteString[];
  now: CurrentState | undefined;
}

const ID = /^JK-[A-Z2-7]{8}$/;
const PROGRAMS = ["jk_chrootsh", "jk_lsh", "jk_uchroot", "jk_procmailwrapper"];
/** Programs besides one of its own name that write its lines. */
const WRITERS: Readonly<Record<string, ByteString>> = { jk_lsh: "jk_chrootsh" };
/** The names of the steps of explain for checks that are called otherwise in the log. */
const STEPS: Readonly<Record<string, string>> = { "config-invalid": "policy" };

/** True for an error id. */
export const isErrorId = (word: ByteString): boolean => ID.test(word);

/** The reason why a line may be forged: any user can write to the log. */
function doubtOf({ ident, message, sender }: LogEntry, uid: number | undefined): ByteString | undefined {
  // jk_socketd adds one of these to every line from a jail.
  if (/ \(jail=.* uid=\d+\)$|,"jk_socketd":\{.*\}\}$/s.test(message)) return "it was sent from inside a jail";
  if (!PROGRAMS.includes(ident)) return `it comes from ${display(ident)}, which has no error ids`;
  if (sender === undefined) return undefined;
  if (!["", "jailkit", ident, WRITERS[ident]].includes(baseName(sender.program)))
    return `the journal says that ${display(sender.program)} wrote it, not ${ident}`;
  return uid !== undefined && uid !== sender.uid
    ? `the journal says that uid ${sender.uid} wrote it, not uid ${uid}`
    : undefined;
}

/** A text of JSON as bytes of UTF-8; undefined for anything else. */
const bytesOf = (value: unknown): ByteString | undefined =>
  typeof value === "string" ? Buffer.from(value, "utf8").toString("latin1") : undefined;

/** The value at names, one in the other. */
function member(value: unknown, ...names: string[]): unknown {
  let found = value;
  for (const name of names) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, name)) return undefined;
    found = Reflect.get(found, name);
  }
  return found;
}

/** The same for a line with `log_format = json`. */
function parseEvent(id: ByteString, entry: LogEntry): LoggedRefusal | undefined {
  let event: unknown;
  try {
    event = JSON.parse(entry.message);
  } catch {
    return undefined;
  }
  const text = (...names: string[]) => bytesOf(member(event, ...names));
  if (text("error", "id") !== id || text("event", "type", "0") !== "denied") return undefined;
  const number = text("user", "id") ?? "";
  const uid = /^\d{1,10}$/.test(number) ? Number(number) : entry.sender?.uid;
  const reason = text("event", "reason") ?? text("message") ?? "";
  return { entry, uid, check: text("event", "code"), reason, doubt: doubtOf(entry, uid) };
}

/** Parses a line of the log; undefined if it is not a refusal with this id. */
export function parseRefusal(id: ByteString, entry: LogEntry): LoggedRefusal | undefined {
  const { message } = entry;
  if (message.startsWith("{")) return parseEvent(id, entry);
  if (!message.startsWith(`${id}: `)) return undefined;
  const text = message.slice(id.length + 2);
  // The guard refused before any check: ffi/guard/refusal.c
  const [, limited, why = ""] = /^uid (\d+): (.*)$/s.exec(text) ?? [];
  if (limited !== undefined) {
    const uid = Number(limited);
    return { entry, uid, check: "limits", reason: why, doubt: doubtOf(entry, uid) };
  }
  // The remedy in the log is ignored: root must not type a command that somebody wrote into a log.
  const [, reason = text, check, number] =
    /^(.*) \(check ([a-z-]+), uid (\d+)\)(?:; remedy: .*)?$/s.exec(text) ?? [];
  const uid = number === undefined ? entry.sender?.uid : Number(number);
  return { entry, uid, check, reason, doubt: doubtOf(entry, uid) };
}

const unknown = (message: ByteString): CurrentState => ({ refused: undefined, message, remedy: "" });

/** The present outcome of the check that failed then. */
function currentState({ check, entry }: LoggedRefusal, report: LoginReport): CurrentState {
  const same = (step: ReportStep) =>
    (step.stage === entry.ident && step.name === (STEPS[check ?? ""] ?? check)) ||
    (step.stage === "limits" && check === "limits");
  const steps = report.steps.filter(same);
  const worst = steps.find(({ outcome }) => outcome === "failed") ?? steps[0];
  if (worst === undefined) return unknown("this check no longer applies to the account");
  const { outcome, message, remedy } = worst;
  const isKnown = outcome === "failed" || outcome === "passed" || outcome === "warned";
  return { refused: isKnown ? outcome === "failed" : undefined, message, remedy };
}

/** A new report about an account and the program that refused it; undefined if more input is needed. */
type AskAgain = (program: ByteString, user: ByteString) => LoginReport | undefined;

function askNow(refusal: LoggedRefusal, again: AskAgain): CurrentState {
  const account = refusal.uid === undefined ? undefined : passwdByUid(refusal.uid);
  if (account === undefined) return unknown("the account does not exist any more");
  try {
    const report = again(refusal.entry.ident, account.name);
    if (report !== undefined) return currentState(refusal, report);
    const command = `jailkit explain -j JAIL ${shellWord(account.name)} -- PROGRAM`;
    return unknown(`ask with the jail and the program: ${command}`);
  } catch (error) {
    return unknown(describeError(error));
  }
}

/** Looks up an error id in the logs, and checks again. Throws RangeError if it is not an error id. */
export function explainId(
  id: ByteString,
  again: AskAgain,
  search: (id: ByteString) => LogSearch = searchLogs,
): ExplainedId {
  if (!isErrorId(id)) throw new RangeError("not an error id");
  const { entries, unread } = search(id);
  // A line may be in the journal and in several files.
  const lines = Map.groupBy(entries, ({ ident, message }) => `${ident}\0${message}`);
  const refusals = [...lines.values()].flatMap(([entry]) => (entry && parseRefusal(id, entry)) ?? []);
  const asked = refusals.find(({ doubt }) => doubt === undefined) ?? refusals[0];
  return { id, refusals, unread, now: asked && askNow(asked, again) };
}

const who = (uid: number | undefined): ByteString => {
  if (uid === undefined) return "not in the log";
  const account = passwdByUid(uid);
  return account === undefined ? `uid ${uid}, which no account has now` : `${account.name} (${uid})`;
};

/** 0: it would not be refused now. 1: it would. 2: it was not found, or the answer is unknown. */
export function idStatus({ now }: ExplainedId): number {
  return now?.refused === undefined ? 2 : now.refused ? 1 : 0;
}

/** The answer as lines of printable text. */
export function idLines({ id, refusals, unread, now }: ExplainedId): ByteString[] {
  const lines: ByteString[] = [];
  for (const { entry, uid, check, reason, doubt } of refusals) {
    const pid = entry.pid === undefined ? "" : `[${entry.pid}]`;
    lines.push(
      `${id}:`,
      `  when: ${display(entry.when)} (${entry.source})`,
      `  program: ${display(entry.ident)}${pid}`,
      `  user: ${display(who(uid))}`,
      `  check: ${display(check ?? "not in the log")}`,
      `  reason: ${displayAgain(reason)}`,
    );
    if (doubt !== undefined) lines.push(`  warning: ${doubt}`);
  }
  lines.push(...unread.map((line) => `not read: ${displayAgain(line)}`));
  if (now === undefined) return [...lines, `No log that can be read here has ${id}.`];
  const { refused, message, remedy } = now;
  const verdict = refused === undefined ? "unknown" : refused ? "still refused" : "not refused any more";
  lines.push(`now: ${verdict}: ${displayAgain(message)}`);
  if (refused !== false && remedy !== "") lines.push(`  remedy: ${displayAgain(remedy)}`);
  return lines;
}

const currentReport = ({ refused, message, remedy }: CurrentState) => {
  return { refused: refused ?? null, message: jsonText(message), remedy: remedyText(remedy) };
};

/** The answer as JSON. */
export function idReport({ id, refusals, unread, now }: ExplainedId): IdReport {
  return {
    version: 1,
    tool: "jailkit explain",
    about: "error-id",
    id,
    refusals: refusals.map(({ entry, uid, check, reason, doubt }) => ({
      source: entry.source,
      when: jsonText(entry.when),
      program: jsonText(entry.ident),
      pid: entry.pid ?? null,
      uid: uid ?? null,
      user: jsonTextOrNull(uid === undefined ? undefined : passwdByUid(uid)?.name),
      check: jsonTextOrNull(check),
      reason: jsonText(reason),
      doubt: jsonTextOrNull(doubt),
    })),
    unread: unread.map(jsonText),
    now: now === undefined ? null : currentReport(now),
  };
}
