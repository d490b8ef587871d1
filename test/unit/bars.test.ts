import { expect, test } from "bun:test";
import { barsSvg } from "../bench/bars.ts";

test("the longer bar fills the width, the other its share", () => {
  const svg = barsSvg([{ what: "a & b", ours: 250, other: 1000, than: "2.23" }], "2 cores");
  expect(svg).toContain(">a &amp; b</text>");
  const widths = [...svg.matchAll(/<rect class="(\w+)" .* width="([\d.]+)"/g)];
  expect(widths.map(([, kind, width]) => [kind, width])).toEqual([
    ["ours", "120.0"],
    ["other", "480.0"],
  ]);
  expect(svg).toContain(">jailkit 3 250 ms</text>");
  expect(svg).toContain(">jailkit 2.23 1.00 s</text>");
});
