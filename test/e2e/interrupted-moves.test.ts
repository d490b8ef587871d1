/** A run that is killed while it copies a home leaves it closed, and a part of the copy: others find both, and mend them. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { withCalls } from "../machine/calls.ts";
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
const endsAt = (fault: string, command: readonly string[]) =>
  expect(m.run(inject(`${fault}:signal=KILL`, command)).signal).toBe("SIGKILL");
/** Runs a command that is killed before its copy is complete. */
const killed = (command: readonly string[]) =>
  expect(
    m.run(["strace", "-f", "-qq", "-o", "/root/trace", "-e", "inject=syncfs:signal=KILL", ...command]).signal,
  ).toBe("SIGKILL");

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

describe("what runs have left of moves of others stays as it is when a home moves", () => {
  test("until jk_check or apply mends it", () => {
    const [first, second] = [user("outside"), user("inside")];
    killed(first.moves);
    killed(second.moves);
    const third = user("outside");
    expect(m.run(third.moves)).toMatchObject({ status: 0, stderr: "" });
    // Parts of copies go from the directory in which the next copy is made.
    const [part = "none", ...more] = copies();
    expect([modeOf(first.home), modeOf(second.home), part, more]).toEqual([
      ...["3700", "3700", expect.stringContaining("/home/.jk-home-"), []],
    ]);
    expect(m.run(second.moves)).toMatchObject({
      status: 0,
      stderr: `jk_jailuser: warning: what a run that was killed has left: removed '${part}'\n`,
    });
    expect([modeOf(first.home), copies()]).toEqual(["3700", []]);
    m.must(["jailkit", "apply"]);
    expect([modeOf(first.home), notes()]).toEqual(["2755", ""]);
  });

  test("unless it is where the home goes, in it, or above it", () => {
    const { name, rest } = copied("outside", "placed");
    const other = `${J}4`;
    m.must(["jk_init", "-j", other, "uidbasics", "basicshell"]);
    m.must(["jk_addjailuser", "-j", other, "-s", "/bin/bash", "-d", `/home/${name}`, "bill"]);
    expect(m.run(["jk_jailuser", "--unjail", "-n", "-m", "-s", "/bin/sh", "bill"])).toMatchObject({
      status: 0,
      stderr: expect.stringContaining(`what a run that was killed has left: removed '${rest}'\n`),
    });
    expect([homeOf("bill"), notes()]).toEqual([rest, ""]);
    m.must(["userdel", "-r", "bill"]);
  });
});

