import type { Machine, MachineProcess } from "./machine.ts";

const config = "/etc/ssh/sshd_config";

/**
 * Puts sshd_config and host keys into the machine as the package openssh-server does, in the place of what is there.
 * Nothing is started.
 */
export function configureSystemSshd(machine: Machine): void {
  machine.remove("/etc/ssh/sshd_config.d");
  machine.mkdir("/etc/ssh/sshd_config.d");
  machine.write(config, machine.read("/usr/share/openssh/sshd_config"));
  machine.must(["ssh-keygen", "-A"]);
}

/** Starts sshd by the machine's /etc/ssh/sshd_config, on every address that it has. Returns when it listens. */
export async function startSystemSshd(machine: Machine): Promise<MachineProcess> {
  machine.mkdir("/run/sshd");
  const process = machine.start(["/usr/sbin/sshd", "-D", "-e"]);
  await process.until(({ stderr }) => stderr.includes("Server listening on") || undefined);
  return process;
}
