import type { ByteString } from "../../ffi/bytes.ts";
import { args, execfn } from "../../ffi/guard.ts";
import { libc } from "../../ffi/libc.ts";
import { ambientCapabilities, CAP_SYS_CHROOT } from "../../ffi/process.ts";
import { quoted } from "../cli/display.ts";
import { print, printError, printLine } from "../cli/output.ts";
import { startProgram, startTool } from "../cli/start.ts";
import type { Tool } from "../cli/tool.ts";
import { VERSION } from "../cli/version.ts";

// Each part is loaded only when it is the one that was asked for.
const TOOLS: Readonly<Record<string, () => Promise<{ tool: Tool }>>> = {
  jk_addjailuser: () => import("./jk_addjailuser.ts"),
  jk_cp: () => import("./jk_cp.ts"),
  jk_init: () => import("./jk_init.ts"),
  jk_jailuser: () => import("./jk_jailuser.ts"),
};

const PROGRAMS: Readonly<Record<string, () => Promise<{ main: () => Promise<never> }>>> = {
  jk_chrootsh: () => import("./jk_chrootsh.ts"),
  jk_lsh: () => import("./jk_lsh.ts"),
};

const COMMANDS: Readonly<Record<string, { summary: string; load: () => Promise<{ tool: Tool }> }>> = {
  config: { summary: "check the configuration files", load: () => import("./jailkit-config.ts") },
  explain: {
    summary: "tell what a login of a user would do, and why it fails",
    load: () => import("./jailkit-explain.ts"),
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

/**
 * The privileged names are the caller's to choose (argv[0], AT_EXECFN), so a name alone never selects those
 * programs: a native entry has proved itself by CAP_SYS_CHROOT in the ambient set of an ordinary user's process.
 */
function mayBePrivileged(): boolean {
  return libc.getuid() !== 0 && ambientCapabilities() === 1n << BigInt(CAP_SYS_CHROOT);
}

/** Runs the tool of that name and returns its exit status; undefined where there is none. */
async function dispatch(name: ByteString, rest: readonly ByteString[]): Promise<number | undefined> {
  if (PRIVILEGED.has(name) && !mayBePrivileged()) {
    printError(`jailkit: ${name} is not started under this name: install it as an executable of its own`);
    return 11;
  }
  const program = Object.hasOwn(PROGRAMS, name) ? PROGRAMS[name] : undefined;
  if (program !== undefined) return (await program()).main();
  const tool = Object.hasOwn(TOOLS, name) ? TOOLS[name] : undefined;
  return tool === undefined ? undefined : startTool((await tool()).tool, rest);
}

async function main(): Promise<number> {
  const [argv0 = "jailkit", command, ...rest] = args();
  for (const name of [baseName(execfn()), baseName(argv0).replace(/^-/, "")]) {
    const status = name === "jailkit" ? undefined : await dispatch(name, args().slice(1));
    if (status !== undefined) return status;
  }
  if (command === undefined || command === "-h" || command === "--help" || command === "help") {
    print(help());
    return command === undefined ? 2 : 0;
  }
  if (command === "--version") {
    printLine(`jailkit ${VERSION}`);
    return 0;
  }
  const known = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (known !== undefined) return startTool((await known.load()).tool, rest);
  const status = await dispatch(command, rest);
  if (status !== undefined) return status;
  printError(`jailkit: there is no command ${quoted(command)}; 'jailkit --help' lists them`);
  return 2;
}

if (import.meta.main) await startProgram("jailkit", main);
