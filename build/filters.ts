/** npm run filters: compiles config/filters/ with libseccomp, for both architectures, into the files of WORDS. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { filterWords } from "./filters/source.ts";
import { FilterError } from "./filters/text.ts";

try {
  for (const [file, text] of filterWords()) writeFileSync(join(import.meta.dir, "..", file), text);
} catch (error) {
  if (!(error instanceof FilterError)) throw error;
  console.error(`filters: ${error.message}`);
  process.exit(1);
}
