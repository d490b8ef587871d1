import { expect } from "bun:test";
import { packages } from "../../e2e/packages-scene.ts";
import { checkout } from "../../machine/helper.ts";
import type { Machine } from "../../machine/machine.ts";
import type { Scene, Stage, Step } from "../scene.ts";

const CLONE = "/usr/src/jailkit";
/** The directory of docs/fleet.md. */
export const FLEET = "/root/fleet";
export const MACHINES = ["web1", "web2", "web3"] as const;
/** A machine that is added later. */
const NEW = "web4";
/** The users with bash; mirror and inbox have the limited shell. */
export const WITH_BASH = ["anna", "bert", "carla", "dirk", "emma", "frank", "gina", "hugo"] as const;

/** What Ansible says at the end: how many tasks have changed something, and failed, on each machine. */
export function recapOf(output: string): Record<string, { changed: number; failed: number }> {
  const rows = output.matchAll(/^(\w+) +: ok=\d+ +changed=(\d+) +unreachable=0 +failed=(\d+) /gm);
  return Object.fromEntries(
    [...rows].map(([, name = "", changed, failed]) => [
      name,
      { changed: Number(changed), failed: Number(failed) },
    ]),
  );
}

/** What Ansible says if it has changed nothing. */
export const UNCHANGED = Object.fromEntries(MACHINES.map((name) => [name, { changed: 0, failed: 0 }]));

/** Machines without jailkit, and what a clone has after `npm run package`. */
async function prepare({ m, others, shell }: Stage): Promise<void> {
  for (const machine of others) machine.must(["dpkg", "--purge", "jailkit"]);
  m.mkdir(`${CLONE}/dist/packages`);
  m.must(["cp", "-a", `${checkout}/ansible`, CLONE]);
  m.must(["cp", packages().deb, `${CLONE}/dist/packages/`]);
  await shell.type(`cd ${CLONE}`);
}

/** The step of a block that runs the playbook where something is to be done on each of some machines, and nowhere else. */
const changing = (...names: readonly string[]): Step => ({
  after: (_stage, outputs) => {
    const recap = recapOf(outputs.findLast((output) => output.includes("PLAY RECAP")) ?? "");
    expect(Object.keys(recap).sort()).toEqual([...names]);
    for (const { changed, failed } of Object.values(recap)) expect([changed > 0, failed]).toEqual([true, 0]);
  },
});

/** test/e2e/fleet-others.test.ts does what the block says, on a machine of its own. */
const DONE_THERE: Step = { check: () => {} };

/** Gives a machine other keys of its sshd, as if it was installed anew; returns when sshd has them. */
function renewHostKeys(m: Machine): void {
  for (const name of m.list("/etc/ssh")) if (name.startsWith("ssh_host_")) m.remove(`/etc/ssh/${name}`);
  m.must(["ssh-keygen", "-A"]);
  m.must(["kill", "-HUP", m.read("/run/sshd.pid").trim()]);
  const [, key = ""] = m.read("/etc/ssh/ssh_host_ed25519_key.pub").split(" ");
  while (!m.run(["ssh-keyscan", "-t", "ed25519", "127.0.0.1"]).stdout.includes(key));
}

export const FLEET_SCENE: Scene = {
  bare: true,
  others: [...MACHINES, NEW],
  prepare,
  steps: {
    "ansible-playbook jails.yml": changing(...MACHINES),
    "ssh -i keys/anna anna@web1 pwd": {
      after: (_stage, [output]) => expect(output).toBe("/home/anna"),
    },
    // test/e2e/fleet.test.ts types it after the same blocks, and compares all that it could change.
    "ansible-playbook jails.yml #2": { check: () => {} },
    "ansible web -m command -a 'jailkit status'": {
      after: async ({ others: [, web2], shell }, [output = ""], [line = ""]) => {
        const all = MACHINES.length;
        expect(output.match(/^web\d \| CHANGED \| rc=0 >>$/gm)).toHaveLength(all);
        expect(output.match(/^Nothing needs attention\.$/gm)).toHaveLength(all);
        web2?.must(["mv", "/srv/customers", "/srv/moved"]);
        const other = await shell.type(line);
        web2?.must(["mv", "/srv/moved", "/srv/customers"]);
        expect(other.status).toBe(2);
        expect(other.output).toMatch(/^web2 \| FAILED \| rc=1 >>$[\s\S]*\/srv\/customers/m);
        expect(other.output.match(/^Nothing needs attention\.$/gm)).toHaveLength(all - 1);
      },
    },
    "sed -i 's/^\\[user anna\\]$/&\\ncomment = Anna/' jails.d/customers.ini": {
      after: (stage, outputs) => {
        expect(outputs[1]).toContain("~ user anna: comment");
        changing(...MACHINES).after?.(stage, outputs, []);
      },
    },
    "sed -i '/^\\[user hugo\\]$/,/^$/d' jails.d/customers.ini": {
      after: (stage, outputs) => {
        changing(...MACHINES).after?.(stage, outputs, []);
        for (const m of stage.others.slice(0, MACHINES.length)) {
          expect(m.run(["id", "hugo"]).status).not.toBe(0);
          expect(m.exists("/srv/customers/home/hugo")).toBe(false);
        }
      },
    },
    "ssh-keygen -q -t ed25519 -N '' -C emma -f keys/emma.new": {
      after: async (stage, outputs) => {
        changing(...MACHINES).after?.(stage, outputs, []);
        const login = "-o BatchMode=yes emma@web1 pwd";
        expect(await stage.shell.type(`ssh -i keys/emma.new ${login}`)).toMatchObject({
          output: "/home/emma",
        });
        expect((await stage.shell.type(`ssh -i keys/emma -o IdentitiesOnly=yes ${login}`)).status).toBe(255);
      },
    },
    "ssh root@web4 true": changing(NEW),
    "ssh-keygen -R web2": {
      before: async ({ others: [, web2], shell }) => {
        if (web2 === undefined) throw new Error("no second machine");
        renewHostKeys(web2);
        const { status, output } = await shell.type("ssh root@web2 true");
        expect([status, output]).toEqual([255, expect.stringContaining("HAS CHANGED")]);
      },
    },
    "touch jails.d/none.ini": {
      after: (stage, outputs) => {
        changing("web3").after?.(stage, outputs, []);
        expect(stage.m.read(`${FLEET}/hosts.ini`)).not.toMatch(/^web3$/m);
        const [, , web3] = stage.others;
        expect(web3?.run(["id", "anna"]).status).not.toBe(0);
        expect(web3?.exists("/srv/customers")).toBe(false);
      },
    },
    "package { 'jailkit': ensure => installed }": DONE_THERE,
    "jailkit:": DONE_THERE,
    "#cloud-config": DONE_THERE,
  },
};
