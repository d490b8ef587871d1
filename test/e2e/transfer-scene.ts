import { type Machine, openMachine, type Sshd } from "../machine/machine.ts";

/** Two machines on one network, between which a jail moves. Root of `fresh` may log in to `old` by that name. */
export interface Machines {
  readonly old: Machine;
  readonly fresh: Machine;
  /** The sshd of `fresh`, which reads the keys in homes; its client has a key. */
  readonly sshd: Sshd;
  /** The public key of that client. */
  readonly key: string;
  close(): Promise<void>;
}

const OLD_ADDRESS = "10.77.0.1";
const NEW_ADDRESS = "10.77.0.2";

/** Opens the machines, connects them by a cable, and starts sshd on both. */
export async function openMachines(): Promise<Machines> {
  const old = await openMachine({ under: "ours" });
  const fresh = await openMachine({ under: "ours" });
  const cable = ["link", "add", "cable", "netns", `${old.pid}`, "type", "veth", "peer", "name", "cable"];
  const done = Bun.spawnSync(["ip", ...cable, "netns", `${fresh.pid}`]);
  if (!done.success) throw new Error(`ip: ${done.stderr}`);
  for (const [machine, address] of [
    [old, OLD_ADDRESS],
    [fresh, NEW_ADDRESS],
  ] as const) {
    machine.must(["ip", "addr", "add", `${address}/24`, "dev", "cable"]);
    machine.must(["ip", "link", "set", "cable", "up"]);
    machine.must(["groupadd", "-f", "-r", "jailed"]);
  }
  await old.startSshd({ config: [`ListenAddress ${OLD_ADDRESS}`, "PermitRootLogin yes"] });
  const sshd = await fresh.startSshd({ config: ["AuthorizedKeysFile .ssh/authorized_keys"] });
  const client = "/run/machine-ssh/client";
  old.write("/run/machine-ssh/authorized", fresh.read(`${client}.pub`));
  fresh.write("/etc/hosts", `${fresh.read("/etc/hosts")}\n${OLD_ADDRESS} old\n`);
  fresh.mkdir("/root/.ssh", { mode: 0o700 });
  const settings = ["BatchMode yes", "StrictHostKeyChecking accept-new", "LogLevel ERROR"];
  fresh.write("/root/.ssh/config", `${[`IdentityFile ${client}`, ...settings].join("\n")}\n`);
  return {
    ...{ old, fresh, sshd, key: fresh.read(`${client}.pub`) },
    async close() {
      await old.close();
      await fresh.close();
    },
  };
}
