/** The filters of config/filters/ in the kernel: what they refuse, and that programs of logins work under them. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { callNumber } from "../../build/filters/libseccomp.ts";
import { ARCHITECTURES } from "../../ffi/seccomp.ts";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine, type RunOptions, type Sshd } from "../machine/machine.ts";
import { type FilterName, HERE, PROOFS, textOf, wordsFor } from "../unit/filter-words.ts";
import { judge } from "../unit/seccomp-filter.ts";
import { PROGRAMS } from "./session-programs.ts";

setDefaultTimeout(120_000);

const ALL = ["login", "terminal", "network-local", "network-none", "tcp", "tcp-listen", "execute"] as const;
const HOME = "/home/u";

let m: Machine;
let sshd: Sshd;
beforeAll(async () => {
  m = await openMachine();
  for (const name of ["under-filter", "confine-probe"])
    m.write(`/usr/bin/${name}`, readFileSync(compiledC(join(import.meta.dir, `${name}.c`), ["-static"])), {
      mode: 0o755,
    });
  m.mkdir("/srv/filters");
  for (const name of ALL) m.write(`/srv/filters/${name}`, new Uint8Array(wordsFor(name, HERE).buffer));
  const { uid, gid } = m.addUser("u", { home: HOME, shell: "/bin/bash" });
  m.mkdir(HOME, { owner: [uid, gid] });
  sshd = await m.startSshd();
});
afterAll(() => m?.close());

function under(filters: readonly FilterName[], words: readonly string[], options: RunOptions = {}) {
  const files = filters.map((name) => `/srv/filters/${name}`);
  const env = { HOME, PATH: "/usr/bin:/bin", LANG: "C.UTF-8", TERM: "dumb" };
  return m.run(["/usr/bin/under-filter", ...files, "--", ...words], {
    user: "u",
    cwd: HOME,
    env,
    // Some start slowly on a busy machine.
    timeout: 110_000,
    ...options,
  });
}

/** What came of calls of confine-probe.c under filters. */
const attempt = (filters: readonly FilterName[], calls: readonly string[]) =>
  under(filters, ["/usr/bin/confine-probe", ...calls.map((call) => `call:${call}`)])
    .stdout.trim()
    .split("\n")
    .map((line) => line.split(" ")[1]);

describe("the kernel says of each call what the filter says", () => {
  const word = (value: bigint | number) => BigInt.asUintN(64, BigInt(value)).toString(16);

  test.each(ALL)("%s", (name) => {
    const calls = new Set(textOf(name).rules.map(({ call }) => call));
    const says = (number: number, value: number) => {
      const given = Array.from({ length: 6 }, () => BigInt(value));
      return judge(wordsFor(name, HERE), { number, arch: ARCHITECTURES[HERE], arguments: given });
    };
    const tried = [...calls].flatMap((call) => {
      const number = callNumber(call, HERE);
      if (number === undefined) return [];
      // Arguments that do nothing where the call is allowed; but clone(2) begins a process with any.
      const values = [0, 1, 8, 0x10, 0x5412, 0x20000, -1];
      const tries = values.map((value) => ({ call, number, value, verdict: says(number, value) }));
      return tries.filter(({ verdict }) => call !== "clone" || verdict !== "allow");
    });
    const asked = tried.map(({ number, value }) => [number, ...Array(6).fill(value)].map(word).join(","));
    const [free, filtered] = [attempt([], asked), attempt([name], asked)];
    let seen = 0;
    const said = tried.map(({ call, value, verdict }, i) => {
      if (verdict !== "allow" && free[i] !== verdict) seen++;
      return [call, value, verdict === "allow" ? free[i] : verdict];
    });
    expect(tried.map(({ call, value }, i) => [call, value, filtered[i]])).toEqual(said);
    // Enough of them end otherwise without the filter.
    expect(seen).toBeGreaterThan(0);
  });

  test("32-bit programs are killed where their calls can evade the rules; elsewhere the rules are theirs too", () => {
    if (HERE !== "x64") return;
    const runs: readonly string[] = ["terminal", "execute"];
    // getpid(2)
    for (const name of ALL)
      expect([name, attempt([name], ["i386,14"])]).toEqual([
        name,
        [runs.includes(name) ? "works" : "killed"],
      ]);
    expect(attempt(["terminal"], ["i386,36,0,5412"])).toEqual(["EPERM"]);
    // memfd_create(2)
    expect(attempt(["execute"], ["i386,164,0,0", "i386,164,0,8"])).toEqual(["EACCES", "EFAULT"]);
  });

  test("x32 is killed by each; its numbers without the mark fail", () => {
    if (HERE !== "x64") return;
    for (const name of ALL)
      expect([name, attempt([name], ["40000027", "40000202", "202", "40000010,0,5412"])]).toEqual([
        name,
        ["killed", "killed", "ENOSYS", "killed"],
      ]);
  });
});

