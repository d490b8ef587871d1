/** The documents of a package: where each goes, and its links made to lead to what is installed. */
import * as fs from "node:fs";
import { basename, dirname, join, normalize } from "node:path";

/** A file of the checkout (a path from its top, such as `docs/security.md`), and where it is installed. */
export interface Placed {
  source: string;
  path: string;
}

const FOLDER = "/usr/share/doc/jailkit";
// For whoever works on jailkit, from a checkout.
const OF_THE_CHECKOUT = new Set(["docs/release.md"]);

function listed(root: string, folder: string, ending: string): string[] {
  return fs
    .readdirSync(join(root, folder))
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => `${folder}/${name}`);
}

/** All of them. `examples` are files of docs/units that systemd does not get by the package. */
export function placedDocuments(root: string, examples: readonly string[]): Placed[] {
  const texts = listed(root, "docs", ".md").filter((source) => !OF_THE_CHECKOUT.has(source));
  const into = (folder: string) => (source: string) => ({ source, path: `${folder}/${basename(source)}` });
  return [
    ...["README.md", "CHANGELOG.md", ...texts].map(into(FOLDER)),
    ...listed(root, "docs/schemas", ".json").map(into(`${FOLDER}/schemas`)),
    ...examples.map((name) => `docs/units/${name}`).map(into(`${FOLDER}/examples`)),
  ];
}

/** A link or an image of Markdown, whose target has no scheme. */
const LINK = /(!?)\[([^\]]*)\]\(((?![a-z]+:|#)[^)\s#]+)(#[^)\s]*)?\)/g;

/**
 * The text of a Markdown file `source` as it is installed beside the others of `placed`: a link leads to where its
 * target is now. Of one whose target is not installed the words are left.
 */
export function withInstalledLinks(text: string, source: string, placed: readonly Placed[]): string {
  const places = new Map(placed.map(({ source: from, path }) => [from, path]));
  // A folder is there if something of it is.
  for (const { source: from, path } of placed) places.set(dirname(from), dirname(path));
  return text.replace(LINK, (_, image: string, words: string, target: string, part = "") => {
    const from = normalize(join(dirname(source), target)).replace(/\/$/, "");
    const place = places.get(from);
    if (place === undefined) return words;
    const inFolder = place.slice(FOLDER.length + 1);
    const label = words === from ? inFolder : words;
    return `${image}[${label}](${inFolder}${part})`;
  });
}
