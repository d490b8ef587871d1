import { type ByteString, trim } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { type Advice, inWords, type Remedy } from "../../cli/remedy.ts";
import { appendCommand, operands, shellWord } from "../../cli/shell-word.ts";
import { asideCommand } from "../free-name.ts";
import { accountAge, MISSING, NEW_PASSWORD, NOT_EXPIRED, passwordState, shadowAdvice } from "../shadow.ts";
import { judgeAccess } from "./access.ts";
import { optionOf, type PamKind, type PamRule } from "./rules.ts";
import type { PamAnswer, PamResult, PamSubject } from "./stack.ts";
import { judgeSucceedIf } from "./succeed-if.ts";

type Judge = (subject: PamSubject, words: readonly ByteString[]) => PamAnswer;

const say = (result: PamAnswer["result"], message: ByteString, advice: Advice = ""): PamAnswer => {
  return { result, message, advice };
};
const SUCCESS = say("success", "");
const IGNORE = say("ignore", "");

const unix: Judge = ({ name, shadow, day, isLocal }, words) => {
  const user = operands(name);
  const byTools = (command: Remedy, otherwise: string) => shadowAdvice(isLocal, command, otherwise);
  if (shadow === undefined)
    return say("unknown", `pam_unix: shadow(5) cannot be read: the age of ${name} is unknown`);
  if (shadow === MISSING) {
    if (words.includes("broken_shadow")) return SUCCESS;
    const advice = byTools(`passwd ${user}`, "set a password");
    return say(
      "authinfo_unavail",
      `${name} is not in shadow(5), though passwd(5) says so (pam_unix)`,
      advice,
    );
  }
  switch (accountAge(shadow, day)) {
    case "account-expired":
      return say(
        "acct_expired",
        `the account of ${name} has expired (pam_unix)`,
        byTools(`chage -E -1 ${user}`, NOT_EXPIRED),
      );
    case "password-expired":
      return say(
        "authtok_expired",
        `the password of ${name} has expired, and so has the time to change it (pam_unix)`,
        byTools(`chage -I -1 ${user} && passwd ${user}`, NEW_PASSWORD),
      );
    case "password-must-change": {
      const what = `the password of ${name} must be changed at the next login, which is impossible in a jail (pam_unix)`;
      // This only affects users who did not enter a password.
      if (words.includes("no_pass_expiry"))
        return say("unknown", `${what}, but by no_pass_expiry a key will do`);
      if (!isLocal) {
        const otherwise = inWords(
          `${NEW_PASSWORD}; for a user who logs in by a key, set shadowLastChange to ${day} there`,
        );
        return say("new_authtok_reqd", what, otherwise);
      }
      const message = `${what}; for a user who logs in by a key: chage -d ${day} ${user}`;
      return say("new_authtok_reqd", message, `passwd ${user}`);
    }
    default:
      return SUCCESS;
  }
};

/** Assumes that the user knows the password. */
const unixPassword: Judge = ({ shadow }, words) => {
  if (shadow === MISSING) return say("authinfo_unavail", "there is no password (pam_unix)");
  const state = shadow === undefined ? "usable" : passwordState(shadow.password);
  const fits = state === "usable" || (state === "empty" && words.some((word) => word.startsWith("nullok")));
  return fits ? SUCCESS : say("auth_err", "there is no password (pam_unix)");
};

const nologin: Judge = ({ uid, read }, words) => {
  const named = optionOf(words, "file");
  const files = named === undefined ? ["/var/run/nologin", "/etc/nologin"] : [named];
  const there = files.find((file) => read(file) !== undefined);
  if (there === undefined) return IGNORE;
  if (uid === 0) return SUCCESS;
  const what = `${there} exists: only root may log in (pam_nologin), until it is moved away`;
  return say("auth_err", what, asideCommand(there));
};

const shells: Judge = ({ shell, read }) => {
  const listed = (read("/etc/shells") ?? "").split("\n").includes(shell);
  return listed
    ? SUCCESS
    : say("auth_err", `${shell} is not in /etc/shells (pam_shells)`, appendCommand(shell, "/etc/shells"));
};

