import { expect, test } from "bun:test";
import { progressText } from "../../src/cli/progress.ts";

test("a counter shows as much as fits, and leaves the last column empty", () => {
  const shown = (columns: number) => progressText({ label: "jk_x", unit: "jails" }, 3, 4, columns);
  const [long, short, percent] = ["jk_x: 3 of 4 jails (75 %)", "3 of 4 (75 %)", "75 %"];
  expect([26, 25, 14, 13, 5, 4, 1].map(shown)).toEqual([long, short, short, percent, percent, "", ""]);
});

test("nothing to do is all", () => {
  expect(progressText({ label: "jk_x", unit: "jails" }, 0, 0, 80)).toBe("jk_x: 0 of 0 jails (100 %)");
});
