/** Who leaves a jail leaves its groups to nobody: not by a setgid program that another user has made with one of them. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\nfiles = /usr/bin/id\n`;
const user = (name: string, more = "") => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n${more}`;
const EVE = JAIL + user("eve");
const TEAM = "groups = team\n";
const PLACE = `${J}/tmp/eves`;
const TAKES = `the setuid and setgid bits from '${PLACE}'`;

let m: Machine;

const sh = (text: string) => m.must(["sh", "-ec", text]);
const idOf = (name: string) => m.must(["id", "-u", name]).stdout.trim();
const gidOf = (group: string) => m.must(["getent", "group", group]).stdout.split(":")[2] ?? "";
const modeOf = (path: string) => ((m.stat(path)?.mode ?? 0) & 0o7777).toString(8);
const lineOf = (name: string) => new RegExp(`^${name}:.*$`, "m").exec(m.read("/etc/passwd"))?.[0];
/** A user makes a program of its own, by one of another user that has the group. */
const makeBy = (group: string, place = PLACE, mode = "2755", name = "eve") =>
  m.must([
    ...["setpriv", "--reuid", idOf(name), "--regid", gidOf(group), "--clear-groups", "sh", "-ec"],
    `cp ${J}/bin/bash ${place}; chmod ${mode} ${place}`,
  ]);
/** The gid that eve has by a program. */
const groupBy = (place: string) =>
  m.run(["chroot", `--userspec=${idOf("eve")}`, J, place, "-p", "-c", "id -g"]).stdout.trim();

beforeAll(async () => {
  m = await openApplyMachine();
  sh("groupadd -f team");
});
beforeEach(() => {
  m.addUser("dora", { home: "/home/dora", createHome: true, shell: "/bin/bash" });
  m.write(FILE, EVE + user("bob", TEAM) + user("dora", TEAM));
  m.must(["jailkit", "apply"]);
  sh(`mkdir -p ${J}/tmp; chmod 1777 ${J}/tmp`);
});
afterEach(() => {
  for (const name of ["dora", "eve", "bob"]) m.run(["userdel", name]);
  for (const path of ["/srv", "/home/dora", "/var/lib/jailkit"]) m.remove(path);
  m.mkdir("/srv", { mode: 0o755 });
});
afterAll(() => m?.close());

test("apply takes the bit when the account is removed, and the plan says so; of others who are no members, too", () => {
  makeBy("team");
  const [eves, roots, hers] = ["own", "roots", "doras"].map((name) => `${J}/tmp/${name}`);
  makeBy("team", hers, "6755", "dora");
  sh(`cp ${J}/bin/bash ${roots}; chown root:team ${roots}; chmod 2755 ${roots}`);
  sh(`cp ${J}/bin/bash ${eves}; chown eve:nogroup ${eves}; chmod 6755 ${eves}`);
  expect(groupBy("/tmp/eves")).toBe(gidOf("team"));
  m.write(FILE, EVE + user("dora", TEAM));
  const planned = linesOf(m, "--check", "--prune", "--delete-homes").changes.map(({ text }) => text);
  expect(planned).toEqual([
    `- user bob: account and its home ${J}/home/bob; takes ${TAKES} (no longer declared)`,
  ]);
  expect(modeOf(PLACE)).toBe("2755");
  const { status, changes } = linesOf(m, "--prune", "--delete-homes");
  expect([status, changes.map(({ text }) => text)]).toEqual([0, planned]);
  expect(changes[0]?.steps).toContain(`took ${TAKES}`);
  expect([lineOf("bob"), modeOf(PLACE), groupBy("/tmp/eves")]).toEqual([undefined, "755", idOfPrimary()]);
  // Of a member, of root, and of another group.
  expect([hers, roots, eves].map((place) => modeOf(place ?? ""))).toEqual(["6755", "2755", "6755"]);
  expect(linesOf(m, "--prune", "--delete-homes").summary.changed).toBe(0);
});

/** What eve has without a program. */
const idOfPrimary = () => groupBy("/bin/bash");

test("so it does when it takes an account out, also in the run after one that could not", async () => {
  makeBy("team");
  m.write(FILE, EVE + user("bob", TEAM));
  const session = m.start(["sh", "-c", "echo there; exec sleep infinity"], { user: "dora" });
  await session.until(({ stdout }) => stdout.includes("there") || undefined);
  expect([linesOf(m, "--prune").status, modeOf(PLACE)]).toEqual([1, "2755"]);
  // The account is not in the group any more.
  expect(m.must(["id", "-Gn", "dora"]).stdout).not.toContain("team");
  session.kill();
  await session.ended;
  const [{ text = "" } = {}] = linesOf(m, "--check", "--prune").changes;
  expect(text).toContain(`takes ${TAKES}`);
  expect([linesOf(m, "--prune").status, modeOf(PLACE)]).toEqual([0, "755"]);
});

