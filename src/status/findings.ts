import type { ByteString } from "../../ffi/bytes.ts";
import { display, displayAgain, quoted } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { type Remedy, told } from "../cli/remedy.ts";
import { operands } from "../cli/shell-word.ts";
import type { FindingCode } from "../config/finding-codes.ts";
import { CONFIG_DIRECTORY } from "../config/load.ts";
import { ONCE_FILE } from "../declaration/once.ts";
import { REGISTRY } from "../jail/record/registry.ts";
import { isInOrder, type JailFacts, type JailList } from "../jails/jails.ts";
import { socketState } from "../log-socket/monitor/status.ts";
import { endSessions } from "../system/processes.ts";
import { dueText } from "../users/due-logins.ts";
import type { MachineFacts } from "./gather.ts";

/** The kinds of findings, the worst first. */
export const FINDING_KINDS = {
  unsafe: "users other than root can change what they must not in a jail",
  outside:
    "processes of a user with a jail have the root directory of the host, so that they are not confined, and a way out for those in the jail",
  connections:
    "a run that was killed after it had begun to change an account has not ended the connections to sshd of before, which would begin a session with the home, the shell and the groups of then",
  stray: "processes run in a jail for a user who is not in it any more",
  shell: "a user with a jail has another shell than jk_chrootsh, so that a login is outside the jail",
  "old-shell":
    "a jail has a jk_lsh of its own, that of jailkit 2 or another program, which does not confine its users as declared",
  moved: "the directory of a jail is at the path of another one, so that nothing is done in the two",
  login: "jk_chrootsh lacks its privilege, so that nobody can log in",
  config: "a configuration file has an error, or cannot be read",
  record: "the record of a jail cannot be used",
  declared: "what was declared once cannot be read, so that jailkit apply does nothing",
  unreadable: "a jail cannot be looked at",
  unmounted: "a directory of the host, or the file system of a jail, is not mounted",
  left: "the next boot would mount directories of the host in a jail that was deleted or emptied",
  "no-login":
    "users cannot pass a directory on the way into a jail, or read a file that logins need, or its file system is mounted noexec, so that no login works",
  "not-in-jail": "a user, or its group, is missing from the passwd or group of the jail, and cannot log in",
  "no-group": "the primary group of a user is not a group of the host, so that no login works",
  changed:
    "the line of a user in the passwd of the jail has another uid, group or home than the account, so that no login works",
  "no-shell": "a jail does not have the shell of users, who cannot log in",
  home: "jk_chrootsh refuses the home of a user, who cannot log in, because of its owner, group or mode",
  closed:
    "a declared user has a login shell that lets nobody in, such as nologin, and the next jailkit apply would give it jk_chrootsh",
  incomplete: "a run that fills or updates a jail was stopped",
  missing: "a jail does not exist",
  unrecorded:
    "a jail has programs, but no record of its contents, so that jk_update --all does not update them",
  emptied: "somebody removed the contents of a jail in which users live",
  "interrupted-move":
    "a run that was killed while it moved a home has left the home closed to others, elsewhere, or copied and not removed, or a part of the copy; or one that ended while it removed a home, the rest of that",
  "log-socket": "a log socket is not served",
  "no-jail": "the home of an account that should be in a jail names none, so that it cannot log in",
} as const;

export type FindingKind = keyof typeof FINDING_KINDS;

/** Something that an administrator should look at. */
export interface StatusFinding {
  readonly kind: FindingKind;
  /** A jail, a file, a program or an account. */
  readonly subject: ByteString;
  /** One printable line. */
  readonly message: ByteString;
  /** What else may be done, and when; printable. */
  readonly otherwise?: ByteString | undefined;
  /** Printable commands. The first fixes it, or shows the ways to do so; each of the others shows more, and is shorter. */
  readonly commands: readonly [ByteString, ...ByteString[]];
}

const LIST = "jailkit list";
const ADOPT = "jailkit adopt ";
const ADOPT_ALL = `${ADOPT}--all`;
const LOG_SOCKETS = "jailkit log-sockets";
const CONFIG_CHECK = "jailkit config check";
const PROCESSES = "jk_list";
const EXPLAIN = "jailkit explain";
const CHECK = "jk_check";
const APPLY_CHECK = "jailkit apply --check";

/** What a jail in this condition needs depends on what is meant, so that its reason names several commands. */
const HAS_CHOICE: ReadonlySet<JailFacts["condition"]> = new Set(["missing", "emptied"]);

/** `unusable`: the errors of records that cannot be used. */
function jailFinding(
  { path, condition, reason = condition, remedy, unmounted, moved }: JailFacts,
  unusable: ReadonlySet<string>,
): StatusFinding[] {
  if (condition === "ready" || condition === "busy") return [];
  if (condition === "unrecorded" && remedy === undefined) return [];
  const kind = unmounted ? "unmounted" : unusable.has(reason) ? "record" : condition;
  // The list has no remedies.
  const show = `${kind === "unsafe" ? CHECK : LIST} ${operands(path)}`;
  const hasChoice = HAS_CHOICE.has(condition) && kind !== "unmounted" && !moved;
  const commands = commandsOf(hasChoice ? undefined : remedy, show, LIST);
  return [{ kind, subject: path, message: displayAgain(reason), commands }];
}

