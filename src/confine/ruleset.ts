import type { ByteString } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { withFd } from "../../ffi/files.ts";
import * as L from "../../ffi/landlock.ts";
import { addRules, applyFilters } from "../../ffi/landlock-names.ts";
import { fixedPaths, namesOf, READ, type Ruled, WRITE } from "./asked-rules.ts";
import { restrictProved } from "./in-force.ts";
import { addOtherRules, NOTHING, type WithoutRule } from "./other-rules.ts";

/** What the rules of a confinement handle on a kernel with this version of Landlock; nothing before version 2. */
export function handledBy(confinement: Ruled, version: number): L.Handled {
  const { execute, read, write, tcpConnect, tcpBind, scope } = confinement;
  if (version < L.WITH_FILES) return { files: 0, ports: 0, scopes: 0 };
  let files = 0;
  let ports = 0;
  if (execute !== "any") files |= L.EXECUTE;
  if (read !== "all") files |= READ;
  if (write !== "all") {
    files |= WRITE;
    if (version >= L.WITH_TRUNCATE) files |= L.TRUNCATE;
    if (version >= L.WITH_DEVICE_IOCTL) files |= L.IOCTL_DEV;
  }
  if (version >= L.WITH_PORTS) {
    if (tcpConnect !== "all") ports |= L.CONNECT_TCP;
    if (tcpBind !== "all") ports |= L.BIND_TCP;
  }
  const scopes = version >= L.WITH_SCOPES && scope ? L.SCOPE_ABSTRACT_SOCKET | L.SCOPE_SIGNAL : 0;
  // Any rules for files deny REFER unless they allow it. Nothing that a session does needs a device, and by the refusal
  // the process sees that the rules are in force.
  if ((files | ports | scopes) !== 0) files |= L.REFER | L.MAKE_BLOCK | L.MAKE_CHAR;
  return { files, ports, scopes };
}

/** Rules and filters as they were applied. */
export interface Applied {
  /** The kernel has at least this version of Landlock, which knows all that they handle; or it has this one. */
  version: number;
  withoutRule: WithoutRule;
  /** The filters are in force; false if the kernel has none. */
  filtered: boolean;
}

/**
 * Applies the rules of a confinement to this process and everything that it starts, as far as the kernel's version of
 * Landlock can, and proves that they are in force; and then filters, see applyFilters. `program`: a program that the settings
 * let the session execute, and that may be outside of what it reads. no_new_privs must be set. Throws SystemError.
 */
export function applyRules(confinement: Ruled, filters: number, program: ByteString | undefined): Applied {
  let version = L.NEWEST;
  let handled = handledBy(confinement, version);
  const onlyFilters = () => ({ version, withoutRule: NOTHING, filtered: applyFilters(filters) });
  if (handled.files === 0) return onlyFilters();
  const names = namesOf(confinement, program);
  const { execute } = confinement;
  // The guard does not know directories of the settings.
  const isAll = fixedPaths(confinement).length === 0 && (execute === "any" || execute.named.length === 0);
  let added = addRules(handled, names, isAll, filters);
  if (typeof added === "number") {
    // An older kernel. Which one is asked only then, since that takes time.
    version = L.landlockVersion();
    handled = handledBy(confinement, version);
    if (handled.files === 0) return onlyFilters();
    added = addRules(handled, names, isAll, filters);
  }
  if (typeof added === "boolean") return { version, withoutRule: NOTHING, filtered: added };
  if (typeof added === "number") throw new SystemError(added, "landlock_create_ruleset", undefined);
  const { errorOf } = added;
  const withoutRule = withFd(added.ruleset, (ruleset) => {
    const rest = { confinement, program, names, errorOf };
    const without = addOtherRules(ruleset, handled.files, rest);
    restrictProved(ruleset, handled);
    return without;
  });
  return { version, withoutRule, filtered: applyFilters(filters) };
}
