/**
 * Each mutant of mutants.ts, in a copy of the checkout: the text is there once, the test that is named passes without
 * the change, and fails with it. A mutant that is called equivalent survives. JK_MUTANTS=TEXT runs those alone in whose
 * file or text TEXT occurs, or that a test file of this name kills; JK_MUTANTS_DAY=NUMBER a tenth of them, so that ten
 * days in a row take all, or another part with JK_MUTANTS_SHARES.
 */

import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import type { Mutant } from "./mutants/mutant.ts";
import { MUTANTS as ALL } from "./mutants.ts";

const root = join(import.meta.dir, "../..");
// A change that never ends would say nothing about the tests.
const LONGEST_RUN = 150_000;
// Each is judged in its turn, while the others wait.
const LONGEST_WAIT = 3_600_000;
const ENTITIES = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
const PARTS =
  "build config docs debian packaging ffi src test package.json tsconfig.json README.md CHANGELOG.md".split(
    " ",
  );
const asked = Bun.env.JK_MUTANTS ?? "";
const SHARES = Number(Bun.env.JK_MUTANTS_SHARES ?? 10);
const day = Bun.env.JK_MUTANTS_DAY;
/** The part of a mutant, which stays the same when others come and go. */
const partOf = ({ file, from, to }: Mutant) =>
  Number(Bun.hash.wyhash(`${file}\0${from}\0${to}`) % BigInt(SHARES));
const MUTANTS = ALL.filter(
  (one) =>
    `${one.file}: ${one.from} -> ${one.to} ${one.test}`.includes(asked) &&
    (day === undefined || partOf(one) === Number(day) % SHARES),
);
const copies: string[] = [];
/** Milliseconds that the mutants of a test file took. */
const spent = new Map<string, number>();
afterAll(() => {
  const slowest = [...spent].sort(([, a], [, b]) => b - a).slice(0, 12);
  for (const [file, milliseconds] of slowest) console.log(`${Math.round(milliseconds / 1000)} s: ${file}`);
  for (const copy of copies) rmSync(copy, { recursive: true, force: true });
});

function makeCopy(): string {
  const copy = mkdtempSync(join(tmpdir(), "jailkit-mutants-"));
  copies.push(copy);
  // Some tests start programs of theirs as other users.
  chmodSync(copy, 0o755);
  const there = new Set(new Bun.Glob("*").scanSync({ cwd: root, onlyFiles: false }));
  for (const part of PARTS.filter((name) => there.has(name)))
    cpSync(join(root, part), join(copy, part), { recursive: true });
  // A directory of its own: programs for tests are kept below node_modules/.cache.
  mkdirSync(join(copy, "node_modules"));
  const packages = new Bun.Glob("*").scanSync({
    cwd: join(root, "node_modules"),
    dot: true,
    onlyFiles: false,
  });
  for (const name of packages)
    if (name !== ".cache") symlinkSync(join(root, "node_modules", name), join(copy, "node_modules", name));
  return copy;
}

const sources = new Map<string, string>();
function sourceOf(file: string): string {
  const source = sources.get(file) ?? readFileSync(join(root, "test", file), "utf8");
  sources.set(file, source);
  return source;
}

/** Disposable machines share the kernel's count of a user's processes: a test that limits it runs alone. */
const runsAlone = (file: string) => !file.startsWith("unit/") && /(?<!\\)nproc/i.test(sourceOf(file));

interface Run {
  /** Titles of the tests that passed, with those of the groups that they are in. */
  passed: string[];
  failed: boolean;
  output: string;
  milliseconds: number;
}

