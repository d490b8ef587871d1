import { expect } from "bun:test";
import { packages } from "../../e2e/packages-scene.ts";
import { checkout } from "../../machine/helper.ts";
import type { Scene, Stage } from "../scene.ts";

const CLONE = "/usr/src/jailkit";
/** The directory of docs/fleet.md. */
export const FLEET = "/root/fleet";
export const MACHINES = ["web1", "web2", "web3"] as const;
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

/** A file that a data format of another program is parsed by; throws where it is wrong. */
function requireYaml({ m }: Stage, text: string): void {
  m.must(["python3", "-c", "import sys, yaml; assert isinstance(yaml.safe_load(sys.stdin), dict)"], {
    stdin: text,
  });
}

/** Machines without jailkit, and what a clone has after `npm run package`. */
async function prepare({ m, others, shell }: Stage): Promise<void> {
  for (const machine of others) machine.must(["dpkg", "--purge", "jailkit"]);
  m.mkdir(`${CLONE}/dist/packages`);
  m.must(["cp", "-a", `${checkout}/ansible`, CLONE]);
  m.must(["cp", packages().deb, `${CLONE}/dist/packages/`]);
  await shell.type(`cd ${CLONE}`);
}

export const FLEET_SCENE: Scene = {
  bare: true,
  others: MACHINES,
  prepare,
  steps: {
    "cat > jails.d/customers.ini <<END": {
      before: ({ m }) => {
        for (const user of [...WITH_BASH, "mirror", "inbox"])
          m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", `${FLEET}/keys/${user}`]);
      },
    },
    "ansible-playbook jails.yml": {
      after: (_stage, [output = ""]) => {
        const recap = recapOf(output);
        expect(Object.keys(recap).sort()).toEqual([...MACHINES]);
        for (const { changed, failed } of Object.values(recap))
          expect([changed > 0, failed]).toEqual([true, 0]);
      },
    },
    "ssh -i keys/anna anna@web1 pwd": {
      after: (_stage, [output]) => expect(output).toBe("/home/anna"),
    },
    "ansible-playbook jails.yml #2": {
      after: (_stage, [output = ""]) => expect(recapOf(output)).toEqual(UNCHANGED),
    },
    "package { 'jailkit': ensure => installed }": {
      check: (_stage, text) => {
        const depth = [...text.replace(/'[^']*'/g, "")].reduce(
          (all, one) => all + (one === "{" ? 1 : one === "}" ? -1 : 0),
          0,
        );
        expect(depth).toBe(0);
      },
    },
    "jailkit:": { check: requireYaml },
    "#cloud-config": { check: requireYaml },
  },
};
