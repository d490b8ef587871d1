/**
 * The executables for aarch64, cross-built here and run under qemu-user in a chroot with aarch64's C library: the guard
 * works there, and the native entry and the shared executable understand each other.
 *
 * The kernel is this machine's, so an emulated program executes programs of this machine. A program that leads back
 * into the emulator is where the entry looks for the shared executable.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildExecutable } from "../../build/executable.ts";
import { buildEntry } from "../../build/guard.ts";
import { checkout } from "../machine/helper.ts";
import { type Machine, openMachine, type RunOptions } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const LIBRARIES = "/usr/aarch64-linux-gnu/lib";
const needed = ["qemu-aarch64", "aarch64-linux-gnu-gcc"];
const missing = process.arch !== "x64" || needed.some((name) => Bun.which(name) === null);
const R = "/srv/arm";

const BACK = `
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
extern char **environ;
int main(int argc, char **argv) {
  char **words = calloc(argc + 4, sizeof(char *));
  words[0] = "qemu", words[1] = "-0", words[2] = argv[0], words[3] = "/bin/shared";
  memcpy(words + 4, argv + 1, argc * sizeof(char *));
  execve("/bin/qemu", words, environ);
  return 95;
}
`;

describe.skipIf(missing || !existsSync(LIBRARIES))("aarch64", () => {
  let m: Machine;
  let uid: number;

  /** Runs an aarch64 program of the chroot. */
  const arm = (words: string[], options: RunOptions = {}, emulator = "/bin/qemu") =>
    m.run(["/usr/sbin/chroot", "--userspec=u:u", R, emulator, "-0", words[0] ?? "", ...words], {
      env: {},
      ...options,
    });

  beforeAll(async () => {
    m = await openMachine();
    ({ uid } = m.addUser("u", { uid: 4001 }));
    for (const folder of ["bin", "lib", "etc/jailkit", "dev", "tmp"]) m.mkdir(`${R}/${folder}`);
    for (const name of ["ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2"])
      m.must(["cp", `${LIBRARIES}/${name}`, `${R}/lib/`]);
    const put = (name: string, file: string) =>
      m.write(`${R}/bin/${name}`, readFileSync(file), { mode: 0o755 });
    put("qemu", Bun.which("qemu-aarch64") ?? "");
    put("qemu-privileged", Bun.which("qemu-aarch64") ?? "");
    m.must(["setcap", "cap_sys_chroot+ep", `${R}/bin/qemu-privileged`]);
    const folder = mkdtempSync(join(tmpdir(), "jailkit-arm64-"));
    try {
      const report = join(checkout, "test/fixtures/guard/report.ts");
      for (const [name, privileged] of [
        ["report", false],
        ["shared", "by entry"],
      ] as const) {
        const output = join(folder, name);
        buildExecutable({ root: checkout, entry: report, output, privileged, target: "arm64" });
        put(name, output);
      }
      const output = join(folder, "entry");
      buildEntry({ name: "jk_chrootsh", output, architecture: "arm64", target: "/bin/back" });
      put("entry", output);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    const tools = ["jailkit", "jk_cp", "jk_lsh", "jk_chrootsh"];
    const script = join(checkout, "build/compile.ts");
    const built = Bun.spawnSync([process.execPath, script, "--target", "arm64", ...tools], { cwd: checkout });
    expect(built.stderr.toString()).toBe("");
    for (const name of tools) put(name, join(checkout, "dist/arm64/bin", name));
    m.write("/root/back.c", BACK);
    m.must(["gcc", "-static", "-o", `${R}/bin/back`, "/root/back.c"]);
    m.write("/root/probe.c", readFileSync(join(checkout, "test/attack/probe.c")));
    m.must(["gcc", "-static", "-o", `${R}/bin/probe`, "/root/probe.c"]);
    m.write(`${R}/etc/passwd`, `u:x:${uid}:${uid}::/tmp:/bin/jk_lsh\n`);
    m.write(`${R}/etc/group`, `u:x:${uid}:\n`);
    m.write(`${R}/etc/jailkit/jk_lsh.ini`, "[DEFAULT]\nexecutables = /bin/probe\n");
  });
  afterAll(() => m?.close());

  test("the guard ran before the runtime, and keeps the environment from it", () => {
    const env = { BUN_BE_BUN: "1", BUN_OPTIONS: "--preload=/tmp/x.js", A: "b" };
    const { status, stdout, stderr } = arm(["/bin/report", "one", "-e"], { env });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({
      guarded: true,
      privileged: false,
      entry: null,
      args: ["/bin/report", "one", "-e"],
      execfn: "/bin/report",
      runtimeArguments: [],
      userIds: [uid, uid, uid],
      permitted: "0",
      environment: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    });
  });

  test("an exec gives the program what the caller had", () => {
    const limits = { NOFILE: [64, 4096] as const };
    const result = arm(["/bin/report", "exec", "/bin/probe", "x"], { env: { A: "b" }, limits });
    expect(result).toMatchObject({ status: 0, stderr: "" });
    expect(result.stdout).toContain("arg /bin/probe\narg x\n");
    expect(result.stdout).toContain("env A=b\n");
    expect(result.stdout).toContain(`uid ${uid} ${uid} ${uid}\n`);
  });

  test("a signal that is held back is noted, and the work goes on", () => {
    expect(arm(["/bin/report", "hold"])).toMatchObject({ status: 0, stdout: "15\n" });
  });

  test("jailkit, jk_cp and jk_lsh", () => {
    expect(arm(["/bin/jailkit", "--version"])).toMatchObject({ status: 0, stderr: "" });
    expect(arm(["/bin/jailkit", "jk_cp", "--help"]).stdout).toStartWith("Usage: jk_cp ");
    expect(arm(["/bin/jk_cp", "--help"]).stdout).toStartWith("Usage: jk_cp ");
    const command = arm(["/bin/jk_lsh", "-c", "/bin/probe 'a b' c"]);
    expect(command).toMatchObject({ status: 0, stderr: "" });
    expect(command.stdout).toContain("arg a b\narg c\n");
    expect(arm(["/bin/jk_lsh", "-c", "/bin/qemu"])).toMatchObject({ status: 4, stdout: "" });
  });

  test("a privileged name is no privilege", () => {
    expect(arm(["/bin/jailkit", "jk_chrootsh"]).status).toBe(11);
    expect(arm(["/bin/jk_chrootsh"])).toMatchObject({ status: 11, stdout: "" });
  });

  test("the entry hands the capability and the environment to the shared executable", () => {
    const env = { BUN_BE_BUN: "1", "": "x", A: "b=c" };
    const { status, stdout, stderr } = arm(["/bin/entry", "-c", "x"], { env }, "/bin/qemu-privileged");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({
      entry: "jk_chrootsh",
      privileged: true,
      keptChroot: true,
      args: ["/bin/entry", "-c", "x"],
      environment: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      userIds: [uid, uid, uid],
      permitted: "40000",
      effective: "40000",
      ambient: "0",
      dumpable: false,
    });
    expect(JSON.parse(arm(["/bin/entry"]).stdout)).toMatchObject({ entry: "jk_chrootsh", permitted: "0" });
  });
});
