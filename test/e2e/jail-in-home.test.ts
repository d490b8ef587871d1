/**
 * A jail in somebody's home: whatever prints a remedy, root takes the home from nobody. What is typed moves the jail, with
 * its record and its users.
 */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { listReportSchema } from "../../src/jails/report-schema.ts";
import { type Machine, openMachine, type Syslog } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { check, summary } from "./check-helper.ts";

setDefaultTimeout(120_000);

const HOME = "/home/bob";
const J = `${HOME}/a jail`;
const NEW = "/srv/bob-a jail";
const MOVE = `mv -nT '${J}' '${NEW}' && jailkit adopt --moved '${J}' '${NEW}'`;
const WORDS = `move the jail to a directory that only root can write, and then type: jailkit adopt --moved '${J}' NEW`;
const WHY = `${HOME} belongs to uid 4001, not to root; it is in the home of 'bob'`;
const BOB = [4001, 4001] as const;

let m: Machine;
let log: Syslog;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  log = await m.startSyslog();
  m.addUser("bob", { uid: 4001, home: HOME, createHome: true, shell: "/bin/bash" });
  m.addUser("guest", { uid: 4003, home: "/home/guest", createHome: true, shell: "/bin/bash" });
});
afterAll(async () => m.close());

/** A jail that was made before its directory became a home. */
beforeEach(() => {
  m.chown(HOME, 0, 0);
  m.chmod(HOME, 0o755);
  m.chmod("/srv", 0o755);
  for (const jail of [J, NEW, `${HOME}/old`]) {
    m.run(["sh", "-c", `umount '${jail}/usr'`]);
    m.run(["jailkit", "delete", "--yes", "--unjail", "--user-files", jail]);
    m.remove(jail);
  }
  m.run(["userdel", "-f", "anna"]);
  m.remove("/home/anna");
  m.write("/etc/jailkit/jk_uchroot.ini", `[guest]\nallowed_jails = ${J}\n`);
  m.write("/etc/jailkit/jk_socketd.ini", "");
});

function makeJail(...options: string[]): void {
  m.must(["jk_init", ...options, "-j", J, "basicshell"]);
  m.must(["jk_addjailuser", "-s", "/bin/bash", "-j", J, "--uid", "4002", "anna"]);
  m.chown(HOME, ...BOB);
}

const owner = (path: string) => m.stat(path)?.uid;
const login = () => m.run(["/usr/sbin/jk_chrootsh", "-c", "pwd"], { user: "anna" });
const explained = (...words: string[]) =>
  reportOf(explainReportSchema, m.run(["jailkit", "explain", "--json", ...words]).stdout).steps.find(
    ({ name }) => name === "jail-safety",
  );
const listed = (path: string) =>
  reportOf(listReportSchema, m.run(["jailkit", "list", "--json"]).stdout).jails.find(
    (one) => one.path === path,
  );
const above = () => check(m, J).found.find(({ rule }) => rule === "above-jail");

/** Types a remedy: nobody loses anything, and all is well with the jail. */
function heals(remedy: string | null | undefined): void {
  expect(login().status).toBe(53);
  const typed = m.run(["sh", "-c", remedy ?? "false"]);
  expect({ status: typed.status, stderr: typed.stderr }).toEqual({ status: 0, stderr: "" });
  expect([owner(HOME), owner(NEW), m.exists(J)]).toEqual([4001, 0, false]);
  expect(m.ids("anna").uid).toBe(4002);
  expect(m.read("/etc/passwd")).toContain(`:${NEW}/./home/anna:/usr/sbin/jk_chrootsh\n`);
  expect(summary(check(m, NEW).found)).toEqual([]);
  expect(listed(NEW)).toMatchObject({ state: "ready", users: [{ name: "anna" }] });
  expect(listed(J)).toBeUndefined();
  expect(login()).toMatchObject({ status: 0, stdout: "/home/anna\n", stderr: "" });
}

async function logged(run: () => unknown): Promise<Printed> {
  await log.clear();
  run();
  const text = (await log.lines()).map(({ message }) => message).join("\n");
  return [text, /; (?:remedy|fix it with): (.*)/.exec(text)?.[1]];
}

type Printed = readonly [message: unknown, remedy: string | null | undefined];

