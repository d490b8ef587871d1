/**
 * The packages as distributions make and test them: dpkg-buildpackage and rpmbuild in a checkout with node_modules in
 * place and nothing built, and autopkgtest with what came of it.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bring, packages } from "../e2e/packages-scene.ts";
import { checkout } from "../machine/helper.ts";
import { openMachine } from "../machine/machine.ts";

setDefaultTimeout(600_000);

let folder: string;
let clone: string;
let before: string[];
const entries = () => fs.readdirSync(clone).sort();
const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", SOURCE_DATE_EPOCH: "1750000000" };

function must(words: string[], more: Record<string, string> = {}): string {
  const home = { HOME: folder };
  const result = Bun.spawnSync(words, { cwd: clone, env: { ...env, ...home, ...more }, stdin: "ignore" });
  if (!result.success) throw new Error(`${words.join(" ")}: ${result.stderr}${result.stdout}`);
  return result.stdout.toString();
}

beforeAll(() => {
  folder = fs.mkdtempSync(join(tmpdir(), "jailkit-checkout-"));
  fs.chmodSync(folder, 0o755);
  clone = join(folder, "jailkit");
  fs.mkdirSync(clone);
  // What is committed or would be, and what npm has brought.
  const files = Bun.spawnSync(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: checkout,
  });
  for (const name of files.stdout.toString().split("\0"))
    if (name !== "" && fs.existsSync(join(checkout, name)))
      fs.cpSync(join(checkout, name), join(clone, name));
  must(["cp", "-a", join(checkout, "node_modules"), clone]);
  fs.rmSync(join(clone, "node_modules/.cache"), { recursive: true, force: true });
  before = entries();
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const contents = (deb: string) =>
  must(["dpkg-deb", "-c", deb])
    .split("\n")
    .map((line) => line.replace(/ +\d+ \d{4}-\d\d-\d\d \d\d:\d\d /, " "));

test("dpkg-buildpackage makes the same packages in a checkout", () => {
  must(["dpkg-buildpackage", "-b", "-us", "-uc"], {
    DPKG_DEB_COMPRESSOR_TYPE: "gzip",
    DPKG_DEB_COMPRESSOR_LEVEL: "1",
  });
  const { deb, procmailDeb } = packages();
  for (const made of [deb, procmailDeb])
    expect(contents(join(folder, made.replace(/.*\//, "")))).toEqual(contents(made));
  must(["debian/rules", "clean"]);
  expect(entries()).toEqual([...before, "dist"].sort());
  // The home that debhelper gives to what it runs.
  expect(fs.existsSync("/nonexistent")).toBe(false);
});

test("rpmbuild makes the same packages in a checkout, and leaves there what a build does", () => {
  const defined = { _topdir: `${folder}/top`, _rpmdir: `${folder}/rpm`, jk_payload: "w1.gzdio" };
  const words = Object.entries(defined).flatMap((pair) => ["--define", pair.join(" ")]);
  must(["rpmbuild", "-bb", "--build-in-place", ...words, "packaging/jailkit.spec"]);
  const { rpm, procmailRpm } = packages();
  const list = (file: string) =>
    must(["rpm", "-qp", "--qf", "[%{FILEMODES} %{FILECAPS} %{FILENAMES}\n]", file]);
  for (const made of [rpm, procmailRpm])
    expect(
      list(join(folder, `rpm/${process.arch === "arm64" ? "aarch64" : "x86_64"}`, made.replace(/.*\//, ""))),
    ).toBe(list(made));
  expect(entries()).toEqual([...before, "dist"].sort());
});

test("autopkgtest: the quickstart's steps work with the installed package", async () => {
  const m = await openMachine();
  try {
    m.must(["dpkg", "--purge", "jailkit"]);
    const [deb = ""] = bring(m, "/root", packages().deb);
    m.mkdir("/root/tree");
    m.must(["cp", "-a", join(checkout, "debian"), "/root/tree/"]);
    const words = [
      "autopkgtest",
      "--ignore-restrictions",
      "breaks-testbed",
      "-B",
      deb,
      "/root/tree",
      "--",
      "null",
    ];
    const result = m.run(words, { env: { ...env, HOME: "/root" }, timeout: 500_000 });
    expect(result.stdout).toContain("All of it worked.\n");
    expect(result).toMatchObject({ status: 0, stdout: expect.stringMatching(/^quickstart +PASS$/m) });
  } finally {
    await m.close();
  }
});
