import { requireGuard } from "../../ffi/guard.ts";
import { libc } from "../../ffi/libc.ts";
import { lsh } from "../enter/lsh.ts";

/** Runs jk_lsh to its end. Apart from src/cli/start.ts, which knows options and help: a login has no time for them. */
export async function main(): Promise<never> {
  requireGuard("jk_lsh");
  libc._exit(lsh());
  throw new Error("unreachable");
}

if (import.meta.main) await main();
