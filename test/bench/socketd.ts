import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compiledC } from "../machine/helper.ts";
import { makeAccount } from "../machine/log-relay.ts";
import { type Implementation, type Machine, openMachine } from "../machine/machine.ts";
import { interleave, report } from "./measure.ts";

const MESSAGES = 60_000;
const SOCKETS = 1000;
// 2.23 does not serve more.
const OLD_SOCKETS = 100;
// Megabytes that both processes have for themselves, after all loads.
const MOST_MEMORY = 32;
const ROUNDS = 9;
const paths = Array.from({ length: SOCKETS }, (_, i) => `/srv/j${i}/dev/log`);
// No limit that is met: 50 MB a second for each.
const limits = "base = 1000000\npeak = 10000000\ninterval = 0.02\n";
const IDLE_SECONDS = 10;
// Threads of the runtime that compile or collect garbage end when they had nothing to do for some seconds.
const SETTLE_SECONDS = 15;

interface Relay {
  m: Machine;
  /** Milliseconds that a load took, from the first to the last message. */
  load(sockets: number): number;
  pids(): string[];
}

/**
 * jk_socketd between one sender and a log daemon that only counts, against 2.23, through one socket and through 100;
 * how much of the processor a message costs, how often it wakes up with nothing to do, and its memory.
 */
export async function benchSocketd(): Promise<void> {
  const ours = await startRelay("ours");
  const debian = await startRelay("debian");
  try {
    for (const sockets of [1, OLD_SOCKETS]) {
      const before = [cpu(ours), cpu(debian)];
      const times = interleave(ROUNDS, {
        ours: () => ours.load(sockets),
        debian: () => debian.load(sockets),
      });
      const rate = (time: number) => Math.round(MESSAGES / time);
      const what = `${MESSAGES} log messages, ${sockets} socket${sockets === 1 ? "" : "s"}`;
      report(what, times.ours, times.debian, "2.23", { atMost: 1 });
      const spent = [cpu(ours), cpu(debian)].map((after, i) => (after - (before[i] ?? 0)) / (ROUNDS + 1));
      const each = spent.map((time) => `${((time * 1000) / MESSAGES).toFixed(1)} us`);
      console.log(
        `  ${rate(times.ours)} against ${rate(times.debian)} thousand messages a second, ` +
          `${each[0]} against ${each[1]} of the processor for each`,
      );
    }
    ours.load(SOCKETS);
    await Bun.sleep(SETTLE_SECONDS * 1000);
    const before = [wakeUps(ours), wakeUps(debian)];
    await Bun.sleep(IDLE_SECONDS * 1000);
    const idle = [wakeUps(ours), wakeUps(debian)].map((after, i) => after - (before[i] ?? 0));
    console.log(
      `${idle[0] === 0 ? " " : "!"} idle for ${IDLE_SECONDS} s: ${idle[0]} wake-ups, 2.23 ${idle[1]} (at most 0)`,
    );
    for (const [name, one] of [
      ["jk_socketd", ours],
      ["2.23", debian],
    ] as const) {
      const used = one.pids().map((pid) => memory(one.m, pid));
      const own = used.reduce((sum, each) => sum + each.own, 0);
      const aim = one === ours ? ` (at most ${MOST_MEMORY})` : "";
      const mark = one === ours && own > MOST_MEMORY ? "!" : " ";
      const served = one === ours ? SOCKETS : OLD_SOCKETS;
      console.log(`${mark} memory of ${name}, ${served} sockets: ${own.toFixed(1)} MB of its own${aim}`);
      for (const each of used) console.log(`    ${each.text}`);
    }
  } finally {
    await ours.m.close();
    await debian.m.close();
  }
}

async function startRelay(under: Implementation): Promise<Relay> {
  const m = await openMachine(under === "ours" ? { under, only: ["jk_socketd"] } : { under });
  if (under === "ours") makeAccount(m);
  const program = compiledC(join(import.meta.dir, "log-load.c"), ["-static"]);
  m.write("/usr/bin/log-load", readFileSync(program), { mode: 0o755 });
  m.must(["mkfifo", "/run/done"]);
  const sink = m.start(["log-load", "sink", "/dev/log", "/run/done"]);
  await sink.until(({ stdout }) => stdout.includes("ready\n") || undefined);
  const served = under === "ours" ? paths : paths.slice(0, OLD_SOCKETS);
  for (const path of served) m.mkdir(path.slice(0, path.lastIndexOf("/")));
  m.write("/etc/jailkit/jk_socketd.ini", served.map((path) => `[${path}]\n${limits}`).join(""));
  m.start(["sh", "-c", "exec jk_socketd -n -p /run/jk_socketd.pid > /dev/null"]);
  m.must(["sh", "-c", "until test -s /run/jk_socketd.pid; do :; done"]);
  return {
    m,
    load: (sockets) => {
      const words = ["log-load", "send", String(MESSAGES), "/run/done", ...paths.slice(0, sockets)];
      return Number(m.must(words).stdout) / 1e6;
    },
    pids: () => m.must(["pgrep", "-x", "jk_socketd"]).stdout.trim().split("\n"),
  };
}

/** Milliseconds of the processor that all its processes have used: proc(5), in ticks of 10 ms. */
function cpu({ m, pids }: Relay): number {
  const ticks = pids().map((pid) => {
    const fields = m.read(`/proc/${pid}/stat`).split(") ")[1]?.split(" ") ?? [];
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, one) => sum + one, 0) * 10;
}

/** How often its threads gave the processor away or lost it. */
function wakeUps({ m, pids }: Relay): number {
  let sum = 0;
  for (const pid of pids()) {
    for (const thread of m.list(`/proc/${pid}/task`)) {
      const status = m.read(`/proc/${pid}/task/${thread}/status`);
      for (const match of status.matchAll(/ctxt_switches:\t(\d+)/g)) sum += Number(match[1]);
    }
  }
  return sum;
}

function memory(m: Machine, pid: string): { own: number; text: string } {
  const status = m.read(`/proc/${pid}/status`);
  const megabytes = (key: string) => Number(new RegExp(`${key}:\\s*(\\d+)`).exec(status)?.[1]) / 1024;
  const own = megabytes("RssAnon");
  const user = /^Uid:\t0\t/m.test(status) ? "root" : "relay";
  const text = `${own.toFixed(1)} MB of its own and ${megabytes("RssFile").toFixed(1)} MB of files (${user})`;
  return { own, text };
}
