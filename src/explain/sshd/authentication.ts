import type { ByteString } from "../../../ffi/bytes.ts";
import { type Advice, adviceText, allAdvice, inWords } from "../../cli/remedy.ts";
import { oneOf, operands } from "../../cli/shell-word.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { type countingShadow, MISSING, passwordState, shadowAdvice } from "../../system/shadow.ts";
import { CONFIGURATION, isOn, pamService, type SshdSettings, wordsOf } from "../../system/sshd/settings.ts";
import type { ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";
import type { Connection } from "./connection.ts";
import { pamStep } from "./pam.ts";

const step = stepsOf("sshd");

/** The answer whether a user can authenticate in one way, by a key or by a password. */
interface Authentication {
  can: "yes" | "no" | "unknown";
  why: ByteString[];
  advice: Advice[];
}

/** The answer for a password. */
interface PasswordAuthentication extends Authentication {
  /** No file has a password, though sshd would ask for one. */
  byShadow?: boolean;
}

/** The answer whether a user can authenticate by a key. */
export interface KeyAuthentication extends Authentication {
  /** The commands of the usable keys; undefined for a key without one. */
  commands: ReadonlySet<ByteString | undefined>;
  /** The values of USER that the usable keys set; undefined for a key that sets none. */
  users: ReadonlySet<ByteString | undefined>;
  /** The number of different keys that are surely usable. */
  count: number;
  /** There may be more. */
  more: boolean;
}

/** True if PAM may ask for a password: the method keyboard-interactive. */
const asksByPam = (settings: SshdSettings) =>
  isOn(settings, "usepam") && isOn(settings, "kbdinteractiveauthentication");

/** Whether the user can authenticate by a password, by `shadow`, as countingShadow, and the settings of sshd. `isLocal`: the account is in /etc/passwd. */
export function passwordAuthentication(
  settings: SshdSettings,
  { name }: Pick<PasswdEntry, "name">,
  shadow: ReturnType<typeof countingShadow>,
  isLocal: boolean,
): PasswordAuthentication {
  const no = (why: ByteString, advice: Advice): PasswordAuthentication => ({
    can: "no",
    why: [why],
    advice: [advice],
  });
  if (!isOn(settings, "passwordauthentication") && !asksByPam(settings))
    return no(
      "sshd accepts no passwords (PasswordAuthentication no)",
      inWords("set PasswordAuthentication yes"),
    );
  const password = shadowAdvice(isLocal, `passwd ${operands(name)}`, "set a password");
  const unlock = shadowAdvice(isLocal, `passwd -u ${operands(name)}`, "unlock the password");
  const missing = (why: ByteString, advice: Advice) => ({ ...no(why, advice), byShadow: true });
  if (shadow === undefined)
    return { can: "unknown", why: [`shadow(5) does not say whether ${name} has a password`], advice: [] };
  if (shadow === MISSING)
    return missing("the account is not in shadow(5), though passwd(5) says so", password);
  switch (passwordState(shadow.password)) {
    case "usable":
      return { can: "yes", why: ["the account has a password"], advice: [] };
    case "empty":
      return isOn(settings, "permitemptypasswords")
        ? { can: "unknown", why: ["the password is empty"], advice: [] }
        : no("the password is empty, which sshd does not accept (PermitEmptyPasswords no)", password);
    case "locked":
      return missing("the password is locked", shadow.password.length > 2 ? unlock : password);
    default:
      return missing("the account has no password", password);
  }
}

/** The answers for a key and for a password. */
interface Answers {
  key: Pick<KeyAuthentication, "can" | "count" | "more">;
  password: Pick<Authentication, "can">;
}

/** `why`: reasons besides those of key and password. */
interface AuthenticationResult {
  can: Authentication["can"];
  why: ByteString[];
}

const OTHERS: Readonly<Record<string, string>> = {
  hostbased: "hostbasedauthentication",
  "gssapi-with-mic": "gssapiauthentication",
};

/** Judges one method of a list. sshd ignores a list with a disabled method. */
function methodResult(
  settings: SshdSettings,
  { key, password }: Answers,
  method: ByteString,
): AuthenticationResult {
  const off: AuthenticationResult = { can: "no", why: [`the method ${method} is disabled in sshd`] };
  const [name = "", device = "pam"] = method.split(":");
  if (name === "publickey") return { can: key.can, why: [] };
  if (name === "password")
    return isOn(settings, "passwordauthentication") ? { can: password.can, why: [] } : off;
  if (name === "keyboard-interactive")
    return asksByPam(settings) && device === "pam" ? { can: password.can, why: [] } : off;
  const keyword = OTHERS[name];
  return keyword !== undefined && isOn(settings, keyword) ? { can: "unknown", why: [] } : off;
}

/** Judges one list of AuthenticationMethods, which needs all its methods. Each publickey in it needs another key. */
function listResult(settings: SshdSettings, answers: Answers, list: ByteString): AuthenticationResult {
  const methods = list.split(",");
  const each = methods.map((method) => methodResult(settings, answers, method));
  const { key } = answers;
  const wanted = methods.filter((method) => method === "publickey").length;
  if (key.can === "yes" && wanted > key.count) {
    const have = key.count === 1 ? "is 1" : `are ${key.count}`;
    const why = [`${wanted} different keys are needed, but there ${have}`];
    each.push({ can: key.more ? "unknown" : "no", why });
  }
  const can = ifAny(each, "no") ?? ifAny(each, "unknown") ?? "yes";
  return { can, why: can === "yes" ? [] : each.flatMap((one) => (one.can === can ? one.why : [])) };
}

const ifAny = (each: readonly AuthenticationResult[], can: Authentication["can"]) =>
  each.some((one) => one.can === can) ? can : undefined;

/** Combines the answers: whether a user can authenticate by any list of AuthenticationMethods. */
export function authenticationOf(settings: SshdSettings, answers: Answers): AuthenticationResult {
  const rest = Object.values(OTHERS).some((keyword) => isOn(settings, keyword)) ? "unknown" : "no";
  const any = [answers.key.can, answers.password.can, rest] as const;
  const lists = wordsOf(settings, "authenticationmethods").filter((list) => list !== "any");
  const results =
    lists.length > 0
      ? lists.map((list) => listResult(settings, answers, list))
      : any.map((can): AuthenticationResult => ({ can, why: [] }));
  const can = ifAny(results, "yes") ?? ifAny(results, "unknown") ?? "no";
  const why = results.flatMap((one) => (one.can === can ? one.why : []));
  return { can, why: [...new Set(why)] };
}

/** The step of a user who cannot authenticate. Each advice will do: the first command is the remedy, the message has the others. */
function failure(message: ByteString, all: readonly Advice[]): ReportStep {
  const typed = all.find((one) => typeof one === "string");
  const others = oneOf(all.filter((one) => one !== typed).map(adviceText));
  const more = others === "" ? "" : `; ${typed === undefined ? "" : "or instead of the remedy: "}${others}`;
  return step("credentials", "failed", message + more, typed);
}

/** The step about authentication, and that of PAM if it needs a password. */
export function authenticationSteps(
  { settings, account, from }: Connection,
  { key, password }: { key: KeyAuthentication; password: PasswordAuthentication },
): ReportStep[] {
  const { can, why } = authenticationOf(settings, { key, password });
  const reasons = [...key.why, ...password.why, ...why].join("; ");
  const service = pamService(settings);
  const auth = () => service && pamStep("auth", { account, service, from });
  if (can === "unknown") return [step("credentials", "unknown", reasons, allAdvice(key.advice))];
  if (can === "yes") {
    const steps = [step("credentials", "passed", reasons)];
    const withoutPassword = authenticationOf(settings, { key, password: { can: "no" } }).can;
    const pam = withoutPassword === "yes" ? undefined : auth();
    if (!pam) return steps;
    // If PAM refuses the password, a key may still be accepted.
    if (pam.outcome === "failed" && withoutPassword === "unknown") pam.outcome = "unknown";
    return [...steps, pam];
  }
  // A module other than pam_unix may accept a password.
  if (password.byShadow && authenticationOf(settings, { key, password: { can: "yes" } }).can !== "no") {
    const pam = auth();
    if (pam && pam.outcome !== "failed") {
      const rules = pam.outcome === "passed" ? "the rules of PAM need none" : pam.message;
      return [step("credentials", "unknown", `${reasons}; ${rules}`)];
    }
  }
  const methods = (settings.get("authenticationmethods") ?? ["any"]).join(" ");
  const wanted = methods === "any" ? "" : `sshd needs ${methods}: `;
  const own = [...key.advice, ...password.advice];
  const other = `set AuthenticationMethods in ${CONFIGURATION} to methods that the user has, for this user`;
  const message = `${wanted}${account.name} cannot authenticate: ${reasons}`;
  return [failure(message, own.length > 0 ? own : [inWords(other)])];
}
