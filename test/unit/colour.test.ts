import { describe, expect, test } from "bun:test";
import { coloured, paintFor, plain, wantsColour } from "../../src/cli/colour.ts";
import { JailkitError } from "../../src/cli/error.ts";
import { emptyReport } from "../../src/explain/report.ts";
import { reportLines } from "../../src/explain/show.ts";

describe("auto", () => {
  test.each([
    [true, undefined, "xterm", true],
    [true, "", "xterm", true],
    [true, "1", "xterm", false],
    [true, "0", "xterm", false],
    [true, undefined, "dumb", false],
    [true, undefined, "", false],
    [true, undefined, undefined, false],
    [false, undefined, "xterm", false],
  ])("terminal %p, NO_COLOR %p, TERM %p: %p", (terminal, noColor, term, colours) => {
    expect(wantsColour(terminal, noColor, term)).toBe(colours);
  });
});

test("--color accepts three words", () => {
  expect(paintFor("always", 2)).toBe(coloured);
  expect(paintFor("never", 2)).toBe(plain);
  expect(() => paintFor("yes", 2)).toThrow(
    new JailkitError("usage", 2, "--color is one of auto, always, never"),
  );
});

test("colours change no text and no width", () => {
  const step = { stage: "account" as const, name: "x", message: "m", remedy: "rm r" as const };
  const outcomes = ["passed", "warned", "failed", "skipped", "unknown"] as const;
  const report = { ...emptyReport("u"), steps: outcomes.map((outcome) => ({ ...step, outcome })) };
  const without = reportLines(report).join("\n");
  const painted = reportLines(report, coloured).join("\n");
  expect(without).not.toContain("\x1b");
  expect(painted).toContain("\x1b[31mFAILED\x1b[0m   x: m");
  expect(painted).toContain("\x1b[32mok\x1b[0m       x: m");
  expect(painted).toContain("\x1b[33mwarning\x1b[0m  x: m");
  expect(painted.replace(/\x1b\[\d+m/g, "")).toBe(without);
});
