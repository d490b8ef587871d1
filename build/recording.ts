/** A recorded session as an animated SVG: a terminal whose lines appear one by one, slowly enough to read. */

/** A line of the terminal, printable, and its style. */
export interface RecordedLine {
  readonly text: string;
  readonly kind: "heading" | "command" | "output" | "verdict";
}

const COLUMNS = 100;
const ROWS = 26;
const LINE = 18;
const WIDTH = 860;
const PADDING = 14;

/** Seconds from a line to the next. */
const PAUSE: Record<RecordedLine["kind"], number> = {
  heading: 0.6,
  command: 0.9,
  output: 0.12,
  verdict: 1.1,
};
const AT_THE_END = 6;

function wrapped({ text, kind }: RecordedLine): RecordedLine[] {
  if (text.length <= COLUMNS) return [{ text, kind }];
  return [{ text: text.slice(0, COLUMNS), kind }, ...wrapped({ text: text.slice(COLUMNS), kind })];
}

/**
 * The SVG. CSS animates it: `curtain` uncovers line after line, and `scroll` moves them up when they no longer fit. With
 * prefers-reduced-motion it shows the end of the session.
 */
export function recordingSvg(title: string, session: readonly RecordedLine[]): string {
  const lines = session.flatMap(wrapped);
  const total = lines.reduce((sum, { kind }) => sum + PAUSE[kind], AT_THE_END);
  const uncovered = (count: number) => `transform: translateY(${count * LINE}px)`;
  const scrolled = (count: number) => `transform: translateY(${-Math.max(0, count - ROWS) * LINE}px)`;
  const curtain: string[] = [];
  const scroll: string[] = [];
  let at = 0;
  lines.forEach(({ kind }, index) => {
    const percent = ((100 * at) / total).toFixed(2);
    curtain.push(`${percent}% { ${uncovered(index + 1)} }`);
    scroll.push(`${percent}% { ${scrolled(index + 1)} }`);
    at += PAUSE[kind];
  });
  const texts = lines.map(
    ({ text, kind }, index) =>
      `<text class="${kind}" x="${PADDING}" y="${(index + 0.75) * LINE}">${Bun.escapeHTML(text)}</text>`,
  );
  const height = ROWS * LINE + 2 * PADDING;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>${Bun.escapeHTML(title)}</title>
<style>
text { font: 13px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre; fill: #c9d1d9 }
.heading { fill: #ffffff; font-weight: bold }
.command { fill: #7ee787 }
.verdict { fill: #8b949e }
.curtain { animation: curtain ${total.toFixed(1)}s step-end infinite; ${uncovered(lines.length)} }
.scroll { animation: scroll ${total.toFixed(1)}s step-end infinite; ${scrolled(lines.length)} }
@keyframes curtain { ${curtain.join(" ")} }
@keyframes scroll { ${scroll.join(" ")} }
@media (prefers-reduced-motion: reduce) { .curtain, .scroll { animation: none } }
</style>
<rect width="${WIDTH}" height="${height}" rx="8" fill="#0d1117"/>
<clipPath id="screen"><rect y="${PADDING}" width="${WIDTH}" height="${ROWS * LINE}"/></clipPath>
<g clip-path="url(#screen)">
<g transform="translate(0 ${PADDING})">
<g class="scroll">
${texts.join("\n")}
<rect class="curtain" width="${WIDTH}" height="${(lines.length + ROWS) * LINE}" fill="#0d1117"/>
</g>
</g>
</g>
</svg>
`;
}
