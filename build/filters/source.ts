import { readdirSync, readFileSync } from "node:fs";
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

/** The text of WORDS, as it should be. Throws FilterError. */
export function filterWords(): string {
  const filters = readFilters();
  const table = (architecture: Architecture) =>
    [...filters].map(([name, filter]) => {
      const words = compileFilter(filter, architecture, join(FOLDER, `${name}.filter`));
      return `  "${name}": "${Buffer.from(words.buffer).toString("base64")}",\n`;
    });
  const constant = (architecture: Architecture) =>
    `const ${architecture} = {\n${table(architecture).join("")}} as const;\n`;
  return `// Written by npm run filters, from the texts of config/filters/ whose SHA-256 is
// ${digest()}

${constant("x64")}
${constant("arm64")}
/** The filters for the architecture of this program: arrays of struct sock_filter, in base64. */
export const FILTER_WORDS = process.arch === "arm64" ? arm64 : x64;

/** The filters for each architecture. */
export const ALL_FILTER_WORDS = { x64, arm64 };
`;
}

/** True if WORDS was written from the texts that are there now. Asks no libseccomp. */
export const areWordsCurrent = (): boolean => readFileSync(join(root, WORDS), "utf8").includes(digest());
