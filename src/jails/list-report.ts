import type { ByteString } from "../../ffi/bytes.ts";
import { display, jsonText } from "../cli/display.ts";
import type { problemFrom } from "../cli/error.ts";
import { jsonTextOrNull, problemReport, remedyText } from "../cli/report.ts";
import { table } from "../cli/table.ts";
import type { RecordError } from "../jail/record/record-file.ts";
import type { JailFacts, JailList } from "./jails.ts";
import type { DamagedReport, ListReport } from "./report-schema.ts";

/** A list, with what kept jails out of it. */
export interface ListedJails extends JailList {
  readonly problems: readonly ReturnType<typeof problemFrom>[];
}

/** The report of `jailkit list`. */
export function listReport({ jails, damaged, problems }: ListedJails): ListReport {
  return {
    version: 1,
    tool: "jailkit list",
    jails: jails.map((jail) => ({
      path: jsonText(jail.path),
      record: jail.id ?? null,
      state: jail.condition,
      reason: jsonTextOrNull(jail.reason),
      remedy: remedyText(jail.remedy),
      users: jail.users.map(({ name, home, shell }) => ({
        name: jsonText(name),
        home: jsonText(home),
        shell: jsonText(shell),
      })),
      moreUsers: jsonTextOrNull(jail.moreUsers),
      sections: jail.sections.map(jsonText),
      files: jail.files.map(jsonText),
      entries: jail.entries,
      live: jail.live.map(jsonText),
      sockets: jail.sockets.map(jsonText),
      lastRequest: jail.lastRequest === undefined ? null : new Date(jail.lastRequest * 1000).toISOString(),
    })),
    damagedRecords: damaged.map(({ error }) => damagedReport(error)),
    problems: problems.map(problemReport),
  };
}

/** A damaged record, in a report. */
export const damagedReport = ({ file, jail, reason }: RecordError): DamagedReport => ({
  file: jsonText(file),
  jail: jsonTextOrNull(jail),
  reason,
});

/** As many names as are shown of the users of a jail among others: a table has a place for the longest. */
const FEW = 5;

function userText(names: readonly ByteString[], all: boolean): string {
  const shown = all || names.length <= FEW ? names : names.slice(0, FEW - 1);
  const more = names.length - shown.length;
  return `${text(shown)}${more === 0 ? "" : ` and ${more} more`}`;
}

const text = (list: readonly ByteString[]) => (list.length === 0 ? "-" : list.map(display).join(","));

/** The jails as a table, with a heading. `all`: with all users. */
export function jailLines(jails: readonly JailFacts[], all: boolean): string[] {
  const rows = jails.map(({ path, condition, users, sections, files }) => [
    display(path),
    condition,
    userText(
      users.map(({ name }) => name),
      all,
    ),
    text([...sections, ...files]),
  ]);
  return table([["JAIL", "STATE", "USERS", "SECTIONS AND FILES"], ...rows]);
}
