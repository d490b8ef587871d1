import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildExecutable } from "../../build/executable.ts";
import { cache, checkout, compiledC } from "../machine/helper.ts";
import { openMachine } from "../machine/machine.ts";
import { interleave, report } from "./measure.ts";

/** jk_lsh, from its start to the start of the program that it runs, against an empty executable of Bun's. */
export async function benchLsh(): Promise<void> {
  const m = await openMachine({ under: "ours", only: ["jk_lsh"] });
  try {
    m.write("/usr/bin/stamp", readFileSync(compiledC(join(import.meta.dir, "stamp.c"), ["-static"])), {
      mode: 0o755,
    });
    m.write("/usr/bin/empty", readFileSync(emptyExecutable()), { mode: 0o755 });
    m.addUser("u", { home: "/home/u", createHome: true });
    m.write("/etc/jailkit/jk_lsh.ini", "[DEFAULT]\npaths = /usr/bin\nexecutables = /usr/bin/stamp\n");
    await m.startSyslog();
    const env = {
      USER: "u",
      HOME: "/home/u",
      PATH: "/usr/bin:/bin",
      LANG: "C.UTF-8",
      SHELL: "/usr/sbin/jk_lsh",
    };
    const login = { user: "u", env };
    const times = interleave(41, {
      ours: () => {
        const { start, stdout } = m.time(["jk_lsh", "-c", "stamp"], login);
        return (Number(stdout) - start) / 1e6;
      },
      empty: () => {
        const { start, end } = m.time(["empty"], login);
        return (end - start) / 1e6;
      },
    });
    report("jk_lsh to the start of the program", times.ours, times.empty, "an empty executable", {
      atMost: 1.3,
    });
  } finally {
    await m.close();
  }
}

/** An empty program, compiled with the flags of the tools; without the guard, which is ours. */
function emptyExecutable(): string {
  const entry = join(cache, "empty.ts");
  const output = join(cache, `empty-${process.pid}`);
  writeFileSync(entry, "export {};\n");
  process.on("exit", () => rmSync(output, { force: true }));
  buildExecutable({ root: checkout, entry, output, privileged: false, unguarded: true });
  return output;
}
