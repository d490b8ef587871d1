import { answered } from "../cli/error.ts";
import type { IniSection } from "../config/model.ts";
import { unlessRefused } from "../system/name-services.ts";
import { groupOf } from "../users/groups.ts";
import type { FactContext } from "./machine-facts.ts";
import { itemsOf, type Subject } from "./section.ts";

/** Reports the names in the section of a user, its own or of groups, that a name service of this machine does not take. */
export function reportRefused(section: IniSection, subject: Subject, { facts, report }: FactContext): void {
  const refusal = (ask: () => unknown) => answered(() => unlessRefused(ask))?.refusal;
  const own = refusal(() => facts.userByName(subject.name));
  if (own !== undefined) report(subject, "error", "bad-account", own, { kind: "none" });
  for (const item of itemsOf(section, "groups")) {
    const why = refusal(() => groupOf(item.value, facts));
    if (why !== undefined) report(item, "error", "unknown-group", why, { kind: "none" });
  }
}
