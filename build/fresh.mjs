// Started by .ci/run: runs the commands of "Try it" in README, in a clone of this checkout, as root of a new Debian with
// nothing but the packages that README names. So build/setup.mjs must install everything that the tests need. The new
// system gets this machine's network settings: sources and settings of apt, settings of npm, and certificates. FOLDER
// (default /var/tmp) needs 8 GB; its new content is removed again.
//
// node build/fresh.mjs [FOLDER] [-- PROGRAM ARGUMENT...]: PROGRAM instead of npm test.
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { enterRoot, Failed, main, must, privateMounts } from "./root.mjs";

const self = fileURLToPath(import.meta.url);
const checkout = join(dirname(self), "..");
// Those of README, and mount(8), which every installed Debian has.
const PACKAGES = "npm,git,ca-certificates,mount";
const CLONE = "/root/jailkit";

/** Variables with which programs find proxies, registries and certificates; the new system gets no others. */
function environment() {
  const kept = /^(?:https?_proxy|no_proxy|npm_config_.*|.*_CA_.*|.*_CERT(?:_.*)?|TERM|LANG)$/i;
  const own = Object.entries(process.env).filter(([name]) => kept.test(name));
  return { ...Object.fromEntries(own), HOME: "/root", PATH: "/usr/sbin:/usr/bin:/sbin:/bin", USER: "root" };
}

/** Copies a file or a directory, if it exists, to the same path in the new system. */
function carry(root, path) {
  if (fs.existsSync(path)) must("cp", ["-aT", "--remove-destination", path, join(root, path)]);
}

function carryNetwork(root) {
  const etc = ["resolv.conf", "hosts", "ssl/certs", "apt/apt.conf.d", "apt/auth.conf.d"];
  for (const path of ["/usr/local/share/ca-certificates", ...etc.map((name) => `/etc/${name}`)])
    carry(root, path);
  // The path of npm's global settings depends on its installation. The user's take precedence, so they come last.
  const { stdout } = spawnSync("npm", ["config", "get", "globalconfig"], { encoding: "utf8" });
  const settings = [stdout.trim(), join(homedir(), ".npmrc")].filter((path) => fs.existsSync(path));
  const lines = settings.map((path) => fs.readFileSync(path, "utf8"));
  fs.writeFileSync(join(root, "root/.npmrc"), `${lines.join("\n")}\n`, { mode: 0o600 });
  // Not sources on this machine's disk.
  fs.rmSync(join(root, "etc/apt/sources.list"), { force: true });
  const isLocal = (path) =>
    /^URIs:\s*(?:file|copy|cdrom):|^deb.*\s(?:file|copy|cdrom):/m.test(fs.readFileSync(path, "utf8"));
  const folder = "/etc/apt/sources.list.d";
  const sources = fs.existsSync(folder) ? fs.readdirSync(folder).map((name) => join(folder, name)) : [];
  for (const path of ["/etc/apt/sources.list", ...sources])
    if (fs.existsSync(path) && !isLocal(path)) carry(root, path);
}

function makeRoot(root) {
  if (spawnSync("mmdebstrap", ["--version"]).error !== undefined) {
    must("apt-get", ["update", "-q"]);
    must("apt-get", ["install", "-q", "-y", "--no-install-recommends", "mmdebstrap"]);
  }
  must("mmdebstrap", ["--quiet", "--variant=apt", `--include=${PACKAGES}`, "trixie", root]);
  carryNetwork(root);
  // dpkg need not sync files that will be removed.
  fs.writeFileSync(join(root, "etc/dpkg/dpkg.cfg.d/no-sync"), "force-unsafe-io\n");
  // Only committed files, as in any clone.
  must("git", ["clone", "--quiet", "--no-local", checkout, join(root, CLONE)]);
}

function outside(folder, words) {
  if (process.getuid() !== 0) {
    console.error("creates, mounts and enters a new system: run it as root");
    throw new Failed(1);
  }
  fs.mkdirSync(folder, { recursive: true });
  const base = fs.mkdtempSync(join(folder, "jailkit-fresh-"));
  const root = join(base, "root");
  try {
    makeRoot(root);
    must("unshare", privateMounts(self, ["--inside", root, ...words]), { env: environment() });
  } finally {
    fs.rmSync(base, { recursive: true, force: true });
  }
}

function inside(root, [program = "npm", ...words]) {
  must("mount", ["--bind", root, root]);
  enterRoot(root);
  process.chdir(CLONE);
  must("npm", ["run", "--silent", "quickstart"]);
  must(program, words.length === 0 && program === "npm" ? ["test", "--silent"] : words);
}

main(() => {
  const words = process.argv.slice(2);
  if (words[0] === "--inside") return inside(words[1], words.slice(2));
  const end = words.indexOf("--");
  const [folder = "/var/tmp"] = end < 0 ? words : words.slice(0, end);
  outside(folder, end < 0 ? [] : words.slice(end + 1));
});
