import { WITH_DEVICE_IOCTL, WITH_FILES, WITH_PORTS, WITH_SCOPES, WITH_TRUNCATE } from "../../ffi/landlock.ts";
import type { Confinement } from "./policy.ts";

/** A part of a confinement, and what the kernel must have for it. */
export interface Feature {
  /** The key, with the part of it that needs more than the rest. */
  name: string;
  /** The version of Landlock; undefined for a filter of system calls. */
  landlock: number | undefined;
}

/** The first Linux with a version of Landlock. */
const LINUX: Readonly<Record<number, string>> = { 2: "5.19", 3: "6.2", 4: "6.7", 5: "6.10", 6: "6.12" };

/** What a confinement asks of the kernel, without no_new_privs and limits, which every kernel has. */
export function featuresOf(confinement: Omit<Confinement, "limits">): Feature[] {
  const { noNewPrivs, execute, read, write, network, tcpConnect, tcpBind, syscalls, scope } = confinement;
  const features: Feature[] = [];
  const ask = (name: string, landlock?: number) => features.push({ name, landlock });
  if (execute !== "any") {
    ask("execute", WITH_FILES);
    ask("execute (programs in memory)");
  }
  if (read !== "all") ask("read", WITH_FILES);
  if (write !== "all") {
    ask("write", WITH_FILES);
    ask("write (truncate)", WITH_TRUNCATE);
    ask("write (ioctl of devices)", WITH_DEVICE_IOCTL);
  }
  if (tcpConnect !== "all") {
    ask("tcp_connect", WITH_PORTS);
    ask("tcp_connect (other protocols)");
  }
  if (tcpBind !== "all") {
    ask("tcp_bind", WITH_PORTS);
    ask("tcp_bind (other protocols)");
  }
  if (scope) ask("scope", WITH_SCOPES);
  if (network !== "all") ask("network");
  if (syscalls !== "any") ask("syscalls");
  if (noNewPrivs) ask("no_new_privs (input of terminals)");
  return features;
}

/** Those that a kernel lacks. `landlock`: its version of Landlock. `filters`: it has filters of system calls. */
export function missingOf(features: readonly Feature[], landlock: number, filters: boolean): Feature[] {
  const missing: Feature[] = [];
  for (const one of features) {
    if (one.landlock === undefined ? !filters : one.landlock > landlock) missing.push(one);
  }
  return missing;
}

/** A feature that is missing, for a list: `scope needs Landlock of Linux 6.12`. */
export function showMissing({ name, landlock }: Feature): string {
  const needed = landlock === undefined ? "filters of system calls" : `Landlock of Linux ${LINUX[landlock]}`;
  return `${name} needs ${needed}`;
}
