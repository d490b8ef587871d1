import { requireGuard } from "../../ffi/guard.ts";
import { libc } from "../../ffi/libc.ts";
import { chrootsh } from "../enter/chrootsh.ts";

/** Runs jk_chrootsh to its end; see jk_lsh.ts for why it starts by itself. */
export async function main(): Promise<never> {
  requireGuard("jk_chrootsh");
  libc._exit(chrootsh());
  throw new Error("unreachable");
}

if (import.meta.main) await main();
