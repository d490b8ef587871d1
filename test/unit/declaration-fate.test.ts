/** What --prune does with an account: only the one that apply created is removed, whatever the other checks have said of it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fateOf } from "../../src/declaration/compare/fate.ts";
import type { OnceUser } from "../../src/declaration/once-shape.ts";
import { closeJailRoot, type JailRoot, openJailRoot } from "../../src/jail/fs/walk.ts";

const [OWN, OTHER] = [47_120, 47_121];
let root: JailRoot;
beforeAll(() => {
  root = openJailRoot(mkdtempSync(join("/var/tmp", "jailkit-fate-")));
});
afterAll(() => {
  closeJailRoot(root);
  rmSync(root.path, { recursive: true });
});

const once = (created: number | undefined): OnceUser => ({
  ...{ name: "anna", file: "f", jail: root.path, directory: false, created, createdHome: undefined },
  ...{
    createdDay: undefined,
    homeId: undefined,
    uid: undefined,
    recordedAs: undefined,
    formerly: undefined,
    out: false,
    limited: false,
    policy: false,
  },
  ...{ otherPolicy: false, groups: [], groupIds: [], keys: [], keysTaken: undefined, left: [] },
});
const account = (uid: number) => ({
  ...{ name: "anna", password: "x", uid, gid: 100, gecos: "", home: `${root.path}/./home/anna` },
  shell: "/usr/sbin/jk_chrootsh",
});

test.each([
  ["removed", OWN, OWN],
  ["stays", OWN, OTHER],
  ["stays", undefined, OWN],
] as const)("%s: created with the uid %p, and has %p", (how, created, uid) => {
  expect(fateOf(root, account(uid), once(created), true, { gone: new Set(), homes: () => [] }).how).toBe(how);
});
