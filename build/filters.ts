/** npm run filters: compiles config/filters/ with libseccomp, for both architectures, into src/confine/filter-words.ts. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { filterWords, WORDS } from "./filters/source.ts";
import { FilterError } from "./filters/text.ts";

try {
  writeFileSync(join(import.meta.dir, "..", WORDS), filterWords());
} catch (error) {
  if (!(error instanceof FilterError)) throw error;
  console.error(`filters: ${error.message}`);
  process.exit(1);
}
