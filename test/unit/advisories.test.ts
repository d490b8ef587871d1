import { expect, test } from "bun:test";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");
const rows = (await Bun.file(join(root, "docs/advisories.md")).text())
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| vulnerability "))
  .map((line) => line.split(" | "));

test.each(rows.map((cells) => [cells[0]?.slice(2) ?? "", cells[3] ?? ""]))(
  "%s has its tests",
  async (_, cell) => {
    const named = [...cell.matchAll(/`(test\/[^`]+)`: (.+?)(?=; `|\s*\|?$)/g)];
    expect(named.length).toBeGreaterThan(0);
    for (const [, file = "", title = ""] of named) {
      const text = await Bun.file(join(root, file)).text();
      expect({ file, title, found: text.includes(title) }).toEqual({ file, title, found: true });
    }
  },
);
