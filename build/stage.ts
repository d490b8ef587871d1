/**
 * bun build/stage.ts deb|rpm FOLDER DIST
 *
 * What debian/rules and packaging/jailkit.spec start to fill a package: for a deb FOLDER/NAME gets the files of each
 * package, for an rpm FOLDER those of both. DIST is the folder with bin/ and entry/ that build/compile.ts made. The date
 * of all files is SOURCE_DATE_EPOCH.
 */
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { writeCompletions } from "./completions.ts";
import { writeManualPages } from "./man.ts";
import { PACKAGES, type PackageFile, type Parts, packageFiles, stage } from "./package/stage.ts";

const root = join(import.meta.dir, "..");

/** Calls `use` with the parts of packages, of which manual pages and completions are made for the call. */
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

/** Debian's zsh looks for completions elsewhere than others, and its policy has a name for the changes of a program. */
function asInDebian(files: readonly PackageFile[]): PackageFile[] {
  return files.map((file) => ({
    ...file,
    path: file.path
      .replace("/zsh/site-functions/", "/zsh/vendor-completions/")
      .replace(/\/CHANGELOG\.md$/, "/changelog"),
  }));
}

if (import.meta.main) {
  const [format, folder, dist] = process.argv.slice(2);
  if ((format !== "deb" && format !== "rpm") || folder === undefined || dist === undefined) {
    console.error("stage: deb or rpm, a folder, and the folder with what is built");
    process.exit(1);
  }
  const epoch = Number(process.env.SOURCE_DATE_EPOCH) || Math.floor(Date.now() / 1000);
  await withParts(resolve(dist), (parts) => {
    for (const name of PACKAGES) {
      const files = packageFiles(name, parts);
      if (format === "deb") stage(asInDebian(files), join(folder, name), epoch);
      else stage(files, folder, epoch);
    }
  });
}
