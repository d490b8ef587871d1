import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { allOf, type Remedy } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { type Change, listed, NO_LONGER } from "../change.ts";
import type { OnceUser } from "../once-shape.ts";
import type { Note } from "./former-jails.ts";
import type { GivenUser } from "./former-user.ts";
import { heirNote } from "./heir.ts";
import type { InJail } from "./in-jail.ts";
import type { Machine } from "./machine.ts";
import type { OpenJails } from "./open-jails.ts";
import { isOutside, keysBack, keysMayStay, takenOut } from "./taken-out.ts";

// A directory takes nobody out of the groups of a machine: whoever gets a name that is free again is in all that list it.

/** Groups that still list a user who is in no jail any more. */
interface Listed {
  /** What takes the name out of them. */
  readonly changes: readonly Change[];
  /** The account of that name may be another one, which gets nothing taken away: the command for root. */
  readonly note: Note | undefined;
}

const NOTHING: Listed = { changes: [], note: undefined };

/** Looks for the declared groups that list the name of such a user. */
function formerMember(once: OnceUser, machine: Machine, inside: InJail): Listed {
  const { name, jail, directory } = once;
  if (once.groups.length === 0) return NOTHING;
  const found = answered(() => ({ account: machine.accounts.userByName(name) }));
  // While a name service is silent, it may be there.
  if (found === undefined) return NOTHING;
  const { account } = found;
  const onHost = once.groups.filter((group) => machine.membersOf(group).includes(name));
  if (account === undefined || (directory && once.uid !== undefined && isOutside(once, account))) {
    const accounts = answered(() => inside.accounts);
    // Who takes the line of a name away, or over, does so with its groups.
    const hasLine = accounts?.userByName(name) !== undefined;
    const isInside = (group: ByteString) =>
      !hasLine && accounts?.groupByName(group)?.members.includes(name) === true;
    const items = once.groups.filter((group) => onHost.includes(group) || isInside(group));
    if (items.length === 0) return NOTHING;
    const about = { action: "remove", of: "user", name, jail, what: "groups", why: NO_LONGER } as const;
    return { changes: [{ ...about, from: listed(items), items }], note: undefined };
  }
  const isOther = directory || (once.uid !== undefined && once.uid !== account.uid);
  return isOther && onHost.length > 0 ? { changes: [], note: otherMember(once, onHost) } : NOTHING;
}

/** What is said of another account that is in groups by its name. */
function otherMember({ name, directory }: OnceUser, groups: readonly ByteString[]): Note {
  const command = allOf(groups.map((group): Remedy => `gpasswd -d ${operands(name, group)}`));
  const shown = groups.map((group) => quoted(group)).join(", ");
  // Of a local one that is told once.
  const unless = directory ? "; if it should be there, run jailkit apply after that, and add it again" : "";
  const message = `the account of that name may be another one than was declared, and is in ${shown}, as was declared: to take it out: ${command}${unless}`;
  return { of: "user", name, message };
}

/**
 * What one who is in no jail any more still has of what was declared; `isForgotten`: nothing has to be told any more. `isAll`: the jails
 * have nothing else of it.
 */
export function stillHas(once: OnceUser, machine: Machine, opened: OpenJails, isAll: boolean) {
  const { root, inside } = opened.get(once.jail);
  const outside = takenOut(once, machine, NO_LONGER);
  const { changes, note } = formerMember(once, machine, inside);
  const heir = heirNote(once, machine);
  const isTold = heir !== undefined || (note !== undefined && once.directory);
  const isOut = outside === undefined || (outside.changes.length === 0 && outside.fault === undefined);
  const keys = isAll && isOut && !isTold ? keysMayStay(once, machine, root) : [];
  const given = [
    ...(outside?.changes ?? keysBack(once, machine, opened)).map(
      (change): GivenUser => ({ of: "given", once, change }),
    ),
    ...changes.map((change): GivenUser => ({ of: "given", once, change, tellsKeys: keys.length > 0 })),
  ];
  const isLeft = given.length > 0 || !isOut || isTold;
  return {
    outside,
    given,
    note: [note, heir, ...keys].filter((one) => one !== undefined),
    isForgotten: isAll && !isLeft,
  };
}
