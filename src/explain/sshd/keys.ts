import { type ByteString, fromBytes } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { readFileIfPresent } from "../../../ffi/files.ts";
import { type Credentials, withRightsOf } from "../../../ffi/rights.ts";
import { display } from "../../cli/display.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { hasExpired, isAccepted, keyFiles, rsaBits } from "../../system/sshd/authorized-keys.ts";
import { quotedWords } from "../../system/sshd/match.ts";
import { namesOrigin } from "../../system/sshd/origin.ts";
import { firstOf, isSet, type SshdSettings } from "../../system/sshd/settings.ts";
import { type StrictFinding, strictFinding } from "../../system/sshd/strict-modes.ts";
import { type KeyLine, keyLinesIn, keyType } from "../../users/key-lines.ts";
import { keyOptions, optionValues } from "../../users/key-options.ts";
import type { Authentication } from "./authentication.ts";
import { addRemedy, readRemedy } from "./key-remedies.ts";
import { revokedKeys } from "./revoked-keys.ts";

/** By a key. */
export interface KeyAuthentication extends Authentication {
  /** The command that each key that counts is held to; undefined for none. */
  commands: ReadonlySet<ByteString | undefined>;
  /** What each key that counts sets USER to, where sshd takes variables from keys; undefined: it does not. */
  users: ReadonlySet<ByteString | undefined>;
  /** How many different keys surely count. */
  count: number;
  /** There may be more. */
  more: boolean;
}

const LARGEST_FILE = 1 << 20;

/** A line of a file of keys that may count. */
interface CountedLine {
  key: ByteString;
  /** Surely: it goes by no address that is not known, and is not for certificates. */
  sure: boolean;
  /** It is for certificates that its key has signed. */
  signs: boolean;
  command: ByteString | undefined;
  /** What it sets USER to: of several, sshd takes the first. */
  user: ByteString | undefined;
}

const userOf = (options: ByteString) =>
  optionValues(options, "environment")
    .find((entry) => entry.startsWith("USER="))
    ?.slice("USER=".length);

/** What stands in the way of each line of a file. */
interface KeyRules {
  settings: SshdSettings;
  /** The address that the login comes from; undefined for any. */
  from: ByteString | undefined;
  revoked: ReadonlySet<ByteString>;
}

/** What a line that holds a key comes to; undefined where sshd passes over it. */
function countedLine(line: KeyLine, { settings, from, revoked }: KeyRules): CountedLine | undefined {
  const { key, options } = line;
  const least = Number(firstOf(settings, "requiredrsasize") || "0");
  const algorithms = firstOf(settings, "pubkeyacceptedalgorithms")
    .split(",")
    .filter((one) => one !== "");
  const given = keyOptions(options);
  const signs = given.has("cert-authority");
  const isTaken = signs || isAccepted(keyType(line), algorithms);
  if (!isTaken || revoked.has(key) || (rsaBits(key.split(" ")[1] ?? "") ?? least) < least) return undefined;
  if (hasExpired(optionValues(options, "expiry-time"), new Date())) return undefined;
  const origins = given.get("from");
  const byName = firstOf(settings, "usedns") === "yes";
  const here = origins === undefined || namesOrigin(origins, from, byName);
  if (here === false) return undefined;
  return { key, sure: here === true && !signs, signs, command: given.get("command"), user: userOf(options) };
}

/** What of one file of keys counts. */
interface KeysFile {
  lines: CountedLine[];
  why: ByteString;
  remedy: ByteString;
  /** What it holds was not read, though sshd reads it. */
  unread?: boolean;
}

function readKeysFile(file: ByteString, rules: KeyRules, account: PasswdEntry, who: Credentials): KeysFile {
  const none = (why: ByteString, remedy = "") => ({ lines: [], why, remedy });
  const shown = display(file);
  const strict = firstOf(rules.settings, "strictmodes") === "yes";
  const notUsed = ({ message, remedy }: StrictFinding) =>
    none(`sshd does not use ${shown} (StrictModes): ${message}`, remedy);
  let bytes: Uint8Array | undefined;
  let finding: StrictFinding | undefined;
  try {
    bytes = withRightsOf(who, () => readFileIfPresent(file, LARGEST_FILE));
    // The user may exchange it meanwhile, for a circle of links above all.
    if (bytes !== undefined && strict) finding = strictFinding(file, account);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return unreadableKeysFile(error, file, account, none);
  }
  if (bytes === undefined) return none(`${shown} is not there`, addRemedy(file, account));
  if (finding !== undefined) return notUsed(finding);
  const all = keyLinesIn(fromBytes(bytes));
  const lines = all.flatMap((line) => countedLine(line, rules) ?? []);
  if (lines.length > 0) return { lines, why: `a key in ${shown}`, remedy: "" };
  const still = rules.from === undefined ? "still takes" : `still takes from ${rules.from}`;
  const what = all.length === 0 ? "holds no key" : `holds no key that sshd ${still}`;
  return none(`${shown} ${what}`, addRemedy(file, account));
}

