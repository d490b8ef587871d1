import { describe, expect, test } from "bun:test";
import { toBytes } from "../../ffi/bytes.ts";
import { formatGroupLine, formatPasswdLine, parsePasswdLine } from "../../src/jail/accounts/account-lines.ts";
import { isPlainName, nameFault, requireAccountName, userPattern } from "../../src/system/account-name.ts";
import { matchesPattern } from "../../src/system/sshd/settings.ts";

const HARMLESS = [
  ...["anna", "anna@example.org", "EXAMPLE\\anna", "\xc3\xbcnal", "anna smith", "domain users@example.org"],
  ...[
    "pc1$",
    "a%b",
    "a%sb",
    "a#b",
    "a[b",
    "a]b",
    "o'neil",
    'a"b',
    "a$(id)",
    "a`id`",
    "a;id",
    "a*",
    "!a",
    "a..b",
  ],
  ...["...", ".a", "1234", "x".repeat(255), "\xe2\x80\xae", "DEFAULT", "a=b", "~a", "@a", "%a"],
];
const HARMFUL = [
  ...["", ".", "..", "-a", "--", "+a", "#a", " a", "a ", "a:b", "a,b", "a/b", "../a", "/a", "a\nb", "a\tb"],
  ...["a\0b", "\x1b[2J", "a\x7f", "group users", "member users", "\xff", "a\xc3", "x".repeat(256)],
];
const account = { password: "x", uid: 1, gid: 1, gecos: "", home: "/", shell: "" };

describe("names of accounts", () => {
  test.each(HARMLESS)("%j does no harm, and is read back from the account files", (name) => {
    expect(nameFault(name)).toBeUndefined();
    expect(parsePasswdLine(formatPasswdLine({ ...account, name }))?.name).toBe(name);
    expect(formatGroupLine({ name, password: "x", gid: 1, members: [name, "b"] })).toBe(
      `${name}:x:1:${name},b`,
    );
  });

  test.each(HARMFUL)("%j is refused, also in the account files", (name) => {
    expect(nameFault(name)).toBeString();
    expect(() => requireAccountName(name)).toThrow("cannot be an account's name: it ");
    expect(() => formatPasswdLine({ ...account, name })).toThrow("cannot be a user name");
    const group = { name: "g", password: "x", gid: 1, members: [name] };
    expect(() => formatGroupLine(group)).toThrow("cannot be a member");
    expect(isPlainName(name)).toBe(false);
  });

  test("useradd(8) creates some of them", () => {
    const plain = HARMLESS.filter(isPlainName);
    expect(plain).toEqual(["anna", "pc1$", "a..b", "...", ".a", "x".repeat(255), "DEFAULT"]);
  });
});

describe("patterns of sshd_config(5)", () => {
  test.each(HARMLESS)("%j matches its own, and no longer name", (name) => {
    const pattern = userPattern(name, "Match").replace(/^"(.*)"$/, "$1");
    expect(pattern).not.toMatch(/["'*]|^!|\\$/);
    expect(matchesPattern(name, pattern)).toBe(true);
    expect(matchesPattern(`${name}b`, pattern)).toBe(false);
    expect(toBytes(pattern).length).toBe(name.length);
  });

  test("a host may follow an @, so that one in a name is not the last", () => {
    expect(userPattern("anna@example.org", "AllowUsers")).toBe("anna@example.org@*");
    expect(userPattern("anna smith", "AllowUsers")).toBe('"anna smith"');
    expect(userPattern("anna@example.org", "Match")).toBe("anna@example.org");
  });
});