/** Where nothing fixes it, what shows more is the first. */
const commandsOf = (
  remedy: Remedy | undefined,
  ...shows: StatusFinding["commands"]
): StatusFinding["commands"] => (remedy === undefined || remedy === "" ? shows : [remedy, ...shows]);

/** If several jails have no record, one command is for all of them. */
function withAdoptAll(findings: readonly StatusFinding[]): StatusFinding[] {
  const lacks = ({ kind, commands: [first] }: StatusFinding) =>
    kind === "unrecorded" && first.startsWith(ADOPT);
  if (findings.filter(lacks).length < 2) return [...findings];
  return findings.map((one) => (lacks(one) ? { ...one, commands: [ADOPT_ALL, ...one.commands] } : one));
}

function jailFindings(list: JailList | Error): StatusFinding[] {
  if (list instanceof Error) {
    const remedy = list instanceof JailkitError && list.remedy !== "" ? list.remedy : LIST;
    return [{ kind: "record", subject: REGISTRY, message: describeError(list), commands: [remedy, LIST] }];
  }
  const said = new Set(list.jails.map(({ reason }) => reason));
  const damaged = list.damaged.flatMap(({ error: { message, jail, file } }): StatusFinding[] =>
    said.has(message) ? [] : [{ kind: "record", subject: jail ?? file, message, commands: [LIST] }],
  );
  const wanted = list.jails.filter((jail) => !isInOrder(jail) || jail.condition === "unrecorded");
  const unusable = new Set(list.damaged.map(({ error }) => error.message));
  return [...withAdoptAll(wanted.flatMap((jail) => jailFinding(jail, unusable))), ...damaged];
}

// More do not fit into a command that somebody reads before it is typed.
const MOST_PIDS = 20;

function leftFindings({ left }: MachineFacts): StatusFinding[] {
  return left.map(({ jail, message, remedy }) => {
    return { kind: "left", subject: jail, message, commands: [remedy] };
  });
}

function moveFindings({ moves }: MachineFacts): StatusFinding[] {
  return moves.map(({ path, message, remedy }) => {
    return { kind: "interrupted-move", subject: path, message, commands: commandsOf(remedy, CHECK) };
  });
}

function strayFindings({ strays }: MachineFacts): StatusFinding[] {
  return strays.map(({ jail, uid, name, pids }) => {
    const who = name === undefined ? `uid ${uid}, which no account has` : `${display(name)} (uid ${uid})`;
    const message = `processes of ${who}, who is not in the jail any more: ${pids.length}`;
    const list = `${PROCESSES} ${operands(jail)}`;
    const commands = [list, PROCESSES] as const;
    const end = `kill -KILL ${pids.join(" ")}`;
    return {
      kind: "stray",
      subject: jail,
      message,
      commands: pids.length > MOST_PIDS ? commands : [end, ...commands],
    };
  });
}

function outsideFindings({ outside }: MachineFacts): StatusFinding[] {
  return outside.found.map(({ name, message, remedy }) => {
    const commands = commandsOf(remedy, `${EXPLAIN} ${operands(name)}`);
    return { kind: "outside", subject: name, message, commands };
  });
}

function dueFindings({ due }: MachineFacts): StatusFinding[] {
  return due.map((one) => ({
    kind: "connections",
    subject: one.name === "" ? `uid ${one.uid}` : one.name,
    message: dueText(one),
    otherwise: "if its sessions should go on: jailkit apply",
    commands: [endSessions(one.uid)],
  }));
}

function loginFindings(logins: MachineFacts["logins"]): StatusFinding[] {
  return logins.flatMap(({ program, held, reason, advice }): StatusFinding[] => {
    if (held === true) return [];
    const { message, remedy } = told(reason, advice);
    const commands = [remedy || `ls -l ${operands(program)}`] as const;
    return [{ kind: "login", subject: program, message: displayAgain(message), commands }];
  });
}

/** Errors at the header of a section whose account has its home outside of the jail, or no group, by the kind of its finding. */
const SAME: Partial<Record<FindingKind, readonly FindingCode[]>> = {
  "no-jail": ["no-home", "not-their-home", "holds-home"],
  "no-group": ["unknown-group"],
};

