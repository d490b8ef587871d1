// Creates a copy of this machine, and enters another root directory for good: for npm run quickstart, and for .ci/run,
// which creates a new system. Plain JavaScript for Node.js, since Bun may not be installed yet.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

/** A program failed, and printed why. */
export class Failed extends Error {
  constructor(status) {
    super(`exit status ${status}`);
    this.status = status;
  }
}

/** Runs a program with this terminal. Throws Failed. */
export function must(program, words, options = {}) {
  const result = spawnSync(program, words, { stdio: "inherit", ...options });
  if (result.error) console.error(`${program}: ${result.error.message}`);
  if (result.status !== 0) throw new Failed(result.status || 1);
}

/** Runs `action`. If a program in it fails, this process ends with its status. */
export function main(action) {
  try {
    action();
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    process.exitCode = error.status;
  }
}

/** The arguments of unshare(1) that run a script with a mount namespace of its own, which ends with it. */
export function privateMounts(script, words) {
  return ["--mount", "--propagation", "private", process.execPath, script, ...words];
}

/** Mounts a tmpfs on `folder`, and in it an overlay of / that keeps its changes there. Returns the overlay's path. */
export function mountCopy(folder) {
  must("mount", ["-t", "tmpfs", "-o", "mode=0755", "tmpfs", folder]);
  const [upper, work, root] = ["upper", "work", "root"].map((name) => join(folder, name));
  for (const path of [upper, work, root]) mkdirSync(path);
  must("mount", ["-t", "overlay", "-o", `lowerdir=/,upperdir=${upper},workdir=${work}`, "overlay", root]);
  return root;
}

/**
 * Makes `root` the root of this mount namespace, which must be a private one (unshare --mount), with this machine's
 * /proc, /dev and /sys, and an empty /run. The old root is unmounted; a chroot would leave it reachable.
 */
export function enterRoot(root) {
  for (const folder of ["proc", "dev", "sys"]) must("mount", ["--rbind", `/${folder}`, join(root, folder)]);
  must("mount", ["-t", "tmpfs", "-o", "mode=0755", "tmpfs", join(root, "run")]);
  mkdirSync(join(root, "run/old"));
  must("pivot_root", [".", "run/old"], { cwd: root });
  process.chdir("/");
  must("umount", ["-l", "/run/old"]);
}
