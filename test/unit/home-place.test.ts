import { expect, test } from "bun:test";
import { chownSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { isJailsOwn, otherHomeRemedy } from "../../src/jail/accounts/home-place.ts";
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
  ["/library", false],
])("a home %p is the jail's own: %p", (home, own) => {
  expect(isJailsOwn(home)).toBe(own);
});

test("another home, also for names that a shell would split", () => {
  expect(otherHomeRemedy("/srv/a b", { name: "u$", uid: 7, gid: 8 })).toBe(
    "usermod -d '/srv/a b/./home/u$' 'u$' && jk_jailuser --jail-side-only -j '/srv/a b' 'u$' && " +
      "install -d -o 7 -g 8 -m 0700 '/srv/a b/home/u$'",
  );
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
