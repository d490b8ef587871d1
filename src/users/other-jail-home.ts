import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { sameFile, statIfPresent } from "../../ffi/files.ts";
import { normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { takeLinesOut } from "../enter/remedies.ts";
import { PASSWD, readJailAccounts } from "../jail/accounts/accounts.ts";
import { lookUp } from "../jail/fs/look.ts";
import { hostPath, isDirectory, type JailRoot, openJailRoot } from "../jail/fs/walk.ts";
import { knownJails } from "../jail/record/registry.ts";
import { isLocalUser } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { adviceAt, onlyRootExchanges, onlyRootWrites } from "../system/exchange.ts";
import { asideCommand } from "../system/free-name.ts";
import { homeInJail, isSameHome, joinHome, livesIn } from "../system/separator.ts";
import { accountNamed } from "./jail-side.ts";

// An older passwd(5) that comes back names the jail in which an account was before, and perhaps nothing is there any more. Root alone writes
// the lines of a jail: one with a home that belongs to the account tells where it has lived since.

/** A home of an account in another jail than its own, or in another place there. */
export interface OtherJailHome {
  readonly jail: ByteString;
  /** As passwd(5) would have it. */
  readonly home: ByteString;
  /** On the host. */
  readonly path: ByteString;
  /** The name of the line that has it; undefined if only its owner tells, or what is declared. */
  readonly line: ByteString | undefined;
  /** What is declared, and what is remembered, tell that it is that of the account. */
  readonly isSure?: boolean;
}

type User = Pick<PasswdEntry, "name" | "uid">;

type Lines = ReadonlyMap<number, readonly PasswdEntry[]>;

const linesByJail = new Map<ByteString, Lines>();
let jailsByUid: ReadonlyMap<number, readonly ByteString[]> | undefined;

// Lines are read once: a run asks for each new home, and looks again at those that it finds.

/** The lines of a jail by their uids; none if it cannot be read. */
export const linesIn = (jail: ByteString): Lines =>
  linesByJail.getOrInsertComputed(jail, () => answered(() => readLines(jail)) ?? new Map());

function readLines(jail: ByteString): Lines {
  using root = openJailRoot(jail);
  return Map.groupBy(readJailAccounts(root).users, ({ uid }) => uid);
}

/** The known jails with a line of a uid. */
function jailsWith(uid: number): readonly ByteString[] {
  jailsByUid ??= byUid((answered(knownJails) ?? []).map(({ jail }) => jail.path));
  return jailsByUid.get(uid) ?? [];
}

function byUid(jails: readonly ByteString[]): ReadonlyMap<number, readonly ByteString[]> {
  const found = new Map<number, ByteString[]>();
  for (const jail of jails)
    for (const uid of linesIn(jail).keys()) found.getOrInsertComputed(uid, () => []).push(jail);
  return found;
}

/** The homes that belong to an account and that its lines in known jails have, but for the jail `root`, and what is the same as in that. */
export function homesInOthers(user: User, root: JailRoot, home: ByteString): readonly OtherJailHome[] {
  const jails = user.uid === 0 ? [] : jailsWith(user.uid).filter((jail) => jail !== root.path);
  // The others are where their directory says.
  if (jails.length === 0 || !isLocalUser(user.name)) return [];
  const own = answered(() => lookUp(root, home)?.stat);
  return jails.flatMap((jail) => {
    const found = answered(() => homeIn(user, jail));
    if (found === undefined || (own !== undefined && sameFile(own, found.stat))) return [];
    return [found.there];
  });
}

/**
 * The home of a line of an account in a jail, if it belongs to it. Such a line may have a name of before, which nobody has now, or
 * somebody with another uid; a second name of its uid has its own home.
 */
export function homeIn({ name, uid }: User, jail: ByteString) {
  const passwd = statIfPresent(AT_FDCWD, jail + PASSWD);
  if (passwd === undefined || !onlyRootWrites(passwd) || !onlyRootExchanges(jail + PASSWD)) return undefined;
  using root = openJailRoot(jail);
  const lines = readJailAccounts(root).users.filter((line) => line.uid === uid);
  const ownFirst = Map.groupBy(lines, (line) => line.name === name);
  for (const line of [...(ownFirst.get(true) ?? []), ...(ownFirst.get(false) ?? [])]) {
    if (line.name !== name && accountNamed(line.name)?.uid === uid) continue;
    const found = homeOfLine(root, line);
    if (found !== undefined) return found;
  }
  return undefined;
}

function homeOfLine(root: JailRoot, line: PasswdEntry) {
  const home = normalPath(line.home);
  const path = hostPath(root, home);
  const stat = home === "/" ? undefined : answered(() => lookUp(root, home)?.stat);
  if (stat === undefined || !isDirectory(stat) || stat.uid !== line.uid || !onlyRootExchanges(path))
    return undefined;
  return { there: { jail: root.path, home: joinHome(root.path, home), path, line: line.name }, stat };
}

/** Whether a line tells that a home is that of the account with its name of now, or what else is known does. */
export const isCertain = ({ name }: Pick<PasswdEntry, "name">, { line, isSure }: OtherJailHome): boolean =>
  line === name || isSure === true;

/** Of a line it is said that it has the home, also where there is another one. */
export const isOrMayBe = ({ line }: OtherJailHome, isSure: boolean): "is" | "may be" =>
  isSure || line !== undefined ? "is" : "may be";

/** What is said of a home in another jail, and the command that lets the account live there again, if it `isSure` that it is that one. */
export function otherJailAdvice(
  user: Pick<PasswdEntry, "name" | "home">,
  other: OtherJailHome,
  isSure: boolean,
): { readonly message: string; readonly advice: string; readonly remedy: Remedy } {
  const { jail, home, path, line } = other;
  const give: Remedy = `usermod -d ${shellWord(home)} ${operands(user.name)}`;
  if (livesIn(jail, user.home))
    return { ...inSameJail(user, other, give, isSure), remedy: isSure ? give : "" };
  const out =
    line === undefined
      ? `give that another name: ${adviceAt(path, asideCommand(path)).advice}`
      : `take its line out of that jail, in which the home stays: ${takeLinesOut(jail, line)}`;
  return {
    message: `its home ${isOrMayBe(other, isSure)} in another jail, ${quoted(path)}`,
    advice: `to let the account have that: ${give}; or, if that is not its home any more, ${out}`,
    remedy: isSure ? give : "",
  };
}

function inSameJail(
  { name, home: own }: Pick<PasswdEntry, "name" | "home">,
  other: OtherJailHome,
  give: Remedy,
  isSure: boolean,
) {
  const { jail, home, path, line } = other;
  const place = hostPath({ path: jail }, homeInJail(own));
  const empty = `or, if that is not its home any more, create an empty one, which belongs to it: ${quoted(place)}`;
  const former = line === name ? undefined : line;
  const heir = former === undefined ? undefined : answered(() => ({ account: accountNamed(former) }));
  const isFree = heir !== undefined && heir.account === undefined;
  const what = quoted(path);
  if (former === undefined || isFree) {
    const of =
      line === undefined ? "which belongs to it" : `as the line of ${quoted(line)} in the jail has it`;
    const rename: Remedy = `usermod -l ${shellWord(former ?? name)} -d ${shellWord(home)} ${operands(name)}`;
    const back = former === undefined ? "" : `to give it its name back, too: ${rename}; `;
    return {
      message: `its home ${isOrMayBe(other, isSure)} ${what}, ${of}`,
      advice: `to let the account have that: ${give}; ${back}${empty}`,
    };
  }
  // The name is that of somebody else, who may have the same place.
  const isTheirs = heir?.account !== undefined && isSameHome(heir.account.home, jail, homeInJail(home));
  const move = adviceAt(place, `mv -nT ${shellWord(path)} ${operands(place)}`).advice;
  const orGive = isTheirs ? "" : `to let the account have that: ${give}; or, `;
  return {
    message: `its home may be ${what}, as the line of ${quoted(former)} in the jail has it, a name that another account has now`,
    advice: `${orGive}to move that to where its home is to be: ${move}; ${empty}`,
  };
}
