import { type ByteString, toBytes } from "../../ffi/bytes.ts";
import { display, jsonText, quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { jsonTextOrNull } from "../cli/report.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { ACCOUNT_FILE_LIMIT, userNamed } from "../system/flat-accounts.ts";
import { hostText } from "../system/host-files.ts";
import { hostUser, userServices } from "../system/name-services.ts";
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
  /** The account leaves its jail. */
  readonly leaves: boolean;
  /** The file that has the account, instead of a directory. */
  readonly file?: ByteString | undefined;
}

// Of nss_extrausers, whose accounts a program writes, such as a hosting panel.
const EXTRA_USERS = "/var/lib/extrausers/passwd";

/** The file that a name service reads the account from; undefined if it is in a directory. */
function fileOf(name: ByteString): ByteString | undefined {
  if (!userServices().includes("extrausers")) return undefined;
  const entry = userNamed(hostText(EXTRA_USERS, ACCOUNT_FILE_LIMIT) ?? "", name);
  const now = hostUser(name);
  // Another service may have an account of this name, too.
  const isIt = entry !== undefined && entry.uid === now?.uid && entry.home === now.home;
  return isIt ? EXTRA_USERS : undefined;
}

/** A change with the file that has the account, if it is in one. Throws JailkitError "name-service". */
export const withFile = (change: DirectoryChange): DirectoryChange => ({
  ...change,
  file: fileOf(change.name),
});

/** A refusal to change an account of a directory such as LDAP, with what to do instead. */
export class DirectoryError extends JailkitError {
  readonly instead: DirectoryChange;

  constructor(instead: DirectoryChange) {
    const file = fileOf(instead.name);
    const where = file ?? `a directory (passwd: ${userServices().join(" ")} in /etc/nsswitch.conf)`;
    const set = instead.change === undefined ? "usermod(8) cannot change it" : "set its home and shell there";
    const message = `${quoted(instead.name)} is not in /etc/passwd, but in ${where}: ${set}; nothing was changed`;
    super("not-local", 1, message);
    this.instead = { ...instead, file };
  }
}

/** Why a directory server refuses a home, which is an IA5String there (RFC 2307), with the remedy; undefined if it does not. Pure. */
export function homeDirectoryFault(home: ByteString): string | undefined {
  if (/^[\x00-\x7f]*$/.test(home)) return undefined;
  return `${quoted(home)} is not ASCII, and a directory server such as slapd refuses it as homeDirectory: choose a path of the jail, and of the home, in ASCII`;
}

/** What will not work in the directory, a printable line each. */
export const directoryWarnings = ({ change, file, leaves }: DirectoryChange): string[] => {
  const fault =
    change === undefined || file !== undefined || leaves ? undefined : homeDirectoryFault(change.home);
  return fault === undefined ? [] : [fault];
};

// RFC 2849, section 2, note 2: of one line, without its end.
const LONGEST_LINE = 76;

/** The lines of a value in LDIF (RFC 2849): one that is not plain is in base64, and a long one goes on after a blank. */
function ldifLines(attribute: string, value: ByteString): ByteString[] {
  const isPlain = /^[\x21-\x39\x3b\x3d-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value);
  const plain = `${attribute}: ${value}`;
  // A line that ends with a blank would lose it in a terminal.
  const isSafe = isPlain && (plain.length <= LONGEST_LINE || !value.includes(" "));
  const whole = isSafe ? plain : `${attribute}:: ${Buffer.from(toBytes(value)).toString("base64")}`;
  const lines = [whole.slice(0, LONGEST_LINE)];
  for (let at = LONGEST_LINE; at < whole.length; at += LONGEST_LINE - 1)
    lines.push(` ${whole.slice(at, at + LONGEST_LINE - 1)}`);
  return lines;
}

/** The change for ldapmodify(1), which refuses it until a DN is in the first line. Pure. */
export function ldifOf({
  name,
  change,
  file,
}: Pick<DirectoryChange, "name" | "change" | "file">): ByteString[] {
  if (change === undefined || file !== undefined) return [];
  return [
    `dn: THE-DN-OF ${display(name)}`,
    "changetype: modify",
    "replace: homeDirectory",
    ...ldifLines("homeDirectory", change.home),
    "-",
    "replace: loginShell",
    ...ldifLines("loginShell", change.shell),
  ];
}

/** Whether SSSD may have another home and shell for an account than its directory. */
const hasOverrides = (): boolean =>
  userServices().includes("sss") && findProgram("sss_override") !== undefined;

/**
 * The command that does so with SSSD, for this machine alone; undefined if sss_override(8) is not installed. Without its override an
 * account that leaves would be as the directory has it, perhaps with a shell that lets it in.
 */
function overrideCommand({ name, change, file }: DirectoryChange): ByteString | undefined {
  if (change === undefined || file !== undefined || !hasOverrides()) return undefined;
  const { home, shell } = change;
  return `sss_override user-add ${operands(name)} --home ${shellWord(home)} --shell ${shellWord(shell)}`;
}

/**
 * What is said of an account that has left its jail, if an override of SSSD may still say the home there: without it, the shell of
 * the directory counts, which may let it in. `shell`: one that does not. Empty if there can be none.
 */
export function overrideLeft(name: ByteString, shell: ByteString): string {
  if (!hasOverrides() || fileOf(name) !== undefined) return "";
  const word = operands(name);
  return `; if 'sss_override user-show ${word}' shows that home, type: sss_override user-add ${word} --shell ${shellWord(shell)}; and only when its directory has such a shell, too: sss_override user-del ${word}`;
}

/** The same for a person: titles begin with `#`, and the LDIF can be copied with them. */
export function directoryLines(instead: DirectoryChange): ByteString[] {
  const override = overrideCommand(instead);
  const { change, file } = instead;
  const fields = file === undefined || change === undefined ? [] : [`${change.home}:${change.shell}`];
  const part = (title: string, lines: readonly ByteString[]) =>
    lines.length === 0 ? [] : [`# ${title}`, ...lines, ""];
  return [
    ...part("On this machine:", instead.before),
    ...part(
      "In the directory, by ldapmodify(1), with the DN of the account in the first line:",
      ldifOf(instead),
    ),
    ...part(
      `In ${file}, as the last two fields of the line of the account, or in the program that writes this file:`,
      fields.map(display),
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
  const { change, before, after, file } = instead;
  return {
    homeDirectory: jsonTextOrNull(change?.home),
    loginShell: jsonTextOrNull(change?.shell),
    file: jsonTextOrNull(file),
    ldif: ldifOf(instead).map(jsonText),
    override: jsonTextOrNull(overrideCommand(instead)),
    before: before.map(jsonText),
    after: after.map(jsonText),
    warnings: directoryWarnings(instead).map(jsonText),
  };
}
