/** Homes that stay without their accounts: nobody else gets the uid, and with it the files. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { runWithStops } from "../machine/stops.ts";
import { reportOf } from "../report.ts";
import { did, linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";
import { check } from "./check-helper.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const HOME = `${J}/home/bob`;
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string, more = "", jail = J) =>
  `[user ${name}]\njail = ${jail}\nshell = /bin/bash\n${more}`;

let m: Machine;

const uidOf = (name: string) => uidIn(m, name);

/** Declares something, and makes it so. */
function declare(text: string, ...options: string[]): void {
  m.write(FILE, text);
  m.must(["jailkit", "apply", ...options]);
}

/** Removes the account that jk_addjailuser has created. */
function removeHand(jail = J): void {
  m.must(["userdel", "hand"]);
  m.must(["jk_jailuser", "--unjail", "--jail-side-only", "-j", jail, "hand"]);
  m.remove(`${jail}/home/hand`);
}

/** Leaves the home of bob, who had the highest uid, and returns that. */
function leaveHome(): number {
  declare(JAIL + user("bob"));
  const uid = uidOf("bob") ?? 0;
  declare(JAIL, "--prune");
  expect([uidOf("bob"), m.exists(HOME)]).toEqual([undefined, true]);
  return uid;
}

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  for (const name of ["bob", "carl", "dan", "hand", "robert"])
    if (uidOf(name) !== undefined) m.must(["userdel", name]);
  for (const path of ["/srv", "/var/lib/jailkit"]) m.remove(path);
  m.mkdir("/srv", { mode: 0o755 });
  declare(JAIL);
});
afterAll(() => m?.close());

test("the plan says that the home stays, and with which uid", () => {
  declare(JAIL + user("bob"));
  const uid = uidOf("bob");
  m.write(FILE, JAIL);
  const line = `user bob: account but not its home ${HOME}, which stays with the uid ${uid}`;
  expect(m.run(["jailkit", "apply", "--check", "--prune"]).stdout).toContain(
    `- ${line} (no longer declared)\n`,
  );
  expect(m.run(["jailkit", "apply", "--check", "--prune", "--delete-homes"]).stdout).toContain(
    `- user bob: account and its home ${HOME} (no longer declared)\n`,
  );
  const { changes } = linesOf(m, "--prune");
  expect(changes.flatMap(({ warnings }) => warnings)).toEqual([
    `the home '${HOME}' of uid ${uid} stays: this run is without --delete-homes; a later one deletes it only together with the jail`,
  ]);
});

test("jobs, mail and a manager that stay outside of the jail are told, with commands that move them away", () => {
  const [crontab, job] = ["/var/spool/cron/crontabs/bob", "/var/spool/cron/atjobs/a0001"];
  const [linger, mail] = ["/var/lib/systemd/linger/bob", "/var/mail/bob"];
  declare(JAIL + user("bob"));
  for (const path of [crontab, job, linger, mail]) {
    m.must(["mkdir", "-p", path.replace(/\/[^/]*$/, "")]);
    m.write(path, path === mail ? "From x\n" : "");
    if (path !== linger) m.must(["chown", "bob", path]);
  }
  // These go.
  for (const file of ["subuid", "subgid"]) m.must(["sh", "-c", `echo bob:900000:65536 >>/etc/${file}`]);
  m.write(FILE, JAIL);
  const warnings = linesOf(m, "--prune", "--delete-homes").changes.flatMap((change) => change.warnings);
  expect(warnings).toEqual([
    expect.stringContaining("the crontab of the user runs"),
    expect.stringContaining("a job of the user, given to at(1)"),
    expect.stringContaining("systemd starts a manager for the user at each boot"),
    expect.stringContaining("mail of the user is in '/var/mail/bob': who gets its uid later can read it"),
  ]);
  for (const one of warnings) m.must(["sh", "-ec", /: ((?:mv|mkdir) .*)/.exec(one)?.[1] ?? "false"]);
  for (const path of [crontab, job, linger, mail]) expect(m.exists(path)).toBe(false);
  for (const file of ["subuid", "subgid"]) expect(m.read(`/etc/${file}`)).not.toContain("bob");
});