function configFindings({ config: { findings, failures }, accounts }: MachineFacts): StatusFinding[] {
  const placeOf = ({ file, line }: { readonly file: ByteString; readonly line: number }, code: FindingCode) =>
    `${code} ${line} ${file}`;
  // The command of the account mends it.
  const told = new Set(
    accounts.flatMap(({ kind, declared }) =>
      declared === undefined ? [] : (SAME[kind] ?? []).map((code) => placeOf(declared, code)),
    ),
  );
  const errors = findings.filter((one) => one.severity === "error" && !told.has(placeOf(one, one.code)));
  return [
    ...failures.map((failure): StatusFinding => {
      const message = displayAgain(failure);
      return { kind: "config", subject: CONFIG_DIRECTORY, message, commands: [CONFIG_CHECK] };
    }),
    ...errors.map(({ file, line, message }): StatusFinding => {
      const subject = `${file}:${line}`;
      return { kind: "config", subject, message: displayAgain(message), commands: [CONFIG_CHECK] };
    }),
  ];
}

function socketFindings({ sockets, wantedSockets = [], startSocketd }: MachineFacts): StatusFinding[] {
  const finding = (
    subject: ByteString,
    message: string,
    command: ByteString = LOG_SOCKETS,
  ): StatusFinding => ({
    kind: "log-socket",
    subject,
    message,
    commands: [command],
  });
  if (sockets === undefined) {
    if (wantedSockets.length === 0) return [];
    const message = `jk_socketd does not run; sockets in its configuration: ${wantedSockets.length}`;
    return [finding("jk_socketd", message, startSocketd)];
  }
  const served = new Set(sockets.map(({ settings }) => settings.path));
  const unserved = wantedSockets.filter((path) => !served.has(path));
  const states = sockets.map((one) => ({ path: one.settings.path, state: socketState(one) }));
  const bad = states.filter(({ state }) => state !== "listening" && state !== "over its limit");
  const warnings = new Set(sockets.flatMap(({ warning }) => warning ?? []));
  return [
    ...[...warnings].map((warning) => finding("jk_socketd", displayAgain(warning))),
    ...unserved.map((path) => finding(path, "jk_socketd does not serve it")),
    ...bad.map(({ path, state }) => finding(path, state)),
  ];
}

/** Of these the subject is a jail. */
const OF_JAIL: ReadonlySet<FindingKind> = new Set(["old-shell", "no-shell", "no-login"]);

function accountFindings({ accounts }: MachineFacts): StatusFinding[] {
  return accounts.map(({ kind, subject, message, remedy, otherwise }) => {
    const show = `${OF_JAIL.has(kind) ? CHECK : EXPLAIN} ${operands(subject)}`;
    return { kind, subject, message, otherwise, commands: commandsOf(remedy, show) };
  });
}

function onceFindings({ once }: MachineFacts): StatusFinding[] {
  if (once === undefined) return [];
  const remedy = once instanceof JailkitError && once.remedy !== "" ? once.remedy : APPLY_CHECK;
  return [{ kind: "declared", subject: ONCE_FILE, message: describeError(once), commands: [remedy] }];
}

function userFindings({ users, accounts }: MachineFacts): StatusFinding[] {
  const told = new Set(accounts.flatMap(({ kind, subject }) => (kind === "no-jail" ? subject : [])));
  return users.flatMap(({ name, home, jail }): StatusFinding[] => {
    if (jail !== undefined || told.has(name)) return [];
    const message = `the home of ${display(name)}, ${quoted(home)}, names no jail`;
    return [{ kind: "no-jail", subject: name, message, commands: [`${EXPLAIN} ${operands(name)}`] }];
  });
}

const RANKS = Object.keys(FINDING_KINDS);

/** All findings, the worst first. Pure. */
export function findingsOf(facts: MachineFacts): StatusFinding[] {
  const all = [
    ...jailFindings(facts.list),
    ...outsideFindings(facts),
    ...dueFindings(facts),
    ...strayFindings(facts),
    ...moveFindings(facts),
    ...leftFindings(facts),
    ...loginFindings(facts.logins),
    ...configFindings(facts),
    ...socketFindings(facts),
    ...accountFindings(facts),
    ...onceFindings(facts),
    ...userFindings(facts),
  ];
  return all.sort((a, b) => RANKS.indexOf(a.kind) - RANKS.indexOf(b.kind));
}

/**
 * The findings to show if there are more than `most`: the first of each kind, so that many of one kind hide no other, and
 * then the worst. In the order of `findings`. Pure.
 */
export function chosen<T extends StatusFinding>(findings: readonly T[], most: number): T[] {
  const kinds = new Set<FindingKind>();
  const first = findings.filter(({ kind }) => !kinds.has(kind) && kinds.add(kind));
  const shown = new Set<T>();
  for (const one of [...first, ...findings]) if (shown.size < most) shown.add(one);
  return findings.filter((one) => shown.has(one));
}

/** The command that shows all findings of a list: that of one tool, if they are all its own. Pure. */
export function commandForAll(findings: readonly StatusFinding[]): ByteString {
  const tools = [LIST, LOG_SOCKETS, CONFIG_CHECK, PROCESSES];
  const all = tools.find((tool) => findings.every(({ commands }) => commands.at(-1) === tool));
  return all ?? "jailkit status --json";
}
