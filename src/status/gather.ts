import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { kernelFeatures } from "../check/confinement.ts";
import { leftMoveFinding } from "../check/left-moves.ts";
import type { CheckFinding } from "../check/rules.ts";
import { answered, isReported, JailkitError } from "../cli/error.ts";
import { operands } from "../cli/shell-word.ts";
import { VERSION } from "../cli/version.ts";
import { CONFIG_DIRECTORY, isDropIn } from "../config/load.ts";
import { DECLARATION_FILE } from "../declaration/known-file.ts";
import { meantHere } from "../declaration/meant-of-lacking.ts";
import { onceFault } from "../declaration/once.ts";
import type { PrivilegeFact } from "../enter/facts.ts";
import { installedPrivilege } from "../explain/installed.ts";
import { isChrootShell, jailedUsers } from "../jail/accounts/jailed-users.ts";
import { type LeftMove, leftMoves } from "../jail/fs/home-moves.ts";
import { type DueLogin, dueLogins } from "../jail/fs/login-notes.ts";
import { workerOf } from "../jail/record/at-work.ts";
import { displacedHere } from "../jail/record/displaced.ts";
import { manifestPath } from "../jail/record/record-file.ts";
import { REGISTRY } from "../jail/record/registry.ts";
import { type JailFacts, type JailList, listJails } from "../jails/jails.ts";
import { ConfigCheck } from "../lint/check.ts";
import { socketsOfConfiguration } from "../log-socket/monitor/settings.ts";
import { askStatus, type SocketStatus } from "../log-socket/monitor/status.ts";
import { type LeftMounts, leftMounts } from "../populate/record/left-mounts.ts";
import { hostNames, hostText } from "../system/host-files.ts";
import { isSilent, userServices } from "../system/name-services.ts";
import { findProgram, runProgram } from "../system/run.ts";
import { type OutsideProcesses, outsideProcesses } from "../users/outside.ts";
import type { AccountFault } from "./account-fault.ts";
import { accountFaults } from "./accounts.ts";
import { type BootFault, bootFaults } from "./boot-faults.ts";
import { type FormerHomes, formerHomes } from "./former-homes.ts";
import { type Strays, strayProcesses } from "./strays.ts";

/** What a machine says about itself, without the contents of its jails. */
export interface MachineFacts {
  readonly jailkit: string;
  /** Of uname(2); undefined if it is unknown. */
  readonly kernel: ByteString | undefined;
  /** The version of Landlock; 0: there is none. */
  readonly landlock: number;
  /** The kernel has filters of system calls. */
  readonly filters: boolean;
  /** The version of sshd; undefined if there is none, or it does not tell. */
  readonly openssh: ByteString | undefined;
  /** Each jk_chrootsh, the installed one and those that are login shells, with its privilege. */
  readonly logins: readonly (PrivilegeFact & { readonly program: ByteString })[];
  /** What `jailkit list` says: the list, or an error. */
  readonly list: JailList | Error;
  readonly left: readonly LeftMounts[];
  /** What the next boot does not show in live jails. */
  readonly boot: readonly BootFault[];
  /** What runs that were killed have left of moves of homes. */
  readonly moves: readonly CheckFinding[];
  readonly former: readonly FormerHomes[];
  /** The accounts of /etc/passwd with a jail in their home. */
  readonly users: ReturnType<typeof jailedUsers>;
  /** The time at which the record of a jail was written last, in seconds since the epoch, by the path of the jail. */
  readonly written: ReadonlyMap<ByteString, number>;
  /** The paths of the sockets in jk_socketd.ini; undefined if they are unknown. */
  readonly wantedSockets: readonly ByteString[] | undefined;
  /** Undefined: jk_socketd does not run. */
  readonly sockets: readonly SocketStatus[] | undefined;
  /** The command that starts jk_socketd. */
  readonly startSocketd: ByteString;
  readonly config: Pick<ConfigCheck, "files" | "findings" | "failures">;
  readonly strays: readonly Strays[];
  /** Processes of users in jails that are in none. */
  readonly outside: OutsideProcesses;
  /** Whose connections to sshd(8) runs that were killed were to end. */
  readonly due: readonly DueLogin[];
  /** Users who are not in their jail as they should be. */
  readonly accounts: readonly AccountFault[];
  /** Why users of name services may be missing, of which one does not answer, printable; undefined if all do. */
  readonly unanswered: ByteString | undefined;
  /** The command that starts the daemon of that again, if it is known. */
  readonly startNames: ByteString | undefined;
  /** Why what was declared once cannot be read, without which nothing is applied; undefined if it can. */
  readonly once: Error | undefined;
  /** The number of declarations in jails.d; undefined if there is no such directory. */
  readonly declarations: number | undefined;
  /** jails.ini has a section. */
  readonly isMainUsed?: boolean;
}

const CHROOTSH = "jk_chrootsh";
const SERVICE = "jk_socketd.service";
/** The units of name services. */
const NAME_UNITS: Readonly<Record<string, string>> = {
  ldap: "nslcd.service",
  sss: "sssd.service",
  winbind: "winbind.service",
};
const UNITS = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
// Far more than the line with the version and, before OpenSSH 9.2, the usage.
const MOST_OUTPUT = 4096;

const exists = (path: ByteString) => statIfPresent(AT_FDCWD, path, true) !== undefined;

/** The version of the installed sshd. Before OpenSSH 9.2 it prints an error about the option, and the version all the same. */
function opensshVersion(): ByteString | undefined {
  const sshd = findProgram("sshd");
  const printed = sshd && answered(() => runProgram(sshd, ["-V"], {}, MOST_OUTPUT));
  return printed ? /OpenSSH_[\w.]+/.exec(printed.stdout + printed.stderr)?.[0] : undefined;
}

