/** lintian(1) reads each of the names of a file of 110 MB: a minute of work, so it stands apart. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { packages } from "../e2e/packages-scene.ts";

setDefaultTimeout(1_500_000);

test("lintian finds nothing in the deb that is not explained", () => {
  const words = ["lintian", "--allow-root", "--tag-display-limit", "0", packages().deb];
  const { stdout, stderr, exitCode } = Bun.spawnSync(words, {
    env: { PATH: process.env.PATH ?? "", LC_ALL: "C" },
  });
  expect({ text: `${stdout}${stderr}`, exitCode }).toEqual({ text: "", exitCode: 0 });
});
