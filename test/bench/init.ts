import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { interleave, report } from "./measure.ts";

/** jk_init against 2.23, against `cp -a` of the jail that it makes, and against no more than making what is in it. */
export async function benchInit(): Promise<void> {
  const ours = await openMachine({ under: "ours", only: ["jk_init"] });
  const debian = await openMachine({ under: "debian" });
  try {
    const fill = compiledC(join(import.meta.dir, "fill.c"), ["-pthread"]);
    ours.write("/usr/bin/fill", readFileSync(fill), { mode: 0o755 });
    const many = compare(ours, debian, ["extendedshell", "netutils", "git"], 3);
    report("jk_init extendedshell netutils git", many.ours, many.debian, "2.23", { faster: 20 });
    report("the same jail", many.ours, many.copy, "cp -a of the jail", { atMost: 1 });
    report("the next jail with the same sections", many.next, many.copy, "cp -a of the jail", { atMost: 1 });
    report("the next jail with the same sections", many.next, many.fill, "two threads of C", { atMost: 2.5 });
    const few = compare(ours, debian, ["jk_lsh", "sftp", "scp", "rsync"], 9);
    report("jk_init jk_lsh sftp scp rsync", few.ours, few.debian, "2.23", { faster: 4 });
  } finally {
    await ours.close();
    await debian.close();
  }
}

function compare(ours: Machine, debian: Machine, sections: readonly string[], rounds: number) {
  const make = (m: Machine) => () => {
    m.remove("/srv/jail");
    m.remove("/var/lib/jailkit");
    return timed(m, ["jk_init", "-j", "/srv/jail", ...sections]);
  };
  const next = () => {
    const elapsed = timed(ours, ["jk_init", "-j", "/srv/next", ...sections]);
    ours.remove("/srv/next");
    return elapsed;
  };
  const copy = () => {
    const elapsed = timed(ours, ["cp", "-a", "/srv/jail", "/srv/copy"]);
    ours.remove("/srv/copy");
    return elapsed;
  };
  const fill = () => {
    ours.remove("/srv/copy");
    const elapsed = Number(ours.must(["fill", "/srv/jail", "/srv/copy"]).stdout);
    ours.remove("/srv/copy");
    return elapsed;
  };
  // no round of 2.23 in vain: it takes half a minute
  make(ours)();
  return interleave(rounds, { ours: make(ours), next, copy, fill, debian: make(debian) }, false);
}

function timed(m: Machine, argv: readonly string[]): number {
  const { start, end } = m.time(argv);
  return (end - start) / 1e6;
}
