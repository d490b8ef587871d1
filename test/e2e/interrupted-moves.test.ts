/** A run that is killed while it copies a home leaves it closed, and a part of the copy: others find both, and mend them. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine } from "../machine/machine.ts";
import { runWithStops } from "../machine/stops.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(240_000);

const J = "/srv/jail";
const COPIED = "a run of jailkit that was killed while it copied";
let m: Machine;

const sh = (line: string) => m.must(["sh", "-ec", line]).stdout;

beforeAll(async () => {
  m = await openApplyMachine();
  // A home that moves there is copied.
  sh(`mkdir ${J}; mount -t tmpfs -o mode=755 tmpfs ${J}`);
  m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
});
afterAll(() => m?.close());

let next = 0;

/** A user with a home on the host, or in the jail. */
function user(place: "outside" | "inside") {
  const name = `eve${next++}`;
  const [outside, inside] = [`/home/${name}`, `${J}/home/${name}`];
  m.addUser(name, { home: outside, createHome: true, shell: "/bin/bash" });
  sh(`cd ${outside}; echo mine >file`);
  if (place === "inside") m.must(["jk_jailuser", "-n", "-m", "-s", "/bin/bash", "-j", J, name]);
  const home = place === "inside" ? inside : outside;
  sh(`cd ${home}; chmod 2755 .; setfacl -m u:nobody:rx .`);
  const into = ["jk_jailuser", "-n", "-m", "-s", "/bin/bash", "-j", J, name];
  const out = ["jk_jailuser", "--unjail", "-n", "-m", name];
  return { name, home, moves: place === "inside" ? out : into };
}

/** Runs a command, and injects what strace(1) can into its calls. */
const inject = (fault: string, command: readonly string[]) => [
  ...["strace", "-f", "-qq", "-o", "/root/trace", "-e", `inject=${fault}`],
  ...["/home", J, `${J}2`, `${J}3`].flatMap((jail) => ["-P", `${jail}/home`, "-P", jail]),
  ...command,
];
// When the copy is complete, it gets its name.
const killed = (command: readonly string[]) =>
  expect(m.run(inject("renameat2:signal=KILL", command)).signal).toBe("SIGKILL");

const modeOf = (home: string) => sh(`stat -c %a ${home}`).trim();
const copies = () =>
  sh(`find /home ${J} -name '.jk-home-*' -prune`)
    .trim()
    .split("\n")
    .filter((line) => line !== "");
const notes = () => sh("ls /var/lib/jailkit/moves").trim();
const statusFindings = () => {
  const { findings } = reportOf(
    REPORT_SCHEMAS["jailkit status"],
    m.run(["jailkit", "status", "--json"]).stdout,
  );
  return findings.filter(({ kind }) => kind === "interrupted-move");
};
const hostFindings = (...args: string[]) => {
  const report = reportOf(REPORT_SCHEMAS.jk_check, m.run(["jk_check", "--json", ...args]).stdout);
  return "host" in report ? report.host.findings.filter(({ rule }) => rule === "interrupted-move") : [];
};

for (const place of ["outside", "inside"] as const) {
  test(`status and jk_check tell of a home ${place} the jail, and what they say heals it`, () => {
    const { home, moves } = user(place);
    killed(moves);
    const [copy = "none"] = copies();
    const message = `${home} is closed to others since ${COPIED} it, which also left ${copy}`;
    expect(modeOf(home)).toBe("3700");
    const [finding] = statusFindings();
    expect(finding).toMatchObject({ subject: home, message, command: `jk_check --fix ${J}` });
    expect(hostFindings()).toMatchObject([{ path: home, message, remedy: finding?.command }]);
    expect(hostFindings(J)).toHaveLength(1);
    expect(m.run(["jk_check", J]).stdout).not.toContain("was left by a tool");
    sh(finding?.command ?? "false");
    expect([modeOf(home), copies(), notes(), statusFindings(), hostFindings()]).toEqual([
      "2755",
      [],
      "",
      [],
      [],
    ]);
    m.must(moves);
  });

  test(`a home ${place} the jail that somebody has opened since stays so, and is not told of`, () => {
    const { home, moves } = user(place);
    killed(moves);
    sh(`chmod 2750 ${home}; rm -r ${copies()[0]}`);
    const attributes = () => sh(`python3 -c 'import os; print(*os.listxattr("${home}"))'`);
    const before = attributes();
    expect(before).toContain("trusted.jailkit.mode");
    // Only a run that mends, or moves a home, changes something.
    expect([statusFindings(), hostFindings(), attributes()]).toEqual([[], [], before]);
    m.must(moves);
    expect(notes()).toBe("");
  });

  test(`jk_check --fix opens a home ${place} the jail, and removes the copy`, () => {
    const { home, moves } = user(place);
    killed(moves);
    const [copy] = copies();
    const fixes = m.run(["jk_check", "--fix", J]).stdout;
    expect(fixes).toContain(
      `Fixed: '${home}' has the mode 2755 again\nFixed: removed '${copy}'\n1 finding is fixed, 0 are left\n`,
    );
    expect([modeOf(home), copies(), notes(), hostFindings(J)]).toEqual(["2755", [], "", []]);
    expect(sh(`getfacl -cnp ${home}`)).toContain("user:65534:r-x\n");
    m.must(moves);
  });
}

