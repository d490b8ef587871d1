// Checks a machine before anything is changed, and says in one line what is missing and what to do. Node.js 12 must be
// able to read this, setup.mjs, quickstart.mjs and root.mjs: no optional chaining, no nullish coalescing.
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { main, mountCopy, privateMounts } from "./root.mjs";

const self = fileURLToPath(import.meta.url);
const checkout = join(dirname(self), "..");
const OLDEST_NODE = 18;

// In GB, measured.
const SPACE = { modules: 1.5, executables: 2.5, tests: 4 };

/** Prints the line, and exits. */
export function fail(message) {
  console.error(message);
  process.exit(1);
}

function requireSpace(folder, gigabytes, what) {
  // Node.js 18.15 and later
  if (fs.statfsSync === undefined) return;
  const { bavail, bsize } = fs.statfsSync(folder);
  const free = (bavail * bsize) / 1e9;
  if (free < gigabytes)
    fail(
      `${what} needs ${gigabytes} GB in ${folder}, where ${free.toFixed(1)} GB are free: make room, or clone elsewhere`,
    );
}

function requireOverlay() {
  const folder = fs.mkdtempSync(join(tmpdir(), "jailkit-overlay-"));
  const { status, stderr, error } = spawnSync("unshare", privateMounts(self, [folder]), { encoding: "utf8" });
  fs.rmdirSync(folder);
  // mount(8) adds a hint at dmesg(1) below its reason.
  const why = error ? `unshare: ${error.message}` : stderr.trim().split("\n")[0];
  if (error || status !== 0)
    fail(
      `throwaway copies of this machine are overlays of /, which cannot be mounted here (${why}): use a machine or VM of your own, or a container that may mount`,
    );
}

/** Exits with one line if the machine lacks something that `task` (see build/setup.mjs) cannot install. */
export function requireMachine(task) {
  if (process.platform !== "linux") fail(`jailkit is for Linux, and this is ${process.platform}`);
  if (Number(process.versions.node.split(".")[0]) < OLDEST_NODE)
    fail(
      `this is Node.js ${process.versions.node}, and ${OLDEST_NODE} or later is needed: apt-get install npm on Debian 12 or later`,
    );
  const copies = task === "quickstart" || task === "test";
  if (copies && process.getuid() !== 0)
    fail(
      `npm ${task === "test" ? "test" : "run quickstart"} mounts, makes users and starts sshd, all in throwaway copies of this machine: run it as root`,
    );
  let space = fs.existsSync(join(checkout, "node_modules/.bin/bun")) ? 0 : SPACE.modules;
  if (copies && !fs.existsSync(join(checkout, "dist/bin/jailkit"))) space += SPACE.executables;
  if (space > 0) requireSpace(checkout, space, task === "test" ? "npm test" : `npm run ${task}`);
  if (task === "test") requireSpace(tmpdir(), SPACE.tests, "npm test");
  if (copies) requireOverlay();
}

if (process.argv[1] === self) main(() => mountCopy(process.argv[2]));