test("nobody else can be declared with the uid after an import at the place of a jail whose file system is not mounted", () => {
  const [disk, document] = ["/srv/disk", "/root/other.json"];
  declare(JAIL);
  m.must(["jailkit", "export", "-o", document, J]);
  m.mkdir(disk);
  m.must(["mount", "-t", "tmpfs", "-o", "mode=755", "none", disk]);
  const there = `[jail ${disk}]\nsections = uidbasics, basicshell\n`;
  declare(`${JAIL}${there}[user gone]\njail = ${disk}\nshell = /bin/bash\n`);
  const uid = uidOf("gone");
  m.must(["userdel", "gone"]);
  m.must(["mount", "--move", disk, "/mnt"]);
  m.must(["jailkit", "import", "-j", disk, document]);
  m.write(FILE, JAIL + user("next", `uid = ${uid}\n`));
  for (const options of [["--check"], [], []])
    expect(linesOf(m, ...options).summary.problems).toMatchObject([{ path: "next", code: "left-uid" }]);
  expect(uidOf("next")).toBeUndefined();
  m.must(["umount", "/mnt"]);
  m.remove(document);
});

test("a mailbox without mail, or of somebody else, is not told", () => {
  const mail = "/var/mail/bob";
  for (const [owner, text] of [
    ["bob", ""],
    ["root", "From x\n"],
  ] as const) {
    declare(JAIL + user("bob"));
    m.write(mail, text);
    m.must(["chown", owner, mail]);
    m.write(FILE, JAIL);
    expect(linesOf(m, "--prune", "--delete-homes").changes.flatMap(({ warnings }) => warnings)).toEqual([]);
    m.remove(mail);
  }
});

test("no new account gets the uid, in the same run or a later one, from apply or from jk_addjailuser", () => {
  declare(JAIL + user("bob"));
  const uid = uidOf("bob") ?? 0;
  declare(JAIL + user("carl"), "--prune");
  declare(JAIL + user("carl") + user("dan"));
  const hand = ["jk_addjailuser", "-s", "/bin/bash", J, "hand"];
  m.must(hand);
  expect(["bob", "carl", "dan", "hand"].map(uidOf)).toEqual([undefined, uid + 1, uid + 2, uid + 3]);
  // With the others free again, useradd(8) would choose that of the home.
  removeHand();
  declare(JAIL, "--prune", "--delete-homes");
  m.must(hand);
  expect(uidOf("hand")).toBe(uid + 3);
});

test("who comes back with the uid has the home of before, which is deleted with --delete-homes as before", () => {
  const uid = leaveHome();
  for (const times of [1, 2]) {
    declare(JAIL + user("bob", `uid = ${uid}\n`));
    expect([times, uidOf("bob")]).toEqual([times, uid]);
    declare(JAIL, ...(times === 1 ? ["--prune"] : ["--prune", "--delete-homes"]));
    expect([uidOf("bob"), m.exists(HOME)]).toEqual([undefined, times === 1]);
  }
});

test("not one that apply did not create, nor one of another name", () => {
  const uid = leaveHome();
  declare(JAIL + user("carl", `uid = ${uid}\nhome = /home/bob\n`));
  declare(JAIL, "--prune", "--delete-homes");
  expect(m.exists(HOME)).toBe(true);
  m.mkdir(`${J}/home/dan`, { owner: [4711, 100] });
  for (const options of [["--prune"], ["--prune", "--delete-homes"]]) {
    declare(JAIL + user("dan", "uid = 4711\n"));
    // The next run has looked at the home of an account that is there.
    m.must(["jailkit", "apply"]);
    declare(JAIL, ...options);
    expect([uidOf("dan"), m.exists(`${J}/home/dan`)]).toEqual([undefined, true]);
  }
});

test("the problem of who declares the uid names the home, whatever else has that uid", () => {
  const others = ["aside", "other"].map((name) => `${J}/home/${name}`);
  const [first = "", second = ""] = others;
  m.mkdir(first);
  const uid = leaveHome();
  m.mkdir(second);
  for (const path of others) m.chown(path, uid, 100);
  m.write(FILE, JAIL + user("carl", `uid = ${uid}\n`));
  const [problem] = linesOf(m, "--check").summary.problems;
  expect(problem).toMatchObject({
    code: "kept-home",
    message: expect.stringContaining(`the uid ${uid} is that of '${HOME}', the home that 'bob' had`),
  });
});

