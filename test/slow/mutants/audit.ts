// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the text of the code
/** What users influence stays in its place in a line of the log with `log_format = json`, and the line stays whole. */

import type { Mutant } from "./mutant.ts";

type Change = readonly [from: string, to: string];

const within = (file: string, test: string, changes: readonly Change[]): Mutant[] =>
  changes.map(([from, to]) => ({ file, from, to, test }));

const UNIT = "unit/audit.test.ts";
const MACHINE = "e2e/audit.test.ts";

export const AUDIT: readonly Mutant[] = [
  ...within("src/enter/audit-event.ts", UNIT, [
    // Printable, valid for every reader, and unmistakable.
    ["COMPOSED.includes(field) ? displayAgain(value) : display(value)", "value"],
    ["COMPOSED.includes(field) ? displayAgain(value) : display(value)", "displayAgain(value)"],
    ["COMPOSED.includes(field) ? displayAgain(value) : display(value)", "display(value)"],
    ["  texts.isAscii = false;\n", ""],
    ["if (bytes <= most) return { part: value, bytes };", "return { part: value, bytes };"],
    ["bytes++;\n    if", "continue;\n    if"],
    ["if (code < 0x7f) continue;", "continue;"],
    ['padStart(4, "0")', 'padStart(3, "0")'],
    // Within the bounds of a line.
    ["if (code === 0x22 || code === 0x5c) return 2;", ""],
    ["code < 0x7f ? 1 : 6", "code < 0x7f ? 1 : 1"],
    ["bytes + more > most", "false"],
    ["left -= bytes + QUOTES;", "left -= bytes;"],
    ["left -= bytes + QUOTES;", "left -= QUOTES;"],
    ["const half = before >= 0xd800 && before < 0xdc00;", "const half = false;"],
    ["if (part.length < text.length) noteCut(texts, field);", ""],
    ["      noteCut(texts, field);\n", ""],
    ["args_count: own.length", 'args_count: listOf(texts, "process.args", own, ARGUMENTS).length'],
    // Who and what.
    ["user?.id === uid ? user : undefined", "user"],
    ['outcome === "allowed" ? "success" : "failure"', '"success"'],
    ['refused: ["denied"]', 'refused: ["allowed"]'],
  ]),
  ...within("src/enter/ssh-connection.ts", UNIT, [
    ["number !== undefined && (isIpv4(ip) || isIpv6(ip))", "number !== undefined"],
    ["words.length === 4 && client && server", "client && server"],
    ["number <= most ? number : undefined", "number"],
    ["if (parts.length !== 4) return false;", ""],
    ['(text.length > 1 && text.startsWith("0"))', "false"],
    ["before + after < 8", "before + after <= 8"],
    ["if (more !== undefined) return false;", ""],
    ["groupsIn(first, true) === 8", "groupsIn(first, true) !== undefined"],
    ["address.slice(0, percent)", "address"],
  ]),
  ...within("src/config/log-format.ts", UNIT, [['if (section.name !== "DEFAULT") continue;', ""]]),
  ...within("src/enter/settings.ts", MACHINE, [
    ['  if (section?.name !== "DEFAULT") for (const one of problems) warn(one);\n', ""],
    ["  log?.setFormat(logFormat);\n", ""],
  ]),
  ...within("src/enter/limited/run.ts", MACHINE, [
    ["    log.setFormat(logFormatOf(ini, lshKeys).logFormat);\n", ""],
    ["    learn: log.learn,\n", ""],
  ]),
  ...within("src/enter/audit.ts", MACHINE, [
    ["format = next ?? format;", 'format = next ?? "text";'],
    ["auditTo(log.named(name), name, format, known)", 'auditTo(log.named(name), name, "text", known)'],
    ["auditTo(log.named(name), name, format, known)", "auditTo(log.named(name), name, format, {})"],
  ]),
  ...within("src/log-socket/relay/message.ts", "unit/log-socket-message.test.ts", [
    // Readers differ about anything but one object of printable ASCII.
    ["if ((from[i] ?? 0) >= DELETE) return false;", ""],
    ["inBraces && member.length <= room && isObject(to, first, last)", "inBraces && member.length <= room"],
    [
      "inBraces && member.length <= room && isObject(to, first, last)",
      "inBraces && isObject(to, first, last)",
    ],
    ["return names.length > 0;", "return true;"],
    ["name === SENDER || ", ""],
    [" || name.startsWith(`${SENDER}\\0`)", ""],
    ["putBytes(to, last - 1, member)", "putBytes(to, last, text)"],
  ]),
  ...within("src/explain/error-id.ts", "unit/access.test.ts", [
    ['text("error", "id") !== id || ', ""],
    [' || text("event", "type", "0") !== "denied"', ""],
    ['|,"jk_socketd":\\{.*\\}\\}$', ""],
  ]),
];
