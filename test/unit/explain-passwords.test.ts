import { expect, test } from "bun:test";
import { adviceText, typed } from "../../src/cli/remedy.ts";
import { passwordAuthentication } from "../../src/explain/sshd/authentication.ts";
import type { Connection } from "../../src/explain/sshd/connection.ts";
import { sessionSteps } from "../../src/explain/sshd/session.ts";
import { countingShadow, MISSING, type ShadowEntry } from "../../src/system/shadow.ts";
import { parseSshdSettings } from "../../src/system/sshd/settings.ts";

const settings = parseSshdSettings("passwordauthentication yes\nusepam no\npermitemptypasswords no\n");
const shadow = (change: Partial<ShadowEntry>): ShadowEntry => ({
  ...{ password: "$6$x", lastChange: 100, maximum: -1, inactive: -1, expire: -1 },
  ...change,
});

test.each([
  ["!$6$x", "passwd -u anna", "unlock the password, where the account is kept"],
  ["!", "passwd anna", "set a password, where the account is kept"],
  ["*", "passwd anna", "set a password, where the account is kept"],
  ["", "passwd anna", "set a password, where the account is kept"],
])("the password %j of an account of a directory has no command of passwd(1)", (password, command, words) => {
  const [local, other] = [true, false].map((isLocal) =>
    passwordAuthentication(settings, { name: "anna" }, shadow({ password }), isLocal),
  );
  expect(local?.advice.map((one): string => typed(one))).toEqual([command]);
  expect(other?.advice.map((one): string => typed(one))).toEqual([""]);
  expect(other?.advice.map(adviceText)).toEqual([words]);
});

test("nor has one that must be changed, where sshd uses no PAM", () => {
  const about = (name: string) =>
    ({ settings, account: { name }, shadow: shadow({ lastChange: 0 }) }) as Connection;
  const remedies = (name: string) =>
    sessionSteps(about(name)).flatMap((step) => (step.name === "password-expired" ? [step.remedy] : []));
  expect([remedies("root"), remedies("nobody-has-this-name")]).toEqual([["passwd root"], [""]]);
});

const HASH = "$6$salt$hash";
test.each([
  // The field of passwd(5), that of shadow(5), and what counts with PAM and without.
  [HASH, undefined, HASH, HASH],
  [HASH, "!", HASH, "!"],
  ["*", HASH, "*", HASH],
  ["!", undefined, "!", "!"],
  ["", undefined, "", ""],
  ["", "!", "", "!"],
  ["x", HASH, HASH, HASH],
  ["##anna", HASH, HASH, HASH],
  ["##other", HASH, "##other", HASH],
  ["x", undefined, "missing", "x"],
])(
  "with %j in passwd(5) and %j in shadow(5), the password is %j, and %j without PAM",
  (field, line, byPam, byItself) => {
    const found = () => (line === undefined ? undefined : shadow({ password: line, expire: 0 }));
    const counting = (pam: boolean) => {
      const counts = countingShadow({ name: "anna", password: field }, pam, found, true);
      return counts === undefined || counts === MISSING ? counts : counts.password;
    };
    expect([counting(true), counting(false)]).toEqual([byPam, byItself]);
  },
);

test("one who may not read shadow(5) knows only what passwd(5) says to pam_unix(8)", () => {
  const counting = (password: string, pam: boolean) =>
    countingShadow({ name: "anna", password }, pam, () => undefined, false);
  expect([counting("x", true), counting("x", false), counting(HASH, false)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  // Of an account that is not in shadow(5), nothing expires.
  expect(counting(HASH, true)).toEqual(shadow({ password: HASH, lastChange: -1 }));
});

test("an account that shadow(5) lacks has no password", () => {
  const answer = passwordAuthentication(settings, { name: "anna" }, MISSING, true);
  expect([answer.can, answer.why, answer.advice]).toEqual([
    "no",
    ["the account is not in shadow(5), though passwd(5) says so"],
    ["passwd anna"],
  ]);
});
