/** Links in documents, once these are installed in one folder. */
import { expect, test } from "bun:test";
import { withInstalledLinks } from "../../build/package/documents.ts";

const placed = [
  { source: "README.md", path: "/usr/share/doc/jailkit/README.md" },
  { source: "docs/security.md", path: "/usr/share/doc/jailkit/security.md" },
  { source: "docs/units/web.service", path: "/usr/share/doc/jailkit/examples/web.service" },
];
const linked = (text: string, source = "README.md") => withInstalledLinks(text, source, placed);

test("a link leads to the installed place of its target, and has its name", () => {
  expect(linked("[docs/security.md](docs/security.md)")).toBe("[security.md](security.md)");
  expect(linked("[what is trusted](docs/security.md#trusted)")).toBe(
    "[what is trusted](security.md#trusted)",
  );
  expect(linked("[it](../README.md)", "docs/security.md")).toBe("[it](README.md)");
  expect(linked("[units/](units/) [one](units/web.service)", "docs/security.md")).toBe(
    "[units/](examples) [one](examples/web.service)",
  );
});

test("a link to a file that is not installed becomes plain text", () => {
  expect(linked("[CONTRIBUTING.md](CONTRIBUTING.md) tells, ![a figure](docs/a.svg) shows")).toBe(
    "CONTRIBUTING.md tells, a figure shows",
  );
});

test("other links stay unchanged", () => {
  for (const text of ["[x](https://example.org/docs/security.md)", "[x](#below)", "a[0](b"])
    expect(linked(text)).toBe(text);
});
