import { args, requireGuard } from "../../ffi/guard.ts";
import { libc } from "../../ffi/libc.ts";
import { askedOfItself } from "../enter/asked-of-itself.ts";
import { lsh } from "../enter/lsh.ts";

/** Runs jk_lsh to its end. Apart from src/cli/start.ts, which knows options and help: a login has no time for them. */
export async function main(): Promise<never> {
  requireGuard("jk_lsh");
  const asked = askedOfItself(args());
  if (asked !== undefined) {
    // Loaded only then: a login has no time for it.
    const [{ tellAbout }, { LSH_HELP }] = await Promise.all([
      import("../cli/about.ts"),
      import("../enter/lsh-help.ts"),
    ]);
    tellAbout(LSH_HELP, asked);
    libc._exit(0);
  }
  libc._exit(lsh());
  throw new Error("unreachable");
}

if (import.meta.main) await main();
