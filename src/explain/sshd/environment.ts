import { type ByteString, fromBytes } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { readFileIfPresent } from "../../../ffi/files.ts";
import { type Credentials, withRightsOf } from "../../../ffi/rights.ts";
import { display, quoted } from "../../cli/display.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { hostNames, hostText } from "../../system/host-files.ts";
import { flattened } from "../../system/pam/rules.ts";
import { serviceRules } from "../../system/pam/service.ts";
import { CONFIGURATION, firstOf, matchesPattern, type SshdSettings } from "../../system/sshd/settings.ts";
import type { ReportStep } from "../report.ts";
import type { KeyAuthentication } from "./keys.ts";

const LARGEST_FILE = 1 << 20;
const USER = "USER";
const CONF_FILE = "/etc/security/pam_env.conf";
const CONF_DIRECTORY = "/etc/security/pam_env.conf.d";

/** True if sshd accepts the variable USER from the user: PermitUserEnvironment of sshd_config(5). */
function takesUserVariable(settings: SshdSettings): boolean {
  const permitted = firstOf(settings, "permituserenvironment");
  if (permitted === "no" || permitted === "") return false;
  return permitted === "yes" || permitted.split(",").some((pattern) => matchesPattern(USER, pattern));
}

/** The last value of a variable in a file like ~/.ssh/environment; see sshd(8). */
function environmentValue(text: ByteString, name: ByteString): ByteString | undefined {
  const lines = text.split("\n").map((line) => line.trimStart());
  return lines.findLast((line) => line.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** The source of the variable USER of a session, by which jk_chrootsh finds the account. */
interface UserVariable {
  stage: "sshd" | "pam";
  /** undefined: unknown. */
  value: ByteString | undefined;
  where: ByteString;
  remedy: ByteString;
}

/**
 * The value of a variable in a file like /etc/environment of pam_env(8); undefined if it is not set. A value with blanks,
 * comments or quotes in it is unknown: versions of pam_env differ.
 */
function pamEnvironmentValue(
  text: ByteString,
  name: ByteString,
): { value: ByteString | undefined } | undefined {
  const lines = text.split("\n").map((line) => line.trimStart().replace(/^export\s+/, ""));
  const line = lines.findLast((one) => one.startsWith(`${name}=`));
  if (line === undefined) return undefined;
  const plain = /^(["']?)([^"'#\s]*)\1$/.exec(line.slice(name.length + 1));
  return { value: plain?.[2] };
}

const named = (text: ByteString | undefined) => text !== undefined && /^\s*(?:export\s+)?USER\b/m.test(text);

/** The value of USER from pam_env(8) in sessions of a service; the last rule counts. Throws SystemError. */
export function pamUserVariable(
  service: ByteString,
  { home }: PasswdEntry,
  who: Credentials,
): UserVariable | undefined {
  const option = (words: readonly ByteString[], key: string, otherwise: ByteString) =>
    words.findLast((word) => word.startsWith(`${key}=`))?.slice(key.length + 1) ?? otherwise;
  const rules = (["auth", "session"] as const).flatMap((kind) => flattened(serviceRules(kind, service)));
  let found: UserVariable | undefined;
  const sets = (where: ByteString, value: ByteString | undefined) => {
    found = { stage: "pam", value, where: `${where} (pam_env)`, remedy: `take USER out of ${where}` };
  };
  for (const { module, arguments: words } of rules) {
    if (module !== "pam_env.so") continue;
    const own = words.find((word) => word.startsWith("conffile="))?.slice("conffile=".length);
    const dropIns = hostNames(CONF_DIRECTORY).map((name) => `${CONF_DIRECTORY}/${name}`);
    for (const file of own === undefined ? [CONF_FILE, ...dropIns] : [own])
      if (named(hostText(file))) sets(file, undefined);
    const file = option(words, "envfile", "/etc/environment");
    const text = option(words, "readenv", "1") === "0" ? undefined : hostText(file);
    const set = text === undefined ? undefined : pamEnvironmentValue(text, USER);
    if (set !== undefined) sets(file, set.value);
    if (/^0*$/.test(option(words, "user_readenv", "0"))) continue;
    const ofUser = `${home}/${option(words, "user_envfile", ".pam_environment")}`;
    if (named(readAs(who, ofUser))) sets(display(ofUser), undefined);
  }
  return found;
}

/** The text of a file of the user; undefined if the user cannot read it. */
function readAs(who: Credentials, file: ByteString): ByteString | undefined {
  try {
    const bytes = withRightsOf(who, () => readFileIfPresent(file, LARGEST_FILE));
    return bytes === undefined ? undefined : fromBytes(bytes);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

/** The value of USER from the user's own ~/.ssh/environment. */
function ownVariable(
  settings: SshdSettings,
  { home }: PasswdEntry,
  who: Credentials,
): UserVariable | undefined {
  if (!takesUserVariable(settings)) return undefined;
  const file = `${home}/.ssh/environment`;
  const text = readAs(who, file);
  const value = text === undefined ? undefined : environmentValue(text, USER);
  const where = display(file);
  return value === undefined
    ? undefined
    : { stage: "sshd", value, where, remedy: `take USER out of ${where}` };
}

/** The value of USER from the option environment="USER=..." of keys. */
function keyVariable(settings: SshdSettings, { users }: KeyAuthentication): UserVariable | undefined {
  const set = [...users].some((user) => user !== undefined);
  if (!set || !takesUserVariable(settings)) return undefined;
  const [value] = users;
  const where = 'the option environment="USER=..." of keys';
  return {
    ...{ stage: "sshd", where, remedy: "take that option out of the keys" },
    value: users.size === 1 ? value : undefined,
  };
}

/**
 * The source of the variable USER in a session of sshd: SetEnv, else PAM (`service`), the user's ~/.ssh/environment, or
 * the key; undefined if it is the name of the account. Throws SystemError.
 */
export function sshUserVariable(
  settings: SshdSettings,
  account: PasswdEntry,
  who: Credentials,
  key: KeyAuthentication,
  service: ByteString | undefined,
): UserVariable | undefined {
  const given = (settings.get("setenv") ?? []).find((entry) => entry.startsWith(`${USER}=`));
  if (given !== undefined)
    return {
      ...{ stage: "sshd", value: given.slice(USER.length + 1), where: `SetEnv in ${CONFIGURATION}` },
      remedy: `take USER out of SetEnv in ${CONFIGURATION}, for this user`,
    };
  return (
    (service === undefined ? undefined : pamUserVariable(service, account, who)) ??
    ownVariable(settings, account, who) ??
    keyVariable(settings, key)
  );
}

/** A step about a variable USER that is not the name of the account, or is unknown. */
export function variableSteps(found: UserVariable | undefined, { name }: PasswdEntry): ReportStep[] {
  if (found === undefined || found.value === "" || found.value === name) return [];
  const { stage, value, where, remedy } = found;
  const what = value === undefined ? "the variable USER" : `the variable USER to ${quoted(value)}`;
  const message = `${where} sets ${what}, by which jk_chrootsh and jk_lsh find the account`;
  return [
    { stage, name: "user-variable", outcome: value === undefined ? "unknown" : "warned", message, remedy },
  ];
}
