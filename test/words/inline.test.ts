/** Code in the middle of a sentence can be typed, too: programs, options and keys that exist. */
import { expect, test } from "bun:test";
import { SSHD_EXAMPLE } from "../../build/layout.ts";
import { defaultFiles, documents, readDocument } from "./blocks.ts";
import { faultOf, known, quotedSpans, type Span, spansOf } from "./inline.ts";

const all = await known();
const fault = (text: string) => faultOf({ document: "", text }, all);

const faultsOf = (spans: readonly Span[]) =>
  spans.flatMap((span) => {
    const told = faultOf(span, all);
    return told === undefined ? [] : [`${span.text}: ${told}`];
  });

test.each([...documents(), ...defaultFiles(), SSHD_EXAMPLE, "CONTRIBUTING.md", "CHANGELOG.md"])(
  "%s",
  (document) => {
    expect(faultsOf(spansOf(document))).toEqual([]);
  },
);

test.each(all.tools.map(({ page, help }) => [page, help.notes ?? ""] as const))(
  "--help of %s",
  (page, notes) => {
    expect(faultsOf(quotedSpans(page, notes))).toEqual([]);
  },
);

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
  expect(spansOf("a.ini", "# it's 'a\n# b' or\n#c = 'd'\n").map(({ text }) => text)).toEqual(["a b", "d"]);
  expect(spansOf("a.8.in", ".Pq Ql a b , c d .\n.Ql host:\\& ,\n.Fl -fix\n").map(({ text }) => text)).toEqual(
    ["a b", "c d", "host:", "--fix"],
  );
});

test("README's table names every program, and every command of jailkit", () => {
  const [, part = ""] = readDocument("README.md").split("\n## The tools\n");
  const named = spansOf("README.md", part.split("\n\n")[0]).map(({ text }) => text);
  const programs = all.tools.map(({ help }) => help.name).filter((name) => /^jk_|^jailkit /.test(name));
  const missing = programs.filter((name) => !named.some((one) => `${one} `.startsWith(`${name} `)));
  expect(missing).toEqual([]);
});

test("CONTRIBUTING's table names every script of package.json", () => {
  const [, part = ""] = readDocument("CONTRIBUTING.md").split("\n## Commands\n\n");
  const named = spansOf("CONTRIBUTING.md", part.split("\n\n")[0]).map(({ text }) => text);
  const missing = all.scripts.filter(
    (script) => !["ci", "test"].includes(script) && !named.includes(`npm run ${script}`),
  );
  expect(missing).toEqual([]);
  expect(named).toContain("npm test");
});
