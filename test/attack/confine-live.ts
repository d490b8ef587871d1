/**
 * The scene of confine-scene.ts with a jail in which real programs work: the host's /usr, as a live jail has it, devices,
 * /proc; and files for the attempts of confine-attempts.ts.
 */
import type { Layout, RunResult } from "../machine/machine.ts";
import { HOME, SCRIPTS } from "./confine-attempts.ts";
import {
  type ConfineScene,
  J,
  type Keys,
  type Kind,
  OFF,
  openConfineScene,
  outcomes,
  UID,
} from "./confine-scene.ts";
import { PROGRAMS } from "./session-programs.ts";

const PLACE = "/usr/lib/attempts";
const { bash, coreutils, git, rsync, python, perl, vim } = PROGRAMS;
/** Programs that must work, by the names of files of theirs. */
export const RUN = { bash, coreutils, git, rsync, python, perl, vim, ...SCRIPTS };
/** The attempts with them. */
export const RUNS = Object.keys(RUN).map((name) => `execute:${PLACE}/${name}`);

/** Puts the host's programs into the jail, as a live jail has them, and devices. */
function furnish({ m, probe }: ConfineScene): void {
  for (const [name, text = ""] of Object.entries(RUN)) {
    const lines = [
      "#!/bin/bash",
      `export HOME=${HOME}/${name} PATH=/usr/bin:/bin LANG=C.UTF-8 TERM=dumb USER=u SHELL=/bin/bash`,
      `mkdir -p $HOME && cd && exec >../${name}.out 2>&1`,
      text,
    ];
    m.write(`${PLACE}/${name}`, `${lines.join("\n")}\n`, { mode: 0o755 });
  }
  m.write(`${PLACE}/setuid`, probe, { mode: 0o4755 });
  m.write(`${PLACE}/setgid`, probe, { mode: 0o2755 });
  m.write(`${PLACE}/capable`, probe, { mode: 0o755 });
  m.must(["setcap", "cap_chown+ep", `${PLACE}/capable`]);
  m.write("/usr/bin/procmail", probe, { mode: 0o755 });
  for (const name of ["usr", "proc", "dev/pts", "dev/shm"]) m.mkdir(`${J}/${name}`);
  for (const name of ["bin", "sbin", "lib", "lib64"]) m.symlink(`usr/${name}`, `${J}/${name}`);
  m.must(["mount", "--bind", "/usr", `${J}/usr`]);
  m.must(["mount", "-t", "proc", "-o", "ro", "proc", `${J}/proc`]);
  m.must(["mount", "-t", "devpts", "-o", "newinstance,ptmxmode=0666", "devpts", `${J}/dev/pts`]);
  m.symlink("pts/ptmx", `${J}/dev/ptmx`);
  m.must(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", `${J}/dev/shm`]);
  m.symlink("/proc/self/fd", `${J}/dev/fd`);
  const devices = { null: [1, 3], zero: [1, 5], full: [1, 7], random: [1, 8], urandom: [1, 9], tty: [5, 0] };
  for (const [name, numbers] of Object.entries(devices))
    m.must(["mknod", "-m", "666", `${J}/dev/${name}`, "c", ...numbers.map(String)]);
  m.write(`${J}/dev/log`, "");
  m.must(["mount", "--bind", "/dev/log", `${J}/dev/log`]);
  m.write("/root/dynamic.c", "int main(void) { return 0; }\n");
  m.must(["gcc", "-o", "/root/dynamic", "/root/dynamic.c"]);
}

/** The files that attempts are about. */
function fill({ m, probe, fill }: ConfineScene): void {
  fill();
  const owner = [UID, UID] as const;
  for (const name of ["1", "2", "in/1", "in/2"]) m.write(`${J}/home/u/${name}`, "text", { owner });
  m.write(`${J}${HOME}/program`, probe, { owner, mode: 0o755 });
  m.write(`${J}${HOME}/script`, "#!/bin/sh\n", { owner, mode: 0o755 });
  m.write(`${J}${HOME}/dynamic`, m.readBytes("/root/dynamic"), { owner, mode: 0o755 });
  m.symlink("program", `${J}${HOME}/link`);
  // vim is a link through it.
  m.must(["cp", "-a", "/etc/alternatives", `${J}/etc/`]);
  m.must(["mknod", "-m", "666", `${J}/data/random`, "c", "1", "9"]);
}

export interface LiveScene extends ConfineScene {
  /** As session, with keys besides OFF: what came of each attempt, in their order. */
  tried(
    kind: Kind,
    keys: Keys,
    attempts: readonly string[],
    lie?: readonly string[],
  ): RunResult & { seen: string[] };
}

/** Opens it. */
export async function openLiveScene(layout: Layout): Promise<LiveScene> {
  const scene = await openConfineScene(layout);
  furnish(scene);
  const code =
    "import socket; s = socket.create_server(('127.0.0.1', 443)); print('ready', flush=True)\nwhile 1: s.accept()";
  const server = scene.m.start(["/usr/bin/python3", "-c", code]);
  await server.until(({ stdout }) => stdout.includes("ready") || undefined);
  return {
    ...scene,
    fill: () => fill(scene),
    tried(kind, keys, attempts, lie) {
      const filled = attempts.map((one) => one.replace("@OUTSIDE", scene.outside));
      const result = scene.session(kind, { ...OFF[kind], ...keys }, filled, lie);
      const seen = outcomes(result);
      return { ...result, seen: attempts.map((_, i) => seen[filled[i] ?? ""] ?? result.stderr) };
    },
  };
}
