import type { ByteString } from "../../../ffi/bytes.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { withTree } from "../../jail/fs/look.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { heldPlace, readOnlyProblem } from "../../jail/fs/writable.ts";
import { type Change, type Fault, type FaultText, faultText, isCreation, PROGRESS } from "../change.ts";
import { withFault } from "./takes.ts";
import type { UserComparison } from "./user-state.ts";

/** The files with the shells of users. */
export const USERS: readonly string[] = ["/etc/passwd", "/etc/shadow"];
/** The files with the members of groups. */
export const GROUPS: readonly string[] = ["/etc/group", "/etc/gshadow"];

/**
 * Why usermod(8) and the like cannot change the accounts of this machine, which are in a jail; undefined if they can. `files`: what
 * they would change.
 */
export const closedAccounts = (
  jail: ByteString,
  files: readonly string[] = [...USERS, ...GROUPS],
): FaultText | undefined => closedFiles(jail, files);

/** Why files of this machine cannot be replaced for a jail. */
export const closedFiles = (jail: ByteString, files: readonly ByteString[]): FaultText | undefined =>
  withTree((host) => closedIn(host, jail, files));

/** Why files below a root cannot be replaced for a jail. */
export function closedIn(
  root: JailRoot,
  jail: ByteString,
  files: readonly ByteString[],
): FaultText | undefined {
  const readOnly = readOnlyProblem(root, files.map(directoryOf), jail, PROGRESS);
  if (readOnly !== undefined) return readOnly;
  const held = heldPlace(root, [], files);
  return held && faultText(held);
}

const filesOf = (changes: readonly Change[]) =>
  changes.some(isCreation)
    ? undefined
    : [
        ...(changes.some(({ what }) => what === "account" || what === "comment") ? USERS : []),
        ...(changes.some(({ what }) => what === "groups") ? GROUPS : []),
      ];

const isOfAccounts = ({ what }: Change): boolean =>
  what === "account" || what === "comment" || what === "groups";

/** The same comparison, or without what changes the accounts, if nobody can: also nothing is taken away there. */
export function besideAccounts(
  compared: UserComparison,
  about: Pick<Fault, "of" | "name" | "jail">,
): UserComparison {
  const needs = compared.fault === undefined && compared.changes.some(isOfAccounts);
  const why = needs ? closedAccounts(about.jail, filesOf(compared.changes)) : undefined;
  if (why === undefined) return compared;
  const { changes, ...rest } = withFault(compared, { ...about, ...why });
  return { ...rest, changes: changes.filter((one) => !isOfAccounts(one)) };
}
