import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { attempt, SystemError } from "../../../ffi/error.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { withRightsOf } from "../../../ffi/rights.ts";
import { display } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { type Advice, inWords } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { hostText } from "../../system/host-files.ts";
import { optionOf } from "../../system/pam/rules.ts";
import { hasExpired, isAccepted, keyFiles, rsaBits } from "../../system/sshd/authorized-keys.ts";
import { quotedWords } from "../../system/sshd/match.ts";
import { namesOrigin } from "../../system/sshd/origin.ts";
import { firstOf, isOn, isSet, listOf, type SshdSettings, wordsOf } from "../../system/sshd/settings.ts";
import { SSSD_KEYS, sssdKeys } from "../../system/sshd/sssd-keys.ts";
import { strictFinding } from "../../system/sshd/strict-modes.ts";
import { type KeyLine, keyType } from "../../users/key-lines.ts";
import { keyOptions, optionValues } from "../../users/key-options.ts";
import { keyLinesIn } from "../../users/key-text.ts";
import type { KeyAuthentication } from "./authentication.ts";
import { certificateObstacle, signatureObstacle } from "./certificates.ts";
import type { Connection } from "./connection.ts";
import { addAdvice, readAdvice } from "./key-remedies.ts";
import { revokedKeys } from "./revoked-keys.ts";

/** A usable line of a key file. */
interface UsableLine {
  key: ByteString;
  /** An unknown condition under which it counts; undefined if it surely does. */
  condition: "from some addresses" | "for certificates" | "if they verify their user" | undefined;
  /** It is for certificates that its key signed. */
  signs: boolean;
  command: ByteString | undefined;
  /** The first value that it sets USER to, which counts. */
  user: ByteString | undefined;
}

/** Parses a line with a key; undefined if sshd would not use it. */
function usableLine(
  line: KeyLine,
  { settings, from }: Connection,
  revoked: ReadonlySet<ByteString>,
): UsableLine | undefined {
  const { key, options } = line;
  const least = Number(firstOf(settings, "requiredrsasize") || "0");
  const given = keyOptions(options);
  const signs = given.has("cert-authority");
  const type = keyType(line);
  const accepted = signs
    ? signatureObstacle(settings, type) === undefined
    : isAccepted(type, listOf(settings, "pubkeyacceptedalgorithms"));
  if (!accepted || revoked.has(key) || (rsaBits(key.split(" ")[1] ?? "") ?? least) < least) return undefined;
  if (hasExpired(optionValues(options, "expiry-time"), new Date())) return undefined;
  const origins = given.get("from");
  const here = origins === undefined || namesOrigin(origins, from, isOn(settings, "usedns"));
  if (here === false) return undefined;
  const verified =
    given.has("verify-required") || wordsOf(settings, "pubkeyauthoptions").includes("verify-required");
  const bySecurityKey = type.startsWith("sk-") && verified ? "if they verify their user" : undefined;
  const condition = signs ? "for certificates" : here !== true ? "from some addresses" : bySecurityKey;
  const user = optionOf(optionValues(options, "environment"), "USER");
  return { key, condition, signs, command: given.get("command"), user };
}

interface KeysFile {
  lines: UsableLine[];
  why: ByteString;
  advice: Advice;
  /** It was not read, though sshd reads it. */
  unread?: boolean;
}

function readKeysFile(file: ByteString, connection: Connection, revoked: ReadonlySet<ByteString>): KeysFile {
  const { settings, account, who, from } = connection;
  const none = (why: ByteString, advice: Advice): KeysFile => ({ lines: [], why, advice });
  const shown = display(file);
  try {
    const text = withRightsOf(who, () => hostText(file));
    if (text === undefined) return none(`${shown} does not exist`, addAdvice(file, account));
    const finding = isOn(settings, "strictmodes") ? strictFinding(file, account) : undefined;
    if (finding !== undefined)
      return none(`sshd does not use ${shown} (StrictModes): ${finding.message}`, finding.advice);
    const all = keyLinesIn(text);
    const lines = all.flatMap((line) => usableLine(line, connection, revoked) ?? []);
    if (lines.length > 0) return { lines, why: `a key in ${shown}`, advice: "" };
    const accepts = from === undefined ? "accepts" : `accepts from ${from}`;
    const what = all.length === 0 ? "has no key" : `has no key that sshd ${accepts}`;
    return none(`${shown} ${what}`, addAdvice(file, account));
  } catch (error) {
    // The user may have replaced it, for example by a loop of symbolic links.
    if (!(error instanceof SystemError)) throw error;
    if (error.code === "EFBIG")
      return { ...none(`${shown} is larger than 1 MiB and was not read`, ""), unread: true };
    // Whatever its mode, sshd reads only a regular file.
    const finding = error.code === "EINVAL" ? attempt(() => strictFinding(file, account)) : undefined;
    if (finding !== undefined) return none(`sshd does not use ${shown}: ${finding.message}`, finding.advice);
    return none(`the user cannot read ${shown}: ${error.reason}`, readAdvice(file, account));
  }
}

/** The program of AuthorizedKeysCommand, if it is certain that it does not exist. */
function missingProgram(settings: SshdSettings): ByteString | undefined {
  // Others may be in quotes.
  const program = /^\/[\w./-]+(?=[\t-\r ]|$)/.exec(firstOf(settings, "authorizedkeyscommand"))?.[0];
  const isGone = program && answered(() => statIfPresent(AT_FDCWD, program, true) === undefined) === true;
  return isGone ? program : undefined;
}

