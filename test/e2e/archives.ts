/** Debian packages that only tests install, in their machines: build/setup.mjs fetches them. */

import type { Machine } from "../machine/machine.ts";

const ARCHIVES = "/var/cache/apt/jailkit-tests";

/** Installs the packages whose files `isWanted` accepts, or those that are in a folder of their own. */
export function installArchives(
  m: Machine,
  wanted: "puppet" | "cloud-init" | ((file: string) => boolean),
): void {
  const [folder, isWanted] =
    typeof wanted === "string" ? [`${ARCHIVES}/${wanted}`, () => true] : [ARCHIVES, wanted];
  const debs = m.list(folder).filter((name) => name.endsWith(".deb") && isWanted(name));
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", DEBIAN_FRONTEND: "noninteractive" };
  m.must(["dpkg", "-i", ...debs.map((name) => `${folder}/${name}`)], { env, timeout: 120_000 });
}

/** Installs nss-systemd(8), if it is not on this machine anyway. It adds itself to /etc/nsswitch.conf. */
export function installNssSystemd(m: Machine): void {
  const isThere = m.list("/usr/lib").some((name) => m.exists(`/usr/lib/${name}/libnss_systemd.so.2`));
  if (!isThere) installArchives(m, (name) => name.startsWith("libnss-systemd_"));
}
