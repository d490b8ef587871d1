import type { ByteString } from "../../../ffi/bytes.ts";
import { operands } from "../../cli/shell-word.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { passwordState, type ShadowEntry } from "../../system/shadow.ts";
import { isOn, type SshdSettings, wordsOf } from "../../system/sshd/settings.ts";
import type { Authentication } from "./authentication.ts";
import type { KeyAuthentication } from "./keys.ts";

/** Whether the user can authenticate by a password, by shadow(5) and the settings of sshd. */
export function passwordAuthentication(
  settings: SshdSettings,
  { name }: Pick<PasswdEntry, "name">,
  shadow: ShadowEntry | undefined,
): Authentication {
  const no = (why: ByteString, remedy = ""): Authentication => ({
    can: "no",
    why: [why],
    remedies: remedy === "" ? [] : [remedy],
  });
  const byPam = isOn(settings, "usepam") && isOn(settings, "kbdinteractiveauthentication");
  if (!isOn(settings, "passwordauthentication") && !byPam)
    return no("sshd accepts no passwords (PasswordAuthentication no)", "set PasswordAuthentication yes");
  const password = `passwd ${operands(name)}`;
  const unlock = `passwd -u ${operands(name)}`;
  const missing = (why: ByteString, remedy: ByteString) => ({ ...no(why, remedy), byShadow: true });
  if (shadow === undefined)
    return { can: "unknown", why: [`whether ${name} has a password is not in shadow(5)`], remedies: [] };
  switch (passwordState(shadow.password)) {
    case "usable":
      return { can: "yes", why: ["the account has a password"], remedies: [] };
    case "empty":
      return isOn(settings, "permitemptypasswords")
        ? { can: "unknown", why: ["the password is empty"], remedies: [] }
        : no("the password is empty, which sshd does not accept (PermitEmptyPasswords no)", password);
    case "locked":
      return missing("the password is locked", shadow.password.length > 2 ? unlock : password);
    default:
      return missing("the account has no password", password);
  }
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
  { key, password }: Methods,
  method: ByteString,
): AuthenticationResult {
  const off: AuthenticationResult = { can: "no", why: [`the method ${method} is disabled in sshd`] };
  const [name = "", device = "pam"] = method.split(":");
  if (name === "publickey") return { can: key.can, why: [] };
  if (name === "password")
    return isOn(settings, "passwordauthentication") ? { can: password.can, why: [] } : off;
  if (name === "keyboard-interactive") {
    const byPam = isOn(settings, "usepam") && isOn(settings, "kbdinteractiveauthentication");
    return byPam && device === "pam" ? { can: password.can, why: [] } : off;
  }
  const keyword = OTHERS[name];
  return keyword !== undefined && isOn(settings, keyword) ? { can: "unknown", why: [] } : off;
}

/** Judges one list of AuthenticationMethods, which needs all its methods. Each publickey in it needs another key. */
function listResult(settings: SshdSettings, ways: Methods, list: ByteString): AuthenticationResult {
  const methods = list.split(",");
  const each = methods.map((method) => methodResult(settings, ways, method));
  const { key } = ways;
  const wanted = methods.filter((method) => method === "publickey").length;
  if (key.can === "yes" && wanted > key.count) {
    const have = key.count === 1 ? "is 1" : `are ${key.count}`;
    const why = [`${wanted} different keys are needed, but there ${have}`];
    each.push({ can: key.more ? "unknown" : "no", why });
  }
  const can = ifAny(each, "no") ?? ifAny(each, "unknown") ?? "yes";
  return { can, why: can === "yes" ? [] : each.flatMap((one) => (one.can === can ? one.why : [])) };
}

/** The answers for a key and for a password. */
interface Methods {
  key: Pick<KeyAuthentication, "can" | "count" | "more">;
  password: Pick<Authentication, "can">;
}

const ifAny = (each: readonly AuthenticationResult[], can: Authentication["can"]) =>
  each.some((one) => one.can === can) ? can : undefined;

/** Whether a user can authenticate by any list of AuthenticationMethods. */
export function authenticationOf(settings: SshdSettings, ways: Methods): AuthenticationResult {
  const rest = Object.values(OTHERS).some((keyword) => isOn(settings, keyword)) ? "unknown" : "no";
  const any = [ways.key.can, ways.password.can, rest] as const;
  const lists = wordsOf(settings, "authenticationmethods").filter((list) => list !== "any");
  const results =
    lists.length > 0
      ? lists.map((list) => listResult(settings, ways, list))
      : any.map((can): AuthenticationResult => ({ can, why: [] }));
  const can = ifAny(results, "yes") ?? ifAny(results, "unknown") ?? "no";
  const why = results.flatMap((one) => (one.can === can ? one.why : []));
  return { can, why: [...new Set(why)] };
}
