import { type ByteString, fromBytes } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { readFileIfPresent } from "../../../ffi/files.ts";
import { type Credentials, withRightsOf } from "../../../ffi/rights.ts";
import { display } from "../../cli/display.ts";
import { operands } from "../../cli/shell-word.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { passwordState, type ShadowEntry } from "../../system/shadow.ts";
import { hasExpired, isAccepted, keyFiles, rsaBits } from "../../system/sshd/authorized-keys.ts";
import { firstOf, isSet, type SshdSettings, wordsOf } from "../../system/sshd/settings.ts";
import { type StrictFinding, strictFinding } from "../../system/sshd/strict-modes.ts";
import { keyLinesIn, keyOptions, keyType, optionValues } from "../../users/key-lines.ts";
import { addRemedy, readRemedy } from "./key-remedies.ts";

/** Whether somebody can show who they are in one way. */
export interface Way {
  can: "yes" | "no" | "unknown";
  /** What speaks for it, or against it. */
  why: ByteString[];
  remedies: ByteString[];
}

/** By a key. */
export interface KeyWay extends Way {
  /** The command that each key that counts is held to ("" for none). */
  commands: ReadonlySet<ByteString>;
  /** What each key that counts sets USER to, where sshd takes variables from keys; undefined: it does not. */
  users: ReadonlySet<ByteString | undefined>;
  /** How many different keys surely count. */
  count: number;
  /** There may be more. */
  more: boolean;
}

const LARGEST_FILE = 1 << 20;

/** Whether a password would do: what shadow(5) holds, and whether sshd asks for one. Pure. */
export function passwordWay(
  settings: SshdSettings,
  { name }: Pick<PasswdEntry, "name">,
  shadow: ShadowEntry | undefined,
): Way {
  const no = (why: ByteString, remedy = ""): Way => ({
    can: "no",
    why: [why],
    remedies: remedy === "" ? [] : [remedy],
  });
  const byPam =
    firstOf(settings, "usepam") === "yes" && firstOf(settings, "kbdinteractiveauthentication") === "yes";
  if (firstOf(settings, "passwordauthentication") !== "yes" && !byPam)
    return no("sshd takes no passwords (PasswordAuthentication no)", "set PasswordAuthentication yes");
  const password = `passwd ${operands(name)}`;
  if (shadow === undefined)
    return { can: "unknown", why: [`whether ${name} has a password is not in shadow(5)`], remedies: [] };
  switch (passwordState(shadow.password)) {
    case "usable":
      return { can: "yes", why: ["there is a password"], remedies: [] };
    case "empty":
      return firstOf(settings, "permitemptypasswords") === "yes"
        ? { can: "unknown", why: ["the password is empty"], remedies: [] }
        : no("the password is empty, which sshd does not take (PermitEmptyPasswords no)", password);
    case "locked":
      return no(
        "the password is locked",
        shadow.password.length > 2 ? `passwd -u ${operands(name)}` : password,
      );
    default:
      return no("there is no password", password);
  }
}

/** A key that counts. */
interface CountedKey {
  key: ByteString;
  options: ReturnType<typeof keyOptions>;
  /** What it sets USER to: of several, sshd takes the first. */
  user: ByteString | undefined;
}

const userOf = (options: ByteString) =>
  optionValues(options, "environment")
    .find((entry) => entry.startsWith("USER="))
    ?.slice("USER=".length);

// How a file of ssh-keygen -k begins; others have a public key in each line.
const KRL = "SSHKRL\n\0";

