import type { ByteString } from "../../ffi/bytes.ts";
import type { BareMachine } from "./bare.ts";
import type { MachineProcess } from "./process.ts";
import type { RunOptions, RunResult } from "./request.ts";

export interface SshdOptions {
  /** More lines for sshd_config, `Match` blocks last; the first of two settings counts, and these come first. */
  config?: readonly ByteString[];
}

/** A running sshd, and clients for it. The clients run in the machine as root. */
export interface Sshd {
  readonly process: MachineProcess;
  /** Options that make ssh, scp and sftp use the key, and ask nothing. */
  readonly clientOptions: readonly ByteString[];
  /** For rsync's `-e` and GIT_SSH_COMMAND. */
  readonly command: ByteString;
  /** `ssh USER@127.0.0.1 COMMAND...`, to its end. */
  ssh(user: string, command: readonly ByteString[], options?: RunOptions): RunResult;
}

const folder = "/run/machine-ssh";
// Where sshd -T looks, too: what is asked about it is what runs.
const configuration = "/etc/ssh/sshd_config";

/** Starts sshd on 127.0.0.1, port 22, with a key that opens every account. Returns when it listens. */
export async function startSshd(machine: BareMachine, options: SshdOptions = {}): Promise<Sshd> {
  machine.mkdir("/run/sshd");
  machine.mkdir(folder);
  for (const key of ["host", "client"])
    machine.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", `${folder}/${key}`]);
  machine.write(`${folder}/authorized`, machine.read(`${folder}/client.pub`));
  const settings = [
    "Port 22",
    "ListenAddress 127.0.0.1",
    `HostKey ${folder}/host`,
    `AuthorizedKeysFile ${folder}/authorized`,
    "PidFile none",
    "UsePAM no",
    // Not every machine has a /etc/motd.
    "PrintMotd no",
    "StrictModes no",
    "PerSourcePenalties no",
    "MaxStartups 100",
    "Subsystem sftp /usr/lib/openssh/sftp-server",
  ];
  // a Match block lasts to the end of the file, so everything global is before the first one
  const own = options.config ?? [];
  const match = own.findIndex((line) => /^\s*match\b/i.test(line));
  const lines =
    match < 0 ? [...own, ...settings] : [...own.slice(0, match), ...settings, ...own.slice(match)];
  machine.write(configuration, `${lines.join("\n")}\n`);
  const process = machine.start(["/usr/sbin/sshd", "-D", "-e", "-f", configuration]);
  await process.until(({ stderr }) => stderr.includes("Server listening on") || undefined);

  const settingsOfClient = [
    "BatchMode=yes",
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "LogLevel=ERROR",
  ];
  const clientOptions = [
    "-F",
    "none",
    "-i",
    `${folder}/client`,
    ...settingsOfClient.flatMap((one) => ["-o", one]),
  ];
  return {
    process,
    clientOptions,
    command: ["ssh", ...clientOptions].join(" "),
    ssh: (user, command, options) =>
      machine.run(["ssh", ...clientOptions, `${user}@127.0.0.1`, ...command], options),
  };
}
