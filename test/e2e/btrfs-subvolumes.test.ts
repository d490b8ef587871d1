/** Subvolumes of btrfs, which any user can create, in the homes and jails that root removes. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const programs = ["mkfs.btrfs", "btrfs"].map((name) => [name, Bun.which(name)] as const);
const isKnown = /\bbtrfs$/m.test(readFileSync("/proc/filesystems", "latin1"));
const canMake = isKnown && programs.every(([, path]) => path !== null);
const J = "/q/jail";
const declared = (name: string) => `/etc/jailkit/jails.d/${name}.ini`;
const jail = (path: string) => `[jail ${path}]\nsections = uidbasics, basicshell\n`;
const eve = `[user eve]\njail = ${J}\nshell = /bin/bash\n`;
let m: Machine;

beforeAll(async () => {
  if (!canMake) return;
  m = await openApplyMachine();
  for (const [name, path] of programs) m.write(`/usr/bin/${name}`, readFileSync(path ?? ""), { mode: 0o755 });
  m.mkdir("/q", { mode: 0o755 });
  m.must(["truncate", "-s", "300M", "/root/disk"]);
  m.must(["mkfs.btrfs", "-q", "/root/disk"]);
  m.run(["mknod", "/dev/loop-control", "c", "10", "237"]);
  for (let i = 0; i < 16; i++) m.run(["mknod", `/dev/loop${i}`, "b", "7", `${i}`]);
  m.must(["mount", "-o", "loop", "/root/disk", "/q"]);
});
afterAll(async () => {
  m?.run(["umount", "/q"]);
  await m?.close();
});

test("the programs of btrfs are there if the kernel knows it", () => expect(canMake).toBe(isKnown));

describe.skipIf(!canMake)("a subvolume", () => {
  test("of a user is removed with the home; a read-only one is named, with the command that deletes it", () => {
    m.write(declared("one"), jail(J) + eve);
    m.must(["jailkit", "apply"]);
    const make = "btrfs subvolume create sv && btrfs subvolume create sv/inner && echo x > sv/inner/file";
    m.must(["sh", "-ec", `cd ${J}/home/eve && ${make} && btrfs subvolume snapshot -r sv/inner ro`], {
      user: "eve",
    });
    m.write(declared("one"), jail(J));
    const { status, summary } = linesOf(m, "--prune", "--delete-homes");
    const [problem] = summary.problems;
    expect([status, problem?.code, problem?.message]).toEqual([
      ...[1, "read-only"],
      expect.stringContaining(
        `'${J}/home/eve/ro' is a read-only subvolume, such as a snapshot, which has to be deleted first`,
      ),
    ]);
    // Nothing is removed before that.
    expect(m.read(`${J}/home/eve/sv/inner/file`)).toBe("x\n");
    m.must(["sh", "-ec", problem?.remedy ?? ""]);
    expect(m.exists(`${J}/home/eve/ro`)).toBe(false);
    const after = linesOf(m, "--prune", "--delete-homes");
    expect([after.status, m.exists(`${J}/home/eve`), m.run(["id", "eve"]).status]).toEqual([0, false, 1]);
  });

  test("that is a jail is removed", () => {
    m.must(["btrfs", "subvolume", "create", "/q/own"]);
    m.must(["chmod", "755", "/q/own"]);
    m.write(declared("two"), jail("/q/own"));
    m.must(["jailkit", "apply"]);
    m.remove(declared("two"));
    expect(did(m, "--prune", "--check")).toHaveLength(1);
    expect([linesOf(m, "--prune").status, m.exists("/q/own")]).toEqual([0, false]);
  });
});
