import { expect } from "bun:test";
import type { Scene, Stage } from "../scene.ts";

/** Makes the accounts that the page moves, as their programs have them; shells that Debian has no more are empty. */
async function makeAccounts({ m, must, allowKey }: Stage): Promise<void> {
  for (const shell of ["/usr/bin/rssh", "/usr/sbin/scponlyc", "/usr/bin/lshell"])
    m.write(shell, "", { mode: 0o755 });
  const homes = { bob: "/usr/bin/rssh", dave: "/usr/bin/lshell", erin: "/usr/sbin/rush", gina: "/bin/bash" };
  for (const [name, shell] of Object.entries(homes)) {
    m.addUser(name, { createHome: true, shell });
    allowKey(name, `/home/${name}`);
  }
  m.addUser("carol", { home: "/srv/scp//incoming", shell: "/usr/sbin/scponlyc" });
  m.addUser("frank", { home: "/files", shell: "/usr/sbin/nologin" });
  // As scponly's own script does, and as administrators do: the group is root's.
  await must("install -D -d -o carol /srv/scp/incoming");
  await must("install -D -d -o frank /srv/sftp/frank/files");
  await must("git init -q --bare -b main /srv/git/project.git && chown -R erin: /srv/git/project.git");
}

const OLD = "/srv/old";
const PROGRAM = `${OLD}/usr/bin/cp`;

/** A jail of an account, as jailkit 2 leaves it: without a record; its section has a program now that it lacks. */
async function makeOldJail({ m, must }: Stage): Promise<void> {
  await must(`jk_init -j ${OLD} uidbasics basicshell && rm ${PROGRAM}`);
  await must(`jk_addjailuser -s /bin/bash ${OLD} hans`);
  m.remove("/var/lib/jailkit");
}

export const MIGRATION: Scene = {
  boot: true,
  prepare: makeAccounts,
  steps: {
    "jailkit adopt --all --dry-run": {
      before: makeOldJail,
      after: async ({ m, must }, [, , output = ""]) => {
        expect(output).toContain(PROGRAM);
        await must(`jailkit delete --yes --unjail ${OLD} && userdel hans`);
        m.remove(OLD);
      },
    },
  },
};
