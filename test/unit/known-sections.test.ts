import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { changingDropIn, sectionsAround } from "../../src/config/known-sections.ts";
import { savedLongAgo } from "./saved-long-ago.ts";

savedLongAgo();

let directory: string;
beforeEach(() => {
  directory = mkdtempSync("/tmp/known-sections-");
  chmodSync(directory, 0o755);
  mkdirSync(`${directory}/x.d`);
  put("x.ini", "[main]\n[both]\n");
  put("x.d/b.ini", "[b]\n[both]\n");
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Writes a file in its place: no directory changes. */
const put = (name: string, text: string) => writeFileSync(`${directory}/${name}`, text);
const changed = () => statSync(`${directory}/x.d`, { bigint: true }).ctimeNs;

/** Puts a file there by a rename; again, if no time has passed since the last change of the directory. */
function replace(name: string, text: string): void {
  const before = changed();
  do {
    put("new", text);
    renameSync(`${directory}/new`, `${directory}/${name}`);
  } while (changed() === before);
}
const around = (name = "own") => sectionsAround(`${directory}/x.d/${name}.ini`);
const files = (section: string, name?: string) =>
  around(name)
    .named(section)
    .map(({ file }) => file.slice(directory.length + 1));

test("the file comes first, and then its drop-ins in their order", () => {
  expect([files("main"), files("b"), files("both"), files("none")]).toEqual([
    ["x.ini"],
    ["x.d/b.ini"],
    ["x.ini", "x.d/b.ini"],
    [],
  ]);
  expect(around("b").own.map(({ name }) => name)).toEqual(["b", "both"]);
  expect(around().own).toEqual([]);
});

test("a file that is added, replaced or removed is read, and so is the drop-in itself", () => {
  expect(files("c")).toEqual([]);
  replace("x.d/c.ini", "[c]\n");
  expect(files("c")).toEqual(["x.d/c.ini"]);
  replace("x.d/c.ini", "[d]\n");
  expect([files("c"), files("d")]).toEqual([[], ["x.d/c.ini"]]);
  replace("x.d/other.ini", "");
  rmSync(`${directory}/x.d/c.ini`);
  expect(files("d")).toEqual([]);
  put("x.ini", "[c]\n");
  expect(files("c")).toEqual(["x.ini"]);
  put("x.d/b.ini", "[e]\n");
  expect([files("e", "b"), files("b", "b")]).toEqual([["x.d/b.ini"], []]);
});

test("what one of us changes makes nobody read the others again", () => {
  expect(files("b")).toEqual(["x.d/b.ini"]);
  // Whoever reads it finds an error.
  put("x.d/b.ini", "[b\n");
  changingDropIn(`${directory}/x.d/own.ini`, () => replace("x.d/own.ini", "[own]\n"));
  expect([files("own"), files("b")]).toEqual([["x.d/own.ini"], ["x.d/b.ini"]]);
  changingDropIn(`${directory}/x.d/own.ini`, () => rmSync(`${directory}/x.d/own.ini`));
  expect(files("own")).toEqual([]);
  replace("x.d/other.ini", "[other]\n");
  expect(() => around()).toThrow("b.ini");
});

test("a directory that others can write is refused, also when its files are known", () => {
  expect(files("b")).toEqual(["x.d/b.ini"]);
  chmodSync(`${directory}/x.d`, 0o777);
  expect(() => around()).toThrow("can be written");
});
