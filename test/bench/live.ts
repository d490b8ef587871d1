import { type Machine, openMachine } from "../machine/machine.ts";
import { interleave, report } from "./measure.ts";

const FIRST = "/srv/live1";
const SECTION =
  "[livebasics]\npaths = /etc/nsswitch.conf, /etc/ld.so.conf, /etc/hosts\nemptydirs = /home, /tmp\n";

/**
 * What live jails cost: a login, a new mount namespace, `jailkit list` and jk_list on a machine with 100 and 1,000 of them,
 * against one with a single live jail. Each has one mount, and mounts are the whole machine's.
 */
export async function benchLive(): Promise<void> {
  const [one, many] = [await openLive(), await openLive()];
  try {
    let count = 1;
    addJails(one, 1, 1);
    for (const jails of [100, 1000]) {
      addJails(many, count, jails);
      count = jails + 1;
      const of = (command: readonly string[], user?: string) => {
        const times = interleave(15, {
          few: () => timeOf(one, command, user),
          many: () => timeOf(many, command, user),
        });
        const what = `${command.join(" ")}, ${jails} live jails`;
        report(what, times.many, times.few, "with one", { atMost: jails === 100 ? 1.2 : 3 });
      };
      of(["jk_chrootsh", "-c", "true"], "lily");
      of(["unshare", "-m", "true"]);
      of(["jk_list"]);
      of(["jailkit", "list", FIRST]);
    }
  } finally {
    await one.close();
    await many.close();
  }
}

async function openLive(): Promise<Machine> {
  const only = ["jk_init", "jk_addjailuser", "jk_list", "jailkit", "jk_chrootsh"];
  const m = await openMachine({ under: "ours", only });
  m.write("/etc/live.ini", SECTION);
  return m;
}

/** Adds live jails with the numbers `from` to `to`; the first one has a user. */
function addJails(m: Machine, from: number, to: number): void {
  for (let number = from; number <= to; number++)
    m.must(["jk_init", "--live", "-c", "/etc/live.ini", "-j", `/srv/live${number}`]);
  if (from === 1) m.must(["jk_addjailuser", "-j", FIRST, "-s", "/bin/sh", "lily"]);
}

/** Milliseconds. */
function timeOf(m: Machine, command: readonly string[], user = "root"): number {
  const { start, end } = m.time([...command], { user });
  return (end - start) / 1e6;
}
