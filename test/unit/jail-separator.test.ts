import { describe, expect, test } from "bun:test";
import { dirsEqual, isHomeIn, joinHome, normalHome, splitHome } from "../../src/system/separator.ts";

describe("splitHome", () => {
  const table: [home: string, jail: string | undefined, rest: string][] = [
    ["/srv/j/./home/u", "/srv/j", "/home/u"],
    ["/srv/j/./home/u/", "/srv/j", "/home/u/"],
    ["/z/./home", "/z", "/home"],
    ["/zz/./home", "/zz", "/home"],
    ["/srv/j//./h", "/srv/j/", "/h"],
    ["/srv/j/./", "/srv/j", "/"],
    // the last separator counts, as with the inner-root marker of rsync (CVE-2026-53793)
    ["/srv/j/./home/./u", "/srv/j/./home", "/u"],
    ["/srv/j/././home/u", "/srv/j/.", "/home/u"],
    ["/srv/j/./home/u/./", "/srv/j/./home/u", "/"],
    ["/srv/j/./../etc", "/srv/j", "/../etc"],
    ["/srv/j/.././etc", "/srv/j/..", "/etc"],
    ["/srv/j/./home/../u", "/srv/j", "/home/../u"],
    ["srv/./x", "srv", "/x"],
    ["/srv/./.", "/srv", "/."],
    ["/..b/./x", "/..b", "/x"],
    // no separator
    ["", undefined, ""],
    ["/srv/j/home/u", undefined, ""],
    ["/srv/j/.", undefined, ""],
    ["/srv/j/.home", undefined, ""],
    ["/srv/j./home", undefined, ""],
    ["/srv/j/..home/u", undefined, ""],
    ["/srv/j/../home", undefined, ""],
    // the jail would be the host's root
    ["/./x", undefined, ""],
    ["//./x", undefined, ""],
    ["/././x", undefined, ""],
    ["////./x", undefined, ""],
    ["./x", undefined, ""],
  ];
  test.each(table)("%s", (home, jail, rest) => {
    expect(splitHome(home)).toEqual(jail === undefined ? undefined : { jail, home: rest });
  });
});

test("dirsEqual ignores one slash at the end", () => {
  expect(dirsEqual("/home/u", "/home/u")).toBe(true);
  expect(dirsEqual("/home/u/", "/home/u")).toBe(true);
  expect(dirsEqual("/home/u", "/home/u/")).toBe(true);
  expect(dirsEqual("/home/u//", "/home/u")).toBe(false);
  expect(dirsEqual("/home//u", "/home/u")).toBe(false);
  expect(dirsEqual("/home/./u", "/home/u")).toBe(false);
});

test("joinHome is undone by splitHome", () => {
  expect(joinHome("/srv/j", "/home/u")).toBe("/srv/j/./home/u");
  expect(splitHome(joinHome("/srv/j", "/"))).toEqual({ jail: "/srv/j", home: "/" });
});

test.each([
  ["/srv/j/./home/u", true],
  ["/srv/j//./home/u/", true],
  ["/srv//j/./home/u", false],
  ["/srv/j/././home/u", false],
  ["/srv/j/./home//u", false],
  ["/srv/j/.//home/u", false],
  ["/srv/j/home/u", false],
])("%s is a home of a login: %p", (home, expected) => {
  expect(isHomeIn("/srv/j", home, "/home/u")).toBe(expected);
  expect(normalHome(home)).toBe(home.includes("/./") ? "/srv/j/./home/u" : home);
});
