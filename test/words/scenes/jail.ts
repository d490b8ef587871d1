import type { Stage } from "../scene.ts";

/** The jail of the examples. */
export const JAIL = "/srv/jail";

/** What lets the accounts of a jail use sftp, scp and rsync. */
export const POLICY = `[DEFAULT]
paths = /usr/bin, /usr/lib/openssh
executables = /usr/bin/scp, /usr/bin/rsync, /usr/lib/openssh/sftp-server
`;

/** Makes a jail of some sections. */
export const makeJail =
  (path = JAIL, ...sections: string[]) =>
  ({ m }: Stage) =>
    m.must(["jk_init", "-j", path, ...(sections.length > 0 ? sections : ["uidbasics"])]);

/** Makes the jail of a limited account that may log in by key. */
export function makeLimited(stage: Stage, user = "test", policy = POLICY): void {
  const { m } = stage;
  if (!m.exists(JAIL)) m.must(["jk_init", "-j", JAIL, "jk_lsh", "sftp", "scp", "rsync"]);
  m.must(["jk_addjailuser", "-j", JAIL, user]);
  m.must(["usermod", "-p", "*", user]);
  m.write(`${JAIL}/etc/jailkit/jk_lsh.ini`, policy);
  stage.allowKey(user, `${JAIL}/home/${user}`);
}

/** Makes an account with a home on the host. */
export function addAccount({ m }: Stage, name: string): void {
  m.addUser(name, { home: `/home/${name}`, createHome: true, shell: "/bin/bash" });
}
