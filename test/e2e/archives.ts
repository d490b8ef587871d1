/** Debian packages that only tests install, in their machines: build/setup.mjs fetches them. */

import type { Machine } from "../machine/machine.ts";

const ARCHIVES = "/var/cache/apt/jailkit-tests";

/** Installs the packages whose files `isWanted` accepts. */
export function installArchives(m: Machine, isWanted: (file: string) => boolean): void {
  const debs = m.list(ARCHIVES).filter((name) => name.endsWith(".deb") && isWanted(name));
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", DEBIAN_FRONTEND: "noninteractive" };
  m.must(["dpkg", "-i", ...debs.map((name) => `${ARCHIVES}/${name}`)], { env, timeout: 120_000 });
}

/** Installs nss-systemd(8), if it is not on this machine anyway. It adds itself to /etc/nsswitch.conf. */
export function installNssSystemd(m: Machine): void {
  const isThere = m.list("/usr/lib").some((name) => m.exists(`/usr/lib/${name}/libnss_systemd.so.2`));
  if (!isThere) installArchives(m, (name) => name.startsWith("libnss-systemd_"));
}
