import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compiledC } from "../machine/helper.ts";
import type { Machine, RunResult } from "../machine/machine.ts";

export const J = "/srv/j";
/** Where the probe is in the jail J. */
export const PROBE = "/bin/probe";

/** The executable of probe.c, which prints what it was given and tries to get more. */
export const readProbe = () => readFileSync(compiledC(join(import.meta.dir, "probe.c"), ["-static"]));

/** Writes what exists only outside the jail: a file that the probe looks for, and a second probe, /root/probe. */
export function writeOutside(m: Machine): void {
  m.write("/etc/only-outside", "secret\n");
  m.write("/root/probe", readProbe(), { mode: 0o755 });
}

/** The rest of each line of a probe that begins with this word. */
export const says = ({ stdout }: Pick<RunResult, "stdout">, word: string): string[] =>
  stdout.split("\n").flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []));

/** The groups of a probe, in order. */
export const groupsOf = (result: RunResult) => says(result, "groups")[0]?.split(" ").map(Number).sort();

/** The numbers of the descriptors of a probe. */
export const descriptorsOf = (result: RunResult) => says(result, "fd").map((line) => line.split(" ")[0]);

/** Expects that a probe ran in the jail with these ids, no capability, no way out, and three descriptors. */
export function expectConfined(result: RunResult, uid: number, gid = uid): void {
  expect(result.status).toBe(0);
  expect(says(result, "uid")).toEqual([`${uid} ${uid} ${uid}`]);
  expect(says(result, "gid")).toEqual([`${gid} ${gid} ${gid}`]);
  expect(says(result, "capabilities")).toEqual(["0 0 0 0"]);
  expect(says(result, "chroot")).toEqual(["Operation not permitted"]);
  expect(says(result, "outside")).toEqual(["not seen"]);
  expect(descriptorsOf(result)).toEqual(["0", "1", "2"]);
}

/** Puts libraries into the jail that end whoever loads them, and an nsswitch.conf that names one. */
export function plantLibraries(m: Machine): void {
  m.write(
    "/root/trap.c",
    "#include <unistd.h>\n__attribute__((constructor)) static void trap(void) { _exit(77); }\n",
  );
  m.must(["gcc", "-shared", "-fPIC", "-o", "/root/libnss_trap.so.2", "/root/trap.c"]);
  const trap = m.readBytes("/root/libnss_trap.so.2");
  for (const directory of ["lib", "lib/x86_64-linux-gnu", "usr/lib", "usr/lib/x86_64-linux-gnu"]) {
    for (const name of ["libnss_trap.so.2", "libnss_files.so.2", "libc.so.6"]) {
      m.write(`${J}/${directory}/${name}`, trap, { mode: 0o755 });
    }
  }
  m.write(`${J}/etc/nsswitch.conf`, "passwd: trap\ngroup: trap\nshadow: trap\ninitgroups: trap\n");
}
