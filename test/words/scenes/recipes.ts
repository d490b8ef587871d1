import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "../../machine/helper.ts";
import { makeAccount } from "../../machine/log-relay.ts";
import type { Machine } from "../../machine/machine.ts";
import type { Scene, Stage } from "../scene.ts";

const STACK = "/etc/pam.d/common-session";

/** Sets the session modules of a Debian with libpam-systemd, however the copied machine was set up. */
export function useSystemdSessions(m: Machine): void {
  const modules = m.read(STACK).replace(/^.*pam_systemd\.so.*\n/gm, "");
  m.write(STACK, `${modules}session optional pam_systemd.so\n`);
}

/** What the package of jailkit brings besides programs. */
export async function installService({ m, must }: Stage): Promise<void> {
  const unit = "jk_socketd.service";
  makeAccount(m);
  m.write(`/etc/systemd/system/${unit}`, readFileSync(join(checkout, "docs/units", unit)));
  await must("systemctl daemon-reload");
}

export const RECIPES: Scene = {
  boot: true,
  async prepare(stage) {
    useSystemdSessions(stage.m);
    // Who may hand in jobs is as Debian has it.
    for (const jobs of ["cron", "at"]) stage.m.remove(`/etc/${jobs}.allow`);
    await installService(stage);
  },
};
