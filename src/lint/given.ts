import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import type { IniSection } from "../config/model.ts";
import type { ReportFinding } from "../config/separators.ts";
import { signOf } from "../declaration/change.ts";
import type { JailWork } from "../declaration/compare/work.ts";
import { USER_STEPS } from "../declaration/order.ts";
import { itemsOf } from "../declaration/section.ts";
import type { Doubt } from "../declaration/warnings.ts";
import { hostGroup } from "../system/name-services.ts";
import { groupOf, isAdministrators, isNumber } from "../users/groups.ts";
import { lintEnvironment, lintNames } from "./accounts.ts";

/**
 * Reports what a section of a declaration gives that it should not, perhaps: `jailkit apply` gives it all the same. `ask`: about
 * groups that are named by their gids.
 */
export function lintGiven(
  section: IniSection,
  report: ReportFinding,
  ask: Parameters<typeof groupOf>[1],
): void {
  for (const item of itemsOf(section, "groups")) {
    const { value } = item;
    const name = (isNumber(value) ? answered(() => groupOf(value, ask)?.name) : undefined) ?? value;
    if (!isAdministrators(name)) continue;
    const message = `a member of the group ${quoted(name)} can become root on most machines`;
    report(item, "warning", ADMINISTRATORS, message, { kind: "item", old: value });
  }
  lintEnvironment(section, { report });
  lintNames(section, { report });
}

const ADMINISTRATORS = "doubtful-value";

/** The steps after which a run looks at all groups of an account, and says what these let it do. */
const LOOKED_AT: ReadonlySet<string> = new Set([...USER_STEPS.inside, ...USER_STEPS.account]);

/**
 * The same of users who get something, with `check` of all: who made a declaration and applies it is told, and a run of
 * cron(8) that has nothing to do says nothing, and looks at nothing.
 */
export function doubtsIn(jails: readonly JailWork[], check: boolean): Doubt[] {
  const doubts: Doubt[] = [];
  for (const { declared, changes } of jails.flatMap(({ users }) => users)) {
    const { section } = declared.place;
    if (section === undefined || !(check || changes.length > 0)) continue;
    const isLookedAt = changes.some((one) => LOOKED_AT.has(`${signOf(one)}${one.what}`));
    const report: ReportFinding = ({ file, line, column }, _severity, code, message) => {
      if (code === ADMINISTRATORS && isLookedAt && !check) return;
      doubts.push({ user: declared.name, problem: { file, line, column, message } });
    };
    lintGiven(section, report, { groupByName: hostGroup, groupByGid: hostGroup });
  }
  return doubts;
}
