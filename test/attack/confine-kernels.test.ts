/**
 * Sessions on kernels that lack something: older versions of Landlock, none, and no filters of system calls. What is left
 * holds and what is missing is logged once; with confine = require the session is refused.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { callNumber } from "../../build/filters/libseccomp.ts";
import { HERE } from "../unit/filter-words.ts";
import { ALL } from "./confine-attempts.ts";
import { type LiveScene, openLiveScene } from "./confine-live.ts";
import { KINDS, type Kind, WITHOUT_LANDLOCK } from "./confine-scene.ts";

setDefaultTimeout(120_000);

const FILTER = "filters of system calls";
/** The parts of ALL; the first version of Landlock that does each, or FILTER; an attempt that it stops, with this error. */
const PARTS: readonly (readonly [part: string, by: number | typeof FILTER, attempt: string, held: string])[] =
  [
    ["execute", 2, "execute:/home/u/in/program", "EACCES"],
    ["read", 2, "read:/home/u/file", "EACCES"],
    ["write", 2, "write:/data/file", "EACCES"],
    ["write", 2, "exchange:/home/u/in/2:/home/u/2", "EACCES"],
    ["write (truncate)", 3, "cut:/data/file", "EACCES"],
    ["tcp_connect", 4, "connect:22", "EACCES"],
    ["tcp_bind", 4, "bind:8080", "EACCES"],
    ["write (ioctl of devices)", 5, "ioctl:/data/random:80045200", "EACCES"],
    ["scope", 6, "signal:@OUTSIDE:0", "EPERM"],
    ["scope", 6, "reach:jailkit-confine-test", "EPERM"],
    ["execute (programs in memory)", FILTER, "execute-memory:0", "EACCES"],
    ["tcp_connect (other protocols)", FILTER, "option:30:1", "ENOPROTOOPT"],
    ["tcp_bind (other protocols)", FILTER, "socket:2:4", "EPROTONOSUPPORT"],
    ["syscalls", FILTER, "limit:@OUTSIDE", "EPERM"],
    ["no_new_privs (input of terminals)", FILTER, "terminal:541c", "EPERM"],
  ];
/** What every kernel does. */
const ALWAYS = [
  ["become:/usr/lib/attempts/setuid", "EPERM"],
  ["become:/usr/lib/attempts/capable", "EPERM"],
  ["raise:1", "EPERM"],
  ["write:/home/u/in/file", "works"],
  ["read:/data/file", "works"],
] as const;
const LINUX: Readonly<Record<number, string>> = { 2: "5.19", 3: "6.2", 4: "6.7", 5: "6.10", 6: "6.12" };

const [PRCTL, SECCOMP] = ["prctl", "seccomp"].map((name) => callNumber(name, HERE));
// EINVAL of prctl(PR_SET_SECCOMP), and of seccomp(2) whatever it is asked
const WITHOUT_FILTERS = ["/usr/bin/refuse-call", "22", `${PRCTL}:22`, `${SECCOMP}`, "--"];

const KERNELS: readonly (readonly [
  name: string,
  landlock: number,
  filters: boolean,
  lie: readonly string[],
])[] = [
  ...[1, 2, 3, 4, 5, 6].map(
    (version) => [`with Landlock ${version}`, version, true, ["/usr/bin/old-kernel", `${version}`]] as const,
  ),
  ["without Landlock", 0, true, WITHOUT_LANDLOCK],
  ["booted without Landlock", 0, true, ["/usr/bin/refuse-call", "95", "444", "--"]],
  // Linux 3.5 to 3.16 have filters, by prctl(2) alone.
  ["without seccomp(2)", 6, true, ["/usr/bin/refuse-call", "38", `${SECCOMP}`, "--"]],
  ["without filters", 6, false, WITHOUT_FILTERS],
  ["with neither", 0, false, [...WITHOUT_LANDLOCK, ...WITHOUT_FILTERS]],
];

