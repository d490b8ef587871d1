import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "./display.ts";
import { UsageError } from "./error.ts";

/** A jail, and the operands that are about something else. */
export interface JailAndRest {
  readonly jail: ByteString | undefined;
  readonly rest: readonly ByteString[];
}

/** The jail of `-j`, else the first operand: for a tool that takes other operands too. */
export function jailOrFirst(option: ByteString | undefined, operands: readonly ByteString[]): JailAndRest {
  return option === undefined
    ? { jail: operands[0], rest: operands.slice(1) }
    : { jail: option, rest: operands };
}

/**
 * The same where the other operands are names of users, in which no slash can be: a first operand with one is a jail.
 * Throws UsageError where `-j` names one too.
 */
export function jailBeforeUsers(
  option: ByteString | undefined,
  operands: readonly ByteString[],
  exitStatus: number,
): JailAndRest {
  const [first] = operands;
  if (first === undefined || !first.includes("/")) return { jail: option, rest: operands };
  if (option !== undefined) throw twice([option, first], exitStatus);
  return { jail: first, rest: operands.slice(1) };
}

/** The one jail of a tool that takes no other operands. Throws UsageError where none or more than one is named. */
export function onlyJail(
  option: ByteString | undefined,
  operands: readonly ByteString[],
  exitStatus: number,
): ByteString {
  const named = option === undefined ? operands : [option, ...operands];
  const [jail] = named;
  if (jail === undefined) throw new UsageError("no jail was named", exitStatus);
  if (named.length > 1) throw twice(named, exitStatus);
  return jail;
}

function twice(named: readonly ByteString[], exitStatus: number): UsageError {
  return new UsageError(`name one jail, not ${named.map(display).join(" and ")}`, exitStatus);
}