test("the next run that copies any home mends what others have left", () => {
  const first = user("outside");
  killed(first.moves);
  const second = user("outside");
  const { status, stderr } = m.run(second.moves);
  const told = stderr.replaceAll("jk_jailuser: warning: what a run that was killed has left: ", "");
  expect([status, told]).toEqual([
    0,
    expect.stringMatching(
      new RegExp(`^'${first.home}' has the mode 2755 again\nremoved '${J}/home/\\.jk-home-.*'\n$`),
    ),
  ]);
  expect([modeOf(first.home), copies(), notes()]).toEqual(["2755", [], ""]);
});

test("of a run that is at work nothing is told, and nothing is mended", async () => {
  const { home, moves } = user("inside");
  const seen: unknown[] = [];
  const stops = { calls: ["openat2"], paths: [home] };
  const { status } = await runWithStops(m, moves, stops, () => {
    if (seen.length > 0 || copies().length === 0) return;
    const told = () => [modeOf(home), copies().length, statusFindings(), hostFindings("--fix", "--no-wait")];
    seen.push(told(), linesOf(m).summary.warnings, told());
  });
  expect(seen).toEqual([["3700", 1, [], []], [], ["3700", 1, [], []]]);
  expect([status, notes(), copies()]).toEqual([0, "", []]);
});