test("jailkit config check and jailkit status tell it, too, as long as it is so, and what is typed helps", () => {
  const uid = leaveHome();
  const told = () => {
    const { findings } = reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json"]).stdout);
    const status = reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout);
    const ofStatus = status.findings.filter(({ kind }) => kind === "config").map(({ message }) => message);
    expect(ofStatus).toEqual(findings.map(({ message }) => message));
    return findings.map(({ line, code, message, remedy }) => ({ line, code, message, remedy }));
  };
  const ofApply = () =>
    linesOf(m, "--check").summary.problems.map((one) => {
      return { ...one, message: one.message.replace(/^user carl: /, "") };
    });
  m.write(FILE, JAIL + user("bob", `uid = ${uid}\n`));
  expect([told(), ofApply()]).toEqual([[], []]);
  m.write(FILE, JAIL + user("carl", `uid = ${uid}\n`));
  const [problem] = ofApply();
  expect(problem).toMatchObject({ code: "kept-home", finding: null });
  const { message = "", remedy = null } = problem ?? {};
  expect(told()).toEqual([{ line: 6, code: "kept-home", message, remedy }]);
  // An account that is there, and comes into the jail.
  m.must(["useradd", "-u", `${uid}`, "-d", "/home/carl", "-m", "carl"]);
  m.write(FILE, JAIL + user("carl"));
  const [other] = ofApply();
  expect(other?.code).toBe("kept-home");
  expect(told()).toEqual([{ line: 3, code: "kept-home", message: other?.message ?? "", remedy }]);
  expect(typeRemedy(m, remedy ?? "false").status).toBe(0);
  expect(told()).toEqual([]);
  m.must(["userdel", "-r", "carl"]);
});

test("as long as it is there, also under the name that a message advises; then it is its jails that keep the uid", () => {
  const uid = leaveHome();
  m.write(FILE, JAIL + user("bob"));
  const [problem] = linesOf(m, "--check").summary.problems;
  const [, aside = ""] = /: (mv -nT \S+ [^\s,]+)/.exec(problem?.message ?? "") ?? [];
  expect(aside).toContain(`${HOME}.old`);
  m.must(aside.split(" "));
  m.must(["jailkit", "apply"]);
  expect(uidOf("bob")).toBe(uid + 1);
  declare(JAIL, "--prune", "--delete-homes");
  m.remove(`${HOME}.old`);
  declare(JAIL + user("carl"));
  expect(uidOf("carl")).toBe(uid + 2);
  const { kept } = JSON.parse(m.read("/var/lib/jailkit/declared.json"));
  const of = (one: number) => ({ name: "bob", uid: one, home: `${J}/./` });
  expect(kept).toMatchObject([of(uid), of(uid + 1)]);
});

test("a jail that has moved keeps them, also until apply knows its place", () => {
  const uid = leaveHome();
  const [moved, other] = ["/srv/new/customer", "/srv/other"];
  m.must(["jk_init", "-j", other, "uidbasics", "basicshell"]);
  const given = () => {
    m.must(["jk_addjailuser", "-s", "/bin/bash", other, "hand"]);
    const found = uidOf("hand");
    removeHand(other);
    return found;
  };
  m.mkdir("/srv/new");
  m.rename(J, moved);
  expect(given()).toBe(uid + 1);
  m.must(["jailkit", "adopt", "--moved", J, moved]);
  expect(given()).toBe(uid + 1);
  m.remove(`${moved}/home/bob`);
  expect(given()).toBe(uid + 1);
  m.remove(moved);
  // It may be on a file system that is not mounted.
  expect(given()).toBe(uid + 1);
  m.must(["jailkit", "forget", moved]);
  expect(given()).toBe(uid);
});

test("a moved jail keeps them, too, if nothing else is remembered", () => {
  const [here, moved, other] = ["/srv/here", "/srv/moved", "/srv/other"];
  declare("");
  declare("", "--prune");
  for (const jail of [here, other]) m.must(["jk_init", "-j", jail, "uidbasics", "basicshell"]);
  declare(user("bob", "", here));
  const uid = uidOf("bob") ?? 0;
  declare("", "--prune");
  const once = () => JSON.parse(m.read("/var/lib/jailkit/declared.json"));
  const kept = (jail: string) =>
    ["home/bob", ""].map((path) => ({ name: "bob", uid, home: `${jail}/./${path}` }));
  expect(once()).toMatchObject({ jails: [], users: [], kept: kept(here) });
  m.rename(here, moved);
  m.must(["jailkit", "adopt", "--moved", here, moved]);
  expect(once().kept).toMatchObject(kept(moved));
  m.must(["jk_addjailuser", "-s", "/bin/bash", other, "hand"]);
  expect(uidOf("hand")).toBe(uid + 1);
});

