import type { ByteString } from "../../ffi/bytes.ts";
import { args, entryName, execfn } from "../../ffi/guard.ts";
import { quoted } from "../cli/display.ts";
import { print, printError, printLine } from "../cli/output.ts";
import type { Tool } from "../cli/tool.ts";
import { VERSION } from "../cli/version.ts";

// Each part is loaded only when it is the one that was asked for, and what knows options and help (src/cli/start.ts)
// only for those that have some: this file is on the path of a login.
const TOOLS: Readonly<Record<string, () => Promise<{ tool: Tool }>>> = {
  jk_addjailuser: () => import("./jk_addjailuser.ts"),
  jk_check: () => import("./jk_check.ts"),
  jk_chrootlaunch: () => import("./jk_chrootlaunch.ts"),
  jk_cp: () => import("./jk_cp.ts"),
  jk_init: () => import("./jk_init.ts"),
  jk_jailuser: () => import("./jk_jailuser.ts"),
  jk_list: () => import("./jk_list.ts"),
  jk_update: () => import("./jk_update.ts"),
  jk_socketd: () => import("./jk_socketd.ts"),
};

const PROGRAMS: Readonly<Record<string, () => Promise<{ main: () => Promise<never> }>>> = {
  jk_chrootsh: () => import("./jk_chrootsh.ts"),
  jk_lsh: () => import("./jk_lsh.ts"),
  jk_procmailwrapper: () => import("./jk_procmailwrapper.ts"),
  jk_uchroot: () => import("./jk_uchroot.ts"),
};

const COMMANDS: Readonly<Record<string, { summary: string; load: () => Promise<{ tool: Tool }> }>> = {
  adopt: {
    summary: "make a record of a jail that has none",
    load: () => import("./jailkit-adopt.ts"),
  },
  config: { summary: "check the configuration files", load: () => import("./jailkit-config.ts") },
  delete: { summary: "delete a jail", load: () => import("./jailkit-delete.ts") },
  disk: { summary: "tell what jails cost on the disk", load: () => import("./jailkit-disk.ts") },
  explain: {
    summary: "tell what a login of a user would do, and why it fails",
    load: () => import("./jailkit-explain.ts"),
  },
  list: { summary: "list the jails that are known", load: () => import("./jailkit-list.ts") },
  "log-sockets": {
    summary: "show the log sockets in jails, with their counters",
    load: () => import("./jailkit-log-sockets.ts"),
  },
};

// Any user may start these, and they act with a privilege.
const PRIVILEGED = new Set(["jk_chrootsh", "jk_uchroot", "jk_procmailwrapper"]);

const baseName = (path: ByteString) => path.slice(path.lastIndexOf("/") + 1);

function help(): string {
  const rows = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(26)}${summary}\n`);
  return `Usage: jailkit COMMAND [ARGUMENT...]
       jailkit TOOL [ARGUMENT...]
All of jailkit in one executable.

Commands:
${rows.join("")}
Tools (also by their own names, where this file is linked to them):
  ${[...Object.keys(TOOLS), "jk_lsh"].sort().join(" ")}

'jailkit COMMAND --help' tells more.
`;
}

/** The tool as which this file was executed: the base name of AT_EXECFN, else that of argv[0]. */
function ownName(): ByteString | undefined {
  const names = [baseName(execfn()), baseName(args()[0] ?? "jailkit").replace(/^-/, "")];
  return names.find((name) => Object.hasOwn(PROGRAMS, name) || Object.hasOwn(TOOLS, name));
}

async function start(tool: Tool, rest: readonly ByteString[]): Promise<never> {
  const { startTool } = await import("../cli/start.ts");
  return startTool(tool, rest);
}

/**
 * Runs the tool of that name and returns its exit status; undefined where there is none. The privileged names are the
 * caller's to choose, so a name never selects those programs: their native entries do.
 */
async function dispatch(name: ByteString, rest: readonly ByteString[]): Promise<number | undefined> {
  if (PRIVILEGED.has(name)) {
    printError(`jailkit: ${name} is not started under this name: install it as an executable of its own`);
    return 11;
  }
  const program = Object.hasOwn(PROGRAMS, name) ? PROGRAMS[name] : undefined;
  if (program !== undefined) return (await program()).main();
  const tool = Object.hasOwn(TOOLS, name) ? TOOLS[name] : undefined;
  return tool === undefined ? undefined : start((await tool()).tool, rest);
}

async function runCommand(): Promise<number> {
  const [, command, ...rest] = args();
  const name = ownName();
  if (name !== undefined) return (await dispatch(name, args().slice(1))) ?? 2;
  if (command === undefined || command === "-h" || command === "--help" || command === "help") {
    print(help());
    return command === undefined ? 2 : 0;
  }
  if (command === "--version") {
    printLine(`jailkit ${VERSION}`);
    return 0;
  }
  const known = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (known !== undefined) return start((await known.load()).tool, rest);
  const status = await dispatch(command, rest);
  if (status !== undefined) return status;
  const { didYouMean } = await import("../cli/suggest.ts");
  const hint = didYouMean(command, [...Object.keys(COMMANDS), ...Object.keys(TOOLS)]);
  const lists = `${hint === "" ? ";" : ""} 'jailkit --help' lists them`;
  printError(`jailkit: there is no command ${quoted(command)}${hint}${lists}`);
  return 2;
}

async function main(): Promise<never> {
  const entry = entryName();
  const name = entry ?? ownName() ?? "jailkit";
  const program = entry === undefined && PRIVILEGED.has(name) ? undefined : PROGRAMS[name];
  if (program !== undefined) return (await program()).main();
  const { startProgram } = await import("../cli/start.ts");
  return startProgram("jailkit", runCommand);
}

// The threads of jk_check are this file once more.
if (!Bun.isMainThread) (await import("../check/content/worker.ts")).serveComparisons();
else if (import.meta.main) await main();
