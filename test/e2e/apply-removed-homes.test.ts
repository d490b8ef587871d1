/** A home is removed as a whole or not at all: what keeps a part of it is found before, and whoever is killed leaves no part of it in its place. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine } from "../machine/machine.ts";
import { runWithStops } from "../machine/stops.ts";
import { reportOf } from "../report.ts";
import { linesIn, linesOf, openApplyMachine } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(180_000);

const J = "/srv/customer";
const HOMES = `${J}/home`;
const EVES = `${HOMES}/eve`;
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string) => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n`;
const PRUNE = ["--prune", "--delete-homes"];
let m: Machine;

const sh = (line: string) => m.must(["sh", "-ec", line]).stdout;
const as = (name: string, line: string) => m.must(["sh", "-ec", line], { user: name });
const declare = (...names: string[]) =>
  m.write("/etc/jailkit/jails.d/one.ini", JAIL + names.map(user).join(""));
const boxes = () => m.list(HOMES).filter((name) => name.startsWith(".jk-"));
const notes = () => m.list("/var/lib/jailkit/moves");
const hasEve = () => m.run(["id", "eve"]).status === 0;
/** All of the home, with modes and owners. */
const whole = () => sh(`cd ${EVES}; find . -printf '%p %m %u %s\\n' | LC_ALL=C sort`);

/** The strace(1) of a run that removes the home, with a signal at a call in it or beside it. */
const inject = (fault: string, ...options: string[]) => [
  ...["strace", "-f", "-qq", "-o", "/dev/null", "-e", `inject=${fault}`, "-P", EVES, "-P", HOMES],
  ...["-P", `${EVES}/work`, "jailkit", "apply", ...PRUNE, ...options],
];
/** A run of which wasTaken tells whether it took a home away, or was about to. */
const TRACED = [
  ...["strace", "-f", "-qq", "-o", "/root/trace", "-e", "trace=mkdirat,renameat2"],
  ...["jailkit", "apply", ...PRUNE],
];
const wasTaken = () => m.read("/root/trace").includes(".jk-gone-");
const statusFindings = () =>
  reportOf(REPORT_SCHEMAS["jailkit status"], m.run(["jailkit", "status", "--json"]).stdout).findings.filter(
    ({ kind }) => kind === "interrupted-move",
  );
const checkText = () => m.run(["jk_check", J]).stdout;

