import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { fit, widest } from "../cli/table.ts";
import { noNewPrivsText, seccompText } from "./confinement.ts";
import type { JailedProcess } from "./process.ts";

/** A row of the table, printable. `seccomp` and `noNewPrivs` are in all rows or in none. */
export interface Row extends Record<"pid" | "user" | "jail" | "command", ByteString> {
  seccomp?: ByteString;
  noNewPrivs?: ByteString;
}

const TERMINAL_WIDTH = 80;
const PID_WIDTH = 6;
const TITLES: Required<Row> = {
  ...{ pid: "Pid", user: "User", jail: "Jail", command: "Command" },
  ...{ seccomp: "Seccomp", noNewPrivs: "NoNewPrivs" },
};

const CONFINEMENT = ["seccomp", "noNewPrivs"] as const;

/** The program and its arguments as jailkit 2.23 joins them, with a blank at the end for the last NUL. */
export function commandOf(process: JailedProcess): ByteString {
  const [name = "", ...rest] = process.arguments;
  const joined = rest.length > 0 ? `${rest.join(" ")}${process.argumentsCut ? "" : " "}` : "";
  return display(`${process.exe ?? name} ${joined}`);
}

const confinementRow = ({ confinement }: JailedProcess): Partial<Row> =>
  confinement === undefined
    ? {}
    : { seccomp: seccompText(confinement), noNewPrivs: noNewPrivsText(confinement) };

/** The rows of a list of processes; `userOf` returns the name or the number of a uid. */
export function rowsOf(processes: readonly JailedProcess[], userOf: (uid: number) => ByteString): Row[] {
  return processes.map((process) => ({
    pid: String(process.pid),
    user: display(userOf(process.uid)),
    jail: display(process.root.name),
    command: commandOf(process),
    ...confinementRow(process),
  }));
}

/**
 * The lines of the table as jailkit 2.23 prints it: columns as wide as their content, and the command cut to fit 80
 * columns; with `wide`, each command in full.
 */
export function tableLines(rows: readonly Row[], wide: boolean): ByteString[] {
  const all: readonly Row[] = [TITLES, ...rows];
  const width = (key: keyof Row) => widest(all.map((row) => row[key] ?? ""));
  const confined = rows.some(({ seccomp }) => seccomp !== undefined);
  const keys: readonly (keyof Row)[] = ["user", "jail", ...(confined ? CONFINEMENT : [])];
  const columns = keys.map((key) => ({ key, size: width(key) }));
  const taken = columns.reduce((sum, { size }) => sum + size + 1, PID_WIDTH + 1);
  const command = Math.min(width("command"), Math.max(TERMINAL_WIDTH - taken, TITLES.command.length));
  return all.map((row) => {
    const shown = wide && row !== TITLES ? row.command : fit(row.command, command);
    const middle = columns.map(({ key, size }) => fit(row[key] ?? "", size));
    return [row.pid.padEnd(PID_WIDTH), ...middle, shown].join(" ");
  });
}

/**
 * The processes of each jail in tree order: a process, then its descendants in that jail, each behind `\_` and indented
 * by its depth. Processes with parents elsewhere are at the left.
 */
export function treeOrder(processes: readonly JailedProcess[]): { process: JailedProcess; branch: string }[] {
  const key = (root: JailedProcess["root"], pid: number) => `${pid} ${root.name}`;
  const listed = new Set(processes.map(({ pid, root }) => key(root, pid)));
  const isTop = ({ pid, parent, root }: JailedProcess) => parent === pid || !listed.has(key(root, parent));
  const others = processes.filter((process) => !isTop(process));
  const children = Map.groupBy(others, ({ root, parent }) => key(root, parent));
  const ordered: { process: JailedProcess; branch: string }[] = [];
  const done = new Set<JailedProcess>();
  // After the tops, those whose parents form a circle, because a pid was used again in the meantime.
  for (const top of [...processes.filter(isTop), ...processes]) {
    const todo = [{ process: top, depth: 0 }];
    for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
      const { process, depth } = next;
      if (done.has(process)) continue;
      done.add(process);
      ordered.push({ process, branch: depth === 0 ? "" : `${"  ".repeat(depth - 1)}\\_ ` });
      const below = children.get(key(process.root, process.pid)) ?? [];
      todo.push(...below.map((child) => ({ process: child, depth: depth + 1 })).reverse());
    }
  }
  return ordered;
}
