/**
 * npm run bench [-- init|home|lsh|login|local|confine|entry|check|list|live|socketd|scale|apply ...] [--draw FILE]
 *
 * How fast the tools are: ratios of medians, taken in turn, in the same run on the same machine, beside what is aimed
 * at. A line that misses its aim begins with `!`. Nothing fails here. --draw also draws what was compared, as an SVG.
 */
import { writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import { benchApply } from "./apply.ts";
import { barsSvg } from "./bars.ts";
import { benchCheck } from "./check.ts";
import { benchConfine } from "./confine.ts";
import { benchEntry } from "./entry.ts";
import { benchHome } from "./home.ts";
import { benchInit } from "./init.ts";
import { benchList } from "./list.ts";
import { benchLive } from "./live.ts";
import { benchLocalLogin } from "./local-login.ts";
import { benchLogin } from "./login.ts";
import { benchLsh } from "./lsh.ts";
import { comparisons } from "./measure.ts";
import { benchScale } from "./scale.ts";
import { benchSocketd } from "./socketd.ts";

const benches = {
  init: benchInit,
  home: benchHome,
  lsh: benchLsh,
  login: benchLogin,
  local: benchLocalLogin,
  confine: benchConfine,
  entry: benchEntry,
  check: benchCheck,
  list: benchList,
  live: benchLive,
  socketd: benchSocketd,
  scale: benchScale,
  apply: benchApply,
};
const { values, positionals: asked } = parseArgs({
  allowPositionals: true,
  options: { draw: { type: "string" } },
});

for (const [name, bench] of Object.entries(benches)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  try {
    await bench();
  } catch (error) {
    console.log(`! ${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

if (values.draw !== undefined) {
  const machine = `${availableParallelism()} cores, ${cpus()[0]?.model ?? "unknown processor"}`;
  writeFileSync(values.draw, barsSvg(comparisons, machine));
}
