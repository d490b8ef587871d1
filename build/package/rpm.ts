import { join } from "node:path";
import { deliver, inScratch, type Job, require, run } from "./job.ts";

/** Creates the .rpm files in the output with packaging/jailkit.spec, and returns their paths. */
export function buildRpms(architecture: "x86_64" | "aarch64", job: Job): Promise<string[]> {
  require("rpmbuild", "rpm");
  return inScratch(job, async (folder) => {
    const { DEBFULLNAME: name, DEBEMAIL: email } = process.env;
    const values = {
      _topdir: `${folder}/top`,
      _rpmdir: `${folder}/out`,
      jk_dist: job.dist,
      ...(job.fast ? { jk_payload: "w1.gzdio" } : {}),
      ...(email ? { packager: `${name || "The jailkit authors"} <${email}>` } : {}),
    };
    const defined = Object.entries(values).flatMap((pair) => ["--define", pair.join(" ")]);
    const spec = join(job.root, "packaging/jailkit.spec");
    const target = `${architecture}-linux`;
    await run(["rpmbuild", "-bb", "--build-in-place", "--target", target, ...defined, spec], {
      cwd: job.root,
      env: { SOURCE_DATE_EPOCH: String(job.epoch), HOME: folder },
    });
    return deliver(job, join(folder, "out", architecture), /\.rpm$/);
  });
}
