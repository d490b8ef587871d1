import { args, requireGuard } from "../../ffi/guard.ts";
import { libc } from "../../ffi/libc.ts";
import { askedOfItself } from "../cli/about.ts";
import { chrootsh, printAboutToOutsider } from "../enter/login/chrootsh.ts";

/** Runs jk_chrootsh to its end; see jk_lsh.ts for why it starts by itself. */
export async function main(): Promise<never> {
  requireGuard("jk_chrootsh");
  const asked = askedOfItself(args());
  if (asked !== undefined && printAboutToOutsider(asked)) libc._exit(0);
  libc._exit(chrootsh());
  throw new Error("unreachable");
}

if (import.meta.main) await main();
