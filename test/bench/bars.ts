import type { Comparison } from "./measure.ts";

const WIDTH = 760;
const LABEL = 12;
const BARS = { x: 12, width: 480 };
const ROW = 66;
const TOP = 46;

const escaped = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function time(milliseconds: number): string {
  return milliseconds < 1000
    ? `${milliseconds.toPrecision(3)} ms`
    : `${(milliseconds / 1000).toPrecision(3)} s`;
}

function row({ what, ours, other, than }: Comparison, index: number): string {
  const y = TOP + index * ROW;
  const longer = Math.max(ours, other);
  const bar = (kind: string, value: number, at: number, label: string) => {
    const width = Math.max(1, (value / longer) * BARS.width);
    return `<rect class="${kind}" x="${BARS.x}" y="${at}" width="${width.toFixed(1)}" height="14" rx="2"/>
<text x="${(BARS.x + width + 8).toFixed(1)}" y="${at + 11.5}">${escaped(`${label} ${time(value)}`)}</text>`;
  };
  return `<text class="what" x="${LABEL}" y="${y + 10}">${escaped(what)}</text>
${bar("ours", ours, y + 16, "jailkit 3")}
${bar("other", other, y + 33, than === "2.23" ? "jailkit 2.23" : than)}`;
}

/** The comparisons of a run as an SVG of bars, two to each; the longer one of the two fills the width. */
export function barsSvg(comparisons: readonly Comparison[], machine: string): string {
  const height = TOP + comparisons.length * ROW;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>How long the tools take</title>
<style>
text { font: 12px system-ui, sans-serif; fill: #59636e }
.what { font-weight: 600; fill: #1f2328 }
.ours { fill: #1a7f37 }
.other { fill: #afb8c1 }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 }
.what { fill: #f0f6fc }
.ours { fill: #3fb950 }
.other { fill: #59636e }
}
</style>
<text x="${LABEL}" y="20">Medians of one run, each pair measured in turn: shorter is better. ${escaped(machine)}</text>
${comparisons.map(row).join("\n")}
</svg>
`;
}