async function runTests(copy: string, file: string, title: string | undefined, more: string[]): Promise<Run> {
  // What a test that fails leaves behind goes with it.
  const temporary = join(copy, "tmp");
  mkdirSync(temporary);
  chmodSync(temporary, 0o1777);
  const report = join(copy, "report.xml");
  const reporter = ["--reporter=junit", "--reporter-outfile", report];
  const words = ["test", "--timeout", "120000", `./test/${file}`, ...(title ? ["-t", title] : [])];
  const started = performance.now();
  const child = Bun.spawn([process.execPath, ...words, ...more, ...reporter], {
    cwd: copy,
    env: { ...process.env, NO_COLOR: "1", TMPDIR: temporary },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: LONGEST_RUN,
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  await child.exited;
  rmSync(temporary, { recursive: true, force: true, maxRetries: 10 });
  if (child.signalCode !== null) throw new Error(`${file} was still running after ${LONGEST_RUN} ms`);
  const passed = existsSync(report) ? passedIn(readFileSync(report, "utf8")) : [];
  rmSync(report, { force: true });
  const output = `${out}\n${err}`;
  const failed = child.exitCode !== 0 && /^\(fail\) |^ *[1-9]\d* fail$/m.test(output);
  return { passed, failed, output, milliseconds: performance.now() - started };
}

/** The titles in a report of the kind "junit", as -t compares them. */
function passedIn(report: string): string[] {
  const text = (xml: string) =>
    xml.replace(/&(lt|gt|quot|apos|amp);/g, (_, name: keyof typeof ENTITIES) => ENTITIES[name]);
  const cases = report.matchAll(/<testcase name="([^"]*)" classname="([^"]*)"[^>]*\/>/g);
  return [...cases].map(([, name = "", groups = ""]) =>
    `${text(text(groups)).replaceAll(" > ", " ")} ${text(name)}`.trim(),
  );
}

interface Outcome {
  occurrences: number;
  /** How many of the tests that the mutant names passed without the change. */
  passed: number;
  without: Run;
  mutated: Run;
}

/** Of each test file all titles that its mutants name, run without a change. */
const unchanged = new Map<string, Run>();

async function runUnchanged(copy: string, file: string): Promise<void> {
  const titles = MUTANTS.filter(({ test }) => test === file).map(({ title }) => title);
  const all = titles.includes(undefined)
    ? undefined
    : [...new Set(titles)].map((one) => `(?:${one})`).join("|");
  const run = () => runTests(copy, file, all, []);
  const first = await run();
  // One that fails now and then is told by its own suite.
  unchanged.set(file, first.failed ? await run() : first);
}

async function judge(copy: string, mutant: Mutant): Promise<Outcome> {
  const path = join(copy, mutant.file);
  const original = readFileSync(path, "utf8");
  const occurrences = original.split(mutant.from).length - 1;
  const without = unchanged.get(mutant.test);
  if (without === undefined) throw new Error(`${mutant.test} was not run without a change`);
  const wanted = new RegExp(mutant.title ?? "");
  const passed = without.passed.filter((title) => wanted.test(title)).length;
  // Executables that the tests start are built anew, and so are those after this.
  const removeBuilt = () => rmSync(join(copy, "dist"), { recursive: true, force: true });
  removeBuilt();
  writeFileSync(
    path,
    original.replace(mutant.from, () => mutant.to),
  );
  // A machine ends with the process that opened it; what other tests clean up must not be left out.
  const more = sourceOf(mutant.test).includes("machine/machine.ts") ? ["--bail"] : [];
  try {
    const run = () => runTests(copy, mutant.test, mutant.title, more);
    const first = await run();
    // A test that is a race may miss once what it finds.
    const mutated = first.failed || mutant.equivalent !== undefined ? first : await run();
    spent.set(mutant.test, (spent.get(mutant.test) ?? 0) + mutated.milliseconds);
    return { occurrences, passed, without, mutated };
  } finally {
    writeFileSync(path, original);
    removeBuilt();
  }
}

/** What is there to be done, in the copies, one thing at a time in each. */
async function inCopies<T>(
  copies: string[],
  things: readonly T[],
  action: (copy: string, thing: T) => unknown,
) {
  const left = [...things];
  const work = async (copy: string) => {
    for (let thing = left.shift(); thing !== undefined; thing = left.shift()) await action(copy, thing);
  };
  await Promise.all(copies.map(work));
}

/** As many at a time as there are processors, then those that run alone. */
function judgeAll(): Promise<Outcome>[] {
  const results = MUTANTS.map(() => Promise.withResolvers<Outcome>());
  for (const { promise } of results) promise.catch(() => undefined);
  const all = MUTANTS.map((mutant, i) => ({ mutant, i }));
  const files = [...new Set(MUTANTS.map(({ test }) => test))];
  const copies = cpus().map(makeCopy);
  const judgeOne = (copy: string, { mutant, i }: (typeof all)[number]) =>
    judge(copy, mutant).then(results[i]?.resolve, results[i]?.reject);
  const work = async () => {
    for (const alone of [false, true]) {
      const some = alone ? copies.slice(0, 1) : copies;
      const here = files.filter((file) => runsAlone(file) === alone);
      await inCopies(some, here, runUnchanged);
      const mutants = all.filter(({ mutant }) => runsAlone(mutant.test) === alone);
      await inCopies(some, mutants, judgeOne);
    }
  };
  work().catch((error) => {
    for (const { reject } of results) reject(error);
  });
  return results.map(({ promise }) => promise);
}

describe("mutants", () => {
  const outcomes = judgeAll();
  test.each(MUTANTS.map((mutant, i): [string, Mutant, number] => [nameOf(mutant), mutant, i]))(
    "%s",
    async (_, mutant, i) => {
      const outcome = await outcomes[i];
      if (outcome === undefined) throw new Error("not judged");
      const { occurrences, passed, without, mutated } = outcome;
      expect(occurrences, `occurrences of the text in ${mutant.file}`).toBe(1);
      // Not as lines of this run's own, which build/test.ts counts.
      if (without.failed) console.log(without.output.replace(/^/gm, "| "));
      expect({ failed: without.failed, ran: passed > 0 }, "without the change").toEqual({
        failed: false,
        ran: true,
      });
      const what = mutant.equivalent === undefined ? "nothing" : "something";
      expect(mutated.failed, `${what} fails with the change`).toBe(mutant.equivalent === undefined);
    },
    LONGEST_WAIT,
  );
});

function nameOf({ file, from, to }: Mutant): string {
  const short = (text: string) => text.replace(/\s+/g, " ").slice(0, 80);
  return `${file}: ${short(from)} -> ${short(to)}`;
}