test("the uid is chosen when the account is created: another program may have taken that of the plan", async () => {
  declare(JAIL + user("bob") + user("carl"));
  const uid = uidOf("bob") ?? 0;
  declare(JAIL + user("bob"), "--prune");
  declare(JAIL, "--prune", "--delete-homes");
  /** Creates an account in the moment before a command creates its own. */
  const meanwhile = (words: readonly string[], name: string, given: number) =>
    runWithStops(m, words, { calls: ["flock"], paths: ["/var/lib/jailkit/locks/accounts"] }, () => {
      if (uidOf(name) === undefined) m.must(["useradd", "-M", "-u", `${given}`, name]);
    });
  // That of bob is free, and the next one is that of carl's home.
  await meanwhile(["jk_addjailuser", "-s", "/bin/bash", J, "hand"], "dan", uid);
  expect([uidOf("dan"), uidOf("hand")]).toEqual([uid, uid + 2]);
  removeHand();
  // Both would have the one after the home.
  m.write(FILE, JAIL + user("bob"));
  const { status } = await meanwhile(["jailkit", "apply"], "robert", uid + 2);
  expect([status, uidOf("robert"), uidOf("bob")]).toEqual([0, uid + 2, uid + 3]);
});

test("the home of an account that somebody has removed, while it was declared and after", () => {
  declare(JAIL + user("bob"));
  const uid = uidOf("bob") ?? 0;
  m.must(["userdel", "bob"]);
  const hand = ["jk_addjailuser", "-s", "/bin/bash", J, "hand"];
  m.must(hand);
  expect(uidOf("hand")).toBe(uid + 1);
  removeHand();
  // Forgotten: nothing is to be removed.
  declare(JAIL, "--prune");
  m.must(hand);
  expect(uidOf("hand")).toBe(uid + 1);
});

test("the home of an account that somebody has removed, whose uid is declared for somebody else at once", () => {
  declare(JAIL + user("bob"));
  const uid = uidOf("bob");
  m.must(["userdel", "bob"]);
  m.write(FILE, JAIL + user("carl", `uid = ${uid}\n`));
  for (const options of [["--check"], ["--check", "--prune"], []])
    expect(linesOf(m, ...options).summary.problems).toMatchObject([
      { path: "carl", code: "kept-home", message: expect.stringContaining(`'${HOME}'`) },
    ]);
});

test("the home, declared for somebody else with another uid, in the run that leaves it: the plan says it", () => {
  declare(JAIL + user("bob"));
  const uid = uidOf("bob");
  m.write(FILE, JAIL + user("carl", "home = /home/bob\n"));
  const problem = {
    code: "foreign-home",
    message: expect.stringContaining(
      `its home '${HOME}' is there already, and belongs to uid ${uid}, and not to it; declare 'uid = ${uid}'`,
    ),
    // A program that writes it would give all of bob's to carl.
    remedy: null,
  };
  // The name alone may have been changed in the file.
  for (const options of [["--check", "--prune"], ["--check", "--prune", "--delete-homes"], ["--prune"]])
    expect(linesOf(m, ...options)).toMatchObject({
      ...{ status: 1, changes: [] },
      summary: {
        problems: [
          { code: "doubtful-account", path: "bob" },
          { code: "bad-home", path: "carl" },
        ],
      },
    });
  declare(JAIL, "--prune");
  m.write(FILE, JAIL + user("carl", "home = /home/bob\n"));
  expect(linesOf(m, "--prune").summary.problems).toEqual([expect.objectContaining(problem)]);
  m.write(FILE, JAIL + user("carl", `home = /home/bob\nuid = ${uid}\n`));
  expect(linesOf(m, "--check").summary.problems).toEqual([]);
});

