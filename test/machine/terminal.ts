import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ByteString } from "../../ffi/bytes.ts";
import { compiledC } from "./helper.ts";
import type { Machine, MachineProcess, RunOptions } from "./machine.ts";

const BRIDGE = "/usr/bin/terminal-bridge";

/** A session at a terminal of 80 columns, unless told otherwise, by 24: what is typed, and what the screen shows. SIGUSR1 makes the window larger. */
export class Terminal {
  #from = 0;
  constructor(readonly process: MachineProcess) {}

  /** Types, and waits until the screen shows this, behind what was waited for before; returns all up to its end. */
  async type(keys: string, shows: string | RegExp, deadline?: number): Promise<string> {
    this.process.write(Buffer.from(keys).toString("latin1"));
    return this.see(shows, deadline);
  }

  /** Waits for something on the screen, behind what was waited for before. */
  async see(shows: string | RegExp, deadline?: number): Promise<string> {
    return this.process.until(({ stdout }) => {
      const screen = Buffer.from(stdout, "latin1").toString().slice(this.#from);
      const at = typeof shows === "string" ? screen.indexOf(shows) : screen.search(shows);
      if (at < 0) return undefined;
      const length = typeof shows === "string" ? shows.length : (shows.exec(screen)?.[0].length ?? 0);
      this.#from += at + length;
      return screen.slice(0, at + length);
    }, deadline);
  }
}

/** Starts a program at a terminal of its own, as wide as it is told. */
export function openTerminal(
  machine: Machine,
  words: readonly ByteString[],
  { columns = 80, ...options }: RunOptions & { columns?: number } = {},
): Terminal {
  if (!machine.exists(BRIDGE)) {
    const bridge = compiledC(join(import.meta.dir, "terminal-bridge.c"), ["-static"]);
    machine.write(BRIDGE, readFileSync(bridge), { mode: 0o755 });
  }
  return new Terminal(machine.start([BRIDGE, String(columns), "24", ...words], options));
}
