import { freemem } from "node:os";
import { type Machine, openMachine } from "../machine/machine.ts";
import { median } from "./measure.ts";

// A jail has 110 entries and 8 MB, in memory.
const SECTION = "basicshell";
const BYTES = 9 << 20;
const USERS_JAIL = "/srv/users";

/** Seconds, seconds of all processors, and MB of the largest process. */
interface Cost {
  readonly wall: number;
  readonly cpu: number;
  readonly memory: number;
}

/** What is measured, and the aims for the larger number. */
interface Row {
  readonly what: string;
  readonly argv: readonly string[];
  readonly seconds: number;
  readonly megabytes?: number;
}

const JAIL_ROWS: readonly Row[] = [
  { what: "jk_update --all, nothing to do", argv: ["jk_update", "--all"], seconds: 10 },
  { what: "jk_check", argv: ["jk_check"], seconds: 15, megabytes: 100 },
  { what: "jailkit list", argv: ["jailkit", "list"], seconds: 0.7 },
];
const USER_ROWS: readonly Row[] = [
  { what: "jk_check of one jail", argv: ["jk_check", USERS_JAIL], seconds: 1.5 },
];
const SLOPE = 1.1;
const ROUNDS = 3;

/**
 * Many jails, and many users of one jail: a tenth of them first, then all. The slope is the time for all, divided by ten
 * times that for a tenth: 1 if the time grows as their number.
 */
export async function benchScale(): Promise<void> {
  const m = await openMachine({ under: "ours", only: ["jk_init", "jk_update", "jk_check", "jailkit"] });
  try {
    m.mkdir("/srv/jails", { mode: 0o755 });
    const most = freemem() > 1000 * BYTES + (2 << 30) ? 1000 : 100;
    compare(`${most} jails`, m, JAIL_ROWS, most, addJails);
    m.must(["jk_init", "-j", USERS_JAIL, SECTION]);
    compare("10000 users", m, USER_ROWS, 10_000, addUsers);
  } finally {
    await m.close();
  }
}

function compare(
  unit: string,
  m: Machine,
  rows: readonly Row[],
  most: number,
  add: (m: Machine, from: number, to: number) => void,
): void {
  add(m, 0, most / 10);
  const few = rows.map((row) => measure(m, row));
  add(m, most / 10, most);
  const all = rows.map((row) => measure(m, row));
  for (const [index, row] of rows.entries()) {
    const [one, other] = [few[index], all[index]];
    if (one === undefined || other === undefined) continue;
    const slope = other.cpu / one.cpu / 10;
    const inMemory = row.megabytes === undefined || other.memory <= row.megabytes;
    const met = other.wall <= row.seconds && slope <= SLOPE && inMemory;
    const aims = `${row.seconds} s${row.megabytes === undefined ? "" : `, ${row.megabytes} MB`}, slope ${SLOPE}`;
    const cost = `${other.wall.toFixed(2)} s (${other.cpu.toFixed(2)} s CPU), ${other.memory.toFixed(0)} MB`;
    console.log(
      `${met ? " " : "!"} ${row.what}, ${unit}: ${cost}, slope ${slope.toFixed(2)} (at most ${aims})`,
    );
  }
}

/** The medians of some runs, after one that is not counted: it remembers what is the same. */
function measure(m: Machine, { argv }: Row): Cost {
  const costs = Array.from({ length: ROUNDS + 1 }, () => costOf(m, argv)).slice(1);
  const middle = (key: keyof Cost) => median(costs.map((cost) => cost[key]));
  return { wall: middle("wall"), cpu: middle("cpu"), memory: middle("memory") };
}

const MEASURE = `
import resource, subprocess, sys, time
start = time.monotonic()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
wall = time.monotonic() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(done.returncode, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
`;

function costOf(m: Machine, argv: readonly string[]): Cost {
  const { stdout, stderr } = m.must(["python3", "-c", MEASURE, ...argv], { timeout: 600_000 });
  const [status = 1, wall = 0, cpu = 0, memory = 0] = stdout.split(" ").map(Number);
  if (status !== 0) throw new Error(`${argv.join(" ")}: status ${status}: ${stderr}`);
  return { wall, cpu, memory };
}

function addJails(m: Machine, from: number, to: number): void {
  const script = `seq ${from + 1} ${to} | xargs -P "$(nproc)" -I{} jk_init -j /srv/jails/{} ${SECTION} >/dev/null`;
  m.must(["sh", "-c", script], { timeout: 1_200_000 });
}

/** Accounts with homes, on the host and in the jail. */
function addUsers(m: Machine, from: number, to: number): void {
  const range = Array.from({ length: to - from }, (_, index) => from + index);
  const id = (index: number) => `u${index}:x:${20_000 + index}`;
  const add = (file: string, line: (index: number) => string) =>
    m.write(file, m.read(file) + range.map((index) => `${line(index)}\n`).join(""));
  const host = (i: number) => `${USERS_JAIL}/./home/u${i}:/usr/sbin/jk_chrootsh`;
  add("/etc/passwd", (i) => `${id(i)}:${20_000 + i}::${host(i)}`);
  add(`${USERS_JAIL}/etc/passwd`, (i) => `${id(i)}:${20_000 + i}::/home/u${i}:/bin/bash`);
  for (const file of ["/etc/group", `${USERS_JAIL}/etc/group`]) add(file, (i) => `${id(i)}:`);
  for (const index of range) {
    m.mkdir(`${USERS_JAIL}/home/u${index}`, { mode: 0o700 });
    m.chown(`${USERS_JAIL}/home/u${index}`, 20_000 + index, 20_000 + index);
  }
}
