import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { makeShellJail, pivotTo, stop, waitApart, waitIn } from "../e2e/list-scene.ts";
import { type Machine, type MachineProcess, openMachine, underTest } from "../machine/machine.ts";
import { type Expected, ends, expectedOf, prints, type Result } from "./cases.ts";

setDefaultTimeout(120_000);

const A = "/srv/a";
const B = "/srv/bb";
const dash = "/usr/bin/dash";
const wait = `${dash} -c echo up; read x`;
const none = prints("No jailed processes found\n");

let m: Machine;
let running: MachineProcess[] = [];
beforeAll(async () => {
  m = await openMachine({ under: underTest });
  makeShellJail(m, A);
  makeShellJail(m, B);
  m.addUser("longusername", { uid: 4001 });
});
afterEach(async () => {
  await stop(...running);
  running = [];
});
afterAll(async () => m.close());

/** The list of 2.23 for rows of user, jail and command, the pids replaced. */
function list(rows: readonly [user: string, jail: string, command: string][], wide = false): Result {
  const widest = (column: 0 | 1 | 2, least: number) =>
    Math.max(least, ...rows.map((row) => row[column].length));
  const [user, jail] = [widest(0, 4), widest(1, 4)];
  const command = Math.min(widest(2, 7), 71 - user - jail);
  const line = (pid: string, row: readonly [string, string, string], shown: string) =>
    `${[pid.padEnd(6), row[0].padEnd(user), row[1].padEnd(jail), shown].join(" ")}\n`;
  return prints(
    line("Pid", ["User", "Jail", ""], "Command".padEnd(command)) +
      rows.map((row) => line("N", row, wide ? row[2] : row[2].slice(0, command).padEnd(command))).join(""),
  );
}

interface Case {
  name: string;
  start?: () => Promise<MachineProcess>[];
  args?: readonly string[];
  user?: string;
  is: Expected<Result>;
}

function table(title: string, cases: readonly Case[]): void {
  describe(title, () => {
    test.each(cases.map((one) => [one.name, one] as const))("%s", async (_, one) => {
      for (const starting of one.start?.() ?? []) running.push(await starting);
      const { status, stdout } = m.run(["jk_list", ...(one.args ?? [])], one.user ? { user: one.user } : {});
      const result = { status, stdout: stdout.replace(/^\d+ */gm, "N      ") };
      expect(result).toMatchObject(expectedOf(one.is));
    });
  });
}

const two = () => [waitIn(m, B, ["x"], "4001:4001"), waitIn(m, A)];
const rows: [string, string, string][] = [
  ["root", A, `${A}${wait} `],
  ["longusername", B, `${B}${wait} x `],
];

table("options", [
  { name: "nothing is jailed", is: none },
  { name: "-h", args: ["-h"], is: { status: 0 } },
  { name: "--help", args: ["--help"], is: { status: 0 } },
  { name: "an option that there is not", args: ["--bogus"], is: { status: 1 } },
  { name: "-v", args: ["-v"], is: { status: 1 } },
  { name: "operands mean nothing", args: ["/srv/a", "x"], is: none },
]);

table("the list", [
  { name: "is sorted by jail", start: two, is: list(rows) },
  { name: "wide", start: two, args: ["-w"], is: list(rows, true) },
  { name: "--wide", start: two, args: ["--wide"], is: list(rows, true) },
  {
    name: "short",
    start: () => [waitIn(m, A)],
    is: list([["root", A, `${A}${wait} `]]),
  },
  {
    name: "of one jail by number",
    start() {
      // Numbers start again after the highest.
      m.must(["sh", "-c", "echo 1000 > /proc/sys/kernel/ns_last_pid"]);
      const first = waitIn(m, A, ["1"]);
      const second = first.then(() => waitIn(m, B, ["2"]));
      return [first, second, second.then(() => waitIn(m, A, ["3"]))];
    },
    is: list([
      ["root", A, `${A}${wait} 1 `],
      ["root", A, `${A}${wait} 3 `],
      ["root", B, `${B}${wait} 2 `],
    ]),
  },
  {
    name: "long commands are cut",
    start: () => [waitIn(m, A, ["long ".repeat(30)])],
    is: list([["root", A, `${A}${wait} ${"long ".repeat(30)} `]]),
  },
  {
    name: "long commands are not cut in a wide list",
    start: () => [waitIn(m, A, ["long ".repeat(30)])],
    args: ["-w"],
    is: list([["root", A, `${A}${wait} ${"long ".repeat(30)} `]], true),
  },
  {
    name: "empty arguments",
    start: () => [waitIn(m, A, ["", "", "x"])],
    is: list([["root", A, `${A}${wait}   x `]]),
  },
  {
    name: "UTF-8 counts by characters",
    start: () => [waitIn(m, A, ["\xc3\xa9".repeat(9)])],
    args: ["-w"],
    is: prints(
      `Pid    User Jail   ${"Command".padEnd(`${A}${wait} `.length + 10)}\nN      root ${A} ${A}${wait} ${"\xc3\xa9".repeat(9)} \n`,
    ),
  },
  {
    name: "the root directory itself, bound to another place",
    start: () => {
      m.mkdir("/srv/all");
      m.must(["mount", "--bind", "/", "/srv/all"]);
      return [waitIn(m, "/srv/all")];
    },
    is: list([["root", "/srv/all", `/srv/all${wait} `]]),
  },
  {
    name: "4096 bytes of the arguments",
    start: () => [waitIn(m, A, ["x".repeat(5000)])],
    args: ["-w"],
    // Of the 4096, the name of the program takes 14 and the other words of the command 19.
    is: list([["root", A, `${A}${wait} ${"x".repeat(4096 - wait.length - 1)}`]], true),
  },
]);

