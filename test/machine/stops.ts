import type { BareMachine } from "./bare.ts";
import type { MachineProcess, RunResult } from "./machine.ts";

/** Which system calls a program is stopped after. */
export interface Stops {
  readonly calls: readonly string[];
  /** Only calls with one of these paths, by name or descriptor. */
  readonly paths?: readonly string[];
  readonly env?: Record<string, string>;
}

let runs = 0;

/**
 * Runs a program of the machine under strace(1), which stops it and what it starts after each of these system calls. While
 * it is stopped, `look` is called with strace's line of that call, such as `rename("/a", "/b") = 0`; when that is done
 * (a promise is awaited), it continues.
 */
export async function runWithStops(
  m: Pick<BareMachine, "must" | "run" | "start" | "remove">,
  argv: readonly string[],
  { calls, paths = [], env }: Stops,
  look: (call: string) => unknown,
): Promise<RunResult> {
  // Apart from what the program prints, which may end anywhere in a line.
  const fifo = `/run/machine/trace${runs++}`;
  m.must(["mkfifo", fifo]);
  const trace = m.start(["cat", fifo]);
  const set = calls.join(",");
  const filter = [
    "-e",
    `trace=${set}`,
    "-e",
    `inject=${set}:signal=STOP`,
    ...paths.flatMap((path) => ["-P", path]),
  ];
  const traced = m.start(
    ["strace", "-f", "-y", "-o", fifo, ...filter, ...argv],
    env === undefined ? {} : { env },
  );
  const nextStop = stopsIn();
  for (;;) {
    // It ends with the last process that is traced.
    const stop = await trace.until(nextStop, 3_600_000).catch(() => undefined);
    if (stop === undefined) break;
    await look(stop.call);
    // Another process may have ended it meanwhile.
    m.run(["kill", "-CONT", stop.pid]);
  }
  m.remove(fifo);
  return traced.ended;
}

/** Reads on, each time, until a process stops. */
function stopsIn() {
  const last = new Map<string, string>();
  let read = 0;
  return ({ stdout }: MachineProcess): { pid: string; call: string } | undefined => {
    for (let end = stdout.indexOf("\n", read); end >= 0; end = stdout.indexOf("\n", read)) {
      const [, pid = "", text = ""] = /^(\d+) +(.*)$/.exec(stdout.slice(read, end)) ?? [];
      read = end + 1;
      const [, rest] = /^<\.\.\. \w+ resumed>(.*)$/.exec(text) ?? [];
      const call = last.get(pid);
      if (text === "--- stopped by SIGSTOP ---") {
        // The other threads of a process stop with it, and may say so when it runs again.
        if (call === undefined) continue;
        last.delete(pid);
        return { pid, call };
      }
      if (rest !== undefined) last.set(pid, (call ?? "").replace(/ <unfinished \.\.\.>$/, rest));
      else if (!/^(?:---|\+\+\+)/.test(text)) last.set(pid, text);
    }
    return undefined;
  };
}
