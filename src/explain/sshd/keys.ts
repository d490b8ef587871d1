import { type ByteString, fromBytes } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { readFileIfPresent } from "../../../ffi/files.ts";
import { type Credentials, withRightsOf } from "../../../ffi/rights.ts";
import { display } from "../../cli/display.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { hasExpired, isAccepted, keyFiles, rsaBits } from "../../system/sshd/authorized-keys.ts";
import { quotedWords } from "../../system/sshd/match.ts";
import { namesOrigin } from "../../system/sshd/origin.ts";
import { firstOf, isSet, type SshdSettings, wordsOf } from "../../system/sshd/settings.ts";
import { type StrictFinding, strictFinding } from "../../system/sshd/strict-modes.ts";
import { type KeyLine, keyLinesIn, keyType } from "../../users/key-lines.ts";
import { keyOptions, optionValues } from "../../users/key-options.ts";
import type { Authentication } from "./authentication.ts";
import { certificateObstacle, signatureObstacle } from "./certificates.ts";
import { addRemedy, readRemedy } from "./key-remedies.ts";
import { revokedKeys } from "./revoked-keys.ts";

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

const LARGEST_FILE = 1 << 20;

/** A usable line of a key file. */
interface UsableLine {
  key: ByteString;
  /** What else a login by it needs, which is unknown; undefined if the line is surely usable. */
  needs: "some addresses" | "certificates" | "security keys that verify their user" | undefined;
  /** It is for certificates that its key signed. */
  signs: boolean;
  command: ByteString | undefined;
  /** The first value that it sets USER to, which counts. */
  user: ByteString | undefined;
}

const userOf = (options: ByteString) =>
  optionValues(options, "environment")
    .find((entry) => entry.startsWith("USER="))
    ?.slice("USER=".length);

/** The rules that decide whether a line is usable. */
interface KeyRules {
  settings: SshdSettings;
  /** The address from which the user connects; undefined if unknown. */
  from: ByteString | undefined;
  revoked: ReadonlySet<ByteString>;
}

/** Parses a line with a key; undefined if sshd would not use it. */
function usableLine(line: KeyLine, { settings, from, revoked }: KeyRules): UsableLine | undefined {
  const { key, options } = line;
  const least = Number(firstOf(settings, "requiredrsasize") || "0");
  const algorithms = firstOf(settings, "pubkeyacceptedalgorithms")
    .split(",")
    .filter((one) => one !== "");
  const given = keyOptions(options);
  const signs = given.has("cert-authority");
  const type = keyType(line);
  const accepted = signs ? signatureObstacle(settings, type) === undefined : isAccepted(type, algorithms);
  if (!accepted || revoked.has(key) || (rsaBits(key.split(" ")[1] ?? "") ?? least) < least) return undefined;
  if (hasExpired(optionValues(options, "expiry-time"), new Date())) return undefined;
  const origins = given.get("from");
  const byName = firstOf(settings, "usedns") === "yes";
  const here = origins === undefined || namesOrigin(origins, from, byName);
  if (here === false) return undefined;
  const verified =
    given.has("verify-required") || wordsOf(settings, "pubkeyauthoptions").includes("verify-required");
  const needs = signs
    ? "certificates"
    : here !== true
      ? "some addresses"
      : type.startsWith("sk-") && verified
        ? "security keys that verify their user"
        : undefined;
  return { key, needs, signs, command: given.get("command"), user: userOf(options) };
}

interface KeysFile {
  lines: UsableLine[];
  why: ByteString;
  remedy: ByteString;
  /** It was not read, though sshd reads it. */
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
    // The user may have replaced it, for example by a loop of symbolic links.
    if (bytes !== undefined && strict) finding = strictFinding(file, account);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return unreadableKeysFile(error, file, account, none);
  }
  if (bytes === undefined) return none(`${shown} does not exist`, addRemedy(file, account));
  if (finding !== undefined) return notUsed(finding);
  const all = keyLinesIn(fromBytes(bytes));
  const lines = all.flatMap((line) => usableLine(line, rules) ?? []);
  if (lines.length > 0) return { lines, why: `a key in ${shown}`, remedy: "" };
  const accepts = rules.from === undefined ? "accepts" : `accepts from ${rules.from}`;
  const what = all.length === 0 ? "has no key" : `has no key that sshd ${accepts}`;
  return none(`${shown} ${what}`, addRemedy(file, account));
}

