import { type Machine, openMachine } from "../machine/machine.ts";
import { interleave, report } from "./measure.ts";

const jail = "/srv/jail";
const BYTES = 1 << 30;

/** jk_check of a 1 GB jail, all of it read, against `diff -rq` of the two trees; page cache warm. */
export async function benchCheck(): Promise<void> {
  const m = await openMachine({ under: "ours", only: ["jk_cp", "jk_check"] });
  try {
    const trees = makeJail(m);
    const check = (...options: string[]) => timed(m, ["jk_check", "-j", jail, ...options]);
    const times = interleave(5, {
      // What was known from the round before is forgotten.
      ours: () => {
        for (const id of m.list("/var/lib/jailkit/jails"))
          m.remove(`/var/lib/jailkit/jails/${id}/verified.json`);
        return check();
      },
      diff: () => trees.reduce((sum, tree) => sum + timed(m, ["diff", "-rq", tree, `${jail}${tree}`]), 0),
      again: () => check(),
      full: () => check("--full"),
    });
    report("jk_check of a 1 GB jail, all compared", times.ours, times.diff, "diff -rq", { atMost: 1.3 });
    report("jk_check --full, with digests", times.full, times.diff, "diff -rq", { atMost: 2.5 });
    report("jk_check of what is known", times.again, times.diff, "diff -rq", { atMost: 1 });
  } finally {
    await m.close();
  }
}

/** Fills a jail with 1 GB of the machine's own files; returns the trees. */
function makeJail(m: Machine): string[] {
  m.mkdir(jail);
  const script = `
    set -e
    left=${BYTES}
    for source in /usr/lib /usr/share /usr/bin; do
      mkdir -p /opt/tree$source
      find $source -xdev -type f -size +0 -printf '%s %p\\n' 2>/dev/null
    done | LC_ALL=C sort -k2 | awk -v left=$left '$1 <= left { left -= $1; sub(/^[0-9]+ /, ""); print }' > /root/list
    cpio -pdm --quiet /opt/tree < /root/list 2>/dev/null ||
      tar -cf - -C / --no-recursion -T /root/list 2>/dev/null | tar -xf - -C /opt/tree
  `;
  m.must(["sh", "-c", script], { timeout: 300_000 });
  m.must(["jk_cp", "-j", jail, "/opt/tree"], { timeout: 300_000 });
  return ["/opt/tree"];
}

function timed(m: Machine, argv: readonly string[]): number {
  const { start, end } = m.time(argv, { timeout: 300_000 });
  return (end - start) / 1e6;
}
