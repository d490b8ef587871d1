import type { ByteString } from "../../ffi/bytes.ts";
import type { Limit } from "../config/confine-values.ts";
import type { ConfineValues } from "../config/schemas/confine.ts";
import { inHome } from "../known-programs/allow/places.ts";
import type { ExecuteLimits } from "./execute.ts";

/** What the kernel lets a session do. */
export interface Confinement {
  /** A kernel that cannot do all of this is a reason to refuse the session. */
  require: boolean;
  noNewPrivs: boolean;
  execute: ExecuteLimits | "any";
  /** Absolute paths. The system's and those of `write` are readable, too. */
  read: readonly ByteString[] | "all";
  write: readonly ByteString[] | "all";
  network: "all" | "local" | "none";
  tcpConnect: readonly number[] | "all";
  tcpBind: readonly number[] | "all";
  syscalls: "any" | "login";
  scope: boolean;
  limits: readonly Limit[];
}

/**
 * Whether `confine` of a section is on. `byDefault`: of a section without it. no_new_privs = 0 does not turn it off: that
 * would let a user execute what he has uploaded, and the key says nothing of it.
 */
export function isOn({ confine }: ConfineValues, byDefault: boolean): boolean {
  return confine === undefined ? byDefault : confine !== "off";
}

/**
 * What a section lets a session execute: as its key says, else as the system does if `confine` is on. `executables` may be
 * executed besides.
 */
export function executeOf(
  values: ConfineValues,
  byDefault: boolean,
  executables: readonly ByteString[],
  home: ByteString,
): ExecuteLimits | "any" {
  const named = values.execute ?? (isOn(values, byDefault) ? [] : "any");
  return named === "any" ? "any" : { named, executables, home };
}

/**
 * The confinement that a section asks for. `byDefault`: `confine` is on without a word of the section. `execute`: see
 * executeOf. Without a known home, a path that begins with `~` leads nowhere.
 */
export function confinementOf(
  values: ConfineValues,
  byDefault: boolean,
  execute: ExecuteLimits | "any",
  home: ByteString,
): Confinement {
  const on = isOn(values, byDefault);
  const read = inHome(values.read ?? "all", home);
  const write = inHome(values.write ?? "all", home);
  const network = values.network ?? "all";
  const tcpConnect = values.tcpConnect ?? "all";
  const tcpBind = values.tcpBind ?? "all";
  const syscalls = values.syscalls ?? (on ? "login" : "any");
  const scope = values.scope ?? on;
  const confinement = { execute, read, write, network, tcpConnect, tcpBind, syscalls, scope };
  return {
    ...confinement,
    require: values.confine === "require",
    noNewPrivs: (values.noNewPrivs ?? on) || needsNoNewPrivs(confinement),
    limits: values.limits ?? [],
  };
}

/** Whether a user's process can set this only after no_new_privs. */
function needsNoNewPrivs(wanted: Omit<Confinement, "require" | "noNewPrivs" | "limits">): boolean {
  const { execute, read, write, network, tcpConnect, tcpBind, syscalls, scope } = wanted;
  return (
    execute !== "any" ||
    read !== "all" ||
    write !== "all" ||
    network !== "all" ||
    tcpConnect !== "all" ||
    tcpBind !== "all" ||
    syscalls !== "any" ||
    scope
  );
}
