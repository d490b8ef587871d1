import { expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { adviceText, inWords } from "../../src/cli/remedy.ts";
import { isJailsOwn, neverHome, otherHomeAdvice } from "../../src/jail/accounts/home-place.ts";
import { isStrict } from "../../src/jail/fs/strict.ts";
import { closeFirst } from "../../src/system/exchange.ts";
import { homeFault } from "../../src/transfer/accounts.ts";
import { unsafePlace } from "../../src/users/safe-place.ts";
import { makeJail, USER } from "./jail-helper.ts";

test.each([
  ["/", true],
  ["/.", true],
  ["/etc", true],
  ["/etc/jailkit/", true],
  ["/usr/bin", true],
  ["/lib64", true],
  ["/home", true],
  ["/home/", true],
  ["/home/u/../../etc", true],
  ["/tmp", true],
  ["/home/u", false],
  ["/var/www", false],
  ["/web", false],
  ["/library", true],
  ["/library/u", false],
  ["/root", true],
])("a home %p is the jail's own: %p", (home, own) => {
  expect(isJailsOwn(home)).toBe(own);
});

test.each("dev etc lib lib32 lib64 libx32 libbob librarian usr bin sbin opt run root proc sys".split(" "))(
  "%s, of which the safety of a jail depends, is nobody's home; one in it may be",
  (name) => {
    expect(isStrict(name)).toBe(true);
    for (const home of [`/${name}`, `/${name}/`, `/home/../${name}/.`]) {
      expect([home, isJailsOwn(home), neverHome(home)]).toEqual([
        ...[home, true, "is a directory of the jail's own"],
      ]);
      expect(homeFault(home)).toContain("is a directory of the jail's own");
    }
    expect(neverHome(`/${name}/u`)).toBeUndefined();
  },
);

test.each([
  ["/home/.jk-put-Dikq3yIBWv64", true],
  ["/home/.jk-move-anna/x", true],
  ["/.jk-", true],
  ["/home/.jkx", false],
  ["/home/a.jk-b", false],
])("a home %p has a name of jailkit's own: %p", (home, own) => {
  const why = "has a name of jailkit's temporary files (.jk-...)";
  expect(neverHome(home)).toBe(own ? why : undefined);
  expect(homeFault(home)).toBe(own ? `the home '${home}' ${why}` : undefined);
});

test("another home, also for names that a shell would split", () => {
  expect<unknown>(
    otherHomeAdvice("/srv/a b", { name: "u$", uid: 7, gid: 8 }, (_path, command) => command),
  ).toBe(
    "usermod -d '/srv/a b/./home/u$' 'u$' && jk_jailuser --jail-side-only -j '/srv/a b' 'u$' && " +
      "install -d -o +7 -g +8 -m 0700 '/srv/a b/home/u$'",
  );
});

test("another home for a name that looks like an option", () => {
  const remedy = adviceText(
    otherHomeAdvice("/j", { name: "-x", uid: 7, gid: 8 }, (_path, command) => command),
  );
  expect(remedy.match(/(?:usermod|jk_jailuser) [^&]*? -- /g)).toHaveLength(2);
});

test("no other home is created where users can put a link", () => {
  const jail = makeJail();
  try {
    const account = { name: "u", uid: USER, gid: USER };
    mkdirSync(`${jail.path}/home`, { recursive: true });
    chmodSync(`${jail.path}/home`, 0o777);
    expect(otherHomeAdvice(jail.path, account)).toEqual(inWords(closeFirst(`${jail.path}/home/u`)));
    chmodSync(`${jail.path}/home`, 0o755);
    expect(otherHomeAdvice(jail.path, account)).toStartWith("usermod -d ");
  } finally {
    jail.close();
  }
});

test("no directory is taken from an account of the jail, also if its accounts cannot be read", () => {
  const jail = makeJail();
  try {
    const place = `${jail.path}/web/u`;
    mkdirSync(place, { recursive: true });
    chownSync(place, USER, USER);
    const advice = () => unsafePlace(jail.root, "/web/u/v", "name another");
    expect(advice()).toEndWith(`; fix it with: chown -h root ${place}`);
    writeFileSync(`${jail.path}/etc/passwd`, `u:x:${USER}:${USER}::/web/u:/bin/sh\n`);
    expect(advice()).toEndWith("; it is in the home of 'u': name another");
    rmSync(`${jail.path}/etc/passwd`);
    mkdirSync(`${jail.path}/etc/passwd`);
    expect(advice()).toMatch(/; it may be in the home of its owner \(.*etc\/passwd.*\): name another$/);
  } finally {
    jail.close();
  }
});
