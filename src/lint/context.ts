import type { ByteString } from "../../ffi/bytes.ts";
import { normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import type { Advice, Remedy } from "../cli/remedy.ts";
import { sameNumbers } from "../cli/suggest.ts";
import type { FindingCode } from "../config/finding-codes.ts";
import { type Fix, findEntry, type IniFile, type IniSection, type Place } from "../config/model.ts";
import type { ReportFinding } from "../config/separators.ts";
import { type ListItem, listItems } from "../config/values.ts";
import type { Confinement } from "../confine/policy.ts";
import type { HookedRepository } from "../known-programs/hooks.ts";
import type { ProgramFiles } from "../known-programs/program.ts";
import type { OwnStart } from "../known-programs/warnings.ts";

/** A file, as the lint sees it. */
export interface FileKind {
  type: "file" | "directory" | "other";
  /** Some user may execute it. */
  executable: boolean;
}

/** The host, or the jail, that a config file is about. */
export interface LintWorld {
  userExists(name: ByteString): boolean;
  groupExists(name: ByteString): boolean;
  /** The name of an account of the host that is found by this one, too; undefined if it has this one. */
  otherName(name: ByteString): ByteString | undefined;
  /** Why a name service does not take the name of a group, so that the login of whoever is asked about it is refused. */
  groupRefusal(name: ByteString): string | undefined;
  /** In a jail: whether the host has an account of this name, which may have left the jail. */
  isOutside(name: ByteString): boolean;
  /**
   * In a jail that lacks a group of the host: the command that brings it, undefined if no user of the jail is a member.
   * Undefined for other groups.
   */
  groupOutside(name: ByteString): { command: Remedy | undefined } | undefined;
  /** Names to suggest for an unknown one. */
  userNames(): readonly ByteString[];
  groupNames(): readonly ByteString[];
  lookUp(path: ByteString): FileKind | undefined;
  /** The command that copies a missing program into the jail; undefined if there is none. */
  copyCommand(path: ByteString): Remedy | undefined;
  /** The command that lets everybody execute a file. */
  executableCommand(path: ByteString): Advice;
  /** In a jail: why a program that is there cannot start, a clause, and the command that mends it, if there is one. */
  startFault(path: ByteString): { why: string; command: Remedy | undefined } | undefined;
  /** The paths of known jails. */
  jails(): readonly ByteString[];
  /**
   * Why a known jail is not there, and the command that brings it back, or lets all follow it, if that is known. `path`: the
   * jail, or a path in it. Also of another path whose file system is not mounted. Undefined for all others.
   */
  absence(path: ByteString): Absence | undefined;
  /** The jails in which sessions of a section of jk_chrootsh.ini start: that of the user it names, or all known ones. */
  jailsOf(section: ByteString): readonly ByteString[];
  /** Whether a path exists, or that is unknown; `jail`: in that one, instead of where the file is. */
  exists(path: ByteString, jail?: ByteString): boolean;
  /** Of a path that does not exist: the one that was meant, and why; undefined if that is not known. */
  meantPath?(path: ByteString): { readonly path: ByteString; readonly why: string } | undefined;
  /**
   * Whether users can put something else in the place of a path, so that `read` without `write` does not count; `jail` as
   * for exists.
   */
  exchangeable(path: ByteString, jail?: ByteString): boolean;
  /** What this kernel lacks for a confinement, a phrase each. */
  lacking(confinement: Confinement): readonly string[];
  /** Links and identities, to recognise programs. */
  files: ProgramFiles;
  /** Whether a program reads ~/.popt. */
  readsPopt(path: ByteString): boolean;
  /** What jk_lsh lets the programs of a section execute; undefined if the kernel cannot limit it. */
  execution(named: readonly ByteString[], executables: readonly ByteString[]): Execution | undefined;
  /** The known server that a program is a copy of, byte by byte. */
  copyOfKnown(path: ByteString): ByteString | undefined;
  /** What a program starts itself, as far as its file shows. */
  ownStart(path: ByteString): OwnStart | undefined;
  /** The repositories with hooks of a user, or of all users. */
  hookedRepositories(user: ByteString | undefined): readonly HookedRepository[];
  /** The privilege that executing a program gives, such as "is setuid"; undefined for none. */
  grantedBy(path: ByteString): string | undefined;
}

/** A finding about a jail that is not there. */
export interface Absence {
  readonly code: FindingCode;
  readonly message: string;
  readonly remedy: Remedy | undefined;
}

/** The effect of the key `execute` in a section of jk_lsh.ini. */
export interface Execution {
  /** The kernel can keep a server from executing what other programs may. */
  limitsServers: boolean;
  /** Directories that do not count, and the reason, a clause. */
  leftOut: readonly { path: ByteString; why: ByteString; unsafe?: UnsafeDirectory | undefined }[];
  /** An interpreter that a program needs and may not execute. */
  blocked(path: ByteString): { path: ByteString; unsafe?: UnsafeDirectory | undefined } | undefined;
}

/** A system directory that users other than root can write: nothing in it may be executed. */
export interface UnsafeDirectory {
  /** On the host. */
  path: ByteString;
  /** The end of a sentence that begins with the path. */
  because: ByteString;
  /** The command that fixes it, if root may type it. */
  remedy: Remedy | undefined;
}

/** What the rules of one kind of file get. */
export interface LintContext {
  readonly ini: IniFile;
  /** Its sections. */
  readonly byName: ReadonlyMap<ByteString, IniSection>;
  readonly world: LintWorld;
  readonly report: ReportFinding;
  /** Directories and circles of sections that were reported; each is reported once. */
  readonly reported: Set<ByteString>;
}

/** Reports a known jail that is not there. `path`: it, or a path in it. Returns whether it is that. */
export function reportAbsence(
  place: Place,
  path: ByteString,
  { world, report }: Pick<LintContext, "world" | "report">,
): boolean {
  const absence = world.absence(path);
  if (absence === undefined) return false;
  const { code, message, remedy } = absence;
  report(place, "error", code, message, remedy ? { kind: "command", text: remedy } : { kind: "none" });
  return true;
}

/** The known jails that may be meant by a path at which none is. */
export const jailsLike = (path: ByteString, world: LintWorld): ByteString[] =>
  sameNumbers(path, world.jails()).filter((jail) => world.lookUp(jail)?.type === "directory");

/** The items of a list in a section, without those from [DEFAULT]; none if the key is missing. */
export function ownItems(section: IniSection, key: ByteString): ListItem[] {
  const entry = findEntry(section, key);
  return entry === undefined || entry.inherited ? [] : listItems(entry);
}

/** An absolute path in its plain form; undefined if that cannot be known. */
export function plainForm(path: ByteString): ByteString | undefined {
  return path.startsWith("/") && !path.includes("\n") ? normalPath(path) : undefined;
}

/** Reports an item that is not a plain absolute path, or `path` in its place; returns whether it is one. */
export function lintPathForm(item: ListItem, report: ReportFinding, path = item.value): boolean {
  const fault = pathFault(path);
  if (fault === undefined) return true;
  const { value } = item;
  const plain: Fix = { kind: "item", old: value, with: plainForm(value) };
  const fix: Fix = value.includes("\n") ? { kind: "comma" } : plain;
  report(item, "error", "bad-path", `${quoted(value)} ${fault}`, fix);
  return false;
}

/** The fault in the form of an absolute path, as the end of a sentence; undefined for none. */
export function pathFault(path: ByteString): ByteString | undefined {
  if (!path.startsWith("/")) return "is not an absolute path";
  if (path.includes("\n")) return "goes over two lines: a comma is missing";
  if (/\/\.{1,2}(\/|$)/.test(path)) return "has '.' or '..' in it";
  if (path.includes("//")) return "has '//' in it";
  return undefined;
}
