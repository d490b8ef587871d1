import type { ByteString } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { withFd } from "../../ffi/files.ts";
import * as L from "../../ffi/landlock.ts";
import { addRules } from "../../ffi/landlock-names.ts";
import { fixedPaths, namesOf, READ, type Ruled, WRITE } from "./asked-rules.ts";
import { restrictProved } from "./in-force.ts";
import { addOtherRules, NOTHING, type WithoutRule } from "./other-rules.ts";

/** What the rules of a confinement handle on a kernel with this version of Landlock; nothing before version 2. */
export function handledBy(confinement: Ruled, version: number): L.Handled {
  const { execute, read, write, tcpConnect, tcpBind, scope } = confinement;
  const handled: L.Handled = { files: 0, ports: 0, scopes: 0 };
  if (version < L.WITH_FILES) return handled;
  if (execute !== "any") handled.files |= L.EXECUTE;
  if (read !== "all") handled.files |= READ;
  if (write !== "all") {
    handled.files |= WRITE;
    if (version >= L.WITH_TRUNCATE) handled.files |= L.TRUNCATE;
    if (version >= L.WITH_DEVICE_IOCTL) handled.files |= L.IOCTL_DEV;
  }
  if (version >= L.WITH_PORTS) {
    if (tcpConnect !== "all") handled.ports |= L.CONNECT_TCP;
    if (tcpBind !== "all") handled.ports |= L.BIND_TCP;
  }
  if (version >= L.WITH_SCOPES && scope) handled.scopes = L.SCOPE_ABSTRACT_SOCKET | L.SCOPE_SIGNAL;
  // Any rules for files deny REFER unless they allow it. Nothing that a session does needs a device, and by the refusal
  // the process sees that the rules are in force.
  const any = handled.files | handled.ports | handled.scopes;
  if (any !== 0) handled.files |= L.REFER | L.MAKE_BLOCK | L.MAKE_CHAR;
  return handled;
}

/** Rules as they were applied. */
export interface Applied {
  /** The kernel has at least this version of Landlock, which knows all that they handle; or it has this one. */
  version: number;
  withoutRule: WithoutRule;
}

/**
 * Applies the rules of a confinement to this process and everything that it starts, as far as the kernel's version of
 * Landlock can, and proves that they are in force. `program`: a program that the settings let the session execute, and that
 * may be outside of what it reads. no_new_privs must be set. Throws SystemError.
 */
export function applyRules(confinement: Ruled, program?: ByteString): Applied {
  let version = L.NEWEST;
  let handled = handledBy(confinement, version);
  if (handled.files === 0) return { version, withoutRule: NOTHING };
  const names = namesOf(confinement, program);
  const { execute } = confinement;
  // The guard does not know directories of the settings.
  const isAll = fixedPaths(confinement).length === 0 && (execute === "any" || execute.named.length === 0);
  let added = addRules(handled, names, isAll);
  if (typeof added === "number") {
    // An older kernel. Which one is asked only then, since that takes time.
    version = L.landlockVersion();
    handled = handledBy(confinement, version);
    if (handled.files === 0) return { version, withoutRule: NOTHING };
    added = addRules(handled, names, isAll);
  }
  if (added === undefined) return { version, withoutRule: NOTHING };
  if (typeof added === "number") throw new SystemError(added, "landlock_create_ruleset", undefined);
  const { errorOf } = added;
  return withFd(added.ruleset, (ruleset) => {
    const rest = { confinement, program, names, errorOf };
    const withoutRule = addOtherRules(ruleset, handled.files, rest);
    restrictProved(ruleset, handled);
    return { version, withoutRule };
  });
}
