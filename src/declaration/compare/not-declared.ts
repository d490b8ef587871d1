import type { ByteString } from "../../../ffi/bytes.ts";
import { isMissing } from "../../../ffi/files.ts";
import { display, quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { knownJails } from "../../jail/record/registry.ts";
import { adviceAt } from "../../system/exchange.ts";
import { jailOfHome } from "../../system/separator.ts";
import { type Change, changeText, type Fault, listed, nameOf } from "../change.ts";
import type { Declaration, DeclaredUser } from "../model.ts";
import { isInScope } from "../once.ts";
import type { Once } from "../once-shape.ts";
import { isReadable } from "../read.ts";
import { type Former, formerOf } from "./former.ts";
import type { Note } from "./former-jails.ts";
import { LOST, lostText } from "./jail.ts";
import type { Machine } from "./machine.ts";
import type { OpenJails } from "./open-jails.ts";
import { unknownRules } from "./own-rules.ts";

/** What a file declared once that is not there any more, and that nothing declares now. */
interface Orphans {
  readonly file: ByteString;
  readonly changes: readonly Change[];
  /** Why jails of it stay. */
  readonly notes: readonly Note[];
}

/**
 * The files, besides the usual ones and those of this run, that declared something once and are not there to be read: what
 * others than root may have put there since is not the file that root named.
 */
function goneFiles({ jails, users }: Once, files: readonly ByteString[]): ByteString[] {
  const all = new Set([...jails, ...users].map(({ file }) => file));
  return [...all].filter((file) => !isInScope(file, files, true) && !isReadable(file));
}

/** What such files have left on this machine, file by file. `declarations`: all of this run, and the usual ones. */
function orphansOf(
  declarations: readonly Declaration[],
  before: Once,
  machine: Machine,
  opened: OpenJails,
): Orphans[] {
  const gone = goneFiles(before, declarations[0]?.files ?? []);
  return gone.flatMap((file): Orphans[] => {
    const scope = { files: [file], usual: false, prune: false, deleteHomes: false };
    const { former, notes } = formerOf(declarations, before, machine, opened, scope);
    return [{ file, changes: former.map(({ change }: Former) => change), notes }];
  });
}

/** What removes all that a missing file declared, where others could put a link in its place: touch(1) would follow that. */
export const ELSEWHERE =
  "declare it in a file of /etc/jailkit/jails.d, run jailkit apply, take it out of there, and run jailkit apply --prune";

/** The command that creates an empty file in the place of a missing one; undefined if others could exchange that place. */
export const emptyFile = (file: ByteString): Remedy | undefined =>
  adviceAt(file, `touch ${shellWord(file)}`).remedy;

/** How what a missing file declared is removed, or kept. */
function orphanText({ file }: Orphans): string {
  const touch = emptyFile(file);
  const word = shellWord(file);
  const remove = touch === undefined ? ELSEWHERE : `${touch} && jailkit apply --prune ${word}`;
  const isGone = isMissing(file);
  const why = isGone
    ? `is gone: to remove it: ${remove}`
    : `what is there now is not read: jailkit apply --check ${word} says why`;
  return `${quoted(file)} declared it once, and ${why}; to keep it, declare it in a file of /etc/jailkit/jails.d`;
}

/** A line for each of these things, printable. */
const orphanLines = (orphans: readonly Orphans[]): string[] =>
  orphans.flatMap((one) => one.changes.map((change) => `${changeText(change)}: ${orphanText(one)}`));

/** A warning for each such file. */
const orphanNotes = (orphans: readonly Orphans[]): Note[] =>
  orphans.flatMap((one) => {
    const [first, ...more] = one.changes;
    if (first === undefined) return one.notes;
    const others = more.length === 0 ? "" : ` (and ${listed([...new Set(more.map(nameOf))])})`;
    const message = `is not declared any more${others}: ${orphanText(one)}`;
    return [{ of: first.of, name: first.name, message }, ...one.notes];
  });

/** The warnings that jails are made anew which were there. */
const lostNotes = (jails: readonly { path: ByteString; changes: readonly Change[] }[]): Note[] =>
  jails.flatMap(({ path, changes }) =>
    changes.some(({ why }) => why === LOST) ? [{ of: "jail", name: path, message: lostText(path) }] : [],
  );

/** Known jails that no file declares, besides those that were declared once; printable, with the users in them. */
function undeclaredJails(
  declarations: readonly Declaration[],
  before: Once,
  { byJail }: Pick<Machine, "byJail">,
): string[] {
  const told = new Set([
    ...declarations.flatMap(({ jails }) => jails.map(({ path }) => path)),
    ...before.jails.map(({ path }) => path),
  ]);
  const recorded = answered(() => knownJails().map(({ jail }) => jail.path)) ?? [];
  return [...new Set([...recorded, ...[...byJail.keys()].flatMap((path) => path ?? [])])]
    .filter((path) => !told.has(path))
    .sort()
    .map((path) => {
      const users = (byJail.get(path) ?? []).map(({ name }) => name);
      return `jail ${display(path)}${users.length === 0 ? "" : `: users ${listed(users)}`}`;
    });
}

/** Those who live in a jail and are not declared in it, printable; without those who `leave`. */
export function othersText(
  path: ByteString,
  users: readonly DeclaredUser[],
  machine: Machine,
  leave: ReadonlySet<ByteString>,
): string[] {
  const names = new Set(users.map(({ name }) => name));
  const others = (machine.byJail.get(path) ?? [])
    .map(({ name }) => name)
    .filter((name) => !(names.has(name) || leave.has(name)));
  return others.length === 0 ? [] : [`jail ${display(path)}: users ${listed(others)}`];
}

/** Why a declared jail is not made whose user is in one that was declared once, and what to type if that has a new name. */
export function newName(user: ByteString, from: ByteString, jail: ByteString) {
  const [old, now] = [shellWord(from), shellWord(jail)];
  const move = adviceAt(from, `mv -nT ${old} ${now} && jailkit adopt --moved ${old} ${now}`);
  const { advice, remedy } = move.remedy === undefined ? move : adviceAt(jail, move.remedy);
  const message = `it does not exist, and ${quoted(user)} is in ${quoted(from)}, which is not declared any more: if that has a new name: ${advice}; else declare it too, until its users have left it`;
  return { message, remedy };
}

/**
 * Declared jails that do not exist, and whose users are in a jail that was declared once and is not any more: it has got
 * another name in the files alone, perhaps, and a new one would be in the way of it.
 */
function renamedJails(
  declarations: readonly Declaration[],
  before: Once,
  { accounts, movedJails }: Pick<Machine, "accounts" | "movedJails">,
): ReadonlyMap<ByteString, Fault> {
  const declared = new Set(declarations.flatMap(({ jails }) => jails.map(({ path }) => path)));
  const former = new Set(before.jails.flatMap(({ path }) => (declared.has(path) ? [] : path)));
  const renamed = new Map<ByteString, Fault>();
  if (former.size === 0) return renamed;
  // Of one that may have been at the declared path both ways are told: no remedy moves it back.
  for (const { jail, fault } of movedJails.all())
    renamed.set(jail, { of: "jail", name: jail, jail, ...fault });
  for (const { name, jail } of declarations.flatMap(({ users }) => users)) {
    if (!declared.has(jail) || renamed.has(jail) || !isMissing(jail)) continue;
    const from = jailOfHome(answered(() => accounts.userByName(name)?.home) ?? "");
    if (from === undefined || !former.has(from) || isMissing(from)) continue;
    const about = { of: "jail", name: jail, jail, code: "in-another-jail" } as const;
    renamed.set(jail, { ...about, ...newName(name, from, jail) });
  }
  return renamed;
}

/**
 * What a comparison says besides of what no file declares, or a file that is gone. `declarations`: that of this run, and that
 * of the usual files, which may be unknown in a run of others.
 */
export function notDeclared(
  declarations: readonly Declaration[],
  before: Once,
  machine: Machine,
  opened: OpenJails,
  { usual, namesAll = false }: { readonly usual: boolean; readonly namesAll?: boolean },
) {
  const isAll = usual || declarations.length > 1;
  const orphans = isAll ? orphansOf(declarations, before, machine, opened) : [];
  return {
    /** As renamedJails. */
    renamed: isAll ? renamedJails(declarations, before, machine) : new Map<ByteString, Fault>(),
    undeclared: usual && namesAll ? undeclaredJails(declarations, before, machine) : [],
    orphans: orphanLines(orphans),
    notes: (jails: Parameters<typeof lostNotes>[0]) => [
      ...lostNotes(jails),
      ...orphanNotes(orphans),
      ...(isAll ? unknownRules(declarations, before, machine) : []),
    ],
  };
}
