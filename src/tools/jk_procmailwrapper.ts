import { args, requireGuard } from "../../ffi/guard.ts";
import { libc } from "../../ffi/libc.ts";
import { renderHelp } from "../cli/help.ts";
import { printLine } from "../cli/output.ts";
import { VERSION } from "../cli/version.ts";
import { procmailWrapper } from "../enter/procmail.ts";
import { PROCMAIL_HELP } from "../enter/procmail-help.ts";

/** What the program says of itself; undefined for every other call, which is procmail's. */
function information(): string | undefined {
  const [, word, ...others] = args();
  if (others.length > 0) return undefined;
  if (word === "--version") return `${PROCMAIL_HELP.name} (jailkit) ${VERSION}`;
  return word === "--help" ? renderHelp(PROCMAIL_HELP).trimEnd() : undefined;
}

/** Runs jk_procmailwrapper to its end. */
export async function main(): Promise<never> {
  requireGuard("jk_procmailwrapper");
  const text = information();
  if (text !== undefined) printLine(text);
  libc._exit(text === undefined ? procmailWrapper() : 0);
  throw new Error("unreachable");
}

if (import.meta.main) await main();
