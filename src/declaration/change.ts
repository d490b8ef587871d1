import type { ByteString } from "../../ffi/bytes.ts";
import { display, displayAgain, quoted } from "../cli/display.ts";
import { isReported, problemFrom, remedyOf } from "../cli/error.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import type { Remedy } from "../cli/remedy.ts";
import { fingerprintOf } from "../users/key-lines.ts";
import { type DueKey, dueOf } from "./due.ts";

/** What differs. */
export type Aspect =
  | "sections"
  | "files"
  | "live"
  | "mounts"
  | "log-socket"
  | "proc"
  | "jail"
  | "account"
  | "entry"
  | "home"
  | "home-mode"
  | "shell"
  | "comment"
  | "groups"
  | "keys"
  | "policy";

/** A difference between the machine and a declaration, which `jailkit apply` removes. */
export interface Change {
  readonly action: "create" | "change" | "remove";
  readonly of: "jail" | "user";
  /** The path of the jail, or the name of the user. */
  readonly name: ByteString;
  readonly jail: ByteString;
  readonly what: Aspect;
  /** The present and the declared value, printable; undefined for none. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** Printable. */
  readonly why: string;
  /** What is added or removed, of a list. */
  readonly items: readonly ByteString[];
  /**
   * It takes something away and gives its user nothing ("all"), or may be made in part so that this is so; undefined if it gives
   * something, and waits if anything that it rests on has failed.
   */
  readonly takes?: "all" | "part" | undefined;
  /** It makes room for what is added, and is made before that. */
  readonly isFirst?: boolean;
}

/** Those that are made, at least in part, whatever else failed. */
export const taking = (changes: readonly Change[]): Change[] =>
  changes.filter(({ takes }) => takes !== undefined);

/** What is done of a change that is made in part. */
export const partText = ({ what }: Pick<Change, "what">): string =>
  what === "policy"
    ? "it has what is the same in the rules of before and in the declared ones"
    : "what takes something away is made";

/** Why what was declared once is removed. */
export const NO_LONGER = "no longer declared";

/** Why something cannot be made as it is declared. */
export interface Fault {
  readonly of: "jail" | "user";
  readonly name: ByteString;
  readonly jail: ByteString;
  readonly code: ProblemCode;
  /** One printable line, with the remedy. */
  readonly message: string;
  /** The command in it, if one command is the remedy. */
  readonly remedy?: Remedy | undefined;
  /** The key that it is due to, if its code does not say it. */
  readonly due?: DueKey | undefined;
  /** Of a user who waits for a jail: the fault of the jail. */
  readonly cause?: Fault | undefined;
}

/** The same without what it is about. */
export type FaultText = Omit<Fault, "of" | "name" | "jail">;

/** The code of what waits for a jail. */
export const WAITS = "waits-for-jail";

/** The fault of a user who waits for a jail, because of a fault of that. */
export const waitsFor = (jail: ByteString, why: FaultText): FaultText => ({
  ...{ code: WAITS, message: `waits for the jail ${quoted(jail)}` },
  cause: { of: "jail", name: jail, jail, ...why },
});

/** True for one that creates an account. */
export const isCreation = ({ what, action }: Pick<Change, "what" | "action">): boolean =>
  what === "account" && action === "create";

/** How far a run has come, if something that it needs cannot be written. */
export const PROGRESS = "not everything is as declared";

const UNEXPECTED = "this is a fault of jailkit, please report it: ";

/**
 * What an error says, of one that is due to a jail that its user waits for it. One that nobody expected is a fault of this program:
 * it keeps one jail or user from being right, and no other one.
 */
export function faultText(error: unknown): FaultText {
  if (!isReported(error)) return { code: "unexpected", message: UNEXPECTED + displayAgain(String(error)) };
  const { code, message } = problemFrom(error, "failed", "");
  const text = { code, message, remedy: remedyOf(error) };
  const due = dueOf(error);
  if (due === undefined) return text;
  return "key" in due ? { ...text, due } : waitsFor(due.jail, text);
}

const STAYS = "is not declared any more, and stays: ";

/** Why what is not declared any more stays. */
export const stays = ({ message, ...why }: FaultText): FaultText => ({ ...why, message: STAYS + message });

/** The message of what makes it stay. */
export const causeOf = (message: string): string =>
  message.startsWith(STAYS) ? message.slice(STAYS.length) : message;

/** The name of what a change or a fault is about, printable. */
export const nameOf = ({ of, name }: Pick<Change, "of" | "name">): string => `${of} ${display(name)}`;

const SIGNS = { create: "+", change: "~", remove: "-" } as const;

/** The sign of a change, as the plan shows it. */
export const signOf = ({ action }: Pick<Change, "action">) => SIGNS[action];

/** A change without its reason, printable: `user anna: shell /bin/sh -> /bin/bash`. */
export function changeText(change: Change): string {
  const { what, from, to } = change;
  const whole = (what === "jail" || what === "account") && to === undefined;
  if (whole) return nameOf(change);
  const values = [from, to].filter((value) => value !== undefined).join(" -> ");
  return `${nameOf(change)}: ${[what, values].filter((part) => part !== "").join(" ")}`;
}

/** A line of the plan, which looks like a diff: `~ user anna: shell /bin/sh -> /bin/bash (in the jail's etc/passwd)`. */
export function planLine(change: Change): string {
  const why = change.why === "" ? "" : ` (${change.why})`;
  return `${signOf(change)} ${changeText(change)}${why}`;
}

/** A list, printable. */
export const listed = (items: readonly ByteString[]): string => items.map(display).join(", ");

/** Keys that are taken away, printable. Of some that cannot be read nothing is known but their number. */
export function listedKeys(keys: readonly ByteString[]): string {
  const known = keys.filter((key) => key.includes(" "));
  const others = keys.length - known.length;
  return [
    ...known.map((key) => fingerprintOf({ key })),
    ...(others === 0 ? [] : [`${others} that cannot be read`]),
  ].join(", ");
}

/** Faults of users and then of jails, but first those of jails that users wait for. Pure. */
export function causesFirst(ofJails: readonly Fault[], ofUsers: readonly Fault[]): Fault[] {
  const causes = new Set(ofUsers.map(({ cause }) => cause?.name));
  const { first = [], last = [] } = Object.groupBy(ofJails, ({ name }) =>
    causes.has(name) ? "first" : "last",
  );
  return [...first, ...ofUsers, ...last];
}
