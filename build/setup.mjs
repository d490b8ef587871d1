// Installs what the scripts of package.json need: the packages of package-lock.json, and Debian's packages for a task
// (build, package, filters, site, quickstart or test). Plain JavaScript, since it also installs Bun. JK_SETUP=check only
// reports what is missing.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail, requireMachine } from "./needs.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const words = (text) => text.trim().split(/\s+/);
const compiler = words("gcc libc6-dev");
const login = words("openssh-server openssh-client rsync git rsyslog");
const packagers = words("dpkg-dev debhelper rpm zstd");
const needs = {
  build: compiler,
  package: [...compiler, ...packagers],
  filters: ["libseccomp2"],
  site: ["mandoc"],
  // setcap(8) is in libcap2-bin
  quickstart: [...compiler, ...login, "libcap2-bin"],
  test: [
    ...compiler,
    ...login,
    // the implementation that the differential tests and the benchmarks compare with
    "jailkit",
    // for the executables of the other architecture
    ...words("gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"),
    // what the tests put into jails and start
    ...words("less vim perl wget nginx lighttpd systemd"),
    // to compile config/filters/ again, and more that runs under the filters
    ...words("libseccomp2 tmux gdb gpg"),
    // recommended by systemd: to boot the machine of a test
    ...words("dbus libpam-systemd"),
    ...words("libcap2-bin binutils strace attr acl e2fsprogs btrfs-progs iproute2"),
    // forwarding of a display
    "xauth",
    // used in the documents, the recipes and the page on migration
    ...words("jq gpg make procps procmail sudo rush quota auditd"),
    // they run commands of jailed users on the host
    ...words("cron at"),
    // for nologin(8), which a minimal Debian lacks
    "login",
    // accounts outside /etc/passwd
    "libnss-extrausers",
    // languages, databases and editors with a section in jk_init.ini, and servers for their clients (113 MB to download)
    ...words("php-cli php-fpm php-curl php-intl php-mbstring php-mysql php-xml composer"),
    ...words("mariadb-server mariadb-client postgresql ruby imagemagick zip unzip 7zip"),
    ...words("locales joe nano python3 openssl ca-certificates curl"),
    // another kernel, with its modules, for tests that cannot use the machine's
    ...words("user-mode-linux kmod"),
    // servers that the limited shell knows
    ...words("cvs subversion mercurial borgbackup unison mosh"),
    // manual pages, and completions in the shells that they are for
    ...words("mandoc groff-base man-db zsh fish"),
    // packages: to build, check, install and remove them
    ...packagers,
    ...words("build-essential lintian rpmlint autopkgtest dnf dnf-plugins-core"),
    // the Ansible collection: its engine and its style, and what its machines need to install packages
    ...words("ansible-core ansible-lint python3-apt"),
    // a browser for the manual as HTML
    "chromium-headless-shell",
  ],
};

// Packages only for tests, which install them in their machines: a second log daemon, which conflicts with one of those
// above, a directory with its name services, which would take part in every lookup of this machine, a client for mail, for
// the benchmark of a login a sandbox that panels use, and what brings files to many machines, of which cloud-init would
// change this machine's network and ssh keys when it starts next. They are kept with their dependencies, in folders that
// apt does not empty.
const FETCHED = [
  // Apart: rsyslog gives way to the log daemon.
  { folder: ".", names: ["syslog-ng-core"] },
  {
    folder: ".",
    names: words(`slapd ldap-utils nslcd libnss-ldapd libpam-ldapd sssd-ldap sssd-tools libnss-sss libpam-sss
      libnss-systemd msmtp bubblewrap restic`),
  },
  { folder: "puppet", names: ["puppet-agent"] },
  { folder: "cloud-init", names: ["cloud-init"] },
];
const ARCHIVES = "/var/cache/apt/jailkit-tests";

function run(program, words, options = {}) {
  const result = spawnSync(program, words, { cwd: root, stdio: ["ignore", "pipe", "pipe"], ...options });
  if (result.error) return { status: 127, text: String(result.error.message) };
  return { status: result.status === null ? 128 : result.status, text: `${result.stdout}${result.stderr}` };
}

let isUpdated = false;

/** Runs apt-get(8), after an update: old lists name versions that differ from what others test with, or are gone. */
function aptGet(words, env = process.env) {
  if (!isUpdated) run("apt-get", ["update"], { env });
  isUpdated = true;
  return run("apt-get", words, { env });
}

