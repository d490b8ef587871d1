import type { ByteString } from "../../../ffi/bytes.ts";
import type { Advice } from "../../cli/remedy.ts";
import type { PasswdEntry } from "../accounts.ts";
import type { countingShadow } from "../shadow.ts";
import type { PamRule } from "./rules.ts";

/** A return value of a module, by its name in pam.conf(5). */
export type PamResult =
  | "success"
  | "ignore"
  | "perm_denied"
  | "auth_err"
  | "authinfo_unavail"
  | "acct_expired"
  | "authtok_expired"
  | "new_authtok_reqd"
  | "user_unknown"
  | "session_err"
  | "module_unknown";

/** The answer of a module for a user: its result or "unknown", with a message. */
export interface PamAnswer {
  result: PamResult | "unknown";
  message: ByteString;
  advice?: Advice;
  /** It refuses everybody (pam_deny): the reason is the refusal before it that was not decisive, if any. */
  deny?: boolean;
}

/** A possible end of a stack. */
interface PamOutcome {
  result: PamResult;
  /** The rule that decided, unless the result is success. */
  because: PamAnswer | undefined;
  /** The unknown answers for which a result was assumed. */
  assumed: readonly PamAnswer[];
}

interface State extends PamOutcome {
  /** As in libpam. */
  impression: "none" | "positive" | "negative";
  /** The last refusal that was not decisive. */
  passedOver: PamAnswer | undefined;
}

const WORDS: Readonly<Record<string, string>> = {
  required: "success=ok new_authtok_reqd=ok ignore=ignore default=bad",
  requisite: "success=ok new_authtok_reqd=ok ignore=ignore default=die",
  sufficient: "success=done new_authtok_reqd=done default=ignore",
  optional: "success=ok new_authtok_reqd=ok default=ignore",
};
// The number of paths grows exponentially with the rules that cannot be judged.
const MOST_WAYS = 4096;
const BEGIN: State = {
  impression: "none",
  result: "perm_denied",
  because: undefined,
  assumed: [],
  passedOver: undefined,
};

/** The action of a control of pam.conf(5) for a result, "bad" if it is not one; a number of rules to skip. */
function actionFor(control: ByteString, result: PamResult): string | number {
  const text = WORDS[control.toLowerCase()] ?? control.replace(/^\[|\]$/g, "");
  const pairs = text.toLowerCase().matchAll(/(?<![^\t-\r ])([^\t-\r =]*)=([^\t-\r =]*)/g);
  const table = new Map([...pairs].map(([, name = "", action = ""]) => [name, action]));
  const action = table.get(result) ?? table.get("default") ?? "bad";
  if (/^\d+$/.test(action)) return Number(action);
  return /^(?:ok|done|die|ignore|reset)$/.test(action) ? action : "bad";
}

/** The state after one rule returned one result, as _pam_dispatch_aux of libpam computes it. */
function after(state: State, result: PamResult, answer: PamAnswer, action: string | number): State {
  if (action === "ignore") {
    const lets = result === "success" || result === "ignore" || answer.message === "";
    return lets ? state : { ...state, passedOver: answer };
  }
  if (action === "reset") return { ...BEGIN, assumed: state.assumed };
  if (action === "bad" || action === "die") {
    if (state.impression === "negative") return state;
    const bad = result === "ignore" || result === "success" ? "perm_denied" : result;
    const because = answer.deny ? (state.passedOver ?? answer) : answer;
    return { ...state, impression: "negative", result: bad, because };
  }
  const isGood =
    state.impression === "none" || (state.impression === "positive" && state.result === "success");
  if (!isGood || result === "ignore") return state;
  if (typeof action === "number" && result !== "success") return state;
  return { ...state, impression: "positive", result, because: result === "success" ? undefined : answer };
}

/** Every possible end of a stack, from a state on. */
function* ways(
  rules: readonly PamRule[],
  judge: (rule: PamRule) => PamAnswer | undefined,
  state: State,
  at = 0,
): Generator<State> {
  const rule = rules[at];
  if (rule === undefined) return yield state;
  const goOn = (next: State, skipped = 0) => ways(rules, judge, next, at + 1 + skipped);
  if (rule.substack !== undefined) {
    for (const inner of ways(rule.substack, judge, state)) yield* goOn(inner);
    return;
  }
  const answer = judge(rule);
  if (answer === undefined) return yield* goOn(state);
  const { result: given } = answer;
  const possible: readonly PamResult[] = given === "unknown" ? ["success", "perm_denied"] : [given];
  for (const result of possible) {
    const action = actionFor(rule.control, result);
    const assumed = given === "unknown" ? [...state.assumed, answer] : state.assumed;
    const next = after({ ...state, assumed }, result, answer, action);
    const ends = action === "die" || (action === "done" && next.impression === "positive");
    if (ends) yield next;
    else yield* goOn(next, typeof action === "number" ? action : 0);
  }
}

/** The possible ends of a stack of rules. `judge` returns the answer of a rule's module; undefined if not known. Pure. */
export function runStack(
  rules: readonly PamRule[],
  judge: (rule: PamRule) => PamAnswer | undefined,
): PamOutcome[] {
  const answers = new Map<PamRule, PamAnswer | undefined>();
  const once = (rule: PamRule) => {
    if (!answers.has(rule)) answers.set(rule, judge(rule));
    return answers.get(rule);
  };
  return ways(rules, once, BEGIN)
    .take(MOST_WAYS)
    .map(({ impression, result, because, passedOver, assumed }): PamOutcome => {
      const isNone = impression === "none";
      return { result: isNone ? "perm_denied" : result, because: isNone ? passedOver : because, assumed };
    })
    .toArray();
}

/** The result of a stack: it allows, refuses, asks for a new password, or is unknown. */
export type PamVerdict =
  | { kind: "passed" }
  | { kind: "failed"; result: PamResult; because: PamAnswer | undefined }
  | { kind: "unknown"; answers: PamAnswer[] };

/** Combines the possible ends of a stack. Pure. */
export function judgeStack(outcomes: readonly PamOutcome[]): PamVerdict {
  const [first] = outcomes;
  const isComplete = outcomes.length < MOST_WAYS;
  if (isComplete && outcomes.every(({ result }) => result === "success")) return { kind: "passed" };
  const refused = isComplete && outcomes.every(({ result }) => result !== "success");
  // If several refuse, prefer one that does not depend on an assumption.
  const certain = outcomes.find(({ because }) => because !== undefined && because.result !== "unknown");
  if (refused && first !== undefined) {
    const { result, because } = certain ?? first;
    return { kind: "failed", result, because };
  }
  return { kind: "unknown", answers: [...new Set(outcomes.flatMap(({ assumed }) => assumed))] };
}

/** A user who logs in, with the facts for PAM modules. */
export interface PamSubject extends Pick<PasswdEntry, "name" | "uid" | "gid" | "home" | "shell"> {
  groups: readonly ByteString[];
  service: ByteString;
  /** The address that the login comes from, if given. */
  from: ByteString | undefined;
  /** As countingShadow. */
  shadow: ReturnType<typeof countingShadow>;
  /** It is in /etc/passwd, where passwd(1) and chage(1) change it. */
  isLocal: boolean;
  /** In days since 1970. */
  day: number;
  /** The text of a file of the host; undefined where there is none. Throws SystemError. */
  read: (path: ByteString) => ByteString | undefined;
  /** Names in a directory of the host, in the order of their bytes. */
  list: (path: ByteString) => readonly ByteString[];
  installed: (module: ByteString) => boolean;
}
