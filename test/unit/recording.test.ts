import { expect, test } from "bun:test";
import { type RecordedLine, recordingSvg } from "../../build/recording.ts";

const shown = (svg: string) => [...svg.matchAll(/<text class="(\w+)" x="14" y="([\d.]+)">(.*)<\/text>/g)];

test("each line is a separate text, escaped, below the previous one", () => {
  const svg = recordingSvg("a & b", [
    { kind: "command", text: "$ cat <&0" },
    { kind: "output", text: "" },
    { kind: "verdict", text: "    (ok)" },
  ]);
  expect(svg).toContain("<title>a &amp; b</title>");
  expect(shown(svg).map(([, kind, y, text]) => [kind, y, text])).toEqual([
    ["command", "13.5", "$ cat &lt;&amp;0"],
    ["output", "31.5", ""],
    ["verdict", "49.5", "    (ok)"],
  ]);
});

test("lines wider than the terminal continue in the next", () => {
  const svg = recordingSvg("", [{ kind: "output", text: `${"a".repeat(100)}${"b".repeat(100)}c` }]);
  expect(shown(svg).map(([, , , text]) => text?.[0])).toEqual(["a", "b", "c"]);
});

test("every line appears in turn, and the picture scrolls up", () => {
  const lines = Array.from(
    { length: 40 },
    (_, index): RecordedLine => ({ kind: "output", text: `${index}` }),
  );
  const svg = recordingSvg("", lines);
  const frames = (name: string) => [
    ...(new RegExp(`@keyframes ${name} \\{(.*)\\}$`, "m").exec(svg)?.[1] ?? "").matchAll(
      /([\d.]+)% \{ (\S+ \S+) \}/g,
    ),
  ];
  const curtain = frames("curtain");
  expect(curtain.map(([, , to]) => to)).toEqual(
    lines.map((_, index) => `transform: translateY(${18 * (index + 1)}px)`),
  );
  const times = curtain.map(([, percent]) => Number(percent));
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(frames("scroll").at(25)?.[2]).toBe("transform: translateY(0px)");
  expect(frames("scroll").at(-1)?.[2]).toBe(`transform: translateY(${-18 * 14}px)`);
});
