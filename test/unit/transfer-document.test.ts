import { describe, expect, test } from "bun:test";
import { documentOf, LARGEST_EXPORT, parseTransfer, type Transfer } from "../../src/transfer/document.ts";
import { exportReportSchema } from "../../src/transfer/report-schema.ts";

const USER = {
  ...{ name: "anna", uid: 5001, gid: 5001, group: "anna", groups: [{ name: "jailed", gid: 999 }] },
  ...{ comment: "Anna \xc3\xa9", home: "/home/anna", shell: "/bin/bash", local: true },
};

const TRANSFER: Transfer = {
  jail: "/srv/\xff",
  requests: [
    { tool: "jk_init", names: ["shop"], copyShell: false, hardlink: true, owner: false, setuid: false },
  ],
  live: [],
  sections: [{ name: "shop", own: true, keys: new Map([["paths", "/usr/bin/env"]]) }],
  users: [USER],
  policies: [{ name: "anna", keys: new Map([["executables", "/usr/bin/env"]]) }],
  settings: [],
  logSocket: { base: 511, peak: 2048, interval: 0.5 },
  proc: false,
  without: [],
};

const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const good = documentOf(TRANSFER) as Record<string, unknown>;

test("what is written reads back as it was, with names that are not UTF-8", () => {
  expect(parseTransfer(bytesOf(good))).toEqual(TRANSFER);
  expect(parseTransfer(bytesOf({ ...good, logSocket: null })).logSocket).toBeUndefined();
});

test("what a jail does without is written only if there is something, and a file without it is read", () => {
  expect(good).not.toHaveProperty("without");
  const without = { ...TRANSFER, without: ["proc"] as const };
  expect(documentOf(without)).toHaveProperty("without", ["proc"]);
  expect(parseTransfer(bytesOf(documentOf(without)))).toEqual(without);
});

/** A copy of the document with a value at a place. */
function changed(place: readonly (string | number)[], value: unknown): unknown {
  const copy = structuredClone(good);
  let at: Record<string | number, unknown> = copy;
  for (const step of place.slice(0, -1)) at = at[step] as typeof at;
  const last = place.at(-1) ?? "";
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy;
}

const many = (count: number) => Array.from({ length: count }, (_, index) => `${index}`);

const WRONG: readonly (readonly [place: (string | number)[], value: unknown, message: string])[] = [
  [["jail"], 1, "jail is not a text"],
  [["jail"], undefined, "jail is missing"],
  [["jail"], "x".repeat(4097), "jail is longer than 4096 characters"],
  [["jail"], "/srv/a\nb", "jail has a control character"],
  [["users", 0, "name"], "a\0", "users[0].name has a control character"],
  [["users", 0, "uid"], 1.5, "users[0].uid is not a whole number from 0 to 4294967294"],
  [["users", 0, "uid"], -1, "users[0].uid is not a whole number"],
  [["users", 0, "uid"], 4294967295, "users[0].uid is not a whole number"],
  [["users", 0, "uid"], "5001", "users[0].uid is not a whole number"],
  [["users", 0, "local"], 1, "users[0].local is neither true nor false"],
  [["users", 0, "password"], "x", "users[0].password is not known to this version of jailkit"],
  [["users"], {}, "users is not a list"],
  [["users", 0], null, "users[0] is not an object"],
  [["users", 0, "groups"], many(1001), "users[0].groups has more than 1000 items"],
  [["requests", 0, "tool"], "jk_update", "requests[0].tool is not one of jk_init, jk_cp"],
  [["requests", 0, "names"], many(10_001), "requests[0].names has more than 10000 items"],
  [["requests", 0, "names", 0], ["x"], "requests[0].names[0] is not a text"],
  [["sections", 0, "keys"], [], "sections[0].keys is not an object"],
  [["sections", 0, "keys", "paths"], 1, "sections[0].keys.paths is not a text"],
  [["sections", 0, "keys", "paths"], "/a\n[other]", "sections[0].keys.paths has a control character"],
  [["sections", 0, "keys", "a\nb"], "x", "sections[0].keys has a control character"],
  [
    ["sections", 0, "keys"],
    Object.fromEntries(many(65).map((key) => [key, ""])),
    "sections[0].keys has more",
  ],
  [["logSocket", "base"], 9, "logSocket.base is not a whole number from 10 to 1000000"],
  [["logSocket", "interval"], 61, "logSocket.interval is not a number from 0.01 to 60"],
  [["logSocket"], undefined, "logSocket is missing"],
  [["more"], 1, "more is not known to this version of jailkit"],
];

describe("a mistake is named, and found by the schema too:", () => {
  test.each(WRONG.map(([place, value, message]) => [message, place, value] as const))(
    "%s",
    (message, place, value) => {
      const document = changed(place, value);
      expect(() => parseTransfer(bytesOf(document))).toThrow(message);
      expect(exportReportSchema.safeParse(document).success).toBe(false);
    },
  );

  test("the document itself is right", () => {
    expect(exportReportSchema.safeParse(good).success).toBe(true);
  });
});

test("a field with a name of Object.prototype is a field like others", () => {
  const text = JSON.stringify(good);
  const hostile = ["__proto__", "constructor", "toString"];
  for (const name of hostile) {
    const top = text.replace("{", `{"${name}":{"trusted":true},`);
    expect(() => parseTransfer(new TextEncoder().encode(top))).toThrow("is not known to this version");
    const keys = text.replace('"keys":{', `"keys":{"${name}":"x",`);
    const [section] = parseTransfer(new TextEncoder().encode(keys)).sections;
    expect(section?.keys.get(name)).toBe("x");
  }
  expect(({} as Record<string, unknown>).trusted).toBeUndefined();
});

test("other files are refused in one line", () => {
  const text = (content: string) => new TextEncoder().encode(content);
  const refusals: readonly (readonly [Uint8Array, string])[] = [
    [text(""), "it is not JSON"],
    [text("root:x:0:0::/root:/bin/sh\n"), "it is not JSON"],
    [text("[".repeat(1_000_000)), "it is not JSON"],
    [text("null"), "is not what 'jailkit export' writes"],
    [text('{"tool":"jailkit list"}'), "is not what 'jailkit export' writes"],
    [bytesOf({ ...good, version: 2 }), "of another version of jailkit"],
    [new Uint8Array([0x22, 0xff, 0x22]), "it is not JSON"],
    [new Uint8Array(LARGEST_EXPORT + 1), "larger than 16 MB"],
  ];
  for (const [bytes, message] of refusals) {
    expect(() => parseTransfer(bytes)).toThrow(message);
    try {
      parseTransfer(bytes);
    } catch (error) {
      expect(String(error)).not.toInclude("\n");
    }
  }
});
