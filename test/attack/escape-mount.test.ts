import { expect, test } from "bun:test";
import { USER } from "../unit/jail-helper.ts";

test("a user's own file system in the jail: no directory of root to make things in", () => {
  const steps = `${import.meta.dir}/escape-mount-steps.ts`;
  const run = Bun.spawnSync(["/usr/bin/unshare", "--mount", process.execPath, steps]);
  expect(run.stderr.toString()).toBe("");
  expect(JSON.parse(run.stdout.toString())).toEqual({
    trusted: false,
    stage: null,
    file: "created",
    link: "created",
    fifo: "created",
    directories: ["/home/u/a", "/home/u/a/b"],
    facts: Array.from({ length: 4 }, () => `2750 ${USER} ${USER}`),
    // Another file system is not emptied on the way.
    removed: "EBUSY",
    where: true,
    removedInside: true,
    // Nor is another directory of the same one: files of the host in it would be lost.
    bind: { sameDevice: true, codes: ["EBUSY", "EBUSY", "EBUSY"], left: ["f", "d/f"] },
  });
});
