import { normalPath } from "../../ffi/paths.ts";
import { quoted, shortPath } from "../cli/display.ts";
import { suggest } from "../cli/suggest.ts";
import { readKeys } from "../config/keys.ts";
import { type Fix, type IniSection, LIMITS, type Problem } from "../config/model.ts";
import { declaredUserKeys, jailKeys } from "../config/schemas/jails.ts";
import type { ListItem } from "../config/values.ts";
import { canBeLive } from "../populate/apply/live-line.ts";
import type { DeclaredJail } from "./model.ts";
import {
  commentInHeader,
  itemsOf,
  lengthFault,
  meantPath,
  pathItemProblem,
  plainFault,
  problemAt,
  quotesProblem,
  type Subject,
  separatorProblems,
  tableProblems,
  twice,
  withoutLastBlanks,
} from "./section.ts";

/** The problem of a name or a path that no file can have. */
function longProblem(item: ListItem): Problem[] {
  const fault = item.value.includes("\n") ? undefined : lengthFault(item.value);
  const message = `${quoted(item.value)} ${fault}`;
  return fault === undefined ? [] : [problemAt(item, "bad-path", message, { kind: "none" })];
}

/** The problem of a name that no section has. */
function sectionProblem(item: ListItem): Problem[] {
  if (item.value.length <= LIMITS.nameBytes || item.value.includes("\n")) return [];
  const message = `'sections': ${quoted(shortPath(item.value))} has more than ${LIMITS.nameBytes} bytes, which no name of a section has`;
  return [problemAt(item, "too-long", message, { kind: "none" })];
}

/** An operand of jk_cp: a plain absolute path, or the name of a program, which begins with no dash. */
function fileProblem(item: ListItem): Problem[] {
  const { value } = item;
  if (!value.includes("/") && !value.startsWith("-") && value !== "." && value !== "..")
    return longProblem(item);
  if (value !== "/") return pathItemProblem(item);
  return [problemAt(item, "bad-path", "'/' is the whole machine", { kind: "item", old: value })];
}

/** What somebody writes for whom the key turns something on, or off. */
const ON = ["yes", "true", "on", "1"];
const OFF = ["no", "false", "off", "0", "none"];

/** The problem of a word that would be the value of a switch. */
function switchProblem(item: ListItem): Problem | undefined {
  const word = item.value.toLowerCase();
  const meant = ON.includes(word)
    ? "name those that are to be mounted, as in: live = /usr"
    : "a jail without any has no line 'live', and after that --prune takes out of it what it has";
  const message = `'live': ${quoted(item.value)} is no directory; ${meant}`;
  return [...ON, ...OFF].includes(word) ? problemAt(item, "bad-path", message, { kind: "none" }) : undefined;
}

function liveProblem(item: ListItem): Problem[] {
  if (canBeLive(item.value)) return longProblem(item);
  const ofSwitch = switchProblem(item);
  if (ofSwitch !== undefined) return [ofSwitch];
  const several = separatorProblems(item);
  if (several.length > 0) return several;
  if (item.value.includes("\n")) return [];
  const message = `'live': ${quoted(item.value)} is not /usr, /usr/local, /opt or a directory in /opt`;
  const paths = item.value.split(/[ \t]+/).map((path) => normalPath(`/${path}`));
  const meant = paths.every(canBeLive)
    ? paths.join(", ")
    : suggest(item.value, ["/usr", "/usr/local", "/opt"]);
  const fix: Fix = meant === undefined ? { kind: "none" } : { kind: "item", old: item.value, with: meant };
  return [problemAt(item, "bad-path", message, fix)];
}

/** A section [jail PATH], and what is wrong with it as far as its text shows. Pure. */
export function readJail(
  section: IniSection,
  subject: Subject,
): { declared: DeclaredJail; problems: Problem[] } {
  const problems = tableProblems(section, "jail", jailKeys, declaredUserKeys);
  const { name: path, file, line, column } = subject;
  const trimmed = withoutLastBlanks(path);
  const fault = trimmed === path ? plainFault(path) : "ends with a blank";
  if (subject.inQuotes) problems.push(quotesProblem(subject, "bad-path", normalPath(trimmed)));
  else if (fault !== undefined) {
    const plain = meantPath(trimmed) ?? "/";
    const fix: Fix = plain === "/" ? { kind: "none" } : { kind: "line", text: `[jail ${plain}]` };
    problems.push(problemAt(subject, "bad-path", `the path of the jail, ${quoted(path)}, ${fault}`, fix));
  }
  const commented = commentInHeader(subject);
  if (path === "/") problems.push(problemAt(subject, "bad-path", "'/' cannot be a jail"));
  else if (commented !== undefined) problems.push(commented);
  const values = readKeys(section, jailKeys);
  problems.push(...values.problems);
  for (const key of ["sections", "files", "live"]) problems.push(...twice(itemsOf(section, key)));
  problems.push(...itemsOf(section, "sections").flatMap(sectionProblem));
  problems.push(...itemsOf(section, "files").flatMap(fileProblem));
  problems.push(...itemsOf(section, "live").flatMap(liveProblem));
  const { sections, files, live, logSocket, proc } = values;
  const place = { file, line, column, section };
  return { declared: { path, place, sections, files, live, logSocket, proc }, problems };
}
