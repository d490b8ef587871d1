import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import type { JailedProcess } from "./process.ts";

/** A row of the table, printable. */
export interface Row {
  pid: string;
  user: ByteString;
  jail: ByteString;
  command: ByteString;
}

const TERMINAL_WIDTH = 80;
const PID_WIDTH = 6;
const SEPARATORS = 3;
const TITLES: Row = { pid: "Pid", user: "User", jail: "Jail", command: "Command" };

const ASCII = /^[\x00-\x7f]*$/;

/** The number of characters in printable UTF-8. */
function widthOf(text: ByteString): number {
  return ASCII.test(text) ? text.length : text.replace(/[\x80-\xbf]/g, "").length;
}

function padded(text: ByteString, width: number): ByteString {
  return text + " ".repeat(Math.max(0, width - widthOf(text)));
}

/** The first `width` characters. */
function cut(text: ByteString, width: number): ByteString {
  if (text.length <= width || ASCII.test(text)) return text.slice(0, width);
  let end = 0;
  for (let left = width; left > 0 && end < text.length; left--) {
    end++;
    while ((text.charCodeAt(end) & 0xc0) === 0x80) end++;
  }
  return text.slice(0, end);
}

/** The program and its arguments as jailkit 2.23 joins them, with a blank at the end for the last NUL. */
export function commandOf(process: JailedProcess): ByteString {
  const [name = "", ...rest] = process.arguments;
  const joined = rest.length > 0 ? `${rest.join(" ")}${process.argumentsCut ? "" : " "}` : "";
  return display(`${process.exe ?? name} ${joined}`);
}

/** The rows of a list of processes; `userOf` returns the name or the number of a uid. */
export function rowsOf(processes: readonly JailedProcess[], userOf: (uid: number) => ByteString): Row[] {
  return processes.map((process) => ({
    pid: String(process.pid),
    user: display(userOf(process.uid)),
    jail: display(process.root.name),
    command: commandOf(process),
  }));
}

/**
 * The lines of the table as jailkit 2.23 prints it: columns as wide as their content, and the command cut to fit 80
 * columns; with `wide`, each command in full.
 */
export function tableLines(rows: readonly Row[], wide: boolean): ByteString[] {
  const width = (of: (row: Row) => ByteString, least: number) => {
    let most = least;
    for (const row of rows) most = Math.max(most, widthOf(of(row)));
    return most;
  };
  const user = width((row) => row.user, TITLES.user.length);
  const jail = width((row) => row.jail, TITLES.jail.length);
  const longest = width((row) => row.command, TITLES.command.length);
  const room = Math.max(TERMINAL_WIDTH - PID_WIDTH - SEPARATORS - user - jail, TITLES.command.length);
  const command = Math.min(longest, room);
  const line = (row: Row, shown: ByteString) =>
    [padded(row.pid, PID_WIDTH), padded(row.user, user), padded(row.jail, jail), shown].join(" ");
  return [
    line(TITLES, padded(TITLES.command, command)),
    ...rows.map((row) => line(row, wide ? row.command : padded(cut(row.command, command), command))),
  ];
}

/**
 * The processes of each jail in tree order: a process, then its descendants in that jail, each behind `\_` and indented
 * by its depth. Processes with parents elsewhere are at the left.
 */
export function treeOrder(processes: readonly JailedProcess[]): { process: JailedProcess; branch: string }[] {
  const key = (name: ByteString, pid: number) => `${pid} ${name}`;
  const listed = new Set(processes.map(({ pid, root }) => key(root.name, pid)));
  const children = new Map<string, JailedProcess[]>();
  const tops: JailedProcess[] = [];
  for (const process of processes) {
    const above = key(process.root.name, process.parent);
    if (process.parent === process.pid || !listed.has(above)) {
      tops.push(process);
      continue;
    }
    const siblings = children.get(above);
    if (siblings === undefined) children.set(above, [process]);
    else siblings.push(process);
  }
  const ordered: { process: JailedProcess; branch: string }[] = [];
  const done = new Set<JailedProcess>();
  // After the tops, those whose parents form a circle, because a pid was used again in the meantime.
  for (const top of [...tops, ...processes]) {
    const todo = [{ process: top, depth: 0 }];
    for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
      const { process, depth } = next;
      if (done.has(process)) continue;
      done.add(process);
      ordered.push({ process, branch: depth === 0 ? "" : `${"  ".repeat(depth - 1)}\\_ ` });
      const below = children.get(key(process.root.name, process.pid)) ?? [];
      todo.push(...below.map((child) => ({ process: child, depth: depth + 1 })).reverse());
    }
  }
  return ordered;
}
