import type { ByteString } from "../../../ffi/bytes.ts";
import { inWords } from "../../cli/remedy.ts";
import type { PamAnswer, PamSubject } from "./stack.ts";

const FLAGS = ["quiet", "quiet_success", "quiet_fail", "debug", "audit", "use_uid"];
const WORDS: Readonly<Record<string, string>> = { eq: "=", ne: "!=", lt: "<", le: "<=", gt: ">", ge: ">=" };

type Subject = Pick<PamSubject, "name" | "uid" | "shell" | "groups"> & Partial<PamSubject>;

/** Evaluates a condition of pam_succeed_if(8); undefined if it cannot be decided here. */
function holds(
  { name, uid, gid, shell, home, service, groups, from }: Subject,
  [field = "", given = "", value = ""]: readonly ByteString[],
): boolean | undefined {
  const texts: Readonly<Record<string, ByteString | undefined>> = {
    ...{ user: name, uid: String(uid), gid: gid?.toString(), shell, home, service, rhost: from },
  };
  const is = texts[field];
  if (is === undefined) return undefined;
  const list = value.split(":");
  const isMember = list.some((group) => groups.includes(group));
  const areNumbers = /^\d+$/.test(is) && /^\d+$/.test(value);
  const answers = {
    "=": areNumbers ? Number(is) === Number(value) : is === value,
    "!=": is !== value,
    "<": Number(is) < Number(value),
    "<=": Number(is) <= Number(value),
    ">": Number(is) > Number(value),
    ">=": Number(is) >= Number(value),
    in: list.includes(is),
    notin: !list.includes(is),
    ...(field === "user" ? { ingroup: isMember, notingroup: !isMember } : {}),
  };
  return new Map(Object.entries(answers)).get(WORDS[given] ?? given);
}

/** The answer of pam_succeed_if(8) for a user. With use_uid it checks the caller, which is root during a login. Pure. */
export function judgeSucceedIf(subject: Subject, words: readonly ByteString[]): PamAnswer {
  const conditions = words.filter((word) => !FLAGS.includes(word));
  const text = conditions.join(" ");
  const unknown: PamAnswer = { result: "unknown", message: `pam_succeed_if has conditions: ${text}` };
  if (words.includes("use_uid") || conditions.length === 0) return unknown;
  let certain = true;
  for (let at = 0; at < conditions.length; at += 3) {
    const condition = conditions.slice(at, at + 3);
    const one = holds(subject, condition);
    if (one === false) {
      const message = `a condition of pam_succeed_if does not hold: ${condition.join(" ")}`;
      return { result: "auth_err", message, advice: inWords("make it hold, or change the condition") };
    }
    certain &&= one !== undefined;
  }
  return certain ? { result: "success", message: "" } : unknown;
}
