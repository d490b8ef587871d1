/** A directory in a disposable machine: slapd(8), and nslcd(8) or sssd(8) as the name service, from Debian's packages. */

import type { Machine, MachineProcess } from "../machine/machine.ts";
import { installArchives } from "./archives.ts";
import { ACCOUNTS } from "./directory-accounts.ts";

// The rest are libraries, and programs for other tests.
const PACKAGES = {
  nslcd: /^(?:nslcd|libnss-ldapd|libpam-ldapd)_/,
  sssd: /^(?:sssd-.*|libnss-sss|libpam-sss|python3-sss)_/,
  neither: /^(?:syslog-ng-core|libnss-systemd|msmtp|libgsasl18|libgssglue1|libidn12|libntlm0|libsecret-.*)_/,
};

const SLAPD = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw secret
directory /srv/directory
index objectClass,uid,uidNumber,gidNumber,memberUid eq
`;
const SSSD = `[sssd]
services = nss, pam
domains = example.org
[nss]
filter_users = root
entry_negative_timeout = 1
memcache_timeout = 0
[domain/example.org]
id_provider = ldap
auth_provider = ldap
ldap_uri = ldap://127.0.0.1/
ldap_search_base = dc=example,dc=org
ldap_id_use_start_tls = false
ldap_auth_disable_tls_never_use_in_production = true
use_fully_qualified_names = true
entry_cache_timeout = 1
`;

/** The name service of a directory. */
export interface Directory {
  readonly kind: "nslcd" | "sssd";
  /** Changes the directory; returns the outcome of ldapmodify(1). */
  modify(ldif: string): ReturnType<Machine["run"]>;
  /** Ends slapd, and starts it again. */
  stopServer(): Promise<void>;
  startServer(): Promise<void>;
  /** Ends the name service's daemon, and starts it again. */
  stopDaemon(): Promise<void>;
  startDaemon(): Promise<void>;
}

const ADMIN = ["-x", "-D", "cn=admin,dc=example,dc=org", "-w", "secret", "-H", "ldap://127.0.0.1"];

/** Installs and starts a directory with the ACCOUNTS. */
export async function openDirectory(m: Machine, kind: Directory["kind"]): Promise<Directory> {
  install(m, kind);
  m.mkdir("/srv/directory", { mode: 0o700 });
  m.write("/srv/slapd.conf", SLAPD);
  m.write("/srv/accounts.ldif", ACCOUNTS);
  m.must(["slapadd", "-f", "/srv/slapd.conf", "-l", "/srv/accounts.ldif"]);
  const service = kind === "nslcd" ? "ldap" : "sss";
  const nss = m.read("/etc/nsswitch.conf").replace(/^(passwd|group|shadow):.*$/gm, `$1: files ${service}`);
  m.write("/etc/nsswitch.conf", nss);
  let server: MachineProcess | undefined;
  let daemon: MachineProcess | undefined;
  const directory: Directory = {
    kind,
    modify: (ldif) => m.run(["ldapmodify", ...ADMIN], { stdin: ldif }),
    async startServer() {
      server = m.start(["/usr/sbin/slapd", "-h", "ldap://127.0.0.1/", "-f", "/srv/slapd.conf", "-d", "0"]);
      while (m.run(["ldapwhoami", ...ADMIN]).status !== 0);
      // SSSD asks again at once.
      m.run(["pkill", "-USR2", "-x", "sssd"]);
    },
    stopServer: () => stop(server, "slapd"),
    async startDaemon() {
      const words = kind === "nslcd" ? ["/usr/sbin/nslcd", "-n"] : ["/usr/sbin/sssd", "-i", "--logger=files"];
      daemon = m.start(words);
      // SSSD answers from its cache while the server is down.
      if (kind === "nslcd") while (!m.exists("/run/nslcd/socket"));
      else while (m.run(["getent", "passwd", nameIn(kind, "anna")]).status !== 0);
    },
    async stopDaemon() {
      await stop(daemon, kind);
    },
  };
  async function stop(process: MachineProcess | undefined, name: string): Promise<void> {
    m.run(["pkill", "-x", name]);
    await process?.ended;
  }
  await directory.startServer();
  await directory.startDaemon();
  const name = nameIn(kind, "anna");
  while (m.run(["getent", "passwd", name]).status !== 0);
  return directory;
}

/** The name of an account: SSSD adds the domain. */
export const nameIn = (kind: Directory["kind"], name: string): string =>
  kind === "nslcd" ? name : `${name}@example.org`;

function install(m: Machine, kind: Directory["kind"]): void {
  m.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  const other = kind === "nslcd" ? "sssd" : "nslcd";
  const isWanted = (name: string) => !PACKAGES[other].test(name) && !PACKAGES.neither.test(name);
  installArchives(m, isWanted);
  // As openMachine: libpam-systemd does not matter.
  const sessions = "/etc/pam.d/common-session";
  m.write(sessions, m.read(sessions).replace(/^.*pam_systemd\.so.*\n/gm, ""));
  if (kind === "nslcd") {
    const settings = "uid nslcd\ngid nslcd\nuri ldap://127.0.0.1/\nbase dc=example,dc=org\n";
    m.write("/etc/nslcd.conf", settings, { mode: 0o640 });
    m.mkdir("/run/nslcd");
    m.must(["chown", "nslcd:nslcd", "/run/nslcd"]);
  } else m.write("/etc/sssd/sssd.conf", SSSD, { mode: 0o600 });
}
