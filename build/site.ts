/**
 * npm run site: creates the manual as HTML in dist/site/: a page for each manual page, an index and one style sheet. They
 * load nothing else, and have no scripts. Needs mandoc(1).
 */
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { VERSION } from "../src/cli/version.ts";
import { type ManualPage, manualPages } from "./man.ts";

const root = join(import.meta.dir, "..");
const ELSEWHERE = "https://manpages.debian.org";

const fileOf = ({ name, section }: ManualPage) => `${name}.${section}.html`;
const titleOf = ({ name, section }: ManualPage) => `${name}(${section})`;

function document(title: string, summary: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="${Bun.escapeHTML(summary)}">
<title>${Bun.escapeHTML(title)}</title>
<link rel="stylesheet" href="site.css">
</head>
<body>
${body}
<footer>jailkit ${VERSION}</footer>
</body>
</html>
`;
}

function convert(text: string): string {
  const done = Bun.spawnSync(["mandoc", "-T", "html", "-O", "fragment,man=%N.%S.html"], {
    stdin: Buffer.from(text),
    env: { PATH: "/usr/bin:/bin" },
  });
  if (!done.success) throw new Error(`mandoc: ${done.stderr}`);
  return `${done.stdout}`;
}

/** A link to the page here, or to Debian's; plain text for a program of jailkit without a page. */
function link(name: string, section: string, text: string, pages: ReadonlySet<string>): string {
  const page = `${name}.${section}`;
  if (pages.has(page)) return `<a class="Xr" href="${page}.html">${text}</a>`;
  if (/^(?:jk_|jailkit)/.test(name)) return `<span class="Xr">${text}</span>`;
  return `<a class="Xr" href="${ELSEWHERE}/${page}">${text}</a>`;
}

/** The HTML of mandoc for a page, without head and foot, and with headings one level lower. */
function body(page: ManualPage, pages: ReadonlySet<string>): string {
  const html = convert(page.text)
    .replace(/<table class="(?:head|foot)">[\s\S]*?<\/table>\n?/g, "")
    .replace(/(<\/table>)\n<br\/>/g, "$1")
    .replace(/<(\/?)h2\b/g, "<$1h3")
    .replace(/<(\/?)h1\b/g, "<$1h2")
    .replace(
      /<a class="Xr" href="([^"]+)\.(\d)\.html"(?: aria-label="[^"]*")?>([\s\S]*?)<\/a>/g,
      (_, name: string, section: string, text: string) => link(name, section, text, pages),
    );
  return `<nav><a href="index.html">jailkit</a><span>${titleOf(page)}</span></nav>
<main>
<h1>${titleOf(page)}</h1>
${html}</main>`;
}

function index(pages: readonly ManualPage[]): string {
  const entry = (page: ManualPage) =>
    `<dt><a href="${fileOf(page)}">${titleOf(page)}</a></dt>\n<dd>${Bun.escapeHTML(page.summary)}</dd>\n`;
  const entries = (wanted: ManualPage["section"]) =>
    pages
      .filter(({ section }) => section === wanted)
      .map(entry)
      .join("");
  return `<main>
<h1>jailkit</h1>
<p>Jails for user accounts and daemons. Begin with <a href="jailkit.7.html">the introduction</a>, which has a worked
example.</p>
<h2>Programs</h2>
<dl>
${entries("8")}</dl>
<h2>Configuration files</h2>
<dl>
${entries("5")}</dl>
</main>`;
}

/** Writes the site into a directory, and removes its former content. Returns the names of its pages. */
export async function writeSite(directory: string): Promise<string[]> {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  copyFileSync(join(import.meta.dir, "site.css"), join(directory, "site.css"));
  const manual = await manualPages();
  const pages = new Set(manual.map(({ name, section }) => `${name}.${section}`));
  for (const page of manual) {
    writeFileSync(join(directory, fileOf(page)), document(titleOf(page), page.summary, body(page, pages)));
  }
  const summary = "Jails for user accounts and daemons: the manual";
  writeFileSync(join(directory, "index.html"), document("jailkit", summary, index(manual)));
  return ["index.html", ...manual.map(fileOf)];
}

if (import.meta.main) {
  const pages = await writeSite(join(root, "dist/site"));
  console.log(`${pages.length} pages in ${relative(process.cwd(), join(root, "dist/site"))}`);
}