/** The keys of AuthorizedKeysCommand, which sshd asks after all files; undefined if only the program knows them. */
function readCommand(connection: Connection, revoked: ReadonlySet<ByteString>): KeysFile | undefined {
  const missing = missingProgram(connection.settings);
  if (missing !== undefined) {
    const advice = inWords(
      "install that program, or take AuthorizedKeysCommand out of the configuration of sshd",
    );
    return { lines: [], why: `${display(missing)} (AuthorizedKeysCommand) does not exist`, advice };
  }
  const found = sssdKeys(connection.settings, connection.account);
  if (found === undefined) return undefined;
  const { name } = connection.account;
  if ("fault" in found) {
    const advice = inWords(`see what this says: ${SSSD_KEYS} ${operands(name)}`);
    return { lines: [], why: found.fault, advice };
  }
  const all = keyLinesIn(found.text);
  const lines = all.flatMap((line) => usableLine(line, connection, revoked) ?? []);
  if (lines.length > 0) return { lines, why: `a key from SSSD (${SSSD_KEYS})`, advice: "" };
  const what = all.length === 0 ? "has no key of the user" : "has no key of the user that sshd accepts";
  return {
    lines,
    why: `SSSD ${what}`,
    advice: inWords("put a public key into the directory (sshPublicKey)"),
  };
}

/** For each key, in the order of all files: the first surely usable line, and the lines before it. */
function decidingLines(lines: readonly UsableLine[]): UsableLine[] {
  const settled = new Set<ByteString>();
  return lines.filter(({ key, condition, signs }) => {
    if (settled.has(key) && !signs) return false;
    if (condition === undefined) settled.add(key);
    return true;
  });
}

/** An answer without a key that is surely usable. */
function withoutKey(can: "no" | "unknown", why: ByteString[], advice: Advice[] = []): KeyAuthentication {
  return { can, why, advice, commands: new Set(), users: new Set(), count: 0, more: false };
}

/** The answer if some of the `lines` surely count; `more`: there may be keys besides them. */
function byKeys(files: readonly KeysFile[], lines: readonly UsableLine[], more: boolean): KeyAuthentication {
  const sure = lines.filter(({ condition }) => condition === undefined);
  const plain = lines.filter(({ signs }) => !signs);
  return {
    can: "yes",
    why: files.filter((one) => one.lines.length > 0).map(({ why }) => why),
    advice: [],
    commands: new Set(plain.map(({ command }) => command)),
    users: new Set(plain.map(({ user }) => user)),
    count: sure.length,
    more: more || sure.length < lines.length,
  };
}

/** The answer if only conditions, or keys that are unknown here (`open`), may let the user in. */
function perhaps(lines: readonly UsableLine[], open: ByteString[], from: ByteString | undefined) {
  const conditions = [...new Set(lines.map(({ condition }) => condition))];
  const why = lines.length > 0 ? [`the keys count only ${conditions.join(" or ")}`, ...open] : open;
  const byAddress = from === undefined && conditions.includes("from some addresses");
  return withoutKey(
    "unknown",
    why,
    byAddress ? [inWords("give the address of the client: --from ADDRESS")] : [],
  );
}

/** Whether the user can authenticate by a key in AuthorizedKeysFile, which is read with the user's rights. */
export function keyAuthentication(connection: Connection): KeyAuthentication {
  const { settings, account, from } = connection;
  if (!isOn(settings, "pubkeyauthentication")) {
    const why = "sshd accepts no keys (PubkeyAuthentication no)";
    return withoutKey("no", [why], [inWords("set PubkeyAuthentication yes")]);
  }
  const revoked = revokedKeys(settings);
  if (revoked.kind === "none-taken") return withoutKey("no", [revoked.why], [revoked.advice]);
  const bad = revoked.kind === "listed" ? revoked.keys : new Set<ByteString>();
  const patterns = quotedWords(settings, "authorizedkeysfile", connection.file);
  const hasCommand = isSet(settings, "authorizedkeyscommand");
  const command = hasCommand ? readCommand(connection, bad) : undefined;
  const files = keyFiles(patterns, account).map((file) => readKeysFile(file, connection, bad));
  if (command !== undefined) files.push(command);
  const lines = decidingLines(files.flatMap((file) => file.lines));
  const byCertificate = isSet(settings, "trustedusercakeys");
  const obstacle = byCertificate ? certificateObstacle(connection, bad) : undefined;
  const open = files.flatMap(({ unread, why }) => (unread ? [why] : []));
  if (hasCommand && command === undefined) open.push("a program names keys (AuthorizedKeysCommand)");
  if (byCertificate && obstacle === undefined)
    open.push("sshd accepts certificates (TrustedUserCAKeys), and the user may have one");
  if (lines.some(({ condition }) => condition === undefined))
    return revoked.kind === "unknown"
      ? withoutKey("unknown", [revoked.why])
      : byKeys(files, lines, open.length > 0);
  if (lines.length + open.length > 0) return perhaps(lines, open, from);
  const obstacles = obstacle === undefined ? files : [obstacle, ...files];
  const first = obstacles.flatMap(({ advice }) => advice || []).slice(0, 1);
  const reasons = files.map(({ why }) => why);
  if (files.length === 0) reasons.push("sshd reads no file of keys (AuthorizedKeysFile none)");
  if (obstacle !== undefined) reasons.push(obstacle.why);
  return withoutKey("no", reasons, first);
}
