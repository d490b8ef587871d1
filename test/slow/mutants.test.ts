/**
 * Each mutant of mutants.ts, in a copy of the checkout: the text is there once, the test that is named passes without
 * the change, and fails with it. A mutant that is called equivalent survives. JK_MUTANTS=TEXT runs those alone in whose
 * file or text TEXT occurs.
 */
import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { MUTANTS as ALL, type Mutant } from "./mutants.ts";

const root = join(import.meta.dir, "../..");
// A change that never ends would say nothing about the tests.
const LONGEST_RUN = 300_000;
const PARTS =
  "build config docs debian packaging ffi src test package.json tsconfig.json README.md CHANGELOG.md".split(
    " ",
  );
const asked = Bun.env.JK_MUTANTS ?? "";
const MUTANTS = ALL.filter(({ file, from, to }) => `${file}: ${from} -> ${to}`.includes(asked));
const copies: string[] = [];
afterAll(() => {
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
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  return copy;
}

interface Run {
  passed: number;
  failed: number;
  output: string;
}

// Disposable machines share the kernel's count of a user's processes, which some tests limit: one at a time.
let machine: Promise<unknown> = Promise.resolve();

/** Runs the tests of a mutant in a copy. */
function run(copy: string, mutant: Mutant): Promise<Run> {
  if (mutant.test.startsWith("unit/")) return runTests(copy, mutant);
  const next = machine.then(() => runTests(copy, mutant));
  machine = next.catch(() => undefined);
  return next;
}

async function runTests(copy: string, { test: file, title }: Mutant): Promise<Run> {
  // Executables that the tests start are built anew.
  rmSync(join(copy, "dist"), { recursive: true, force: true });
  // What a test that fails leaves behind goes with it.
  const temporary = join(copy, "tmp");
  mkdirSync(temporary);
  chmodSync(temporary, 0o1777);
  const words = ["test", "--timeout", "120000", `./test/${file}`, ...(title ? ["-t", title] : [])];
  const child = Bun.spawn([process.execPath, ...words], {
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
  if (child.signalCode !== null) throw new Error(`${file} was still running after ${LONGEST_RUN} ms`);
  rmSync(temporary, { recursive: true, force: true });
  const output = `${out}\n${err}`;
  const count = (word: string) => Number(new RegExp(`^ *(\\d+) ${word}$`, "m").exec(output)?.[1] ?? 0);
  return { passed: count("pass"), failed: count("fail"), output };
}

interface Outcome {
  occurrences: number;
  without: Run;
  mutated: Run;
}

// Of the mutants that name the same tests only the first runs them unchanged.
const unchanged = new Map<string, Run>();

async function judge(copy: string, mutant: Mutant): Promise<Outcome> {
  const path = join(copy, mutant.file);
  const original = readFileSync(path, "utf8");
  const occurrences = original.split(mutant.from).length - 1;
  const key = `${mutant.test} ${mutant.title ?? ""}`;
  const without = unchanged.get(key) ?? (await run(copy, mutant));
  unchanged.set(key, without);
  writeFileSync(
    path,
    original.replace(mutant.from, () => mutant.to),
  );
  try {
    return { occurrences, without, mutated: await run(copy, mutant) };
  } finally {
    writeFileSync(path, original);
  }
}

/** As many at a time as there are processors, in the order of the list. */
function judgeAll(): Promise<Outcome>[] {
  const results = MUTANTS.map(() => Promise.withResolvers<Outcome>());
  let next = 0;
  const work = async () => {
    const copy = makeCopy();
    for (let i = next++; i < MUTANTS.length; i = next++) {
      const mutant = MUTANTS[i];
      const result = results[i];
      if (mutant === undefined || result === undefined) return;
      await judge(copy, mutant).then(result.resolve, result.reject);
    }
  };
  for (let i = 0; i < Math.max(1, cpus().length); i++) void work();
  for (const { promise } of results) promise.catch(() => undefined);
  return results.map(({ promise }) => promise);
}

describe("mutants", () => {
  const outcomes = judgeAll();
  test.each(MUTANTS.map((mutant, i): [string, Mutant, number] => [nameOf(mutant), mutant, i]))(
    "%s",
    async (_, mutant, i) => {
      const outcome = await outcomes[i];
      if (outcome === undefined) throw new Error("not judged");
      const { occurrences, without, mutated } = outcome;
      expect(occurrences, `occurrences of the text in ${mutant.file}`).toBe(1);
      if (without.failed > 0 || without.passed === 0) console.log(without.output);
      expect({ failed: without.failed, ran: without.passed > 0 }, "without the change").toEqual({
        failed: 0,
        ran: true,
      });
      if (mutant.equivalent === undefined)
        expect(mutated.failed, "tests that fail with the change").toBeGreaterThan(0);
      else expect(mutated.failed, "tests that fail though it is called equivalent").toBe(0);
    },
    600_000,
  );
});

test("none is there twice", () => {
  expect(new Set(ALL.map(({ file, from, to }) => `${file}\0${from}\0${to}`)).size).toBe(ALL.length);
});

function nameOf({ file, from, to }: Mutant): string {
  const short = (text: string) => text.replace(/\s+/g, " ").slice(0, 80);
  return `${file}: ${short(from)} -> ${short(to)}`;
}
