import type { Machine } from "./machine.ts";

/** A process of a user that waits until it is killed; when this returns, it runs as that user. */
export async function sleeperOf(m: Pick<Machine, "start">, user: string) {
  const process = m.start(["sh", "-c", "echo there; exec sleep infinity"], { user });
  await process.until(({ stdout }) => (stdout === "" ? undefined : true));
  return process;
}
