import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { allOf, composed, type Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { directoryCommand, takeLinesOut } from "../enter/remedies.ts";
import type { JailedUser } from "../jail/accounts/jailed-users.ts";
import { unmountedReason } from "../jail/fs/unmounted.ts";
import type { ManifestContent, ManifestRequest } from "../jail/record/manifest.ts";
import { followRemedy, movedHint } from "../jail/record/named-jail.ts";
import { LIVE_SECTION, liveOption } from "../populate/apply/live.ts";
import { asksForFiles } from "../populate/record/requests.ts";
import { leaveCommand, shellsAmong } from "../users/leaving.ts";

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

/** What to do about users of a jail that is not there. Pure. */
export function strayAdvice(strays: readonly Stray[]): string {
  const ways = [...Map.groupBy(strays, ({ line }) => line)].map(([line, users]) => {
    const names = users.map(({ name }) => name);
    const show = directoryCommand(line, ...names);
    return `to let ${names.map(display).join(", ")} into ${display(line)}, which has lines of them, change their directory as this shows: ${show}; or take these lines out: ${takeLinesOut(line, ...names)}`;
  });
  return ways.join("; ");
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

/**
 * Says that a known jail is missing, with the commands for each case; `remedy` creates it again, or brings it back. Pure.
 */
export function missingJail({ path, content, users, files, mount, now }: MissingJail) {
  // Another jail below the mount point would hide until the next unmount.
  if (mount !== undefined)
    return {
      reason: `${display(path)} is missing: ${unmountedReason(mount)}`,
      remedy: mount,
      unmounted: true,
    };
  if (now !== undefined) {
    const reason = `${display(path)} is missing: ${movedHint(path, now)}`;
    return { reason, remedy: followRemedy(path, now), moved: true };
  }
  const word = shellWord(path);
  const remedy = content === undefined ? undefined : repeatCommand(path, content);
  const again = remedy ?? `jk_init -j ${word} SECTION`;
  const leave = leaveCommand(users, shellsAmong(content?.requests ?? []), { move: false });
  const drop = [
    ...(leave === "" ? [] : [leave]),
    ...(content === undefined ? [] : [`jailkit forget ${word}`]),
  ];
  const settings = files.length === 0 ? [] : [`remove its section from ${files.map(display).join(" and ")}`];
  const unneeded = [...(drop.length === 0 ? [] : [drop.join(" && ")]), ...settings].join("; and ");
  const moved = content === undefined ? "" : `; if it was moved: jailkit adopt --moved ${word} NEW`;
  const otherwise = unneeded === "" ? "" : `; if it is not needed: ${unneeded}`;
  const reason = `${display(path)} is missing; to create it again: ${again}${otherwise}${moved}`;
  return { reason, remedy };
}
