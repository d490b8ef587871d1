/** `jailkit apply` that is killed at a call of the kernel: the next run makes all that is declared. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, KEYS, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const LIVE = "/srv/live";
const TOOL = "/opt/tool";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;

let m: Machine;

const declare = (text: string) => m.write("/etc/jailkit/jails.d/one.ini", text);
/** Runs apply, which is killed at the nth call of its first thread, or with "-f" of any thread or child. */
const killAt = (call: string, nth: number, ...of: readonly "-f"[]) =>
  m.run([
    ...["strace", "-qq", ...of, "-o", "/dev/null", "-e", `inject=${call}:signal=KILL:when=${nth}`],
    ...["jailkit", "apply"],
  ]);
/** The next run ends with all as declared, and as it has foreseen. */
function goesOn(jail = J): void {
  const planned = did(m, "--check").map((line) => line.replace("planned", "done"));
  expect(did(m)).toEqual(planned);
  // A warning tells of files that it has left.
  const errors = m.run(["jk_check", jail]).stdout.match(/^ERROR.*/gm);
  expect([did(m), errors]).toEqual([[], null]);
}

beforeAll(async () => {
  m = await openApplyMachine();
  m.mkdir(TOOL);
  declare(JAIL);
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

test.each([1, 2, 3, 4, 5, 6, 7, 8])("the home of an account that goes into a jail: rename %d", (nth) => {
  const name = `carl${nth}`;
  m.must(["useradd", "-m", name]);
  m.write(`/home/${name}/file`, "mine");
  declare(`${JAIL}[user ${name}]\njail = ${J}\nshell = /bin/bash\nauthorized_keys = ${KEYS[0]}\n`);
  killAt("renameat2", nth);
  goesOn();
  expect(m.read(`${J}/home/${name}/file`)).toBe("mine");
});

test("no empty home is made by hand in the place of one that is aside", () => {
  m.must(["useradd", "-m", "dora"]);
  m.write("/home/dora/file", "mine");
  m.must(["jk_jailuser", "-n", "-s", "/bin/bash", "-j", J, "dora"]);
  // As after a run that was killed.
  m.mkdir("/home/.jk-move-dora", { mode: 0o700 });
  m.rename("/home/dora", "/home/.jk-move-dora/home");
  m.must(["jk_jailuser", "--jail-side-only", "-j", J, "dora"]);
  expect(m.read(`${J}/home/dora/file`)).toBe("mine");
});

test("a jail that has become live, and got nothing else yet", () => {
  declare(`${JAIL}live = ${TOOL}\n`.replace(J, LIVE));
  // The first file of livebasics: how many each thread makes is chance.
  expect(killAt("linkat", 1, "-f").signal).toBe("SIGKILL");
  goesOn(LIVE);
  const { jails } = JSON.parse(m.must(["jailkit", "list", "--json"]).stdout);
  expect(jails.filter(({ path }: { path: string }) => path === LIVE)).toMatchObject([
    { sections: expect.arrayContaining(["livebasics", "basicshell"]) },
  ]);
});

test.each([
  { call: "mkdirat", least: 1, step: 2 },
  { call: "linkat", least: 1, step: 6 },
  { call: "renameat2", least: 1, step: 1 },
])(
  "a new jail that gets its files: killed at each $call, it is known, whether it is declared then or not",
  ({ call, least, step }) => {
    const NEW = "/srv/new";
    const sections = `sections = uidbasics\nfiles = ${TOOL}\n`;
    const listed = () => {
      const { jails } = JSON.parse(m.must(["jailkit", "list", "--json"]).stdout);
      return jails.filter(({ path }: { path: string }) => path === NEW);
    };
    const gone = () => {
      declare(JAIL);
      m.must(["jailkit", "apply", "--prune"]);
      // Before it has a record, it is an empty directory, which may be somebody's.
      expect([m.run(["find", NEW, "-mindepth", "1"]).stdout, listed()]).toEqual(["", []]);
      m.remove(NEW);
    };
    m.write(`${TOOL}/tool`, "one");
    for (let nth = least; ; nth += step) {
      declare(`${JAIL}[jail ${NEW}]\n${sections}`);
      const { signal } = killAt(call, nth);
      goesOn(NEW);
      expect(listed()).toMatchObject([{ path: NEW, sections: ["uidbasics"] }]);
      gone();
      if (signal !== "SIGKILL") break;
      declare(`${JAIL}[jail ${NEW}]\n${sections}`);
      killAt(call, nth);
      gone();
    }
  },
);
