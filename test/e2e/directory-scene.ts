/** A directory in a disposable machine: slapd(8), and nslcd(8) or sssd(8) as the name service, from Debian's packages. */

import type { Machine, MachineProcess } from "../machine/machine.ts";
import { installArchives } from "./archives.ts";
import { ACCOUNTS } from "./directory-accounts.ts";

// The rest are libraries, and programs for other tests.
const PACKAGES = {
  nslcd: /^(?:nslcd|libnss-ldapd|libpam-ldapd)_/,
  sssd: /^(?:sssd-.*|libnss-sss|libpam-sss|python3-sss)_/,
  slapd: /^slapd_/,
  neither: /^(?:syslog-ng-core|libnss-systemd|msmtp|libgsasl18|libgssglue1|libidn12|libntlm0|libsecret-.*)_/,
};

// Public keys of accounts (the schema of OpenSSH-LPK), as SSSD reads them by default.
const KEY_SCHEMA = `
attributetype ( 1.3.6.1.4.1.24552.500.1.1.1.13 NAME 'sshPublicKey' EQUALITY octetStringMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
objectclass ( 1.3.6.1.4.1.24552.500.1.1.2.0 NAME 'ldapPublicKey' SUP top AUXILIARY MAY ( sshPublicKey $ uid ) )
`;
const SLAPD = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
${KEY_SCHEMA}
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw secret
directory /srv/directory
index objectClass,uid,uidNumber,gidNumber,memberUid eq
`;
const sssdConfig = (server: string, qualified: boolean) => `[sssd]
services = nss, pam, ssh
domains = example.org
[nss]
filter_users = root
entry_negative_timeout = 1
memcache_timeout = 0
[domain/example.org]
id_provider = ldap
auth_provider = ldap
ldap_uri = ldap://${server}/
ldap_search_base = dc=example,dc=org
ldap_id_use_start_tls = false
ldap_auth_disable_tls_never_use_in_production = true
use_fully_qualified_names = ${qualified}
entry_cache_timeout = 1
`;

/** slapd(8) with the ACCOUNTS. */
export interface DirectoryServer {
  /** Changes the directory; returns the outcome of ldapmodify(1). */
  modify(ldif: string): ReturnType<Machine["run"]>;
  stopServer(): Promise<void>;
  startServer(): Promise<void>;
}

/** The name service that asks a directory. */
export interface DirectoryClient {
  readonly kind: "nslcd" | "sssd";
  /** Ends the name service's daemon, and starts it again. */
  stopDaemon(): Promise<void>;
  startDaemon(): Promise<void>;
}

/** A directory, and the name service of the same machine. */
export type Directory = DirectoryServer & DirectoryClient;

const ADMIN = ["-x", "-D", "cn=admin,dc=example,dc=org", "-w", "secret", "-H", "ldap://127.0.0.1"];

async function end(m: Machine, process: MachineProcess | undefined, name: string): Promise<void> {
  m.run(["pkill", "-x", name]);
  await process?.ended;
}

/** Starts a server, whose package is installed, on an address. */
export async function serveDirectory(m: Machine, address: string): Promise<DirectoryServer> {
  m.mkdir("/srv/directory", { mode: 0o700 });
  m.write("/srv/slapd.conf", SLAPD);
  m.write("/srv/accounts.ldif", ACCOUNTS);
  m.must(["slapadd", "-f", "/srv/slapd.conf", "-l", "/srv/accounts.ldif"]);
  let process: MachineProcess | undefined;
  const server: DirectoryServer = {
    modify: (ldif) => m.run(["ldapmodify", ...ADMIN], { stdin: ldif }),
    async startServer() {
      process = m.start(["/usr/sbin/slapd", "-h", `ldap://${address}/`, "-f", "/srv/slapd.conf", "-d", "0"]);
      while (m.run(["ldapwhoami", ...ADMIN]).status !== 0);
      // SSSD asks again at once.
      m.run(["pkill", "-USR2", "-x", "sssd"]);
    },
    stopServer: () => end(m, process, "slapd"),
  };
  await server.startServer();
  return server;
}

/**
 * Starts a name service, whose package is installed, that asks a server. `qualified`: SSSD adds the domain to names.
 */
export async function askDirectory(
  m: Machine,
  kind: DirectoryClient["kind"],
  { server, qualified }: { server: string; qualified: boolean },
): Promise<DirectoryClient> {
  const service = kind === "nslcd" ? "ldap" : "sss";
  const nss = m.read("/etc/nsswitch.conf").replace(/^(passwd|group|shadow):.*$/gm, `$1: files ${service}`);
  m.write("/etc/nsswitch.conf", nss);
  if (kind === "nslcd") {
    const settings = `uid nslcd\ngid nslcd\nuri ldap://${server}/\nbase dc=example,dc=org\n`;
    m.write("/etc/nslcd.conf", settings, { mode: 0o640 });
    m.mkdir("/run/nslcd");
    m.must(["chown", "nslcd:nslcd", "/run/nslcd"]);
  } else m.write("/etc/sssd/sssd.conf", sssdConfig(server, qualified), { mode: 0o600 });
  const anna = qualified ? nameIn(kind, "anna") : "anna";
  let process: MachineProcess | undefined;
  const client: DirectoryClient = {
    kind,
    async startDaemon() {
      const words = kind === "nslcd" ? ["/usr/sbin/nslcd", "-n"] : ["/usr/sbin/sssd", "-i", "--logger=files"];
      process = m.start(words);
      // SSSD answers from its cache while the server is down.
      if (kind === "nslcd") while (!m.exists("/run/nslcd/socket"));
      else while (m.run(["getent", "passwd", anna]).status !== 0);
    },
    stopDaemon: () => end(m, process, kind),
  };
  await client.startDaemon();
  while (m.run(["getent", "passwd", anna]).status !== 0);
  return client;
}

/** Installs and starts a directory with the ACCOUNTS. */
export async function openDirectory(m: Machine, kind: Directory["kind"]): Promise<Directory> {
  installDirectory(m, [kind, "slapd"]);
  const server = await serveDirectory(m, "127.0.0.1");
  return { ...server, ...(await askDirectory(m, kind, { server: "127.0.0.1", qualified: true })) };
}

/** The name of an account: SSSD adds the domain. */
export const nameIn = (kind: Directory["kind"], name: string): string =>
  kind === "nslcd" ? name : `${name}@example.org`;

/** Installs some of the packages, and the libraries of all. Nothing is started. */
export function installDirectory(m: Machine, wanted: readonly ("nslcd" | "sssd" | "slapd")[]): void {
  m.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  const others = (["nslcd", "sssd", "slapd"] as const).filter((one) => !wanted.includes(one));
  const unwanted = [PACKAGES.neither, ...others.map((one) => PACKAGES[one])];
  installArchives(m, (name) => !unwanted.some((pattern) => pattern.test(name)));
  // As openMachine: libpam-systemd does not matter.
  const sessions = "/etc/pam.d/common-session";
  m.write(sessions, m.read(sessions).replace(/^.*pam_systemd\.so.*\n/gm, ""));
}
