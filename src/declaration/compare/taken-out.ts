import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { operands } from "../../cli/shell-word.ts";
import { splitHome } from "../../jail/accounts/separator.ts";
import { withTree } from "../../jail/fs/look.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { keyLinesIn } from "../../users/key-lines.ts";
import { keysText } from "../../users/keys.ts";
import { type Change, type Fault, listed } from "../change.ts";
import { sumOf } from "../once.ts";
import type { OnceUser } from "../once-shape.ts";
import type { Machine } from "./machine.ts";

/** An account that is in no jail any more, since somebody has taken it out, with what apply gave it and it still has. */
export interface TakenOut {
  readonly name: ByteString;
  /** That it stays, told once; undefined if it was told, or if apply did not create it. */
  readonly note: Pick<Fault, "of" | "name" | "message"> | undefined;
  /** What takes back the groups and keys: outside, these let somebody in on the machine. */
  readonly changes: readonly Change[];
}

/** True for an account outside of jails that may be the one which was declared. */
export const isOutside = ({ created }: OnceUser, { uid, home }: PasswdEntry): boolean =>
  splitHome(home) === undefined && (created === undefined || created === uid);

/** Looks for it; undefined if the account is not there, or somewhere else. `why`: the reason of the changes. */
export function takenOut(once: OnceUser, machine: Machine, why: string): TakenOut | undefined {
  const { name, jail, created, directory, out } = once;
  const account = directory ? undefined : answered(() => machine.accounts.userByName(name));
  if (account === undefined || !isOutside(once, account) || !machine.facts.isLocal(name)) return undefined;
  const about = { action: "remove", of: "user", name, jail, why } as const;
  const groups = groupsLeft(once, account, machine);
  const keys = keysLeft(once, account);
  const stays = `the account stays, as it was taken out of ${display(jail)} by hand; userdel ${operands(name)} removes it`;
  return {
    name,
    note: created === undefined || out ? undefined : { of: "user", name, message: stays },
    changes: [
      ...(groups.length > 0
        ? [{ ...about, what: "groups", from: listed(groups), items: groups } as const]
        : []),
      ...(keys.length > 0 ? [{ ...about, what: "keys", from: `${keys.length}`, items: keys } as const] : []),
    ],
  };
}

/** Declared groups that the account is in, besides the primary one. */
function groupsLeft({ groups }: OnceUser, account: PasswdEntry, machine: Machine): ByteString[] {
  if (groups.length === 0) return [];
  const gids = new Set(machine.facts.groupsOf(account));
  return groups.filter((name) => {
    const group = answered(() => machine.accounts.groupByName(name));
    return group !== undefined && group.gid !== account.gid && gids.has(group.gid);
  });
}

/** Declared keys in its home. All of them if these cannot be read: then the run says why. */
function keysLeft({ keys }: OnceUser, user: PasswdEntry): readonly ByteString[] {
  const home = normalPath(user.home);
  if (keys.length === 0) return [];
  // Who can change a directory above it may have put a loop of links there.
  const found = answered(() => ({ stat: statIfPresent(AT_FDCWD, home, true) }));
  // As sshd(8), which accepts keys in a home of the user or of root.
  if (found !== undefined && ![user.uid, 0].includes(found.stat?.uid ?? -1)) return [];
  const text = answered(() => withTree((root) => keysText({ root, user, home })));
  if (text === undefined) return keys;
  return [...new Set(keyLinesIn(text).flatMap(({ key }) => (keys.includes(sumOf(key)) ? key : [])))];
}
