import type { ByteString } from "../../ffi/bytes.ts";
import { displayAgain } from "../cli/display.ts";
import type { FindingCode } from "../config/finding-codes.ts";
import { CONFIG_DIRECTORY } from "../config/load.ts";
import type { MachineFacts } from "./gather.ts";
import type { FindingKind, StatusFinding } from "./kinds.ts";

export const LIST = "jailkit list";
export const CONFIG_CHECK = "jailkit config check";
const NSSWITCH = "/etc/nsswitch.conf";

/** Errors at the header of a section whose account has its home outside of the jail, or no group, by the kind of its finding. */
const SAME: Partial<Record<FindingKind, readonly FindingCode[]>> = {
  "no-jail": ["no-home", "not-their-home", "holds-home"],
  "no-group": ["unknown-group"],
};

/** The errors of config files. */
export function configFindings({ config: { findings, failures }, accounts }: MachineFacts): StatusFinding[] {
  const placeOf = ({ file, line }: { readonly file: ByteString; readonly line: number }, code: FindingCode) =>
    `${code} ${line} ${file}`;
  // The command of the account mends it.
  const told = new Set(
    accounts.flatMap(({ kind, declared }) =>
      declared === undefined ? [] : (SAME[kind] ?? []).map((code) => placeOf(declared, code)),
    ),
  );
  const errors = findings.filter((one) => one.severity === "error" && !told.has(placeOf(one, one.code)));
  return [
    ...failures.map((failure): StatusFinding => {
      const message = displayAgain(failure);
      return { kind: "config", subject: CONFIG_DIRECTORY, message, commands: [CONFIG_CHECK] };
    }),
    ...errors.map(({ file, line, message }): StatusFinding => {
      const subject = `${file}:${line}`;
      return { kind: "config", subject, message: displayAgain(message), commands: [CONFIG_CHECK] };
    }),
  ];
}

/** Users of a directory for whom jailkit apply fails, of which jailkit config check only warns. */
export function directoryFindings({ config, unanswered, startNames }: MachineFacts): StatusFinding[] {
  const withCode = (code: FindingCode) => config.findings.filter((one) => one.code === code);
  const gone = withCode("not-in-directory").map(({ file, line, message }): StatusFinding => {
    const subject = `${file}:${line}`;
    return { kind: "directory", subject, message: displayAgain(message), commands: [CONFIG_CHECK] };
  });
  const message = withCode("no-answer")[0]?.message ?? unanswered;
  if (message === undefined) return gone;
  const commands = startNames === undefined ? ([LIST] as const) : ([startNames, LIST] as const);
  return [{ kind: "directory", subject: NSSWITCH, message: displayAgain(message), commands }, ...gone];
}
