import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ByteString } from "../../ffi/bytes.ts";
import { compiledC } from "./helper.ts";
import type { Machine } from "./machine.ts";

const KERNEL = "/usr/bin/linux.uml";
const MODULES = "/usr/lib/uml/modules";
const SHELL = `[Service]
Type=simple
ExecStart=/bin/su --login root
StandardInput=tty-force
StandardOutput=tty
TTYPath=/dev/tty1
`;

/**
 * The words that start a kernel of the machine's own (User Mode Linux, as Debian builds it) at a terminal, which then is
 * that of a login shell of root's. Its root is the machine's; systemd has started logind and `units`. `disk` is a file
 * of the machine that is the disk /dev/ubdb there. It has no Landlock, and no file capabilities. For what belongs to a
 * kernel as a whole: control groups, audit, quotas.
 */
export function kernelWords(machine: Machine, disk: ByteString, ...units: string[]): string[] {
  if (!existsSync(KERNEL)) throw new Error("the tests need a kernel: apt-get install user-mode-linux kmod");
  machine.mkdir("/lib/modules");
  for (const version of machine.list(MODULES))
    if (!machine.exists(`/lib/modules/${version}`))
      machine.symlink(`${MODULES}/${version}`, `/lib/modules/${version}`);
  const needed = ["dbus.service", "systemd-logind.service", "systemd-user-sessions.service", ...units];
  machine.write(
    "/etc/systemd/system/root-shell.service",
    `[Unit]\nRequires=${needed.join(" ")}\nAfter=${needed.join(" ")}\n${SHELL}`,
  );
  const init = "exec env container=test /usr/lib/systemd/systemd --system --unit=root-shell.service";
  machine.write("/root/init", `#!/bin/sh\n${init} --show-status=no --log-target=null\n`, { mode: 0o755 });
  const settings = ["mem=1G", "root=/dev/root", "rootfstype=hostfs", "hostfs=/", "rw", "init=/root/init"];
  const consoles = ["con=null", "con1=fd:0,fd:1", "quiet"];
  const variables = ["HOME=/root"];
  if (process.arch === "x64") {
    const library = compiledC(join(import.meta.dir, "xstate.c"), ["-shared", "-fPIC"]);
    variables.push(`LD_PRELOAD=${library}`);
  }
  return ["env", ...variables, KERNEL, ...settings, ...consoles, `ubdb=${disk}`];
}