beforeAll(async () => {
  m = await openApplyMachine();
  declare("bob");
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

/** A home with something in it, of an account that is not declared any more. */
function plant(): void {
  declare("bob", "eve");
  m.must(["jailkit", "apply"]);
  as(
    "eve",
    `cd ${EVES}; mkdir -p work/a/b shared; echo thesis >work/a/b/c; seq 300 | (cd work; xargs touch); chmod 777 shared`,
  );
  sh(`chmod 711 ${EVES}`);
  declare("bob");
}

afterEach(() => {
  m.run(["sh", "-c", `find ${HOMES} -exec chattr -i -a {} +; chattr -i -a ${HOMES}`]);
  declare("bob");
  m.must(["jailkit", "apply", ...PRUNE]);
  expect([boxes(), notes(), hasEve(), m.exists(EVES)]).toEqual([[], [], false, false]);
});

const LEFT = "since a run of jailkit ended while it removed that";

describe("a run that is killed in a home", () => {
  /** Kills it when a part of the home is removed. */
  function killed(): string {
    plant();
    // The first names are removed, and each directory is opened again for the next.
    expect(m.run(killing(`unlinkat:signal=KILL:when=100`)).signal).toBe("SIGKILL");
    const [box = "none", ...more] = boxes();
    expect([more, m.exists(EVES), hasEve()]).toEqual([[], false, true]);
    return `${HOMES}/${box}`;
  }
  const killing = (fault: string) => [
    ...["strace", "-f", "-qq", "-o", "/dev/null", "-e", `trace=unlinkat`, "-e", `inject=${fault}`],
    ...["jailkit", "apply", ...PRUNE],
  ];

  test("has removed it: who is declared again gets a whole one", () => {
    const box = killed();
    declare("bob", "eve");
    const { summary, changes } = linesOf(m);
    expect(summary.warnings).toContain(`${box} is what is left of ${EVES}, ${LEFT}; removed '${box}'`);
    expect(changes.flatMap(({ steps }) => steps)).toContain(`created the home '${EVES}'`);
    expect([whole(), boxes(), notes()]).toEqual([expect.stringMatching(/^\. 700 eve \d+\n$/), [], []]);
    as("eve", `cd ${EVES}; mkdir work; echo new >work/c`);
    // It is the account's own from now on.
    declare("bob");
    expect(linesOf(m, ...PRUNE).changes[0]?.steps).toContain(`removed the home '${EVES}'`);
  });

  test("is told by the page that one opens first, by jk_check and by the plan, and what they say removes the rest", () => {
    const box = killed();
    const message = `${box} is what is left of ${EVES}, ${LEFT}`;
    const [finding] = statusFindings();
    expect(finding).toMatchObject({ subject: box, message, command: `jk_check --fix ${J}` });
    expect(checkText()).toContain(message);
    expect(checkText()).not.toContain("was left by a tool");
    expect(linesOf(m, "--check").summary.warnings).toContain(`${message}; a run mends that`);
    expect(m.exists(box)).toBe(true);
    typeRemedy(m, finding?.command ?? "");
    expect([boxes(), notes(), statusFindings(), hasEve()]).toEqual([[], [], [], true]);
  });

  test("is completed by the next one", () => {
    killed();
    const { status, stdout } = m.run(["jailkit", "apply", ...PRUNE]);
    expect([status, stdout]).toEqual([0, expect.stringContaining("removed the account 'eve'\n")]);
    plant();
    m.must(TRACED);
    expect(wasTaken()).toBe(true);
  });

  test("leaves to jk_check what nothing is written down of", () => {
    const box = killed();
    sh("rm /var/lib/jailkit/moves/*");
    expect([statusFindings(), checkText()]).toEqual([
      [],
      expect.stringContaining(`${box} was left by a tool of jailkit that was interrupted`),
    ]);
    sh(`rm -r ${box}`);
  });

  test("or when it is about to take the home away, has left it whole", () => {
    plant();
    const before = whole();
    expect(m.run(inject("renameat2:signal=KILL")).signal).toBe("SIGKILL");
    expect([whole(), boxes(), hasEve()]).toEqual([before, [expect.stringMatching(/^\.jk-gone-/)], true]);
    declare("bob", "eve");
    m.must(["jailkit", "apply"]);
    expect([whole(), boxes(), notes(), statusFindings()]).toEqual([before, [], [], []]);
  });

  test("lets nobody have root remove what others have: it stays, is told, and goes when that is moved away", () => {
    const box = killed();
    // As by a descriptor of a directory in it.
    sh(`mkdir -p ${box}/home/into/d; echo mine >${box}/home/into/d/f; chown -R bob ${box}/home/into`);
    const command = `mv -nT ${box}/home/into ${HOMES}/into`;
    const stays = `'${box}' is not removed: the directory '${box}/home/into' of 'bob' is in it; what brings it out: ${command}`;
    expect(linesOf(m).summary.warnings).toContain(`${box} is what is left of ${EVES}, ${LEFT}; ${stays}`);
    expect(m.run(["jk_check", "--fix", J]).stdout).toContain(
      `Not fixed: ${box.replace(/\/\.jk.*/, "/eve")}: ${stays}`,
    );
    expect([m.read(`${box}/home/into/d/f`), statusFindings().length]).toEqual(["mine\n", 1]);
    sh(command);
    m.must(["jailkit", "apply"]);
    expect([boxes(), notes(), m.read(`${HOMES}/into/d/f`)]).toEqual([[], [], "mine\n"]);
    sh(`rm -r ${HOMES}/into`);
  });

  test("of several, each is told, and removed", () => {
    const first = killed();
    sh(`mkdir -p ${first}/home/into/d; chown bob ${first}/home/into`);
    declare("bob", "fay");
    m.must(["jailkit", "apply"]);
    as("fay", `cd ${HOMES}/fay; seq 300 | xargs touch`);
    declare("bob");
    expect(m.run(killing("unlinkat:signal=KILL:when=100")).signal).toBe("SIGKILL");
    const told = () =>
      statusFindings()
        .map(({ subject }) => subject)
        .sort();
    expect([told().length, told()]).toEqual([
      2,
      boxes()
        .map((name) => `${HOMES}/${name}`)
        .sort(),
    ]);
    sh(`rm -r ${first}/home/into`);
    expect(m.run(["jk_check", "--fix", J]).stdout).toContain("2 findings are fixed, 0 are left");
    expect([told(), boxes(), notes()]).toEqual([[], [], []]);
  });
});

test("of a run that is at work nothing is told, and nobody else removes it", async () => {
  plant();
  const seen: unknown[] = [];
  const argv = ["jailkit", "apply", ...PRUNE];
  const { status } = await runWithStops(m, argv, { calls: ["unlinkat"], paths: [] }, (call) => {
    if (seen.length > 0 || boxes().length === 0) return;
    expect(call).toContain("/.jk-gone-");
    const fixed = m.run(["jk_check", "--fix", "--no-wait", J]).stdout;
    seen.push(statusFindings(), fixed.includes(".jk-gone-"), boxes().length);
  });
  expect([status, seen]).toEqual([0, [[], false, 1]]);
});

describe("a signal", () => {
  test.each(["text", "json"] as const)("in a home: %s says that it is removed", (how) => {
    plant();
    const line = ["-e", "trace=unlinkat", "-e", "inject=unlinkat:signal=INT:when=50"];
    const options = how === "json" ? ["--json"] : [];
    const run = m.run([
      "strace",
      "-qq",
      "-o",
      "/dev/null",
      ...line,
      "jailkit",
      "apply",
      ...PRUNE,
      ...options,
    ]);
    const [box = "none"] = boxes();
    const said = `interrupted by SIGINT ('${EVES}' is removed, but for what is left in '${HOMES}/${box}'; run this again)`;
    if (how === "text") expect(run.stderr).toContain(said);
    else expect(linesIn(run).changes[0]?.errors).toEqual([said]);
    expect([m.exists(EVES), hasEve(), statusFindings().length]).toEqual([false, true, 1]);
  });

  test("before it is taken away leaves it whole", () => {
    plant();
    const before = whole();
    const trace = ["-e", "trace=statx", "-e", "inject=statx:signal=INT:when=1", "-P", `${EVES}/work`];
    const run = m.run(["strace", "-qq", "-o", "/dev/null", ...trace, "jailkit", "apply", "--json", ...PRUNE]);
    expect([whole(), boxes()]).toEqual([before, []]);
    expect(run.stdout).toContain("interrupted by SIGINT");
  });
});

const HELD = "is immutable or append-only";
describe("what chattr(1) protects keeps a whole home", () => {
  test.each([
    ["+i", "work/a/b/c"],
    ["+a", "work/a/b/c"],
    ["+i", "work/a/b"],
    ["+a", "shared"],
    ["+i", "."],
  ])("%s %s, until the command of the error is typed", (flag, name) => {
    plant();
    const before = whole();
    sh(`cd ${EVES}; touch work/300; chattr ${flag} ${name}; chattr +i work/300`);
    const run = () => linesOf(m, ...PRUNE);
    const { status, summary } = run();
    const [error] = summary.problems;
    expect([status, error?.code, error?.message]).toEqual([
      1,
      "immutable",
      expect.stringMatching(new RegExp(`^user eve: '${EVES}' is not removed: '\\S+' ${HELD}; fix it with: `)),
    ]);
    expect(error?.message).toEndWith(error?.remedy ?? "none");
    expect([whole(), boxes(), notes(), hasEve()]).toEqual([before, [], [], true]);
    expect(run()).toMatchObject({ status: 1 });
    typeRemedy(m, error?.remedy ?? "");
    expect(run()).toMatchObject({ status: 0 });
    expect([m.exists(EVES), hasEve()]).toEqual([false, false]);
  });

  test("so does the directory above it", () => {
    plant();
    const before = whole();
    sh(`chattr +a ${HOMES}`);
    const [error] = linesOf(m, ...PRUNE).summary.problems;
    expect(error).toMatchObject({ code: "immutable", remedy: `chattr -a ${HOMES}` });
    expect([whole(), boxes()]).toEqual([before, []]);
    typeRemedy(m, error?.remedy ?? "");
    m.must(["jailkit", "apply", ...PRUNE]);
  });

  test("who is declared again has it as it was: it was not taken away", () => {
    plant();
    const before = whole();
    sh(`chattr +i ${EVES}/work/a/b/c`);
    expect(m.run(TRACED).status).toBe(1);
    expect(wasTaken()).toBe(false);
    declare("bob", "eve");
    m.must(["jailkit", "apply"]);
    expect(whole()).toBe(before);
  });
});

test("what others bring there until it is taken away puts it back", async () => {
  plant();
  const before = whole();
  const made: string[] = [];
  const argv = ["jailkit", "apply", "--json", ...PRUNE];
  const run = await runWithStops(m, argv, { calls: ["mkdirat"], paths: [HOMES] }, (call) => {
    if (!call.includes(".jk-gone-") || made.length > 0) return;
    made.push(call);
    as("bob", `mkdir -p ${EVES}/shared/late/d; echo mine >${EVES}/shared/late/d/f`);
  });
  expect(made).toHaveLength(1);
  const [error] = linesIn(run).summary.problems;
  expect([run.status, error?.code, error?.message]).toEqual([
    1,
    "holds-home",
    `user eve: '${EVES}' is not removed: the directory '${EVES}/shared/late' of 'bob' is in it`,
  ]);
  sh(`rm -r ${EVES}/shared/late`);
  expect([whole(), boxes(), notes()]).toEqual([before, [], []]);
});

test("whoever works in a directory of it creates nothing there any more when that is emptied", async () => {
  plant();
  as("eve", `cd ${EVES}/shared; touch one two`);
  const lines = "echo ready; while read -r go; do touch late 2>&1 && echo made; done";
  const actor = m.start(["sh", "-c", lines], { user: "bob", cwd: `${EVES}/shared` });
  await actor.until(({ stdout }) => stdout.includes("ready\n") || undefined);
  const answers: string[] = [];
  const argv = ["jailkit", "apply", ...PRUNE];
  const { status } = await runWithStops(m, argv, { calls: ["unlinkat"], paths: [] }, async (call) => {
    if (!call.includes("/shared>") || answers.length > 0) return;
    const before = actor.stdout.length;
    actor.write("go\n");
    answers.push(
      await actor.until(({ stdout }) => (stdout.endsWith("\n") && stdout.slice(before)) || undefined),
    );
  });
  actor.kill();
  await actor.ended;
  expect([status, answers]).toEqual([0, [expect.stringContaining("Permission denied")]]);
});

test("where others can write above it, it is removed in its place", () => {
  plant();
  sh(`chgrp users ${HOMES}; chmod 775 ${HOMES}`);
  const { status, stdout } = m.run(TRACED);
  sh(`chgrp root ${HOMES}; chmod 755 ${HOMES}`);
  expect([status, stdout]).toEqual([0, expect.stringContaining(`removed the home '${EVES}'\n`)]);
  expect([boxes(), notes(), wasTaken()]).toEqual([[], [], false]);
});

test("an account that could not be created after all leaves no part of its home", () => {
  const create = ["jk_addjailuser", "-j", J, "-s", "/bin/bash", "-p", "*", "eve"];
  sh(`chattr +i ${J}/etc/passwd`);
  const trace = ["-e", "trace=unlinkat", "-e", "inject=unlinkat:signal=KILL:when=1", "-P", HOMES];
  const { signal } = m.run(["strace", "-f", "-qq", "-o", "/root/trace", ...trace, ...create]);
  sh(`chattr -i ${J}/etc/passwd`);
  expect([signal, m.exists(EVES), hasEve(), boxes().length]).toEqual(["SIGKILL", false, false, 1]);
});
