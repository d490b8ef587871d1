/**
 * `jailkit apply` of random declarations, on a machine that somebody changes by hand in between. JK_RANDOM_SEED and
 * JK_RANDOM_RUNS give other sequences, and more of them.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { addOthers, markHomes, othersOf, requireOwnHomes } from "./apply-random-others.ts";
import { pictureOf } from "./apply-random-picture.ts";
import {
  BY_HAND,
  commandOf,
  declare,
  type Edit,
  edits,
  FILES,
  GID,
  HURTS,
  JAILS,
  NAMES,
  type Round,
  rounds,
  TAKES,
  TEST_SECTIONS,
  TOOL,
  textOf,
} from "./apply-random-scene.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

// Longer runs take hours.
setDefaultTimeout(3_600_000);

const SEED = Number(process.env.JK_RANDOM_SEED ?? 7);
const MEMORY = "/var/lib/jailkit/declared.json";
const RUNS = Number(process.env.JK_RANDOM_RUNS ?? 3);

async function openRandomMachine(): Promise<Machine> {
  const m = await openApplyMachine();
  m.must(["groupadd", "-g", GID, "numbered"]);
  m.write("/etc/jailkit/jk_init.d/test.ini", TEST_SECTIONS);
  m.mkdir(TOOL);
  m.write(`${TOOL}/file`, "");
  addOthers(m);
  return m;
}

type Run = ReturnType<typeof linesOf>;
const texts = ({ changes }: Run) => changes.map(({ text }) => text);
const problems = ({ summary }: Run) => summary.problems.map(({ message }) => message);

/** The jails from which something is removed before their users are looked at: then the run finds what they lack. */
const emptied = ({ changes }: Run) =>
  changes.filter(({ of, action, what }) => of === "jail" && action === "remove" && what !== "proc");

const accounts = (m: Machine) =>
  NAMES.filter((name) => new RegExp(`^${name}:`, "m").test(m.read("/etc/passwd")));

/**
 * A run that is killed, or ends before that. Returns the accounts that it has created and not recorded, which are as those that
 * somebody has created by hand.
 */
function killAt(m: Machine, { call, nth }: NonNullable<Round["kill"]>, options: readonly string[]): Edit[] {
  const before = accounts(m);
  const inject = `inject=${call}:signal=KILL:when=${nth}`;
  m.run([
    ...["strace", "-qq", "-o", "/dev/null", "-e", `trace=${call}`, "-e", inject],
    ...["jailkit", "apply", ...options],
  ]);
  // What it has started goes on.
  m.must(["timeout", "60", "sh", "-c", "while pgrep -x 'user(add|del|mod)|gpasswd'; do :; done >/dev/null"]);
  if (!m.exists(MEMORY)) return [];
  // What was begun is in lines behind the rest.
  const users = m
    .read(MEMORY)
    .split("\n")
    .filter((line) => line !== "")
    .flatMap((line) => JSON.parse(line).users as { name: string; created: number | null }[]);
  const isRecorded = (name: string) => users.some((user) => user.name === name && user.created !== null);
  return accounts(m)
    .filter((name) => !(before.includes(name) || isRecorded(name)))
    .map((name) => ({ what: "hand", jail: 0, user: NAMES.indexOf(name) }));
}

/** Does what the problems of a run advise: of each, the problem is gone. */
function healAll(m: Machine, { summary }: Run, options: readonly string[], said: string[]): void {
  let left = summary.problems.map(({ message }) => message);
  for (const { message, remedy } of summary.problems) {
    // The remedy of another problem may have helped here, too: of a jail, that of its users.
    if (remedy === null || !left.includes(message)) continue;
    said.push(`heed: ${remedy}`);
    const { status, stderr } = typeRemedy(m, remedy);
    expect({ step: "remedy", remedy, status, stderr: status === 0 ? "" : stderr }).toEqual({
      ...{ step: "remedy", remedy, status: 0, stderr: "" },
    });
    left = linesOf(m, "--check", ...options).summary.problems.map((one) => one.message);
    expect({ step: "heals", remedy, left: left.filter((one) => one === message) }).toEqual({
      ...{ step: "heals", remedy, left: [] },
    });
  }
}