test("a customer who returns gets the home back by the line that the remedy names", () => {
  const uid = leaveHome();
  m.write(FILE, JAIL + user("bob"));
  for (const options of [["--check"], []]) {
    const [problem] = linesOf(m, ...options).summary.problems;
    expect(problem).toMatchObject({
      ...{ code: "foreign-home", remedy: `in section [user bob] of ${FILE} write:\nuid = ${uid}` },
    });
    if (options.length === 0) expect(typeRemedy(m, problem?.remedy ?? "").status).toBe(0);
  }
  expect(linesOf(m)).toMatchObject({ status: 0, summary: { problems: [] } });
  expect([uidOf("bob"), m.stat(HOME)?.uid]).toEqual([uid, uid]);
  // Another number is there on purpose, and a second line would not count.
  m.must(["userdel", "bob"]);
  m.must(["jk_jailuser", "--unjail", "--jail-side-only", "-j", J, "bob"]);
  m.write(FILE, `${JAIL}${user("bob")}uid = ${uid + 7}\n`);
  expect(linesOf(m).summary.problems).toMatchObject([{ code: "foreign-home", remedy: null }]);
});

test("jailkit import creates no account with it, unless the account comes back", () => {
  const uid = leaveHome();
  const [file, other] = ["/root/export.json", "/srv/other"];
  const importAs = (name: string, jail: string) => {
    const exported = JSON.parse(m.must(["jailkit", "export", J]).stdout);
    const one = {
      name,
      uid,
      gid: 100,
      group: "users",
      groups: [],
      comment: "",
      home: "/home/bob",
      shell: "/bin/bash",
    };
    m.write(file, JSON.stringify({ ...exported, users: [{ ...one, local: true }] }));
    return m.run(["jailkit", "import", "--create-users", jail, file]);
  };
  const refused = importAs("carl", other);
  expect([refused.status, m.exists(other)]).toEqual([1, false]);
  expect(refused.stderr).toContain(
    `the uid ${uid} is that of '${HOME}', the home that 'bob' had, whose files the new account would own: use --without-users, or give them to root, with: chown -hR --from=+${uid} root ${HOME}`,
  );
  expect(importAs("bob", other).status).toBe(0);
  expect(uidOf("bob")).toBe(uid);
});

test("what a message advises for a home helps each time", () => {
  for (const round of [1, 2, 3]) {
    const uid = leaveHome();
    m.write(FILE, JAIL + user("bob"));
    const [problem] = linesOf(m).summary.problems;
    expect([round, problem?.code]).toEqual([round, "foreign-home"]);
    const [, aside = ""] = /keep it under another name: (.*)$/.exec(problem?.message ?? "") ?? [];
    m.must(["sh", "-ec", aside]);
    m.must(["jailkit", "apply"]);
    expect(uidOf("bob")).not.toBe(uid);
  }
});

test("what apply remembers is damaged: whoever gives a uid is warned, and the command helps all others, twice", () => {
  const file = "/var/lib/jailkit/declared.json";
  for (const _ of [1, 2]) {
    m.write(file, "{");
    const given = m.must(["jk_addjailuser", "-s", "/bin/bash", "-u", "31000", J, "hand"]);
    expect(given.stderr).toContain(`warning: ${file}: is not JSON; move it away`);
    removeHand();
    const chosen = ["jk_addjailuser", "-s", "/bin/bash", J, "hand"];
    const { status, stderr } = m.run(chosen);
    expect([status, uidOf("hand")]).toEqual([1, undefined]);
    const [, command = ""] = / given again: (mv .*)$/m.exec(stderr) ?? [];
    m.must(command.split(" "));
    m.must(chosen);
    removeHand();
  }
});

test("the home of an account that somebody has removed, and that was declared in another jail meanwhile", () => {
  const [other, both] = ["/srv/other", `${JAIL}${JAIL.replace(J, "/srv/other")}`];
  declare(both + user("bob"));
  const uid = uidOf("bob") ?? 0;
  m.must(["userdel", "bob"]);
  declare(both + user("bob", "", other));
  expect([uidOf("bob"), m.stat(HOME)?.uid]).toEqual([uid + 1, uid]);
  declare(both, "--prune", "--delete-homes");
  expect(m.exists(`${other}/home/bob`)).toBe(false);
  m.must(["jk_addjailuser", "-s", "/bin/bash", J, "hand"]);
  expect(uidOf("hand")).toBe(uid + 2);
});

