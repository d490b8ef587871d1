/**
 * npm test: checks types, lint and structure, builds, and runs every test against the new executables; then the behaviour
 * tests against jailkit 2.23, and the tests of logins with the files as packages install them. Ends with `N passed, N
 * failed`.
 *
 * Arguments select parts: check, unit, machine, attack, differential, debian, e2e, words, package, slow, mutants. `words`
 * types the commands in README.md, docs/ and the manual pages; `mutants` breaks the code rule by rule, and expects a test
 * to fail. All of them take hours: without arguments a part is taken, another one each day; the longer the rest took, the
 * smaller it is, from a tenth to a hundredth.
 */
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";

const root = join(import.meta.dir, "..");
const bun = process.execPath;
let passed = 0;
let failed = 0;
let skipped = 0;
// Printed again at the end: whoever reads the last page of a long run sees what failed.
const failures: { title: string; before: string[] }[] = [];
const LINES_OF_FAILURE = 25;
// At a time: half of the time a file waits, for daemons, pauses and time-outs.
const FILES = 2 * availableParallelism();
// How many files of a folder are named with their time.
const SLOWEST = 5;
// These take longest, and begin first, so that all processors have work to the end.
const LONG =
  /^(?:verdicts|words|fleet|packages-size|packages-lintian|packages-checkout|uploads|update-faults|remedies-check|silent-services)\./;

