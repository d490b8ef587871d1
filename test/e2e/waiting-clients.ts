import type { Machine } from "../machine/machine.ts";
import type { Sshd } from "../machine/sshd.ts";

/**
 * Connects as a user, and stops before the proof; what that returns gives it, and returns what the session says. The client asks for
 * its passphrase when sshd has accepted the key, and before it proves that it has it.
 */
export function waitingClients(m: Machine, sshd: Sshd) {
  m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", "/root/slow"]);
  m.write(
    "/run/machine-ssh/authorized",
    `${m.read("/root/slow.pub")}${m.read("/run/machine-ssh/client.pub")}`,
  );
  m.write("/root/ask", '#!/bin/sh\necho asked >&2\nread line < "$ANSWER"\necho secret\n', { mode: 0o755 });
  let connections = 0;
  return async (name: string, command = "readlink /proc/self/root; echo in", port = "22") => {
    const ANSWER = `/root/answer-${connections++}`;
    m.must(["mkfifo", ANSWER]);
    const env = { ANSWER, SSH_ASKPASS: "/root/ask", SSH_ASKPASS_REQUIRE: "force", PATH: "/usr/bin:/bin" };
    const options = sshd.clientOptions.map((one) =>
      one.replace(/^BatchMode=yes$/, "BatchMode=no").replace(/^.*\/client$/, "/root/slow"),
    );
    const client = m.start(["ssh", ...options, "-p", port, `${name}@127.0.0.1`, command], { env });
    await client.until(({ stderr }) => stderr.includes("asked") || undefined);
    return async () => {
      m.must(["sh", "-c", `echo > ${ANSWER}`]);
      return (await client.ended).stdout;
    };
  };
}
