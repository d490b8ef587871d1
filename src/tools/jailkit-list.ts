import type { ByteString } from "../../ffi/bytes.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { display } from "../cli/display.ts";
import { JSON_OUTPUT, jailsOption } from "../cli/options.ts";
import { printError, printLine } from "../cli/output.ts";
import { defineTool } from "../cli/tool.ts";
import { meantHere } from "../declaration/meant-of-lacking.ts";
import { Looks } from "../jail/record/at-work.ts";
import { displacedHere } from "../jail/record/displaced.ts";
import { isInOrder, listJails } from "../jails/jails.ts";
import { collectingBadFiles } from "../jails/known.ts";
import { jailLines, type ListedJails, listReport } from "../jails/list-report.ts";

/** Again, if what is wrong may be half of a change that a command makes meanwhile. */
function look(named: readonly ByteString[]): ListedJails {
  const looks = new Looks();
  for (;;) {
    looks.begin();
    const { badFile, problems } = collectingBadFiles();
    const declared = { meantOf: meantHere(), elsewhere: displacedHere() };
    const list = { ...listJails(named, declared, badFile), problems: [...problems.values()] };
    const wrong = list.jails.flatMap((jail) => (isInOrder(jail) ? [] : (jail.reason ?? jail.path)));
    if (!looks.again([...wrong, ...list.damaged.map(({ error }) => error.message)])) return list;
  }
}

/** `jailkit list`: known jails, their users and requests. */
export const tool = defineTool({
  name: "jailkit list",
  summary: "list known jails, their users, sections and files",
  synopsis: ["[--json] [JAIL...]"],
  options: {
    jail: jailsOption("list this jail only, as if it were an operand; may be repeated"),
    json: JSON_OUTPUT,
  },
  exitStatus: {
    0: "every listed jail is ready, has no record yet, is being worked on, or is emptied and nobody lives in it",
    1: "a jail is missing, unsafe, not mounted, partly updated or unreadable, a record is damaged, jk_update.ini or jk_check.ini cannot be used, or the options are wrong",
  },
  notes:
    'Of more than five users in a jail, four are shown, unless JAIL is given; --json has all. Known jails are those with a record, those that users of /etc/passwd live in, and those of jk_update.ini and jk_check.ini. Users that only a name service (LDAP) has are found by the name and the uid in the passwd of a known jail, and by the owners of files in its /home; one with such a name whose home is in another jail is a user of that, which is known by it, too. The state is "ready", "unrecorded" (there is no record of its contents), "moved" (its directory is at the path of another jail, or another one at its path), "unsafe", "unmounted" (a directory of a live jail, or the file system of a jail that is a mount point of /etc/fstab, is not mounted), "incomplete" (a run that fills or updates it was stopped), "busy" (a command is working on it, and it is not all there yet, or not any more), "emptied" (somebody, such as a hosting panel, removed its programs, libraries and configuration, but not its directory), "missing" or "unreadable" (such as a jail with a damaged record).',
  root: 5,
  run({ options, operands }) {
    const named = [...options.jail, ...operands];
    const list = look(named.map(absolutePath));
    const { jails, damaged, problems } = list;
    const good = damaged.length + problems.length === 0 && jails.every(isInOrder);
    return {
      exitStatus: good ? 0 : 1,
      report: () => listReport(list),
      print() {
        if (jails.length === 0) printLine("No jail is known");
        else jailLines(jails, named.length > 0).forEach(printLine);
        for (const more of new Set(jails.flatMap(({ moreUsers }) => moreUsers ?? [])))
          printError(`jailkit list: warning: users may be missing: ${more}`);
        for (const { path, reason } of jails) {
          if (reason === undefined) continue;
          const shown = display(path);
          printError(`jailkit list: ${reason.includes(shown) ? "" : `${shown}: `}${reason}`);
        }
        const said = new Set(jails.map(({ reason }) => reason));
        for (const { error } of damaged)
          if (!said.has(error.message)) printError(`jailkit list: ${error.message}`);
        for (const { message } of problems) printError(`jailkit list: ${message}`);
      },
    };
  },
});
