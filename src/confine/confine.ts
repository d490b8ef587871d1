import type { ByteString } from "../../ffi/bytes.ts";
import { NEWEST } from "../../ffi/landlock.ts";
import { setNoNewPrivileges } from "../../ffi/process.ts";
import { SESSION_FILTERS } from "../../ffi/seccomp.ts";
import { refuseTerminalInput } from "./calls.ts";
import { type Feature, featuresOf, missingOf } from "./features.ts";
import { NOTHING, type WithoutRule } from "./other-rules.ts";
import type { Confinement } from "./policy.ts";
import { applyRules } from "./ruleset.ts";

/** The filters of a confinement, as bits, besides that on terminals, which belongs to no_new_privs. */
export function filtersOf(confinement: Omit<Confinement, "limits">): number {
  const { execute, network, tcpConnect, tcpBind, syscalls } = confinement;
  let filters = 0;
  if (syscalls === "login") filters |= SESSION_FILTERS.login;
  if (network === "local") filters |= SESSION_FILTERS["network-local"];
  if (network === "none") filters |= SESSION_FILTERS["network-none"];
  if (tcpConnect !== "all" || tcpBind !== "all") filters |= SESSION_FILTERS.tcp;
  if (tcpBind !== "all" && tcpBind.length === 0) filters |= SESSION_FILTERS["tcp-listen"];
  if (execute !== "any") filters |= SESSION_FILTERS.execute;
  return filters;
}

/** A confinement as it was applied. */
export interface Confined {
  /** What the kernel cannot do. */
  missing: readonly Feature[];
  withoutRule: WithoutRule;
}

/**
 * Confines this process, and everything that it starts, for good: no_new_privs, then Landlock, then filters of system
 * calls. What the kernel does not know is returned; any other failure throws SystemError, and nothing may be executed
 * then. The limits are set by execve of ffi/guard.ts. `program`: see applyRules. Needs no privilege.
 */
export function confine(confinement: Omit<Confinement, "limits">, program?: ByteString): Confined {
  if (!confinement.noNewPrivs) return { missing: [], withoutRule: NOTHING };
  setNoNewPrivileges();
  const { version, withoutRule, filtered } = applyRules(confinement, filtersOf(confinement), program);
  // The filter of syscalls = login does that, too.
  const isFiltered = filtered && (confinement.syscalls === "login" || refuseTerminalInput());
  const isAll = version >= NEWEST && isFiltered;
  return { missing: isAll ? [] : missingOf(featuresOf(confinement), version, isFiltered), withoutRule };
}