test("the uid, declared for somebody else, is a problem whose command helps", () => {
  const uid = leaveHome();
  m.write(FILE, JAIL + user("carl", `uid = ${uid}\n`));
  const problemsOf = (...options: string[]) => {
    const { status, summary } = linesOf(m, ...options);
    return [status, summary.problems.map(({ code, message, remedy }) => [code, message, remedy])];
  };
  const problem = [
    "kept-home",
    `user carl: the uid ${uid} is that of '${HOME}', the home that 'bob' had, whose files the new account would own: declare another uid with the key 'uid', or give them to root, with: chown -hR --from=+${uid} root ${HOME}`,
    `chown -hR --from=+${uid} root ${HOME}`,
  ];
  // As it is with --prune in one run.
  expect([problemsOf("--check"), problemsOf()]).toEqual([
    [1, [problem]],
    [1, [problem]],
  ]);
  expect(uidOf("carl")).toBeUndefined();
  // Under another name, too.
  m.must(["mv", HOME, `${HOME}.old`]);
  const [, [[, message = ""] = []]] = problemsOf("--check") as [number, string[][]];
  const [, command = ""] = / with: (chown .*)$/.exec(message) ?? [];
  expect(command).toBe(`chown -hR --from=+${uid} root ${HOME}.old`);
  m.must(command.split(" "));
  expect(did(m)).toContain(
    `done + user carl: account in ${J}, home /home/carl, shell /bin/bash (it does not exist)`,
  );
  expect(uidOf("carl")).toBe(uid);
});

test("root gets what was the account's alone, by the command of the error", () => {
  const [web, secret, gone] = [33, `${J}/var/secret`, 54321];
  const uid = leaveHome();
  const lines = [
    `cd ${HOME}; mkdir d; echo x >d/own; echo x >theirs; mkdir -p ${J}/var; echo x >${secret}; ln ${secret} hard; ln -s /etc/shadow soft`,
    `chown -hR ${uid}:${gone} .; chown ${web}:${web} theirs hard`,
  ];
  m.must(["sh", "-ec", lines.join("\n")]);
  m.write(FILE, JAIL + user("carl", `uid = ${uid}\n`));
  const [problem] = linesOf(m, "--check").summary.problems;
  const [, command = "false"] = / with: (chown .*)$/.exec(problem?.message ?? "") ?? [];
  const before = [m.stat("/etc/shadow")?.uid, m.stat("/etc/shadow")?.gid];
  for (const _ of [1, 2]) m.must(command.split(" "));
  const owners = Object.fromEntries(
    ["d", "d/own", "soft", "theirs", "hard"].map((name) => {
      const stat = m.stat(`${HOME}/${name}`);
      return [name, [stat?.uid, stat?.gid]];
    }),
  );
  // The group was nobody's any more: carl's could get its number.
  const roots = [0, 0];
  const others = [web, web];
  expect(owners).toEqual({ d: roots, "d/own": roots, soft: roots, theirs: others, hard: others });
  expect([m.stat("/etc/shadow")?.uid, m.stat("/etc/shadow")?.gid]).toEqual(before);
  expect(linesOf(m, "--check").summary.problems).toEqual([]);
});

test("jk_check gives it to nobody, and says why", () => {
  const uid = leaveHome();
  m.must([
    "sh",
    "-ec",
    `mkdir ${HOME}/of-root; touch ${HOME}/of-root/x ${HOME}/y; chown ${uid} ${HOME}/of-root/x; chown 54321 ${HOME}/y`,
  ]);
  const about = (path: string, owner: number) => `${path} belongs to uid ${owner}, which no account has`;
  const kept = ": it is in a home that 'jailkit apply' keeps with this uid";
  expect(check(m, "--fix", J).found.map(({ message, remedy }) => [message, remedy])).toEqual([
    [about(HOME, uid) + kept, undefined],
    [`${about(`${HOME}/of-root/x`, uid)}${kept}`, undefined],
    [about(`${HOME}/y`, 54321), `chown -hR --from=+54321 root ${HOME}/y`],
  ]);
  expect([m.stat(HOME)?.uid, m.stat(`${HOME}/of-root/x`)?.uid]).toEqual([uid, uid]);
  declare(JAIL + user("bob", `uid = ${uid}\n`));
  expect(uidOf("bob")).toBe(uid);
});

