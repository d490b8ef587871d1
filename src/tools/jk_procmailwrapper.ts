import { args, requireGuard } from "../../ffi/guard.ts";
import { libc } from "../../ffi/libc.ts";
import { askedOfItself, printAbout } from "../cli/about.ts";
import { PROCMAIL_HELP } from "../enter/procmail/help.ts";
import { procmailWrapper } from "../enter/procmail/procmail.ts";

/** Runs jk_procmailwrapper to its end. */
export async function main(): Promise<never> {
  requireGuard("jk_procmailwrapper");
  const asked = askedOfItself(args());
  if (asked !== undefined) printAbout(PROCMAIL_HELP, asked);
  libc._exit(asked === undefined ? procmailWrapper() : 0);
  throw new Error("unreachable");
}

if (import.meta.main) await main();
