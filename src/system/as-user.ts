import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { plainPath } from "../../ffi/paths.ts";
import { withRightsOf } from "../../ffi/rights.ts";
import { display } from "../cli/display.ts";
import { type Remedy, withoutTerminal } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { passwdByName, passwdByUid } from "./accounts.ts";
import { closeFirst, readCopy } from "./exchange.ts";
import { freeName } from "./free-name.ts";

/** Whose rights a command has: `jail` is that of the user, and of the files; undefined for a user who is not jailed. */
interface Acting {
  readonly name: ByteString;
  readonly jail: ByteString | undefined;
  /** The file that it reads from its standard input, if any, as a word. */
  readonly input?: ByteString;
}

/**
 * An account as the value of -u of jk_chrootlaunch, which takes digits for a uid; undefined if no word means this account: with
 * its uid another one may have other groups.
 */
function launchWord(name: ByteString): ByteString | undefined {
  if (!/^[0-9]+$/.test(name)) return shellWord(name);
  const uid = passwdByName(name)?.uid;
  return uid !== undefined && passwdByUid(uid)?.name === name ? `${uid}` : undefined;
}

const PLACES = ["/usr/bin", "/bin"];

/** Of jails, whether a path is to go. */
const going = new Map<ByteString, (path: ByteString) => boolean>();

/** Says what is about to go from a jail: no command of asUser rests on it. `goes` gets paths as the jail sees them. */
export const expectGone = (jail: ByteString, goes: (path: ByteString) => boolean) => going.set(jail, goes);

/** True for a path of a jail that is there, and about to go. */
export const isGoing = (jail: ByteString, path: ByteString): boolean => going.get(jail)?.(path) === true;

/** Where a program is, and stays, below the root directory of a jail or, with "", of the host. */
const placeOf = (program: string, jail: ByteString): ByteString | undefined =>
  withRightsOf(undefined, () =>
    PLACES.map((place) => `${place}/${program}`).find(
      (path) => attempt(() => statIfPresent(AT_FDCWD, jail + path)) !== undefined && !isGoing(jail, path),
    ),
  );

/**
 * What to advise for files that their user can exchange: `command`, without `paths`, with the user's rights, which root types.
 * With the uid of a jailed user nothing may run outside of the jail: processes in it could trace that, and leave by its root
 * directory in /proc. So the program is that of the jail, in the jail, and goes there before if it is missing; jk_chrootlaunch
 * and jk_cp check what they find. `remedy`: the command, if there is one.
 */
export function asUser(
  { name, jail: text, input }: Acting,
  command: ByteString,
  ...paths: readonly ByteString[]
): { advice: ByteString; remedy: Remedy | undefined } {
  if (text === undefined) {
    const remedy = withoutTerminal(
      `runuser -u ${shellWord(name)} -- ${command} ${operands(...paths)}`,
      input,
    );
    return { advice: remedy, remedy };
  }
  const jail = plainPath(text);
  const inside: ByteString[] = [];
  for (const path of paths.map(plainPath)) {
    // No process in the jail reaches it.
    if (!path.startsWith(`${jail}/`)) return { advice: closeFirst(path), remedy: undefined };
    inside.push(path.slice(jail.length));
  }
  const [program = "", ...options] = command.split(" ");
  const words = [...options, operands(...inside)].join(" ");
  const there = placeOf(program, jail);
  const place = there ?? placeOf(program, "");
  const user = launchWord(name);
  if (place === undefined || user === undefined)
    return {
      advice: `let ${display(name)} do in the jail what this does: ${program} ${words}`,
      remedy: undefined,
    };
  const word = shellWord(jail);
  const run = withoutTerminal(`jk_chrootlaunch -j ${word} -u ${user} -x ${place} -- ${words}`, input);
  // It stays: of a jail without a record it is not known what was there before.
  const remedy: Remedy = there === undefined ? `jk_cp -j ${word} ${place} && ${run}` : run;
  return { advice: remedy, remedy };
}

/** As copyAnew of exchange.ts, of a file that its user can exchange: in words, with the rights of the user. */
export function copyAnewAs(acting: Acting, path: ByteString): ByteString {
  const copy = freeName(path, ".new");
  const make = asUser(acting, "install -m 0600", path, copy);
  const move = asUser(acting, "mv -T", copy, path);
  if (make.remedy === undefined || move.remedy === undefined) return make.advice;
  return `${make.remedy}; ${readCopy(copy, path)}; then: ${move.remedy}`;
}
