/** A machine of a test that has been booted by systemd: its own processes, mounts and control groups. */
import type { Machine, RunResult } from "./machine.ts";

export interface Booted {
  /** The words that start a program there. */
  words(...argv: readonly string[]): string[];
  /** Runs a program there, and throws where it fails. */
  must(argv: readonly string[]): RunResult;
  run(argv: readonly string[]): RunResult;
}

/**
 * Starts systemd as the manager of the machine with the units that are named and what they need, and returns when they
 * are up. It ends with the machine.
 */
export function boot(m: Machine, units: readonly string[]): Booted {
  m.must(["mkfifo", "/root/ready"]);
  const needed = units.join(" ");
  m.write(
    "/etc/systemd/system/ready.service",
    `[Unit]\nRequires=${needed}\nAfter=${needed}\n[Service]\nType=oneshot\nExecStart=/bin/sh -c "echo > /root/ready"\n`,
  );
  const script =
    "mount -t proc proc /proc && mount -t cgroup2 cgroup2 /sys/fs/cgroup && mount -t tmpfs -o mode=0755 tmpfs /run && " +
    "exec env container=test /usr/lib/systemd/systemd --system --unit=ready.service";
  m.start(["unshare", "--pid", "--fork", "--kill-child", "--mount", "--cgroup", "sh", "-c", script]);
  m.must(["cat", "/root/ready"]);
  // What it starts has its command line, too, before it is another program.
  const pid = m.must(["pgrep", "-o", "-f", "^/usr/lib/systemd/systemd --system"]).stdout.trim();
  const words = (...argv: readonly string[]) => ["nsenter", "-t", pid, "-p", "-m", "-C", ...argv];
  return { words, must: (argv) => m.must(words(...argv)), run: (argv) => m.run(words(...argv)) };
}
