import type { Layout, Machine } from "../machine/machine.ts";
import { openMachine } from "../machine/machine.ts";
import { interleave } from "./measure.ts";

const jail = "/srv/jail";
const AT_MOST_MS = 1;

/** jk_chrootsh from its start to the end of a program that does nothing: by way of the native entry, and alone. */
export async function benchEntry(): Promise<void> {
  const machines: Machine[] = [];
  async function open(layout: Layout) {
    const m = await openMachine({ under: "ours", only: ["jk_chrootsh", "jk_cp"], layout });
    machines.push(m);
    m.mkdir(jail);
    m.must(["jk_cp", "-j", jail, "/usr/bin/true"]);
    m.addUser("u", { home: `${jail}/./home/u`, shell: "/usr/sbin/jk_chrootsh" });
    const { uid, gid } = m.ids("u");
    m.mkdir(`${jail}/home/u`, { owner: [uid, gid] });
    m.write(`${jail}/etc/passwd`, `u:x:${uid}:${gid}::/home/u:/usr/bin/true\n`);
    m.write(`${jail}/etc/group`, `u:x:${gid}:\n`);
    await m.startSyslog();
    return () => {
      const { start, end } = m.time(["/usr/sbin/jk_chrootsh"], { user: "u", env: { USER: "u" } });
      return (end - start) / 1e6;
    };
  }
  try {
    const entry = await open("package");
    const alone = await open("standalone");
    // The two of a pair run under the same load: their difference varies less than either.
    const { more } = interleave(300, { more: () => entry() - alone() });
    const aim = `(at most ${AT_MOST_MS.toFixed(1)} ms)`;
    console.log(
      `${more <= AT_MOST_MS ? " " : "!"} jk_chrootsh by its entry: ${more.toFixed(2)} ms more than alone ${aim}`,
    );
  } finally {
    for (const m of machines) await m.close();
  }
}