/** Runs a program to its end, as `bun test` or a check of the sources. */
async function outputOf(words: readonly string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([...words], {
    ...{ cwd: root, env: { ...process.env, ...env } },
    ...({ stdin: "ignore", stdout: "pipe", stderr: "pipe" } as const),
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { status: await child.exited, out, err };
}

async function step(name: string, words: string[]): Promise<boolean> {
  const { status, out, err } = await outputOf(words);
  const ok = status === 0;
  if (!ok) process.stdout.write(`${out}${err}`);
  if (ok) passed++;
  else {
    failed++;
    failures.push({ title: name, before: `${out}${err}`.trimEnd().split("\n") });
  }
  console.log(`${ok ? "ok" : "FAILED"}: ${name}`);
  return ok;
}

/** Keeps the failed tests in the output of `bun test`, each with the lines before its name, which give the reason. */
function keepFailures(output: string, name: string): void {
  let before: string[] = [];
  for (const line of output.split("\n")) {
    if (line.startsWith("(fail)")) failures.push({ title: `${name}: ${line}`, before });
    if (/^\((pass|fail|skip|todo)\)/.test(line)) before = [];
    else before.push(line);
  }
}

/** Counts the results of a `bun test` run by its last lines. Returns whether it passed. */
function tally(output: string, status: number, name: string): boolean {
  const count = (word: string) => Number(new RegExp(`^ *(\\d+) ${word}$`, "m").exec(output)?.[1] ?? 0);
  const [pass, fail] = [count("pass"), count("fail")];
  passed += pass;
  failed += fail;
  skipped += count("skip");
  // A crash, or a file that cannot be loaded, leaves no failed test.
  const silent = (status !== 0 && fail === 0) || (status === 0 && pass === 0);
  keepFailures(output, name);
  if (silent) {
    failed++;
    failures.push({ title: `${name}: status ${status}`, before: output.trimEnd().split("\n") });
    console.log(`FAILED: ${name}: ended with status ${status} and ${pass} tests passed`);
  }
  return !silent && fail === 0;
}

/** Runs test files in one `bun test`, and prints its output without the tests that passed. */
async function runFiles(
  files: readonly string[],
  env: Record<string, string>,
  name: string,
): Promise<boolean> {
  // Several at once, on all cores, each with globals of its own.
  const apart = files.length > 1 ? ["--parallel"] : [];
  const { status, out, err } = await outputOf([bun, "test", "--timeout", "120000", ...apart, ...files], env);
  const output = `${out}\n${err}`;
  if (status !== 0) console.log(output.replace(/^\(pass\).*\n/gm, ""));
  // Except the counts of test/words.
  else process.stdout.write(/^\d+ blocks: .*\n(?: {2}.*\n)*/m.exec(output)?.[0] ?? "");
  return tally(output, status, name);
}

/** Test files of a folder that run together. */
interface Suite {
  readonly folder: string;
  readonly env?: Record<string, string>;
  readonly only?: RegExp;
}

/** Files that run in one process, for a suite with this name. */
interface Task {
  readonly suite: string;
  readonly files: readonly string[];
  readonly env: Record<string, string>;
}

function tasksOf({ folder, env = {}, only = /./ }: Suite): Task[] {
  const suite = [...Object.entries(env).map(([key, value]) => `${key}=${value}`), folder].join(" ");
  const files = readdirSync(join(root, "test", folder))
    .filter((file) => file.endsWith(".test.ts") && only.test(file))
    .sort()
    .map((file) => `./test/${folder}/${file}`);
  // Those of test/unit are many and short.
  const groups = folder === "unit" ? [files] : files.map((file) => [file]);
  return groups.map((group) => ({ suite, files: group, env }));
}

/** Runs suites, some files at a time: one that takes long leaves no core without work. Prints a line about each suite. */
async function run(...suites: readonly Suite[]): Promise<void> {
  const tasks = suites.flatMap(tasksOf);
  const isLong = ({ files: [first = "", ...others] }: Task) =>
    others.length === 0 && LONG.test(basename(first));
  const queue = [...tasks.filter(isLong), ...tasks.filter((task) => !isLong(task))];
  const left = Map.groupBy(tasks, ({ suite }) => suite);
  const done = new Map<string, { ok: boolean; times: { file: string; seconds: number }[] }>();
  const work = async () => {
    for (let task = queue.shift(); task !== undefined; task = queue.shift()) {
      const { suite, files, env } = task;
      const start = performance.now();
      const ok = await runFiles(files, env, files.length === 1 ? `${suite} ${files}` : suite);
      const result = done.getOrInsertComputed(suite, () => ({ ok: true, times: [] }));
      result.ok &&= ok;
      const seconds = Math.round((performance.now() - start) / 1000);
      result.times.push({ file: basename(files[0] ?? "", ".test.ts"), seconds });
      if (result.times.length === left.get(suite)?.length) report(suite, result.ok, result.times);
    }
  };
  await Promise.all(Array.from({ length: FILES }, work));
}

function report(suite: string, ok: boolean, times: { file: string; seconds: number }[]): void {
  times.sort((a, b) => b.seconds - a.seconds);
  const slowest = times.length > SLOWEST ? times.slice(0, SLOWEST) : [];
  const longest = slowest.map(({ file, seconds }) => `, ${file} ${seconds} s`).join("");
  const all = times.reduce((sum, { seconds }) => sum + seconds, 0);
  console.log(`${ok ? "ok" : "FAILED"}: ${suite} (${all} s in all${longest})`);
}

const asked = process.argv.slice(2);
const wanted = (part: string) => asked.length === 0 || asked.includes(part);

async function check(): Promise<void> {
  await step("tsc --noEmit", [join(root, "node_modules/.bin/tsc"), "--noEmit", "-p", root]);
  await step("biome check", [join(root, "node_modules/.bin/biome"), "check", "--error-on-warnings", root]);
  await step("the structure", [bun, join(root, "build/check-structure.ts")]);
}

/** The executables, and the packages, which test files that run in parallel would each make. Returns whether there are any. */
async function build(): Promise<boolean> {
  if (!(await step("npm run build", [bun, join(root, "build/compile.ts")]))) return false;
  if (wanted("e2e") || wanted("slow"))
    await step("packages for the tests", [bun, join(root, "test/e2e/packages-scene.ts")]);
  return true;
}

// The checks and test/unit need no executables: who runs them before each commit does not wait for a build.
const isBuildWanted = asked.length === 0 || asked.some((part) => part !== "check" && part !== "unit");
const [isBuilt] = await Promise.all([
  isBuildWanted && build(),
  wanted("check") && check(),
  wanted("unit") && run({ folder: "unit" }),
]);
if (isBuilt) {
  const underPackage = /^(chrootsh|confine(?!-)|lsh|procmailwrapper|uchroot)\b/;
  const parts: Record<string, readonly Suite[]> = {
    ...Object.fromEntries(
      ["machine", "attack", "differential", "e2e", "words"].map((folder) => [folder, [{ folder }]]),
    ),
    slow: [{ folder: "slow", only: /^(?!mutants)/ }],
    debian: [{ folder: "differential", env: { JK_UNDER_TEST: "debian" } }],
    // The tests of confine-* have both layouts in them.
    package: ["attack", "differential", "e2e"].map((folder) => ({
      ...{ folder, env: { JK_LAYOUT: "package" }, only: underPackage },
    })),
  };
  await run(...Object.entries(parts).flatMap(([part, suites]) => (wanted(part) ? suites : [])));
  const day = Math.floor(Date.now() / 86_400_000);
  const minutes = performance.now() / 60_000;
  // A tenth takes a quarter of an hour on two cores, and all must end well within an hour.
  const shares = minutes < 30 ? 10 : minutes < 38 ? 20 : minutes < 44 ? 50 : 100;
  const some = { JK_MUTANTS_DAY: String(day), JK_MUTANTS_SHARES: String(shares) };
  const env: Record<string, string> = asked.length === 0 ? some : {};
  if (wanted("mutants")) await run({ folder: "slow", env, only: /^mutants/ });
}
for (const { title, before } of failures)
  console.log(`\n${before.slice(-LINES_OF_FAILURE).join("\n")}\n${title}`);
for (const { title } of failures) console.log(`FAILED: ${title}`);
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed === 0 ? 0 : 1);