// A mail server keeps the mail.
const REFUSED: Partial<Record<Kind, number>> = { jk_lsh: 126, jk_procmailwrapper: 75 };

describe.each(["standalone", "package"] as const)("%s", (layout) => {
  let scene: LiveScene;
  beforeAll(async () => {
    scene = await openLiveScene(layout);
  });
  afterAll(() => scene?.m.close());
  beforeEach(async () => {
    scene.fill();
    await scene.log.clear();
  });

  const messages = async (text: string) =>
    (await scene.log.lines()).flatMap(({ message }) => (message.includes(text) ? [message] : []));

  describe.each(KINDS)("%s", (kind) => {
    test.each(KERNELS)("a kernel %s", async (_, landlock, filters, lie) => {
      const lacks = (by: number | typeof FILTER) => (by === FILTER ? !filters : by > landlock);
      const attempts = [...PARTS.map(([, , attempt]) => attempt), ...ALWAYS.map(([attempt]) => attempt)];
      const { seen } = scene.tried(kind, ALL, attempts, lie);
      const held = PARTS.map(([part, , attempt, error], i) => [part, attempt, seen[i] === error]);
      expect(held).toEqual(PARTS.map(([part, by, attempt]) => [part, attempt, !lacks(by)]));
      expect(seen.slice(PARTS.length)).toEqual(ALWAYS.map(([, result]) => result));

      const missing = PARTS.flatMap(([part, by]) =>
        lacks(by) ? [`${part} needs ${by === FILTER ? by : `Landlock of Linux ${LINUX[by]}`}`] : [],
      );
      const told = await messages("does not confine");
      expect(told).toHaveLength(missing.length > 0 ? 1 : 0);
      const list = told[0]?.replace(/^.*in all that is asked: /, "").split(", ") ?? [];
      expect(list.sort()).toEqual([...new Set(missing)].sort());

      const required = scene.tried(kind, { ...ALL, confine: "require" }, attempts, lie);
      if (missing.length === 0) {
        expect(required.seen.slice(PARTS.length)).toEqual(ALWAYS.map(([, result]) => result));
        return;
      }
      expect(required).toMatchObject({ status: REFUSED[kind] ?? 106, stdout: "" });
      expect(await messages("confine = require")).not.toEqual([]);
    });

    // ENOSYS, which no kernel says to prctl(2)
    test.each([
      ["refuses the filters", ["/usr/bin/refuse-call", "38", `${PRCTL}:22`, "--"]],
      ["refuses the rules", ["/usr/bin/refuse-call", "1", "446", "--"]],
      ["says that there are filters, and has none", ["/usr/bin/refuse-call", "0", `${PRCTL}:22`, "--"]],
    ])("a kernel that %s starts nothing", (_, lie) => {
      const { stdout, status } = scene.tried(kind, ALL, ["stat:/"], lie);
      expect(stdout).toBe("");
      expect(status).not.toBe(0);
    });

    // Both return 0 or an error. Rules without scopes are proved by a device alone.
    test.each([
      ["the filters", ALL, `${PRCTL}:22=2`],
      ["the filters, with 1", ALL, `${PRCTL}:22=1`],
      ["the rules", { ...ALL, scope: "0" }, "446=1"],
    ])("a kernel that answers what makes no sense to %s starts nothing", (_, keys, answer) => {
      const { stdout, status } = scene.tried(kind, keys, ["stat:/"], ["/usr/bin/old-kernel", answer]);
      expect(stdout).toBe("");
      expect(status).not.toBe(0);
    });

    test("a kernel that says that there are rules, and has none, starts nothing", () => {
      const { stdout, status } = scene.tried(
        kind,
        ALL,
        ["stat:/"],
        ["/usr/bin/refuse-call", "0", "446", "--"],
      );
      expect([stdout, status]).toEqual(["", REFUSED[kind] ?? 106]);
    });
  });
});
