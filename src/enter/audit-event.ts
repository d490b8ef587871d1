import type { ByteString } from "../../ffi/bytes.ts";
import { display, displayAgain, isPlain, jsonText } from "../cli/display.ts";
import { VERSION } from "../cli/version.ts";
import type { LogEvent, Outcome } from "../system/log-schema.ts";
import type { Severity } from "../system/syslog.ts";
import type { Connection } from "./ssh-connection.ts";

/** An account or a group, by its number and its name. */
interface Named {
  id: number;
  name: ByteString;
}

/** What a program knows of its caller when it writes a line. */
export interface Known {
  /** Once they are proved. */
  user?: Named;
  group?: Named;
  /** The section that applies, and its file. */
  section?: ByteString | undefined;
  file?: ByteString;
  /** The jail, or the one that was asked for. */
  jail?: () => ByteString | undefined;
}

/** What a line says besides its text. */
export interface Decision {
  outcome: Outcome;
  /** The check or rule that refused, and why. */
  code?: string;
  reason?: ByteString;
  remedy?: ByteString;
  errorId?: string;
  exitCode?: number;
  executable?: ByteString;
  /** The caller's own if there are none. */
  args?: readonly ByteString[];
  /** The label of the key that allowed the command. */
  rule?: ByteString;
  /** What the client asked for, if something else is executed. */
  asked?: ByteString | undefined;
  /** What the kernel enforces, as one printable line; asked for only if the line is an event. */
  confinement?: () => ByteString;
}

/** All that an event is made of. */
export interface EventFacts {
  program: string;
  pid: number;
  uid: number;
  /** Milliseconds since 1970. */
  time: number;
  severity: Severity;
  message: ByteString;
  /** Undefined for a line without a decision. */
  decision: Decision | undefined;
  known: Known;
  /** The arguments of this process. */
  args: readonly ByteString[];
  connection: Connection | undefined;
}

// The version of the names: https://www.elastic.co/docs/reference/ecs
const ECS = { version: "8.17.0" };

/** What each program decides about, and the category of that in the schema. */
const SUBJECTS: Readonly<Record<string, { subject: string; category: "session" | "process" }>> = {
  jk_chrootsh: { subject: "login", category: "session" },
  jk_lsh: { subject: "command", category: "process" },
  jk_uchroot: { subject: "program", category: "process" },
};

const TYPES = {
  allowed: ["start", "allowed"],
  refused: ["denied"],
  failed: ["error"],
} as const satisfies Record<Outcome, readonly string[]>;

// Bytes of each text in the line, as escaped. Together with all names of fields they are less than 8000, beyond which
// rsyslog and src/system/syslog.ts cut a line, and half an object is none.
const NAME = 160;
const PATH = 500;
const MESSAGE = 600;
const NOTE = 2000;
const REASON = 1500;
const REMEDY = 400;
const ARGUMENTS = 1500;
const ASKED = 400;
/** The texts that programs compose, of parts that are printable already. The others are as users gave them. */
const COMPOSED = ["message", "event.reason", "jailkit.remedy", "jailkit.confinement"];

// What an argument costs besides its text.
const QUOTES = 3;

/** The bytes of a character in the line; see escaped. */
function cost(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code === 0x22 || code === 0x5c) return 2;
  return code >= 0x20 && code < 0x7f ? 1 : 6;
}

/** The longest beginning of a text that takes no more than `most` bytes, and what it takes. Halves no character. */
function beginning(text: string, most: number): { part: string; bytes: number } {
  let bytes = 0;
  for (let at = 0; at < text.length; at++) {
    const more = cost(text, at);
    if (bytes + more > most) {
      const before = text.charCodeAt(at - 1);
      const half = before >= 0xd800 && before < 0xdc00;
      return half ? { part: text.slice(0, at - 1), bytes: bytes - 6 } : { part: text.slice(0, at), bytes };
    }
    bytes += more;
  }
  return { part: text, bytes };
}

/** What is known of the texts of one event. */
interface Texts {
  /** The fields whose text was longer than its bounds. */
  cut: string[];
  /** All are printable ASCII. */
  isAscii: boolean;
}

/** A text within its bounds, and the bytes that it takes. */
function bounded(texts: Texts, field: string, value: ByteString, most: number) {
  if (isPlain(value)) {
    let bytes = value.length;
    for (let at = value.indexOf('"'); at >= 0; at = value.indexOf('"', at + 1)) bytes++;
    if (bytes <= most) return { part: value, bytes };
  }
  texts.isAscii = false;
  // Printable: a reader may show it on a terminal, and readers refuse a line with half a surrogate pair.
  const text = jsonText(COMPOSED.includes(field) ? displayAgain(value) : display(value));
  const { part, bytes } = beginning(text, most);
  if (part.length < text.length) noteCut(texts, field);
  return { part, bytes };
}