const declare = (text: string) => m.write("/etc/jailkit/jails.d/one.ini", text);
const DECLARED = (name: string) => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n`;
const OPENING = (name: string) =>
  `user ${name}: home-mode 3700 -> 2755 (a run that was killed while it copied the home has closed it)`;
const texts = ({ changes }: ReturnType<typeof linesOf>) =>
  changes.map(({ text, status }) => `${status} ${text}`);

test("apply opens the home of a user who stays in the jail", () => {
  const { name, home, moves } = user("inside");
  declare(DECLARED(name));
  m.must(["jailkit", "apply"]);
  killed(moves);
  const check = m.run(["jailkit", "apply", "--check"]);
  expect(check).toMatchObject({ status: 10, stderr: "" });
  expect(check.stdout).toContain(`~ ${OPENING(name)}\n`);
  expect(modeOf(home)).toBe("3700");
  const run = linesOf(m);
  expect([run.status, texts(run), run.summary.warnings]).toEqual([0, [`done ~ ${OPENING(name)}`], []]);
  expect([modeOf(home), copies(), notes()]).toEqual(["2755", [], ""]);
  expect(m.run(["jailkit", "apply", "--check"])).toMatchObject({ status: 0, stderr: "" });
});

test("apply opens the home of a user who waits for a jail", () => {
  const { name, home } = user("outside");
  const jail = `[jail ${J}]\nsections = uidbasics, basicshell`;
  declare(`${jail}\n${DECLARED(name)}`);
  killed(["jailkit", "apply"]);
  expect(modeOf(home)).toBe("3700");
  declare(`${jail}, nosuch\n${DECLARED(name)}`);
  const run = linesOf(m);
  expect([run.status, texts(run).filter((text) => !text.includes("account"))]).toEqual([
    1,
    [`done ~ ${OPENING(name)}`],
  ]);
  expect([modeOf(home), copies(), notes()]).toEqual(["2755", [], ""]);
  declare(`${jail}\n${DECLARED(name)}`);
  m.must(["jailkit", "apply"]);
  expect(m.exists(home)).toBe(false);
});

test("apply --prune opens the home of a user who is declared no more, and removes the jail with a part of the copy in it", () => {
  const jail = `[jail ${J}2]\nsections = uidbasics, basicshell\n`;
  sh(`mkdir ${J}2; mount -t tmpfs -o mode=755 tmpfs ${J}2`);
  const { name, home } = user("outside");
  // Nobody of before is declared no more.
  m.remove("/var/lib/jailkit/declared.json");
  declare(jail + DECLARED(name).replace(J, `${J}2`));
  killed(["jailkit", "apply"]);
  const copy = sh(`ls -d ${J}2/home/.jk-home-*`).trim();
  sh(`find ${copy} -mindepth 1 -exec chown -h ${name} {} +`);
  declare("");
  const left = `${home} is closed to others since ${COPIED} it, which also left ${copy}`;
  const check = linesOf(m, "--check", "--prune");
  expect([check.status, texts(check)]).toEqual([10, [expect.stringContaining(`- jail ${J}2`)]]);
  expect(check.summary.warnings).toEqual([`${left}; a run mends that`]);
  expect(modeOf(home)).toBe("3700");
  const run = linesOf(m, "--prune");
  expect([run.status, run.summary.warnings, modeOf(home), notes()]).toEqual([
    0,
    expect.arrayContaining([`${left}; '${home}' has the mode 2755 again, removed '${copy}'`]),
    "2755",
    "",
  ]);
  expect(m.exists(`${J}2/etc`)).toBe(false);
});

test("a part of a copy is found and removed below a sticky directory, too", () => {
  sh(`mkdir -m 1777 /srv/sticky; mount -t tmpfs -o mode=1777 tmpfs /srv/sticky`);
  const jail = "/srv/sticky/jail";
  m.must(["jk_init", "-j", jail, "uidbasics", "basicshell"]);
  const { moves } = user("outside");
  m.must(moves.map((word) => (word === J ? jail : word)));
  const { home, moves: more } = user("outside");
  const command = more.map((word) => (word === J ? jail : word));
  const fault = ["-e", "inject=renameat2:signal=KILL", "-P", `${jail}/home`];
  expect(m.run(["strace", "-f", "-qq", "-o", "/root/trace", ...fault, ...command]).signal).toBe("SIGKILL");
  const parts = () => sh(`find ${jail} -name '.jk-home-*' -prune`);
  expect([parts(), statusFindings().length]).toEqual([expect.stringContaining(".jk-home-"), 1]);
  m.run(["jk_check", "--fix", jail]);
  expect([parts(), statusFindings(), modeOf(home)]).toEqual(["", [], "2755"]);
});

test("jailkit delete removes a jail with a part of a copy in it", () => {
  const jail = `${J}3`;
  sh(`mkdir ${jail}; mount -t tmpfs -o mode=755 tmpfs ${jail}`);
  m.must(["jk_init", "-j", jail, "uidbasics", "basicshell"]);
  const { name, home, moves } = user("outside");
  killed(moves.map((word) => (word === J ? jail : word)));
  sh(`find ${jail}/home/.jk-home-* -mindepth 1 -exec chown -h ${name} {} +`);
  m.must(["jailkit", "delete", "--yes", jail]);
  expect([m.exists(`${jail}/etc`), modeOf(home), notes()]).toEqual([false, "2755", ""]);
});

/** Runs a command that ends with SIGKILL when it has its account changed: before that, or after. */
function killedAt(when: "before" | "after", command: readonly string[]) {
  const real = "/usr/sbin/usermod";
  const change = when === "after" ? `${real}.real "$@"` : "true";
  sh(`mv ${real} ${real}.real`);
  m.write(real, `#!/bin/sh\n${change}\nkill -KILL $PPID\n`, { mode: 0o755 });
  expect(m.run(command).signal).toBe("SIGKILL");
  sh(`mv ${real}.real ${real}`);
}

/** Runs a command that is killed while it removes the old home. */
const killedIn = (home: string, command: readonly string[]) =>
  expect(
    m.run([
      "strace",
      ...["-f", "-qq", "-o", "/root/trace", "-P", `${home}/sub`],
      ...["-e", "inject=unlinkat:signal=KILL"],
      ...command,
    ]).signal,
  ).toBe("SIGKILL");

