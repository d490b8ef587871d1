import type { ByteString } from "../../../ffi/bytes.ts";
import { isMissing } from "../../../ffi/files.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import { lookUp, withTree } from "../../jail/fs/look.ts";
import { exchangedAt, movedFault } from "../../jail/record/displaced.ts";
import { followLink, followRemedy } from "../../jail/record/named-jail.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { jailOfHome, joinHome, splitHome } from "../../system/separator.ts";
import { leaveWithoutLogin } from "../../users/leaving.ts";
import type { FaultText } from "../change.ts";
import type { DeclaredUser } from "../model.ts";
import { remadeFor } from "../remade.ts";
import { absentFault } from "./absent.ts";
import { type HomeDiffers, type HomeFacts, homeDiffers } from "./home-differs.ts";

/**
 * Why an account cannot be where it is declared: with the command that helps, or the home that it would have, if that can be
 * declared. `lost`: the jail that it is in, and why that is not there.
 */
type PlaceFault =
  | {
      readonly message: string;
      readonly remedy: Remedy | undefined;
      readonly code: "in-another-jail";
      readonly lost: { readonly jail: ByteString; readonly fault: FaultText } | undefined;
    }
  | HomeDiffers;

/**
 * Why an account cannot have the declared home in the declared jail, and the home that it would have; undefined if it can.
 */
export function placeFault(
  declared: Pick<DeclaredUser, "name" | "jail" | "home" | "directory">,
  account: PasswdEntry,
  facts: HomeFacts,
): PlaceFault | undefined {
  const { name, jail, directory } = declared;
  const split = directory ? undefined : splitHome(account.home);
  const there = directory ? undefined : jailOfHome(account.home);
  if (there === undefined || there === jail) return homeDiffers(declared, account, facts);
  const lost = remedyOfLost(there, jail);
  if (split !== undefined && lost === undefined && leadsInto(there, jail)) {
    const home = shellWord(joinHome(jail, normalPath(split.home)));
    const remedy: Remedy = `usermod -d ${home} ${operands(name)}`;
    const message = `has the home ${quoted(account.home)}, which leads into the jail through a symbolic link: logins are refused; name the jail itself in it, with: ${remedy}`;
    return { code: "in-another-jail", message, remedy, lost: undefined };
  }
  const remedy = leaveWithoutLogin(name);
  const message =
    lost === undefined
      ? `is in another jail, ${quoted(there)}: take it out first, without a login outside, with: ${remedy}`
      : `is in the jail ${quoted(there)}, ${lost.why}`;
  return {
    code: "in-another-jail",
    message,
    remedy: lost === undefined ? remedy : lost.remedy,
    lost: lost?.of,
  };
}

const realPaths = new Map<ByteString, ByteString | undefined>();

/** True if a path with symbolic links is that of a jail; each is followed once in a run. */
export const leadsInto = (path: ByteString, jail: ByteString): boolean =>
  realPaths.getOrInsertComputed(path, () =>
    answered(() => withTree((tree) => lookUp(tree, path, { follow: true })?.canonicalPath)),
  ) === jail;

/** Why nothing is done by the path of a jail where root has left a link to its new place. */
function linkFault(there: ByteString, jail: ByteString) {
  const remedy = followRemedy(there, jail);
  if (followLink(there, false) !== remedy) return undefined;
  return { code: "moved", message: `it was moved: ${remedy}`, remedy } as const;
}

/** The command that brings back a jail that is missing, or lets all follow it to where it is now. */
function findLost(there: ByteString, jail: ByteString) {
  const fault = isMissing(there) ? absentFault(there, [jail]) : linkFault(there, jail);
  if (fault === undefined) return findRemade(there, jail) ?? findExchanged(jail);
  const { remedy } = fault;
  const how = fault.code === "moved" ? "it was moved; let all follow it, with" : "mount it, with";
  const why = `which is not there any more: ${how}: ${remedy}`;
  const isHere = remedy === followRemedy(there, jail);
  return { why, remedy, of: isHere ? { jail, fault: movedFault(there, jail) } : { jail: there, fault } };
}

/** The same of a jail that was made anew, after it was moved. */
function findRemade(there: ByteString, jail: ByteString) {
  const found = remadeFor(there, jail);
  if (found === undefined) return undefined;
  const why = `and ${found.message}`;
  const message = `its users are in the jail ${quoted(there)}, ${why}`;
  const fault: FaultText = { code: "moved", ...found, message };
  return { why, remedy: found.remedy, of: { jail, fault } };
}

/** The same of a jail that is at the path of another one: nobody leaves for it. */
function findExchanged(jail: ByteString) {
  const fault = exchangedAt(jail);
  if (fault === undefined) return undefined;
  return {
    why: `and the declared one is not where it was: ${fault.message}`,
    remedy: fault.remedy,
    of: { jail, fault },
  };
}

const lostJails = new Map<string, ReturnType<typeof findLost>>();

/** The same, asked once in a run. */
const remedyOfLost = (there: ByteString, jail: ByteString) =>
  lostJails.getOrInsertComputed(`${there}\0${jail}`, () => findLost(there, jail));

/** Why nothing is done in a jail to which one was moved from another path; undefined if none was. */
export function movedHere(from: ByteString, to: ByteString): FaultText | undefined {
  const of = remedyOfLost(from, to)?.of;
  return of?.jail === to ? of.fault : undefined;
}
