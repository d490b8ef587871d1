import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Architecture } from "../guard.ts";
import { compileFilter } from "./libseccomp.ts";
import { type FilterText, parseFilter } from "./text.ts";

const root = join(import.meta.dir, "../..");
const FOLDER = "config/filters";

/** The file with the compiled filters. */
export const WORDS = "src/confine/filter-words.ts";

const textOf = (file: string) => readFileSync(join(root, FOLDER, file), "utf8");

const files = () =>
  readdirSync(join(root, FOLDER))
    .filter((file) => file.endsWith(".filter"))
    .sort();

/** The filters of config/filters/, by name. Throws FilterError. */
export function readFilters(): Map<string, FilterText> {
  return new Map(
    files().map((file) => [file.replace(/\.filter$/, ""), parseFilter(textOf(file), join(FOLDER, file))]),
  );
}

function digest(): string {
  const hash = new Bun.CryptoHasher("sha256");
  for (const file of files()) hash.update(`${file}\n${textOf(file)}\n`);
  return hash.digest("hex");
}

const WIDTH = 110;

/** Numbers as lines of an array. */
function lines(numbers: Uint32Array): string {
  let text = "";
  let line = "   ";
  for (const number of numbers) {
    const word = ` ${number},`;
    if (line.length + word.length > WIDTH) {
      text += `${line}\n`;
      line = "   ";
    }
    line += word;
  }
  return `${text}${line}\n`;
}

/** The text of WORDS, as it should be. Throws FilterError. */
export function filterWords(): string {
  const filters = [...readFilters()];
  const constant = (architecture: Architecture) => {
    const entries = filters.map(([name, filter]) => {
      const words = compileFilter(filter, architecture, join(FOLDER, `${name}.filter`));
      return `  "${name}": [\n${lines(words)}  ],\n`;
    });
    return `const ${architecture} = {\n${entries.join("")}} as const;\n`;
  };
  return `// Written by npm run filters, from the texts of config/filters/ whose SHA-256 is
// ${digest()}

${constant("x64")}
${constant("arm64")}
/** The filters for the architecture of this program: each an array of struct sock_filter, two words each. */
export const FILTER_WORDS = process.arch === "arm64" ? arm64 : x64;
`;
}

/** True if WORDS was written from the texts that are there now; false if it is missing. Asks no libseccomp. */
export function areWordsCurrent(): boolean {
  const file = join(root, WORDS);
  return existsSync(file) && readFileSync(file, "utf8").includes(digest());
}
