/** jk_init and jk_cp that are killed while they fill a jail: what they have put there is known to come from jailkit. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";
import { check, summary } from "./check-helper.ts";

setDefaultTimeout(240_000);

const J = "/srv/j";
const APP = "/opt/app";
const RECORDS = "/var/lib/jailkit/jails";
const ASKED = { jk_init: ["basicshell"], jk_cp: [APP, "/opt/tool"] } as const;
type Tool = keyof typeof ASKED;

let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_cp", "jk_update", "jk_check", "jailkit"] });
  for (let each = 0; each < 8; each++) m.write(`${APP}/${each % 2}/${each}`, `${each}`);
  m.symlink("0", `${APP}/link`);
  m.must(["cp", "/bin/true", "/opt/tool"]);
});
afterAll(() => m?.close());

/** An existing jail, or none. */
function before(exists: boolean): void {
  for (const path of [J, "/var/lib/jailkit"]) m.remove(path);
  if (exists) m.must(["jk_init", "-j", J, "uidbasics"]);
}
/** A run that is killed at the nth call. False if it makes less of them. */
function kill(call: string, nth: number, ...argv: readonly string[]): boolean {
  const inject = `inject=${call}:signal=KILL:when=${nth}`;
  return m.run(["strace", "-qq", "-f", "-o", "/dev/null", "-e", inject, ...argv]).signal === "SIGKILL";
}
const argv = (tool: Tool, ...options: readonly string[]) => [tool, ...options, "-j", J, ...ASKED[tool]];
const findings = (...options: string[]) => summary(check(m, ...options, J).found);
const journals = () =>
  m.run(["find", "/var/lib/jailkit", "/srv", "-name", "fill.json", "-o", "-name", ".jk-*"]).stdout;
const entries = (): { path: string; sections: string[]; hardLink?: boolean }[] =>
  JSON.parse(m.read(`${RECORDS}/${m.list(RECORDS)[0]}/manifest.json`)).entries;
/** All that is in the jail is in its record. */
function allKnown(): void {
  const known = new Set(entries().map(({ path }) => path));
  const generated = ["/etc/passwd", "/etc/group", "/etc/ld.so.cache", "/etc/.jailkit.lock"];
  const there = m.must(["find", J, "-mindepth", "1", "-printf", "/%P\\n"]).stdout.trim().split("\n");
  expect(there.filter((path) => !known.has(path) && !generated.includes(path))).toEqual([]);
}

/** Calls with which something appears in the jail, or in its record. */
const CALLS = [
  { call: "mkdirat", step: 5 },
  { call: "linkat", step: 11 },
  { call: "symlinkat", step: 3 },
  { call: "renameat2", step: 1 },
  { call: "renameat", step: 1 },
  { call: "unlinkat", step: 2 },
];
const RUNS = (["jk_init", "jk_cp"] as const).flatMap((tool) => CALLS.map((one) => ({ tool, ...one })));

test.each(RUNS)("$tool killed at each $call: the files are known, and go with what asked for them", (run) => {
  const { tool, call, step } = run;
  before(true);
  const was = m.snapshot(J);
  for (let nth = 1; ; nth += step) {
    before(true);
    if (!kill(call, nth, ...argv(tool))) break;
    const at = `${call} ${nth}`;
    // A program that is there without its libraries is as incomplete as the jail.
    expect([at, findings().filter((one) => !/^(incomplete|leftover|missing-library) /.test(one))]).toEqual([
      at,
      [],
    ]);
    const { status, stderr } = m.run(argv(tool, "--remove"));
    if (status !== 0) {
      // Nothing had been written down, and nothing has come.
      expect([at, stderr]).toEqual([at, expect.stringContaining("was not asked for")]);
      m.must(argv(tool));
      m.must(argv(tool, "--remove"));
    }
    expect([at, Object.keys(m.snapshot(J))]).toEqual([at, Object.keys(was)]);
    expect([at, findings(), journals()]).toEqual([at, [], ""]);
  }
});

test.each(RUNS)("$tool killed at each $call: another run records it, and jk_update completes it", (run) => {
  const { tool, call, step } = run;
  before(true);
  m.must(["jk_cp", "-j", J, "/bin/sh"]);
  m.must(argv(tool));
  const wanted = m.snapshot(J);
  for (let nth = 1; ; nth += step) {
    before(true);
    if (!kill(call, nth, ...argv(tool))) break;
    const at = `${call} ${nth}`;
    m.must(["jk_cp", "-j", J, "/bin/sh"]);
    expect([at, journals()]).toEqual([at, ""]);
    allKnown();
    m.must(["jk_update", "-j", J]);
    // Before its request was written down, it is as if it had not been.
    if (!entries().some(({ sections }) => sections.includes(ASKED[tool][0]))) m.must(argv(tool));
    expect([at, m.snapshot(J)]).toEqual([at, wanted]);
    allKnown();
    expect([at, findings()]).toEqual([at, []]);
  }
});

test.each(CALLS)(
  "a new jail, killed at each $call: it is empty or known, and jk_update completes it",
  ({ call, step }) => {
    for (let nth = 1; ; nth += step) {
      before(false);
      if (!kill(call, nth, ...argv("jk_init"))) break;
      if (m.run(["find", J, "-mindepth", "1"]).stdout === "") continue;
      const { jails } = JSON.parse(m.run(["jailkit", "list", "--json"]).stdout);
      expect([nth, jails]).toMatchObject([nth, [{ path: J, sections: ["basicshell"] }]]);
      m.must(["jk_update", "-j", J]);
      allKnown();
      expect([nth, findings()]).toEqual([nth, []]);
    }
  },
);

test("what was killed and is asked for again is in order", () => {
  before(true);
  expect(kill("linkat", 6, ...argv("jk_init"))).toBe(true);
  expect(findings()).toEqual([`incomplete ${J}`]);
  m.must(argv("jk_init"));
  allKnown();
  expect([findings(), journals()]).toEqual([[], ""]);
});

test("hard links are recorded as such, and stay", () => {
  before(true);
  expect(kill("renameat2", 6, ...argv("jk_cp", "-k"))).toBe(true);
  m.must(["jk_cp", "-j", J, "/bin/sh"]);
  const linked = entries().filter(({ hardLink }) => hardLink);
  expect(linked.length).toBeGreaterThan(0);
  for (const { path } of linked) m.must(["test", `${J}${path}`, "-ef", path]);
});
