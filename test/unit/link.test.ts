import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basicStat } from "../../ffi/basic-stat.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { close } from "../../ffi/files.ts";
import { openSource } from "../../src/jail/fs/source.ts";
import { mayStayLinked, stillGrants, whyNotLinked } from "../../src/populate/apply/link.ts";
import type { Entry } from "../../src/populate/entry.ts";
import { codeOf } from "./jail-helper.ts";

let path: string;
let source: string;
beforeEach(() => {
  path = mkdtempSync("/dev/shm/jailkit-link-");
  source = `${path}/f`;
  writeFileSync(source, "x");
  chmodSync(source, 0o755);
});
afterEach(() => rmSync(path, { recursive: true }));

const entry = (changes: Partial<Entry> = {}): Entry => ({
  ...{ type: "file", path: "/f", source, action: "create", mode: 0o755, uid: 0, gid: 0, stripped: false },
  ...{ keeps: 0, size: 1, atime: undefined, mtime: undefined, because: [], ...changes },
});
/** Whether it may be linked: at first, and where it is linked already. */
function may(changes: Partial<Entry> = {}): boolean {
  const fd = openSource(source);
  try {
    const answer = whyNotLinked(fd, entry(changes)) === undefined;
    expect(mayStayLinked(entry(changes))).toBe(answer);
    return answer;
  } finally {
    close(fd);
  }
}
const run = (...words: string[]) => expect(Bun.spawnSync([...words, source]).exitCode).toBe(0);

test("a file that grants no more than requested may be hard-linked", () => {
  expect(may()).toBe(true);
  expect([may({ mode: 0o644 }), may({ uid: 5 }), may({ gid: 5 })]).toEqual([false, false, false]);
  chownSync(source, 5, 6);
  expect([may({ uid: 5, gid: 6 }), may()]).toEqual([true, false]);
  chownSync(source, 0, 0);
  chmodSync(source, 0o6755);
  expect([may({ mode: 0o6755 }), may()]).toEqual([true, false]);
});

test("a file with capabilities or an ACL with named entries is never hard-linked", () => {
  run("setcap", "cap_net_raw+ep");
  expect(may()).toBe(false);
  run("setcap", "-r");
  expect(may()).toBe(true);
  for (const named of ["u:5:r-x", "g:5:---"]) {
    run("setfacl", "-m", named);
    expect([named, may()]).toEqual([named, false]);
    run("setfacl", "-b");
  }
  run("setfacl", "-m", "u:0:r-x,m::r-x");
  expect(may()).toBe(true);
});

test("a source that is missing, a symbolic link or not a file", () => {
  expect(mayStayLinked(entry({ source: `${path}/none` }))).toBe(true);
  symlinkSync(source, `${path}/link`);
  expect(codeOf(() => openSource(`${path}/link`))).toBe("ELOOP");
  const fd = openSource(path);
  expect(whyNotLinked(fd, entry({ source: path, mode: 0o700 }))).toBeString();
  close(fd);
});

test("a file that keeps special bits is still the planned one", () => {
  const is = (mode: number, changes: Partial<Entry> = {}) => {
    chmodSync(source, mode);
    const stat = basicStat(AT_FDCWD, source);
    if (stat === undefined) throw new Error("gone");
    return stillGrants(entry({ mode: 0o4750, ...changes }), stat);
  };
  expect([is(0o4750), is(0o4755), is(0o755), is(0o6750), is(0o4650)]).toEqual([
    true,
    false,
    false,
    false,
    false,
  ]);
  expect([is(0o4750, { uid: 5 }), is(0o4750, { gid: 5 })]).toEqual([false, false]);
  // An ACL's mask in the place of the group's bits.
  expect(is(0o4770)).toBe(true);
  // Nothing that is kept, nothing to be given away.
  expect(is(0o4755, { mode: 0o755 })).toBe(true);
  // Another file that got the name, which not all may read who may read the copy.
  expect([is(0o600, { mode: 0o644 }), is(0o640, { mode: 0o644 }), is(0o604, { mode: 0o644 })]).toEqual([
    false,
    false,
    false,
  ]);
  expect([is(0o600, { mode: 0o600, uid: 5 }), is(0o640, { mode: 0o640, gid: 5 })]).toEqual([false, false]);
  expect([is(0o600, { mode: 0o600 }), is(0o644, { mode: 0o640 })]).toEqual([true, true]);
});

test("a symbolic link on the path is followed only if only root could have created it", () => {
  const directory = `${path}/theirs`;
  mkdirSync(`${directory}/real`, { recursive: true });
  writeFileSync(`${directory}/real/f`, "x");
  chownSync(directory, 5, 6);
  symlinkSync("real", `${directory}/link`);
  close(openSource(`${directory}/real/f`));
  expect(codeOf(() => openSource(`${directory}/link/f`))).toBe("link-in-untrusted-directory");
  // Most hosts have a link at /bin, which is root's.
  close(openSource("/bin/cat"));
});
