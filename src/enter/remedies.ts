import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, MOST_LINKS, S_IFLNK, S_IFMT, S_IFREG } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { readLink, type Stat, statAt } from "../../ffi/files.ts";
import { normalPath, pathComponents } from "../../ffi/paths.ts";
import { type Advice, inWords, type Remedy, type Words } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { isRootsPlace, mayBeGiven } from "../jail/accounts/home-place.ts";
import { isPlainName, nameFault } from "../system/account-name.ts";
import { groupByName, type PasswdEntry } from "../system/accounts.ts";
import { closeFirst } from "../system/exchange.ts";
import { freeName } from "../system/free-name.ts";
import { isSomebodys, unlessSomebodys } from "../system/home-owner.ts";
import { joinHome } from "../system/separator.ts";
import { type LoginFacts, splitOf } from "./facts.ts";

/** The reason why a path is not a program. */
export const NOT_A_FILE = "it is not a regular file";

/**
 * Remedies: a command for a root shell, or lines for a file. The only placeholder is JAIL, used if the jail is unknown.
 */

/** The command that shows what accounts of a directory should have. */
export const directoryCommand = (jail: ByteString, ...names: readonly ByteString[]): Remedy =>
  `jk_jailuser --dry-run -j ${shellWord(jail)} ${operands(...names)}`;

/** In place of a command that changes an account which usermod(8) cannot change. */
export const setInDirectory = (name: ByteString): Words =>
  inWords(
    `set its home and shell where the account is kept, which '${directoryCommand("JAIL", name)}' shows`,
  );

/** Makes an account's lines in the jail's passwd and group agree with the host. */
export function jailSideRemedy(jail: ByteString, user: ByteString, options = "--jail-side-only"): Remedy {
  return `jk_jailuser ${options} -j ${shellWord(jail)} ${operands(user)}`;
}

/** The shell that the line of an account means, without what an editor, such as one for Windows, has left at its end. */
export const plainShell = (shell: ByteString): ByteString => shell.replace(/[ \t\r]+$/, "");

type Line = Pick<PasswdEntry, "name" | "home">;

/**
 * Creates the primary group of an account. `inJail`: the name of its gid in the jail, which a login compares. All with the gid get the
 * same command, but for accounts that have a group of their own.
 */
export function createGroup(
  { name, uid, gid }: Pick<PasswdEntry, "name" | "uid" | "gid">,
  inJail?: ByteString,
): Remedy {
  const names = [inJail ?? "", uid === gid ? name : ""];
  const free = names.find((one) => isPlainName(one) && groupByName(one) === undefined);
  return `groupadd -g ${gid} ${operands(free ?? `g${gid}`)}`;
}

/** Takes out the lines of a jail for accounts that are not in it. */
export const takeLinesOut = (jail: ByteString, ...names: readonly ByteString[]): Remedy =>
  `jk_jailuser --unjail --jail-side-only -j ${shellWord(jail)} ${operands(...names)}`;

/** The other way for an account whose home is not in the jail that has a line of it. */
export const orLineOut = (jail: ByteString, name: ByteString): string =>
  `take its line in the jail out: ${takeLinesOut(jail, name)}`;

/** Gives an account a home as a login compares it. */
export const homeTextAdvice = (home: ByteString, name: ByteString, isLocal: boolean): Advice =>
  isLocal
    ? `usermod -d ${shellWord(home)} ${operands(name)}`
    : inWords(`give the account the home ${shellWord(home)} in its directory`);

/** Gives an account the home of its line in a jail. */
export const meantAdvice = (jail: ByteString, { name, home }: Line, isLocal: boolean): Advice =>
  isLocal
    ? homeTextAdvice(joinHome(jail, normalPath(home)), name, true)
    : inWords(`change its directory as this shows: ${directoryCommand(jail, name)}`);

/** Copies files of the host into a jail, with what they need. */
export function copyRemedy(jail: ByteString, ...paths: readonly ByteString[]): Remedy {
  return `jk_cp -j ${shellWord(jail)} ${operands(...paths)}`;
}

/**
 * As commandAt, for a login, to which paths of the host mean nothing after chroot(2): a command that names a home, if only
 * root can exchange that; else the step before it. `home`: as the jail sees it.
 */
export function atHome(
  facts: LoginFacts,
  path: ByteString,
  command: Remedy,
  { home }: { home: ByteString } = splitOf(facts),
): Advice {
  return facts.jailFindings().length === 0 && facts.onlyRootExchanges(home)
    ? command
    : inWords(closeFirst(path));
}

/** Creates a home; what is in its place is kept under the free name `aside`. */
export function homeRemedy(path: ByteString, uid: number, gid: number, aside?: ByteString): Remedy {
  const word = shellWord(path);
  if (aside === undefined) return `install -d -o +${uid} -g +${gid} -m 0700 ${word}`;
  // Unlike install(1), it does not give away what is there if nothing was moved: mv(1) with -n succeeds nevertheless.
  return `mv -nT ${word} ${shellWord(aside)} && mkdir -m 0700 ${word} && chown +${uid}:+${gid} ${word}`;
}

