/** The targets of the installed documents are installed: links, manual pages, and files of jailkit. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { packages } from "./packages-scene.ts";

setDefaultTimeout(300_000);

let root: string;
/** Texts by their paths on the machine: documents, manual pages, units and defaults. */
const texts = new Map<string, string>();
const isThere = (path: string) => fs.existsSync(join(root, path));

beforeAll(() => {
  root = fs.mkdtempSync(join(tmpdir(), "jailkit-documents-"));
  const { deb, procmailDeb } = packages();
  for (const each of [deb, procmailDeb]) Bun.spawnSync(["dpkg-deb", "-x", each, root]);
  for (const folder of ["usr/share/doc", "usr/share/man", "usr/lib", "etc"]) {
    const entries = fs.readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
    for (const entry of entries.filter((one) => one.isFile())) {
      const file = join(entry.parentPath, entry.name);
      const bytes = fs.readFileSync(file);
      const text = file.endsWith(".gz") ? gunzipSync(bytes) : bytes;
      texts.set(file.slice(root.length), Buffer.from(text).toString("utf8"));
    }
  }
});
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

/** All that `pattern` finds in texts whose paths `which` matches, as `path: what was found` where `isWrong`. */
function wrong(which: RegExp, pattern: RegExp, isWrong: (found: string[], path: string) => boolean) {
  let looked = 0;
  const lines: string[] = [];
  for (const [path, text] of texts) {
    if (!which.test(path)) continue;
    for (const found of text.matchAll(pattern)) {
      looked++;
      if (isWrong(found.slice(1), path)) lines.push(`${path}: ${found[0]}`);
    }
  }
  expect(looked).toBeGreaterThan(0);
  return lines;
}

test("links", () => {
  const links = /\]\((?![a-z]+:|#)([^)\s#]+)[^)]*\)/g;
  expect(wrong(/\.md$/, links, ([target = ""], path) => !isThere(join(dirname(path), target)))).toEqual([]);
});

test("folders of the project are not named as if they were installed", () => {
  const named = /(?<![\w/.-])docs\/[\w./-]+/g;
  const found = [...texts].flatMap(([path, text]) =>
    (text.match(named) ?? []).map((one) => `${path}: ${one}`),
  );
  expect(found).toEqual([]);
});

test("manual pages", () => {
  const isMissing = ([name = "", section = ""]: string[]) =>
    /^j(?:k_|ailkit)/.test(name) && !isThere(`/usr/share/man/man${section}/${name}.${section}.gz`);
  expect(wrong(/\/man\//, /^\.Xr (\S+) (\d)/gm, isMissing)).toEqual([]);
  expect(wrong(/\/(?:doc|systemd|sysusers\.d|tmpfiles\.d)\//, /([\w.-]+)\((\d)\)/g, isMissing)).toEqual([]);
});

test("files of jailkit", () => {
  const paths = /(?<![\w.-])(\/(?:usr|etc\/jailkit)\/[\w./-]*?j(?:k_|ailkit)[\w./-]*)/g;
  // Files that an administrator may add, and one that NEWS lists as removed.
  const notOurs = /^\/etc\/jailkit\/jk_\w+\.d(?:\/|$)|^\/usr\/share\/jailkit\/jk_lib\.py$/;
  const isMissing = ([path = ""]: string[]) => {
    const clean = path.replace(/[./]+$/, "");
    return !notOurs.test(clean) && !isThere(clean);
  };
  expect(wrong(/./, paths, isMissing)).toEqual([]);
});
