import { WEB } from "./profiles-scene.ts";

/** One program that does real work in a jail; `{home}` in a word is the user's home as the jail sees it. */
interface Work {
  readonly argv: readonly string[];
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdout: RegExp;
}

const work = (argv: readonly string[], stdout: RegExp, more: Omit<Work, "argv" | "stdout"> = {}): Work => ({
  argv,
  stdout,
  ...more,
});

const PHP_TOKYO = `echo (new DateTime("@0"))->setTimezone(new DateTimeZone("Asia/Tokyo"))->format("c");`;
const NODE_TOKYO = `new Intl.DateTimeFormat("de-DE", { timeZone: "Asia/Tokyo", dateStyle: "full", timeStyle: "short" }).format(new Date(0))`;
const NODE_FETCH = `fetch("${WEB}/hello").then((answer) => answer.text()).then((text) => console.log(text))`;
const PYTHON_FETCH = `import urllib.request; print(urllib.request.urlopen("${WEB}/hello").read())`;
const RUBY_FETCH = `print Net::HTTP.get(URI("${WEB}/hello"))`;
const PERL = `print strftime("%Y", gmtime(0)), encode("UTF-8", decode("shiftjis", "\\x93\\xfa"))`;
const COMPOSER = JSON.stringify({
  repositories: [{ type: "composer", url: WEB }, { "packagist.org": false }],
  require: { "demo/lib": "1.0.0" },
});
const PG = "host=localhost user=postgres password=secret dbname=postgres sslmode=verify-full";
const MYSQL = ["-h", "127.0.0.1", "-u", "app", "-psecret", "--ssl-verify-server-cert"];
// The bytes of the sign for "day".
const DAY = /\xe6\x97\xa5/;