test("of a move of which nothing is left any more, jk_check --fix removes the note", () => {
  const { home, moves } = user("outside");
  killed(moves);
  sh(`chmod 2750 ${home}; rm -r ${copies()[0]}`);
  expect([statusFindings(), hostFindings()]).toEqual([[], []]);
  m.run(["jk_check", "--fix", J]);
  expect(notes()).toBe("");
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
  const fault = ["-e", "inject=syncfs:signal=KILL"];
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

type When = "before" | "after" | "placed" | "removing";

/** A user whose run was killed when the copy of the home was complete; `kept`: the home, if it is in its place; `rest`: the other one. */
function copied(place: "outside" | "inside", when: When, more = "true") {
  const one = user(place);
  const { name, home, moves } = one;
  sh(
    `cd ${home}; mkdir sub; echo a >sub/a; ln sub/a link; ln sub/a sub/b; mkfifo fifo; ${more}; chown -hR ${name} .`,
  );
  const other = place === "outside" ? `${J}${home}` : home.slice(J.length);
  if (when === "removing") killedIn(home, moves);
  else if (when === "placed") endsAt("fsync", moves);
  else killedAt(when, moves);
  const [box = "none"] = copies();
  const kept = when === "before" ? home : other;
  const isPlaced = when === "placed" || when === "removing";
  expect([homeOf(name), m.exists(`${kept}/file`), m.exists(home)]).toEqual([kept, when !== "after", true]);
  return { ...one, kept, box, rest: isPlaced || when === "after" ? home : box };
}

const whole = (home: string) =>
  sh(`cd ${home}; cat file link sub/a; stat -c %a .; test -p fifo && echo fifo`);
const WHOLE = "mine\na\na\n2755\nfifo\n";

for (const place of ["outside", "inside"] as const)
  for (const when of ["before", "after", "placed", "removing"] as const)
    describe(`of a home ${place} the jail, complete, killed ${when} (the change of the account)`, () => {
      test("status and jk_check tell what is left, and what they say heals it", () => {
        const { name, home, kept, rest, box } = copied(place, when);
        const [finding] = statusFindings();
        const since = "since a run of jailkit was killed";
        const left = {
          before: [home, `${home} is closed to others since ${COPIED} it, which also left ${box}`],
          after: [box, `${kept}, the home of ${name}, is in ${box} still, ${since} while it moved it`],
          placed: [
            home,
            `${home} was copied to ${kept}, which is the home, and is left, whole or in part, ${since}`,
          ],
        };
        const [subject, message] = left[when === "removing" ? "placed" : when];
        expect(finding).toMatchObject({ subject, message, command: `jk_check --fix ${J}` });
        expect(hostFindings(J)).toMatchObject([{ path: subject, message, remedy: finding?.command }]);
        // No other one advises to make an empty home.
        const all = m.run(["jailkit", "status", "--json"]).stdout + m.run(["jk_check", J]).stdout;
        expect(all).not.toContain("install -d");
        expect(all).not.toContain(`the home ${kept} of user`);
        // Lines of the account that the jail has already are another finding.
        const { stdout } = m.run(["sh", "-c", finding?.command ?? "false"]);
        const moved = `Fixed: moved '${home}' to '${kept}', as an interrupted run had begun\n`;
        expect(stdout).toContain(
          `${when === "after" ? moved : ""}Fixed: removed '${rest}'\n1 finding is fixed, 0 are left\n`,
        );
        expect([m.exists(rest), whole(kept), notes(), copies(), statusFindings(), hostFindings()]).toEqual([
          ...[false, WHOLE, "", [], [], []],
        ]);
      });

      test("the next run that moves the home mends it first", () => {
        const { name, kept, moves } = copied(place, when);
        const back = kept.startsWith(J)
          ? ["jk_jailuser", "--unjail", "-n", "-m", name]
          : ["jk_jailuser", "-n", "-m", "-s", "/bin/bash", "-j", J, name];
        m.must(when === "before" ? moves : back);
        const home = kept.startsWith(J) ? kept.slice(J.length) : J + kept;
        expect([homeOf(name), whole(home), notes(), copies()]).toEqual([home, WHOLE, "", []]);
      });

      test("only what was copied goes: what came by a rename stays, of the user, of others and of root", () => {
        // Nobody else reaches the other one.
        if (when === "before" || when === "after") return;
        const { name, kept, rest } = copied(place, when);
        const beside = `${rest}/../beside`;
        sh(`mkdir -p ${beside}/mine ${beside}/theirs ${beside}/roots`);
        sh(
          `cd ${beside}; echo x >mine/x; echo y >theirs/y; echo z >roots/z; chown -R ${name} mine; chown -R nobody theirs`,
        );
        // With the very path, time and size in the home.
        sh(
          `cp -a ${beside}/* ${kept}; for file in mine/x theirs/y roots/z; do echo n >${kept}/$file; done; mv ${beside}/* ${rest}`,
        );
        expect(m.run(["jk_check", "--fix", J]).stdout).toContain("stays, at least in part");
        expect(sh(`cat ${rest}/mine/x ${rest}/theirs/y ${rest}/roots/z`)).toBe("x\ny\nz\n");
        sh(`rm -r ${beside} ${rest}`);
        expect(statusFindings()).toEqual([]);
      });

      test("what was changed since stays, and is told", () => {
        if (when === "before") return;
        const { name, home, kept } = copied(place, when);
        sh(`cd ${home}; echo new >new; chown --reference=. new`);
        const { stdout } = m.run(["jk_check", "--fix", J]);
        expect(stdout).toContain(`stays, at least in part`);
        expect([sh(`cat ${home}/new`), whole(kept), statusFindings().length]).toEqual(["new\n", WHOLE, 1]);
        // A move back, or once more, is no reason to forget it.
        const back = kept.startsWith(J)
          ? ["jk_jailuser", "--unjail", "-n", "-m", name]
          : ["jk_jailuser", "-n", "-m", "-s", "/bin/bash", "-j", J, name];
        expect(m.run(back)).toMatchObject({
          status: 1,
          stderr: expect.stringContaining(`'${home}' was left by a run`),
        });
        expect([homeOf(name), statusFindings().length]).toEqual([kept, 1]);
        sh(`mv -nT ${home} ${home}.old`);
        expect(statusFindings()).toEqual([]);
      });
    });

test("what the user has removed from the new home goes from the old one, and nothing else does", () => {
  const { kept, rest } = copied("outside", "placed", "mkdir data; echo d >data/d");
  sh(`rm ${kept}/file; mount --bind ${rest}/data ${kept}/data`);
  m.run(["jk_check", "--fix", J]);
  sh(`umount ${kept}/data`);
  expect([sh(`cat ${kept}/data/d`), m.exists(rest), m.exists(`${kept}/file`)]).toEqual(["d\n", false, false]);
});

test("an old home that is another account's, or that others can exchange, stays, and is told", () => {
  const told = () => statusFindings().map(({ message }) => message);
  const { rest, kept, name } = copied("outside", "placed");
  const since = "left, whole or in part, since a run of jailkit was killed";
  const both = [`${rest}, the home of an account, was copied to ${kept}, and both are ${since}`];
  const fix = () => m.run(["jk_check", "--fix", J]).stdout;
  sh("ln -s /home /srv/homes");
  for (const home of [rest, `/srv/homes/${name}`, `${rest}/sub`]) {
    m.addUser("other", { home });
    expect([told(), fix()]).toEqual([
      both,
      expect.stringContaining(`'${rest}' is the home of an account: compare`),
    ]);
    sh("userdel other");
  }
  sh("chmod 777 /home");
  const left = [`${rest} was copied to ${kept}, which is the home, and is ${since}`];
  expect([told(), fix()]).toEqual([
    left,
    expect.stringContaining("is not removed, since others could exchange it"),
  ]);
  sh("chmod 1777 /home");
  expect([m.exists(rest), told()]).toEqual([true, left]);
  fix();
  sh("chmod 755 /home");
  expect([m.exists(rest), notes()]).toEqual([false, ""]);
});

test("what is left is not forgotten while a file system is away, or the new home is elsewhere", () => {
  const { name, home, kept } = copied("outside", "placed");
  // It would be gone with umount(8).
  sh(`mkdir /srv/away; mount --make-private ${J}; mount --move ${J} /srv/away`);
  m.run(["jk_check", "--fix"]);
  const elsewhere = `${home} was copied to ${kept}, which is not its copy now, and is left, whole or in part, since a run of jailkit was killed`;
  const told = () => [modeOf(home), statusFindings().map(({ message }) => message)];
  const away = told();
  // Somebody may have made a jail in its place.
  sh(`mkdir ${J}/home`);
  m.run(["jk_check", "--fix"]);
  sh(`rmdir ${J}/home; mount --move /srv/away ${J}`);
  expect(away).toEqual(["3700", [elsewhere]]);
  expect(statusFindings()).toMatchObject([{ subject: home }]);
  sh(`mv ${kept} ${kept}2; usermod -d ${J}/./home/${name}2 ${name}`);
  m.run(["jk_check", "--fix", J]);
  expect(told()).toEqual(["3700", [elsewhere]]);
  sh(`mv -T ${kept}2 ${kept}`);
  m.run(["jk_check", "--fix", J]);
  expect([m.exists(home), notes()]).toEqual([false, ""]);
});

test("a closed home is not forgotten while its file system is away, and nothing else is left", () => {
  const { home, moves } = user("inside");
  killed(moves);
  sh(`rm -r ${copies().join(" ")}`);
  expect([modeOf(home), copies()]).toEqual(["3700", []]);
  sh(`mkdir -p /srv/away; mount --make-private ${J}; mount --move ${J} /srv/away`);
  m.run(["jk_check", "--fix"]);
  const away = [statusFindings(), notes() === ""];
  sh(`mount --move /srv/away ${J}`);
  expect(away).toEqual([[], false]);
  m.run(["jk_check", "--fix"]);
  expect([modeOf(home), notes()]).toEqual(["2755", ""]);
});

test("what is left is forgotten when a jail was deleted by hand, but for a home that moved there", () => {
  const one = copied("outside", "before");
  sh(`mv ${J}/home ${J}/gone`);
  m.run(["jk_check", "--fix"]);
  expect([modeOf(one.home), notes()]).toEqual(["2755", ""]);
  sh(`mv ${J}/gone ${J}/home; rm -r ${one.box}`);
  const another = copied("inside", "before");
  sh(`rm -r ${another.home} ${another.box}; mv ${J}/home ${J}/gone`);
  m.run(["jk_check", "--fix"]);
  expect(notes()).toBe("");
  sh(`mv ${J}/gone ${J}/home`);
  const { home } = copied("outside", "after");
  sh(`mv ${J}/home ${J}/gone`);
  m.run(["jk_check", "--fix"]);
  expect([modeOf(home), statusFindings().length]).toEqual(["3700", 1]);
  sh(`mv ${J}/gone ${J}/home`);
  m.run(["jk_check", "--fix"]);
  expect([m.exists(home), notes()]).toEqual([false, ""]);
});

test("the account may have another name and uid since", () => {
  for (const when of ["after", "placed"] as const) {
    const { name, home, kept } = copied("outside", when);
    sh(`usermod -l ${name}x -u 4242 ${name}`);
    m.run(["jk_check", "--fix", J]);
    expect([m.exists(home), whole(kept), notes(), copies()]).toEqual([false, WHOLE, "", []]);
    sh(`userdel ${name}x`);
  }
});

test("who has neither home is told, and no copy goes that may be the only one", () => {
  const { name, home, box } = copied("outside", "after");
  sh(`usermod -d /nowhere ${name}; mv ${home} ${home}.away`);
  const told = `${box} was left by a run of jailkit that was killed while it moved ${home}, and may hold the only copy of a home`;
  expect(statusFindings().map(({ message }) => message)).toEqual([told]);
  expect(m.run(["jk_check", "--fix", J]).stdout).toContain(
    "stays, since it may hold the only copy of a home",
  );
  // Nor by a run that copies another one there.
  m.must(user("outside").moves);
  expect(whole(`${box}/home`)).toBe(WHOLE);
  // A full disk may have kept the run from writing that it is complete.
  const note = `/var/lib/jailkit/moves/${notes().split("\n")[0]}`;
  const written = m.read(note);
  m.write(note, [...written.split("\0").slice(0, 5), ""].join("\0"), { mode: 0o600 });
  sh(`usermod -d ${written.split("\0")[4]} ${name}`);
  m.run(["jk_check", "--fix", J]);
  expect(whole(`${box}/home`)).toBe(WHOLE);
  // Nor where the home of before is back, which may be an older one.
  sh(`mv ${home}.away ${home}`);
  m.run(["jk_check", "--fix", J]);
  expect(whole(`${box}/home`)).toBe(WHOLE);
  sh(`mv ${home} ${home}.away`);
  m.write(note, written, { mode: 0o600 });
  sh(`usermod -d /nowhere ${name}`);
  // The home is whole as long as it is there.
  sh(`mv ${home}.away ${home}`);
  m.run(["jk_check", "--fix", J]);
  expect([copies(), modeOf(home), notes()]).toEqual([[], "2755", ""]);
});

test("a copy is on the disk before the account is changed, and has its place there before the home is removed", () => {
  const { moves } = user("outside");
  const calls = "syncfs,fsync,execve,renameat2,renameat,rename,unlinkat";
  const { status, inOrder } = withCalls(m, calls, moves);
  const placed = ['rename\\w*\\(\\d+, "home"', "fsync\\(", "unlinkat\\("];
  expect([status, inOrder("syncfs\\(", "fsync\\(", 'execve\\(".*usermod', ...placed)]).toEqual([0, true]);
});

test("that a copy has its place is on the disk before another run removes the home", () => {
  const { rest } = copied("outside", "removing");
  const { inOrder } = withCalls(m, "fsync,unlinkat", ["jk_check", "--fix", J], true);
  expect(m.exists(rest)).toBe(false);
  expect(inOrder(`fsync\\(\\d+<${J}/home>`, `unlinkat\\(\\d+<${rest}`)).toBe(true);
});

test("a home that was removed in part is never taken for the whole one", () => {
  const { name, kept, rest } = copied("outside", "removing");
  sh(`usermod -d ${rest} ${name}`);
  m.run(["jk_check", "--fix", J]);
  expect([whole(kept), statusFindings()[0]?.message]).toEqual([
    WHOLE,
    expect.stringContaining("and both are left"),
  ]);
  sh(`usermod -d ${kept.replace(J, `${J}/.`)} ${name}`);
  m.run(["jk_check", "--fix", J]);
  expect([m.exists(rest), whole(kept), notes()]).toEqual([false, WHOLE, ""]);
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

test.each([
  ["finds the jail", false],
  ["is told of the jail that nothing else names", true],
])("what is left in a jail is found where jailkit adopt --moved %s", (_, isAlone) => {
  const [old, now] = isAlone ? ["/srv/old-alone", "/srv/now-alone"] : ["/srv/old", "/srv/now"];
  m.must(["jk_init", "-j", old, "uidbasics", "basicshell"]);
  const { name, moves } = user("outside");
  m.must(moves.map((word) => (word === J ? old : word)));
  sh(`chmod 2755 ${old}/home/${name}`);
  killed(["jk_jailuser", "--unjail", "-n", "-m", name]);
  if (isAlone) {
    m.must(["usermod", "-d", "/root/none", "-s", "/bin/sh", name]);
    m.must(["jailkit", "forget", old]);
  }
  m.must(["mv", old, now]);
  m.must(["jailkit", "adopt", "--moved", old, now]);
  const home = `${now}/home/${name}`;
  expect(statusFindings().map(({ subject }) => subject)).toContain(home);
  m.run(["jk_check", "--fix", now]);
  expect([modeOf(home), statusFindings().filter(({ subject }) => subject === home)]).toEqual(["2755", []]);
});

test("apply reads once what is left, and once more when it has mended something that was in the way of the plan", () => {
  const reads = (...options: string[]) => {
    const file = "/root/notes.trace";
    m.run([
      "strace",
      "-f",
      "-qq",
      "-P",
      "/var/lib/jailkit/moves",
      "-e",
      "trace=getdents64",
      "-o",
      file,
      "jailkit",
      "apply",
      ...options,
    ]);
    // The last call of each reading finds nothing more.
    return sh(`grep -c ' = 0$' ${file} || true`).trim();
  };
  // Of somebody who is declared no more the plan asks by itself.
  m.remove("/var/lib/jailkit/declared.json");
  m.write("/etc/jailkit/jails.d/one.ini", `[jail ${J}]\nsections = uidbasics, basicshell\n`);
  copied("outside", "after");
  m.must(["jailkit", "apply"]);
  expect([reads("--check"), reads()]).toEqual(["1", "1"]);
  const { rest } = copied("outside", "after");
  expect([reads("--check"), m.exists(rest)]).toEqual(["1", true]);
  // One of them is that of what mends it.
  expect([reads(), m.exists(rest), reads()]).toEqual(["3", false, "1"]);
});
