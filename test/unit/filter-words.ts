import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { proofsFor } from "../../build/filters/proofs.ts";
import { compileTogether, readFilters, WORDS } from "../../build/filters/source.ts";
import type { Rule } from "../../build/filters/text.ts";
import type { Architecture } from "../../build/guard.ts";
import { SESSION_FILTERS, type SessionFilter } from "../../ffi/seccomp.ts";
import type { FilterName as OtherName } from "../../src/confine/filters.ts";

/** A file of config/filters/. */
export type FilterName = SessionFilter | OtherName;

const texts = readFilters();

/** The names of all filters. */
export const NAMES = [...texts.keys()] as FilterName[];

/** The text of a filter in config/filters/. */
export function textOf(name: FilterName) {
  const text = texts.get(name);
  if (text === undefined) throw new Error(`${name}: no such filter`);
  return text;
}

const compiled = new Map<string, Uint32Array>();

/** A filter, compiled from its text for an architecture, which need not be that of this machine. */
export function wordsFor(name: FilterName, architecture: Architecture): Uint32Array {
  const key = `${name} ${architecture}`;
  const words = compiled.get(key) ?? compileTogether([name], architecture);
  compiled.set(key, words);
  return words;
}

/** The architecture of this machine. */
export const HERE: Architecture = process.arch === "arm64" ? "arm64" : "x64";

const [arm64 = "", x64 = ""] = readFileSync(join(import.meta.dir, "../..", WORDS.guard), "latin1").split(
  "#else\n",
);
const guard = { arm64, x64 }[HERE];

/** Filters of a session as the one program that all executables have for this machine. */
export function wordsInGuard(names: readonly SessionFilter[]): Uint32Array {
  const words = guard.split(`/* ${names.join(", ")} */\n`)[1]?.split(/[{}]/)[1];
  if (words === undefined) throw new Error(`${names}: no such program`);
  return Uint32Array.from(words.split(","), Number);
}

/** How the filters of a session show that they are in force here. */
export const PROOFS = proofsFor(HERE);

/** The filters of a session by their bits, in the order in which they are installed. */
export const filtersIn = (bits: number): SessionFilter[] =>
  (Object.keys(SESSION_FILTERS) as SessionFilter[]).filter((name) => (bits & SESSION_FILTERS[name]) !== 0);

/** The largest argument of a call. */
export const LONG = 2n ** 64n - 1n;

/** The six arguments of a call: small ones, single bits and others. */
export const anyArguments = fc.array(
  fc.oneof(
    fc.bigInt(0n, 64n),
    fc.bigInt(0n, LONG),
    fc.nat(63).map((bit) => 1n << BigInt(bit)),
  ),
  { minLength: 6, maxLength: 6 },
);

/** Arguments that the conditions of a call distinguish, and some that they do not. */
export function interesting(rules: readonly Rule[]): bigint[][] {
  const values = new Map<number, Set<bigint>>();
  for (const { argument, anyOf } of rules.flatMap(({ conditions }) => conditions)) {
    const found = values.get(argument) ?? new Set([0n, 1n, 0xffffffffn, LONG]);
    values.set(argument, found);
    for (const { value } of anyOf)
      for (const near of [
        value - 1n,
        value,
        value + 1n,
        value | (1n << 32n),
        value | (1n << 63n),
        value | 0x80000n,
      ])
        found.add(BigInt.asUintN(64, near));
  }
  let all: bigint[][] = [[0n, 0n, 0n, 0n, 0n, 0n]];
  for (const [argument, found] of values)
    all = all.flatMap((given) => [...found].map((value) => given.with(argument, value)));
  // Some 10,000 are enough of them.
  const step = 2 * Math.floor(all.length / 20_000) + 1;
  return [...all.filter((_, i) => i % step === 0), [LONG, LONG, LONG, LONG, LONG, LONG]];
}
