/** Which keys jk_check --confinement reports, by kernel. */
import { describe, expect, test } from "bun:test";
import { EIO } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { shellsByName } from "../../src/check/account-files.ts";
import { lackInChrootsh, lackInLsh, lackInUchroot, loginFindings } from "../../src/check/confinement.ts";
import type { CheckProblem } from "../../src/check/rules.ts";
import { type KeyTable, readKeys } from "../../src/config/keys.ts";
import { scanIni } from "../../src/config/scan.ts";
import { confineKeys } from "../../src/config/schemas/confine.ts";
import { uchrootKeys } from "../../src/config/schemas/uchroot.ts";

const ALL = { landlock: 6, filters: true };
const valuesOf = <T extends KeyTable = typeof confineKeys>(
  text: string,
  keys: T = confineKeys as unknown as T,
) => {
  const [section] = scanIni(Buffer.from(`[u]\n${text.replaceAll("; ", "\n")}\n`), "test.ini", "c").sections;
  const values = readKeys(section, keys);
  expect(values.problems).toEqual([]);
  return values;
};

describe("jk_lsh.ini, where confinement is the default", () => {
  test.each([
    ["", []],
    ["confine = 1", []],
    ["confine = require", []],
    ["confine = 0", ["confine"]],
    ["syscalls = any", ["syscalls"]],
    ["execute = any", ["execute"]],
    ["execute = any; confine = 1", ["execute"]],
    ["execute = any; syscalls = any", ["execute", "syscalls"]],
    ["confine = 0; execute = any", ["confine", "execute"]],
    ["confine = 0; execute = system", ["confine"]],
    ["confine = 0; execute = system; syscalls = login", ["confine"]],
    ["confine = 0; execute = system; syscalls = login; scope = 1", []],
    ["confine = 0; syscalls = login", ["confine"]],
    ["scope = 0; no_new_privs = 0", ["scope"]],
  ])("%j: %j", (text, keys) => {
    expect<readonly string[]>(lackInLsh(valuesOf(text), ALL)?.keys ?? []).toEqual(keys);
  });
});

const EACH = ["execute = system", "syscalls = login", "scope = 1"];

describe("jk_chrootsh.ini, where it is not", () => {
  test.each([
    ["", ["confine"], [...EACH, "no_new_privs = 1"]],
    ["no_new_privs = 1", ["confine"], EACH],
    ["limits = nofile 64", ["confine"], [...EACH, "no_new_privs = 1"]],
    ["confine = 0; execute = any", ["confine", "execute"], [...EACH, "no_new_privs = 1"]],
    ["confine = 1", [], []],
    ["confine = require", [], []],
    ["confine = 1; syscalls = any", ["syscalls"], ["syscalls = login"]],
    ["confine = 1; syscalls = any; execute = any; scope = 0", ["execute", "syscalls", "scope"], EACH],
    // One key that confines is not all.
    ["read = /data", ["confine"], EACH],
    ["network = none", ["confine"], EACH],
    ["execute = system", ["confine"], ["syscalls = login", "scope = 1"]],
    ["execute = system; syscalls = login", ["confine"], ["scope = 1"]],
    ["execute = system; syscalls = login; scope = 0", ["scope"], ["scope = 1"]],
    ["execute = system; syscalls = login; scope = 1", [], []],
  ])("%j: %j", (text, keys, missing) => {
    const lack = lackInChrootsh(valuesOf(text), ALL);
    expect<readonly string[][]>([[...(lack?.keys ?? [])], [...(lack?.missing ?? [])]]).toEqual([
      keys,
      missing,
    ]);
  });
});

describe("jk_uchroot.ini, where it is unless setuid programs are allowed", () => {
  test.each([
    ["", [], []],
    ["confine = 0", ["confine"], ["confine = 1"]],
    ["scope = 0", ["scope"], ["scope = 1"]],
    ["allow_setuid = 1", ["allow_setuid"], ["allow_setuid = 0"]],
    ["allow_setuid = 1; confine = 0", ["confine", "allow_setuid"], ["confine = 1", "allow_setuid = 0"]],
    ["confine = 0; no_new_privs = 0", ["confine", "no_new_privs"], ["confine = 1", "no_new_privs = 1"]],
    ["confine = 0; read = /", ["confine"], ["confine = 1"]],
  ])("%j: %j", (text, keys, lines) => {
    const lack = lackInUchroot(valuesOf(text, uchrootKeys), ALL);
    expect<readonly string[][]>([[...(lack?.keys ?? [])], [...(lack?.lines ?? [])]]).toEqual([keys, lines]);
  });
});

test("only what this kernel can do is reported", () => {
  const all = valuesOf("execute = any; syscalls = any; scope = 0");
  const off = valuesOf("confine = 0");
  const keys = (lack: { keys: readonly string[] } | undefined) => lack?.keys ?? [];
  const missing = (lack: { missing: readonly string[] } | undefined) => lack?.missing ?? [];
  expect(keys(lackInLsh(all, { landlock: 1, filters: true }))).toEqual(["syscalls"]);
  expect(keys(lackInLsh(all, { landlock: 2, filters: false }))).toEqual(["execute"]);
  expect(keys(lackInLsh(all, { landlock: 5, filters: false }))).toEqual(["execute"]);
  expect(keys(lackInLsh(all, { landlock: 6, filters: false }))).toEqual(["execute", "scope"]);
  expect(missing(lackInLsh(off, { landlock: 0, filters: true }))).toEqual(["syscalls = login"]);
  expect(lackInLsh(off, { landlock: 0, filters: false })).toBeUndefined();
  expect(missing(lackInLsh(off, { landlock: 6, filters: false }))).toEqual(["scope = 1"]);
  // Every kernel has no_new_privs.
  expect(missing(lackInChrootsh(off, { landlock: 0, filters: false }))).toEqual(["no_new_privs = 1"]);
});

test("an account that cannot be looked up is a problem, and no end of the check", () => {
  const fails = () => {
    throw new SystemError(EIO, "getpwnam", "u");
  };
  const host = { userByName: fails, userByUid: fails, groupByGid: fails, groupByName: fails };
  const user = { name: "u", jail: "/srv/j", home: "/home/u", shell: "/usr/sbin/jk_chrootsh" };
  const problems: CheckProblem[] = [];
  expect(loginFindings([user], host, ALL, problems)).toEqual([]);
  expect(problems).toMatchObject([{ code: "unreadable", path: "/etc/jailkit/jk_chrootsh.ini" }]);
});

test("the shell of an account is that of its first line", () => {
  const users = [
    { name: "a", shell: "/bin/a" },
    { name: "b", shell: "" },
    { name: "a", shell: "/bin/b" },
  ];
  expect([...shellsByName(users)].sort()).toEqual([
    ["a", "/bin/a"],
    ["b", ""],
  ]);
});
