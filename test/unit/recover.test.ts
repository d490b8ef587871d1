import { afterEach, beforeEach, expect, test } from "bun:test";
import { chownSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { toBytes } from "../../ffi/bytes.ts";
import {
  formatManifest,
  type ManifestContent,
  type ManifestEntry,
} from "../../src/jail/record/manifest-text.ts";
import { recovered } from "../../src/jail/record/recover.ts";
import { identityOf } from "../../src/jail/record/registry.ts";
import { makeJail, type TestJail, USER } from "./jail-helper.ts";

let jail: TestJail;
beforeEach(() => {
  jail = makeJail();
});
afterEach(() => jail.close());

const common = { sections: ["s"], mode: 0o644, uid: 0, gid: 0 };
const file: ManifestEntry = { ...common, path: "/usr/file", type: "file", size: 3, mtime: 5_000_000_000n };
const link: ManifestEntry = { ...common, path: "/usr/link", type: "link", target: "file" };

/** The paths that a record takes in from the journal beside it. */
function found(entries: readonly ManifestEntry[], unfinished = true) {
  const registry = `${jail.base}/registry`;
  mkdirSync(`${registry}/id`, { recursive: true, mode: 0o700 });
  const byPath = new Map(entries.map((one) => [one.path, one]));
  const identity = { jail: identityOf(jail.root), unknown: {} };
  const journal: ManifestContent = { ...identity, requests: [], entries: byPath };
  writeFileSync(`${registry}/id/fill.json`, formatManifest(journal), { mode: 0o600 });
  const request = { tool: "jk_init", sections: ["s"], operands: [], options: {}, time: 1, unfinished };
  const content: ManifestContent = { ...identity, requests: [request], entries: new Map() };
  const paths = recovered(jail.root, { id: "id", registry, content }).map(({ path }) => path);
  rmSync(registry, { recursive: true });
  return paths;
}

function put(): void {
  writeFileSync(`${jail.path}/usr/file`, toBytes("one"));
  utimesSync(`${jail.path}/usr/file`, 5, 5);
  symlinkSync("file", `${jail.path}/usr/link`);
}

test("what is there as planned is the jail's, and what is missing is no error", () => {
  put();
  const missing = { ...file, path: "/usr/missing" };
  expect(found([file, link, missing])).toEqual(["/usr/file", "/usr/link"]);
});

test("without an interrupted request nothing is taken", () => {
  put();
  expect(found([file], false)).toEqual([]);
});

test("what is not as planned is not the jail's", () => {
  put();
  chownSync(`${jail.path}/usr/file`, USER, USER);
  expect(found([file, { ...link, target: "other" }])).toEqual([]);
  chownSync(`${jail.path}/usr/file`, 0, 0);
  expect(
    found([
      { ...file, size: 4 },
      { ...file, path: "/usr/link" },
    ]),
  ).toEqual([]);
});