const homeOf = (name: string) => sh(`getent passwd ${name} | cut -d: -f6`).trim().replace("/./", "/");

/** A user whose run was killed when the copy of the home was complete; `rest`: what is there besides the home. */
function copied(place: "outside" | "inside", when: "before" | "after" | "removing", more = "true") {
  const one = user(place);
  const { name, home, moves } = one;
  sh(
    `cd ${home}; mkdir sub; echo a >sub/a; ln sub/a link; ln sub/a sub/b; mkfifo fifo; ${more}; chown -hR ${name} .`,
  );
  if (when === "removing") killedIn(home, moves);
  else killedAt(when, moves);
  const other = place === "outside" ? `${J}${home}` : home.slice(J.length);
  const rest = when === "before" ? other : home;
  expect([homeOf(name), m.exists(rest)]).toEqual([when === "before" ? home : other, true]);
  return { ...one, kept: homeOf(name), rest };
}

const whole = (home: string) =>
  sh(`cd ${home}; cat file link sub/a; stat -c %a .; test -p fifo && echo fifo`);
const WHOLE = "mine\na\na\n2755\nfifo\n";

for (const place of ["outside", "inside"] as const)
  for (const when of ["before", "after", "removing"] as const)
    describe(`of a home ${place} the jail, complete, killed ${when} the change of the account`, () => {
      test("status and jk_check tell of the one that goes, and what they say heals it", () => {
        const { kept, rest } = copied(place, when);
        const [finding] = statusFindings();
        const what = when === "before" ? "is a copy of" : "was copied to";
        const message = `${rest} ${what} ${kept}, which is the home, and is left, whole or in part, since a run of jailkit was killed`;
        expect(finding).toMatchObject({ subject: rest, message, command: `jk_check --fix ${J}` });
        expect(hostFindings(J)).toMatchObject([{ path: rest, message, remedy: finding?.command }]);
        // Lines of the account that the jail has already are another finding.
        const { stdout } = m.run(["sh", "-c", finding?.command ?? "false"]);
        expect(stdout).toContain(`Fixed: removed '${rest}'\n1 finding is fixed, 0 are left\n`);
        expect([m.exists(rest), whole(kept), notes(), statusFindings(), hostFindings()]).toEqual([
          ...[false, WHOLE, "", [], []],
        ]);
      });

      test("the next run that moves the home removes it first", () => {
        const { name, kept, rest, moves } = copied(place, when);
        const back = kept.startsWith(J)
          ? ["jk_jailuser", "--unjail", "-n", "-m", name]
          : ["jk_jailuser", "-n", "-m", "-s", "/bin/bash", "-j", J, name];
        expect(m.run(when === "before" ? moves : back)).toMatchObject({
          status: 0,
          stderr: `jk_jailuser: warning: what a run that was killed has left: removed '${rest}'\n`,
        });
        expect([homeOf(name), whole(rest), notes()]).toEqual([rest, WHOLE, ""]);
      });

      test("what came by a rename stays: files that were never copied, and those of others", () => {
        const { name, kept, rest } = copied(place, when);
        const beside = `${rest}/../beside`;
        sh(`mkdir -p ${beside}/mine ${beside}/theirs; echo x >${beside}/mine/x; echo y >${beside}/theirs/y`);
        sh(
          `chown -R ${name} ${beside}/mine; chown -R nobody ${beside}/theirs; cp -a ${beside}/theirs ${kept}`,
        );
        sh(`mv ${beside}/* ${rest}`);
        expect(m.run(["jk_check", "--fix", J]).stdout).toContain("stays, at least in part");
        expect(sh(`cat ${rest}/mine/x ${rest}/theirs/y`)).toBe("x\ny\n");
        sh(`rm -r ${beside} ${rest}`);
      });

      test("what was changed since stays, and is told", () => {
        const { name, kept, rest, moves } = copied(place, when);
        sh(`cd ${rest}; echo new >new; chown --reference=. new`);
        const { stdout } = m.run(["jk_check", "--fix", J]);
        expect(stdout).toContain(`stays, at least in part`);
        expect([sh(`cat ${rest}/new`), whole(kept), statusFindings().length]).toEqual(["new\n", WHOLE, 1]);
        // A move back, or once more, is no reason to forget it.
        const back = kept.startsWith(J)
          ? ["jk_jailuser", "--unjail", "-n", "-m", name]
          : ["jk_jailuser", "-n", "-m", "-s", "/bin/bash", "-j", J, name];
        const again = m.run(when === "before" ? moves : back);
        expect(again).toMatchObject({
          status: 1,
          stderr: expect.stringContaining(`${kept}' differ: compare them`),
        });
        expect([homeOf(name), statusFindings().length]).toEqual([kept, 1]);
        sh(`mv -nT ${rest} ${rest}.old`);
        expect(statusFindings()).toEqual([]);
      });
    });

