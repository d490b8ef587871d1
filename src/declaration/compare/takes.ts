import type { ByteString } from "../../../ffi/bytes.ts";
import { splitHome } from "../../system/separator.ts";
import { isLimitedShell } from "../../users/access.ts";
import { isClosed } from "../../users/leaving.ts";
import { type Change, type Fault, taking } from "../change.ts";
import { dueOf } from "../due.ts";
import type { DeclaredUser } from "../model.ts";
import type { UserComparison, UserState } from "./user-state.ts";

/** The limited shell, or one that lets nobody in. */
export const isStricter = (shell: ByteString): boolean => isLimitedShell(shell) || isClosed(shell);

/**
 * What takes something away of a change of the rules. Those of a shell without limits wait for it, and those of the limited
 * shell are less than what the user has had without. Rules take nothing away from an account that is in no jail.
 */
export function policyTakes(declared: DeclaredUser, state: UserState): Change["takes"] {
  if (state.account === undefined || !(declared.directory || splitHome(state.account.home))) return undefined;
  if (becomesLimited(declared, state)) return "all";
  const wasLimited = isLimitedShell(state.inJail?.shell ?? declared.shell);
  return wasLimited && !isLimitedShell(declared.shell) ? undefined : state.commonPolicy?.takes;
}

/** The account in the jail gets limits. */
export const becomesLimited = ({ shell }: DeclaredUser, { inJail }: UserState): boolean =>
  inJail !== undefined && isLimitedShell(shell) && !isLimitedShell(inJail.shell);

/** Why it is not known that the account is the one that was declared before. */
const OTHERS = ["root", "uid-differs", "local", "not-local", "no-such-user"];

/** What is made of changes in spite of a fault. Of an account in another jail that is what is on the machine, and its keys. */
export function onlyTaking(fault: Fault, state: UserState, all: () => readonly Change[]): UserComparison {
  const nothing = { changes: [], fault, directory: undefined, onlyTakes: true };
  if (state.account === undefined || OTHERS.includes(fault.code)) return nothing;
  const isElsewhere = fault.code === "in-another-jail";
  const changes = inSpite(all()).filter(
    ({ what, action }) =>
      what !== "comment" && (!isElsewhere || (action !== "create" && (what === "keys" || what === "groups"))),
  );
  return { ...nothing, changes, meanwhile: state.commonPolicy?.keys };
}

/**
 * What is told of changes that a fault prevents: what takes something away, and rules, as long as they are not as declared, of
 * who needs neither the account nor another shell before.
 */
const inSpite = (changes: readonly Change[]): Change[] => {
  const comes = changes.some(
    ({ what, takes }) => takes === undefined && (what === "account" || what === "shell"),
  );
  return comes
    ? taking(changes)
    : changes.filter(({ what, takes }) => what === "policy" || takes !== undefined);
};

/** Where a jail cannot be used, a group on this machine is a part, and nothing is written in the jail. */
export const onHost = (changes: readonly Change[]): Change[] =>
  changes.map((one) => {
    if (one.what === "groups" && one.takes === "all") return { ...one, takes: "part" };
    return one.what === "comment" || isNewKeys(one) ? { ...one, takes: undefined } : one;
  });

const isNewKeys = ({ what, action }: Change): boolean => what === "keys" && action === "create";

/** Without what --prune removes: a new key takes the place of none then. */
export const withoutRemovals = (changes: readonly Change[]): Change[] =>
  changes
    .filter(({ action }) => action !== "remove")
    .map((one) => (isNewKeys(one) ? { ...one, takes: undefined } : one));

/** With a fault in place of what gives something, also in a directory: what takes something away rests on nothing. */
export const withFault = <T extends UserComparison>(compared: T, fault: Fault): T => ({
  ...{ ...compared, changes: inSpite(compared.changes), fault, directory: undefined, onlyTakes: true },
});

/** What the changes of a jail do that is not made because of the key that an error is due to. */
const OF_KEY: Readonly<Record<string, readonly Change["what"][]>> = {
  log_socket: ["log-socket"],
  proc: ["proc"],
  // Sections may be those of the directories.
  live: ["live", "mounts", "sections", "files"],
};

/** Those of some changes which do not fail themselves by an error. */
export function possible(changes: readonly Change[], error: unknown): Change[] {
  const due = error instanceof Error ? dueOf(error) : undefined;
  const failing = due !== undefined && "key" in due ? (OF_KEY[due.key ?? ""] ?? []) : [];
  return changes.filter(({ what }) => !failing.includes(what));
}
