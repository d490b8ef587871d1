/** npm run build: identical bytes in every folder, and one line that says what is missing. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WORDS } from "../../build/filters/source.ts";

const root = join(import.meta.dir, "../..");
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "jailkit-build-test-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A project with one small tool, in a folder of its own. */
function project(path: string): string {
  mkdirSync(join(path, "src/tools"), { recursive: true });
  for (const name of ["ffi", "build", "config/filters", WORDS.script, "package.json", "tsconfig.json"])
    cpSync(join(root, name), join(path, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(path, "node_modules"));
  const fixture = readFileSync(join(root, "test/fixtures/guard/report.ts"), "latin1");
  writeFileSync(join(path, "src/tools/jk_report.ts"), fixture.replaceAll("../../../ffi", "../../ffi"));
  return path;
}

function build(path: string, words: string[], env: Record<string, string> = { PATH: "/usr/bin:/bin" }) {
  const result = Bun.spawnSync([process.execPath, join(path, "build/compile.ts"), ...words], {
    env,
    cwd: "/",
  });
  return { status: result.exitCode, stdout: result.stdout.toString(), stderr: result.stderr.toString() };
}

describe("npm run build", () => {
  test("gives the same bytes in another folder, for another user, in another environment", () => {
    const first = project(join(folder, "a"));
    const second = project(join(folder, "b/some where/else"));
    writeFileSync(join(second, "bunfig.toml"), 'preload = ["./nonexistent.ts"]\n');
    const others = {
      PATH: "/usr/bin:/bin",
      HOME: folder,
      TZ: "Asia/Tokyo",
      LANG: "C.UTF-8",
      BUN_OPTIONS: "",
    };
    expect(build(first, []).stderr).toBe("");
    expect(build(second, ["jk_report"], others).stderr).toBe("");
    const [a, b] = [first, second].map((path) => readFileSync(join(path, "dist/bin/jk_report")));
    expect(a?.length).toBeGreaterThan(50_000_000);
    expect(a?.equals(b ?? Buffer.alloc(0))).toBe(true);
    expect(a?.includes(folder)).toBe(false);
  });

  test("says which compiler to install", () => {
    const empty = join(folder, "empty");
    mkdirSync(empty);
    const { status, stderr } = build(project(join(folder, "c")), [], { PATH: empty });
    const packages = process.arch === "x64" ? "gcc libc6-dev" : "gcc-aarch64-linux-gnu libc6-dev-arm64-cross";
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: `build: no C compiler for ${process.arch}: apt-get install ${packages}\n`,
    });
  });

  test("says which Bun it needs", () => {
    const path = project(join(folder, "d"));
    const packageJson = join(path, "package.json");
    writeFileSync(
      packageJson,
      readFileSync(packageJson, "latin1").replace(/"bun": "[^"]+"/, '"bun": "9.9.9"'),
    );
    const { status, stderr } = build(path, []);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: `build: this is Bun ${Bun.version}, and jailkit needs Bun 9.9.9: npm ci\n`,
    });
  });

  test.each<[string, (path: string) => void]>([
    [
      "were compiled from another text",
      (path) => appendFileSync(join(path, "config/filters/login.filter"), "\n"),
    ],
    ["lack a text", (path) => writeFileSync(join(path, "config/filters/more.filter"), "")],
    ["are missing", (path) => rmSync(join(path, WORDS.script))],
    ["are missing in the guard", (path) => rmSync(join(path, WORDS.guard))],
  ])("says that filters %s, and builds nothing", (title, change) => {
    const path = project(join(folder, title));
    change(path);
    expect(build(path, [])).toEqual({
      status: 1,
      stdout: "",
      stderr: `build: ${Object.values(WORDS).join(", ")}: not written from config/filters/ and build/filters/ as they are now: npm run filters\n`,
    });
    expect(existsSync(join(path, "dist"))).toBe(false);
  });

  test("says which tool it does not know, and what a compiler said", () => {
    const path = project(join(folder, "e"));
    expect(build(path, ["jk_nonsense"]).stderr).toBe("build: src/tools/jk_nonsense.ts does not exist\n");
    writeFileSync(join(path, "src/tools/jk_report.ts"), "import './missing.ts';");
    expect(build(path, ["jk_report"])).toMatchObject({ status: 1, stdout: "" });
    expect(build(path, ["jk_report"]).stderr).toContain("missing.ts");
  });
});
