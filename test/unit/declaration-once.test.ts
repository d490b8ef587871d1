import { expect, test } from "bun:test";
import { isWritten } from "../../src/declaration/once.ts";
import type { Once, OnceUser } from "../../src/declaration/once-shape.ts";

const USER: OnceUser = {
  ...{ name: "eve", file: "/root/one.ini", jail: "/srv/j", directory: false, limited: true, out: false },
  ...{
    created: undefined,
    createdDay: undefined,
    createdHome: undefined,
    homeId: undefined,
    uid: undefined,
    recordedAs: undefined,
    formerly: undefined,
  },
  ...{
    policy: false,
    otherPolicy: false,
    groups: [],
    groupIds: [],
    keys: [],
    keysTaken: undefined,
    left: [],
  },
};
const of = (user: Partial<OnceUser>): Once => ({
  ...{ jails: [], users: [{ ...USER, ...user }], kept: [], creating: [] },
});
const BEFORE = of({});

test.each<[string, Partial<OnceUser>, string]>([
  ["a list", { keys: Array.from({ length: (1 << 16) + 1 }, (_, at) => `${at}`) }, "keys has more than 65536"],
  ["a text", { file: `/${"x".repeat(1 << 14)}` }, "file is longer than 16384 characters"],
  ["a byte of zero", { file: "/root/a\0b.ini" }, "file has a control character"],
])("what would not be read again is not written: %s", (_, user, why) => {
  const message = `what is declared cannot be kept: 'eve': ${why}`;
  expect(() => isWritten(BEFORE, of(user))).toThrow(message);
});

test("as much as is read is written", () => {
  const keys = Array.from({ length: 1 << 16 }, (_, at) => `${at}`);
  expect(isWritten(BEFORE, of({ keys }))).toBe(false);
});

test("all of it together is not longer than what is read", () => {
  const text = "x".repeat(1 << 14);
  const groups = Array.from({ length: 1 << 12 }, () => text);
  expect(() => isWritten(BEFORE, of({ groups }))).toThrow(
    "what is declared cannot be kept: it is longer than 67108864 bytes",
  );
});
