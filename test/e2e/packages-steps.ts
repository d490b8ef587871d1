import type { Machine, RunResult } from "../machine/machine.ts";

// System calls that create, change or remove a name or its privilege.
const calls = ["rename", "renameat", "renameat2", "fchmodat", "fsetxattr"];

/**
 * Runs a program of the machine under strace(1), which stops it and what it starts after each system call that puts a
 * file into its place or changes a privilege, and after `more`. While it is stopped `look` is called with strace's line of that call, such
 * as `rename("/a.dpkg-new", "/a") = 0`; then it continues.
 */
export async function stepwise(
  m: Machine,
  argv: readonly string[],
  env: Record<string, string>,
  look: (call: string) => void,
  more: readonly string[] = [],
): Promise<RunResult> {
  const set = [...calls, ...more].join(",");
  const options = ["-f", "-y", "-e", `trace=${set}`, "-e", `inject=${set}:signal=SIGSTOP`];
  const traced = m.start(["strace", ...options, ...argv], { env });
  // By the process, "" where strace sees only one: its last call.
  const last = new Map<string, string>();
  let read = 0;
  for (;;) {
    // Where it has ended, it stops no more.
    const stopped = await traced.until(nextStop, 60_000).catch(() => traced.ended);
    if (typeof stopped !== "string") return stopped;
    look(last.get(stopped) ?? "");
    const pid = stopped || m.must(["pgrep", "-xo", argv[0] ?? ""]).stdout.trim();
    // A thread, or a process that another one ends, may be gone.
    m.run(["kill", "-CONT", pid]);
  }

  /** Reads on until a process stops, and returns its number. */
  function nextStop({ stderr }: { stderr: string }): string | undefined {
    for (let end = stderr.indexOf("\n", read); end >= 0; end = stderr.indexOf("\n", read)) {
      const [, pid = "", text = ""] = /^(?:\[pid +(\d+)\] )?(.*)$/.exec(stderr.slice(read, end)) ?? [];
      read = end + 1;
      if (text === "--- stopped by SIGSTOP ---") return pid;
      if (!text.startsWith("---")) last.set(pid, text);
    }
    return undefined;
  }
}