/** The command that gives an account its home, with its group if that is another one, unless that may be so (`anyGroup`). */
export const giveHome = (
  { uid, gid }: Pick<PasswdEntry, "uid" | "gid">,
  home: Pick<Stat, "gid">,
  anyGroup: boolean,
): `chown -h ${string}` => `chown -h +${uid}${anyGroup || home.gid === gid ? "" : `:+${gid}`}`;

/** The command that gives a home, and all in it that has its owner, to a user whose uid was changed. */
export const giveTree = (stat: Pick<Stat, "uid">, uid: number, home: ByteString): Remedy =>
  `chown -hR --from=+${stat.uid} +${uid} ${operands(home)}`;

/** A jail, and lstat(2) of a path as it sees it. */
interface InJail {
  readonly jail: ByteString;
  readonly inJail: (path: ByteString) => Stat | undefined;
}
type Homed = Pick<PasswdEntry, "uid" | "gid" | "home">;

/**
 * Gives an account of a jail what is at its home, as the jail sees it, by the command `give`; or a new home in place of what its
 * user may have moved there: see mayBeGiven. That of another account may be the home of that, which nobody should set aside.
 */
export function giveOrReplace(
  facts: InJail & { readonly hostUserNumbered: (uid: number) => PasswdEntry | undefined },
  account: Homed,
  give: `${"chown" | "chgrp"} -h ${string}`,
): Advice {
  const { jail, inJail } = facts;
  const { uid, home } = account;
  const stat = inJail(home);
  if (stat === undefined || mayBeGiven(stat, uid, () => isRootsPlace(home, inJail)))
    return `${give} ${shellWord(jail + home)}`;
  const anew = newHome(facts, account);
  if (!isSomebodys(stat, uid)) return anew;
  const own = giveTree(stat, uid, jail + home);
  return inWords(unlessSomebodys(facts.hostUserNumbered(stat.uid)?.name, own, anew));
}

/** Creates the home of an account of a jail, as the jail sees it; what is in its place is kept under another name. */
export function newHome({ jail, inJail }: InJail, { uid, gid, home }: Homed): Remedy {
  const isThere = (path: ByteString) => inJail(path) !== undefined;
  const aside = isThere(home) ? jail + freeName(home, ".old", isThere) : undefined;
  return homeRemedy(jail + home, uid, gid, aside);
}

/** Gives an account another primary group than that of root. */
export const rootsGroupAdvice = (name: ByteString, isLocal: boolean): Advice =>
  isLocal
    ? `usermod -g users ${operands(name)}`
    : inWords("give it another primary group in its directory (gidNumber)");

/** Copies a program into a jail again. */
export function recopyRemedy(jail: ByteString, path: ByteString): Remedy {
  return `jk_cp -f -j ${shellWord(jail)} ${shellWord(path)}`;
}

/** Mounts the directories of the host in a live jail. */
export function mountLiveRemedy(jail: ByteString): Remedy {
  return `jailkit mount ${shellWord(jail)}`;
}

/** Lets everybody search a directory, also its group, to which the user may belong. */
export function passRemedy(directory: ByteString): Remedy {
  return `chmod a+x ${shellWord(directory)}`;
}

/** Opens a directory of programs, as such directories are in a system. */
export function openRemedy(directory: ByteString): Remedy {
  return `chmod a+rx ${shellWord(directory)}`;
}

/** Lines for the end of a config file. */
export function appendRemedy(file: ByteString, lines: readonly ByteString[]): Remedy {
  return `add these lines to ${file}:\n${lines.join("\n")}`;
}

/** True if a section of a config file can have the name of a user. */
export const isSectionName = (name: ByteString): boolean =>
  !name.includes("]") && nameFault(name) === undefined;

/** Lines for a section of a config file, in place of those with the same keys. */
export function sectionLinesRemedy(
  file: ByteString,
  section: ByteString,
  lines: readonly ByteString[],
): Remedy {
  return `in section [${section}] of ${file} write:\n${lines.join("\n")}`;
}

/** Looks at names, and reads symbolic links. */
interface Look {
  look: (path: ByteString) => { uid: number; mode: number } | undefined;
  readLink: (path: ByteString) => ByteString | undefined;
}

const HOST: Look = {
  look: (path) => attempt(() => statAt(AT_FDCWD, path)),
  readLink: (path) => attempt(() => readLink(AT_FDCWD, path)),
};

/**
 * True for a regular file that only root can change, and everything on the way to it. Any other file that a user has
 * named may be the user's own, and no remedy names it. `files`: those of the host unless given.
 */
export function isRootsProgram(path: ByteString, files: Look = HOST): boolean {
  let at: ByteString[] = [];
  const left = pathComponents(path).reverse();
  let type = 0;
  for (let links = 0; left.length > 0; ) {
    const name = left.pop() ?? "";
    if (name === "..") {
      at.pop();
      continue;
    }
    const here = `/${[...at, name].join("/")}`;
    const found = files.look(here);
    if (found === undefined || found.uid !== 0) return false;
    type = found.mode & S_IFMT;
    if (type !== S_IFLNK) {
      if ((found.mode & 0o022) !== 0) return false;
      at.push(name);
      continue;
    }
    const target = files.readLink(here);
    if (target === undefined || ++links > MOST_LINKS) return false;
    if (target.startsWith("/")) at = [];
    left.push(...pathComponents(target).reverse());
  }
  return type === S_IFREG;
}
