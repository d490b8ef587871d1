/** The documents of a package: their paths, and their links to each other. */
import * as fs from "node:fs";
import { basename, dirname, join, normalize } from "node:path";

/** A file of the checkout, such as `docs/security.md`, and its installed path. */
interface InstalledDocument {
  source: string;
  path: string;
}

const FOLDER = "/usr/share/doc/jailkit";
// For developers only.
const NOT_INSTALLED = new Set(["docs/release.md"]);

function listed(root: string, folder: string, ending: string): string[] {
  return fs
    .readdirSync(join(root, folder))
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => `${folder}/${name}`);
}

/** All documents. `examples` are files of docs/units that are not installed for systemd. */
export function installedDocuments(root: string, examples: readonly string[]): InstalledDocument[] {
  const texts = listed(root, "docs", ".md").filter((source) => !NOT_INSTALLED.has(source));
  const into = (folder: string) => (source: string) => ({ source, path: `${folder}/${basename(source)}` });
  return [
    ...["README.md", "CHANGELOG.md", ...texts].map(into(FOLDER)),
    ...listed(root, "docs/schemas", ".json").map(into(`${FOLDER}/schemas`)),
    ...examples.map((name) => `docs/units/${name}`).map(into(`${FOLDER}/examples`)),
  ];
}

/** A link or an image of Markdown, without a scheme. */
const LINK = /(!?)\[([^\]]*)\]\(((?![a-z]+:|#)[^)\s#]+)(#[^)\s]*)?\)/g;

/**
 * The text of the Markdown file `source` with links to the installed paths of `documents`. A link whose target is not
 * installed becomes plain text.
 */
export function withInstalledLinks(
  text: string,
  source: string,
  documents: readonly InstalledDocument[],
): string {
  const places = new Map(documents.map(({ source: from, path }) => [from, path]));
  // A folder is installed if a file of it is.
  for (const { source: from, path } of documents) places.set(dirname(from), dirname(path));
  return text.replace(LINK, (_, image: string, words: string, target: string, part = "") => {
    const from = normalize(join(dirname(source), target)).replace(/\/$/, "");
    const place = places.get(from);
    if (place === undefined) return words;
    const inFolder = place.slice(FOLDER.length + 1);
    const label = words === from ? inFolder : words;
    return `${image}[${label}](${inFolder}${part})`;
  });
}
