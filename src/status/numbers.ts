import type { ByteString } from "../../ffi/bytes.ts";
import type { JailCondition } from "../jails/report-schema.ts";
import { socketState } from "../log-socket/monitor/status.ts";
import type { MachineFacts } from "./gather.ts";

/** A jail, and when something happened to it, in seconds since the epoch. */
export interface Moment {
  readonly jail: ByteString;
  readonly time: number;
}

/** The first and the last of several moments; undefined if there are none. */
export interface Span {
  readonly oldest: Moment;
  readonly newest: Moment;
}

/** What a machine has, in numbers. */
export interface StatusNumbers {
  /** The number of known jails, and of those in each condition; undefined if they are unknown. */
  readonly jails: { total: number; byState: Record<JailCondition, number> } | undefined;
  readonly users: {
    total: number;
    /** Known to a name service alone. */
    fromServices: number;
    /** In jails that do not exist. */
    inMissingJails: number;
    /** Their home names no jail. */
    withoutJail: number;
    /** Why there may be more, printable. */
    more: ByteString | undefined;
  };
  /** The directories of the host that should be mounted in jails, and how many of them are not as they should be. */
  readonly mounts: { total: number; lacking: number };
  readonly logSockets: {
    running: boolean;
    /** In the configuration; undefined if that is unknown. */
    configured: number | undefined;
    served: number;
    /** Served, and able to relay messages. */
    working: number;
    overLimit: number;
  };
  readonly requested: Span | undefined;
  readonly written: Span | undefined;
  readonly config: { files: number; errors: number; warnings: number };
}

/** The states of jails, in the order of the page. */
const STATES: Readonly<Record<JailCondition, 0>> = {
  ...{ ready: 0, unrecorded: 0, moved: 0, unsafe: 0, unreadable: 0, unmounted: 0, incomplete: 0, busy: 0 },
  ...{ missing: 0, emptied: 0 },
};

function spanOf(moments: readonly Moment[]): Span | undefined {
  const [first, ...others] = moments;
  if (first === undefined) return undefined;
  const span = { oldest: first, newest: first };
  for (const one of others) {
    if (one.time < span.oldest.time) span.oldest = one;
    if (one.time > span.newest.time) span.newest = one;
  }
  return span;
}

/** The numbers of a machine. Pure. */
export function numbersOf(facts: MachineFacts): StatusNumbers {
  const { list, users, sockets, config } = facts;
  const jails = list instanceof Error ? [] : list.jails;
  const byState = { ...STATES };
  for (const { condition } of jails) byState[condition]++;
  const inJails =
    list instanceof Error ? users.filter(({ jail }) => jail) : jails.flatMap((one) => one.users);
  const withoutJail = users.filter(({ jail }) => jail === undefined).length;
  const missing = jails.flatMap((one) => (one.condition === "missing" ? one.users : []));
  const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0);
  const states = sockets?.map(socketState) ?? [];
  const count = (...wanted: readonly string[]) => states.filter((state) => wanted.includes(state)).length;
  const severities = config.findings.map(({ severity }) => severity);
  return {
    jails: list instanceof Error ? undefined : { total: jails.length, byState },
    users: {
      total: inJails.length + withoutJail,
      fromServices: inJails.filter(({ fromService }) => fromService === true).length,
      inMissingJails: missing.length,
      withoutJail,
      more: jails.find(({ moreUsers }) => moreUsers !== undefined)?.moreUsers,
    },
    mounts: {
      total: sum(jails.map(({ live, sockets: more }) => live.length + more.length)),
      lacking: sum(jails.map(({ lacking }) => lacking)),
    },
    logSockets: {
      running: sockets !== undefined,
      configured: facts.wantedSockets?.length,
      served: states.length,
      working: count("listening", "over its limit"),
      overLimit: count("over its limit"),
    },
    requested: spanOf(
      jails.flatMap(({ path, lastRequest: time }) => (time === undefined ? [] : [{ jail: path, time }])),
    ),
    written: spanOf([...facts.written].map(([jail, time]) => ({ jail, time }))),
    config: {
      files: config.files.length,
      errors: severities.filter((one) => one === "error").length + config.failures.length,
      warnings: severities.filter((one) => one === "warning").length,
    },
  };
}
