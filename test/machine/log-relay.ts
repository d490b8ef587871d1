import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "./helper.ts";
import type { Machine } from "./machine.ts";

/** The account of jk_socketd's relay. */
export const account = "_jk-socketd";

/** Makes it, as packages do. */
export function makeAccount(machine: Machine): void {
  machine.write("/usr/lib/sysusers.d/jailkit.conf", readFileSync(join(checkout, "config/sysusers.conf")));
  machine.must(["systemd-sysusers", "jailkit.conf"]);
}
