/**
 * config/filters/: the programs that are made of several filters decide as those of libseccomp do one after the other, for
 * each call and very many arguments. test/unit/filters.test.ts compares some of them.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { ALL, Decisions } from "../../build/filters/decisions.ts";
import { callNumber, callsOf, compileFilter } from "../../build/filters/libseccomp.ts";
import { programOf } from "../../build/filters/program.ts";
import { compileTogether, filterWords, SETS } from "../../build/filters/source.ts";
import { ARCHITECTURES } from "../../ffi/seccomp.ts";
import { filtersOf } from "../../src/confine/confine.ts";
import {
  anyArguments,
  type FilterName,
  filtersIn,
  HERE,
  interesting,
  LONG,
  NAMES,
  PROOFS,
  textOf,
  wordsFor,
} from "../unit/filter-words.ts";
import { endOf, judge, stricter } from "../unit/seccomp-filter.ts";

const MACHINES = ["x64", "arm64"] as const;

test("the words in the programs are those of the texts", () => {
  for (const [file, text] of filterWords())
    expect(readFileSync(join(import.meta.dir, "../..", file), "utf8")).toBe(text);
});

describe.each(MACHINES)("a program of several filters decides as libseccomp's apart, on %s", (machine) => {
  const calls = callsOf(machine).map((call) => ({ call, number: callNumber(call, machine) ?? -1 }));
  const apart = new Map(NAMES.map((name) => [name, compileFilter(textOf(name), machine, name)]));

  const strictest = (names: readonly string[], call: Parameters<typeof judge>[1]) =>
    names.map((name) => judge(apart.get(name as FilterName) ?? new Uint32Array(), call)).reduce(stricter);

  test.each([...NAMES.map((name) => [name]), ...SETS].map((names) => [names.join("+"), names] as const))(
    "%s",
    (_, names) => {
      const program = compileTogether(names, machine);
      const rules = names.flatMap((name) => textOf(name as FilterName).rules);
      const wrong: unknown[] = [];
      const compare = (arch: number, number: number, given: readonly bigint[]) => {
        const call = { arch, number, arguments: given };
        const [says, expected] = [judge(program, call), strictest(names, call)];
        if (says !== expected) wrong.push({ arch, number, given, says, expected });
      };
      for (const { call, number } of calls)
        for (const given of interesting(rules.filter((rule) => rule.call === call)))
          compare(ARCHITECTURES[machine], number, given);
      const archs = [0, 0x40000003, 0x40000028, 0xc000003e, 0xc00000b7, 0xc0000016, 0xffffffff];
      const some = [
        [],
        [0n, 0x5412n],
        [2n, 3n, 0x5412n],
        [16n, 1n, 1n],
        [LONG, LONG, LONG, LONG, LONG, LONG],
      ];
      for (const arch of archs)
        for (const number of [
          ...Array(700).keys(),
          ...[0, 41, 600].map((n) => 0x40000000 + n),
          0x3fffffff,
          2 ** 32 - 1,
        ])
          for (const given of some) compare(arch, number, given);
      expect(wrong).toEqual([]);
    },
    60_000,
  );

  test("any call, with any arguments", () => {
    const programs = SETS.map((names) => ({ names, program: compileTogether(names, machine) }));
    const ruled = new Set(NAMES.flatMap((name) => textOf(name).rules.map(({ call }) => call)));
    const numbers = calls.filter(({ call }) => ruled.has(call)).map(({ number }) => number);
    fc.assert(
      fc.property(
        fc.constantFrom(...programs),
        fc.constantFrom(...numbers),
        anyArguments,
        ({ names, program }, number, given) => {
          const call = { arch: ARCHITECTURES[machine], number, arguments: given };
          expect(judge(program, call)).toBe(strictest(names, call));
        },
      ),
      { numRuns: 5000 },
    );
  });
});

describe("the filters of a session with any settings, whether in one program or one after the other", () => {
  type Settings = Parameters<typeof filtersOf>[0];
  const ports = fc.constantFrom<Settings["tcpBind"]>("all", [], [443]);
  const settings: fc.Arbitrary<Settings> = fc.record({
    noNewPrivs: fc.constant(true),
    require: fc.boolean(),
    scope: fc.boolean(),
    read: fc.constantFrom<Settings["read"]>("all", []),
    write: fc.constantFrom<Settings["write"]>("all", []),
    syscalls: fc.constantFrom<Settings["syscalls"]>("any", "login"),
    network: fc.constantFrom<Settings["network"]>("all", "local", "none"),
    tcpConnect: ports,
    tcpBind: ports,
    execute: fc.constantFrom<Settings["execute"]>("any", { named: [], executables: [], home: "/home/u" }),
  });
  const compiled = (name: string) => compileFilter(textOf(name as FilterName), HERE, name);
  const apart = new Map(NAMES.map((name) => [name as string, compiled(name)]));
  const numbers = callsOf(HERE).map((call) => callNumber(call, HERE) ?? -1);
  const number = fc.oneof(
    fc.constantFrom(...numbers),
    fc.constantFrom(...Object.values(PROOFS).map(({ call }) => call)),
  );
  const arch = fc.oneof(
    { weight: 9, arbitrary: fc.constant(ARCHITECTURES[HERE]) },
    fc.constantFrom(0x40000003, 0x40000028, 0),
  );
  const all = (programs: readonly Uint32Array[], call: Parameters<typeof judge>[1]) =>
    programs.map((program) => judge(program, call)).reduce(stricter, "allow");

  const together = new Map(SETS.map((names) => [names.join("+"), compileTogether(names, HERE)]));

  /** The names, and the programs that a session installs: see install_filters of the guard. */
  function installed(values: Settings): { names: string[]; programs: Uint32Array[] } {
    const names = filtersIn(filtersOf(values));
    const key = names.join("+");
    const program = together.get(key);
    const programs = program === undefined ? names.map((name) => wordsFor(name, HERE)) : [program];
    return { names: [...names, "terminal"], programs: [...programs, wordsFor("terminal", HERE)] };
  }

  test("decide as libseccomp's, and as one program of all would", () => {
    const sets = new Map<string, Uint32Array>();
    const apartOnes = new Set<string>();
    fc.assert(
      fc.property(settings, number, arch, anyArguments, (values, call, machine, words) => {
        const { names, programs } = installed(values);
        const key = names.join("+");
        if (programs.length > 2) apartOnes.add(key);
        const together = sets.get(key) ?? compileTogether(names, HERE);
        sets.set(key, together);
        const asked = { number: call, arch: machine, arguments: words };
        const says = all(programs, asked);
        expect([key, says]).toEqual([key, judge(together, asked)]);
        expect([key, says]).toEqual([
          key,
          all(
            names.map((name) => apart.get(name) ?? new Uint32Array()),
            asked,
          ),
        ]);
      }),
      { numRuns: 10_000 },
    );
    // All that settings can ask for, and those for which there is no program of all.
    expect([sets.size, apartOnes.size]).toEqual([36, 21]);
  });

  test("each proves that it is in force", () => {
    fc.assert(
      fc.property(settings, (values) => {
        const { names, programs } = installed(values);
        for (const name of names) {
          if (!(name in PROOFS)) continue;
          const { call, arguments: given, errno } = PROOFS[name as keyof typeof PROOFS];
          const asked = { number: call, arch: ARCHITECTURES[HERE], arguments: given.map(BigInt) };
          const others = names
            .filter((other) => other !== name)
            .map((other) => wordsFor(other as FilterName, HERE));
          expect([names, name, all(programs, asked)]).toEqual([names, name, endOf({ errno })]);
          expect([names, name, all(others, asked)]).toEqual([names, name, "allow"]);
        }
      }),
      { numRuns: 500 },
    );
  });
});

