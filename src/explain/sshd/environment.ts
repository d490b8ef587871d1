import type { ByteString } from "../../../ffi/bytes.ts";
import type { Credentials } from "../../../ffi/rights.ts";
import { display, quoted } from "../../cli/display.ts";
import { inWords } from "../../cli/remedy.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { hostNames, hostText } from "../../system/host-files.ts";
import { flattened, optionOf } from "../../system/pam/rules.ts";
import { serviceRules } from "../../system/pam/service.ts";
import {
  CONFIGURATION,
  isOn,
  listOf,
  matchesPattern,
  pamService,
  type SshdSettings,
} from "../../system/sshd/settings.ts";
import { readAs } from "../readable.ts";
import type { ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";
import type { KeyAuthentication } from "./authentication.ts";
import type { Connection } from "./connection.ts";

const CONF_FILE = "/etc/security/pam_env.conf";
const CONF_DIRECTORY = "/etc/security/pam_env.conf.d";

/** True if sshd accepts the variable USER from the user: PermitUserEnvironment of sshd_config(5). */
const takesUserVariable = (settings: SshdSettings) =>
  isOn(settings, "permituserenvironment") ||
  listOf(settings, "permituserenvironment").some((pattern) => matchesPattern("USER", pattern));

/** The source of the variable USER of a session, by which jk_chrootsh finds the account. */
interface UserVariable {
  stage: "sshd" | "pam";
  /** undefined: unknown. */
  value: ByteString | undefined;
  where: ByteString;
  /** In words. */
  advice: string;
}

/**
 * The value of USER in a file like /etc/environment of pam_env(8); undefined if it is not set. A value with blanks,
 * comments or quotes in it is unknown: versions of pam_env differ.
 */
function pamEnvironmentValue(text: ByteString): { value: ByteString | undefined } | undefined {
  const lines = text
    .split("\n")
    .map((line) => line.replace(/^[\t-\r ]+/, "").replace(/^export[\t-\r ]+/, ""));
  const line = lines.findLast((one) => one.startsWith("USER="));
  return line === undefined ? undefined : { value: /^USER=(["']?)([^"'#\t-\r ]*)\1$/.exec(line)?.[2] };
}

const named = (text: ByteString | undefined) =>
  text !== undefined && /^[\t-\r ]*(?:export[\t-\r ]+)?USER\b/m.test(text);

/** The value of USER from pam_env(8) in sessions of a service; the last rule counts. Throws SystemError. */
export function pamUserVariable(
  service: ByteString,
  { home }: PasswdEntry,
  who: Credentials,
): UserVariable | undefined {
  const option = (words: readonly ByteString[], key: string, otherwise: ByteString) =>
    optionOf(words.toReversed(), key) ?? otherwise;
  const rules = (["auth", "session"] as const).flatMap((kind) => flattened(serviceRules(kind, service)));
  let found: UserVariable | undefined;
  const sets = (where: ByteString, value: ByteString | undefined) => {
    found = { stage: "pam", value, where: `${where} (pam_env)`, advice: `take USER out of ${where}` };
  };
  for (const { module, arguments: words } of rules) {
    if (module !== "pam_env.so") continue;
    const conffile = optionOf(words, "conffile");
    const dropIns = hostNames(CONF_DIRECTORY).map((name) => `${CONF_DIRECTORY}/${name}`);
    for (const file of conffile === undefined ? [CONF_FILE, ...dropIns] : [conffile])
      if (named(hostText(file))) sets(file, undefined);
    const file = option(words, "envfile", "/etc/environment");
    const text = option(words, "readenv", "1") === "0" ? undefined : hostText(file);
    const set = text === undefined ? undefined : pamEnvironmentValue(text);
    if (set !== undefined) sets(file, set.value);
    if (/^0*$/.test(option(words, "user_readenv", "0"))) continue;
    const ofUser = `${home}/${option(words, "user_envfile", ".pam_environment")}`;
    const own = readAs(who, ofUser);
    if (own.isLarge || named(own.text)) sets(display(ofUser), undefined);
  }
  return found;
}

/** The value of USER from the user's own ~/.ssh/environment, the last one; see sshd(8). */
function ownVariable({ settings, account: { home }, who }: Connection): UserVariable | undefined {
  if (!takesUserVariable(settings)) return undefined;
  const file = `${home}/.ssh/environment`;
  const { text = "", isLarge } = readAs(who, file);
  const lines = text.split("\n").map((one) => one.replace(/^[\t-\r ]+/, ""));
  const line = lines.findLast((one) => one.startsWith("USER="));
  if (line === undefined && !isLarge) return undefined;
  const where = display(file);
  return { stage: "sshd", value: line?.slice("USER=".length), where, advice: `take USER out of ${where}` };
}

/** The value of USER from the option environment="USER=..." of keys. */
function keyVariable(settings: SshdSettings, { users }: KeyAuthentication): UserVariable | undefined {
  const isSet = [...users].some((user) => user !== undefined);
  if (!isSet || !takesUserVariable(settings)) return undefined;
  const value = users.size === 1 ? [...users][0] : undefined;
  const where = 'the option environment="USER=..." of keys';
  return { stage: "sshd", value, where, advice: "take that option out of the keys" };
}

/**
 * The source of the variable USER in a session of sshd: SetEnv, else PAM, the user's ~/.ssh/environment, or the key;
 * undefined if it is the name of the account. Throws SystemError.
 */
export function sshUserVariable(connection: Connection, key: KeyAuthentication): UserVariable | undefined {
  const { settings, account, who } = connection;
  const service = pamService(settings);
  const value = optionOf(settings.get("setenv") ?? [], "USER");
  if (value !== undefined) {
    const where = `SetEnv in ${CONFIGURATION}`;
    return { stage: "sshd", value, where, advice: `take USER out of ${where}, for this user` };
  }
  const byPam = service === undefined ? undefined : pamUserVariable(service, account, who);
  return byPam ?? ownVariable(connection) ?? keyVariable(settings, key);
}

/** A step about a variable USER that is not the name of the account, or is unknown. */
export function variableSteps(found: UserVariable | undefined, { name }: PasswdEntry): ReportStep[] {
  if (found === undefined || found.value === "" || found.value === name) return [];
  const { stage, value, where, advice } = found;
  const sets =
    value === undefined ? "may set the variable USER" : `sets the variable USER to ${quoted(value)}`;
  const message = `${where} ${sets}, by which jk_chrootsh and jk_lsh find the account`;
  const outcome = value === undefined ? "unknown" : "warned";
  return [stepsOf(stage)("user-variable", outcome, message, inWords(advice))];
}
