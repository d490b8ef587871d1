import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { NewDirectories } from "../../src/populate/open-jail.ts";
import { makeJail, type TestJail } from "./jail-helper.ts";

let jail: TestJail;
beforeEach(() => {
  jail = makeJail();
});
afterEach(() => jail.close());

/** The directories above a new jail and it, after it was made and something was done. */
function after(what: (path: string) => void, keep = false): boolean[] {
  const above = `${jail.base}/above`;
  const path = `${above}/next/jail`;
  {
    using made = new NewDirectories();
    made.make(path);
    what(path);
    if (keep) made.keep();
  }
  return [above, `${above}/next`, path].map((one) => existsSync(one));
}

describe("directories that were created for a jail", () => {
  test("go if they are empty, and those above", () => {
    expect(after(() => {})).toEqual([false, false, false]);
  });

  test("stay if they are to be kept", () => {
    expect(after(() => {}, true)).toEqual([true, true, true]);
  });

  test("stay if somebody has put something there", () => {
    expect(after((path) => writeFileSync(`${path}/file`, ""))).toEqual([true, true, true]);
    expect(after((path) => writeFileSync(`${path}/../file`, ""))).toEqual([true, true, true]);
  });

  test("that were there before stay", () => {
    mkdirSync(`${jail.base}/above`);
    expect(after(() => {})).toEqual([true, false, false]);
  });

  test("stay if another one has the name now", () => {
    const exchange = (path: string) => {
      renameSync(path, `${jail.base}/aside`);
      mkdirSync(path);
    };
    expect(after(exchange)).toEqual([true, true, true]);
  });
});