const PRINTED: Readonly<Record<string, () => Printed | Promise<Printed>>> = {
  jk_check: () => [above()?.message, above()?.remedy],
  "jailkit list": () => [listed(J)?.reason, listed(J)?.remedy],
  "jailkit explain": () => [explained("anna")?.message, explained("anna")?.remedy],
  "jailkit explain for jk_uchroot": () => {
    const step = explained("-j", J, "guest", "--", "/bin/bash");
    return [step?.message, step?.remedy];
  },
  ...Object.fromEntries(
    Object.entries({
      "jailkit delete": ["jailkit", "delete", "--yes", "--unjail", J],
      jk_update: ["jk_update", "--strict", "-j", J],
      jk_cp: ["jk_cp", "-j", J, "/usr/bin/id"],
      jk_jailuser: ["jk_jailuser", "-m", "-j", J, "guest"],
      jk_chrootlaunch: ["jk_chrootlaunch", "-j", J, "-u", "anna", "-x", "/bin/true"],
    }).map(([name, argv]) => [
      name,
      () => {
        const { status, stderr } = m.run(argv);
        expect(status).not.toBe(0);
        return [stderr, /; fix it with: (.*)\n/.exec(stderr)?.[1]];
      },
    ]),
  ),
  "the log of jk_chrootsh": () => logged(login),
  "the log of jk_socketd": () => {
    m.write("/etc/jailkit/jk_socketd.ini", `[${J}/dev/log]\n`);
    // It ends, since it can serve nothing.
    return logged(() => m.run(["jk_socketd", "-n"]));
  },
};

for (const [name, printed] of Object.entries(PRINTED))
  test(`${name}: the jail moves out of the home`, async () => {
    makeJail();
    const [message, remedy] = await printed();
    expect(message).toContain(WHY);
    expect(remedy).toBe(MOVE);
    heals(remedy);
  });

test("a live jail keeps its mounts, and fstab follows", () => {
  makeJail("--live");
  expect(above()?.remedy).toBe(MOVE);
  heals(above()?.remedy);
  const path = NEW.replace(" ", "\\040");
  expect(m.read("/etc/fstab")).toContain(` ${path}/usr `);
  expect(m.read("/etc/fstab")).not.toContain(J.replace(" ", "\\040"));
  expect(m.must(["findmnt", "-n", "-o", "TARGET", "--target", `${NEW}/usr/bin`]).stdout).toContain(
    `${NEW}/usr`,
  );
});

test("the new place has another name, or is beside the home, if only root can write neither", () => {
  makeJail();
  m.mkdir(NEW);
  expect(above()?.remedy).toBe(MOVE.replaceAll(NEW, `${NEW}-2`));
  m.chmod("/srv", 0o777);
  expect(above()?.remedy).toBe(MOVE.replaceAll(NEW, "/home/bob-a jail"));
  m.remove(NEW);
});

test("words, if root would copy what bob may exchange, or take it from elsewhere", () => {
  makeJail();
  m.must(["mount", "-t", "tmpfs", "none", "/srv"]);
  m.must(["mount", "--bind", HOME, HOME]);
  try {
    expect([above()?.message, above()?.remedy]).toEqual([`${WHY}; ${WORDS}`, undefined]);
  } finally {
    m.must(["umount", HOME, "/srv"]);
  }
  expect(above()?.remedy).toBe(MOVE);
  // bob could lead the way to another directory of the same name.
  m.mkdir(`${HOME}/sites`);
  m.must(["mv", J, `${HOME}/sites/jail`]);
  const inside = `${HOME}/sites/jail`;
  const found = check(m, inside).found.find(({ rule }) => rule === "above-jail");
  expect([found?.message, found?.remedy]).toEqual([`${WHY}; ${WORDS.replace(`'${J}'`, inside)}`, undefined]);
  m.must(["mv", inside, J]);
  m.remove(`${HOME}/sites`);
});

test("a directory that bob puts in the place of the jail gets no user", () => {
  makeJail();
  const remedy = above()?.remedy ?? "false";
  m.must(["sh", "-ec", `mv '${J}' ${HOME}/old && cp -r ${HOME}/old '${J}' || true`], { user: "bob" });
  const typed = m.run(["sh", "-c", remedy]);
  expect(typed).toMatchObject({
    status: 1,
    stderr: `jailkit adopt: ${NEW}: belongs to uid 4001, not to root, so it may be another directory than the jail; check its contents, and then type: chown -h root '${NEW}'\n`,
  });
  expect(m.read("/etc/passwd")).toContain(`:${J}/./home/anna:`);
  expect(m.run(["jailkit", "adopt", "--moved", J, `${HOME}/old`]).status).toBe(0);
});

test("the home of an account with the uid of another, of one in a jail, and of one that is unknown", () => {
  makeJail();
  m.must(["userdel", "bob"]);
  const passwd = m.read("/etc/passwd");
  const line = (name: string, home: string) => `${name}:x:4001:4001::${home}:/bin/bash\n`;
  m.write("/etc/passwd", `${passwd}${line("first", "/home/first")}${line("bob", HOME)}`);
  expect([above()?.message, above()?.remedy]).toEqual([WHY, MOVE]);
  m.write("/etc/passwd", passwd + line("bob", "/home/./bob"));
  expect([above()?.message, above()?.remedy]).toEqual([WHY, MOVE]);
  m.write("/etc/passwd", passwd + line("bob", "/home/bo"));
  expect(above()?.remedy).toBe(`chown -h root ${HOME}`);
  m.write("/etc/passwd", passwd + line("bob", HOME));
});