/** What the sections do, as an ordinary user. `more`: other sections that the work needs. */
export const PROFILES: Readonly<Record<string, readonly Work[]>> = {
  php: [
    work(["php", "-r", PHP_TOKYO], /^1970-01-01T09:00:00\+09:00$/),
    work(["php", "-r", `echo file_get_contents("${WEB}/hello");`], /^hello\n$/),
    work(["php", "-r", `echo iconv("SHIFT_JIS", "UTF-8", "\\x93\\xfa");`], DAY),
    work(["php", "-r", `echo mb_strtoupper("a"), (new NumberFormatter("de", 1))->format(1.5);`], /^A1,5$/),
    work(
      ["php", "-r", `session_start(); $_SESSION["a"] = 1; session_write_close(); echo session_id();`],
      /^\w+$/,
    ),
    work(["php", "-r", `echo exec("echo from sh");`], /^from sh$/),
    work(
      [
        "php",
        "-r",
        `echo (new PDO("mysql:host=127.0.0.1;dbname=app", "app", "secret", [PDO::MYSQL_ATTR_SSL_CA => "/etc/ssl/certs/ca-certificates.crt"]))->query("select 6*7")->fetchColumn();`,
      ],
      /^42$/,
    ),
    work(["phar", "version"], /API version/),
  ],
  composer: [
    work(["composer", "--version"], /^Composer /),
    work(
      ["php", "-r", `mkdir("{home}/app"); file_put_contents("{home}/app/composer.json", '${COMPOSER}');`],
      /^$/,
    ),
    work(["composer", "install", "--working-dir={home}/app", "--no-interaction"], /^/),
    work(
      [
        "php",
        "-r",
        `require "{home}/app/vendor/autoload.php"; echo count(glob("{home}/app/vendor/demo/lib/lib.php"));`,
      ],
      /^1$/,
    ),
  ],
  wpcli: [work(["wp"], /^WP runs\n.*(?:MariaDB|mysql)/)],
  python: [
    work(
      [
        "python3",
        "-c",
        "import ssl, json, encodings.idna, sqlite3, ctypes; print('a.example'.encode('idna'))",
      ],
      /a\.example/,
    ),
    work(["python3", "-c", PYTHON_FETCH], /hello/),
    work(
      [
        "python3",
        "-c",
        "import datetime, zoneinfo; print(datetime.datetime.fromtimestamp(0, zoneinfo.ZoneInfo('Asia/Tokyo')))",
      ],
      /^1970-01-01 09:00:00\+09:00/,
    ),
    work(
      ["python3", "-c", "import subprocess; print(subprocess.check_output('echo from sh', shell=True))"],
      /from sh/,
    ),
    work(["python3", "-c", "import ctypes.util; print(ctypes.util.find_library('c'))"], /^libc\./),
  ],
  node: [
    work(["node", "-p", NODE_TOKYO], /^Donnerstag, 1\. Januar 1970 um 09:00/),
    work(["node", "--use-openssl-ca", "-e", NODE_FETCH], /^hello/),
    work(["node", "-p", `require("child_process").execSync("echo from sh").toString()`], /^from sh/),
    work(["npm", "--version"], /^\d+\./),
    work(
      [
        "npm",
        "install",
        "--no-audit",
        "--cafile",
        "/etc/ssl/certs/ca-certificates.crt",
        "--prefix",
        "{home}/app",
        `${WEB}/demo.tgz`,
      ],
      /added 1 package/,
    ),
  ],
  ruby: [
    work(
      ["ruby", "-rjson", "-ropenssl", "-e", "puts JSON.generate([OpenSSL::Digest.hexdigest('MD5', '')])"],
      /d41d8cd9/,
    ),
    work(["ruby", "-rnet/http", "-e", RUBY_FETCH], /^hello/),
    work(["ruby", "-e", "puts `echo from $((6 * 7))`"], /^from 42/),
    work(["gem", "--version"], /^\d/),
  ],
  perl: [
    work(["perl", "-MPOSIX=strftime", "-MEncode", "-e", PERL], /^1970\xe6\x97\xa5$/),
    work(["perl", "-MTime::HiRes", "-MSocket", "-MStorable", "-MData::Dumper", "-e", "print 6 * 7"], /^42$/),
  ],
  mysqlclient: [
    work(["mysql", ...MYSQL, "-e", "SHOW STATUS LIKE 'Ssl_cipher'"], /Ssl_cipher\s+TLS_/),
    work(
      ["mysql", ...MYSQL, "app", "-e", "CREATE OR REPLACE TABLE t (a INT); INSERT INTO t VALUES (42)"],
      /^$/,
    ),
    work(["mysqldump", ...MYSQL, "app"], /INSERT INTO `t` VALUES\s*\(42\)/),
  ],
  postgresqlclient: [
    work(
      [
        "psql",
        `${PG} sslrootcert=system`,
        "-Atc",
        "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
      ],
      /^TLSv1/,
    ),
    work(
      ["pg_dump", `${PG} sslrootcert=/etc/ssl/certs/ca-certificates.crt`],
      /PostgreSQL database dump complete/,
    ),
  ],
  git: [
    work(["git", "clone", "-q", `${WEB}/repo.git`, "{home}/https"], /^/),
    work(["git", "-C", "{home}/https", "show", "HEAD:README"], /^cloned$/m),
    work(["git", "clone", "-q", "gituser@127.0.0.1:/srv/www/repo.git", "{home}/ssh"], /^/, {
      env: { GIT_SSH_COMMAND: "ssh -F none -i {home}/key -o BatchMode=yes -o StrictHostKeyChecking=no" },
    }),
    work(["git", "-C", "{home}/ssh", "log", "--format=%s"], /^first$/m),
  ],
  editors: [
    work(
      ["vim", "-es", "-c", "syntax on", "-c", "call setline(1, 'written')", "-c", "wq", "{home}/a.php"],
      /^/,
    ),
    work(["vim", "-es", "-c", "echo getline(1)", "-c", "q", "{home}/a.php"], /^/),
    work(["nano", "--version"], /nano/),
    work(["joe", "--help"], /joe/i),
  ],
  imagemagick: [
    work(["convert", "-size", "12x10", "gradient:red-blue", "{home}/a.png"], /^/),
    work(["identify", "{home}/a.png"], /PNG 12x10/),
    work(["convert", "{home}/a.png", "-resize", "50%", "jpg:{home}/a.jpg"], /^/),
  ],
  gconv: [work(["iconv", "-f", "SHIFT_JIS", "-t", "UTF-8"], DAY, { stdin: "\x93\xfa" })],
  locales: [
    work(["locale", "-a"], /^ja_JP\.utf8$/m),
    work(["locale", "-k", "day"], DAY, { env: { LC_ALL: "ja_JP.UTF-8" } }),
    // "Usage", translated.
    work(["locale", "--help"], /\xe4\xbd\xbf\xe7\x94\xa8\xe6\xb3\x95/, { env: { LC_ALL: "ja_JP.UTF-8" } }),
  ],
  curl: [
    work(["curl", "-sS", `${WEB}/hello`], /^hello\n$/),
    work(
      ["curl", "-sS", "-o", "{home}/hello", "-w", "%{http_code} %{ssl_verify_result}", `${WEB}/hello`],
      /^200 0$/,
    ),
  ],
  ssh: [
    work(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "{home}/new"], /^$/),
    work(["ssh-keygen", "-l", "-f", "{home}/new.pub"], /^256 SHA256:/),
    work(
      [
        "ssh",
        "-F",
        "none",
        "-i",
        "{home}/key",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=no",
        "gituser@127.0.0.1",
        "echo there",
      ],
      /^there\n$/,
    ),
  ],
  archive: [
    work(["tar", "-czf", "{home}/a.tar.gz", "-C", "/", "etc/passwd"], /^/),
    work(["zip", "-q", "{home}/a.zip", "/etc/passwd"], /^/),
    work(["unzip", "-p", "{home}/a.zip"], /^u:/m),
    work(["zipgrep", "^u", "{home}/a.zip"], /^etc\/passwd:u:/m),
    work(["7z", "a", "{home}/a.7z", "{home}/a.zip"], /Everything is Ok/),
    work(["7z", "t", "{home}/a.7z"], /Everything is Ok/),
  ],
  extendedshell: [work(["file", "--brief", "/usr/bin/bash"], /^ELF 64-bit/)],
  ps: [work(["ps", "-o", "comm="], /\bps\b/)],
};
