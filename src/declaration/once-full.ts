import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { operands } from "../cli/shell-word.ts";
import type { Remembered } from "./keep.ts";
import { isUsual } from "./known-file.ts";
import { isInScope, isWritten, onceText } from "./once.ts";
import { onceJailOf, settledUser } from "./once-of.ts";
import type { Once } from "./once-shape.ts";

interface Full {
  /** What is to be remembered. */
  readonly all: Once;
  readonly pathOf: (operand: ByteString) => ByteString;
}

// A message names no more of them.
const MOST_NAMED = 5;

/**
 * Throws JailkitError "state-full" if the file cannot keep all that is declared, when that is made, with what makes room: --prune,
 * which forgets what is not declared any more. It is a remedy to type only if that takes nothing away, and is not advised where
 * it makes no room.
 */
export function requireRoom(remembered: Remembered, full: Full): void {
  try {
    isWritten(remembered.written, full.all);
  } catch (error) {
    if (!(error instanceof JailkitError) || error.code !== "state-full") throw error;
    throw withAdvice(error.message, remembered, full);
  }
}

function withAdvice(message: string, remembered: Remembered, full: Full): JailkitError {
  const { declaration, beside } = remembered;
  const { all } = full;
  const { files } = declaration;
  const usual = files.every(isUsual);
  const command: Remedy = usual ? "jailkit apply --prune" : `jailkit apply --prune ${operands(...files)}`;
  const declared = [declaration, ...(beside === undefined ? [] : [beside])];
  const paths = new Set(declared.flatMap(({ jails }) => jails.map(({ path }) => path)));
  const users = new Set(declared.flatMap(({ users }) => users.map(({ name }) => name)));
  const leave = {
    jails: all.jails.filter(({ path, file }) => !paths.has(path) && isInScope(file, files, usual)),
    users: all.users.filter(({ name, file }) => !users.has(name) && isInScope(file, files, usual)),
  };
  const told = (advice: string, remedy?: Remedy) =>
    new JailkitError("state-full", 1, `${message}; ${advice}`, undefined, remedy);
  if (!hasRoom(pruned(full, leave, remembered)))
    return told("so it is without what is not declared any more, too: declare less");
  const names = [
    ...leave.users.map(({ name }) => `user ${display(name)}`),
    ...leave.jails.map(({ path }) => `jail ${display(path)}`),
  ];
  if (names.length === 0)
    return told(
      `what is not declared any more is forgotten with: ${command}; declare what is new after that`,
      command,
    );
  const more = names.length - MOST_NAMED;
  const named = [...names.slice(0, MOST_NAMED), ...(more > 0 ? [`${more} more`] : [])].join(", ");
  return told(
    `what is not declared any more is forgotten with: ${command}, which also takes away what is there of it (${named}); declare what is new after that`,
  );
}

/** What is remembered after --prune. */
function pruned(
  { all, pathOf }: Full,
  leave: Pick<Once, "jails" | "users">,
  { declaration, beside }: Remembered,
): Once {
  const [jails, users] = [new Set(leave.jails), new Set(leave.users)];
  const jailsBy = new Map(declaration.jails.map((jail) => [jail.path, jail]));
  const usersBy = new Map(declaration.users.map((user) => [user.name, user]));
  const [others, othersBy] = [
    new Map(beside?.jails.map((jail) => [jail.path, jail])),
    new Map(beside?.users.map((user) => [user.name, user])),
  ];
  return {
    ...all,
    jails: all.jails
      .filter((jail) => !jails.has(jail))
      .map((jail) => {
        const [declared, other] = [jailsBy.get(jail.path), others.get(jail.path)];
        const of = other && onceJailOf(other, undefined, pathOf, jail.directoryId);
        return declared === undefined ? jail : onceJailOf(declared, of, pathOf, jail.directoryId);
      }),
    users: all.users
      .filter((user) => !users.has(user))
      .map((user) => {
        const declared = usersBy.get(user.name);
        return declared === undefined ? user : settledUser(declared, othersBy.get(user.name), user);
      }),
  };
}

function hasRoom(once: Once): boolean {
  try {
    onceText(once);
    return true;
  } catch (error) {
    if (error instanceof JailkitError && error.code === "state-full") return false;
    throw error;
  }
}
