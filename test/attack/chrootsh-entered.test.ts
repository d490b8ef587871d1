/** The state of jk_chrootsh's process between its chroot and the shell; the limited shell runs there. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildExecutable } from "../../build/executable.ts";
import { compiledC } from "../machine/helper.ts";
import { openScene, type Scene } from "./chrootsh-scene.ts";
import { J } from "./probe.ts";

const program = "/usr/sbin/entered";
let scene: Scene;
beforeAll(async () => {
  scene = await openScene("capability");
  const folder = mkdtempSync(join(tmpdir(), "jailkit-entered-"));
  const output = join(folder, "entered");
  const root = join(import.meta.dir, "../..");
  buildExecutable({ root, entry: join(import.meta.dir, "chrootsh-entered.ts"), output, privileged: true });
  scene.m.write(program, readFileSync(output), { mode: 0o755 });
  scene.m.must(["setcap", "cap_sys_chroot+ep", program]);
  rmSync(folder, { recursive: true });
}, 60_000);
afterAll(() => scene?.m.close());

const run = (...args: string[]) => scene.m.run([program, J, ...args], { user: "u", env: {} });

test("the capability is there before, and gone from every set after", () => {
  const { status, stdout } = run();
  expect(stdout.split("\n").slice(0, 5)).toEqual([
    "before 40000 40000 0 0",
    "after 0 0 0 0",
    "dumpable false",
    "directory /",
    "no_new_privs false",
  ]);
  expect(stdout.match(/chroot .*Operation not permitted/g)?.length).toBe(3);
  expect(status).toBe(0);
});

test("no_new_privs is set if requested", () => {
  expect(run("nnp").stdout).toContain("no_new_privs true\n");
});

test.each([
  ["gid", 34],
  ["a group less", 35],
  ["a group more", 35],
  ["another group", 35],
  ["uid", 36],
  ["threads", 101],
] as const)("%s that are not what they must be: %d", (wrong, status) => {
  const result = run(wrong);
  expect(result.stdout).toContain("refused ");
  expect(result.status).toBe(status);
});

describe("where a filter refuses unshare, as in many containers", () => {
  const refusing = (...words: string[]) => {
    const filter = ["/usr/sbin/refuse-call", "1", process.arch === "arm64" ? "97" : "272", "--"];
    const user = ["/usr/bin/setpriv", "--reuid", "u", "--regid", "u", "--init-groups"];
    return scene.m.run([...filter, ...user, program, J, ...words], { env: {} });
  };
  beforeAll(() => {
    const refuse = compiledC(join(import.meta.dir, "refuse-call.c"), ["-static"]);
    scene.m.write("/usr/sbin/refuse-call", readFileSync(refuse), { mode: 0o755 });
  });

  test("the threads are counted in /proc: one is enough", () => {
    const { status, stdout } = refusing();
    expect(stdout.split("\n").slice(0, 2)).toEqual(["before 40000 40000 0 0", "after 0 0 0 0"]);
    expect(status).toBe(0);
  });

  test("and two are too many", () => {
    const { status, stdout } = refusing("threads");
    expect(stdout).toContain("refused ");
    expect(status).toBe(101);
  });
});
