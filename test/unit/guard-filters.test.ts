/** The filters of a session, as the guard installs them: ffi/guard/filters.c, in a program of its own. */
import { describe, expect, test } from "bun:test";
import { constants } from "node:os";
import { join } from "node:path";
import { callNumber } from "../../build/filters/libseccomp.ts";
import { SETS } from "../../build/filters/source.ts";
import { SESSION_FILTERS, type SessionFilter } from "../../ffi/seccomp.ts";
import { compiledC } from "../machine/helper.ts";
import { filtersIn, HERE, PROOFS } from "./filter-words.ts";

const program = compiledC(join(import.meta.dir, "guard-filters.c"));
const refuse = compiledC(join(import.meta.dir, "../attack/refuse-call.c"), ["-static"]);
const NAMES = Object.keys(SESSION_FILTERS) as SessionFilter[];
const bitsOf = (names: readonly string[]) =>
  NAMES.reduce((bits, name) => bits | (names.includes(name) ? SESSION_FILTERS[name] : 0), 0);
// Both kinds of network filter are never asked for together.
const ALL = Array.from({ length: 64 }, (_, bits) => bits).filter((bits) => (bits & 6) !== 6);

/** What came of installing filters: the result, the number of filters, and the error of each proof. */
function install(bits: number, under: readonly string[] = []) {
  const { stdout, stderr, exitCode } = Bun.spawnSync([...under, program, `${bits}`]);
  expect([exitCode, stderr.toString()]).toEqual([0, ""]);
  const [result, count, ...errors] = stdout.toString().trim().split(" ").map(Number);
  return { result, count, errors };
}

/** Says this errno to prctl(PR_SET_SECCOMP). */
const lying = (error: number) => [refuse, `${error}`, `${callNumber("prctl", HERE)}:22`, "--"];

const none = install(0);

test("without filters each proof has another error", () => {
  expect(none).toMatchObject({ result: 0, count: 0 });
  for (const [i, name] of NAMES.entries())
    expect([name, none.errors[i] === PROOFS[name].errno]).toEqual([name, false]);
});

test("each set of filters is installed and proved, as one program if sessions often have it", () => {
  const sets = SETS.map(bitsOf);
  for (const bits of ALL) {
    const names = filtersIn(bits);
    const { result, count, errors } = install(bits);
    const proofs = names.map((name) => errors[NAMES.indexOf(name)]);
    const expected: unknown[] = [
      0,
      sets.includes(bits) ? 1 : names.length,
      names.map((name) => PROOFS[name].errno),
    ];
    expect([names, result, count, proofs] as unknown[]).toEqual([names, ...expected]);
  }
});

describe("a kernel", () => {
  const { EINVAL, EACCES } = constants.errno;

  test("that says that it installed a filter, and did not, is not believed", () => {
    for (const bits of ALL.slice(1))
      expect([bits, install(bits, lying(0)).result === 0]).toEqual([bits, false]);
    for (const name of NAMES)
      expect([name, install(SESSION_FILTERS[name], lying(0)).result]).toEqual([name, -PROOFS[name].errno]);
  });

  test("without filters is told from one that refuses them", () => {
    for (const bits of ALL.slice(1)) {
      expect(install(bits, lying(EINVAL)).result).toBe(1);
      expect(install(bits, lying(EACCES)).result).toBe(-EACCES);
    }
  });
});

test("a filter that the guard does not know is an error", () => {
  expect(install(64).result).toBe(-constants.errno.EINVAL);
  expect(install(SESSION_FILTERS.login | 64).result).toBe(-constants.errno.EINVAL);
});