test("a directory of www-data in the home, above the jail", () => {
  makeJail();
  m.mkdir(`${HOME}/www`, { owner: [33, 33] });
  m.must(["mv", J, `${HOME}/www/jail`]);
  const jail = `${HOME}/www/jail`;
  expect(m.run(["jk_update", "--strict", "-j", jail]).stderr).toContain(WHY);
  const words = WORDS.replace(`'${J}'`, jail);
  const found = check(m, jail).found.filter(({ rule }) => rule === "above-jail");
  expect(found.map(({ remedy }) => remedy)).toEqual([undefined, undefined]);
  expect(found[0]?.message).toEndWith(`; ${words}`);
  m.must(["mv", jail, J]);
  m.remove(`${HOME}/www`);
});

test("a directory that its owner can exchange in a sticky one: root takes nothing there by name, and the jail moves", () => {
  const theirs = "/tmp/theirs";
  const jail = `${theirs}/jail`;
  m.mkdir(theirs);
  m.must(["jk_init", "-j", jail, "basicshell"]);
  m.must(["jk_addjailuser", "-s", "/bin/bash", "-j", jail, "--uid", "4002", "anna"]);
  m.chown(theirs, 4009, 4009);
  m.chmod(theirs, 0o775);
  const words = WORDS.replace(`'${J}'`, jail);
  const found = check(m, jail).found.filter(({ rule }) => rule === "above-jail");
  expect(found.map(({ remedy }) => remedy)).toEqual([undefined, undefined]);
  for (const { message } of found) expect(message).toEndWith(`; ${words}`);
  expect(listed(jail)).toMatchObject({
    ...{ state: "unsafe", remedy: null },
    reason: expect.stringContaining(`; ${words}`),
  });
  for (const argv of [
    ["jailkit", "delete", "--yes", "--unjail", jail],
    ["jk_update", "--strict", "-j", jail],
    ["jk_init", "-j", `${theirs}/new`, "basicshell"],
  ]) {
    const { status, stderr } = m.run(argv);
    expect([status === 0, stderr.match(/ch(?:own|mod) .*/g)]).toEqual([false, null]);
    expect(stderr).toContain(
      `${theirs} belongs to uid 4009, not to root; its owner can put another one in its place at any time`,
    );
  }
  m.must(["mv", "-nT", jail, NEW]);
  m.must(["jailkit", "adopt", "--moved", jail, NEW]);
  expect(login()).toMatchObject({ status: 0, stdout: "/home/anna\n", stderr: "" });
  m.remove(theirs);
});

test("a home that is a jail itself stays its owner's, also with --fix", () => {
  m.must(["jk_init", "-j", HOME, "basicshell"]);
  m.must(["jk_addjailuser", "-s", "/bin/bash", "-j", HOME, "--uid", "4002", "anna"]);
  m.chown(HOME, ...BOB);
  const told = `${WHY}; give the account another home, and then type: chown -h root ${HOME}`;
  const printed = () =>
    check(m, HOME).found.flatMap(({ path, message, remedy }) => (path === HOME ? [[message, remedy]] : []));
  expect(printed()).toEqual([[told, undefined]]);
  expect(listed(HOME)).toMatchObject({ state: "unsafe", reason: told, remedy: null });
  expect(explained("anna")).toMatchObject({ message: expect.stringContaining(WHY), remedy: null });
  const { stdout } = m.run(["jailkit", "explain", "anna"]);
  expect(stdout.match(/chown [^\n]*/g)).toEqual([`chown -h root ${HOME} [exit 53]`]);
  m.run(["jk_check", "--fix", HOME]);
  expect(owner(HOME)).toBe(4001);
  m.must(["usermod", "-d", "/home/elsewhere", "bob"]);
  m.must(["jk_check", "--fix", HOME]);
  expect(owner(HOME)).toBe(0);
  expect(login()).toMatchObject({ status: 0, stdout: "/home/anna\n" });
  m.must(["usermod", "-d", HOME, "bob"]);
  m.must(["jailkit", "delete", "--yes", "--unjail", "--user-files", HOME]);
  m.mkdir(HOME);
});

test("a program in a home, and a socket", async () => {
  m.must(["jk_init", "-j", "/srv/own", "basicshell"]);
  m.must(["jk_addjailuser", "-s", "/bin/bash", "-j", "/srv/own", "--uid", "4002", "anna"]);
  m.must(["cp", "/bin/true", "/srv/own/home/anna/true"]);
  const launch = ["jk_chrootlaunch", "-j", "/srv/own", "-u", "anna", "-x", "/home/anna/true"];
  expect(m.run(launch).stderr).toContain(
    "/srv/own/home/anna is not owned by user 0; keep the program where root alone can change it\n",
  );
  m.must(["jailkit", "delete", "--yes", "--unjail", "--user-files", "/srv/own"]);
  m.chown(HOME, ...BOB);
  m.write("/etc/jailkit/jk_socketd.ini", `[${HOME}/log]\n`);
  const [message, remedy] = await logged(() => m.run(["jk_socketd", "-n"]));
  expect(message).toContain(WHY);
  expect(message).toContain("; choose a place for it in a directory that only root can write");
  expect(remedy).toBeUndefined();
});
