import { answered } from "../../cli/error.ts";
import { type Advice, inWords } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import type { Verdict } from "../checks.ts";
import { accountOf, type LoginFacts } from "../facts.ts";

/** How that advice begins. */
export const HAVE_UID = "the home and the line in the jail have the uid ";

/**
 * What to do about an account whose home and line in the jail have another uid, since somebody has changed its own: no command
 * sets that home aside, or makes the line the only one with the new uid. Undefined for any other account.
 */
export function otherUidAdvice(facts: LoginFacts): Advice | undefined {
  const { name } = accountOf(facts);
  const uid = answered(() => facts.home()?.uid);
  const isOther = uid !== undefined && uid !== 0 && uid !== facts.uid;
  if (!isOther || answered(() => facts.inJail().named?.uid) !== uid) return undefined;
  const back = facts.isLocal() ? `usermod -u ${uid} ${operands(name)}` : "give it that in its directory";
  return inWords(`${HAVE_UID}${uid}: if that is the one of the account, ${back}`);
}

/** A judge of a home, with that advice instead of its own. */
export const unlessOtherUid =
  (judge: (facts: LoginFacts) => Verdict) =>
  (facts: LoginFacts): Verdict => {
    const verdict = judge(facts);
    const advice = verdict.outcome === "failed" ? otherUidAdvice(facts) : undefined;
    return advice === undefined ? verdict : { ...verdict, advice };
  };
