/** The sections of a jail's jk_lsh.ini, as jk_jailuser and jk_addjailuser find them. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { ownSection, policyFor } from "../../src/users/policy.ts";
import { makeJail, type TestJail } from "./jail-helper.ts";

let jail: TestJail;
beforeEach(() => {
  jail = makeJail();
  mkdirSync(`${jail.path}/etc/jailkit`, { mode: 0o755 });
});
afterEach(() => jail.close());

const write = (text: string) => writeFileSync(`${jail.path}/etc/jailkit/jk_lsh.ini`, text, { mode: 0o644 });

test.each<[lines: string, executables: string[] | undefined, allows: string]>([
  ["executables = /a, /b", ["/a", "/b"], "/a, /b"],
  ["umask = 022", [], "nothing"],
  ["executables = /a\nallow = sftp", undefined, "sftp, /a"],
  ["executables = /a\ncommand x = a b", undefined, "a b"],
  ["executables = /a\ncommand x = a b\nforce = a c", undefined, "a c"],
  ["executables = /a\nforce = a \x01", undefined, "a \\x01"],
])("the section %j: %j", (lines, executables, allows) => {
  write(`[u]\n${lines}\n`);
  expect(ownSection(jail.root, "u")).toMatchObject({ allows, executables });
});

test("a section with an error allows nothing, whatever it lists", () => {
  for (const line of [
    "allow = sfpt",
    "Command x = a",
    "read = data",
    "umask = 9",
    "no_new_privs = 0\nscope = 1",
  ]) {
    write(`[u]\nexecutables = /a\n${line}\n`);
    expect([line, ownSection(jail.root, "u")?.allows]).toEqual([line, "nothing, because of an error in it"]);
    expect([line, ownSection(jail.root, "u")?.executables]).toEqual([line, undefined]);
  }
});

test("the section of a user by all groups", () => {
  write("[member a]\n[member b]\n[group g]\n[DEFAULT]\n");
  expect(policyFor(jail.root, "u", "g", ["a"])).toBe("group g");
  expect(policyFor(jail.root, "u", "b", [])).toBe("member b");
  expect(policyFor(jail.root, "u", "b", ["c", "a"])).toBe("member a");
  expect(policyFor(jail.root, "u", "x", ["g"])).toBe("DEFAULT");
});
