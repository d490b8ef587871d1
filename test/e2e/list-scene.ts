import type { Machine, MachineProcess } from "../machine/machine.ts";

/** Keeps a jailed shell running until its standard input ends; `up` shows that it runs. */
const WAIT = "echo up; read x";

/** A jail with a shell in it; the shell is dash, under both its names. */
export function makeShellJail(m: Machine, path: string): void {
  m.mkdir(path);
  m.must(["jk_cp", "-j", path, "/usr/bin/dash", "/dev/null"]);
}

/** Starts a program that becomes a waiting shell in the end, and returns when it has. */
async function started(m: Machine, words: readonly string[]): Promise<MachineProcess> {
  const process = m.start(words);
  await process.until(({ stdout }) => stdout.includes("up\n") || undefined);
  return process;
}

/** A shell that waits in a jail, with these arguments. `user` as chroot(8) takes it; root where not given. */
export function waitIn(m: Machine, jail: string, words: readonly string[] = [], user?: string) {
  const options = user === undefined ? [] : [`--userspec=${user}`];
  return started(m, ["chroot", ...options, jail, "/usr/bin/dash", "-c", WAIT, ...words]);
}

/** Runs shell commands in new namespaces (options of unshare(1)), the last of which is to become `$WAIT`. */
export function waitApart(m: Machine, namespaces: readonly string[], script: string) {
  const text = script.replaceAll("$WAIT", `/usr/bin/dash -c '${WAIT}'`);
  return started(m, ["unshare", ...namespaces, "/bin/sh", "-e", "-c", text]);
}

/** The end of a script: makes a mounted directory the root by pivot_root(2), and waits there. */
export const pivotTo = (directory: string) =>
  `cd ${directory}; /usr/sbin/pivot_root . .; /usr/bin/umount -l . 2>/dev/null || :; cd /; exec $WAIT`;

/** Ends processes, and returns when they have. */
export async function stop(...processes: readonly MachineProcess[]): Promise<void> {
  for (const process of processes) process.end();
  await Promise.all(processes.map(({ ended }) => ended));
}
