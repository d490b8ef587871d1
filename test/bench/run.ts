/**
 * npm run bench [-- init|lsh|login|check|list|socketd ...]
 *
 * How fast the tools are: ratios of medians, taken in turn, in the same run on the same machine, beside what is aimed
 * at. A line that misses its aim begins with `!`. Nothing fails here.
 */
import { benchCheck } from "./check.ts";
import { benchEntry } from "./entry.ts";
import { benchInit } from "./init.ts";
import { benchList } from "./list.ts";
import { benchLogin } from "./login.ts";
import { benchLsh } from "./lsh.ts";
import { benchSocketd } from "./socketd.ts";

const benches = {
  init: benchInit,
  lsh: benchLsh,
  login: benchLogin,
  entry: benchEntry,
  check: benchCheck,
  list: benchList,
  socketd: benchSocketd,
};
const asked = process.argv.slice(2);

for (const [name, bench] of Object.entries(benches)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  try {
    await bench();
  } catch (error) {
    console.log(`! ${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