/** What of a file of keys counts that could not be read. */
function unreadableKeysFile(
  error: SystemError,
  file: ByteString,
  account: PasswdEntry,
  none: (why: ByteString, remedy: ByteString) => KeysFile,
): KeysFile {
  const shown = display(file);
  if (error.code === "EFBIG")
    return { ...none(`${shown} is larger than 1 MiB, and was not read`, ""), unread: true };
  // What is no file, sshd does not read either, and no right to read it heals that.
  const finding = error.code === "EINVAL" ? strictFinding(file, account) : undefined;
  if (finding !== undefined) return none(`sshd does not use ${shown}: ${finding.message}`, finding.remedy);
  return none(`the user cannot read ${shown}: ${error.reason}`, readRemedy(file, account));
}

/** The lines that decide, of those of all files in their order: for each key the first that surely counts, and what may count before it. */
function decidingLines(lines: readonly CountedLine[]): CountedLine[] {
  const settled = new Set<ByteString>();
  return lines.filter(({ key, sure, signs }) => {
    if (settled.has(key) && !signs) return false;
    if (sure) settled.add(key);
    return true;
  });
}

/** Whether a key would do, as sshd(8) reads AuthorizedKeysFile: with the rights of the user, and by StrictModes. */
export function keyAuthentication(
  settings: SshdSettings,
  account: PasswdEntry,
  who: Credentials,
  from: ByteString | undefined,
): KeyAuthentication {
  const way = (
    can: Authentication["can"],
    why: ByteString[],
    remedies: ByteString[] = [],
  ): KeyAuthentication => ({
    can,
    why,
    remedies,
    ...{ commands: new Set(), users: new Set(), count: 0, more: false },
  });
  if (firstOf(settings, "pubkeyauthentication") !== "yes")
    return way("no", ["sshd takes no keys (PubkeyAuthentication no)"], ["set PubkeyAuthentication yes"]);
  const revoked = revokedKeys(settings);
  if (revoked.kind === "none-taken") return way("no", [revoked.why], [revoked.remedy]);
  const patterns = quotedWords(settings, "authorizedkeysfile");
  const rules = { settings, from, revoked: revoked.kind === "listed" ? revoked.keys : new Set<ByteString>() };
  const files = keyFiles(patterns, account).map((file) => readKeysFile(file, rules, account, who));
  const lines = decidingLines(files.flatMap((file) => file.lines));
  const sure = lines.filter((line) => line.sure);
  const unread = files.filter((file) => file.unread);
  const elsewhere = ["authorizedkeyscommand", "trustedusercakeys"].filter((keyword) =>
    isSet(settings, keyword),
  );
  if (sure.length > 0 && revoked.kind === "unknown") return way("unknown", [revoked.why]);
  if (sure.length > 0) {
    const plain = lines.filter(({ signs }) => !signs);
    return {
      ...way(
        "yes",
        files.filter((one) => one.lines.length > 0).map(({ why }) => why),
      ),
      commands: new Set(plain.map(({ command }) => command)),
      users: new Set(plain.map(({ user }) => user)),
      count: sure.length,
      more: elsewhere.length + unread.length > 0 || sure.length < lines.length,
    };
  }
  if (lines.length + elsewhere.length + unread.length > 0) {
    const byAddress = lines.some(({ signs }) => !signs);
    const what = lines.length > 0 ? "the keys are for some addresses or by certificate alone" : "";
    const where = elsewhere.map((keyword) => `keys come from ${keyword}`);
    const remedies =
      byAddress && from === undefined ? ["say where the login comes from: --from ADDRESS"] : [];
    return way("unknown", [what, ...unread.map(({ why }) => why), ...where].filter(Boolean), remedies);
  }
  return way(
    "no",
    files.length === 0
      ? ["sshd reads no file of keys (AuthorizedKeysFile none)"]
      : files.map(({ why }) => why),
    files.flatMap(({ remedy }) => (remedy === "" ? [] : [remedy])).slice(0, 1),
  );
}
