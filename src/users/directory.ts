import { type ByteString, toBytes } from "../../ffi/bytes.ts";
import { display, jsonText, quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { jsonTextOrNull } from "../cli/report.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { userServices } from "../system/name-services.ts";
import { findProgram } from "../system/run.ts";
import type { DirectoryReport } from "./report-schema.ts";

/** What is to be done for an account that usermod(8) cannot change. */
export interface DirectoryChange {
  readonly name: ByteString;
  /** What the administrator of the directory sets; undefined if that is right already. */
  readonly change: { readonly home: ByteString; readonly shell: ByteString } | undefined;
  /** Commands on this machine: before the change, and after it. */
  readonly before: readonly ByteString[];
  readonly after: readonly ByteString[];
  /** The account leaves its jail: an override of SSSD is removed. */
  readonly leaves: boolean;
}

/** A refusal to change an account of a directory such as LDAP, with what to do instead. */
export class DirectoryError extends JailkitError {
  constructor(readonly instead: DirectoryChange) {
    const where = `passwd: ${userServices().join(" ")} in /etc/nsswitch.conf`;
    const set = instead.change === undefined ? "usermod(8) cannot change it" : "set its home and shell there";
    const message = `${quoted(instead.name)} is not in /etc/passwd, but in a directory (${where}): ${set}; nothing was changed`;
    super("not-local", 1, message);
  }
}

/** A line of LDIF (RFC 2849); values that are not plain are in base64. */
function ldifLine(attribute: string, value: ByteString): ByteString {
  const isPlain = /^[\x21-\x39\x3b\x3d-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value);
  return isPlain
    ? `${attribute}: ${value}`
    : `${attribute}:: ${Buffer.from(toBytes(value)).toString("base64")}`;
}

/** The change for ldapmodify(1), which refuses it until a DN is in the first line. Pure. */
export function ldifOf({ name, change }: Pick<DirectoryChange, "name" | "change">): ByteString[] {
  if (change === undefined) return [];
  return [
    `dn: THE-DN-OF ${display(name)}`,
    "changetype: modify",
    "replace: homeDirectory",
    ldifLine("homeDirectory", change.home),
    "-",
    "replace: loginShell",
    ldifLine("loginShell", change.shell),
  ];
}

/** The command that does so with SSSD, for this machine alone; undefined if sss_override(8) is not installed. */
function overrideCommand({ name, change, leaves }: DirectoryChange): ByteString | undefined {
  if (change === undefined || !userServices().includes("sss")) return undefined;
  if (findProgram("sss_override") === undefined) return undefined;
  if (leaves) return `sss_override user-del ${operands(name)}`;
  const { home, shell } = change;
  return `sss_override user-add ${operands(name)} --home ${shellWord(home)} --shell ${shellWord(shell)}`;
}

/** The same for a person: titles begin with `#`, and the LDIF can be copied with them. */
export function directoryLines(instead: DirectoryChange): ByteString[] {
  const override = overrideCommand(instead);
  const part = (title: string, lines: readonly ByteString[]) =>
    lines.length === 0 ? [] : [`# ${title}`, ...lines, ""];
  return [
    ...part("On this machine:", instead.before),
    ...part(
      "In the directory, by ldapmodify(1), with the DN of the account in the first line:",
      ldifOf(instead),
    ),
    ...part(
      "Or, instead of that, with SSSD and for this machine alone; restart SSSD if this says so:",
      override === undefined ? [] : [override],
    ),
    ...part("Then on this machine:", instead.after),
  ].slice(0, -1);
}

/** The same for a report. */
export function directoryReport(instead: DirectoryChange): DirectoryReport {
  const { change, before, after } = instead;
  return {
    homeDirectory: jsonTextOrNull(change?.home),
    loginShell: jsonTextOrNull(change?.shell),
    ldif: ldifOf(instead).map(jsonText),
    override: jsonTextOrNull(overrideCommand(instead)),
    before: before.map(jsonText),
    after: after.map(jsonText),
  };
}
