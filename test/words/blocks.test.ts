import { describe, expect, test } from "bun:test";
import { blocksOf, defaultFiles, documents, readDocument, sectionsOf } from "./blocks.ts";
import { shownPattern } from "./scene.ts";

const texts = (document: string, source: string) => blocksOf(document, source).map(({ text }) => text);

describe("blocks of Markdown", () => {
  test("are fenced, or indented outside of lists", () => {
    const source =
      "text\n\n```sh\none\n\n  two\n```\n\n    three\n\n    four\ntext\n\n- item\n\n      no block\n";
    expect(texts("a.md", source)).toEqual(["one\n\n  two", "three\n\nfour"]);
    expect(texts("a.md", "text\n    that goes on\n")).toEqual([]);
    expect(() => blocksOf("a.md", "```\nopen\n")).toThrow("a.md:1: the block does not end");
  });

  test("may be marked, with a reason or without", () => {
    const source =
      "<!-- not run: slow -->\n```sh\none\n```\n\n<!-- not run: -->\n\n    two\n\n<!-- other -->\n\n    three\n";
    expect(blocksOf("a.md", source).map(({ notRun, line }) => [notRun, line])).toEqual([
      ["slow", 3],
      ["", 8],
      [undefined, 12],
    ]);
  });
});

test("blocks of manual pages are shown as a reader sees them", () => {
  const source =
    '.Sh A\n.\\" not run: slow\n.Bd -literal -offset indent\na \\e\n  b\\-c \\&...\n.Ed\n.Pp\n.Dl d e\n';
  expect(blocksOf("a.8.in", source)).toEqual([
    { document: "a.8.in", line: 4, text: "a \\\n  b-c ...", notRun: "slow" },
    { document: "a.8.in", line: 8, text: "d e" },
  ]);
  expect(() => blocksOf("a.8.in", ".Dl \\(aq\n")).toThrow("what is");
});

test("examples in the default files are those of their manual pages, where they are tried out", () => {
  for (const file of defaultFiles()) {
    const examples = sectionsOf(
      readDocument(file)
        .replace(/^#(?=\[|[a-z_]+ = )/gm, "")
        .replace(/^#.*$/gm, ""),
    );
    const page = blocksOf(`docs/man/${file.replace("config/", "")}.5.in`).map(({ text }) => text);
    // The sections of jk_init.ini are no examples.
    if (file !== "config/jk_init.ini")
      expect(page.flatMap(sectionsOf)).toEqual(expect.arrayContaining(examples));
    if (file !== "config/jk_init.ini") expect(examples).not.toEqual([]);
  }
});

test("every manual page of a program or a file has examples", () => {
  const pages = documents().filter((document) => /\.[58]\.in$/.test(document));
  for (const page of pages) {
    const [, examples = ""] = readDocument(page).split("\n.Sh EXAMPLES\n");
    expect([page, blocksOf(page, examples.split("\n.Sh ")[0]).length]).not.toEqual([page, 0]);
  }
});

describe("what is shown", () => {
  test("is compared but for ids, times and sizes", () => {
    const shown = shownPattern("refused (error id JK-7Q2MX4TA) at 12:30, 3.5 MB");
    expect("refused (error id JK-AAAAAAAA) at 1:05, 12 KB").toMatch(shown);
    expect("refused (error id JK-AAAA) at 1:05, 12 KB").not.toMatch(shown);
    expect("refused (error-id JK-AAAAAAAA) at 1:05, 12 KB").not.toMatch(shown);
  });

  test("may leave out lines", () => {
    expect("a\n  b\nc\nd").toMatch(shownPattern("a\n...\nd"));
    expect("more a\n  b\nd").not.toMatch(shownPattern("a\n...\nd"));
    expect("a\nd\ne").not.toMatch(shownPattern("a\n...\nd"));
  });
});