/** The result for a key file that could not be read. */
function unreadableKeysFile(
  error: SystemError,
  file: ByteString,
  account: PasswdEntry,
  none: (why: ByteString, remedy: ByteString) => KeysFile,
): KeysFile {
  const shown = display(file);
  if (error.code === "EFBIG")
    return { ...none(`${shown} is larger than 1 MiB and was not read`, ""), unread: true };
  // Whatever its mode, sshd reads only a regular file.
  const finding = error.code === "EINVAL" ? strictFinding(file, account) : undefined;
  if (finding !== undefined) return none(`sshd does not use ${shown}: ${finding.message}`, finding.remedy);
  return none(`the user cannot read ${shown}: ${error.reason}`, readRemedy(file, account));
}

/** For each key, in the order of all files: the first surely usable line, and the lines before it. */
function decidingLines(lines: readonly UsableLine[]): UsableLine[] {
  const settled = new Set<ByteString>();
  return lines.filter(({ key, needs, signs }) => {
    if (settled.has(key) && !signs) return false;
    if (needs === undefined) settled.add(key);
    return true;
  });
}

/** Checks whether the user can authenticate by a key in AuthorizedKeysFile, which is read with the user's rights. `file`: the configuration of sshd. */
export function keyAuthentication(
  settings: SshdSettings,
  account: PasswdEntry,
  who: Credentials,
  from: ByteString | undefined,
  file: ByteString,
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
    return way("no", ["sshd accepts no keys (PubkeyAuthentication no)"], ["set PubkeyAuthentication yes"]);
  const revoked = revokedKeys(settings);
  if (revoked.kind === "none-taken") return way("no", [revoked.why], [revoked.remedy]);
  const patterns = quotedWords(settings, "authorizedkeysfile", file);
  const rules = { settings, from, revoked: revoked.kind === "listed" ? revoked.keys : new Set<ByteString>() };
  const files = keyFiles(patterns, account).map((file) => readKeysFile(file, rules, account, who));
  const lines = decidingLines(files.flatMap((file) => file.lines));
  const sure = lines.filter((line) => line.needs === undefined);
  const unread = files.filter((file) => file.unread);
  const obstacle = isSet(settings, "trustedusercakeys")
    ? certificateObstacle(settings, account, who, rules.revoked)
    : undefined;
  const elsewhere = [
    ...(isSet(settings, "authorizedkeyscommand") ? ["a program names keys (AuthorizedKeysCommand)"] : []),
    ...(isSet(settings, "trustedusercakeys") && obstacle === undefined
      ? ["sshd accepts certificates (TrustedUserCAKeys), and the user may have one"]
      : []),
  ];
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
    const byAddress = lines.some(({ needs }) => needs === "some addresses");
    const needs = [...new Set(lines.map((line) => line.needs))].join(" or for ");
    const what = lines.length > 0 ? `the keys are only for ${needs}` : "";
    const remedies =
      byAddress && from === undefined ? ["give the address of the client: --from ADDRESS"] : [];
    return way("unknown", [what, ...unread.map(({ why }) => why), ...elsewhere].filter(Boolean), remedies);
  }
  const reasons =
    files.length === 0
      ? ["sshd reads no file of keys (AuthorizedKeysFile none)"]
      : files.map(({ why }) => why);
  const remedies = [...(obstacle === undefined ? [] : [obstacle]), ...files].map(({ remedy }) => remedy);
  return way(
    "no",
    [...reasons, ...(obstacle === undefined ? [] : [obstacle.why])],
    remedies.filter((remedy) => remedy !== "").slice(0, 1),
  );
}