function installPackages(names) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the placeholders are dpkg-query's
  const query = run("dpkg-query", ["-W", "-f", "${Package} ${db:Status-Status}\n", ...names]);
  if (query.status === 127) {
    console.error(`setup: there is no dpkg; these packages must be installed: ${names.join(" ")}`);
    return;
  }
  const installed = new Set(
    query.text.split("\n").flatMap((line) => (line.endsWith(" installed") ? [line.split(" ")[0]] : [])),
  );
  const missing = names.filter((name) => !installed.has(name));
  if (missing.length === 0) return;
  if (process.env.JK_SETUP === "check") fail(`missing packages: ${missing.join(" ")}`);
  if (process.getuid() !== 0) fail(`as root: apt-get install ${missing.join(" ")}`);
  console.error(`setup: installing ${missing.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  // Tests start the servers in their own machines; none may start here.
  const policy = "/usr/sbin/policy-rc.d";
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  let result;
  try {
    result = aptGet(["install", "-y", "--no-install-recommends", ...missing], env);
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
  if (result.status === 0) return;
  if (
    /Could not resolve|Temporary failure|Could not connect|Connection (?:refused|timed out)/.test(result.text)
  )
    fail(`Debian's packages cannot be reached; with a network: apt-get install ${missing.join(" ")}`);
  fail(`apt-get install ${missing.join(" ")} failed:\n${result.text}`);
}

function installModules() {
  const wanted = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const pinned = { ...wanted.dependencies, ...wanted.devDependencies };
  const present = Object.entries(pinned).every(([name, version]) => {
    const file = join(root, "node_modules", name, "package.json");
    return existsSync(file) && JSON.parse(readFileSync(file, "utf8")).version === version;
  });
  if (!present) {
    console.error("setup: npm ci");
    const result = run("npm", ["ci", "--no-audit", "--no-fund"]);
    const unreachable = /code (E(?:AI_AGAIN|NOTFOUND|CONNREFUSED|NETUNREACH|HOSTUNREACH|TIMEDOUT))/.exec(
      result.text,
    );
    if (result.status !== 0 && unreachable)
      fail(
        `npm's registry cannot be reached (${unreachable[1]}): npm ci needs a network, or npm's own settings for one`,
      );
    if (result.status !== 0) fail(`npm ci failed:\n${result.text}`);
  }
  const bun = join(root, "node_modules/.bin/bun");
  if (run(bun, ["--version"]).text.trim() === pinned.bun) return;
  // If npm does not run scripts of packages, Bun's executable is not installed yet.
  run(process.execPath, [join(root, "node_modules/bun/install.js")]);
  const version = run(bun, ["--version"]).text.trim();
  if (version !== pinned.bun) fail(`Bun ${pinned.bun} is needed; 'bun --version' says: ${version}`);
}

function fetchPackages() {
  if (!existsSync("/var/cache/apt")) return;
  for (const { folder, names } of FETCHED) {
    const archives = join(ARCHIVES, folder);
    const missing = () => {
      const files = existsSync(archives) ? readdirSync(archives) : [];
      return names.filter((name) => !files.some((file) => file.startsWith(`${name}_`)));
    };
    if (missing().length === 0) continue;
    if (process.env.JK_SETUP === "check") fail(`missing packages in ${archives}: ${missing().join(" ")}`);
    console.error(`setup: fetching ${missing().join(" ")}`);
    mkdirSync(join(archives, "partial"), { recursive: true });
    const keep = ["-o", "APT::Keep-Downloaded-Packages=true", "-o", `Dir::Cache::archives=${archives}/`];
    // Reinstall: one of them may be on this machine.
    const options = ["install", "-y", "--no-install-recommends", "--reinstall", "--download-only", ...names];
    const { text } = aptGet([...keep, ...options]);
    if (missing().length > 0) fail(`apt-get ${options.join(" ")} failed:\n${text}`);
  }
}

const task = process.argv[2] || "build";
if (!(task in needs)) fail(`unknown task ${task}: one of ${Object.keys(needs).join(", ")}`);
requireMachine(task);
// First the checkout, then the machine.
installModules();
if (!process.argv.includes("--modules-only")) {
  installPackages(needs[task]);
  if (task === "test") fetchPackages();
}
