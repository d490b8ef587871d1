import type { ByteString } from "../../ffi/bytes.ts";
import { landlockVersion } from "../../ffi/landlock.ts";
import { hasFilters } from "../../ffi/seccomp.ts";
import { describeConfinement } from "./describe.ts";
import { featuresOf, missingOf, showMissing } from "./features.ts";
import type { Confinement } from "./policy.ts";

/** The version of Landlock, if a confinement uses it; else 0. Throws SystemError if it is unknown. */
function landlockFor(confinement: Confinement): number {
  return featuresOf(confinement).some(({ landlock }) => landlock !== undefined) ? landlockVersion() : 0;
}

/** What this kernel lacks for a confinement, a phrase each. Throws SystemError if that is unknown. */
export function lackingHere(confinement: Confinement): string[] {
  return missingOf(featuresOf(confinement), landlockFor(confinement), hasFilters()).map(showMissing);
}

/** describeConfinement for this kernel. Throws SystemError if its version of Landlock is unknown. */
export function describeHere(confinement: Confinement): ByteString {
  return describeConfinement(confinement, landlockFor(confinement), hasFilters());
}
