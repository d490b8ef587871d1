import * as fs from "node:fs";
import { join } from "node:path";
import { deliver, inScratch, type Job, require, run } from "./job.ts";

/**
 * Creates the .deb files in the output with debian/rules, and returns their paths. dpkg-buildpackage(1) writes into
 * debian/ and beside the checkout, so it gets its own folder, with symbolic links to everything else.
 */
export function buildDebs(architecture: "amd64" | "arm64", job: Job): Promise<string[]> {
  require("dpkg-buildpackage", "dpkg-dev");
  require("dh", "debhelper");
  return inScratch(job, async (folder) => {
    const tree = join(folder, "jailkit");
    fs.mkdirSync(tree);
    for (const name of fs.readdirSync(job.root).filter((name) => name !== ".git"))
      if (name === "debian") fs.cpSync(join(job.root, name), join(tree, name), { recursive: true });
      else fs.symlinkSync(join(job.root, name), join(tree, name));
    const named = Object.entries(process.env).filter(
      ([name]) => name === "DEBFULLNAME" || name === "DEBEMAIL",
    );
    // build/setup.mjs installs what the build needs, so -d ignores Build-Depends.
    await run(["dpkg-buildpackage", "-b", "-us", "-uc", "-d", "-a", architecture], {
      cwd: tree,
      env: {
        ...Object.fromEntries(named),
        SOURCE_DATE_EPOCH: String(job.epoch),
        JK_DIST: job.dist,
        ...(job.fast ? { DPKG_DEB_COMPRESSOR_TYPE: "gzip", DPKG_DEB_COMPRESSOR_LEVEL: "1" } : {}),
      },
    });
    return deliver(job, folder, /\.deb$/);
  });
}
