/** The names under which messages advise to keep what is in the way. */
import { describe, expect, test } from "bun:test";
import { utf8 } from "../../ffi/bytes.ts";
import { freeName, freeNumbered } from "../../src/system/free-name.ts";

/** A file system with these names, and how often it was asked. */
function withNames(...names: string[]) {
  const taken = new Set(names);
  const asked: string[] = [];
  const isThere = (name: string) => {
    asked.push(name);
    return taken.has(name);
  };
  return { taken, asked, isThere };
}

test("the ending gets a number from 2 on", () => {
  const { taken, isThere } = withNames();
  const found = Array.from({ length: 12 }, () => {
    const name = freeName("/srv/a", ".old", isThere);
    taken.add(name);
    return name;
  });
  const numbers = ["", ...Array.from({ length: 11 }, (_, index) => index + 2)];
  expect(found).toEqual(numbers.map((number) => `/srv/a.old${number}`));
  expect(freeNumbered("/srv/b", isThere)).toBe("/srv/b");
  for (const name of ["/srv/b", "/srv/b-2"]) taken.add(name);
  expect(freeNumbered("/srv/b", isThere)).toBe("/srv/b-3");
  expect(freeName("one", ".others", withNames("one.others.ini").isThere, ".ini")).toBe("one.others2.ini");
});

test("what has such a name already is no reason for a longer one", () => {
  expect(freeName("/srv/a.old", ".old", withNames("/srv/a.old.old").isThere)).toBe("/srv/a.old.old2");
  // A hole may stay, and nothing is taken twice.
  const { taken, isThere } = withNames("a.old", "a.old2", "a.old4", "a.old9");
  for (let i = 0; i < 20; i++) {
    const name = freeName("a", ".old", isThere);
    expect([name, taken.has(name)]).toEqual([name, false]);
    taken.add(name);
  }
});

test("thousands of them are not asked about one by one", () => {
  const names = ["a.old", ...Array.from({ length: 100_000 }, (_, index) => `a.old${index + 2}`)];
  const { asked, isThere } = withNames(...names);
  expect(freeName("a", ".old", isThere)).toBe("a.old100002");
  expect(asked.length).toBeLessThan(40);
});

describe("a name that the file system allows no ending for", () => {
  const long = "x".repeat(255);

  test("loses its end, and not its directory", () => {
    const isThere = () => false;
    expect(freeName(`/srv/${long}`, ".old", isThere)).toBe(`/srv/${"x".repeat(251)}.old`);
    expect(freeName(`/srv/${long.slice(4)}`, ".old", isThere)).toBe(`/srv/${long.slice(4)}.old`);
    expect(freeName(`/${long}/a`, ".old", isThere)).toBe(`/${long}/a.old`);
    expect(freeName(long, ".others", isThere, ".ini")).toBe(`${"x".repeat(244)}.others.ini`);
    expect(freeNumbered(long, isThere)).toBe(long);
  });

  test("gets a number too", () => {
    const { isThere } = withNames(`${"x".repeat(251)}.old`, long);
    expect(freeName(long, ".old", isThere)).toBe(`${"x".repeat(250)}.old2`);
    expect(freeNumbered(long, isThere)).toBe(`${"x".repeat(253)}-2`);
  });

  test("loses whole characters of UTF-8", () => {
    const name = utf8("x\u{1f512}".repeat(51));
    expect(name).toHaveLength(255);
    // The last character that is left would be cut in its second byte.
    expect(freeName(name, ".link12", () => false)).toBe(`${utf8("x\u{1f512}".repeat(49))}x.link12`);
    expect(freeName("\x80".repeat(255), ".old", () => false)).toHaveLength(255);
  });
});
