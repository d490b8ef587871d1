import { type Machine, openMachine } from "../machine/machine.ts";
import { interleave, report } from "./measure.ts";

const FILES = 50_000;
const JAIL = "/srv/jail";

/** Runs a program, and writes how much memory it had (getrusage(2)); Python itself takes some 20 ms. */
const MEASURED = `
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL)
open("/root/kilobytes", "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
`;

/** jk_jailuser -m against `cp -a` of the home: on one file system nothing is copied, to another everything. */
export async function benchHome(): Promise<void> {
  const m = await openMachine({ under: "ours", only: ["jk_jailuser"] });
  try {
    compare(m, "a tree", false);
    for (const shape of Object.keys(SHAPES) as Shape[]) compare(m, shape, true);
  } finally {
    await m.close();
  }
}

function compare(m: Machine, shape: Shape, other: boolean): void {
  m.remove(JAIL);
  m.mkdir(`${JAIL}/etc`);
  if (other) m.must(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", JAIL]);
  let memory = 0;
  const move = () => {
    makeHome(m, shape);
    m.mkdir(`${JAIL}/etc`);
    for (const file of ["passwd", "group"]) m.write(`${JAIL}/etc/${file}`, "root:x:0:\n");
    const { start, end } = m.time([
      "python3",
      "-c",
      MEASURED,
      "jk_jailuser",
      "-n",
      "-m",
      "-j",
      JAIL,
      "bench",
    ]);
    memory = Math.max(memory, Number(m.read("/root/kilobytes")) / 1024);
    m.must(["userdel", "bench"]);
    for (const path of [`${JAIL}/home`, "/var/lib/jailkit"]) m.remove(path);
    return (end - start) / 1e6;
  };
  const copy = () => {
    makeHome(m, shape);
    const { start, end } = m.time(["cp", "-a", "/home/bench", `${JAIL}/copy`]);
    m.must(["userdel", "bench"]);
    for (const path of [`${JAIL}/copy`, "/home/bench"]) m.remove(path);
    return (end - start) / 1e6;
  };
  const { ours, cp } = interleave(3, { ours: move, cp: copy });
  const where = other ? "to another file system" : "on one file system";
  const what = `jk_jailuser -m, ${FILES} files in ${shape}, ${where} (${memory.toFixed(0)} MB)`;
  report(what, ours, cp, "cp -a of the home", { atMost: other ? 1.2 : 0.5 });
  if (other) m.must(["umount", JAIL]);
}

/** For how the files lie: the number of directories, and how many of them are in one. */
const SHAPES = {
  "a tree": [FILES / 100, 50],
  "one directory": [1, 1],
  "directories of three": [Math.floor(FILES / 3), 130],
} as const;
type Shape = keyof typeof SHAPES;

function makeHome(m: Machine, shape: Shape): void {
  const [directories, together] = SHAPES[shape];
  const { uid, gid } = m.addUser("bench", { home: "/home/bench" });
  const script = `
import os
for d in range(${directories}):
    p = f"/home/bench/d{d // ${together}}/s{d % ${together}}"
    os.makedirs(p)
    for n in range(${FILES} // ${directories}):
        with open(f"{p}/file-{n}.txt", "wb") as f: f.write(b"x" * 3000)
`;
  m.must(["python3", "-c", script]);
  m.must(["chown", "-R", `${uid}:${gid}`, "/home/bench"]);
}