function noteCut({ cut }: Texts, field: string) {
  if (!cut.includes(field)) cut.push(field);
}

function textOf(texts: Texts, field: string, value: ByteString, most: number): string {
  return bounded(texts, field, value, most).part;
}

function optionalText(texts: Texts, field: string, value: ByteString | undefined, most: number) {
  return value === undefined || value === "" ? undefined : textOf(texts, field, value, most);
}

function listOf(texts: Texts, field: string, values: readonly ByteString[], most: number): string[] {
  const list: string[] = [];
  let left = most;
  for (const value of values) {
    if (left <= QUOTES) {
      noteCut(texts, field);
      break;
    }
    const { part, bytes } = bounded(texts, field, value, left - QUOTES);
    list.push(part);
    left -= bytes + QUOTES;
  }
  return list;
}

function eventOf({ program, decision }: EventFacts, texts: Texts): LogEvent["event"] {
  const { subject, category } = SUBJECTS[program] ?? { subject: "program", category: "process" };
  const common = { kind: "event" as const, category: [category], provider: program };
  if (decision === undefined) return { ...common, type: ["info"], action: "note" };
  const { outcome, code, reason } = decision;
  return {
    ...common,
    type: [...TYPES[outcome]],
    action: `${subject}-${outcome}`,
    outcome: outcome === "allowed" ? "success" : "failure",
    code,
    reason: optionalText(texts, "event.reason", reason, REASON),
  };
}

function userOf({ uid, known: { user, group } }: EventFacts, texts: Texts): LogEvent["user"] {
  const named = user?.id === uid ? user : undefined;
  return {
    id: `${uid}`,
    name: optionalText(texts, "user.name", named?.name, NAME),
    group: group && { id: `${group.id}`, name: textOf(texts, "user.group.name", group.name, NAME) },
  };
}

function processOf({ pid, decision, args }: EventFacts, texts: Texts): LogEvent["process"] {
  if (decision === undefined) return { pid };
  const { executable, exitCode, args: own = args } = decision;
  return {
    pid,
    executable: optionalText(texts, "process.executable", executable, PATH),
    args: listOf(texts, "process.args", own, ARGUMENTS),
    args_count: own.length,
    exit_code: exitCode,
  };
}

function ruleOf({ decision, known }: EventFacts, texts: Texts): LogEvent["rule"] {
  const name = decision?.rule ?? known.section;
  if (name === undefined) return undefined;
  return {
    name: textOf(texts, "rule.name", name, NAME),
    ruleset: optionalText(texts, "rule.ruleset", known.file, PATH),
  };
}

function makeEvent(facts: EventFacts, texts: Texts): LogEvent {
  const { program, time, severity, message, decision, known, connection } = facts;
  const event: LogEvent = {
    "@timestamp": new Date(time).toISOString(),
    message: textOf(texts, "message", message, decision === undefined ? NOTE : MESSAGE),
    ecs: ECS,
    log: { level: severity },
    service: { name: program, type: "jailkit", version: VERSION },
    event: eventOf(facts, texts),
    user: userOf(facts, texts),
    source: connection?.client,
    destination: connection?.server,
    process: processOf(facts, texts),
    rule: ruleOf(facts, texts),
    error: decision?.errorId === undefined ? undefined : { id: decision.errorId },
    jailkit: {
      version: 1,
      jail: optionalText(texts, "jailkit.jail", known.jail?.(), PATH),
      section: optionalText(texts, "jailkit.section", known.section, NAME),
      rule: optionalText(texts, "jailkit.rule", decision?.rule, NAME),
      original_command: optionalText(texts, "jailkit.original_command", decision?.asked, ASKED),
      confinement: optionalText(texts, "jailkit.confinement", decision?.confinement?.(), PATH),
      remedy: optionalText(texts, "jailkit.remedy", decision?.remedy, REMEDY),
    },
  };
  if (texts.cut.length > 0) event.jailkit.cut = texts.cut;
  return event;
}

/** JSON without any character but printable ASCII. */
function escaped(json: string): ByteString {
  let out = "";
  let done = 0;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code < 0x7f) continue;
    out += `${json.slice(done, at)}\\u${code.toString(16).padStart(4, "0")}`;
    done = at + 1;
  }
  return out + json.slice(done);
}

/**
 * An event of the Elastic Common Schema as one line; docs/schemas/log.schema.json describes it. It is printable ASCII: log
 * daemons and the relay of jk_socketd escape other bytes, each in its own way.
 */
export function auditLine(facts: EventFacts): ByteString {
  const texts: Texts = { cut: [], isAscii: true };
  const json = JSON.stringify(makeEvent(facts, texts));
  return texts.isAscii ? json : escaped(json);
}
