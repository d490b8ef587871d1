/** The servers that the profiles of jk_init.ini talk to, in a machine of its own. Nothing leaves its loopback. */
import { fileURLToPath } from "node:url";
import type { Machine } from "../machine/machine.ts";

export const WEB = "https://localhost:8443";
const CA = "/root/ca";
const WWW = "/srv/www";
const MYSQL = "/srv/mysql";
const POSTGRES = "/srv/postgresql";

/** Makes an authority that the machine trusts, and a server's certificate by it, for localhost. */
function makeCertificates(m: Machine): void {
  m.mkdir(CA);
  const openssl = (...words: string[]) => m.must(["openssl", ...words], { cwd: CA });
  const request = ["req", "-newkey", "rsa:2048", "-nodes", "-subj"];
  const usage = ["-addext", "keyUsage=critical,keyCertSign"];
  openssl(...request, "/CN=Test CA", "-x509", ...usage, "-days", "30", "-keyout", "ca.key", "-out", "ca.crt");
  openssl(...request, "/CN=localhost", "-keyout", "server.key", "-out", "server.csr");
  m.write(`${CA}/ext`, "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
  const sign = ["x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
  openssl(...sign, "-days", "30", "-extfile", "ext", "-out", "server.crt");
  m.write("/usr/local/share/ca-certificates/test-ca.crt", m.read(`${CA}/ca.crt`));
  m.must(["update-ca-certificates"]);
}

/** A copy of the server's key and certificate for a daemon that must own them. */
function giveCertificate(m: Machine, directory: string, user: string): void {
  const { uid, gid } = m.ids(user);
  for (const name of ["server.key", "server.crt"])
    m.write(`${directory}/${name}`, m.read(`${CA}/${name}`), { mode: 0o600, owner: [uid, gid] });
}

/** A web server with TLS: files, a git repository (by the dumb protocol), and a repository of Composer. */
async function startWeb(m: Machine): Promise<void> {
  m.write(`${WWW}/hello`, "hello\n");
  m.must(["git", "init", "-q", "-b", "main", "/srv/work"]);
  m.write("/srv/work/README", "cloned\n");
  const git = ["git", "-C", "/srv/work", "-c", "user.name=t", "-c", "user.email=t@localhost"];
  m.must([...git, "add", "README"]);
  m.must([...git, "commit", "-q", "-m", "first"]);
  m.must(["git", "clone", "-q", "--bare", "/srv/work", `${WWW}/repo.git`]);
  m.must(["git", "-C", `${WWW}/repo.git`, "update-server-info"]);
  m.must(["chown", "-R", "gituser:", `${WWW}/repo.git`]);
  m.write("/srv/lib/composer.json", '{"name": "demo/lib"}');
  m.write("/srv/lib/lib.php", "<?php\n");
  m.must(["zip", "-q", `${WWW}/lib.zip`, "composer.json", "lib.php"], { cwd: "/srv/lib" });
  m.write("/srv/npm/package/package.json", '{"name": "demo", "version": "1.0.0"}');
  m.must(["tar", "-czf", `${WWW}/demo.tgz`, "-C", "/srv/npm", "package"]);
  const dist = { type: "zip", url: `${WEB}/lib.zip` };
  const version = { name: "demo/lib", version: "1.0.0", dist };
  m.write(`${WWW}/packages.json`, JSON.stringify({ packages: { "demo/lib": { "1.0.0": version } } }));
  const script = fileURLToPath(new URL("profiles-web.ts", import.meta.url));
  const web = m.start([process.execPath, script, WWW, `${CA}/server.key`, `${CA}/server.crt`]);
  await web.until(({ stdout }) => stdout.includes("ready") || undefined);
}

async function startMariadb(m: Machine): Promise<void> {
  const { uid, gid } = m.ids("mysql");
  m.mkdir(MYSQL, { mode: 0o700, owner: [uid, gid] });
  giveCertificate(m, MYSQL, "mysql");
  const common = ["--no-defaults", "--user=mysql", `--datadir=${MYSQL}/data`];
  m.must(["mariadb-install-db", ...common], { timeout: 120_000 });
  m.write(
    `${MYSQL}/init.sql`,
    "CREATE USER app@'127.0.0.1' IDENTIFIED BY 'secret' REQUIRE SSL;\nCREATE DATABASE app;\nGRANT ALL ON app.* TO app@'127.0.0.1';\n",
    { owner: [uid, gid] },
  );
  const tls = [`--ssl-cert=${MYSQL}/server.crt`, `--ssl-key=${MYSQL}/server.key`];
  const where = [
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    `--socket=${MYSQL}/socket`,
    `--init-file=${MYSQL}/init.sql`,
  ];
  const server = m.start(["mariadbd", ...common, ...tls, ...where]);
  await server.until(({ stderr }) => stderr.includes("ready for connections") || undefined, 60_000);
}

async function startPostgres(m: Machine): Promise<void> {
  const { uid, gid } = m.ids("postgres");
  m.mkdir(POSTGRES, { mode: 0o700, owner: [uid, gid] });
  giveCertificate(m, POSTGRES, "postgres");
  const bin = `/usr/lib/postgresql/${m.list("/usr/lib/postgresql").at(-1)}/bin`;
  const asPostgres = { user: "postgres", timeout: 120_000 } as const;
  m.must([`${bin}/initdb`, "-D", `${POSTGRES}/data`, "-A", "scram-sha-256", "--pwfile", "/dev/stdin"], {
    ...asPostgres,
    stdin: "secret\n",
  });
  const settings = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: POSTGRES,
    ssl: "on",
    ssl_cert_file: `${POSTGRES}/server.crt`,
    ssl_key_file: `${POSTGRES}/server.key`,
  };
  const words = Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`]);
  const server = m.start([`${bin}/postgres`, "-D", `${POSTGRES}/data`, ...words], asPostgres);
  await server.until(({ stderr }) => stderr.includes("ready to accept connections") || undefined, 60_000);
}

/** A stand-in for WP-CLI, which is no package of Debian: a phar that starts the client of the database by env(1). */
function makeWp(m: Machine): void {
  m.write(
    "/root/wp.php",
    `<?php
$phar = new Phar("/root/wp.phar");
$phar["index.php"] = '<?php echo "WP ", PHP_MAJOR_VERSION >= 7 ? "runs" : "", "\\n"; passthru("/usr/bin/env mysql --version");';
$phar->setStub("#!/usr/bin/env php\\n" . $phar->createDefaultStub("index.php"));
`,
  );
  m.must(["php", "-d", "phar.readonly=0", "/root/wp.php"]);
  m.write("/usr/local/bin/wp", m.readBytes("/root/wp.phar"), { mode: 0o755 });
}

/** Starts all servers, and generates a locale. */
export async function startServers(m: Machine): Promise<void> {
  makeCertificates(m);
  makeWp(m);
  m.must(["localedef", "-i", "ja_JP", "-f", "UTF-8", "ja_JP.UTF-8"]);
  await startWeb(m);
  await startMariadb(m);
  await startPostgres(m);
}
