import type { Machine, RunOptions, RunResult } from "./machine.ts";

/** A machine that systemd has booted. */
export interface Booted {
  /** The words that start a program within it: in its processes, mounts and control groups. */
  words(...words: string[]): string[];
  /** Runs a program in it, as Machine.run does. */
  run(words: readonly string[], options?: RunOptions): RunResult;
  /** As run, but throws where the exit status is not 0. */
  must(words: readonly string[], options?: RunOptions): RunResult;
}

/**
 * Boots a machine: systemd as its process 1, with a /run of its own, and these units besides logind. Returns when they
 * have been started.
 */
export function bootMachine(machine: Machine, ...units: string[]): Booted {
  const needed = ["dbus.service", "systemd-logind.service", "systemd-user-sessions.service", ...units].join(
    " ",
  );
  // The last of it tells that the rest is there.
  machine.must(["mkfifo", "/root/ready"]);
  machine.write(
    "/etc/systemd/system/ready.service",
    `[Unit]\nRequires=${needed}\nAfter=${needed}\n[Service]\nType=oneshot\nExecStart=/bin/sh -c "echo > /root/ready"\n`,
  );
  const boot =
    "mount -t proc proc /proc && mount -t cgroup2 cgroup2 /sys/fs/cgroup && mount -t tmpfs -o mode=0755 tmpfs /run && " +
    "exec env container=test /usr/lib/systemd/systemd --system --unit=ready.service";
  machine.start(["unshare", "--pid", "--fork", "--kill-child", "--mount", "--cgroup", "sh", "-c", boot]);
  machine.must(["cat", "/root/ready"]);
  machine.remove("/root/ready");
  // What it starts has its command line, too, before it is another program.
  const pid = machine.must(["pgrep", "-o", "-f", "^/usr/lib/systemd/systemd --system"]).stdout.trim();
  const words = (...given: string[]) => ["nsenter", "-t", pid, "-p", "-m", "-C", ...given];
  return {
    words,
    run: (given, options) => machine.run(words(...given), options),
    must: (given, options) => machine.must(words(...given), options),
  };
}
