import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, S_IFLNK, S_IFMT } from "../../../ffi/constants.ts";
import { readLink, statIfPresent } from "../../../ffi/files.ts";
import { display, quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { inWords } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { nameFault, userPattern } from "../account-name.ts";
import { JAILED_GROUP } from "../account-tools.ts";
import type { PasswdEntry } from "../accounts.ts";
import { flattened, type PamRule, pamRules, readsUserEnvironment } from "../pam/rules.ts";
import { serviceText } from "../pam/service.ts";
import { judgeSucceedIf } from "../pam/succeed-if.ts";
import { findProgram, runProgram } from "../run.ts";
import type { LoginWarning } from "../scheduled-jobs.ts";
import { settingsKey, subsystemOnlyInMatch } from "./match.ts";
import { DEFAULT_SERVER, type SshdServer } from "./running.ts";
import {
  CONFIGURATION,
  firstOf,
  isOn,
  isSet,
  listens,
  matchesPattern,
  pamService,
  parseSshdSettings,
  type SshdSettings,
  sftpSubsystem,
  wordsOf,
} from "./settings.ts";

/** The answer of sshd: its settings, or why there are none. `words`: what to do, until which sshd refuses every login. */
export type SshdAnswer =
  | { settings: SshdSettings }
  | { unavailable: string; installed: boolean; words?: string };

/**
 * Asks sshd for its settings for a user that connects from an address (sshd(8), -T -C), as a `server` was started. Needs
 * root, because sshd loads its host keys. Throws JailkitError (2) for an invalid address.
 */
function sshdSettings(
  user: ByteString,
  from: ByteString = "127.0.0.1",
  server: SshdServer = DEFAULT_SERVER,
): SshdAnswer {
  if (!/^[0-9a-fA-F.:]+$/.test(from))
    throw new JailkitError("bad-address", 2, `${quoted(from)} is not an address: give it in numbers`);
  const sshd = findProgram("sshd");
  if (sshd === undefined) return { unavailable: "sshd is not installed", installed: false };
  const { file } = server;
  if (statIfPresent(AT_FDCWD, file, true) === undefined)
    return { unavailable: `${display(file)} does not exist`, installed: true };
  // A comma would add to the specification.
  if (nameFault(user) !== undefined)
    return { unavailable: "the user's name cannot be given to sshd -C", installed: true };
  // Without UseDNS the host name is the address; with it, the name is unknown here.
  const at = (address: ByteString, port: ByteString) =>
    `user=${user},host=${from},addr=${from},laddr=${address},lport=${port}`;
  const usual = at("127.0.0.1", "22");
  const answer = askSshd(sshd, server, usual);
  if (!("settings" in answer)) return answer;
  // The local address and port are known only if sshd listens on one.
  const { addresses, ports } = listens(answer.settings);
  const local = at(addresses[0] ?? "127.0.0.1", ports[0] ?? "22");
  return local === usual ? answer : askSshd(sshd, server, local);
}

// The exit status of a program that a signal ended is at least this.
const KILLED = 128;

function askSshd(sshd: ByteString, { options, file }: SshdServer, connection: ByteString): SshdAnswer {
  const result = runProgram(sshd, ["-T", ...options, "-C", connection]);
  if (result.status === 0) return { settings: parseSshdSettings(result.stdout) };
  const reason = result.stderr.split("\n").find((line) => line.trim() !== "");
  const hasCrashed = reason === undefined && result.status >= KILLED;
  if (hasCrashed && subsystemOnlyInMatch(file)) {
    const unavailable = `sshd crashes at every login of the user: Subsystem is only in a Match block of ${CONFIGURATION}`;
    const words = `write 'Subsystem sftp /usr/lib/openssh/sftp-server' above the first Match block of ${CONFIGURATION}`;
    return { unavailable, installed: true, words };
  }
  const why = hasCrashed ? ": it crashed" : reason === undefined ? "" : `: ${reason.trim()}`;
  return { unavailable: `sshd -T failed${why}`, installed: true };
}

/** True if a pattern of AcceptEnv matches a variable that makes ld.so(8) load a file. */
const coversLoader = (pattern: ByteString) =>
  ["LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH"].some((name) => matchesPattern(name, pattern));

const isAllowed = (settings: SshdSettings, keyword: string): boolean =>
  !["no", ""].includes(firstOf(settings, keyword));

/**
 * Those about forwarding. `match`: where the remedies are written. `preloads`: programs that sshd starts get the user's
 * variables.
 */
function forwardingWarnings(
  settings: SshdSettings,
  match: string,
  { xauth, preloads }: { xauth: boolean; preloads: boolean },
): LoginWarning[] {
  if (isOn(settings, "disableforwarding")) return [];
  const warnings: LoginWarning[] = [];
  const warn = (keyword: string, code: string, message: string, words: string) => {
    if (isAllowed(settings, keyword)) warnings.push({ code, message, advice: inWords(words) });
  };
  warn(
    "allowtcpforwarding",
    "tcp-forwarding",
    "sshd forwards TCP connections for this user, from outside the jail",
    `set 'AllowTcpForwarding no' ${match}`,
  );
  warn(
    "allowstreamlocalforwarding",
    "stream-forwarding",
    "sshd forwards connections to local sockets for this user, from outside the jail",
    `set 'AllowStreamLocalForwarding no' ${match}`,
  );
  warn(
    "permittunnel",
    "tunnel",
    "sshd lets this user create network tunnels",
    `set 'PermitTunnel no' ${match}`,
  );
  // The agent is no way out: its socket is in a directory of the host's /tmp that no session in the jail reaches.
  if (!xauth) return warnings;
  const preload = preloads ? " (with LD_PRELOAD as the user sets it)" : "";
  warn(
    "x11forwarding",
    "x11-forwarding",
    `sshd listens on a port of the host for this user's display, and starts the machine's /bin/sh and xauth${preload}, outside the jail`,
    `set 'X11Forwarding no' ${match}`,
  );
  return warnings;
}

interface Around {
  readonly byPam?: ByteString | undefined;
  readonly xauth?: boolean;
  readonly groups?: readonly ByteString[];
}

/**
 * Warnings about settings that give a jailed user more than the jail. `byPam`: the PAM service that reads the user's
 * ~/.pam_environment. `xauth`: the program of XAuthLocation is there, without which sshd forwards no display. `groups`: of
 * the user: one block is enough for all members of the group that is for it. Pure.
 */
export function sshdWarnings(
  settings: SshdSettings,
  user: ByteString,
  { byPam, xauth = true, groups = [] }: Around = {},
): LoginWarning[] {
  const allows = (keyword: string) => isAllowed(settings, keyword);
  const isMember = groups.includes(JAILED_GROUP);
  const who = isMember ? `Group ${JAILED_GROUP}` : `User ${userPattern(user, "Match")}`;
  const match = `in a block 'Match ${who}' of ${CONFIGURATION}`;
  const commands = [sftpSubsystem(settings) ?? "", firstOf(settings, "forcecommand")];
  const internal = commands.some((command) => /^internal-sftp([\t-\r ]|$)/.test(command));
  const loads = wordsOf(settings, "acceptenv").some(coversLoader) || allows("permituserenvironment");

  const warnings: LoginWarning[] = [];
  const warn = (applies: boolean, code: string, message: string, words: string) => {
    if (applies) warnings.push({ code, message, advice: inWords(words) });
  };
  warn(
    internal && !isSet(settings, "chrootdirectory"),
    "internal-sftp",
    "sshd serves sftp itself (internal-sftp, no ChrootDirectory): it never runs the login shell, so the user is not jailed",
    "use 'Subsystem sftp /usr/lib/openssh/sftp-server' (the path as it is in the jail)",
  );
  const preloads = loads || byPam !== undefined;
  warnings.push(...forwardingWarnings(settings, match, { xauth, preloads }));
  warn(
    allows("permituserenvironment"),
    "permit-user-environment",
    "sshd reads environment variables from the user's own files, before the login shell starts",
    `set 'PermitUserEnvironment no' in ${CONFIGURATION}, above any Match block`,
  );
  warn(
    byPam !== undefined,
    "pam-environment",
    "PAM reads environment variables from ~/.pam_environment (pam_env, user_readenv), before the login shell starts: jk_lsh outside a jail loads what LD_PRELOAD names there",
    `take user_readenv from the lines of pam_env.so in /etc/pam.d/${byPam} and in what that includes`,
  );
  warn(
    preloads && firstOf(settings, "permituserrc") !== "no",
    "user-rc",
    "sshd starts the machine's /bin/sh for ~/.ssh/rc, outside the jail, with LD_PRELOAD as the user sets it",
    `set 'PermitUserRC no' ${match}`,
  );
  return warnings;
}

/**
 * The reasons why sshd would not read keys from `file` below the user's home (AuthorizedKeysFile of sshd_config(5)).
 * `isLocal`: usermod(8) can change the account. Pure.
 */
export function keyWarnings(
  settings: SshdSettings,
  user: ByteString,
  file: ByteString,
  locked: boolean,
  isLocal = () => true,
): LoginWarning[] {
  if (locked && firstOf(settings, "usepam") === "no") {
    const message = `${quoted(user)} is locked ('!' in the place of a password), and sshd without PAM refuses locked users; '*' there allows keys and no password`;
    const advice = isLocal()
      ? (`usermod -p '*' ${operands(user)}` as const)
      : inWords("give it a password that matches nothing, such as *, where the account is kept");
    return [{ code: "locked", message, advice }];
  }
  if (firstOf(settings, "pubkeyauthentication") === "no") {
    const message = "sshd accepts no key of this user (PubkeyAuthentication no)";
    const words = `set 'PubkeyAuthentication yes' in ${CONFIGURATION}`;
    return [{ code: "no-keys", message, advice: inWords(words) }];
  }
  const places = wordsOf(settings, "authorizedkeysfile");
  if (places.length === 0 || places.includes(file) || places.includes(`%h/${file}`)) return [];
  const message = `sshd reads this user's keys from ${display(places.join(" "))}, and not from the home's ${file}`;
  const advice = inWords(`put the key there, or add ${file} to AuthorizedKeysFile in ${CONFIGURATION}`);
  return [{ code: "keys-elsewhere", message, advice }];
}

/** The program that sshd starts for sftp, if it is an absolute path; empty if sshd does not answer. */
export function sftpServers(user: ByteString): ByteString[] {
  const answer = sshdSettings(user);
  return ("settings" in answer && sftpSubsystem(answer.settings)?.match(/^\/[^\t-\r ]+/g)) || [];
}

/** The user of a session. */
export interface PamUser extends Pick<PasswdEntry, "name" | "uid" | "shell"> {
  groups: readonly ByteString[];
}

// Where systemd looks for units; the first match counts: systemd.unit(5).
const UNITS = [
  "/etc/systemd/system",
  "/run/systemd/system",
  "/usr/local/lib/systemd/system",
  "/usr/lib/systemd/system",
  "/lib/systemd/system",
];

/** True if systemd has a unit of this name that is not masked; undefined if there is none. */
function mayStart(unit: ByteString): boolean | undefined {
  for (const directory of UNITS) {
    const stat = statIfPresent(AT_FDCWD, `${directory}/${unit}`);
    if (stat === undefined) continue;
    if ((stat.mode & S_IFMT) === S_IFLNK) return readLink(AT_FDCWD, `${directory}/${unit}`) !== "/dev/null";
    return stat.size > 0;
  }
  return undefined;
}

/** True if pam_systemd(8) is called for the user, unless a rule of pam_succeed_if(8) skips it. Pure. */
export function callsSystemd(rules: readonly PamRule[], user: PamUser): boolean {
  let jumped = 0;
  for (const { control, module, arguments: words } of rules) {
    if (jumped > 0) jumped--;
    else if (module === "pam_systemd.so") return true;
    else if (module === "pam_succeed_if.so" && judgeSucceedIf(user, words).result === "success")
      jumped = Number(/\bsuccess=(\d+)\b/.exec(control)?.[1] ?? 0);
  }
  return false;
}

/** True if a session of this PAM service starts the user's own systemd manager on the host. Throws SystemError. */
function startsUserManager(user: PamUser, service: ByteString): boolean {
  const isThere = mayStart(`user@${user.uid}.service`) ?? mayStart("user@.service") ?? false;
  return isThere && callsSystemd(flattened(pamRules("session", service, serviceText)), user);
}

const known = new Map<string, SshdAnswer>();

/**
 * As sshdSettings, for a run on thousands of users: sshd is asked about the first of those who are the same to all Match lines.
 * Each question starts a process, which takes as long as useradd(8). `answers`: those of a run that describes one
 * moment; also that sshd does not answer counts for all of them then.
 */
export function sharedSettings(user: PamUser, answers = known): SshdAnswer {
  if (nameFault(user.name) !== undefined) return sshdSettings(user.name);
  const key = settingsKey(CONFIGURATION, user);
  const before = answers.get(key);
  if (before !== undefined) return before;
  const answer = sshdSettings(user.name);
  // A failure may be over when the next user is asked about.
  if (answers !== known || "settings" in answer) answers.set(key, answer);
  return answer;
}

/** Who asks sshd, and how. */
interface LoginOptions {
  readonly from?: ByteString | undefined;
  readonly server?: SshdServer;
  /** sshd, and the name services, have the user as it is given: what sshd said of another one like it counts. */
  readonly share?: boolean;
}

/**
 * Warnings about settings of sshd, and about programs that it starts before the login shell, that give a jailed user more
 * than the jail. Returned with the settings, or with why there are none: only root can ask. Throws SystemError.
 */
export function loginWarnings(
  user: PamUser,
  { from, server, share = false }: LoginOptions = {},
): SshdAnswer & { warnings: LoginWarning[] } {
  const answer = share ? sharedSettings(user) : sshdSettings(user.name, from, server);
  if (!("settings" in answer)) return { ...answer, warnings: [] };
  const { settings } = answer;
  const service = pamService(settings);
  const ruled = service !== undefined && serviceText(service) === undefined ? "other" : service;
  const byPam = ruled !== undefined && readsUserEnvironment(ruled, serviceText) ? ruled : undefined;
  const xauth = statIfPresent(AT_FDCWD, firstOf(settings, "xauthlocation"), true) !== undefined;
  const warnings = sshdWarnings(settings, user.name, { byPam, xauth, groups: user.groups });
  if (ruled !== undefined && startsUserManager(user, ruled)) {
    const message =
      "a login starts the user's own systemd manager on the host (pam_systemd), which runs the unit files in the home's .config/systemd/user outside the jail";
    warnings.push({ code: "user-manager", message, advice: `systemctl mask user@${user.uid}.service` });
  }
  return { settings, warnings };
}
