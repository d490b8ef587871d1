import { type Machine, type MachineOptions, openMachine } from "./machine.ts";
import { keepZippedModules } from "./python-cache.ts";
import { configureSystemSshd, startSystemSshd } from "./system-sshd.ts";

/** Machines that reach each other, with sshd on each but the first. */
export interface Fleet {
  /** From where the others are reached as root, by a key that asks nothing. */
  readonly control: Machine;
  /** The others, in the order of their names. */
  readonly machines: readonly Machine[];
}

const PREFIX = "10.19.75.";

/**
 * Opens a machine for each name, and a control machine with a bridge that they are all connected to, under these names.
 * Nothing of it is in a network that was there before, and all of it ends with `control.close()`.
 */
export async function openFleet(names: readonly string[], options: MachineOptions = {}): Promise<Fleet> {
  const opened: Machine[] = [];
  const closeAll = () => Promise.all(opened.map((one) => one.close()));
  try {
    for (const _ of ["control", ...names]) opened.push(await openMachine(options));
    const [first, ...machines] = opened;
    if (first === undefined) throw new Error("no machine");
    connect(first, machines);
    const hosts = ["control", ...names].map((name, n) => `${PREFIX}${n + 1} ${name}\n`).join("");
    for (const [n, machine] of opened.entries()) {
      const name = names[n - 1] ?? "control";
      machine.must(["hostname", name]);
      machine.write("/etc/hostname", `${name}\n`);
      machine.write("/etc/hosts", `127.0.0.1 localhost\n${hosts}`);
    }
    // Whatever the copied machine has there.
    for (const machine of opened) machine.remove("/root/.ssh");
    for (const machine of machines) keepZippedModules(machine);
    first.mkdir("/root/.ssh", { mode: 0o700 });
    first.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/.ssh/id_ed25519"]);
    for (const machine of machines) {
      // Each has keys of its own.
      for (const name of machine.list("/etc/ssh"))
        if (name.startsWith("ssh_host_")) machine.remove(`/etc/ssh/${name}`);
      configureSystemSshd(machine);
      machine.mkdir("/root/.ssh", { mode: 0o700 });
      machine.write("/root/.ssh/authorized_keys", first.read("/root/.ssh/id_ed25519.pub"), { mode: 0o600 });
      await startSystemSshd(machine);
    }
    const control: Machine = { ...first, close: async () => void (await closeAll()) };
    return { control, machines };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** Gives each machine an address, and a cable to a bridge in the first one. */
function connect(first: Machine, others: readonly Machine[]): void {
  // With the files and processes of this machine, so that the namespaces of all can be named.
  const ip = (words: string) => {
    const line = ["nsenter", `--net=/proc/${first.pid}/ns/net`, "ip", ...words.split(" ")];
    const { success, stderr } = Bun.spawnSync(line);
    if (!success) throw new Error(`${line.join(" ")}: ${stderr}`);
  };
  ip("link add fleet type bridge");
  ip(`address add ${PREFIX}1/24 dev fleet`);
  ip("link set fleet up");
  for (const [n, machine] of others.entries()) {
    ip(`link add port${n} type veth peer name eth0 netns ${machine.pid}`);
    ip(`link set port${n} master fleet up`);
    machine.must(["ip", "address", "add", `${PREFIX}${n + 2}/24`, "dev", "eth0"]);
    machine.must(["ip", "link", "set", "eth0", "up"]);
  }
}
