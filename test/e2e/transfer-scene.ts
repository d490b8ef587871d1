import { type Machine, openMachine } from "../machine/machine.ts";

/** Two machines on one network: a jail moves from `old` to `fresh`. */
export interface Machines {
  readonly old: Machine;
  readonly fresh: Machine;
}

export const OLD_ADDRESS = "10.77.0.1";
export const NEW_ADDRESS = "10.77.0.2";

/** Opens two machines with our tools, and connects them by a cable. */
export async function openMachines(): Promise<Machines> {
  const [old, fresh] = [await openMachine({ under: "ours" }), await openMachine({ under: "ours" })];
  const cable = ["link", "add", "cable", "netns", `${old.pid}`, "type", "veth", "peer", "name", "cable"];
  const done = Bun.spawnSync(["ip", ...cable, "netns", `${fresh.pid}`]);
  if (!done.success) throw new Error(`ip: ${done.stderr}`);
  for (const [machine, address] of [
    [old, OLD_ADDRESS],
    [fresh, NEW_ADDRESS],
  ] as const) {
    machine.must(["ip", "addr", "add", `${address}/24`, "dev", "cable"]);
    machine.must(["ip", "link", "set", "cable", "up"]);
  }
  return { old, fresh };
}