for (const when of ["before", "after"] as const)
  test(`what the home has no more, or has from the very place, stays, killed ${when} the change`, () => {
    const { kept, rest } = copied("outside", when, "mkdir data; echo d >data/d");
    sh(`rm ${kept}/file; mount --bind ${rest}/data ${kept}/data`);
    expect(m.run(["jk_check", "--fix", J]).stdout).toContain("stays, at least in part");
    sh(`umount ${kept}/data`);
    expect(sh(`cat ${rest}/file ${rest}/data/d`)).toBe("mine\nd\n");
    sh(`rm -r ${rest}`);
  });

test("an old home that has another owner, is another account's, or that others can exchange, stays", () => {
  const going = () => statusFindings().filter(({ message }) => message.includes("whole or in part")).length;
  const { rest } = copied("outside", "after");
  sh(`chown nobody ${rest}`);
  expect(going()).toBe(0);
  m.run(["jk_check", "--fix"]);
  expect([m.exists(rest), notes()]).toEqual([true, ""]);
  const other = copied("outside", "after");
  m.addUser("other", { home: other.rest });
  expect(going()).toBe(0);
  sh("userdel other; ln -s /home /srv/homes");
  m.addUser("other", { home: `/srv/homes/${other.name}` });
  expect(going()).toBe(0);
  sh("userdel other; chmod 777 /home");
  expect([going(), m.run(["jk_check", "--fix", J]).stdout]).toEqual([
    1,
    expect.stringContaining("is not removed, since others could exchange it"),
  ]);
  sh("chmod 1777 /home");
  expect([m.exists(other.rest), going()]).toEqual([true, 1]);
  m.run(["jk_check", "--fix", J]);
  sh("chmod 755 /home");
  expect([m.exists(other.rest), notes()]).toEqual([false, ""]);
});

test("what is left is not forgotten while a file system is away, or the account has another name", () => {
  const { name } = copied("outside", "after");
  const home = homeOf(name).slice(J.length);
  // It would be gone with umount(8).
  sh(`mkdir /srv/away; mount --make-private ${J}; mount --move ${J} /srv/away`);
  m.run(["jk_check", "--fix"]);
  sh(`mount --move /srv/away ${J}`);
  expect(statusFindings()).toMatchObject([{ subject: home }]);
  sh(`usermod -l anew ${name}`);
  m.run(["jk_check", "--fix", J]);
  sh(`usermod -l ${name} anew`);
  expect(statusFindings()).toMatchObject([{ subject: home }]);
  m.run(["jk_check", "--fix", J]);
  expect([m.exists(home), notes()]).toEqual([false, ""]);
});

test("a file whose content a power cut has taken from the home stays", () => {
  const { kept, rest } = copied("outside", "after");
  const [note = ""] = notes().split("\n");
  const path = `/var/lib/jailkit/moves/${note}`;
  const fields = m.read(path).split("\0");
  // It has its times still, as if the file were as it was copied.
  sh(`truncate -s 0 ${kept}/file; touch -r ${rest}/file ${kept}/file`);
  m.write(path, fields.with(9, "9".repeat(19)).join("\0"), { mode: 0o600 });
  expect(m.run(["jk_check", "--fix", J]).stdout).toContain("stays, at least in part");
  expect(m.read(`${rest}/file`)).toBe("mine\n");
  sh(`rm -r ${rest}`);
});

