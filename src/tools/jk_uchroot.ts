import { requireGuard } from "../../ffi/guard.ts";
import { libc } from "../../ffi/libc.ts";
import { uchroot } from "../enter/uchroot/uchroot.ts";

/** Runs jk_uchroot to its end; see jk_lsh.ts for why it starts by itself. */
export async function main(): Promise<never> {
  requireGuard("jk_uchroot");
  libc._exit(uchroot());
  throw new Error("unreachable");
}

if (import.meta.main) await main();
