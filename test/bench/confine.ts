import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { median } from "./measure.ts";

const JAIL = "/srv/jail";
const MOST = 0.5;
const ROUNDS = 300;
const ON = `confine = 1
read = /data
write = ~
network = local
tcp_connect = 443, 22
tcp_bind = none
limits = nofile 256, nproc 1000, core 0
`;
const OFF = "confine = 0\nexecute = any\n";

/** A jailed user with /bin/bash or jk_lsh, and what the kernel lets the sessions do. */
function addJailed(m: Machine, name: string, shell: string): void {
  const home = `/home/${name}`;
  m.addUser(name, { home: `${JAIL}/.${home}`, shell: "/usr/sbin/jk_chrootsh" });
  const { uid, gid } = m.ids(name);
  m.mkdir(`${JAIL}${home}`, { owner: [uid, gid] });
  for (const [file, line] of [
    ["passwd", `${name}:x:${uid}:${gid}::${home}:${shell}\n`],
    ["group", `${name}:x:${gid}:\n`],
  ] as const) {
    const path = `${JAIL}/etc/${file}`;
    m.write(path, (m.exists(path) ? m.read(path) : "") + line);
  }
}

/** What one login took. */
interface Cost {
  wall: number;
  /** Processor time, which other work on the machine changes less. */
  cpu: number;
  /** The most memory, in KiB: that of the tool, before it became the program. */
  peak: number;
}

/** What the program of a session takes while it waits, in KiB. */
async function memoryOf(m: Machine, user: string): Promise<{ rss: number; pss: number }> {
  const session = m.start(["/usr/sbin/jk_chrootsh", "-c", "cat"], { user, env: environmentOf(user) });
  session.write("ready\n");
  await session.until(({ stdout }) => (stdout.includes("ready") ? true : undefined));
  const pid = m.must(["pgrep", "-n", "-x", "-u", user, "cat"]).stdout.trim();
  const { stdout } = m.must(["cat", `/proc/${pid}/smaps_rollup`]);
  session.end();
  await session.ended;
  const value = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(stdout)?.[1]);
  return { rss: value("Rss"), pss: value("Pss") };
}

const environmentOf = (user: string) => ({ USER: user, HOME: `/home/${user}`, PATH: "/usr/bin:/bin" });

const NAMES = ["bashon", "bashoff", "lshon", "lshoff"] as const;

/** What the keys of jk_chrootsh.ini and jk_lsh.ini that confine a session cost a login: all of them, and none. */
export async function benchConfine(): Promise<void> {
  const m = await openMachine({ under: "ours", only: ["jk_chrootsh", "jk_cp"], layout: "package" });
  try {
    m.mkdir(JAIL);
    m.must(["jk_cp", "-j", JAIL, "/bin/bash", "/usr/bin/true", "/usr/bin/cat"]);
    m.mkdir(`${JAIL}/data`);
    m.write("/usr/bin/cost", readFileSync(compiledC(join(import.meta.dir, "cost.c"), ["-static"])), {
      mode: 0o755,
    });
    const shells = { bash: "/bin/bash", lsh: "/usr/sbin/jk_lsh" };
    for (const [kind, shell] of Object.entries(shells))
      for (const how of ["on", "off"]) addJailed(m, `${kind}${how}`, shell);
    m.write("/etc/jailkit/jk_chrootsh.ini", `[bashon]\n${ON}[bashoff]\n${OFF}`);
    const programs = "paths = /usr/bin\nexecutables = /usr/bin/true, /usr/bin/cat\n";
    m.write(`${JAIL}/etc/jailkit/jk_lsh.ini`, `[lshon]\n${programs}${ON}[lshoff]\n${programs}${OFF}`);
    await m.startSyslog();
    const login = (user: string): Cost => {
      const words = ["/usr/bin/cost", "/usr/sbin/jk_chrootsh", "-c", "true"];
      const { start, end, stdout } = m.time(words, { user, env: environmentOf(user) });
      const [cpu = Number.NaN, peak = Number.NaN] = stdout.trim().split(" ").map(Number);
      return { wall: (end - start) / 1e6, cpu: cpu / 1e3, peak };
    };
    const costs = new Map(NAMES.map((name) => [name, [] as Cost[]]));
    for (let round = -1; round < ROUNDS; round++)
      for (const name of round % 2 === 0 ? NAMES : NAMES.toReversed()) {
        const cost = login(name);
        // The first round is not counted.
        if (round >= 0) costs.get(name)?.push(cost);
      }
    const all = (name: (typeof NAMES)[number], what: keyof Cost) =>
      (costs.get(name) ?? []).map((cost) => cost[what]);
    const middle = (...of: Parameters<typeof all>) => median(all(...of));
    for (const [what, on, off] of [
      ["jk_chrootsh and bash", "bashon", "bashoff"],
      ["jk_chrootsh and jk_lsh", "lshon", "lshoff"],
    ] as const) {
      // Each pair by itself: what else the machine does lasts longer than one.
      const moreOf = (kind: "wall" | "cpu") => {
        const others = all(off, kind);
        return median(all(on, kind).map((value, round) => value - (others[round] ?? Number.NaN)));
      };
      const compared = (kind: "wall" | "cpu") =>
        `${middle(on, kind).toFixed(2)} ms, not confined ${middle(off, kind).toFixed(2)} ms: ` +
        `${moreOf(kind).toFixed(2)} ms more, ${((100 * moreOf(kind)) / middle(off, kind)).toFixed(1)} %`;
      console.log(
        `${moreOf("wall") <= MOST ? " " : "!"} ${what}, confined: ${compared("wall")} (at most ${MOST} ms)`,
      );
      console.log(`  of the processor: ${compared("cpu")}`);
      const [confined, free] = [await memoryOf(m, on), await memoryOf(m, off)];
      console.log(
        `  memory of the tool, at most: ${middle(on, "peak")} and ${middle(off, "peak")} KiB; of cat: ` +
          `RSS ${confined.rss} and ${free.rss} KiB, PSS ${confined.pss} and ${free.pss} KiB`,
      );
    }
  } finally {
    await m.close();
  }
}
