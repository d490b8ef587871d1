/** Which keys jk_check --confinement reports, by kernel. */
import { describe, expect, test } from "bun:test";
import { EIO } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { loginFindings, shellsByName, weakInChrootsh, weakInLsh } from "../../src/check/confinement.ts";
import type { CheckProblem } from "../../src/check/rules.ts";
import { readKeys } from "../../src/config/keys.ts";
import { scanIni } from "../../src/config/scan.ts";
import { confineKeys } from "../../src/config/schemas/confine.ts";

const ALL = { landlock: 6, filters: true };
const valuesOf = (text: string) => {
  const [section] = scanIni(Buffer.from(`[u]\n${text.replaceAll("; ", "\n")}\n`), "test.ini", "c").sections;
  const values = readKeys(section, confineKeys);
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
    ["confine = 0; execute = system; syscalls = login", []],
    ["confine = 0; syscalls = login", []],
    ["scope = 0; no_new_privs = 0", []],
  ])("%j: %j", (text, weak) => {
    expect<string[]>(weakInLsh(valuesOf(text), ALL)).toEqual(weak);
  });
});

describe("jk_chrootsh.ini, where it is not", () => {
  test.each([
    ["", ["confine"]],
    ["no_new_privs = 1", ["confine"]],
    ["limits = nofile 64", ["confine"]],
    ["confine = 0; execute = any", ["confine", "execute"]],
    ["confine = 1", []],
    ["confine = require", []],
    ["confine = 1; syscalls = any", []],
    ["confine = 1; syscalls = any; execute = any; scope = 0", ["execute", "syscalls"]],
    ["read = /data", []],
    ["network = none", []],
    ["execute = system", []],
  ])("%j: %j", (text, weak) => {
    expect<string[]>(weakInChrootsh(valuesOf(text), ALL)).toEqual(weak);
  });
});

test("only what this kernel can do is reported", () => {
  const both = valuesOf("execute = any; syscalls = any");
  const off = valuesOf("confine = 0");
  expect(weakInLsh(both, { landlock: 1, filters: true })).toEqual(["syscalls"]);
  expect(weakInLsh(both, { landlock: 2, filters: false })).toEqual(["execute"]);
  expect(weakInLsh(off, { landlock: 0, filters: true })).toEqual(["confine"]);
  expect(weakInLsh(off, { landlock: 0, filters: false })).toEqual([]);
  expect(weakInLsh(off, { landlock: 6, filters: false })).toEqual([]);
  expect(weakInChrootsh(off, { landlock: 0, filters: false })).toEqual([]);
});

test("an account that cannot be looked up is a problem, and no end of the check", () => {
  const fails = () => {
    throw new SystemError(EIO, "getpwnam", "u");
  };
  const host = { userByName: fails, userByUid: fails, groupByGid: fails, groupByName: fails };
  const user = { name: "u", jail: "/srv/j", home: "/home/u", shell: "/usr/sbin/jk_chrootsh" };
  const problems: CheckProblem[] = [];
  expect(loginFindings([user], host, ALL, problems)).toEqual([]);
  expect(problems).toMatchObject([{ code: "EIO", path: "/etc/jailkit/jk_chrootsh.ini" }]);
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