/** The keys that RevokedKeys names; a word where nobody can tell, or where sshd takes no key at all. */
function revokedKeys(settings: SshdSettings): ReadonlySet<ByteString> | "unreadable" | "binary" {
  if (!isSet(settings, "revokedkeys")) return new Set();
  let bytes: Uint8Array | undefined;
  try {
    bytes = readFileIfPresent(firstOf(settings, "revokedkeys"), LARGEST_FILE);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
  if (bytes === undefined) return "unreadable";
  const text = fromBytes(bytes);
  return text.startsWith(KRL) ? "binary" : new Set(keyLinesIn(text).map(({ key }) => key));
}

/** What of one file of keys counts. */
function fileWay(
  file: ByteString,
  settings: SshdSettings,
  account: PasswdEntry,
  who: Credentials,
  revoked: ReadonlySet<ByteString>,
): { keys: CountedKey[]; why: ByteString; remedy: ByteString } {
  const none = (why: ByteString, remedy = "") => ({ keys: [], why, remedy });
  const shown = display(file);
  const strict = firstOf(settings, "strictmodes") === "yes";
  let bytes: Uint8Array | undefined;
  let finding: StrictFinding | undefined;
  try {
    bytes = withRightsOf(who, () => readFileIfPresent(file, LARGEST_FILE));
    // The user may exchange it meanwhile, for a circle of links above all.
    if (bytes !== undefined && strict) finding = strictFinding(file, account);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return none(`the user cannot read ${shown}: ${error.reason}`, readRemedy(file, account));
  }
  if (bytes === undefined) return none(`${shown} is not there`, addRemedy(file, account));
  if (finding !== undefined)
    return none(`sshd does not use ${shown} (StrictModes): ${finding.message}`, finding.remedy);
  const all = keyLinesIn(fromBytes(bytes));
  const now = new Date();
  const least = Number(firstOf(settings, "requiredrsasize") || "0");
  const isShort = (key: ByteString) => (rsaBits(key.split(" ")[1] ?? "") ?? least) < least;
  const algorithms = firstOf(settings, "pubkeyacceptedalgorithms")
    .split(",")
    .filter((one) => one !== "");
  const keys = all
    .filter((key) => isAccepted(keyType(key), algorithms) && !revoked.has(key.key) && !isShort(key.key))
    .map(({ key, options }) => ({ key, options: keyOptions(options), user: userOf(options) }))
    .filter(({ options }) => !hasExpired(options, now));
  if (keys.length > 0) return { keys, why: `a key in ${shown}`, remedy: "" };
  const what = all.length === 0 ? "holds no key" : "holds no key that sshd still takes";
  return none(`${shown} ${what}`, addRemedy(file, account));
}

/** Whether a key would do, as sshd(8) reads AuthorizedKeysFile: with the rights of the user, and by StrictModes. */
export function keyWay(settings: SshdSettings, account: PasswdEntry, who: Credentials): KeyWay {
  const way = (can: Way["can"], why: ByteString[], remedies: ByteString[] = []): KeyWay => ({
    can,
    why,
    remedies,
    ...{ commands: new Set(), users: new Set(), count: 0, more: false },
  });
  if (firstOf(settings, "pubkeyauthentication") !== "yes")
    return way("no", ["sshd takes no keys (PubkeyAuthentication no)"], ["set PubkeyAuthentication yes"]);
  const revoked = revokedKeys(settings);
  const list = firstOf(settings, "revokedkeys");
  if (revoked === "unreadable")
    return way(
      "no",
      [`sshd takes no key: it cannot read ${list} (RevokedKeys)`],
      [`make ${list}, or take RevokedKeys out`],
    );
  const taken = revoked === "binary" ? new Set<ByteString>() : revoked;
  const patterns = wordsOf(settings, "authorizedkeysfile");
  const files = keyFiles(patterns, account).map((file) => fileWay(file, settings, account, who, taken));
  const keys = files.flatMap((file) => file.keys);
  const open = keys.filter(({ options }) => !options.has("from") && !options.has("cert-authority"));
  const elsewhere = ["authorizedkeyscommand", "trustedusercakeys"].filter((keyword) =>
    isSet(settings, keyword),
  );
  if (open.length > 0 && revoked === "binary")
    return way("unknown", [`whether a key is revoked stands in ${list} (RevokedKeys)`]);
  if (open.length > 0)
    return {
      ...way(
        "yes",
        files.filter((one) => one.keys.length > 0).map(({ why }) => why),
      ),
      commands: new Set(open.map(({ options }) => options.get("command") ?? "")),
      users: new Set(open.map(({ user }) => user)),
      count: new Set(open.map(({ key }) => key)).size,
      more: elsewhere.length > 0 || open.length < keys.length,
    };
  if (keys.length > 0 || elsewhere.length > 0) {
    const what = keys.length > 0 ? "the keys are for some addresses or by certificate alone" : "";
    return way("unknown", [what, ...elsewhere.map((keyword) => `keys come from ${keyword}`)].filter(Boolean));
  }
  return way(
    "no",
    files.length === 0
      ? ["sshd reads no file of keys (AuthorizedKeysFile none)"]
      : files.map(({ why }) => why),
    files.flatMap(({ remedy }) => (remedy === "" ? [] : [remedy])).slice(0, 1),
  );
}

/** What the ways come to; `why`: what sshd wants and nobody can show, where that is not told by the ways. */
export interface Judged {
  can: Way["can"];
  why: ByteString[];
}

const OTHERS: Readonly<Record<string, string>> = {
  hostbased: "hostbasedauthentication",
  "gssapi-with-mic": "gssapiauthentication",
};

/** One method of a list. sshd passes over a list that names one which its settings switch off. */
function methodWay(settings: SshdSettings, { key, password }: Ways, method: ByteString): Judged {
  const on = (keyword: string) => firstOf(settings, keyword) === "yes";
  const off: Judged = { can: "no", why: [`sshd's settings do not allow the method ${method}`] };
  const [name = "", device = "pam"] = method.split(":");
  if (name === "publickey") return { can: key.can, why: [] };
  if (name === "password") return on("passwordauthentication") ? { can: password.can, why: [] } : off;
  if (name === "keyboard-interactive") {
    const open = on("usepam") && on("kbdinteractiveauthentication") && device === "pam";
    return open ? { can: password.can, why: [] } : off;
  }
  const keyword = OTHERS[name];
  return keyword !== undefined && on(keyword) ? { can: "unknown", why: [] } : off;
}

/** One list of AuthenticationMethods, all of which is wanted: of several keys each is to be another one. */
function listWay(settings: SshdSettings, ways: Ways, list: ByteString): Judged {
  const methods = list.split(",");
  const each = methods.map((method) => methodWay(settings, ways, method));
  const { key } = ways;
  const wanted = methods.filter((method) => method === "publickey").length;
  if (key.can === "yes" && wanted > key.count) {
    const have = key.count === 1 ? "is 1" : `are ${key.count}`;
    each.push({
      can: key.more ? "unknown" : "no",
      why: [`${wanted} different keys are wanted, and there ${have}`],
    });
  }
  const can = first(each, "no") ?? first(each, "unknown") ?? "yes";
  return { can, why: can === "yes" ? [] : each.flatMap((one) => (one.can === can ? one.why : [])) };
}

type Ways = { key: KeyWay; password: Way };

const first = (each: readonly Judged[], can: Way["can"]) =>
  each.some((one) => one.can === can) ? can : undefined;

/** What the ways come to, with AuthenticationMethods: each list of methods wants all of its own. Pure. */
export function judgeWays(settings: SshdSettings, ways: Ways): Judged {
  const others = Object.values(OTHERS).some((keyword) => firstOf(settings, keyword) === "yes");
  const rest: Way["can"] = others ? "unknown" : "no";
  const any = [ways.key.can, ways.password.can, rest].map((one): Judged => ({ can: one, why: [] }));
  const lists = wordsOf(settings, "authenticationmethods").filter((list) => list !== "any");
  const results = lists.length > 0 ? lists.map((list) => listWay(settings, ways, list)) : any;
  const can = first(results, "yes") ?? first(results, "unknown") ?? "no";
  const why = results.flatMap((one) => (one.can === can ? one.why : []));
  return { can, why: [...new Set(why)] };
}