test("a copy is on the disk before the account is changed", () => {
  const { moves } = user("outside");
  const trace = ["strace", "-f", "-qq", "-o", "/root/trace", "-e", "trace=syncfs,execve,renameat2"];
  m.must([...trace, ...moves]);
  expect(m.read("/root/trace")).toMatch(
    /syncfs\(.*\n(?:.*\n)*?.*renameat2\(.*\n(?:.*\n)*?.*execve\(.*usermod/,
  );
});

test("a home that was removed in part is never taken for the whole one", () => {
  const { name, kept, rest } = copied("outside", "removing");
  sh(`usermod -d ${rest} ${name}`);
  m.run(["jk_check", "--fix", J]);
  expect(whole(kept)).toBe(WHOLE);
});

test("apply --prune takes a user out whose old home a run that was killed has left, and --check says so", () => {
  const { name, kept, rest } = copied("outside", "removing");
  declare(DECLARED(name));
  const check = linesOf(m, "--check");
  const message = `${rest} was copied to ${kept}, which is the home, and is left, whole or in part, since a run of jailkit was killed`;
  expect(check.summary.warnings).toEqual([`${message}; a run mends that`]);
  const run = linesOf(m);
  expect([run.status, run.summary.warnings, m.exists(rest)]).toEqual([
    0,
    [`${message}; removed '${rest}'`],
    false,
  ]);
});

/** Writes a note as a run that was killed, and returns what status and jk_check --fix make of it. */
function noted(home: string, copy: string) {
  const note = "/var/lib/jailkit/moves/planted";
  sh("mkdir -p -m 700 /var/lib/jailkit/moves");
  m.write(note, `${home}\0${copy}\0`, { mode: 0o600 });
  const told = statusFindings().map(({ subject }) => subject);
  m.run(["jk_check", "--fix", J]);
  m.remove(note);
  return told;
}

test("a note removes no directory but a copy that no others can enter, and only where root alone can have made it", () => {
  m.addUser("mallory", { home: "/home/mallory", createHome: true });
  const name = ".jk-home-0123456789ab";
  sh(`mkdir -p ${J}/srv/data ${J}/srv/${name} /home/mallory/${name} /srv/open/${name}; chmod 1777 /srv/open`);
  const others = ["/home/mallory", "/srv/open"].map((directory) => `${directory}/${name}`);
  for (const copy of [...others, `${J}/srv/data`]) {
    expect([copy, noted("/home/mallory", copy)]).toEqual([copy, []]);
    expect(m.exists(copy)).toBe(true);
  }
  const copy = `${J}/srv/${name}`;
  // A run that works on it holds its lock.
  sh(`chmod 700 ${copy}; printf '/home/mallory\\0${copy}\\0' >/var/lib/jailkit/moves/held`);
  m.run(["flock", copy, "jk_check", "--fix", J]);
  expect(m.exists(copy)).toBe(true);
  m.remove("/var/lib/jailkit/moves/held");
  for (const mode of ["755", "700"]) {
    sh(`chmod ${mode} ${copy}`);
    expect(noted("/home/mallory", copy)).toEqual([copy]);
    expect(m.exists(copy)).toBe(mode === "755");
  }
});

test("nothing counts while others can write the notes", () => {
  const { moves, home } = user("outside");
  killed(moves);
  sh("chmod 777 /var/lib/jailkit/moves");
  expect([statusFindings(), hostFindings("--fix"), modeOf(home)]).toEqual([[], [], "3700"]);
  sh("chmod 700 /var/lib/jailkit/moves");
  expect(statusFindings()).toHaveLength(1);
});

test("what is left in a jail is found where jailkit adopt --moved finds the jail", () => {
  const [old, now] = ["/srv/old", "/srv/now"];
  m.must(["jk_init", "-j", old, "uidbasics", "basicshell"]);
  const { name, moves } = user("outside");
  m.must(moves.map((word) => (word === J ? old : word)));
  sh(`chmod 2755 ${old}/home/${name}`);
  killed(["jk_jailuser", "--unjail", "-n", "-m", name]);
  m.must(["mv", old, now]);
  m.must(["jailkit", "adopt", "--moved", old, now]);
  const home = `${now}/home/${name}`;
  expect(statusFindings().map(({ subject }) => subject)).toContain(home);
  m.run(["jk_check", "--fix", now]);
  expect([modeOf(home), statusFindings().filter(({ subject }) => subject === home)]).toEqual(["2755", []]);
});
