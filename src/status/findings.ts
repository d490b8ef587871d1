import type { ByteString } from "../../ffi/bytes.ts";
import { display, displayAgain, quoted } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { type Remedy, told } from "../cli/remedy.ts";
import { operands } from "../cli/shell-word.ts";
import { ONCE_FILE } from "../declaration/once.ts";
import { REGISTRY } from "../jail/record/registry.ts";
import { isInOrder, type JailFacts, type JailList } from "../jails/jails.ts";
import { socketState } from "../log-socket/monitor/status.ts";
import { endSessions } from "../system/end-sessions.ts";
import { dueText } from "../users/due-logins.ts";
import { CONFIG_CHECK, configFindings, directoryFindings, LIST } from "./config-findings.ts";
import type { MachineFacts } from "./gather.ts";
import { NSSWITCH } from "./host-files.ts";
import { FINDING_KINDS, type FindingKind, type StatusFinding } from "./kinds.ts";

const ADOPT = "jailkit adopt ";
const ADOPT_ALL = `${ADOPT}--all`;
const LOG_SOCKETS = "jailkit log-sockets";
const PROCESSES = "jk_list";
const EXPLAIN = "jailkit explain";
const CHECK = "jk_check";
/** Of pwck(8): it changes nothing. */
const CHECK_FILES = "pwck -r";
/** Prints a line of each database that is read. */
const CHECK_SERVICES = "getent passwd root; getent group root; getent shadow root";
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

function leftFindings({ left, boot }: MachineFacts): StatusFinding[] {
  const of = (kind: "left" | "boot", found: MachineFacts["boot"]) =>
    found.map(({ jail, message, remedy }): StatusFinding => {
      const commands = commandsOf(remedy, `${CHECK} ${operands(jail)}`);
      return { kind, subject: jail, message, commands };
    });
  return [...of("left", left), ...of("boot", boot)];
}

function moveFindings({ moves }: MachineFacts): StatusFinding[] {
  return moves.map(({ path, message, remedy }) => {
    return { kind: "interrupted-move", subject: path, message, commands: commandsOf(remedy, CHECK) };
  });
}

const formerFindings = ({ former }: MachineFacts): StatusFinding[] =>
  former.map(({ jail, at, message, remedy }) => {
    const commands = commandsOf(remedy, `ls -l ${operands(`${at}/home`)}`);
    return { kind: "former-homes", subject: jail, message, commands };
  });

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
const OF_JAIL: ReadonlySet<FindingKind> = new Set([
  "old-shell",
  "no-rules",
  "no-shell",
  "no-login",
  "two-homes",
]);

function accountFindings({ accounts, config }: MachineFacts): StatusFinding[] {
  // With the uid of another account, or of its home, apply does nothing for it: the error of the file says what helps.
  const taken = new Set(
    config.findings.flatMap(({ code, file, line }) =>
      code === "taken" || code === "kept-home" ? `${line} ${file}` : [],
    ),
  );
  const isRefused = ({ kind, declared }: (typeof accounts)[number]) =>
    kind === "changed" && declared !== undefined && taken.has(`${declared.line} ${declared.file}`);
  return accounts.flatMap((fault) => {
    if (isRefused(fault)) return [];
    const { kind, subject, message, remedy, otherwise } = fault;
    const ofFiles = subject.startsWith(`${NSSWITCH}:`) ? CHECK_SERVICES : CHECK_FILES;
    const show =
      kind === "account-file" ? ofFiles : `${OF_JAIL.has(kind) ? CHECK : EXPLAIN} ${operands(subject)}`;
    return [{ kind, subject, message, otherwise, commands: commandsOf(remedy, show) }];
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
    ...formerFindings(facts),
    ...leftFindings(facts),
    ...loginFindings(facts.logins),
    ...configFindings(facts),
    ...directoryFindings(facts),
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
