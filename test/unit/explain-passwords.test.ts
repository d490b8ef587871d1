import { expect, test } from "bun:test";
import { adviceText, typed } from "../../src/cli/remedy.ts";
import { passwordAuthentication } from "../../src/explain/sshd/authentication.ts";
import type { Connection } from "../../src/explain/sshd/connection.ts";
import { sessionSteps } from "../../src/explain/sshd/session.ts";
import type { ShadowEntry } from "../../src/system/shadow.ts";
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
