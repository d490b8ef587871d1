/** How stacks of PAM end: the controls of pam.conf(5), what is not known, and who is to blame. */
import { describe, expect, test } from "bun:test";
import { judgeModule } from "../../src/system/pam/modules.ts";
import { pamRules } from "../../src/system/pam/rules.ts";
import { judgeStack, type PamResult, type PamSubject, runStack } from "../../src/system/pam/stack.ts";

/** A stack of lines whose modules are called by what they say. */
function end(lines: string, files: Record<string, string> = {}): string {
  const read = (name: string) => ({ s: lines, ...files })[name];
  const outcomes = runStack(pamRules("account", "s", read), ({ module }) => ({
    result: module.replace(/\d*$/, "") as PamResult | "unknown",
    message: module,
    deny: module.endsWith("9"),
  }));
  const verdict = judgeStack(outcomes);
  if (verdict.kind === "passed") return "passed";
  if (verdict.kind === "unknown") return `unknown ${verdict.answers.map(({ message }) => message).join(",")}`;
  return `failed ${verdict.because?.message ?? verdict.result}`;
}
const account = (...controls: string[]) => controls.map((line) => `account ${line}\n`).join("");

test.each([
  ["nobody says anything", "", "failed perm_denied"],
  ["required, all good", account("required success", "required success2"), "passed"],
  [
    "required, one bad",
    account("required success", "required acct_expired", "required success2"),
    "failed acct_expired",
  ],
  ["requisite ends at once", account("requisite auth_err1", "required auth_err2"), "failed auth_err1"],
  ["sufficient ends well", account("sufficient success", "required auth_err"), "passed"],
  [
    "sufficient after a bad one does not",
    account("required auth_err", "sufficient success"),
    "failed auth_err",
  ],
  ["sufficient that fails is passed over", account("sufficient auth_err", "required success"), "passed"],
  ["optional alone", account("optional success"), "passed"],
  ["all ignored", account("optional auth_err"), "failed auth_err"],
  [
    "Debian's: pam_deny is jumped over",
    account(
      "[success=1 new_authtok_reqd=done default=ignore] success",
      "requisite auth_err9",
      "required success",
    ),
    "passed",
  ],
  [
    "Debian's: pam_deny is not to blame",
    account(
      "[success=1 new_authtok_reqd=done default=ignore] acct_expired",
      "requisite auth_err9",
      "required success",
    ),
    "failed acct_expired",
  ],
  [
    "Debian's: a password to be changed",
    account("[success=1 new_authtok_reqd=done default=ignore] new_authtok_reqd", "requisite auth_err9"),
    "failed new_authtok_reqd",
  ],
  ["what is not known decides", account("required unknown", "required success"), "unknown unknown"],
  ["what is not known makes no difference", account("optional unknown", "required success"), "passed"],
  [
    "nor does it, where another refuses",
    account("required unknown", "requisite auth_err"),
    "failed auth_err",
  ],
  [
    "sufficient and not known, with a way around",
    account("sufficient unknown", "required success"),
    "passed",
  ],
  [
    "sufficient and not known, without",
    account("sufficient unknown", "required auth_err"),
    "unknown unknown",
  ],
])("%s", (_name, lines, expected) => {
  expect(end(lines)).toBe(expected);
});

test("a substack ends only itself, an include also the stack around it", () => {
  const inner = account("sufficient success", "required auth_err1");
  expect(end(account("substack i", "required auth_err2"), { i: inner })).toBe("failed auth_err2");
  expect(end(account("include i", "required auth_err2"), { i: inner })).toBe("passed");
});

describe("modules", () => {
  const files: Record<string, string> = {};
  const subject: PamSubject = {
    ...{
      name: "u",
      uid: 1000,
      gid: 1000,
      shell: "/s",
      home: "/h",
      groups: ["u", "friends"],
      service: "sshd",
    },
    ...{ from: undefined, shadow: undefined, isLocal: true, day: 1 },
    read: (path) => files[path],
    list: () => [],
    installed: () => true,
  };
  const says = (module: string, words = "", more: Partial<PamSubject> = {}) =>
    judgeModule(
      "account",
      { control: "required", module: `pam_${module}.so`, arguments: words.split(" ").filter(Boolean) },
      { ...subject, ...more },
    )?.result;

  test.each([
    ["access", "", { "/etc/security/access.conf": "" }, "success"],
    ["access", "", { "/etc/security/access.conf": "# x\n- : u : ALL\n" }, "perm_denied"],
    ["access", "", { "/etc/security/access.conf": "+:(friends):ALL\n-:ALL:ALL\n" }, "success"],
    ["access", "", { "/etc/security/access.conf": "-:ALL EXCEPT root:ALL\n" }, "unknown"],
    ["access", "", { "/etc/security/access.conf": "-:u:10.0.0.0/8\n" }, "unknown"],
    ["access", "", { "/etc/security/access.conf": "-:u:tty1\n" }, "success"],
    ["time", "", { "/etc/security/time.conf": "login;*;u;Al0000-2400\n" }, "success"],
    ["time", "", { "/etc/security/time.conf": "sshd;*;u;Al0000-2400\n" }, "unknown"],
    ["listfile", "item=user sense=deny file=/l", { "/l": "u\n" }, "auth_err"],
    ["listfile", "item=group sense=allow file=/l", { "/l": "friends\n" }, "success"],
    ["listfile", "item=rhost sense=allow file=/l", { "/l": "" }, "unknown"],
    ["shells", "", { "/etc/shells": "/s\n" }, "success"],
    ["shells", "", { "/etc/shells": "/t\n" }, "auth_err"],
    ["nologin", "", {}, "ignore"],
    ["nologin", "", { "/etc/nologin": "" }, "auth_err"],
    ["succeed_if", "uid >= 1000 quiet", {}, "success"],
    ["succeed_if", "uid < 1000", {}, "auth_err"],
    ["succeed_if", "user notingroup friends", {}, "auth_err"],
    ["succeed_if", "rhost = x", {}, "unknown"],
    ["succeed_if", "use_uid user = u", {}, "unknown"],
    ["localuser", "", { "/etc/passwd": "u:x:\n" }, "success"],
    ["localuser", "", { "/etc/passwd": "uu:x:\n" }, "perm_denied"],
    ["unix", "", {}, "unknown"],
    ["sss", "", {}, "unknown"],
  ] as const)("pam_%s %s with %j: %s", (module, words, given, expected) => {
    for (const name of Object.keys(files)) delete files[name];
    Object.assign(files, given);
    expect(says(module, words)).toBe(expected);
  });

  test("a missing module: ignored with a dash, else the stack fails", () => {
    const rule = { control: "required", module: "pam_none.so", arguments: [] };
    const without = { ...subject, installed: () => false };
    expect(judgeModule("account", { ...rule, dispensable: true }, without)).toBeUndefined();
    expect(judgeModule("account", rule, without)?.result).toBe("module_unknown");
  });
});
