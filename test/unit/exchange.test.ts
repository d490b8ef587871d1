/** Whether users other than root can exchange what a path of the host names. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { commandAt, nameTarget, onlyRootExchanges } from "../../src/system/exchange.ts";

const USER = 65534;
let base: string;
let directory: string;

beforeEach(() => {
  base = mkdtempSync("/dev/shm/exchange-");
  chmodSync(base, 0o755);
  directory = `${base}/directory`;
  mkdirSync(`${directory}/roots`, { recursive: true });
  mkdirSync(`${directory}/users`);
  chownSync(`${directory}/users`, USER, USER);
});
afterEach(() => rmSync(base, { recursive: true }));

describe("onlyRootExchanges", () => {
  test.each<[owner: number, group: number, mode: number, roots: boolean, users: boolean, missing: boolean]>([
    [0, 0, 0o755, true, true, true],
    [0, 0, 0o775, true, true, true],
    [0, USER, 0o775, false, false, false],
    [0, 0, 0o777, false, false, false],
    [0, 0, 0o1777, true, false, false],
    [0, 0, 0o1775, true, false, false],
    [USER, 0, 0o755, false, false, false],
    [USER, 0, 0o1755, false, false, false],
    [USER, 0, 0o775, false, false, false],
  ])("in a directory of uid %d, gid %d, mode %o", (uid, gid, mode, roots, users, missing) => {
    chownSync(directory, uid, gid);
    chmodSync(directory, mode);
    const found = ["roots", "users", "missing"].map((name) => onlyRootExchanges(`${directory}/${name}`));
    expect(found).toEqual([roots, users, missing]);
  });
  test("below a directory of a user", () => {
    expect(onlyRootExchanges(`${directory}/users/x/y`)).toBe(false);
    expect(commandAt(`${directory}/users/x`, "rm x")).toEqual({
      words: `first let root alone write the directories above ${directory}/users/x`,
    });
    expect(commandAt(`${directory}/roots/x`, "rm x")).toBe("rm x");
  });
  test("no path through a symbolic link or '..'", () => {
    symlinkSync("roots", `${directory}/link`);
    expect(onlyRootExchanges(`${directory}/link`)).toBe(true);
    expect(onlyRootExchanges(`${directory}/link/x`)).toBe(false);
    expect(onlyRootExchanges(`${directory}/roots/../roots`)).toBe(false);
  });
  test.each<[target: string, ours: boolean]>([
    ["roots", true],
    ["../directory/roots", true],
    ["missing", true],
    ["users", true],
    ["users/x", false],
    ["roots/../users/x", false],
    ["roots/../roots", true],
    ["third/x", true],
    ["fourth/x", false],
    ["/dev/shm/x", false],
    ["second", false],
    ["link", false],
  ])("no command follows a link to %s, if others can exchange that", (target, ours) => {
    const link = `${directory}/link`;
    symlinkSync(target, link);
    symlinkSync("users/x", `${directory}/second`);
    symlinkSync("roots", `${directory}/third`);
    symlinkSync("users", `${directory}/fourth`);
    const words = `first put what is root's alone in the place of the symbolic link ${link}`;
    for (const command of ["chmod a+r x", "sed -i x x", "chown root x", "install x x"] as const)
      expect(commandAt(link, command)).toEqual(ours ? command : { words });
    expect(nameTarget(link).includes(": /")).toBe(ours);
    // These are for the link itself, or look at what they open.
    for (const command of ["mv -nT x y", "rm x", "chown -h root x", "jk_check --fix x"] as const)
      expect(commandAt(link, command)).toBe(command);
  });
});