const time: Judge = ({ name, service, read }, words) => {
  const file = optionOf(words, "conffile") ?? "/etc/security/time.conf";
  // services;ttys;users;times: skips lines for other services or users.
  const may = (list: ByteString, word: ByteString) => /[*!|&@%]/.test(list) || trim(list) === word;
  const rules = (read(file) ?? "").split("\n").filter((line) => {
    const [services = "", , users = ""] = line.replace(/#.*/, "").split(";");
    return trim(services) !== "" && may(services, service) && may(users, name);
  });
  return rules.length === 0
    ? SUCCESS
    : say("unknown", `${file} limits the times of a login (pam_time): ${display(trim(rules[0] ?? ""))}`);
};

const listfile: Judge = ({ name, shell, groups, read }, words) => {
  const item = optionOf(words, "item");
  const file = optionOf(words, "file") ?? "";
  const mine = item === "user" ? [name] : item === "group" ? groups : item === "shell" ? [shell] : undefined;
  const text = read(file);
  if (mine === undefined || text === undefined || optionOf(words, "apply") !== undefined)
    return say("unknown", `pam_listfile decides by ${display(file)}`);
  const lines = text.split("\n").map((line) => trim(line));
  const denies = optionOf(words, "sense") === "deny";
  if (mine.some((one) => lines.includes(one)) !== denies) return SUCCESS;
  const [what, change] = denies
    ? ["names", `take the line of ${item} out of ${file}`]
    : ["does not name", `add a line to ${file}: ${mine[0] ?? ""}`];
  return say("auth_err", `${file} ${what} the ${item} of this login (pam_listfile)`, inWords(change));
};

const localuser: Judge = ({ name, read }, words) => {
  const file = optionOf(words, "file") ?? "/etc/passwd";
  const there = (read(file) ?? "").split("\n").some((line) => line.startsWith(`${name}:`));
  return there ? SUCCESS : say("perm_denied", `${name} is not in ${file} (pam_localuser)`);
};

const faillock: Judge = ({ name, read }, words) => {
  const tally = `${optionOf(words, "dir") ?? "/var/run/faillock"}/${name}`;
  if ((read(tally) ?? "") === "") return IGNORE;
  const reset: Remedy = `faillock --user ${shellWord(name)} --reset`;
  return say("unknown", `${tally} counts failed logins (pam_faillock)`, reset);
};

const pass: Judge = () => SUCCESS;
const ignore: Judge = () => IGNORE;

const deny = (result: PamResult): Judge => {
  const advice = inWords("take pam_deny out, or put a rule that allows the login before it");
  return () => ({ ...say(result, "pam_deny refuses everybody", advice), deny: true });
};

const LOGIN: Readonly<Record<string, Judge>> = {
  "pam_access.so": judgeAccess,
  "pam_debug.so": ignore,
  "pam_echo.so": ignore,
  "pam_faildelay.so": ignore,
  "pam_listfile.so": listfile,
  "pam_localuser.so": localuser,
  "pam_nologin.so": nologin,
  "pam_permit.so": pass,
  "pam_shells.so": shells,
  "pam_succeed_if.so": judgeSucceedIf,
  "pam_time.so": time,
  "pam_warn.so": ignore,
};

const OPENING =
  "env keyinit lastlog lastlog2 limits loginuid mail mkhomedir motd selinux systemd ttyaudit umask unix xauth";

const KNOWN: Readonly<Record<PamKind, Readonly<Record<string, Judge>>>> = {
  auth: {
    ...LOGIN,
    "pam_deny.so": deny("auth_err"),
    "pam_env.so": ignore,
    "pam_faillock.so": faillock,
    "pam_unix.so": unixPassword,
  },
  account: {
    ...LOGIN,
    "pam_deny.so": deny("acct_expired"),
    "pam_faillock.so": pass,
    "pam_unix.so": unix,
  },
  session: {
    ...LOGIN,
    ...Object.fromEntries(OPENING.split(" ").map((name) => [`pam_${name}.so`, pass])),
    "pam_deny.so": deny("session_err"),
  },
};

/** The answer of a rule's module for a user; undefined if the module is not known here. */
export function judgeModule(kind: PamKind, rule: PamRule, subject: PamSubject): PamAnswer | undefined {
  const { module, arguments: words, dispensable } = rule;
  if (!subject.installed(module)) {
    if (dispensable) return undefined;
    return say("module_unknown", `PAM has no module ${display(module)}`, `install it, or take its line out`);
  }
  const judge = KNOWN[kind][module];
  const name = module.replace(/\.so$/, "");
  return judge?.(subject, words) ?? say("unknown", `the answer of ${display(name)} is unknown`);
}
