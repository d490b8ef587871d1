import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { allOf, type Remedy } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { takeLinesOut } from "../../enter/remedies.ts";
import { isLocalUser } from "../../system/account-tools.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { leaveCommand, shellsOutside } from "../../users/leaving.ts";
import { listedKeys } from "../change.ts";
import { sumOf } from "../once.ts";
import type { OnceUser } from "../once-shape.ts";
import type { Note } from "./former-jails.ts";
import { hasLine, heirOf } from "./former-name.ts";
import { heldBy } from "./held-by.ts";
import type { Machine } from "./machine.ts";

/** The command that takes an account out of a jail; of one of a directory, its line. */
const outOf = (heir: PasswdEntry, jail: ByteString): Remedy =>
  isLocalUser(heir.name)
    ? leaveCommand([heir], answered(() => shellsOutside(jail)) ?? (() => undefined), { move: true })
    : takeLinesOut(jail, heir.name);

/**
 * What is said of an account that may be the one which was declared, and has another name: it has the uid, and another home. Its
 * user may have exchanged that, or somebody has the uid by now: so nothing is taken away. Undefined if it has nothing of what was
 * declared, or if that is declared of it.
 */
export function heirNote(once: OnceUser, machine: Machine): Note | undefined {
  const { name, jail, directory, out } = once;
  if (directory && out) return undefined;
  const heir = heirOf(once, machine.accounts);
  if (heir === undefined) return undefined;
  const declared = machine.declaredUser(heir.name);
  // What it was given by that name is taken away by that.
  const given = machine.known.before.users.find((one) => one.name === heir.name);
  const isOwn = (group: ByteString) => declared?.groups.includes(group) || given?.groups.includes(group);
  const own = new Set((declared?.keys ?? []).map(({ key }) => sumOf(key)));
  const { groups, keys, file } = heldBy(
    {
      ...{ jail, directory, groups: once.groups.filter((group) => isOwn(group) !== true) },
      keys: once.keys.filter((sum) => !(own.has(sum) || given?.keys.includes(sum))),
    },
    heir,
    machine.membersOf,
  );
  const isKnown = declared !== undefined || given !== undefined;
  const isIn = !isKnown && hasLine(jail, heir);
  if (groups.length + keys.length === 0 && !isIn) return undefined;
  const leave = allOf(groups.map((group): Remedy => `gpasswd -d ${operands(heir.name, group)}`));
  const has = [
    ...(isIn
      ? [`it has a line in ${quoted(`${jail}/etc/passwd`)}: to take it out: ${outOf(heir, jail)}`]
      : []),
    ...(groups.length === 0 ? [] : [`it is in ${groups.map(quoted).join(", ")}: to take it out: ${leave}`]),
    ...(keys.length === 0 ? [] : [`${quoted(file)} has ${listedKeys(keys)}: take the line out`]),
  ];
  const who = `the account ${quoted(heir.name)} has its uid and another home, and may be the one that was declared`;
  const unless = "if that is to stay, run jailkit apply after that, and add it again, or declare it";
  return { of: "user", name, message: `${who}: ${has.join("; ")}; ${unless}` };
}
