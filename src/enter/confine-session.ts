import type { ByteString } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { describeError } from "../cli/error.ts";
import { inWords } from "../cli/remedy.ts";
import type { Limit } from "../config/confine-values.ts";
import { confine } from "../confine/confine.ts";
import { type Feature, featuresOf, showMissing } from "../confine/features.ts";
import { looseFile } from "../confine/handed-files.ts";
import type { Confinement } from "../confine/policy.ts";
import type { Syslog } from "../system/syslog.ts";
import { Refusal } from "./refusal.ts";

/** The exit status of a session that cannot be confined. */
export const NOT_CONFINED = 106;

const stop = (reason: ByteString, words: ByteString) =>
  new Refusal(
    "confinement",
    NOT_CONFINED,
    `abort, the session cannot be confined: ${reason}`,
    "the session cannot be confined",
    inWords(words),
  );

/** The keys that need the call that failed, for a list. */
function keysFor(confinement: Confinement, { call }: SystemError): string {
  if (call === "prctl(PR_SET_NO_NEW_PRIVS)") return "no_new_privs, or a key that needs it";
  const byFilter = call === "prctl(PR_SET_SECCOMP)";
  let keys = "";
  for (const { name, landlock } of featuresOf(confinement)) {
    const key = name.split(" ")[0] ?? name;
    const counts = (landlock === undefined) === byFilter && !keys.includes(key);
    if (counts) keys += `${keys === "" ? "" : ", "}${key}`;
  }
  return keys;
}

/** What is known about a session that is being confined. */
interface Session {
  log: Pick<Syslog, "write">;
  /** A program that the settings let it execute, and that may be outside of what it reads. */
  program?: ByteString;
  /** What the log says already that the kernel lacks. */
  told?: readonly Feature[];
}

/**
 * Confines this process for good; see confine. It must have no privilege, and be in its jail. What the kernel cannot do
 * is logged, in one line, and returned. Throws Refusal (106) if a step fails, or if the kernel cannot do all and the
 * settings require that. Its advice names the keys, and not where they are.
 */
export function confineSession(
  confinement: Confinement,
  { log, program, told = [] }: Session,
): readonly Feature[] {
  const loose = confinement.execute === "any" ? undefined : looseFile();
  if (loose !== undefined)
    throw stop(`${loose}, which it could execute`, "pass a pipe instead, or change execute");
  let confined: ReturnType<typeof confine>;
  try {
    confined = confine(confinement, program);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    throw stop(describeError(error), `change ${keysFor(confinement, error)}`);
  }
  const { missing, withoutRule } = confined;
  if (missing.length > 0) {
    let list = "";
    for (const one of missing) list += `${list === "" ? "" : ", "}${showMissing(one)}`;
    if (confinement.require) {
      const reason = `the kernel cannot do all that confine = require asks for: ${list}`;
      throw stop(reason, "change confine to 1");
    }
    if (!areTold(missing, told))
      log.write("notice", `the kernel does not confine this session in all that is asked: ${list}`);
  }
  const tell = (what: string, list: typeof withoutRule.execute) => {
    if (list.length === 0) return;
    let text = what;
    for (const { path, why } of list) text += `${text === what ? " " : ", "}${path} (${why})`;
    log.write("notice", text);
  };
  tell("this session may execute nothing in", withoutRule.execute);
  tell("this session may not use what the settings name:", withoutRule.named);
  return missing;
}

/** The refusal if execve of ffi/guard.ts could not set the limits of a session; undefined for another error. */
export function limitRefusal({ call, reason }: SystemError): Refusal | undefined {
  return call === "prlimit" ? stop(`setrlimit: ${reason}`, "change limits") : undefined;
}

function areTold(missing: readonly Feature[], told: readonly Feature[]): boolean {
  const names = new Set<string>();
  for (const { name } of told) names.add(name);
  for (const { name } of missing) if (!names.has(name)) return false;
  return true;
}

/** The limits of two sections that both hold: for each resource the lower one. */
export function bothLimits(one: Confinement["limits"], other: Confinement["limits"]): Confinement["limits"] {
  const lowest = new Map<number, Limit>();
  for (const limits of [one, other]) {
    for (const limit of limits) {
      const before = lowest.get(limit.resource);
      if (before === undefined || limit.value < before.value) lowest.set(limit.resource, limit);
    }
  }
  return [...lowest.values()];
}
