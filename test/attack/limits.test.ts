/**
 * Whatever limits and environment a caller sets, a login ends in the jail or in a refusal of ours, in one line: never
 * by a signal, and never with a message of the runtime.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { RunOptions, RunResult } from "../machine/machine.ts";
import { openScene, type Scene } from "./chrootsh-scene.ts";
import { J, PROBE, says } from "./probe.ts";

setDefaultTimeout(240_000);

type Limits = NonNullable<RunOptions["limits"]>;

const INFINITY = -1;
const MiB = 1 << 20;
const UID = 4004;
const KiB = 1 << 10;
// A hard limit, and a soft one below a hard one that leaves room.
const both = (name: keyof Limits, values: number[]): Limits[] =>
  values.flatMap((value) => [{ [name]: value }, { [name]: [value, INFINITY] }]);
const single: Limits[] = [
  ...both("AS", [10 * MiB, 100 * MiB, 110 * MiB, 1000 * MiB, 2390 * MiB, 2400 * MiB]),
  ...both("DATA", [0, MiB, 10 * MiB, 1000 * MiB, 2390 * MiB, 2400 * MiB]),
  ...both("STACK", [64 * KiB, 130 * KiB, 170 * KiB, 196 * KiB, 256 * KiB, 400 * KiB, 8 * MiB, INFINITY]),
  // Of ids that are nobody else's, so that a number means what it says.
  ...both("NPROC", [0, 1, 2]),
  ...[0, 3, 4, 5, 8, 15, 16, 32].flatMap((n): Limits[] => [{ NOFILE: n }, { NOFILE: [n, 100] }]),
  ...both("FSIZE", [0, 1]),
  ...both("MEMLOCK", [0, 1]),
  ...both("CORE", [0, 1]),
  { CPU: 1 },
];
const pairs: Limits[] = [10, 1000, 2400].flatMap((as) =>
  [64, 170, 400].map((stack) => ({
    AS: [as * MiB, INFINITY] as const,
    STACK: stack * KiB,
    NPROC: 1,
    FSIZE: 0,
  })),
);
const sizes = [0, 20_000, 60_000, 100_000, 1_500_000];

function environmentOf(size: number): string[] {
  const count = Math.ceil(size / 1000);
  return ["USER=u", ...Array.from({ length: count }, (_, i) => `V${i}=`.padEnd(999, "x"))];
}

describe.each(["package", "standalone"] as const)("%s", (layout) => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openScene("capability", layout, UID);
    scene.m.write("/root/nothing.c", "int main(void) { return 0; }\n");
    for (const [name, kind] of [
      ["static", "-static"],
      ["dynamic", "-no-pie"],
    ])
      scene.m.must(["gcc", kind ?? "", "-o", `/srv/${name}`, "/root/nothing.c"]);
  });
  afterAll(() => scene?.m.close());

  /** Whether the kernel and ld.so can start anything of this kind under the limits; else there is nothing to see. */
  function startable(options: RunOptions, limits: Limits): boolean {
    const soft = (value: Limits[keyof Limits]) => (typeof value === "object" ? value[0] : value);
    // A file of 110 MB must be mapped before its first instruction; the entry checks this.
    const as = soft(limits.AS);
    if (layout === "standalone" && as !== undefined && as >= 0 && as < 128 * MiB) return false;
    const data = soft(limits.DATA);
    if (layout === "standalone" && data !== undefined && data < 8 * MiB) return false;
    // A stack that is just filled by what the kernel puts there kills any program, or not, as addresses fall out.
    const stack = soft(limits.STACK);
    const filled = options.env === undefined ? 0 : [...(options.env as string[])].join("").length;
    if (stack !== undefined && stack >= 0 && stack < filled * 1.02 + 16 * KiB) return false;
    const program = layout === "package" ? "/srv/static" : "/srv/dynamic";
    try {
      return scene.m.run([program], { user: "u", ...options }).status === 0;
    } catch {
      return false;
    }
  }

  /** Undefined where the user has too many processes already: the kernel's own answer to execve(2), EAGAIN. */
  function login(options: RunOptions): RunResult | undefined {
    try {
      return scene.login([], options);
    } catch (error) {
      if (String(error).includes("Resource temporarily unavailable")) return undefined;
      throw error;
    }
  }

  function judge(limits: Limits, size: number): string {
    const options = { limits, env: environmentOf(size) };
    if (!startable(options, limits)) return "cannot start anything";
    const result = login(options);
    if (result === undefined) return "cannot start anything";
    const { status, stdout, stderr, signal } = result;
    const what = JSON.stringify({ limits, size, status, signal, stderr });
    if (stdout.includes("\nuid ") || stdout.startsWith("uid ")) return "entered";
    const line =
      /^(?:jk_chrootsh|jailkit): (?:the limit on .+ is below .+: raise it|the environment.* is too large)(?: \(error id (JK-[A-Z2-7]{8})\))?\n$/;
    const match = line.exec(stderr);
    if (status === 127 && match?.[1] !== undefined) return match[1];
    // No descriptor is left for the log, and so there is no id.
    if (status === 127 && match !== null && Number(limits.NOFILE) < 4) return "refused";
    throw new Error(`neither entered nor refused: ${what}`);
  }

  test("every start ends in the jail or in our own refusal, whose id is in the log", async () => {
    const found = new Map<string, number>();
    const ids: string[] = [];
    const cases = [...single, ...pairs].flatMap((limits) => sizes.map((size) => [limits, size] as const));
    for (const [limits, size] of cases) {
      const result = judge(limits, size);
      const kind = result.startsWith("JK-") ? "refused" : result;
      if (kind !== result) ids.push(result);
      found.set(kind, (found.get(kind) ?? 0) + 1);
    }
    expect(found.get("entered")).toBeGreaterThan(150);
    expect(found.get("refused")).toBeGreaterThan(50);
    const logged = (await scene.log.lines()).filter(
      ({ facility, severity }) => facility === 4 && severity === 3,
    );
    const [first] = logged.filter(({ message }) => message.includes(ids[0] ?? "none"));
    expect(first?.message).toMatch(/^JK-[A-Z2-7]{8}: uid 4004: the limit on .*: raise it$/);
    const known = new Set(logged.map(({ message }) => message.slice(0, 11)));
    expect(ids.filter((id) => !known.has(id))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("16 open files are enough, also for the limited shell and where the jail's directories are links", () => {
    const { m } = scene;
    for (const name of ["bin", "sbin", "lib", "lib32", "lib64", "libx32"]) {
      m.remove(`${J}/${name}`);
      m.mkdir(`${J}/usr/${name}`);
      m.symlink(`usr/${name}`, `${J}/${name}`);
    }
    m.must(["cp", "/root/probe", `${J}${PROBE}`]);
    const limits = { NOFILE: 16 };
    expect(says(scene.login([], { limits }), "uid")).toEqual([`${UID} ${UID} ${UID}`]);
    scene.jailPasswd("/usr/sbin/jk_lsh");
    m.write(`${J}/etc/jailkit/jk_lsh.ini`, "[DEFAULT]\npaths = /usr/bin\nexecutables = /usr/bin/probe\n");
    expect(says(scene.login(["-c", "probe"], { limits }), "uid")).toEqual([`${UID} ${UID} ${UID}`]);
    scene.reset();
  });

  test("a program of the user's own is refused without an id, and logs nothing", async () => {
    await scene.log.clear();
    const { status, stderr } = scene.m.run(["/usr/sbin/jk_lsh"], { user: "u", limits: { NOFILE: 15 } });
    expect({ status, stderr }).toEqual({
      status: 127,
      stderr: "jailkit: the limit on open files (ulimit -n) is below 16: raise it\n",
    });
    expect(await scene.lines("jailkit")).toEqual([]);
  });

  test("a privileged program is refused with an id that is in the log, and without one if the log cannot be written", async () => {
    await scene.log.clear();
    const { status, stderr } = scene.m.run(["/usr/sbin/jk_chrootsh"], { user: "u", limits: { NOFILE: 15 } });
    const id = /ulimit -n\) is below 16: raise it \(error id (JK-[A-Z2-7]{8})\)\n$/.exec(stderr)?.[1];
    expect(status).toBe(127);
    expect(id).toBeDefined();
    expect(
      (await scene.log.lines()).filter(({ message }) => message.startsWith(`${id}: uid ${UID}: `)),
    ).toHaveLength(1);
    scene.m.rename("/dev/log", "/dev/away");
    const mute = scene.m.run(["/usr/sbin/jk_chrootsh"], { user: "u", limits: { NOFILE: 15 } });
    scene.m.rename("/dev/away", "/dev/log");
    expect(mute.status).toBe(127);
    expect(mute.stderr).toEndWith("(ulimit -n) is below 16: raise it\n");
  });

  test("the shell gets the limits that the caller had set", () => {
    const limits = {
      STACK: [170 * KiB, INFINITY],
      DATA: [30 * MiB, INFINITY],
      AS: [(layout === "package" ? 20 : 300) * MiB, INFINITY],
      NOFILE: [64, 4096],
    } as const;
    const soft = [limits.STACK, limits.DATA, limits.AS, limits.NOFILE].map(([first]) => first);
    expect(says(scene.login([], { limits }), "limits")).toEqual([soft.join(" ")]);
  });
});
