// What .ci/run does: the commands of README's "Try it", in a clone of this checkout, as root of a Debian that was made
// for them and has nothing but what README asks for. So what the tests need is brought by build/setup.mjs, or they fail.
// Of this machine the new one gets what it reaches the network with: sources and settings of apt, settings of npm, and
// certificates. FOLDER (/var/tmp by default) needs 8 GB; what is made there is removed again.
//
// node build/fresh.mjs [FOLDER] [-- PROGRAM ARGUMENT...]: PROGRAM in the place of npm test.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { enterRoot, Failed, main, must } from "./root.mjs";

const self = fileURLToPath(import.meta.url);
const checkout = join(dirname(self), "..");
// As README has it, and mount(8), without which nothing of this can be done; a Debian that was installed has it.
const PACKAGES = "npm,git,ca-certificates,mount";
const CLONE = "/root/jailkit";

/** Variables by which programs find proxies, registries and certificates; of others the new machine knows nothing. */
function environment() {
  const kept = /^(?:https?_proxy|no_proxy|npm_config_.*|.*_CA_.*|.*_CERT(?:_.*)?|TERM|LANG)$/i;
  const own = Object.entries(process.env).filter(([name]) => kept.test(name));
  return { ...Object.fromEntries(own), HOME: "/root", PATH: "/usr/sbin:/usr/bin:/sbin:/bin", USER: "root" };
}

/** Copies a file or a directory of this machine to the same place in the new one, if it is there. */
function carry(root, path) {
  if (existsSync(path)) must("cp", ["-aT", "--remove-destination", path, join(root, path)]);
}

function carryNetwork(root) {
  for (const path of ["/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs", "/usr/local/share/ca-certificates"])
    carry(root, path);
  for (const path of ["/etc/apt/apt.conf.d", "/etc/apt/auth.conf.d"]) carry(root, path);
  // Where npm's global settings stand depends on how it was installed; the user's count more, so they come last.
  const globalSettings = spawnSync("npm", ["config", "get", "globalconfig"], {
    encoding: "utf8",
  }).stdout.trim();
  const settings = [globalSettings, join(homedir(), ".npmrc")].filter((path) => existsSync(path));
  const lines = settings.map((path) => readFileSync(path, "utf8"));
  writeFileSync(join(root, "root/.npmrc"), `${lines.join("\n")}\n`, { mode: 0o600 });
  // A source on this machine's disk is not there in the new one.
  rmSync(join(root, "etc/apt/sources.list"), { force: true });
  const isLocal = (path) =>
    /^URIs:\s*(?:file|copy|cdrom):|^deb.*\s(?:file|copy|cdrom):/m.test(readFileSync(path, "utf8"));
  const folder = "/etc/apt/sources.list.d";
  const sources = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  for (const path of ["/etc/apt/sources.list", ...sources])
    if (existsSync(path) && !isLocal(path)) carry(root, path);
}

function makeRoot(root) {
  if (spawnSync("mmdebstrap", ["--version"]).error !== undefined) {
    must("apt-get", ["update", "-q"]);
    must("apt-get", ["install", "-q", "-y", "--no-install-recommends", "mmdebstrap"]);
  }
  must("mmdebstrap", ["--quiet", "--variant=apt", `--include=${PACKAGES}`, "trixie", root]);
  carryNetwork(root);
  // What is thrown away need not be on the disk before dpkg goes on.
  writeFileSync(join(root, "etc/dpkg/dpkg.cfg.d/no-sync"), "force-unsafe-io\n");
  // What is committed, and nothing else, as whoever clones it gets it.
  must("git", ["clone", "--quiet", "--no-local", checkout, join(root, CLONE)]);
}

function outside(folder, words) {
  if (process.getuid() !== 0) {
    console.error("a new machine is made, mounted and entered: run it as root");
    throw new Failed(1);
  }
  mkdirSync(folder, { recursive: true });
  const base = mkdtempSync(join(folder, "jailkit-fresh-"));
  const root = join(base, "root");
  try {
    makeRoot(root);
    const inside = [
      "--mount",
      "--propagation",
      "private",
      process.execPath,
      self,
      "--inside",
      root,
      ...words,
    ];
    const result = spawnSync("unshare", inside, { stdio: "inherit", env: environment() });
    if (result.error) console.error(`unshare: ${result.error.message}`);
    process.exitCode = result.status ?? 1;
  } finally {
    rmSync(base, { recursive: true, force: true });
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
