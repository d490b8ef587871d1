import { args, requireGuard } from "../../ffi/guard.ts";
import { libc } from "../../ffi/libc.ts";
import { askedOfItself, printAbout } from "../cli/about.ts";
import { LSH_HELP } from "../enter/limited/help.ts";
import { lsh } from "../enter/limited/run.ts";

/** Runs jk_lsh to its end. Not by src/cli/start.ts, which would cost a login time for options and help. */
export async function main(): Promise<never> {
  requireGuard("jk_lsh");
  const asked = askedOfItself(args());
  if (asked !== undefined) {
    printAbout(LSH_HELP, asked);
    libc._exit(0);
  }
  libc._exit(lsh());
  throw new Error("unreachable");
}

if (import.meta.main) await main();
