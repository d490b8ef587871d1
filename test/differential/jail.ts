import type { Machine } from "../machine/machine.ts";

/** The jail of most cases. */
export const J = "/srv/j";

/** Copies programs into a jail, which also gets the symbolic links that Debian has in its root directory. */
export function makeJail(m: Machine, jail: string, ...programs: string[]): void {
  m.mkdir(jail);
  m.must(["jk_cp", "-j", jail, ...programs]);
  for (const name of ["bin", "lib", "lib64", "sbin"])
    if (!m.exists(`${jail}/${name}`)) m.symlink(`usr/${name}`, `${jail}/${name}`);
}

/** Restores owner and mode of the jail J and of its directories. */
export function restoreDirectories(m: Machine): void {
  for (const name of ["dev", "etc", "usr", "usr/bin", "usr/lib", "usr/sbin", "home"]) m.mkdir(`${J}/${name}`);
  for (const name of ["opt", "run", "tmp", "web", "private", "var"]) m.remove(`${J}/${name}`);
  m.chmod("/srv", 0o755);
  m.mkdir(J);
}

/** Writes passwd and group of a jail, with the user u. */
export function writeAccounts(m: Machine, jail: string): void {
  m.write(`${jail}/etc/passwd`, "root:x:0:0::/root:/bin/sh\nu:x:4001:4001::/home/u:/bin/bash\n");
  m.write(`${jail}/etc/group`, "root:x:0:\nu:x:4001:\n");
}