test("a setuid bit of the other user stays, and a name that is gone hides nothing", async () => {
  makeBy("team", PLACE, "6755");
  makeBy("team", `${J}/tmp/open`);
  const other = m.start(["sh", "-c", `exec 5<${J}/tmp/open; echo there; exec sleep infinity`], {
    user: "eve",
  });
  await other.until(({ stdout }) => stdout.includes("there") || undefined);
  m.remove(`${J}/tmp/open`);
  const pid = m.must(["pgrep", "-o", "-u", "eve"]).stdout.trim();
  m.write(FILE, EVE + user("dora", TEAM));
  const { status, changes } = linesOf(m, "--prune");
  expect([status, modeOf(PLACE)]).toEqual([0, "4755"]);
  expect(changes[0]?.steps).toContain(
    `took the setuid and setgid bits from a file without a name that the process ${pid} has open`,
  );
  expect(m.must(["stat", "-Lc", "%a", `/proc/${pid}/fd/5`]).stdout.trim()).toBe("755");
  other.kill();
  await other.ended;
});

test("jk_jailuser takes it, too, and says so in a dry run", () => {
  makeBy("team");
  const leave = ["jk_jailuser", "--unjail", "-v", "-m", "dora"];
  expect(m.must([...leave, "--dry-run"]).stdout.split("\n")).toContain(`would take ${TAKES}`);
  expect(modeOf(PLACE)).toBe("2755");
  expect(m.must(leave).stdout.split("\n")).toContain(`took ${TAKES}`);
  expect(modeOf(PLACE)).toBe("755");
});

/** A process of eve in the jail, with the group. */
async function borrower() {
  const script = "sh -c 'echo there; exec sleep infinity'";
  const as = ["setpriv", "--reuid", idOf("eve"), "--regid", gidOf("team"), "--clear-groups"];
  const other = m.start([...as, "env", "-C", J, "sh", "-c", `exec ${script}`]);
  await other.until(({ stdout }) => stdout.includes("there") || undefined);
  return { other, script };
}

test.each([
  ["jk_jailuser --unjail", ["jk_jailuser", "--unjail", "-m", "dora"]],
  ["jk_jailuser --jail-side-only --unjail", ["jk_jailuser", "--jail-side-only", "--unjail", "-j", J, "dora"]],
])("%s knows in a dry run who has the group, too", async (what, words) => {
  // One that is elsewhere by now.
  if (what.includes("side")) sh(`usermod -d /home/dora -s /bin/bash dora; mkdir -p /home/dora`);
  const { other } = await borrower();
  const [planned, run] = [["--dry-run"], []].map((options) => m.run([...words, ...options]));
  expect(planned?.stderr).toMatch(
    /^jk_jailuser: .*processes of 'eve' \(\d+\) have the group 'team' of 'dora'/m,
  );
  expect([planned?.status, planned?.stderr]).toEqual([1, run?.stderr]);
  sh(`jailkit terminate-user --uid=${idOf("eve")}`);
  await other.ended;
  expect(["--dry-run", "-v"].map((option) => m.run([...words, option]).status)).toEqual([0, 0]);
});

test("so is who leaves together with the other, and has no line in the jail any more", async () => {
  const { other } = await borrower();
  m.write(FILE, JAIL + user("dora", TEAM));
  for (let run = 0; run < 2; run++) {
    const { status, summary } = linesOf(m, "--prune", "--delete-homes");
    const borrowed = summary.problems.filter(({ message }) => message.includes("have the group 'team'"));
    expect([status, borrowed.map(({ message }) => message)]).toEqual([
      1,
      [expect.stringMatching(/^user bob: processes of 'eve' \(\d+\) have/)],
    ]);
  }
  sh(`jailkit terminate-user --uid=${idOf("eve")}`);
  await other.ended;
  expect([linesOf(m, "--prune", "--delete-homes").status, lineOf("bob"), lineOf("eve")]).toEqual([
    0,
    undefined,
    undefined,
  ]);
});

test("who has the group by such a program still is named, with the command that ends it", async () => {
  makeBy("team");
  const { other, script } = await borrower();
  // Of no user of the jail, as of a service that root has started.
  const service = ["setpriv", "--reuid", "nobody", "--regid", gidOf("team"), "--clear-groups"];
  const root = m.start([...service, "env", "-C", J, "sh", "-c", `exec ${script}`]);
  await root.until(({ stdout }) => stdout.includes("there") || undefined);
  const pid = m.must(["pgrep", "-o", "-u", "eve"]).stdout.trim();
  m.write(FILE, EVE + user("dora", TEAM));
  const { warnings } = linesOf(m, "--check", "--prune", "--delete-homes").summary;
  const { status, summary } = linesOf(m, "--prune", "--delete-homes");
  const [{ message = "", remedy = "" } = {}] = summary.problems;
  expect([warnings, m.exists(`${J}/home/bob`)]).toEqual([[message], true]);
  expect([status, remedy]).toEqual([1, `jailkit terminate-user --uid=${idOf("eve")}`]);
  expect(message).toBe(
    `user bob: processes of 'eve' (${pid}) have the group 'team' of 'bob', perhaps by a setgid program, and may make another one: end them, and run this again: ${remedy}`,
  );
  expect(lineOf("bob")).toBeDefined();
  sh(remedy ?? "");
  await other.ended;
  expect(linesOf(m, "--prune", "--delete-homes").status).toBe(0);
  expect([lineOf("bob"), modeOf(PLACE)]).toEqual([undefined, "755"]);
  root.kill();
  await root.ended;
});
