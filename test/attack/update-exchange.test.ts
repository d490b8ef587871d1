/**
 * jk_update is killed where it replaces a directory with something else. Whatever somebody puts into that directory
 * before or after, or into its replacement, the next run removes none of it.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(300_000);

const USER = 4001;
const J = "/srv/j";
const APP = `${J}/opt/app`;
const CALLS = ["renameat2", "unlinkat", "mkdirat", "linkat", "fchownat"];

let m: Machine;
let wanted: Record<string, string> = {};
let points: { call: string; nth: number }[] = [];

beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_cp", "jk_update", "jk_check"] });
  m.remove("/var/lib/jailkit");
  m.addUser("u", { uid: USER });
  // Of the user: what becomes a file, what becomes a link, and a link that becomes a directory.
  for (const name of ["file/a", "file/b/c", "link/a", "link/b/c", "same/a"])
    m.write(`/opt/app/${name}`, "first", { owner: [USER, USER] });
  m.symlink("same", "/opt/app/directory");
  m.must(["chown", "-hR", "u:u", "/opt/app"]);
  m.must(["chown", "root:", "/opt/app"]);
  m.must(["jk_init", "-j", J, "uidbasics"]);
  m.must(["jk_cp", "-o", "-j", J, "/opt/app"]);
  for (const name of ["file", "link", "directory"]) m.remove(`/opt/app/${name}`);
  m.write("/opt/app/file", "a file by now");
  m.symlink("same", "/opt/app/link");
  for (const name of ["directory/a", "directory/b/c"])
    m.write(`/opt/app/${name}`, "second", { owner: [USER, USER] });
  m.must(["chown", "-hR", "u:u", "/opt/app"]);
  m.must(["chown", "root:", "/opt/app"]);
  m.must(["cp", "-a", J, "/root/jail"]);
  m.must(["cp", "-a", "/var/lib/jailkit", "/root/registry"]);
  m.must(["strace", "-o", "/root/trace", "-e", `trace=${CALLS.join(",")}`, "jk_update", "-j", J]);
  wanted = m.snapshot(APP);
  const made = m
    .read("/root/trace")
    .split("\n")
    .map((line) => /^\w+(?=\()/.exec(line)?.[0]);
  points = CALLS.flatMap((call) =>
    made.filter((name) => name === call).map((_, index) => ({ call, nth: index + 1 })),
  );
});
afterAll(() => m?.close());

function reset(): void {
  for (const [kept, place] of [
    ["/root/jail", J],
    ["/root/registry", "/var/lib/jailkit"],
  ] as const) {
    m.remove(place);
    m.must(["cp", "-a", kept, place]);
  }
}

/** Directories in which somebody may put something: those of the application, under whatever name they have now. */
const directories = () =>
  m
    .must(["find", APP, "-mindepth", "1", "-type", "d"])
    .stdout.split("\n")
    .filter((path) => path !== "");
/** What was put below the application by somebody: the contents of files, and names of empty directories. */
const theirs = () =>
  [m.run(["grep", "-rhs", "^theirs", APP]), m.run(["find", APP, "-name", "empty-*", "-printf", "%f\\n"])]
    .flatMap(({ stdout }) => stdout.split("\n"))
    .filter((line) => line !== "")
    .sort();

/** Expects of the next runs that nothing put there is lost, and that in the end nothing needs an update. */
function goOn(planted: readonly string[], at: string): void {
  const begun = m.run(["sh", "-c", "ls /var/lib/jailkit/jails/*/update.json"]).status === 0;
  const first = m.run(["jk_update", "-j", J]);
  expect([at, first.status, theirs()]).toEqual([at, 0, [...planted].sort()]);
  for (const name of m.list(APP).filter((each) => begun && each.startsWith(".jk-")))
    expect([at, first.stderr]).toEqual([at, expect.stringContaining(`${APP}/${name}: `)]);
  expect([at, m.run(["jk_update", "-j", J])]).toEqual([
    at,
    expect.objectContaining({ status: 0, stderr: "" }),
  ]);
  expect([at, theirs()]).toEqual([at, [...planted].sort()]);
  expect([at, m.run(["jk_update", "--check", "-j", J]).status]).toEqual([at, 0]);
}

/** Lets somebody put a file into each directory, as its owner does, and one that is root's; and one that was on its way. */
function plant(): string[] {
  m.write(`${APP}/.jk-0123456789aB`, "theirs aside\n", { owner: [USER, USER] });
  const planted = directories().flatMap((path, index) => {
    const own = `theirs ${index}`;
    m.write(`${path}/mine`, `${own}\n`, { owner: [USER, USER] });
    m.write(`${path}/roots`, `${own} root\n`);
    m.mkdir(`${path}/empty-${index}`);
    return [own, `${own} root`, `empty-${index}`];
  });
  return [...planted, "theirs aside"];
}

/** jk_update, killed at the nth of its calls of a kind. */
const updateKilledAt = (call: string, nth: number) =>
  m.run([
    ...["strace", "-o", "/root/trace", "-e", `inject=${call}:signal=KILL:when=${nth}`],
    ...["jk_update", "-j", J],
  ]);

test("killed at each of its calls, and then somebody puts files into each directory", () => {
  expect(points.length).toBeGreaterThan(25);
  for (const { call, nth } of points) {
    const at = `${call} ${nth}`;
    reset();
    const { signal } = updateKilledAt(call, nth);
    expect([at, signal]).toEqual([at, "SIGKILL"]);
    goOn(plant(), at);
  }
});

test("if nothing is put there, it is completed, and nothing is left", () => {
  for (const { call, nth } of points) {
    const at = `${call} ${nth}`;
    reset();
    updateKilledAt(call, nth);
    goOn([], at);
    expect([at, m.snapshot(APP)]).toEqual([at, wanted]);
  }
});

test("an exchanged directory is put back with its contents, and removed when it is empty", () => {
  reset();
  const kill = ["-e", "inject=unlinkat:signal=KILL:when=1"];
  m.run(["strace", "-o", "/root/trace", ...kill, "jk_update", "-j", J]);
  expect(m.read(`${APP}/file`)).toBe("a file by now");
  const half = m.list(APP).filter((name) => name.startsWith(".jk-") && m.exists(`${APP}/${name}/b/c`));
  const old = half.find((name) => m.read(`${APP}/${name}/b/c`) === "first");
  m.write(`${APP}/${old}/b/mine`, "theirs", { owner: [USER, USER] });
  const { status, stderr } = m.run(["jk_update", "-j", J]);
  expect([status, stderr]).toEqual([
    0,
    `jk_update: warning: ${APP}/file: replaced by an interrupted update, though not all of it is jailkit's: it was moved back, and stays\n`,
  ]);
  expect(m.read(`${APP}/file/b/mine`)).toBe("theirs");
  expect(m.list(APP).filter((name) => name.startsWith(".jk-"))).toEqual([]);
  m.remove(`${APP}/file/b/mine`);
  expect(m.run(["jk_update", "-j", J])).toMatchObject({ status: 0, stderr: "" });
  expect(m.snapshot(APP)).toEqual(wanted);
});
