/** The size of the deb as it is published: compressing it takes a minute, so this stands apart. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildPackages, packages, statedSizes } from "../e2e/packages-scene.ts";

setDefaultTimeout(600_000);

const MB = 1_000_000;
const folder = fs.mkdtempSync(join(tmpdir(), "jailkit-packages-"));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

test("it is within the budget, and what README.md states", () => {
  buildPackages(packages().dist, folder, ["deb"]);
  const deb = fs.readdirSync(folder).find((name) => /^jailkit_.*\.deb$/.test(name)) ?? "";
  const { size } = fs.statSync(join(folder, deb));
  expect(size).toBeLessThan(45 * MB);
  expect(Math.abs(size - statedSizes("jailkit, deb").download)).toBeLessThan(MB);
});