/** They find no server. */
const ENDS: Record<string, number> = { curl: 7, mariadb: 1, psql: 2 };
const LOCAL = [
  "bash",
  "coreutils",
  "sftp-server",
  "rsync",
  "git",
  "php",
  "node",
  "python",
  "perl",
  "vim",
  "tmux",
  "mariadb",
];
const NONE = ["bash", "coreutils", "sftp-server", "rsync", "git", "svn", "borg"];

describe("programs work the same", () => {
  const combinations: [string, readonly FilterName[], readonly string[]][] = [
    ["as in a confined login", ["login", "execute"], Object.keys(PROGRAMS)],
    [
      "that listen to nothing",
      ["login", "tcp", "tcp-listen"],
      ["bash", "sftp-server", "git", "rsync", "python"],
    ],
    ["with TCP's rules", ["login", "tcp"], ["node", "python", "perl", "curl", "psql", "git", "rsync"]],
    ["with a local network", ["login", "execute", "network-local"], LOCAL],
    ["without a network", ["login", "execute", "network-none"], NONE],
  ];
  const cases = combinations.flatMap(([title, filters, names]) =>
    names.map((name) => ({ title, filters, name })),
  );
  test.each(cases.map((one) => [one.title, one.name, one] as const))("%s: %s", (_, name, { filters }) => {
    const run = (filters: readonly FilterName[]) => {
      m.remove(HOME);
      m.mkdir(HOME, { owner: [m.ids("u").uid, m.ids("u").gid] });
      const { status, signal, stdout, stderr } = under(filters, ["bash", "-c", PROGRAMS[name] ?? "exit 99"]);
      return { status, signal, stdout, stderr: status === 0 ? "" : stderr };
    };
    const free = run([]);
    expect(run(filters)).toEqual(free);
    expect(free.status).toBe(ENDS[name] ?? 0);
  });

  test("ssh and scp, over TCP", () => {
    const { clientOptions } = sshd;
    const run = (filters: readonly FilterName[], words: string[]) => {
      const { status, stdout } = under(filters, words, { user: { uid: 0, gid: 0 } });
      return { status, stdout };
    };
    const ssh = ["ssh", ...clientOptions, "u@127.0.0.1", "echo $((6 * 7))"];
    for (const filters of [
      ["login", "execute"],
      ["login", "tcp"],
    ] as const)
      expect(run(filters, ssh)).toEqual({ status: 0, stdout: "42\n" });
  });
});

test("where vm.memfd_noexec refuses files in memory, the proof of a session's filter still tells it from the kernel", () => {
  if (!m.exists("/proc/sys/vm/memfd_noexec")) return;
  const { call, arguments: given } = PROOFS.execute;
  const attempts = [
    [call, 0, 0x10],
    [call, ...given],
  ].map((words) => words.map((word) => word.toString(16)).join(","));
  // A process of the machine sets it for the machine; this one would for the host.
  m.must(["sh", "-c", "echo 2 > /proc/sys/vm/memfd_noexec"]);
  expect(attempt([], attempts)).toEqual(["EACCES", "EINVAL"]);
  expect(attempt(["execute"], attempts)).toEqual(["EACCES", "EACCES"]);
});
