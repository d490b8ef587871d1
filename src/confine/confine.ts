import type { ByteString } from "../../ffi/bytes.ts";
import { NEWEST } from "../../ffi/landlock.ts";
import { setNoNewPrivileges } from "../../ffi/process.ts";
import { applyFilters, refuseTerminalInput, type SessionFilter } from "./calls.ts";
import { type Feature, featuresOf, missingOf } from "./features.ts";
import { NOTHING, type WithoutRule } from "./other-rules.ts";
import type { Confinement } from "./policy.ts";
import { applyRules } from "./ruleset.ts";

/** The filters of a confinement besides that on terminals, which belongs to no_new_privs: in the order of their names in
 * one program. */
export function filtersOf(confinement: Omit<Confinement, "limits">): SessionFilter[] {
  const { execute, network, tcpConnect, tcpBind, syscalls } = confinement;
  const names: SessionFilter[] = [];
  if (syscalls === "login") names.push("login");
  if (network === "local") names.push("network-local");
  if (network === "none") names.push("network-none");
  if (tcpConnect !== "all" || tcpBind !== "all") names.push("tcp");
  if (tcpBind !== "all" && tcpBind.length === 0) names.push("tcp-listen");
  if (execute !== "any") names.push("execute");
  return names;
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
  const { version, withoutRule } = applyRules(confinement, program);
  let filters = applyFilters(filtersOf(confinement));
  // Nothing to do after the filter for syscalls = login.
  filters &&= refuseTerminalInput();
  const isAll = version >= NEWEST && filters;
  return { missing: isAll ? [] : missingOf(featuresOf(confinement), version, filters), withoutRule };
}
