import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { LIMITS } from "../../config/model.ts";
import { asideCommand } from "../../system/free-name.ts";
import { hostNames, hostText } from "../../system/host-files.ts";
import type { Declaration } from "../model.ts";
import { policiesOf } from "../once.ts";
import type { Once, OnceUser } from "../once-shape.ts";
import type { Note } from "./former-jails.ts";
import { type Machine, SETTINGS_DROP_INS, settingsDropIn } from "./machine.ts";

// Rules that take something away are written also while nothing can be remembered of them. So the file itself tells whose it is.

/** The first line of a drop-in of apply. */
export const RULES_COMMENT = "Written by jailkit apply, as /etc/jailkit/jails.d declares the user.";

type Settings = Pick<Machine, "settings">;

/** Whether any file can be apply's: without one, jk_chrootsh.ini need not be read. */
const hasDropIns = (): boolean => (answered(() => hostNames(SETTINGS_DROP_INS)) ?? []).length > 0;

/** The users for whom apply has written a drop-in of jk_chrootsh.ini; only those are looked at that are `asked`. */
const withOwnRules = ({ settings }: Settings, asked: (name: ByteString) => boolean): ByteString[] =>
  settings.flatMap(({ name, file }) => {
    if (file !== settingsDropIn(name) || !asked(name)) return [];
    const text = answered(() => hostText(file, LIMITS.fileBytes));
    return text?.startsWith(`# ${RULES_COMMENT}\n`) ? name : [];
  });

/** What was declared once, with the rules of users that apply has written, and that could not be remembered. */
export function rememberingRules(before: Once, machine: Settings): Once {
  if (!hasDropIns()) return before;
  const users = new Map(before.users.map((user) => [user.name, user]));
  const isForgotten = (user: OnceUser | undefined) =>
    user !== undefined && !user.out && !policiesOf(user).includes(false);
  // A file of rules that cannot be read is told where it counts.
  const names = new Set(answered(() => withOwnRules(machine, (name) => isForgotten(users.get(name)))) ?? []);
  if (names.size === 0) return before;
  const remembered = (user: OnceUser): OnceUser =>
    names.has(user.name) ? { ...user, [user.limited ? "otherPolicy" : "policy"]: true } : user;
  return { ...before, users: before.users.map(remembered) };
}

/** Warnings about such rules of users of whom nothing is known: apply does not take them away, since they may be all that limits somebody. */
export function unknownRules(declarations: readonly Declaration[], before: Once, machine: Settings): Note[] {
  if (!hasDropIns()) return [];
  const known = new Set([...declarations, before].flatMap(({ users }) => users.map(({ name }) => name)));
  return (answered(() => withOwnRules(machine, (name) => !known.has(name))) ?? []).map((name) => {
    const file = settingsDropIn(name);
    const remedy = asideCommand(file);
    const message = `is not declared, and ${quoted(file)}, which apply wrote, limits who has this name; it stays, since nothing is remembered of it: to take it away: ${remedy}`;
    return { of: "user", name, message };
  });
}