test("no command names a home whose path a user can lead elsewhere", () => {
  declare(JAIL + user("bob", "home = /data/sub/bob\n"));
  const uid = uidOf("bob");
  declare(JAIL, "--prune");
  m.chown(`${J}/data`, 33, 33);
  m.write(FILE, JAIL + user("carl", `uid = ${uid}\n`));
  const [problem] = linesOf(m, "--check").summary.problems;
  expect(problem?.message).toEndWith(": declare another uid with the key 'uid'");
});

test("in the run that leaves the home, too, unless it goes", () => {
  declare(JAIL + user("bob"));
  const uid = uidOf("bob") ?? 0;
  m.write(FILE, JAIL + user("carl", `uid = ${uid}\n`));
  expect(linesOf(m, "--check", "--prune").summary.problems.map(({ code }) => code)).toEqual(["kept-home"]);
  declare(JAIL + user("carl", `uid = ${uid}\n`), "--prune", "--delete-homes");
  expect([uidOf("carl"), m.exists(HOME)]).toEqual([uid, false]);
});

test("who comes back with the uid gets the home, by the name or by the home", () => {
  const uid = leaveHome();
  declare(JAIL + user("bob", `uid = ${uid}\n`));
  expect(uidOf("bob")).toBe(uid);
  declare(JAIL, "--prune");
  declare(JAIL + user("robert", `uid = ${uid}\nhome = /home/bob\n`));
  expect(uidOf("robert")).toBe(uid);
});

test("jk_addjailuser -u warns, and does as it is told", () => {
  const uid = leaveHome();
  const { stderr } = m.must(["jk_addjailuser", "-s", "/bin/bash", "-u", `${uid}`, J, "hand"]);
  expect(stderr).toContain(`warning: the uid ${uid} is that of '${HOME}', the home that 'bob' had`);
  expect(uidOf("hand")).toBe(uid);
});

describe("an account that useradd(8) has given it", () => {
  const make = (name: string, uid: number) => m.must(["useradd", "-m", "-g", "users", "-u", `${uid}`, name]);
  const why = (uid: number) =>
    `the uid ${uid} is that of '${HOME}', the home that 'bob' had, whose files the new account would own: give the account another uid with usermod -u, or, if it is the same user, that home, or give them to root, with: `;

  test("does not come into the jail until the command gives the home to root", () => {
    const uid = leaveHome();
    make("carl", uid);
    m.write(FILE, JAIL + user("carl"));
    for (const options of [["--check"], []]) {
      const { status, changes, summary } = linesOf(m, ...options);
      const remedy = expect.stringContaining(HOME);
      expect([status, changes]).toEqual([1, []]);
      const message = expect.stringContaining(why(uid));
      expect(summary.problems).toMatchObject([{ code: "kept-home", message, remedy }]);
    }
    typeRemedy(m, `${linesOf(m, "--check").summary.problems[0]?.remedy}`);
    expect(linesOf(m)).toMatchObject({
      status: 0,
      changes: [{ what: "account" }],
      summary: { problems: [] },
    });
    expect([m.ids("carl").uid, m.stat(HOME)?.uid]).toEqual([uid, 0]);
    expect(linesOf(m)).toMatchObject({ status: 0, changes: [] });
  });

  test("comes into another jail, or back as who had it", () => {
    const uid = leaveHome();
    make("carl", uid);
    const other = JAIL.replace(J, "/srv/other");
    declare(JAIL + other + user("carl").replace(J, "/srv/other"));
    expect(m.exists("/srv/other/home/carl")).toBe(true);
    declare(JAIL + other, "--prune");
    m.must(["userdel", "carl"]);
    make("bob", uid);
    m.remove(HOME);
    declare(JAIL + other + user("bob"));
    expect(m.stat(HOME)?.uid).toBe(uid);
  });

  test("jk_jailuser warns, and does as it is told", () => {
    const uid = leaveHome();
    make("hand", uid);
    const jail = (...options: string[]) =>
      m.must(["jk_jailuser", ...options, "-n", "-m", "-j", J, "-s", "/bin/bash", "hand"]).stderr;
    expect(jail("--dry-run")).toContain(`warning: ${why(uid)}`);
    expect(jail()).toContain(`warning: ${why(uid)}`);
    expect([m.exists(`${J}/home/hand`), jail()]).toEqual([
      true,
      expect.not.stringContaining("the home that"),
    ]);
  });
});

