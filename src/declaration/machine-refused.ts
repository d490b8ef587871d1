import { quoted } from "../cli/display.ts";
import { answered, isReported, JailkitError } from "../cli/error.ts";
import { readKeys } from "../config/keys.ts";
import type { IniSection } from "../config/model.ts";
import { userKeys } from "../config/schemas/jails.ts";
import { unlessRefused } from "../system/name-services.ts";
import { groupOf } from "../users/groups.ts";
import type { FactContext } from "./machine-facts.ts";
import { itemsOf, type Subject } from "./section.ts";

/**
 * Reports the names in the section of a user, its own or of groups, that a name service of this machine does not take, and the uid of
 * a user of a directory for which it does not answer.
 */
export function reportRefused(section: IniSection, subject: Subject, { facts, report }: FactContext): void {
  const refusal = (ask: () => unknown) => answered(() => unlessRefused(ask))?.refusal;
  const { directory = false } = readKeys(section, userKeys);
  const uid = directory ? answered(() => facts.userByName(subject.name)?.uid) : undefined;
  const own = refusal(() => (uid === undefined ? facts.userByName(subject.name) : facts.userByUid(uid)));
  if (own !== undefined) report(subject, "error", "bad-account", own, { kind: "none" });
  for (const item of itemsOf(section, "groups")) {
    const why = refusal(() => groupOf(item.value, facts));
    if (why !== undefined) report(item, "error", "unknown-group", why, { kind: "none" });
  }
}

/** Why a name service does not answer a question, printable; undefined if it does. */
function silenceOf(ask: () => unknown): string | undefined {
  try {
    ask();
  } catch (error) {
    if (!isReported(error)) throw error;
    if (error instanceof JailkitError && error.code === "name-service") return error.message;
  }
  return undefined;
}

/** Reports once which users of a directory are not looked at, because a name service does not answer. */
export function reportUnanswered(
  users: readonly { readonly section: IniSection; readonly subject: Subject }[],
  { facts, report }: Pick<FactContext, "facts" | "report">,
): void {
  const [first, ...others] = users.flatMap(({ section, subject }) => {
    const { directory = false } = readKeys(section, userKeys);
    const why = directory ? silenceOf(() => facts.userByName(subject.name)) : undefined;
    return why === undefined ? [] : [{ subject, why }];
  });
  if (first === undefined) return;
  const { subject, why } = first;
  const who = `${quoted(subject.name)}${others.length === 0 ? " is" : ` and ${others.length} more declared users are`}`;
  report(subject, "warning", "no-answer", `${why}; ${who} not looked at`, { kind: "none" });
}
