import { expect } from "bun:test";
import { join } from "node:path";
import { USER } from "../unit/jail-helper.ts";

/** The process of escape-racer.ts, which is a jailed user's. */
export type Racer = Bun.Subprocess<"ignore", "pipe", "inherit">;

let running: Racer | undefined;

/** Ends the racer, if there is one: to be called after each test. */
export async function endRace(): Promise<void> {
  running?.kill();
  await running?.exited;
  running = undefined;
}

/** Starts exchanging two names as the user, and waits until it has begun. */
export async function race(first: string, second: string): Promise<Racer> {
  const program = join(import.meta.dir, "escape-racer.ts");
  const racer = Bun.spawn([process.execPath, program, String(USER), "100000000", first, second], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  running = racer;
  for await (const chunk of racer.stdout) {
    expect(new TextDecoder().decode(chunk)).toBe("started\n");
    break;
  }
  return racer;
}
