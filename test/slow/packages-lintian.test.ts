/** lintian(1) reads all strings of a file of 110 MB: half a minute of work, so it stands apart. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { packages } from "../e2e/packages-scene.ts";

setDefaultTimeout(1_500_000);

// Half of the time, for what is not shown: each has one tag, which is only pedantic, or which the package overrides for all.
const UNSHOWN = ["binaries/spelling", "libraries/embedded"];

test("lintian finds nothing in the deb that is not explained", () => {
  const left = ["--dont-check-part", UNSHOWN.join(",")];
  const words = ["lintian", "--allow-root", "--tag-display-limit", "0", ...left, packages().deb];
  const { stdout, stderr, exitCode } = Bun.spawnSync(words, {
    env: { PATH: process.env.PATH ?? "", LC_ALL: "C" },
  });
  expect({ text: `${stdout}${stderr}`, exitCode }).toEqual({ text: "", exitCode: 0 });
});
