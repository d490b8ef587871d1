import type { ByteString } from "../../ffi/bytes.ts";
import type { AskMeant } from "../check/host.ts";
import { display } from "../cli/display.ts";
import { allOf, composed, type Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { directoryCommand, takeLinesOut } from "../enter/remedies.ts";
import type { JailedUser } from "../jail/accounts/jailed-users.ts";
import { unmountedReason } from "../jail/fs/unmounted.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import type { AskDisplaced } from "../jail/record/displaced.ts";
import type { ManifestContent, ManifestRequest } from "../jail/record/manifest.ts";
import { followRemedy, movedHint } from "../jail/record/named-jail.ts";
import { LIVE_SECTION, liveOption } from "../populate/apply/live.ts";
import { asksForFiles } from "../populate/record/requests.ts";
import { leaveCommand, shellsAmong } from "../users/leaving.ts";
import { whereUsersAre } from "./users-moved.ts";

/** What declarations mean of jails that are missing, and of their users. */
export type MeantOfMissing = Pick<AskMeant, "elsewhere" | "sections">;

type Declaring = ReturnType<AskMeant["sections"]>;

/** What declarations tell of jails that are missing. */
export interface OfMissing {
  readonly meantOf: MeantOfMissing;
  readonly elsewhere: AskDisplaced;
}

/** The condition of an open jail that has exchanged its path with another one; undefined for others. */
export function exchangedJail(root: JailRoot, path: ByteString, { elsewhere }: OfMissing) {
  const fault = elsewhere(path, root);
  if (fault?.isExchanged !== true) return undefined;
  return { condition: "moved", reason: `${display(path)}: ${fault.message}`, remedy: fault.remedy } as const;
}

/** What a jail that is missing had, and who lives in it. */
interface MissingJail {
  readonly path: ByteString;
  /** Its record; undefined if there is none. */
  readonly content: Pick<ManifestContent, "requests" | "live"> | undefined;
  readonly users: readonly Pick<JailedUser, "name" | "shell">[];
  /** Config files with a section for it. */
  readonly files: readonly ByteString[];
  /** The command that mounts its file system; undefined if that is mounted. */
  readonly mount: Remedy | undefined;
  /** Where it is by now, if it was found. */
  readonly now: ByteString | undefined;
}

/** A user of a name service in a jail, whom the passwd of another one has, too. */
export interface Stray extends JailedUser {
  /** The other one. */
  readonly line: ByteString;
}

/** What is known of strays. */
interface Way {
  readonly line: ByteString;
  readonly meant: ReturnType<AskMeant["elsewhere"]>;
  readonly isDeclared: boolean;
}

/**
 * What to do about users of a jail that is not there. Nothing advises to take out the line of one whom a declaration has in the jail of
 * that. `path`: of the jail that is not there.
 */
export function strayAdvice(strays: readonly Stray[], meantOf: MeantOfMissing, path: ByteString): string {
  const declared = meantOf.sections(path).flatMap(({ kind, name }) => (kind === "user" ? name : []));
  const ways = strays.map(({ name, line }) => {
    return { name, line, meant: meantOf.elsewhere(name, line), isDeclared: declared.includes(name) };
  });
  const alike = Map.groupBy(ways, (way) => [way.line, way.isDeclared, way.meant?.command].join("\n"));
  return [...alike.values()]
    .flatMap(
      (all) =>
        wayOf(
          all.map(({ name }) => name),
          all[0],
        ) ?? [],
    )
    .join("; ");
}

/** The same for those of whom it is the same. */
function wayOf(names: readonly ByteString[], one: Way | undefined): string | undefined {
  if (one === undefined) return undefined;
  const { line, meant, isDeclared } = one;
  const [who, there] = [names.map(display).join(", "), `${display(line)}, which has lines of them`];
  const out = takeLinesOut(line, ...names);
  if (isDeclared) return `take the lines of ${who} out of ${display(line)}: ${out}`;
  if (meant?.shows === false)
    return `${who} ${names.length === 1 ? "is" : "are"} declared no more in ${there}: ${meant.command}`;
  const show = meant?.command ?? directoryCommand(line, ...names);
  const orOut = meant === undefined ? `; or take these lines out: ${out}` : "";
  return `to let ${who} into ${there}, change their directory as this shows: ${show}${orOut}`;
}

/** The command for a recorded request; `live`: the option --live of the first. */
function requestCommand(jail: ByteString, request: ManifestRequest, live: ByteString | undefined): Remedy {
  const { tool, sections, operands: files, options } = request;
  const words = [
    tool,
    ...(typeof options.configfile === "string" ? [`-c ${shellWord(options.configfile)}`] : []),
    ...(options["copy-shell"] === true ? ["--copy-shell"] : []),
    ...(options.owner === true ? ["-o"] : []),
    ...(options.setuid === true ? ["-s"] : []),
    ...(options.hardlink === true ? ["-k"] : []),
    ...(live === undefined ? [] : [live]),
    `-j ${shellWord(jail)}`,
  ];
  const asked = [...sections, ...files].filter((name) => live === undefined || name !== LIVE_SECTION);
  return composed([...words, ...(asked.length === 0 ? [] : [operands(...asked)])].join(" "));
}

/** The commands that ask again for everything that a record has, joined; undefined if it has nothing. Pure. */
export function repeatCommand(
  jail: ByteString,
  { requests, live = [] }: Pick<ManifestContent, "requests" | "live">,
): Remedy | undefined {
  const asked = requests.filter(asksForFiles);
  const option = live.length === 0 ? undefined : liveOption(live);
  // The first one that can, since it must be live before anything is copied into it.
  const first = option === undefined ? undefined : asked.find(({ tool }) => tool === "jk_init");
  const rest = asked.filter((request) => request !== first);
  const start = first === undefined ? [] : [requestCommand(jail, first, option)];
  const commands = [...start, ...rest.map((request) => requestCommand(jail, request, undefined))];
  return commands.length === 0 ? undefined : allOf(commands);
}

/** The command that creates a jail again, complete unless it is not known with what; `apply` brings what is declared of it. */
function againBy(
  path: ByteString,
  content: MissingJail["content"],
  declared: Declaring,
): {
  readonly text: string;
  readonly remedy: Remedy | undefined;
} {
  const recorded = content && repeatCommand(path, content);
  const isWhole = recorded !== undefined || declared.some(({ kind }) => kind === "jail");
  const unknown: Remedy = `jk_init -j ${shellWord(path)} SECTION`;
  const first = recorded ?? (isWhole ? "" : unknown);
  const text = allOf([first, declared.length === 0 ? "" : "jailkit apply"]);
  return { text, remedy: isWhole ? text : undefined };
}

/** What a jail that is not needed has to be taken out of before the rest: of its declarations. */
function firstOut(declared: Declaring): string {
  if (declared.length === 0) return "";
  const byFile = Map.groupBy(declared, ({ file }) => file);
  const parts = [...byFile].map(([file, sections]) => {
    const headers = sections.map(({ kind, name }) => `[${kind} ${display(name)}]`);
    return `${listed(headers)} out of ${display(file)}`;
  });
  return `first take ${listed(parts)}, or 'jailkit apply' brings that back; then: `;
}

const listed = (parts: readonly string[]): string =>
  [parts.slice(0, -1).join(", "), parts.at(-1) ?? ""].filter((part) => part !== "").join(" and ");

/**
 * Says that a known jail is missing, with the commands for each case; `remedy` creates it again, or brings it back. Pure but for what declarations tell.
 */
export function missingJail(
  { path, content, users, files, mount, now }: MissingJail,
  { meantOf, elsewhere }: OfMissing,
) {
  // Another jail below the mount point would hide until the next unmount.
  if (mount !== undefined)
    return {
      reason: `${display(path)} is missing: ${unmountedReason(mount)}`,
      remedy: mount,
      unmounted: true,
    };
  const at = now ?? (content === undefined ? whereUsersAre(path, users) : undefined);
  if (at !== undefined) {
    const reason = `${display(path)} is missing: ${movedHint(path, at)}`;
    return { reason, remedy: followRemedy(path, at), moved: true };
  }
  const other = elsewhere(path);
  if (other !== undefined)
    return { reason: `${display(path)} is missing: ${other.message}`, remedy: other.remedy, moved: true };
  const word = shellWord(path);
  const declared = meantOf.sections(path);
  const { text: again, remedy } = againBy(path, content, declared);
  const leave = leaveCommand(users, shellsAmong(content?.requests ?? []), { move: false });
  const drop = [
    ...(leave === "" ? [] : [leave]),
    ...(content === undefined ? [] : [`jailkit forget ${word}`]),
  ];
  const settings = files.length === 0 ? [] : [`remove its section from ${files.map(display).join(" and ")}`];
  const unneeded = [...(drop.length === 0 ? [] : [drop.join(" && ")]), ...settings].join("; and ");
  const moved = content === undefined ? "" : `; if it was moved: jailkit adopt --moved ${word} NEW`;
  const otherwise = unneeded === "" ? "" : `; if it is not needed: ${firstOut(declared)}${unneeded}`;
  const reason = `${display(path)} is missing; to create it again: ${again}${otherwise}${moved}`;
  return { reason, remedy };
}
