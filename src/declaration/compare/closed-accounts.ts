import type { ByteString } from "../../../ffi/bytes.ts";
import { withTree } from "../../jail/fs/look.ts";
import { readOnlyProblem } from "../../jail/fs/writable.ts";
import { type Change, type Fault, type FaultText, PROGRESS } from "../change.ts";
import { withFault } from "./takes.ts";
import type { UserComparison } from "./user-state.ts";

/** Why usermod(8) and the like cannot change the accounts of this machine, which are in a jail; undefined if they can. */
export const closedAccounts = (jail: ByteString): FaultText | undefined =>
  withTree((host) => readOnlyProblem(host, ["/etc"], jail, PROGRESS));

const isOfAccounts = ({ what }: Change): boolean =>
  what === "account" || what === "comment" || what === "groups";

/** The same comparison, or without what changes the accounts, if nobody can: also nothing is taken away there. */
export function besideAccounts(
  compared: UserComparison,
  about: Pick<Fault, "of" | "name" | "jail">,
): UserComparison {
  const needs = compared.fault === undefined && compared.changes.some(isOfAccounts);
  const why = needs ? closedAccounts(about.jail) : undefined;
  if (why === undefined) return compared;
  const { changes, ...rest } = withFault(compared, { ...about, ...why });
  return { ...rest, changes: changes.filter((one) => !isOfAccounts(one)) };
}
