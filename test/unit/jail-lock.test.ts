/** Locks that are files: one holder at a time, also while files appear and go. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lockFile } from "../../ffi/changes.ts";
import { AT_FDCWD, LOCK_EX, O_DIRECTORY, O_RDONLY, O_RDWR } from "../../ffi/constants.ts";
import { close, openAt } from "../../ffi/files.ts";
import { lockName, releaseName } from "../../src/jail/fs/lock.ts";

let path: string;
let directory: number;
beforeEach(() => {
  path = mkdtempSync("/tmp/jail-lock-");
  directory = openAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
});
afterEach(() => {
  close(directory);
  rmSync(path, { recursive: true });
});

class Stopped extends Error {}
const stop = () => {
  throw new Stopped();
};
const isFree = (): boolean => {
  try {
    releaseName(directory, "one", lockName(directory, "one", "test", stop));
    return true;
  } catch (error) {
    if (error instanceof Stopped) return false;
    throw error;
  }
};

test("a lock has one holder, a file that only root can open, and leaves nothing behind", () => {
  const held = lockName(directory, "one", "jk_init", stop);
  expect(isFree()).toBe(false);
  expect(statSync(join(path, "one")).mode & 0o7777).toBe(0o600);
  expect(readFileSync(join(path, "one"), "latin1").trim()).toBe(`${process.pid} jk_init`);
  const other = lockName(directory, "two", "jk_cp", stop);
  releaseName(directory, "one", held);
  releaseName(directory, "two", other);
  expect(readdirSync(path)).toEqual([]);
  expect(isFree()).toBe(true);
});

test("whoever waits sees the holder, and gets the lock when it is free", () => {
  const held = lockName(directory, "one", "jailkit delete", stop);
  const holders: (string | undefined)[] = [];
  const next = lockName(directory, "one", "jk_cp", (holder) => {
    holders.push(holder);
    if (holders.length === 3) releaseName(directory, "one", held);
    return holders.length === 3 ? "block" : "again";
  });
  expect(holders).toEqual(Array.from({ length: 3 }, () => `${process.pid} jailkit delete`));
  // The old holder has removed the file that was waited for.
  expect(readdirSync(path)).toEqual(["one"]);
  expect(isFree()).toBe(false);
  releaseName(directory, "one", next);
});

test("a lock that was freed and taken again by a third while one waited is waited for again", () => {
  const held = lockName(directory, "one", "jk_init", stop);
  let third: number | undefined;
  const holders: (string | undefined)[] = [];
  const next = lockName(directory, "one", "jk_cp", (holder) => {
    holders.push(holder);
    if (third === undefined) {
      releaseName(directory, "one", held);
      third = lockName(directory, "one", "jk_update", stop);
    } else releaseName(directory, "one", third);
    return "block";
  });
  expect(holders).toEqual([`${process.pid} jk_init`, `${process.pid} jk_update`]);
  expect(isFree()).toBe(false);
  releaseName(directory, "one", next);
});

test("the file of a killed holder does not matter, nor what is in it", () => {
  for (const text of ["", "12 jk_init", "\x1b[2J", "x".repeat(1000)]) {
    writeFileSync(join(path, "one"), text);
    const held = lockName(directory, "one", "jk_cp", stop);
    expect(readFileSync(join(path, "one"), "latin1").slice(0, 64).trim()).toBe(`${process.pid} jk_cp`);
    releaseName(directory, "one", held);
  }
  writeFileSync(join(path, "one"), "\x1b[2J");
  const held = openAt(directory, "one", O_RDWR);
  lockFile(held, LOCK_EX);
  const seen: (string | undefined)[] = [];
  const next = lockName(directory, "one", "jk_cp", (holder) => {
    seen.push(holder);
    close(held);
    return "again";
  });
  expect(seen).toEqual([undefined]);
  releaseName(directory, "one", next);
});
