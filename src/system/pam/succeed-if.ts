import type { ByteString } from "../../../ffi/bytes.ts";
import type { PamAnswer, PamSubject } from "./stack.ts";

const FLAGS = new Set(["quiet", "quiet_success", "quiet_fail", "debug", "audit", "use_uid"]);
const WORDS: Readonly<Record<string, string>> = { eq: "=", ne: "!=", lt: "<", le: "<=", gt: ">", ge: ">=" };

type Subject = Pick<PamSubject, "name" | "uid" | "shell" | "groups"> & Partial<PamSubject>;

/** Evaluates a condition of pam_succeed_if(8); undefined if it cannot be decided here. */
function holds(
  { name, uid, gid, shell, home, service, groups, from }: Subject,
  [field = "", given = "", value = ""]: readonly ByteString[],
): boolean | undefined {
  const operator = WORDS[given] ?? given;
  const texts: Readonly<Record<string, ByteString | undefined>> = {
    ...{ user: name, uid: String(uid), gid: gid?.toString(), shell, home, service, rhost: from },
  };
  const is = texts[field];
  if (is === undefined) return undefined;
  switch (operator) {
    case "=":
      return /^\d+$/.test(is) && /^\d+$/.test(value) ? Number(is) === Number(value) : is === value;
    case "!=":
      return is !== value;
    case "<":
      return Number(is) < Number(value);
    case "<=":
      return Number(is) <= Number(value);
    case ">":
      return Number(is) > Number(value);
    case ">=":
      return Number(is) >= Number(value);
    case "in":
      return value.split(":").includes(is);
    case "notin":
      return !value.split(":").includes(is);
    case "ingroup":
      return field === "user" ? value.split(":").some((group) => groups.includes(group)) : undefined;
    case "notingroup":
      return field === "user" ? !value.split(":").some((group) => groups.includes(group)) : undefined;
    default:
      return undefined;
  }
}

/** The answer of pam_succeed_if(8) for a user. With use_uid it checks the caller, which is root during a login. Pure. */
export function judgeSucceedIf(subject: Subject, words: readonly ByteString[]): PamAnswer {
  const conditions = words.filter((word) => !FLAGS.has(word));
  const text = conditions.join(" ");
  const unknown: PamAnswer = { result: "unknown", message: `pam_succeed_if has conditions: ${text}` };
  if (words.includes("use_uid") || conditions.length === 0) return unknown;
  let certain = true;
  for (let at = 0; at < conditions.length; at += 3) {
    const one = holds(subject, conditions.slice(at, at + 3));
    if (one === false)
      return {
        result: "auth_err",
        message: `a condition of pam_succeed_if does not hold: ${conditions.slice(at, at + 3).join(" ")}`,
        remedy: "make it hold, or change the condition",
      };
    if (one === undefined) certain = false;
  }
  return certain ? { result: "success", message: "" } : unknown;
}
