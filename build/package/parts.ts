import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeCompletions } from "../completions.ts";
import { writeManualPages } from "../man.ts";
import type { Parts } from "./stage.ts";

const root = join(import.meta.dir, "../..");

/** Calls `use` with the sources of packages. Creates manual pages and completions, and removes them afterwards. */
export async function withParts<T>(dist: string, use: (parts: Parts) => T | Promise<T>): Promise<T> {
  const share = fs.mkdtempSync(join(tmpdir(), "jailkit-share-"));
  try {
    await writeManualPages(join(share, "man"));
    await writeCompletions(share);
    return await use({ root, dist, share });
  } finally {
    fs.rmSync(share, { recursive: true, force: true });
  }
}