test("a short program decides as the filter that it is made from, whatever that says", () => {
  const ENDS = [0x7fff0000, 0x80000000, 0x50001, 0x5000d];
  const value = fc.constantFrom(0, 1, 2, 3, 8, 9, 15, 16, 0x80000000, 0xfffffff0, 0xffffffff);
  const mask = fc.constantFrom(1, 2, 3, 8, 15, 0x80000000, 0xfffffff0, 0xffffffff);
  const step = fc.record({
    offset: fc.constantFrom(0, 4, 16),
    mask,
    // Some bits of a word are not compared by size.
    code: fc.constantFrom(0x15, 0x45, 0x25, 0x35),
    value,
    yes: fc.nat(5),
    no: fc.nat(5),
  });
  const filter = fc.array(step, { minLength: 1, maxLength: 6 }).map((steps) => {
    const size = (at: number) => (steps[at]?.mask === ALL ? 2 : 3);
    const places = steps.map((_, at) => steps.slice(0, at).reduce((sum, _step, i) => sum + size(i), 0));
    const end = steps.reduce((sum, _step, i) => sum + size(i), 0);
    // To a later step, or to an end.
    const target = (at: number, ahead: number) => places[at + 1 + ahead] ?? end + (ahead % ENDS.length);
    const words = steps.flatMap((one, at) => {
      const jump = (places[at] ?? 0) + size(at) - 1;
      const [yes, no] = [target(at, one.yes) - jump - 1, target(at, one.no) - jump - 1];
      const code = one.mask === ALL || one.code < 0x20 ? one.code : 0x45;
      return [
        ...[0x20, one.offset],
        ...(one.mask === ALL ? [] : [0x54, one.mask]),
        ...[code | (yes << 16) | (no << 24), one.value],
      ];
    });
    return Uint32Array.from([...words, ...ENDS.flatMap((action) => [0x06, action])]);
  });
  const words = fc.record({ number: value, arch: value, given: value });
  fc.assert(
    fc.property(filter, filter, fc.array(words, { minLength: 20, maxLength: 20 }), (one, other, calls) => {
      const decisions = new Decisions();
      const alone = programOf(decisions.together([decisions.read(one)]));
      const both = programOf(decisions.together([decisions.read(one), decisions.read(other)]));
      for (const { number, arch, given } of calls) {
        const call = { number, arch, arguments: [BigInt(given)] };
        expect(judge(alone, call)).toBe(judge(one, call));
        expect(judge(both, call)).toBe(stricter(judge(one, call), judge(other, call)));
      }
    }),
    { numRuns: 3000 },
  );
});

test("a program of several filters is shorter than theirs", () => {
  const length = (names: readonly string[]) => compileTogether(names, HERE).length / 2;
  for (const names of SETS) {
    expect(length(names)).toBeLessThan(160);
    expect(length(names)).toBeLessThan(names.reduce((sum, name) => sum + length([name]), 0));
  }
});
