import { UsageError } from "../cli/error.ts";
import { JSON_OUTPUT } from "../cli/options.ts";
import { printError, printLine } from "../cli/output.ts";
import { defineTool } from "../cli/tool.ts";
import { countDeclaredHomes } from "../declaration/known-homes.ts";
import { Looks } from "../jail/record/at-work.ts";
import { findingsOf } from "../status/findings.ts";
import { gather } from "../status/gather.ts";
import { numbersOf } from "../status/numbers.ts";
import { pageLines } from "../status/page.ts";
import { statusReport } from "../status/report.ts";

/** Commands that work meanwhile leave halves of changes: a finding that is one is gone in the next look. */
function look() {
  const looks = new Looks();
  for (;;) {
    looks.begin();
    const facts = gather();
    const findings = findingsOf(facts);
    if (!looks.again(findings.map(({ kind, subject, message }) => [kind, subject, message].join())))
      return { facts, findings };
  }
}

/** `jailkit status`: the state of the machine on one page. */
export const tool = defineTool({
  name: "jailkit status",
  summary: "show the state of all jails on one page, and what needs attention",
  synopsis: ["[--json]"],
  options: { json: JSON_OUTPUT },
  exitStatus: {
    0: "nothing needs attention",
    1: "there are findings, or the options are wrong",
  },
  notes: `The page has some 25 lines of at most 80 columns, however many jails there are. "Requested" is the day of the last request of jk_init or jk_cp, and "Changed" that of the last change of the record, by jk_update or another tool, for the jails for which they are first and last (UTC). At most ten findings are shown, the worst first, of as many kinds as there is room for; --json has all of them, with their reasons. COMMAND fixes the finding, or shows the ways to do so.`,
  root: 5,
  run({ operands }) {
    countDeclaredHomes();
    if (operands.length > 0) throw new UsageError("takes no arguments");
    const { facts, findings } = look();
    const numbers = numbersOf(facts);
    return {
      exitStatus: findings.length === 0 ? 0 : 1,
      report: () => statusReport(facts, numbers, findings),
      print() {
        pageLines(facts, numbers, findings).forEach(printLine);
        const { more } = numbers.users;
        if (more !== undefined) printError(`jailkit status: warning: users may be missing: ${more}`);
        const { more: why } = facts.outside;
        if (why !== undefined)
          printError(`jailkit status: warning: processes outside of jails may be missing: ${why}`);
      },
    };
  },
});