/** Each jk_chrootsh that a login may start. */
function loginShells(users: MachineFacts["users"]): MachineFacts["logins"] {
  const userOf = new Map<ByteString, ByteString>();
  for (const { name, shell } of users) if (isChrootShell(shell)) userOf.getOrInsert(shell, name);
  const programs = new Set([findProgram(CHROOTSH) ?? [], ...userOf.keys()].flat());
  return [...programs].map((program) => {
    const fact = installedPrivilege(program);
    const user = fact.byHand ? userOf.get(program) : undefined;
    return { ...fact, ...(user && { advice: `jailkit explain ${operands(user)}` as const }), program };
  });
}

/** The list of all jails. `jailkit config check` reports a file that is passed over. */
function jailList(): MachineFacts["list"] {
  try {
    return listJails([], { meantOf: meantHere(), elsewhere: displacedHere() }, (error) => {
      if (!isReported(error)) throw error;
    });
  } catch (error) {
    if (isReported(error)) return error;
    throw error;
  }
}

function writtenTimes(list: MachineFacts["list"]): MachineFacts["written"] {
  const times = new Map<ByteString, number>();
  if (list instanceof Error) return times;
  for (const { path, id } of list.jails) {
    const stat = id === undefined ? undefined : statIfPresent(AT_FDCWD, manifestPath(REGISTRY, id));
    if (stat !== undefined) times.set(path, Number(stat.mtime / 1_000_000_000n));
  }
  return times;
}

/** True if there is a service manager, and it knows a unit. */
const isUnit = (unit: string): boolean =>
  exists("/run/systemd/system") && UNITS.some((directory) => exists(`${directory}/${unit}`));

/** With the service manager, if there is one and it knows the service. */
const startSocketd = (): ByteString => (isUnit(SERVICE) ? `systemctl enable --now ${SERVICE}` : "jk_socketd");

function startNames(): ByteString | undefined {
  const unit = userServices()
    .flatMap((service) => NAME_UNITS[service] ?? [])
    .find(isUnit);
  return unit && `systemctl restart ${operands(unit)}`;
}

/** Why a jail may have more users, if a name service does not answer. */
const unanswered = (list: MachineFacts["list"]): ByteString | undefined =>
  list instanceof Error || !isSilent()
    ? undefined
    : list.jails.find(({ moreUsers }) => moreUsers !== undefined)?.moreUsers;

/** Undefined if the configuration cannot be used; `jailkit config check` says why. */
function wantedSockets(): readonly ByteString[] | undefined {
  try {
    return socketsOfConfiguration().sockets.map(({ path }) => path);
  } catch (error) {
    if (!isReported(error)) throw error;
    return error instanceof JailkitError && error.code === "no-config" ? [] : undefined;
  }
}

function checkedConfig(): MachineFacts["config"] {
  const check = new ConfigCheck();
  check.host();
  return check;
}

function declarations(): number | undefined {
  const directory = `${CONFIG_DIRECTORY}/jails.d`;
  if (!exists(directory)) return undefined;
  return hostNames(directory).filter(isDropIn).length;
}

function leftMoveFindings(moves: readonly LeftMove[], list: MachineFacts["list"]): CheckFinding[] {
  const jails = list instanceof Error ? [] : list.jails.map(({ path }) => path);
  return moves.map((left) => leftMoveFinding(left, jails));
}

/** What is wrong with accounts, but for homes that runs which were killed have left elsewhere: of these `moves` tells. */
function faultsOf(jails: readonly JailFacts[], moves: readonly LeftMove[]): AccountFault[] {
  const awaited = new Set(moves.flatMap(({ name, box }) => (box?.goes === "place" ? name : [])));
  return accountFaults(jails).filter(({ kind, subject }) => kind !== "home" || !awaited.has(subject));
}

/** Without those of jails that somebody works on: they may be half of a change. */
const settled = <T extends { readonly jail: ByteString }>(found: readonly T[]): T[] =>
  found.filter(({ jail }) => workerOf(jail) === undefined);

/** Looks at this machine. Needs root. Throws JailkitError and SystemError for what no part of the page can do without. */
export function gather(): MachineFacts {
  const users = jailedUsers();
  const list = jailList();
  const moves = leftMoves();
  return {
    jailkit: VERSION,
    kernel: attempt(() => hostText("/proc/sys/kernel/osrelease"))?.trim(),
    ...kernelFeatures(),
    openssh: opensshVersion(),
    logins: loginShells(users),
    list,
    left: settled(answered(() => leftMounts()) ?? []),
    boot: list instanceof Error ? [] : settled(answered(() => bootFaults(list.jails)) ?? []),
    moves: leftMoveFindings(moves, list),
    former: list instanceof Error ? [] : settled(formerHomes(list.jails)),
    users,
    written: writtenTimes(list),
    wantedSockets: wantedSockets(),
    sockets: askStatus(),
    startSocketd: startSocketd(),
    config: checkedConfig(),
    strays: list instanceof Error ? [] : settled(strayProcesses(list.jails.map(({ path }) => path))),
    outside: outsideProcesses(),
    due: dueLogins(),
    accounts: list instanceof Error ? [] : faultsOf(list.jails, moves),
    unanswered: unanswered(list),
    startNames: startNames(),
    once: onceFault(),
    declarations: declarations(),
    isMainUsed: /^[\t ]*\[/m.test(attempt(() => hostText(DECLARATION_FILE)) ?? ""),
  };
}
