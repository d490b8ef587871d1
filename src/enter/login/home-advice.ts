import type { ByteString } from "../../../ffi/bytes.ts";
import type { Stat } from "../../../ffi/files.ts";
import { plainPath } from "../../../ffi/paths.ts";
import { type Advice, adviceText, inWords, type Remedy } from "../../cli/remedy.ts";
import {
  isJailsOwn,
  mayBeGiven,
  otherHomeAdvice,
  otherHomeInDirectory,
  usualHome,
} from "../../jail/accounts/home-place.ts";
import { isSomebodys, unlessSomebodys } from "../../system/home-owner.ts";
import { dirsEqual } from "../../system/separator.ts";
import { accountOf, type LoginFacts, splitOf } from "../facts.ts";
import { atHome, giveTree, homeRemedy } from "../remedies.ts";

/**
 * What to do about a home: `give`, which changes it for the account. If the home is a directory of the jail's own or another
 * account's home, or may be, that would take it from others: the account gets a home of its own. So it does in place of what the
 * user may have moved there. `mount`: what to do first, where a mount is missing or in its place.
 */
export function ownHomeAdvice(facts: LoginFacts, give: Advice, mount?: Advice): Advice {
  const { jail, home } = splitOf(facts);
  const { name, home: text } = accountOf(facts);
  if (dirsEqual(home, usualHome(name))) return mount ?? inPlace(facts, give);
  const owner = facts.homeOwner();
  const others =
    owner === "unknown" || (owner !== undefined && owner.uid !== facts.uid && dirsEqual(owner.home, text));
  if (!others && !isJailsOwn(home)) return mount ?? inPlace(facts, give);
  if (!facts.isLocal()) return inWords(otherHomeInDirectory(jail, name));
  return otherHomeAdvice(jail, { name, uid: facts.uid, gid: facts.gid }, (path, command) =>
    atHome(facts, path, command, { home: usualHome(name) }),
  );
}

/** Advice for a home: `command`, unless a mount is missing or in its place. `isTheirs`: what is there is the user's. */
export function homeAdvice(facts: LoginFacts, path: ByteString, command: Remedy, isTheirs: boolean): Advice {
  const give = atHome(facts, path, command);
  return ownHomeAdvice(facts, give, facts.homeMount(isTheirs, give));
}

/** `give`, or a new home in place of what is there. */
function inPlace(facts: LoginFacts, give: Advice): Advice {
  const there = facts.home();
  if (there === undefined || mayBeTheirs(facts, there)) return give;
  const anew = newHome(facts, facts.homeAside());
  // What comes first is the same in both ways.
  if (typeof anew !== "string" || !isSomebodys(there, facts.uid)) return anew;
  const owner = facts.homeOwner();
  const name = owner === "unknown" ? `uid ${there.uid}` : owner?.name;
  const path = plainPath(accountOf(facts).home);
  const own = atHome(facts, path, giveTree(there, facts.uid, path));
  return inWords(unlessSomebodys(name, adviceText(own), adviceText(anew)));
}

/** True if the account may keep or get what is at the path of its home. */
export const mayBeTheirs = (facts: LoginFacts, home: Stat): boolean =>
  mayBeGiven(home, facts.uid, () => facts.isRootsPlace(splitOf(facts).home));

/** Creates the home; what is in its place is kept under the name `aside`. */
export function newHome(facts: LoginFacts, aside: ByteString | undefined): Advice {
  const { home: path } = accountOf(facts);
  return atHome(facts, path, homeRemedy(plainPath(path), facts.uid, facts.gid, aside));
}
