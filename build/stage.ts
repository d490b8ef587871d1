/**
 * npm run stage -- deb|rpm FOLDER DIST
 *
 * Started by debian/rules and packaging/jailkit.spec to fill a package: for a deb, writes the files of each package to
 * FOLDER/NAME; for an rpm, those of both to FOLDER. DIST is the folder with bin/ and entry/ that build/compile.ts made.
 * All files are dated SOURCE_DATE_EPOCH.
 */
import { join, resolve } from "node:path";
import { PACKAGES, type PackageFile, packageFiles, stage, withParts } from "./package/stage.ts";

/** Debian's zsh has its completions in another place, and Debian's policy names the changelog. */
function asInDebian(files: readonly PackageFile[]): PackageFile[] {
  return files.map((file) => ({
    ...file,
    path: file.path
      .replace("/zsh/site-functions/", "/zsh/vendor-completions/")
      .replace(/\/CHANGELOG\.md$/, "/changelog"),
  }));
}

const [format, folder, dist] = process.argv.slice(2);
if ((format !== "deb" && format !== "rpm") || folder === undefined || dist === undefined) {
  console.error("usage: npm run stage -- deb|rpm FOLDER DIST");
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