/** What is planned is done, and after it nothing is left to do. Returns the run. */
function runTwice(m: Machine, options: readonly string[]): Run {
  const planned = linesOf(m, "--check", ...options);
  const done = linesOf(m, ...options);
  const jails = new Set(emptied(planned).map(({ jail }) => jail));
  const late = new Set(
    done.changes.flatMap(({ of, jail, name, status }) =>
      of === "user" && jails.has(jail) && status !== "done" ? [name] : [],
    ),
  );
  const part = ({ changes, summary }: Run) => ({
    // What is not begun after an error that is foreseen is not in the plan.
    did: changes
      .filter(({ status, name }) => status !== "not-done" && !late.has(name))
      .map(({ text }) => text),
    failed: changes.filter(({ status, name }) => status === "failed" && !late.has(name)),
    problems: summary.problems.filter(({ path }) => !late.has(path)).map(({ message }) => message),
  });
  expect({ step: "run", ...part(done) }).toEqual({ step: "run", ...part(planned) });
  const again = linesOf(m, ...options);
  // What the run has done may be in the text of a problem.
  const kinds = ({ summary }: Run) => summary.problems.map(({ path, code }) => `${path}: ${code}`).sort();
  expect({ step: "again", did: part(again).did, problems: kinds(again) }).toEqual({
    ...{ step: "again", did: [], problems: kinds(done) },
  });
  const check = linesOf(m, "--check", ...options);
  expect({ step: "check", status: check.status }).toEqual({ step: "check", status: done.status });
  return done;
}

/** What the other tools say about it. `left`: jails that nobody mends. */
function judge(m: Machine, { isHurt, left }: { isHurt: boolean; left: readonly string[] }): void {
  const { stdout: checked } = m.run(["jailkit", "config", "check", "--json"]);
  const { findings } = reportOf(REPORT_SCHEMAS["jailkit config"], checked);
  // Rights may be for programs that the jail does not have.
  const found = findings.filter(({ code }) => code !== "no-such-path");
  expect({ step: "config check", found }).toEqual({ step: "config check", found: [] });
  if (isHurt) return;
  const { stdout, stderr } = m.run(["jk_check"]);
  // Homes of accounts that were removed stay, unless --delete-homes was given.
  const said = stdout
    .split("\n")
    .filter((line) => /^[A-Z]/.test(line) && !line.includes("which no account has"))
    // A run that was killed.
    .filter((line) => !line.endsWith("was left by a tool of jailkit that was interrupted"))
    .filter(
      (line) => !left.some((path) => line.includes(` ${path}/`) || line.includes(` ${path} is emptied`)),
    );
  expect({ step: "jk_check", said, stderr }).toEqual({ step: "jk_check", said: [], stderr: "" });
}

/** The export of the machine, applied, changes nothing but what somebody did by hand. */
function declareAgain(m: Machine, loose: readonly string[], byHand: readonly Edit[]): void {
  const { stdout } = m.must(["jailkit", "export", "--declaration"]);
  m.write("/root/exported.ini", stdout);
  const { changes, summary, status } = linesOf(m, "--check", "/root/exported.ini");
  const isLoose = (jail: string) => loose.some((path) => jail === path);
  // Who joined a group by hand is in it outside of the jail alone, which apply completes.
  const joined = byHand.flatMap(({ what, user }) => (what === "joins" ? `user ${NAMES[user]}: groups` : []));
  const firm = changes.filter(
    ({ what, jail, text }) =>
      !(what === "proc" && isLoose(jail)) && !joined.some((start) => text.startsWith(`+ ${start}`)),
  );
  const found = { changes: firm.map(({ text }) => text), problems: summary.problems, status };
  expect({ step: "export", stdout, ...found }).toEqual({
    ...{ step: "export", stdout, changes: [], problems: [], status: changes.length === 0 ? 0 : 10 },
  });
}

/** The machine is as if nothing else had ever been declared. */
async function compareWithFresh(m: Machine, text: string, loose: readonly string[]): Promise<void> {
  const { jails } = JSON.parse(m.must(["jailkit", "list", "--json"]).stdout);
  for (const { path, sections } of jails)
    if (sections.includes(BY_HAND)) m.must(["jk_init", "-j", path, "--remove", BY_HAND]);
  const fresh = await openRandomMachine();
  try {
    declare(fresh, text, false);
    fresh.must(["jailkit", "apply"]);
    expect({ step: "fresh", ...pictureOf(m, loose, text) }).toEqual({
      step: "fresh",
      ...pictureOf(fresh, loose, text),
    });
  } finally {
    await fresh.close();
  }
}

