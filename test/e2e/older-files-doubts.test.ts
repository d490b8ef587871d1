/** Parts of a machine have come back from before accounts were renamed, moved or removed: what a program tells to type gives nobody what is another one's. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";
import { check } from "./check-helper.ts";
import { FILE, JAILS, jail, K, settle, user as userIn } from "./two-jails-scene.ts";

setDefaultTimeout(240_000);

const user = (name: string, path: "one" | "two" = "one", more = "") => userIn(name, `/srv/${path}`, more);
const ACCOUNTS = ["passwd", "shadow", "group", "gshadow"];

let m: Machine;
const sh = (command: string) => m.must(["sh", "-ec", command]).stdout;
const declared = (...users: readonly string[]) => {
  m.write(FILE, JAILS + users.join(""));
  settle(m, "--prune");
};
const backUp = () =>
  sh(`mkdir /root/b; cd /etc; cp -a ${ACCOUNTS.join(" ")} jailkit/jails.d /var/lib/jailkit /root/b`);
const bringAccounts = () => sh(`cd /root/b; cp -a ${ACCOUNTS.join(" ")} /etc`);
const exchange = (one: string, other: string) =>
  sh(`usermod -l tmpx ${one}; usermod -l ${one} ${other}; usermod -l ${other} tmpx`);
const problems = () =>
  linesOf(m, "--check", "--prune", "--delete-homes").summary.problems.map(
    ({ code, path, remedy, message }) => ({ code, path, remedy, message }),
  );
const explained = (name: string) =>
  reportOf(explainReportSchema, m.run(["jailkit", "explain", "--json", name]).stdout).steps.flatMap(
    ({ outcome, remedy }) => (outcome === "failed" ? remedy : []),
  );
const configCheck = () => m.run(["jailkit", "config", "check"]).stdout;

beforeEach(async () => {
  m = await openApplyMachine();
});
afterEach(() => m?.close());

test("a removed account that has the name of a new customer again is not declared in its place", () => {
  declared(user("ann"), user("bob"));
  backUp();
  const former = uidIn(m, "ann");
  declared(user("bob"));
  declared(user("bob"), user("ann", "one", "home = /home/ann2\n"));
  const uid = uidIn(m, "ann");
  bringAccounts();
  const [home, line] = ["/srv/one/home/ann", m.read("/srv/one/etc/passwd")];
  const back = `usermod -u ${uid} -d /srv/one/./home/ann2 ann`;
  const message = `has the uid ${former} and the home '${home}', and its line in the jail, with another home, has the uid that was declared, ${uid}: if it is the account that was declared, give it its own back, with: ${back}; if it is another one, which had this name before, and is meant, declare 'uid = ${former}'`;
  expect(problems()).toEqual([
    { code: "uid-changed", path: "ann", remedy: null, message: `user ann: ${message}` },
  ]);
  expect(configCheck()).toContain(`error: 'ann': ${message} [taken]`);
  expect(configCheck()).not.toContain("remedy:");
  const [found, ...others] = check(m).found.filter(({ rule }) => rule === "user-changed");
  expect([found?.message, found?.remedy, others]).toEqual([
    `user ann is changed in jail /srv/one/: ${message}`,
    undefined,
    [],
  ]);
  expect(explained("ann")).toEqual([null]);
  m.run(["jailkit", "apply", "--prune"]);
  expect(m.read("/srv/one/etc/passwd")).toBe(line);
  sh(back);
  expect([problems(), explained("ann")]).toEqual([[], []]);
});

test("the other way: the one of before is meant", () => {
  declared(user("ann"));
  backUp();
  const former = uidIn(m, "ann");
  declared();
  declared(user("ann", "one", "home = /home/ann2\n"));
  bringAccounts();
  declared(user("ann", "one", `home = /home/ann\nuid = ${former}\n`));
  expect(m.read("/srv/one/etc/passwd")).toContain(`ann:x:${former}:`);
});

test("one that root has given another uid and another home is in no doubt", () => {
  declared(user("ann"));
  sh("usermod -u 7100 -d /srv/one/./home/new -m ann");
  expect(problems()).toMatchObject([{ code: "home-differs", path: "ann" }]);
  declared(user("ann", "one", "home = /home/new\n"));
  expect(m.read("/srv/one/etc/passwd")).toContain("ann:x:7100:");
});

test("jailkit explain does not put into a jail whom a run tells to be in doubt", () => {
  const [ann, carl] = ["home = /home/carl\n", "home = /home/ann\n"];
  declared(user("ann", "two"), user("carl", "two"));
  backUp();
  exchange("carl", "ann");
  declared(user("carl", "two", carl), user("ann", "two", ann));
  sh("mkdir /srv/one/home; mv /srv/two/home/ann /srv/one/home/ann; usermod -d /srv/one/./home/ann carl");
  declared(user("carl", "one", carl), user("ann", "two", ann));
  bringAccounts();
  const { found } = check(m);
  expect(found.find(({ rule }) => rule === "user-not-in-jail")?.remedy).toBe("jailkit apply --check");
  expect(explained("carl")).toEqual(["jailkit apply --check", "jailkit apply --check"]);
});

test("two customers of two jails that exchange their names, and exchange them back, are as before", () => {
  const before = [user("ann", "two"), user("bob")];
  declared(...before);
  exchange("ann", "bob");
  declared(user("bob", "two", "home = /home/ann\n"), user("ann", "one", "home = /home/bob\n"));
  exchange("ann", "bob");
  declared(...before);
  expect([explained("ann"), explained("bob")]).toEqual([[], []]);
});

test("the line that tells where the home of an account with its name of before is stays", () => {
  declared(user("dan"), user("bob"));
  backUp();
  const uid = uidIn(m, "dan");
  sh("usermod -l fay -d /srv/one/./home/fay -m dan");
  declared(user("fay"), user("bob"));
  declared(user("fay"), user("bob"), user("dan", "two"));
  bringAccounts();
  const out = "jk_jailuser --unjail --jail-side-only -j /srv/one fay";
  expect(problems()).toContainEqual({
    ...{ code: "user-exists", path: "fay", remedy: null },
    message: `user fay: the jail's etc/passwd has a user 'fay' already (uid ${uid}), and 'dan' has that uid: if it is that of 'dan', rename the account with: usermod -l fay dan; if it is from an earlier account: declare another name, or take the line out with: ${out}`,
  });
  const { status, stderr } = m.run(["jk_addjailuser", "-s", "/bin/bash", "/srv/one", "fay"]);
  expect([status, stderr]).toEqual([
    1,
    expect.stringContaining("rename the account with: usermod -l fay dan"),
  ]);
  expect(m.read("/srv/one/etc/passwd")).toContain("\nfay:");
});

test("a jail that was moved goes back to its path of before by no remedy while another customer has the name of one of its users", () => {
  declared(user("ann"), user("bob"));
  backUp();
  sh(
    "mv /srv/one /srv/now; sed -i s,/srv/one,/srv/now, /etc/passwd; jailkit adopt --moved /srv/one /srv/now",
  );
  const now = (name: string) => userIn(name, "/srv/now");
  const moved = (...users: readonly string[]) => {
    m.write(FILE, jail("/srv/now") + jail(K) + users.join(""));
    settle(m, "--prune");
  };
  moved(now("ann"), now("bob"));
  sh("usermod -l gus -d /srv/now/./home/gus -m ann");
  moved(now("gus"), now("bob"));
  moved(now("gus"), now("bob"), now("ann"));
  sh("rm -r /etc/jailkit/jails.d; cp -a /root/b/jails.d /etc/jailkit/");
  expect(problems().map(({ code, path, remedy }) => [code, path, remedy])).toEqual([
    ["doubtful-account", "gus", null],
    ["moved", "/srv/now", null],
    ["moved", "/srv/one", null],
    ["doubtful-account", "ann", null],
    ["waits-for-jail", "bob", null],
  ]);
  expect(configCheck()).not.toContain("remedy:");
});

test("what is in the declared place of a home that is not there is that home only if it is the account's, and nobody else's", () => {
  declared(user("ann"), user("eve"));
  backUp();
  sh("mkdir /root/lines; cp -a /srv/one/etc/passwd /srv/one/etc/group /root/lines");
  sh("jk_jailuser --unjail -m -s /usr/sbin/nologin eve");
  declared(user("ann"), user("eve", "two"));
  bringAccounts();
  sh("cp -a /root/lines/. /srv/one/etc; sed -i /^eve:/d /srv/two/etc/passwd");
  const home = "/srv/two/home/eve";
  const told = () => problems().flatMap(({ message, remedy }) => (message.includes(home) ? [remedy] : []));
  expect(told()).toEqual(["usermod -d /srv/two/./home/eve eve"]);
  sh(`chown ann ${home}`);
  expect(told()).toEqual([]);
  sh(`chown eve ${home}; useradd -M -o -u 1999 -d /srv/two/./home/eve other`);
  expect(told()).toEqual([]);
  // Another directory than the one that is remembered: nobody knows of which day.
  sh(`userdel other; cp -a ${home} ${home}.copy; rm -r ${home}; mv ${home}.copy ${home}`);
  expect(told()).toEqual([null]);
});

test("jk_addjailuser -u refuses the uid that the line of a declared user in another jail has, of whom nothing else is known", () => {
  declared(user("ann"));
  backUp();
  declared(user("ann"), user("dan", "two"));
  const uid = uidIn(m, "dan");
  bringAccounts();
  sh("rm -r /var/lib/jailkit; cp -a /root/b/jailkit /var/lib");
  const { status, stderr } = m.run(["jk_addjailuser", "-u", `${uid}`, "-s", "/bin/bash", "/srv/one", "eve"]);
  expect([status, stderr]).toEqual([
    1,
    expect.stringContaining(`: the uid ${uid} belongs to 'dan', who is declared: choose another with -u`),
  ]);
  expect(uidIn(m, "eve")).toBeUndefined();
});
