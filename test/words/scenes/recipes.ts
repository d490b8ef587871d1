import { expect } from "bun:test";
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

/** Each account does its one thing with its own client, and nothing of the others. */
async function useAccountsForOneThing(stage: Stage): Promise<void> {
  const { m, must } = stage;
  const jail = "/srv/jail";
  for (const user of ["mirror", "deploy", "inbox"]) stage.allowKey(user, `${jail}/home/${user}`);
  const fails = (line: string) =>
    expect([line, m.run(["sh", "-c", `cd; ${line}`]).status]).not.toEqual([line, 0]);
  m.write(`${jail}/data/file`, "data\n");
  await must("cd; rsync mirror@localhost:/data/file fetched; cmp fetched /srv/jail/data/file");
  for (const line of ["rsync mirror@localhost:/etc/passwd x", "rsync fetched mirror@localhost:/data/"])
    fails(line);
  await must(
    "git init -q /root/tree; git -C /root/tree -c user.name=M -c user.email=m@x commit --allow-empty -qm one",
  );
  await must("git -C /root/tree push -q deploy@localhost:/srv/git/stage HEAD:refs/heads/main");
  await must("git ls-remote deploy@localhost:/srv/git/site.git");
  for (const line of [
    "git -C tree push -q deploy@localhost:/srv/git/site.git HEAD:refs/heads/main",
    "git ls-remote deploy@localhost:/home/deploy",
    "scp fetched deploy@localhost:x",
  ])
    fails(line);
  await must("cd; scp fetched inbox@localhost:/incoming/dropped; cmp fetched /srv/jail/incoming/dropped");
  for (const line of ["scp fetched inbox@localhost:planted", "scp inbox@localhost:/data/file x"]) fails(line);
}

export const RECIPES: Scene = {
  boot: true,
  async prepare(stage) {
    useSystemdSessions(stage.m);
    // Who may hand in jobs is as Debian has it.
    for (const jobs of ["cron", "at"]) stage.m.remove(`/etc/${jobs}.allow`);
    await installService(stage);
  },
  steps: {
    "jk_init -j /srv/jail jk_lsh rsync git sftp": { after: useAccountsForOneThing },
  },
};
