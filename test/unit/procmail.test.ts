import { expect, test } from "bun:test";
import {
  isJailedHome,
  PROCMAIL_CALLER_CHECKS,
  PROCMAIL_HOST_CHECKS,
  PROCMAIL_IN_JAIL_CHECKS,
} from "../../src/enter/procmail/checks.ts";
import { PROCMAIL_HELP } from "../../src/enter/procmail/help.ts";
import { LOGIN_CHECKS } from "../../src/explain/login-checks.ts";
import { splitHome } from "../../src/system/separator.ts";

test.each([
  "/srv/j/./home/u",
  "/srv/j/./",
  "/srv/./j/./h",
  "/./home/u",
  "/srv/j/.//home",
  "/srv/j/.",
  "/.",
  "/././x",
])("%s is in a jail, or is meant to be", (home) => {
  expect(isJailedHome(home)).toBe(true);
});

test.each([
  "",
  "/",
  "/home/u",
  "/home/john.doe",
  "/home/.u",
  "/home/u.",
  "/home/u./x",
  "/home/../u",
  "/home/u/..",
  "/home/.../u",
])("%s is not in a jail", (home) => {
  expect(isJailedHome(home)).toBe(false);
  expect(splitHome(home)).toBeUndefined();
});

const all = [...PROCMAIL_CALLER_CHECKS, ...PROCMAIL_HOST_CHECKS, ...PROCMAIL_IN_JAIL_CHECKS];

test("the checks have the order and the exit statuses of jailkit 2.23", () => {
  expect(all.map(({ name, exitStatus }) => `${exitStatus} ${name}`)).toEqual([
    "75 not-root",
    "75 account",
    "1 program-name",
    "11 privilege",
    "13 group",
    "13 groups",
    "15 primary-group",
    "17 separator",
    "19 jail-reachable",
    "21 jail-path",
    "53 jail-safety",
    "53 home-present",
    "53 home-owner",
    "35 jail-user",
    "35 jail-group",
    "37 jail-user-name",
    "37 jail-group-name",
    "39 jail-home",
    "41 home-entry",
    "111 procmail",
  ]);
});

test("the help names every exit status", () => {
  const known = Object.keys(PROCMAIL_HELP.exitStatus).map(Number);
  for (const { exitStatus } of all) expect(known).toContain(exitStatus);
});

test("mail is delivered without these checks of a login, and no others", () => {
  const without: Readonly<Record<string, string>> = {
    "config-directory": "the keys that confine procmail are read after the checks on the host",
    "config-file": "the keys that confine procmail are read after the checks on the host",
    "home-set": "only a home in a jail leads here",
    "home-group": "procmail checks itself who can write the home",
    "home-group-write": "procmail checks itself who can write the home",
    "home-other-write": "procmail checks itself who can write the home",
    shell: "procmail is started instead",
  };
  const names = all.map(({ name }) => name);
  const missing = LOGIN_CHECKS.flatMap(({ name }) => (names.includes(name) ? [] : [name]));
  expect(missing).toEqual(Object.keys(without));
});
