import type { ByteString } from "../../../ffi/bytes.ts";
import type { ShadowEntry } from "../shadow.ts";
import type { PamRule } from "./rules.ts";

/** What a module returns, as pam.conf(5) names it. */
export type PamResult =
  | "success"
  | "ignore"
  | "perm_denied"
  | "auth_err"
  | "acct_expired"
  | "authtok_expired"
  | "new_authtok_reqd"
  | "user_unknown"
  | "session_err"
  | "module_unknown";

/** What a module says of somebody: its result, or why that cannot be told, and what is to be said of it. */
export interface PamAnswer {
  result: PamResult | "unknown";
  message: ByteString;
  remedy?: ByteString;
  /** It refuses whoever comes to it: what kept others from going around it is the reason. */
  deny?: boolean;
}

/** One way that a stack may go. */
interface PamOutcome {
  result: PamResult;
  /** The rule that decided where the result is no success. */
  because: PamAnswer | undefined;
  /** The answers that nobody knows, of which something was assumed on this way. */
  assumed: readonly PamAnswer[];
}

interface State {
  /** As libpam has it: nothing yet, so far good, or bad for good. */
  impression: "none" | "positive" | "negative";
  result: PamResult;
  because: PamAnswer | undefined;
  assumed: readonly PamAnswer[];
  /** The last that did not let in, without being decisive. */
  passedOver: PamAnswer | undefined;
}

type Action = "ok" | "done" | "bad" | "die" | "ignore" | "reset" | number;

const WORDS: Readonly<Record<string, string>> = {
  required: "success=ok new_authtok_reqd=ok ignore=ignore default=bad",
  requisite: "success=ok new_authtok_reqd=ok ignore=ignore default=die",
  sufficient: "success=done new_authtok_reqd=done default=ignore",
  optional: "success=ok new_authtok_reqd=ok default=ignore",
};
// A stack of more lines that cannot be judged than this has ways without number.
const MOST_WAYS = 4096;
const BEGIN: State = {
  impression: "none",
  result: "perm_denied",
  because: undefined,
  assumed: [],
  passedOver: undefined,
};

/** What a control of pam.conf(5) does for a result. What it does not name is "ignore" for a bracket without default. */
function actionFor(control: ByteString, result: PamResult): Action {
  const text = WORDS[control.toLowerCase()] ?? control.replace(/^\[|\]$/g, "");
  const table = new Map(
    text.split(/\s+/).flatMap((pair): [string, string][] => {
      const [name, action] = pair.split("=");
      return name === undefined || action === undefined ? [] : [[name.toLowerCase(), action.toLowerCase()]];
    }),
  );
  const action = table.get(result) ?? table.get("default") ?? "bad";
  if (/^\d+$/.test(action)) return Number(action);
  return action === "ok" || action === "done" || action === "die" || action === "ignore" || action === "reset"
    ? action
    : "bad";
}

const good = (state: State) =>
  state.impression === "none" || (state.impression === "positive" && state.result === "success");

/** One state after one rule has given one result, as _pam_dispatch_aux of libpam does it. */
function after(state: State, result: PamResult, answer: PamAnswer, action: Action): State {
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
  if (!good(state) || result === "ignore") return state;
  if (typeof action === "number" && result !== "success") return state;
  return { ...state, impression: "positive", result, because: result === "success" ? undefined : answer };
}

/** Every way that a stack may go, from a state on. */
function* ways(
  rules: readonly PamRule[],
  judge: (rule: PamRule) => PamAnswer | undefined,
  state: State,
  at = 0,
): Generator<State> {
  const rule = rules[at];
  if (rule === undefined) {
    yield state;
    return;
  }
  const goOn = (next: State, skipped = 0) => ways(rules, judge, next, at + 1 + skipped);
  if (rule.substack !== undefined) {
    for (const inner of ways(rule.substack, judge, state)) yield* goOn(inner);
    return;
  }
  const answer = judge(rule);
  if (answer === undefined) {
    yield* goOn(state);
    return;
  }
  const possible: readonly PamResult[] =
    answer.result === "unknown" ? ["success", "perm_denied"] : [answer.result];
  for (const result of possible) {
    const action = actionFor(rule.control, result);
    const assumed = answer.result === "unknown" ? [...state.assumed, answer] : state.assumed;
    const next = after({ ...state, assumed }, result, answer, action);
    const ends = action === "die" || (action === "done" && next.impression === "positive");
    if (ends) yield next;
    else yield* goOn(next, typeof action === "number" ? action : 0);
  }
}

/** How a stack of rules may end for somebody, of whom `judge` tells what each rule's module says (undefined: nothing). Pure. */
export function runStack(
  rules: readonly PamRule[],
  judge: (rule: PamRule) => PamAnswer | undefined,
): PamOutcome[] {
  const answers = new Map<PamRule, PamAnswer | undefined>();
  const once = (rule: PamRule) => {
    if (!answers.has(rule)) answers.set(rule, judge(rule));
    return answers.get(rule);
  };
  const found: PamOutcome[] = [];
  for (const { impression, result, because, passedOver, assumed } of ways(rules, once, BEGIN)) {
    const none = impression === "none";
    found.push({ result: none ? "perm_denied" : result, because: none ? passedOver : because, assumed });
    if (found.length >= MOST_WAYS) break;
  }
  return found;
}

/** What the ways of a stack come to: it lets in, refuses, asks for a new password, or that cannot be told. */
export type PamVerdict =
  | { kind: "passed" }
  | { kind: "failed"; result: PamResult; because: PamAnswer | undefined }
  | { kind: "unknown"; answers: PamAnswer[] };

/** Draws the sum of the ways that a stack may go. Pure. */
export function judgeStack(outcomes: readonly PamOutcome[]): PamVerdict {
  const [first] = outcomes;
  if (outcomes.every(({ result }) => result === "success") && outcomes.length < MOST_WAYS)
    return { kind: "passed" };
  const refused = outcomes.every(({ result }) => result !== "success") && outcomes.length < MOST_WAYS;
  // Where several refuse, the first that is known does not depend on what is not.
  const certain = outcomes.find(({ because }) => because !== undefined && because.result !== "unknown");
  if (refused && first !== undefined) {
    const { result, because } = certain ?? first;
    return { kind: "failed", result, because };
  }
  return { kind: "unknown", answers: [...new Set(outcomes.flatMap(({ assumed }) => assumed))] };
}

/** Somebody who logs in, and what modules of PAM look at. */
export interface PamSubject {
  name: ByteString;
  uid: number;
  gid: number;
  shell: ByteString;
  home: ByteString;
  groups: readonly ByteString[];
  service: ByteString;
  /** The address that the login comes from, where that is asked about. */
  from: ByteString | undefined;
  shadow: ShadowEntry | undefined;
  /** In days since 1970. */
  day: number;
  /** The text of a file of the host; undefined where there is none. Throws SystemError. */
  read: (path: ByteString) => ByteString | undefined;
  /** Names in a directory of the host, in the order of their bytes. */
  list: (path: ByteString) => readonly ByteString[];
  /** Whether a module is installed. */
  installed: (module: ByteString) => boolean;
}
