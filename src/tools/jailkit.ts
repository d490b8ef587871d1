import type { ByteString } from "../../ffi/bytes.ts";
import { args, entryName, execfn } from "../../ffi/guard.ts";
import { baseName } from "../../ffi/paths.ts";
import type { LazyCommand } from "../cli/commands.ts";
import { printError } from "../cli/output.ts";
import type { Tool } from "../cli/tool.ts";

/** A tool of a module that is loaded only to run it; test/unit/commands.test.ts compares the summaries. */
interface LazyTool {
  readonly summary: string;
  readonly load: () => Promise<{ tool: Tool }>;
}

// This file is on the path of a login: the modules that read options and show help (src/cli/commands.ts, start.ts) are
// loaded only for the tools that have options.

/** The tools that have a name of their own. */
export const TOOLS: Readonly<Record<string, LazyTool>> = {
  jk_addjailuser: { summary: "create a user account in a jail", load: () => import("./jk_addjailuser.ts") },
  jk_check: { summary: "check the integrity and the safety of jails", load: () => import("./jk_check.ts") },
  jk_chrootlaunch: { summary: "start a daemon in a jail", load: () => import("./jk_chrootlaunch.ts") },
  jk_cp: {
    summary: "copy files, with the libraries that they need, into a jail",
    load: () => import("./jk_cp.ts"),
  },
  jk_init: {
    summary: "create a jail, or add to one, from sections of jk_init.ini",
    load: () => import("./jk_init.ts"),
  },
  jk_jailuser: {
    summary: "put user accounts into a jail, or take them out again",
    load: () => import("./jk_jailuser.ts"),
  },
  jk_list: { summary: "list the processes that run in jails", load: () => import("./jk_list.ts") },
  jk_socketd: {
    summary: "serve /dev/log in jails, and relay messages to the host's log, within limits",
    load: () => import("./jk_socketd.ts"),
  },
  jk_update: {
    summary: "bring a jail up to date with the files of the host",
    load: () => import("./jk_update.ts"),
  },
};

/** The commands of jailkit. */
export const COMMANDS: Readonly<Record<string, LazyTool>> = {
  adopt: {
    summary: "create a record for a jail that has none, from its contents",
    load: () => import("./jailkit-adopt.ts"),
  },
  apply: {
    summary: "make jails and users as the files of /etc/jailkit/jails.d declare them",
    load: () => import("./jailkit-apply.ts"),
  },
  config: { summary: "check the configuration files", load: () => import("./jailkit-config.ts") },
  delete: {
    summary: "delete a jail, with its log socket, its mounts and its record",
    load: () => import("./jailkit-delete.ts"),
  },
  disk: { summary: "show how much disk space jails use", load: () => import("./jailkit-disk.ts") },
  explain: {
    summary: "show what a user's login would do, and why it fails",
    load: () => import("./jailkit-explain.ts"),
  },
  export: {
    summary: "write down a jail for 'jailkit import' on another machine, or all jails for 'jailkit apply'",
    load: () => import("./jailkit-export.ts"),
  },
  forget: {
    summary: "drop the record and the log socket of a jail, and leave its files alone",
    load: () => import("./jailkit-forget.ts"),
  },
  import: {
    summary: "make a jail as it was on another machine, from the file of 'jailkit export'",
    load: () => import("./jailkit-import.ts"),
  },
  list: {
    summary: "list known jails, their users, sections and files",
    load: () => import("./jailkit-list.ts"),
  },
  "log-sockets": {
    summary: "show the log sockets that jk_socketd serves, with their counters",
    load: () => import("./jailkit-log-sockets.ts"),
  },
  mount: {
    summary: "mount the host's directories in jails",
    load: () => import("./jailkit-mount.ts"),
  },
  status: {
    summary: "show the state of all jails on one page, and what needs attention",
    load: () => import("./jailkit-status.ts"),
  },
  "terminate-user": {
    summary: "end all processes of a user at once",
    load: () => import("./jailkit-terminate-user.ts"),
  },
  unmount: {
    summary: "unmount the host's directories from jails",
    load: () => import("./jailkit-unmount.ts"),
  },
};

/** The programs that any user may start: those of shared.ts. */
export type Programs = Readonly<Record<string, () => Promise<{ main: () => Promise<never> }>>>;

/** The summary of jk_lsh. */
export const LSH_SUMMARY = "limited shell that runs the programs of jk_lsh.ini and no others";

// Those that act with a privilege.
const PRIVILEGED = new Set(["jk_chrootsh", "jk_uchroot", "jk_procmailwrapper"]);

/** The tool as which this file was executed: the base name of AT_EXECFN, else that of argv[0]. */
function ownName(programs: Programs): ByteString | undefined {
  const names = [baseName(execfn()), baseName(args()[0] ?? "jailkit").replace(/^-/, "")];
  return names.find((name) => Object.hasOwn(programs, name) || Object.hasOwn(TOOLS, name));
}

/** Refuses a privileged program by its name, which the caller chooses: a native entry starts it. Returns the exit status. */
function refusePrivileged(name: ByteString): number {
  printError(`jailkit: ${name} is not started under this name: install it as an executable of its own`);
  return 11;
}

async function start({ load }: LazyTool, rest: readonly ByteString[]): Promise<never> {
  const { startTool } = await import("../cli/start.ts");
  return startTool((await load()).tool, rest);
}

async function runJailkit(words: readonly ByteString[]): Promise<number> {
  const [command = ""] = words;
  if (PRIVILEGED.has(command)) return refusePrivileged(command);
  const { runCommands } = await import("../cli/commands.ts");
  const commands: Record<string, LazyCommand> = {};
  for (const [name, tool] of [...Object.entries(COMMANDS), ...Object.entries(TOOLS)])
    commands[name] = { summary: tool.summary, run: (rest) => start(tool, rest) };
  commands.jk_lsh = { summary: LSH_SUMMARY, run: async () => (await import("#bundle/logins")).lsh() };
  return runCommands("jailkit", "all of jailkit in one executable", commands, words);
}

/** Runs the tool or command as which this program was started. */
export async function main(programs: Programs): Promise<never> {
  const entry = entryName();
  const name = entry ?? ownName(programs) ?? "jailkit";
  const privileged = entry === undefined && PRIVILEGED.has(name);
  const program = privileged ? undefined : programs[name];
  if (program !== undefined) return (await program()).main();
  const tool = TOOLS[name];
  if (tool !== undefined) return start(tool, args().slice(1));
  const { startProgram } = await import("../cli/start.ts");
  const words = privileged ? [name] : args().slice(1);
  return startProgram("jailkit", () => runJailkit(words));
}

// The threads of jk_check, jk_init, jk_cp and jk_jailuser load this file once more.
if (!Bun.isMainThread) {
  (await import("../check/content/threads.ts")).serveComparisons();
  (await import("../populate/apply/threads.ts")).serveCopies();
  (await import("../jail/fs/home-thread.ts")).serveHomes();
}
