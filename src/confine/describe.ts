import type { ByteString } from "../../ffi/bytes.ts";
import { featuresOf, missingOf } from "./features.ts";
import type { Confinement } from "./policy.ts";

const list = (items: readonly (ByteString | number)[], none: string): ByteString =>
  items.length === 0 ? none : items.join(", ");

/** What a confinement lets a session do, in a few phrases; what it does not limit is left out. */
export function confinementPhrases(confinement: Confinement): ByteString[] {
  const { noNewPrivs, execute, read, write, network, tcpConnect, tcpBind, syscalls, scope, limits } =
    confinement;
  const phrases: ByteString[] = [];
  const add = (given: boolean, phrase: ByteString) => {
    if (given) phrases.push(phrase);
  };
  if (execute !== "any") {
    const places = execute.onlyNamed ? execute.named : ["system", ...execute.named];
    phrases.push(`execute ${list(places, "nothing else")}`);
  }
  if (read !== "all") phrases.push(`read ${list(read, "nothing but the system")}`);
  if (write !== "all") phrases.push(`write ${list(write, "nothing")}`);
  add(network !== "all", `network ${network}`);
  if (tcpConnect !== "all") phrases.push(`connect to TCP ports ${list(tcpConnect, "none")}`);
  if (tcpBind !== "all") phrases.push(`bind TCP ports ${list(tcpBind, "none")}`);
  add(syscalls !== "any", `system calls ${syscalls}`);
  add(scope, "signals and abstract sockets within the session");
  add(limits.length > 0, `limits ${limits.map(({ name, value }) => `${name} ${value}`).join(", ")}`);
  add(noNewPrivs, "no new privileges");
  return phrases;
}

/** The same in one line. */
export const confinementText = (confinement: Confinement): ByteString =>
  confinementPhrases(confinement).join("; ") || "not confined";

/**
 * The same in one line, with what the kernel can do of it: `read /data; write nothing; 4 of 4 kernel features`. `landlock`:
 * the kernel's version of Landlock. `filters`: it has filters of system calls.
 */
export function describeConfinement(
  confinement: Confinement,
  landlock: number,
  filters: boolean,
): ByteString {
  const phrases = confinementPhrases(confinement);
  if (phrases.length === 0) return "not confined";
  const features = featuresOf(confinement);
  const works = features.length - missingOf(features, landlock, filters).length;
  if (features.length > 0) phrases.push(`${works} of ${features.length} kernel features`);
  return phrases.join("; ");
}
