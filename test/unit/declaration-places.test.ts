/** The place of what is at fault in a declaration. */
import { expect, test } from "bun:test";
import { toBytes } from "../../ffi/bytes.ts";
import { scanIni } from "../../src/config/scan.ts";
import { placeOfFault } from "../../src/declaration/place-of-fault.ts";
import { declarationIn } from "../../src/declaration/read.ts";

type Wrong = Parameters<typeof placeOfFault>[1];

/** The line and column, in a section of a user with these lines after the first two. */
function at(lines: string, wrong: Wrong): string {
  const ini = scanIni(toBytes(`[user ann]\njail = /srv/a\n${lines}\n`), "f", "plain");
  const [user] = declarationIn(ini).declaration.users;
  if (user === undefined) throw new Error("nobody is declared");
  const { line, column } = placeOfFault(user.place, wrong);
  return `${line}:${column}`;
}

test.each([
  ["the key of a code", "shell = /bin/sh", { code: "bad-shell" }, "3:9"],
  ["the key that is named", "uid = 7\nhome = /h", { code: "bad-uid", due: { key: "home" } }, "4:8"],
  ["an item", "groups = a,\n  b, c", { due: { key: "groups", item: "c" } }, "4:6"],
  ["the list, for an item that it has not", "groups = a", { due: { key: "groups", item: "x" } }, "3:10"],
  ["what a change is about", "comment = A", { what: "comment" }, "3:11"],
  [
    "what a change is about, for a code of a key that is missing",
    "groups = a",
    { code: "bad-home", what: "groups" },
    "3:10",
  ],
  ["the only right", "shell = /bin/sh\nnetwork = none", { what: "policy" }, "4:11"],
  ["the header, for several rights", "allow = sftp\nread = /a", { what: "policy" }, "1:7"],
  ["the header, for a key that is missing", "shell = /bin/sh", { code: "uid-taken" }, "1:7"],
  [
    "the header, for what no key is to blame for",
    "shell = /bin/sh",
    { what: "account", code: "failed" },
    "1:7",
  ],
] as const)("is that of %s", (_, lines, wrong, place) => {
  expect(at(lines, wrong)).toBe(place);
});

test("without a file it is that of what is gathered", () => {
  expect(placeOfFault({ file: "x", line: 0, column: 0 }, { code: "bad-shell" })).toEqual({
    ...{ file: "x", line: 0, column: 0 },
  });
});