/** Jails that are not firm in a picture: see there. */
const looseIn = (text: string, sequence: readonly Round[]) =>
  JAILS.filter(
    (path, nth) =>
      sequence.some(({ edits }) => edits.some(({ what, jail }) => TAKES.has(what) && jail === nth)) &&
      text
        .split(/^(?=\[)/m)
        .some(
          (one) =>
            one.startsWith(`[jail ${path}]`) && !(one.includes("proc =") && one.includes("log_socket =")),
        ),
  );

const declares = (text: string, path: string) => text.includes(`[jail ${path}]\n`);

/** The jails in which somebody did something by hand, and that are not declared: it stays so. */
const leftIn = (text: string, all: readonly Edit[]) =>
  JAILS.filter((path, nth) => all.some(({ jail }) => jail === nth) && !declares(text, path));

/** Accounts outside of jails, of those that stay, as a warning of some run has said. */
const stayed = (m: Machine, text: string, told: ReadonlySet<string>) =>
  [...told].filter(
    (name) =>
      !text.includes(`[user ${name}]`) && new RegExp(`^${name}:(?!.*/\\./)`, "m").test(m.read("/etc/passwd")),
  );

/** Does what the errors and warnings advise. */
function heed(m: Machine, { summary }: Run, stay: readonly string[]): void {
  for (const name of stay) m.must(["userdel", name]);
  for (const { message } of summary.problems) {
    const [, command] = /, with: (jk_jailuser .*)$/.exec(message) ?? [];
    if (command !== undefined) m.must(command.split(" "));
  }
}

async function runAll(sequence: readonly Round[]): Promise<void> {
  const m = await openRandomMachine();
  const byHand: Edit[] = [];
  const isHurt = () => byHand.some(({ what }) => HURTS.has(what));
  // Each is told once, and then is none of apply's any more.
  const told = new Set<string>();
  const said: string[] = [];
  try {
    let text = "";
    let done: Run | undefined;
    const last = {
      ...{ options: ["--prune", "--delete-homes"], edits: [], split: false, alone: false, heed: true },
      kill: undefined,
    };
    for (const round of [...sequence, last, last]) {
      if (round === last && done !== undefined) heed(m, done, stayed(m, text, told));
      if ("wish" in round && !(round.keep && text !== "")) text = textOf(round.wish);
      declare(m, text, round.split);
      edits(m, round.edits);
      byHand.push(...round.edits);
      const options = [...round.options, ...(round.split && round.alone ? [FILES[1]] : [])];
      said.push(
        `--- ${round.edits.map(commandOf).join("\n    ")}\n${text}=> ${round.split ? "(two files) " : ""}${options.join(" ")}`,
      );
      markHomes(m);
      const others = othersOf(m);
      if (round.kill !== undefined) {
        said.push(`killed at ${round.kill.call} ${round.kill.nth}`);
        byHand.push(...killAt(m, round.kill, options));
      }
      done = runTwice(m, options);
      expect({ step: "others", ...othersOf(m) }).toEqual({ step: "others", ...others });
      requireOwnHomes(m);
      for (const line of done.summary.warnings) {
        const name = /; userdel (\S+) removes it$/.exec(line)?.[1];
        if (name !== undefined) told.add(name);
      }
      said.push(texts(done).join("\n"), problems(done).join("\n"), ...done.summary.warnings);
      if (round.heed && done.summary.problems.length > 0) {
        healAll(m, done, options, said);
        done = runTwice(m, options);
        said.push("after it:", texts(done).join("\n"), problems(done).join("\n"));
        requireOwnHomes(m);
      }
      // One file mends no jail of the other.
      if (options.length > round.options.length) continue;
      if (done.status === 0) judge(m, { isHurt: isHurt(), left: leftIn(text, byHand) });
      if (done.status === 0 && !isHurt()) declareAgain(m, looseIn(text, sequence), byHand);
    }
    if (done?.status === 0 && !isHurt()) await compareWithFresh(m, text, looseIn(text, sequence));
  } catch (error) {
    throw new Error(`${said.join("\n")}\n${error instanceof Error ? error.message : error}`);
  } finally {
    await m.close();
  }
}

test("random declarations, and changes by hand", async () => {
  await fc.assert(fc.asyncProperty(rounds, runAll), { seed: SEED, numRuns: RUNS, endOnFailure: true });
});
