/** What stands in the middle of a sentence can be typed, too: programs, options and keys that are there. */
import { expect, test } from "bun:test";
import { documents } from "./blocks.ts";
import { faultOf, known, spansOf } from "./inline.ts";

const all = await known();
const fault = (text: string) => faultOf({ document: "", text }, all);

test.each([...documents(), "CONTRIBUTING.md", "CHANGELOG.md"])("%s", (document) => {
  const faults = spansOf(document).flatMap((span) => {
    const told = faultOf(span, all);
    return told === undefined ? [] : [`${span.text}: ${told}`];
  });
  expect(faults).toEqual([]);
});

test("what cannot be typed is found", () => {
  expect(fault("jk_update --every")).toContain("--every");
  expect(fault("jk_updat --all")).toContain("no such program");
  expect(fault("jailkit explan USER")).toContain("no such program");
  expect(fault("npm run packages")).toContain("no such script");
  expect(fault("--destroy")).toContain("none of our programs");
  expect(fault("executable = any")).toContain("no file of ours");
  expect(fault("systemctlx mask user@UID.service")).toContain("no program systemctlx");
  expect(fault("systemctl mask 'user@UID.service")).toContain("unexpected EOF");
  expect(fault("groupadd jailed; usermodx -aG jailed test")).toContain("usermodx");
});

test("what is right is not", () => {
  for (const text of [
    "jk_init -j JAIL jk_lsh",
    "jailkit config check",
    "execute = system",
    "--fix",
    "npm ci",
  ])
    expect(fault(text)).toBeUndefined();
});

test("spans are found in Markdown, over ends of lines, and in mdoc", () => {
  expect(spansOf("a.md", "a `b\nc` d\n```\n`no`\n```\n").map(({ text }) => text)).toEqual(["b c"]);
  expect(spansOf("a.8.in", ".Pq Ql a b , c d .\n.Ql host:\\& ,\n").map(({ text }) => text)).toEqual([
    "a b",
    "c d",
    "host:",
  ]);
});
