import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { isErrno, SystemError } from "../../ffi/error.ts";
import { statAt } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { plainPath } from "../../ffi/paths.ts";
import { display, jsonText } from "../cli/display.ts";
import { JSON_OUTPUT, jailsOption } from "../cli/options.ts";
import { print, printError, printLine } from "../cli/output.ts";
import { jsonTextOrNull } from "../cli/report.ts";
import { startTool } from "../cli/start.ts";
import { defineTool } from "../cli/tool.ts";
import { isDirectory } from "../jail/fs/walk.ts";
import type { ProcessConfinement } from "../processes/confinement.ts";
import { listProcesses, type ProcessList, userNames } from "../processes/list.ts";
import type { ProcessesReport } from "../processes/report-schema.ts";
import { rowsOf, tableLines, treeOrder } from "../processes/text.ts";

const NAME = "jk_list";

const confinementReport = ({ seccomp, filters, noNewPrivs }: ProcessConfinement) => ({
  seccomp,
  seccompFilters: filters ?? null,
  noNewPrivs: noNewPrivs ?? null,
});

function asJson(list: ProcessList, nameOf: (uid: number) => ByteString | undefined): ProcessesReport {
  return {
    version: 1,
    tool: NAME,
    processes: list.processes.map(
      ({ pid, parent, uid, root, exe, exeRemoved, arguments: words, argumentsCut, confinement }) => ({
        pid,
        parent,
        uid,
        user: jsonTextOrNull(nameOf(uid)),
        kind: root.kind === "jail" ? "jail" : "container",
        jail: root.kind === "jail" ? jsonText(root.name) : null,
        jailRemoved: root.removed,
        mountNamespace: jsonTextOrNull(root.mountNamespace),
        root: jsonText(root.text),
        exe: jsonTextOrNull(exe),
        exeRemoved,
        arguments: words.map(jsonText),
        argumentsCut,
        ...(confinement === undefined ? {} : { confinement: confinementReport(confinement) }),
      }),
    ),
    containers: list.containers,
    ended: list.ended,
    unreadable: list.unreadable,
  };
}

function printTable(
  list: ProcessList,
  nameOf: (uid: number) => ByteString | undefined,
  wide: boolean,
  tree: boolean,
) {
  const userOf = (uid: number) => nameOf(uid) ?? String(uid);
  const ordered = tree
    ? treeOrder(list.processes)
    : list.processes.map((process) => ({ process, branch: "" }));
  const processes = ordered.map(({ process }) => process);
  const rows = rowsOf(processes, userOf).map((row, i) => ({
    ...row,
    command: `${ordered[i]?.branch ?? ""}${row.command}`,
  }));
  if (rows.length === 0) printLine("No jailed processes found");
  else print(`${tableLines(rows, wide).join("\n")}\n`);
  const removed = new Set(list.processes.flatMap(({ root }) => (root.removed ? [root.name] : [])));
  for (const name of removed) printError(`${NAME}: ${display(name)}: this directory was removed`);
  if (list.unreadable > 0) {
    const what = list.unreadable === 1 ? "1 process" : `${list.unreadable} processes`;
    const remedy = libc.geteuid() === 0 ? "" : "; root sees all";
    printError(`${NAME}: ${what} could not be examined${remedy}`);
  }
}

/** Warns of a name that is neither a directory nor the removed root of a process. */
function warnOfMissing(jail: ByteString, { processes }: ProcessList): void {
  if (processes.some(({ root }) => root.removed && root.name === plainPath(jail))) return;
  let reason = "Not a directory";
  try {
    if (isDirectory(statAt(AT_FDCWD, jail, true))) return;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (!isErrno(error, "ENOENT", "ENOTDIR")) return;
    ({ reason } = error);
  }
  printError(`${NAME}: no such jail, ${display(jail)}: ${reason}`);
}

/** jk_list(8): lists the processes that run in a jail. */
export const tool = defineTool({
  name: NAME,
  summary: "list the processes that run in jails",
  synopsis: ["[-w] [--tree] [-a] [--confinement] [JAIL...]", "--json [-a] [--confinement] [JAIL...]"],
  options: {
    jail: jailsOption("only processes in this jail, like the operand; may be repeated"),
    wide: { short: "w", description: "show each command in full" },
    tree: { description: "show the processes of a jail as a tree" },
    all: {
      short: "a",
      description: "also show processes of containers, as mnt:[NUMBER] and the root in their mount namespace",
    },
    confinement: {
      description:
        "also show Seccomp (none, strict, or filter and the number of filters) and NoNewPrivs of /proc/PID/status",
    },
    json: JSON_OUTPUT,
  },
  exitStatus: {
    0: "the list is printed, even if it is empty",
    1: "/proc is not mounted, or the options are wrong",
  },
  notes:
    "A process is in a jail if the root directory of one of its threads is not that of the host, in any mount namespace. " +
    "Only root sees the processes of other users.",
  run({ options, operands }) {
    const { jail, all, tree, json, wide, confinement } = options;
    const jails = [...jail, ...operands];
    const list = listProcesses({ jails, containers: all, parents: tree || json, confinement });
    const nameOf = userNames();
    for (const one of jails) warnOfMissing(one, list);
    return {
      exitStatus: 0,
      report: () => asJson(list, nameOf),
      print: () => printTable(list, nameOf, wide, tree),
    };
  },
});

if (import.meta.main) await startTool(tool);