table("deliberate differences", [
  {
    name: "-j",
    start: two,
    args: ["-j", A],
    is: { debian: list(rows), ours: list(rows.slice(0, 1)), difference: "list-jail-option" },
  },
  {
    name: "--jail=",
    start: two,
    args: [`--jail=${A}`],
    is: { debian: { status: 1 }, ours: list(rows.slice(0, 1)), difference: "list-jail-option" },
  },
  {
    name: "a jail as an operand",
    start: two,
    args: [A],
    is: { debian: list(rows), ours: list(rows.slice(0, 1)), difference: "one-spelling" },
  },
  {
    name: "an empty operand",
    start: two,
    args: [""],
    is: { debian: list(rows), ours: { status: 1 }, difference: "empty-names" },
  },
  {
    name: "a uid without an account",
    start: () => [waitIn(m, A, [], "7777:7777")],
    is: { debian: ends(1), ours: list([["7777", A, `${A}${wait} `]]), difference: "list-orphan-uid" },
  },
  {
    name: "for an ordinary user",
    start: () => [waitIn(m, A, [], "4001:4001"), waitIn(m, B)],
    user: "longusername",
    is: {
      debian: prints("Permission denied\nNo jailed processes found\n"),
      ours: list([["longusername", A, `${A}${wait} `]]),
      difference: "list-passes-over",
    },
  },
  {
    name: "a very long name of a jail",
    start: () => {
      makeShellJail(m, `/srv/${"j".repeat(80)}`);
      return [waitIn(m, `/srv/${"j".repeat(80)}`)];
    },
    is: {
      debian: { status: 0 },
      ours: prints(`Pid    User ${"Jail".padEnd(85)} Command\nN      root /srv/${"j".repeat(80)} /srv/jj\n`),
      difference: "list-narrow",
    },
  },
  {
    name: "control bytes",
    start: () => [waitIn(m, A, ["\x1b[31m", "a\\b"])],
    args: ["-w"],
    is: {
      debian: list([["root", A, `${A}${wait} \x1b[31m a\\b `]], true),
      ours: list([["root", A, `${A}${wait} \\x1b[31m a\\\\b `]], true),
      difference: "list-control-bytes",
    },
  },
  {
    name: "a jail that was removed",
    start: () => {
      makeShellJail(m, "/srv/gone");
      const starting = waitIn(m, "/srv/gone");
      starting.then(
        () => m.remove("/srv/gone"),
        () => undefined,
      );
      return [starting];
    },
    is: {
      debian: list([["root", "/srv/gone (deleted)", `/srv/gone${dash} (deleted) -c echo up; read x `]]),
      ours: list([["root", "/srv/gone", `/srv/gone${wait} `]]),
      difference: "list-removed",
    },
  },
  {
    name: "a jail that is the root of a mount namespace",
    start: () => [waitApart(m, ["--mount"], `mount --bind ${B} ${B}; ${pivotTo(B)}`)],
    is: {
      debian: none,
      ours: list([["root", B, `${B}${wait} `]]),
      difference: "list-mount-namespaces",
    },
  },
  {
    name: "a chroot in a container",
    start: () => {
      const script = `mount -t tmpfs tmpfs /mnt; cp -a ${A}/. /mnt/; mkdir -p /mnt${A}; cp -a ${A}/. /mnt${A}/`;
      const enter = `cp /usr/sbin/chroot /mnt/usr/bin/; cd /mnt; /usr/sbin/pivot_root . .`;
      return [
        waitApart(m, ["--mount", "--pid", "--fork"], `${script}; ${enter}; exec /usr/bin/chroot ${A} $WAIT`),
      ];
    },
    is: {
      debian: list([["root", A, `${A}${wait} `]]),
      ours: none,
      difference: "list-mount-namespaces",
    },
  },
]);
