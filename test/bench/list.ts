import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { interleave, report } from "./measure.ts";

const jail = "/srv/jail";
const PROCESSES = 5000;

/**
 * jk_list among 5,000 processes, against a loop in C that reads the names in /proc, and the root and the number of threads
 * of each, and against 2.23; with few and with half of the processes in a jail, of which much more has to be read.
 */
export async function benchList(): Promise<void> {
  const m = await openMachine({ under: "ours", only: ["jk_list"] });
  try {
    const loop = compiledC(join(import.meta.dir, "list-loop.c"), ["-static"]);
    m.write("/usr/bin/list-loop", readFileSync(loop), { mode: 0o755 });
    // It needs nothing but Python, so all three run on the same processes.
    m.write("/usr/bin/list-2.23", readFileSync("/usr/sbin/jk_list"), { mode: 0o755 });
    m.mkdir(jail);
    for (const jailed of [50, 2500]) {
      const crowd = m.start(["list-loop", String(PROCESSES), String(jailed), jail]);
      await crowd.until(({ stdout }) => stdout.includes("ready\n") || undefined, 120_000);
      const times = interleave(15, {
        ours: () => timeOf(m, "jk_list", jailed + 1),
        loop: () => timeOf(m, "list-loop", 1),
        debian: () => timeOf(m, "list-2.23", jailed + 1),
      });
      const what = `jk_list, ${jailed} of ${PROCESSES} processes jailed`;
      if (jailed === 50) report(what, times.ours, times.loop, "a loop in C", { atMost: 1.5 });
      report(what, times.ours, times.debian, "2.23", { faster: 1 });
      crowd.end();
      await crowd.ended;
    }
  } finally {
    await m.close();
  }
}

/** Milliseconds; checks that the program did what it is measured for. */
function timeOf(m: Machine, program: string, lines: number): number {
  const { start, end, stdout } = m.time([program]);
  const count = stdout.split("\n").length - 1;
  if (count !== lines) throw new Error(`${program} printed ${count} lines, not ${lines}`);
  return (end - start) / 1e6;
}
