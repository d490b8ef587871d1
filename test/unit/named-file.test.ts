/** Which paths of the settings a rule may be about, where a session may move files. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, chownSync, linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { close, openDirectoryPath } from "../../ffi/files.ts";
import { openFixed } from "../../src/confine/named-file.ts";

const USER = 65534;
let base: string;

beforeEach(() => {
  // Not where everybody can write, as in /tmp.
  base = mkdtempSync("/var/lib/jailkit-named-");
  chmodSync(base, 0o755);
});
afterEach(() => rmSync(base, { recursive: true }));

/** Whether openFixed opens a path; else its reason. */
function opens(path: string): true | string {
  const root = openDirectoryPath("/");
  const opened = openFixed(root, path);
  close(root);
  if (typeof opened === "string") return opened;
  close(opened);
  return true;
}

test.each<[owner: number, mode: number, expected: true | RegExp]>([
  [0, 0o755, true],
  [0, 0o1755, true],
  [USER, 0o755, /may have moved/],
  [0, 0o777, /may have moved/],
  // A user may have made the link, or moved the file there before.
  [0, 0o1777, /may have moved/],
])("a file of root's in a directory of uid %d, mode %o", (owner, mode, expected) => {
  mkdirSync(`${base}/directory`);
  writeFileSync(`${base}/roots`, "");
  linkSync(`${base}/roots`, `${base}/directory/file`);
  chownSync(`${base}/directory`, owner, owner);
  chmodSync(`${base}/directory`, mode);
  if (expected === true) expect(opens(`${base}/directory/file`)).toBe(true);
  else expect(opens(`${base}/directory/file`)).toMatch(expected);
});
