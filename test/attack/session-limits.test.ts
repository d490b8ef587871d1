/**
 * The key `limits`, and the option of jk_chrootlaunch: every kind of session has them, hard and soft, from its first
 * instruction, cannot raise them, and is stopped by the kernel where they end.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { RESOURCES } from "../../src/config/confine-values.ts";
import { compiledC } from "../machine/helper.ts";
import {
  type Machine,
  openMachine,
  type RunOptions,
  type RunResult,
  type Syslog,
} from "../machine/machine.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
// Its processes are counted, so that no other test has it.
const UID = 4711;
const PROBE = "/bin/limit-probe";
const chrootsh = "/etc/jailkit/jk_chrootsh.ini";
const uchroot = "/etc/jailkit/jk_uchroot.ini";
const lsh = "/etc/jailkit/jk_lsh.ini";

const INFINITY = -1;
const given = "nofile 40, fsize 100K, core 0, nproc 30, as 200M, cpu 7, sigpending 5, rttime 900";
const asked: Readonly<Record<string, number>> = {
  ...{ nofile: 40, fsize: 102_400, core: 0, nproc: 30, as: 209_715_200, cpu: 7, sigpending: 5, rttime: 900 },
};
const numbers = (text: string | undefined) =>
  (text ?? "").split(" ").map((pair) => pair.split(":").map(Number) as [soft: number, hard: number]);
const line = ({ stdout }: RunResult, word: string) => new RegExp(`^${word} (.*)$`, "m").exec(stdout)?.[1];
const above = (limit: number) => (limit === INFINITY ? Number.POSITIVE_INFINITY : limit);

describe.each(["package", "standalone"] as const)("%s", (layout) => {
  let m: Machine;
  let log: Syslog;
  beforeAll(async () => {
    const only = ["jk_chrootsh", "jk_lsh", "jk_uchroot", "jk_chrootlaunch", "jk_procmailwrapper"];
    m = await openMachine({ under: "ours", only, privilege: "capability", layout });
    log = await m.startSyslog();
    const { uid, gid } = m.addUser("u", { uid: UID, shell: "/usr/sbin/jk_chrootsh" });
    const probe = await Bun.file(compiledC(join(import.meta.dir, "limit-probe.c"), ["-static"])).bytes();
    for (const name of ["dev", "etc/jailkit", "usr/bin", "bin", "home"]) m.mkdir(`${J}/${name}`);
    m.mkdir(`${J}/home/u`, { owner: [uid, gid] });
    for (const root of ["", J]) m.write(`${root}${PROBE}`, probe, { mode: 0o755 });
    m.write(`${J}/usr/bin/procmail`, probe, { mode: 0o755 });
    for (const broken of ["bin/nothing", "bin/text"]) m.write(`${J}/${broken}`, "#!/none\n", { mode: 0o755 });
    m.write(`${J}/etc/group`, `u:x:${gid}:\n`);
    m.write(`${J}/etc/passwd`, `u:x:${uid}:${gid}::/home/u:${PROBE}\n`);
    m.write(
      "/etc/passwd",
      m.read("/etc/passwd").replace(/^u:.*$/m, `u:x:${uid}:${gid}::${J}/./home/u:/usr/sbin/jk_chrootsh`),
    );
  });
  afterAll(() => m?.close());
  beforeEach(() => {
    for (const file of [chrootsh, uchroot, lsh, J + lsh]) m.remove(file);
  });

  const as = (options: RunOptions) => ({ user: "u", env: { USER: "u" }, cwd: "/tmp", ...options });
  const lines = (limits: string) => (limits === "" ? "" : `limits = ${limits}\n`);
  const limited = (limits: string) => `[u]\nexecutables = ${PROBE}, /bin/nothing\n${lines(limits)}`;
  /** Each kind of session, with a probe as its program. */
  const sessions: Readonly<
    Record<string, (limits: string, what: string, options?: RunOptions) => RunResult>
  > = {
    jk_chrootsh(limits, what, options = {}) {
      m.write(chrootsh, `[u]\n${lines(limits)}`);
      return m.run(["/usr/sbin/jk_chrootsh", what], as(options));
    },
    "jk_lsh in jk_chrootsh"(limits, what, options = {}) {
      m.write(chrootsh, "[u]\ninjail_shell = /usr/sbin/jk_lsh\n");
      m.write(J + lsh, limited(limits));
      return m.run(["/usr/sbin/jk_chrootsh", "-c", `${PROBE} ${what}`], as(options));
    },
    "jk_lsh in jk_chrootsh, by the settings of jk_chrootsh"(limits, what, options = {}) {
      m.write(chrootsh, `[u]\ninjail_shell = /usr/sbin/jk_lsh\n${lines(limits)}`);
      m.write(J + lsh, limited("nofile 4000, as 300M"));
      return m.run(["/usr/sbin/jk_chrootsh", "-c", `${PROBE} ${what}`], as(options));
    },
    jk_lsh(limits, what, options = {}) {
      m.write(lsh, limited(limits));
      return m.run(["/usr/sbin/jk_lsh", "-c", `${PROBE} ${what}`], as(options));
    },
    jk_uchroot(limits, what, options = {}) {
      m.write(uchroot, `[u]\nallowed_jails = ${J}\n${lines(limits)}`);
      return m.run(["jk_uchroot", "-j", J, "-x", PROBE, "--", what], as(options));
    },
    jk_procmailwrapper(limits, what, options = {}) {
      m.write(chrootsh, `[u]\n${lines(limits)}`);
      return m.run(["/usr/sbin/jk_procmailwrapper", what], as(options));
    },
    jk_chrootlaunch(limits, what, { limits: own } = {}) {
      const words = limits === "" ? [] : ["--limits", limits];
      const launch = ["jk_chrootlaunch", "-j", J, "-u", "u", "-x", PROBE, ...words, "--", what];
      return m.run(launch, { cwd: "/tmp", ...(own && { limits: own }) });
    },
  };

  describe.each(Object.entries(sessions))("%s", (_, start) => {
    test("has these limits, no other, and cannot raise one", () => {
      const before = numbers(line(start("", ""), "limits"));
      const result = start(given, "");
      expect(result.status).toBe(0);
      const limits = numbers(line(result, "limits"));
      expect(limits).toHaveLength(16);
      const values = new Map(Object.entries(asked).map(([name, value]) => [RESOURCES[name] ?? -1, value]));
      expect(values.size).toBe(8);
      const expected = before.map((pair, resource) => {
        const value = values.get(resource);
        return value === undefined ? pair : pair.map((limit) => (above(limit) < value ? limit : value));
      });
      expect(limits).toEqual(expected as [number, number][]);
      expect(line(result, "raised")).toBe("0");
      expect(line(result, "after")).toBe(line(result, "limits"));
    });

    test("ends at each", () => {
      expect(line(start("nofile 20", "files"), "files")).toBe("20 EMFILE");
      expect(line(start("nproc 12", "processes"), "processes")).toMatch(/^(?:1[0-2]|[1-9]) EAGAIN$/);
      expect(line(start("fsize 10K", "size", { cwd: "/tmp" }), "size") ?? "").toMatch(/^10240 EFBIG$/);
      const memory = Number(line(start("as 100M", "memory"), "memory")?.replace(/ ENOMEM$/, ""));
      expect(memory).toBeGreaterThan(50);
      expect(memory).toBeLessThan(101);
      if (layout === "package")
        expect(start("cpu 1", "burn")).toMatchObject({ status: 137, signal: "SIGKILL" });
    });

    test("keeps lower limits of its caller", () => {
      const caller = { NOFILE: [30, 50], FSIZE: 5000, CORE: [0, INFINITY] } as const;
      const limits = numbers(line(start(given, "", { limits: caller }), "limits"));
      expect([7, 1, 4].map((resource) => limits[resource])).toEqual([
        [30, 40],
        [5000, 5000],
        [0, 0],
      ]);
    });

    test("does not start with a bad value", () => {
      for (const bad of ["nofile", "nofile 1K", "nothing 5", ","]) {
        const result = start(bad, "");
        expect([bad, result.status === 0, result.stdout]).toEqual([bad, false, ""]);
      }
    });
  });

  test("the lower of two sections counts", () => {
    m.write(chrootsh, "[u]\ninjail_shell = /usr/sbin/jk_lsh\nlimits = nofile 40, core 8K, cpu 50\n");
    m.write(J + lsh, limited("nofile 50, core 4K, nproc 20"));
    const limits = numbers(line(m.run(["/usr/sbin/jk_chrootsh", "-c", PROBE], as({})), "limits"));
    expect([7, 4, 0, 6].map((resource) => limits[resource]?.[1])).toEqual([40, 4096, 50, 20]);
  });

  test("a program with a pidfile has them, and one that cannot be executed has no pidfile", () => {
    const pidfile = "/run/probe.pid";
    m.remove(pidfile);
    const words = (program: string, limits: string) => [
      ...["jk_chrootlaunch", "-j", J, "-u", "u", "-p", pidfile, "-x", program, "--limits", limits],
    ];
    expect(numbers(line(m.run(words(PROBE, "nofile 33")), "limits"))[7]).toEqual([33, 33]);
    expect(m.exists(pidfile)).toBe(true);
    m.remove(pidfile);
    // The writer of the pidfile is not waited for.
    const failed = (limits: string) => {
      const { status } = m.run([...words("/bin/nothing", limits)]);
      const left = m.run([
        "sh",
        "-c",
        "while pgrep -x jk_chrootlaunch > /dev/null; do :; done; ls -A /run | grep probe",
      ]);
      return [status, left.stdout];
    };
    expect(failed("nofile 100")).toEqual([31, ""]);
    expect(failed("as 1M")).toEqual([127, ""]);
  });

  test("a daemon has them", async () => {
    const words = ["--limits", "nofile 33, core 0", "--daemon", "-p", "/run/probe.pid"];
    m.must(["gcc", "-static", "-o", `${J}/bin/waits`, "-x", "c", "/dev/stdin"], {
      stdin: "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n",
    });
    m.must(["jk_chrootlaunch", "-j", J, "-u", "u", "-x", "/bin/waits", ...words]);
    const pid = m.read("/run/probe.pid").trim();
    const limits = m.read(`/proc/${pid}/limits`);
    m.must(["kill", pid]);
    expect(limits).toMatch(/^Max open files +33 +33 +files/m);
    expect(limits).toMatch(/^Max core file size +0 +0 +bytes/m);
    const failing = m.run(["jk_chrootlaunch", "-j", J, "-u", "u", "-x", "/bin/nothing", ...words]);
    expect(failing.status).toBe(31);
    const low = ["--limits", "nofile 3, as 1M, nproc 0, fsize 0", "--daemon", "-p", "/run/probe.pid"];
    const daemon = m.run(["jk_chrootlaunch", "-j", J, "-u", "u", "-x", "/bin/nothing", ...low]);
    expect(daemon.status).toBe(31);
    expect(daemon.stderr).toContain("/bin/nothing cannot be executed: No such file or directory");
  });

  test("a program that cannot be executed within them is reported in one line", async () => {
    m.write(chrootsh, "[u]\ninjail_shell = /bin/nothing\nlimits = as 100M\n");
    const { status, stderr } = m.run(["/usr/sbin/jk_chrootsh"], as({}));
    expect(status).toBe(127);
    // The guard alone is left to say so, and the jail has no log.
    expect(stderr).toMatch(/^(?:jk_chrootsh|jailkit): the program or its interpreter does not exist\n$/);
    // Where its line does not fit into a file any more, the status stays, and no signal ends it: also from the guard.
    for (const [limits, expected] of [
      ["fsize 0", 111],
      ["fsize 0, as 100M", 127],
    ] as const) {
      m.write(chrootsh, `[u]\ninjail_shell = /bin/nothing\nlimits = ${limits}\n`);
      const result = m.run(["sh", "-c", "exec /usr/sbin/jk_chrootsh 2> line"], as({}));
      expect([limits, result.status, result.signal]).toEqual([limits, expected, undefined]);
      m.remove("/tmp/line");
    }
    const launch = "exec jk_chrootlaunch -j /srv/j -u u -x /bin/nothing --limits 'fsize 0' 2> line";
    expect(m.run(["sh", "-c", launch], { cwd: "/tmp" })).toMatchObject({ status: 31 });
    m.remove("/tmp/line");
    m.write(chrootsh, "[u]\ninjail_shell = /bin/nothing\nlimits = nofile 100, core 0, fsize 0\n");
    expect(m.run(["/usr/sbin/jk_chrootsh"], as({})).status).toBe(111);
    const reasons = (await log.lines()).map(({ message }) => message);
    expect(reasons.some((one) => one.includes("failed to execute shell /bin/nothing"))).toBe(true);
  });
});
