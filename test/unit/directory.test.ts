import { describe, expect, test } from "bun:test";
import { adviceText } from "../../src/cli/remedy.ts";
import { parseSshdSettings } from "../../src/system/sshd/settings.ts";
import { keyWarnings } from "../../src/system/sshd/warnings.ts";
import { DirectoryError, directoryLines, directoryReport, ldifOf } from "../../src/users/directory.ts";

const plain = { name: "anna", change: { home: "/srv/j/./home/anna", shell: "/usr/sbin/jk_chrootsh" } };
const all = { ...plain, before: ["one"], after: ["two"], leaves: false };

describe("the change of a directory", () => {
  test("is LDIF that lacks the DN", () => {
    expect(ldifOf(plain)).toEqual([
      "dn: THE-DN-OF anna",
      "changetype: modify",
      "replace: homeDirectory",
      "homeDirectory: /srv/j/./home/anna",
      "-",
      "replace: loginShell",
      "loginShell: /usr/sbin/jk_chrootsh",
    ]);
  });

  test.each([
    ["/srv/j/./home/a b", "homeDirectory: /srv/j/./home/a b"],
    ["/srv/j/./home/a ", "homeDirectory:: L3Nydi9qLy4vaG9tZS9hIA=="],
    ["/srv/\xc3\xbc", "homeDirectory:: L3Nydi/DvA=="],
    ["/srv/j\nloginShell: /bin/sh", "homeDirectory:: L3Nydi9qCmxvZ2luU2hlbGw6IC9iaW4vc2g="],
    [":", "homeDirectory:: Og=="],
    ["< file:///etc/shadow", "homeDirectory:: PCBmaWxlOi8vL2V0Yy9zaGFkb3c="],
  ])("%j is one value: %s", (home, line) => {
    expect(ldifOf({ ...plain, change: { ...plain.change, home } })[3]).toBe(line);
  });

  test.each<[string, string, string[] | undefined]>([
    ["plain, and fits", `/${"h".repeat(60)}`, [`homeDirectory: /${"h".repeat(60)}`]],
    ["plain", `/${"h".repeat(140)}`, [`homeDirectory: /${"h".repeat(60)}`, ` ${"h".repeat(75)}`, " hhhhh"]],
    ["with blanks", `/${" a".repeat(40)}`, undefined],
    ["of other bytes", "/\xc3\xbc".repeat(90), undefined],
  ])("a value that is %s has no line of more than 76 bytes", (_, home, expected) => {
    const lines = ldifOf({ ...plain, change: { ...plain.change, home } });
    for (const line of lines) {
      expect(line.length).toBeLessThanOrEqual(76);
      expect(line).not.toEndWith(" ");
    }
    const own = lines.slice(3, lines.indexOf("-"));
    if (expected !== undefined) expect(own).toEqual(expected);
    const whole = own.map((line, n) => (n === 0 ? line : line.slice(1))).join("");
    const [, base64, text = ""] = /^homeDirectory:(:?) (.*)$/.exec(whole) ?? [];
    expect(base64 === "" ? text : Buffer.from(text, "base64").toString("latin1")).toBe(home);
  });

  test("is warned of if a server would refuse it", () => {
    const warningsFor = (home: string, more = {}) =>
      directoryReport({ ...all, change: { ...plain.change, home }, ...more }).warnings;
    expect(warningsFor("/srv/j/./home/a b")).toEqual([]);
    expect(warningsFor("/srv/\xc3\xbc/./home/a")).toEqual([expect.stringContaining("is not ASCII")]);
    expect(warningsFor("/srv/\xc3\xbc/./home/a", { file: "/var/lib/extrausers/passwd" })).toEqual([]);
    expect(warningsFor("/home/\xc3\xbc", { leaves: true })).toEqual([]);
  });

  test("has commands before and after it", () => {
    const lines = directoryLines(all);
    expect(lines.filter((line) => !line.startsWith("#"))).toEqual(["one", "", ...ldifOf(plain), "", "two"]);
    expect(directoryReport(all)).toMatchObject({ before: ["one"], after: ["two"], ldif: ldifOf(plain) });
    expect(directoryLines({ ...all, change: undefined, after: [] })).toEqual(["# On this machine:", "one"]);
  });

  test("is asked for in one line", () => {
    expect(new DirectoryError(all).message).toStartWith(
      "'anna' is not in /etc/passwd, but in a directory (passwd: ",
    );
    expect(new DirectoryError({ ...all, change: undefined }).message).toContain(
      "usermod(8) cannot change it",
    );
  });
});

test("a locked account of a directory is not unlocked by usermod(8), which cannot change it", () => {
  const adviceFor = (isLocal: boolean) =>
    keyWarnings(parseSshdSettings("usepam no\n"), "anna", "x", true, () => isLocal).map(({ advice }) =>
      adviceText(advice),
    );
  expect(adviceFor(true)).toEqual(["usermod -p '*' anna"]);
  expect(adviceFor(false)).toEqual([expect.stringContaining("where the account is kept")]);
});