test("if all other uids are used, nobody gets it", () => {
  const uid = leaveHome();
  const defs = m.read("/etc/login.defs");
  m.write(
    "/etc/login.defs",
    defs.replace(/^UID_(MIN|MAX).*$/gm, (_, which) => `UID_${which} ${uid}`),
  );
  try {
    const { status, stderr } = m.run(["jk_addjailuser", "-s", "/bin/bash", J, "hand"]);
    expect([status, stderr]).toEqual([1, expect.stringContaining(": choose another with -u")]);
    m.write(FILE, JAIL + user("carl"));
    expect(linesOf(m).summary.problems.map(({ code }) => code)).toEqual(["no-id"]);
  } finally {
    m.write("/etc/login.defs", defs);
  }
});

test("nobody gets the uid of an account whose home is deleted as long as its jail is there, unless somebody declares it when nothing has it", () => {
  const other = "/srv/other";
  const [jail, rest] = [JAIL, `[jail ${other}]\nsections = uidbasics, basicshell\n`];
  declare(jail + rest + user("bob"));
  const uid = uidOf("bob") ?? 0;
  // Whoever has the uid can be anybody who starts this.
  m.must([
    "sh",
    "-c",
    `mkdir -p ${J}/tmp && cd ${J}/tmp && touch left && chown bob: left && chmod 4755 left`,
  ]);
  declare(jail + rest, "--prune", "--delete-homes");
  expect([uidOf("bob"), m.exists(HOME)]).toEqual([undefined, false]);
  declare(jail + rest + user("carl", "", other) + user("dan"), "--prune");
  m.must(["jk_addjailuser", "-s", "/bin/bash", J, "hand"]);
  expect([uidOf("dan"), uidOf("carl"), uidOf("hand")]).toEqual([uid + 1, uid + 2, uid + 3]);
  removeHand();
  const [robert, options] = [user("robert", `uid = ${uid}\n`), ["--prune", "--delete-homes"]];
  m.write(FILE, jail + rest + robert);
  expect(linesOf(m, ...options).summary.problems.map(({ code }) => code)).toEqual(["left-uid"]);
  expect(uidOf("robert")).toBeUndefined();
  m.remove(`${J}/tmp/left`);
  declare(jail + rest + robert, ...options);
  expect([uidOf("robert"), uidOf("carl"), uidOf("dan")]).toEqual([uid, undefined, undefined]);
  declare(rest, "--prune", "--delete-homes");
  declare(rest + user("bob", "", other), "--prune");
  expect([uidOf("bob"), m.exists(J)]).toEqual([uid, false]);
});

test("--check tells of a home that has stayed, also if another one leaves with its own", () => {
  const uid = leaveHome();
  declare(JAIL + user("carl"));
  m.write(FILE, JAIL + user("bob") + user("dan", "home = /home/carl\n"));
  const outcome = (...options: string[]) => {
    const { changes, summary } = linesOf(m, "--prune", "--delete-homes", ...options);
    return [changes.map(({ text }) => text), summary.problems.map(({ message }) => message)];
  };
  const planned = outcome("--check");
  // The name alone of one may have been changed in the file.
  expect(planned).toEqual([
    [],
    [
      expect.stringMatching(/^user carl: .*'\[user dan\]' .* may mean this account/),
      expect.stringContaining("is the home of 'carl'"),
      expect.stringContaining(`declare 'uid = ${uid}' if it is that of this user`),
    ],
  ]);
  expect(outcome()).toEqual(planned);
  expect([uidOf("bob"), m.exists(`${J}/home/carl`), uidOf("dan")]).toEqual([undefined, true, undefined]);
  m.write(FILE, JAIL + user("bob"));
  const alone = outcome("--check");
  expect(alone[1]).toEqual([expect.stringContaining(`declare 'uid = ${uid}' if it is that of this user`)]);
  expect(outcome()).toEqual(alone);
  expect([uidOf("carl"), m.exists(`${J}/home/carl`)]).toEqual([undefined, false]);
});
