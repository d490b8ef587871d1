import { expect, test } from "bun:test";
import { isJailsOwn, otherHomeRemedy } from "../../src/jail/accounts/home-place.ts";

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
