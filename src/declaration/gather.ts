import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { counted, display, quoted } from "../cli/display.ts";
import { answered, describeError, isReported } from "../cli/error.ts";
import { shellWord } from "../cli/shell-word.ts";
import { loadConfig } from "../config/load.ts";
import type { IniFile } from "../config/model.ts";
import { withOneTree } from "../jail/fs/look.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { type ManifestContent, type ManifestRequest, openManifest } from "../jail/record/manifest.ts";
import { openNamedJail } from "../jail/record/named-jail.ts";
import { isRefused } from "../jail/record/without.ts";
import { type JailSection, jailSections, namedOrKnown } from "../jails/known.ts";
import { withoutBrought } from "../libraries/brought.ts";
import { createLoader, type Loader } from "../libraries/closure.ts";
import { isLibraryName } from "../libraries/dependency.ts";
import { LIVE_SECTION, namedLive } from "../populate/apply/live.ts";
import { asksForFiles } from "../populate/record/requests.ts";
import { namesIn } from "../system/account-tools.ts";
import { type Resident, residentsOf } from "../transfer/host.ts";
import { SECTIONS_FILE } from "../transfer/sections.ts";
import { readPolicies } from "../users/policy.ts";
import { hasLine } from "./compare/former-name.ts";
import { InJail } from "./compare/in-jail.ts";
import { Machine, once } from "./compare/machine.ts";
import { lostRequests, lostSettings } from "./gather-lost.ts";
import { gatherUser, type UserSources } from "./gather-user.ts";
import type { DeclaredJail, DeclaredUser } from "./model.ts";
import { readOnce } from "./once.ts";
import type { OnceUser } from "./once-shape.ts";
import type { Comments } from "./write.ts";

/** What a machine has, as a declaration. Lines are printable. */
export interface GatheredDeclaration {
  readonly jails: readonly DeclaredJail[];
  readonly users: readonly DeclaredUser[];
  readonly comments: Comments;
  /** About parts of jails and users. */
  readonly warnings: readonly string[];
  /** About jails that are left out. */
  readonly problems: readonly string[];
}

interface GatheredJail {
  readonly jail: DeclaredJail;
  readonly users: readonly DeclaredUser[];
  readonly comments: ReadonlyMap<DeclaredJail | DeclaredUser, readonly string[]>;
  readonly warnings: readonly string[];
  /** What is left out of many users. */
  readonly common: readonly CommonLoss[];
}

interface CommonLoss {
  readonly user: ByteString;
  readonly what: string;
}

/** What all jails have in common. */
interface Shared extends Pick<UserSources, "host" | "localGroups" | "keys" | "sshd"> {
  /** The names of the sections of jk_init.ini. */
  readonly sections: ReadonlySet<ByteString>;
  /** Sections of jk_update.ini and jk_check.ini. */
  readonly settings: readonly JailSection[];
  readonly loader: Loader;
  /** What was declared of users. */
  readonly once: () => ReadonlyMap<ByteString, OnceUser>;
}

/**
 * Describes the named jails with their users, or all that are known if none is named. `keys`: with the keys in their homes.
 * Throws JailkitError if the configuration of the machine cannot be read.
 */
export function gatherDeclaration(
  named: readonly ByteString[],
  { keys }: Pick<UserSources, "keys">,
): GatheredDeclaration {
  return withOneTree(() => {
    const host = new Machine();
    const ini = loadConfig(SECTIONS_FILE, { dialect: "py" });
    const sections = new Set(ini?.sections.map(({ name }) => name));
    const settings = jailSections();
    using loader = createLoader({ dlopen: true });
    const localGroups = new Set(namesIn("/etc/group"));
    const remembered = once(
      () => new Map((answered(readOnce)?.users ?? []).map((user) => [user.name, user])),
    );
    const shared = { once: remembered, loader, host, sections, settings, localGroups, keys, sshd: new Map() };
    const { paths, damaged } = namedOrKnown(named, host.users);
    const gathered = new Map<ByteString, GatheredJail>();
    const problems: string[] = [];
    for (const path of new Set(paths)) {
      try {
        using root = openNamedJail(path);
        if (!gathered.has(root.path)) gathered.set(root.path, gatherJail(root, shared));
      } catch (error) {
        if (!isReported(error)) throw error;
        problems.push(`left out: jail ${quoted(path)}: ${describeError(error)}`);
      }
    }
    // Of some jails the path is not known.
    for (const { error } of damaged) if (error.jail === undefined) problems.push(error.message);
    const found = [...gathered.values()];
    return {
      jails: found.map(({ jail }) => jail),
      users: found.flatMap(({ users }) => users),
      comments: new Map(found.flatMap(({ comments }) => [...comments])),
      warnings: [
        ...found.flatMap(({ warnings }) => warnings),
        ...commonWarnings(found.flatMap(({ common }) => common)),
      ],
      problems,
    };
  });
}

/** One line about all users of whom the same is left out. */
function commonWarnings(losses: readonly CommonLoss[]): string[] {
  return [...Map.groupBy(losses, ({ what }) => what)].map(([what, users]) => {
    const [first, ...others] = users.map(({ user }) => quoted(user));
    const who = others.length === 0 ? "" : ` and ${counted(others.length, "more user")}`;
    return `user ${first}${who}: left out: ${what}`;
  });
}

function gatherJail(root: JailRoot, shared: Shared): GatheredJail {
  const { host } = shared;
  const { content } = openManifest(root);
  const comments = new Map<DeclaredJail | DeclaredUser, readonly string[]>();
  const warnings: string[] = [];
  const said: string[] = [];
  const shown = `jail ${quoted(root.path)}`;
  const warn = (what: string, lines: string[]) => {
    warnings.push(`${shown}: ${what}`);
    lines.push(what);
  };
  const contents = contentsOf(root, content, shared, (what) => warn(what, said));
  const jail: DeclaredJail = {
    ...{ path: root.path, place: { file: root.path, line: 0, column: 0 }, ...contents },
    logSocket: switchOf(host.logSocketOf(root.path) !== undefined, isRefused(content, "log-socket")),
    proc: switchOf(host.mountsProc(root.path), isRefused(content, "proc")),
  };
  let read: IniFile | undefined;
  const policies = () => (read ??= readPolicies(root).ini);
  const more: string[] = [];
  const users: DeclaredUser[] = [];
  const common: CommonLoss[] = [];
  const inside = new InJail(root, root.path, false);
  const residents = residentsOf(root, host, more);
  const names = new Set(residents.map(({ user }) => user.name));
  for (const what of lostSettings(root.path, { ...shared, policies, names })) warn(`left out: ${what}`, said);
  for (const resident of residents) {
    const { name } = resident.user;
    const gathered = gatherSafely(
      () =>
        waitsElsewhere(resident, root, shared) ?? gatherUser(resident, { ...shared, root, inside, policies }),
    );
    if (typeof gathered === "string") {
      warn(`left out: user ${quoted(name)}: ${gathered}`, said);
      continue;
    }
    const lines = [...gathered.comments];
    for (const what of gathered.leftOut) {
      warnings.push(`user ${quoted(name)}: left out: ${what}`);
      lines.push(`left out: ${what}`);
    }
    users.push(gathered.user);
    common.push(...gathered.common.map((what) => ({ user: name, what })));
    comments.set(gathered.user, lines);
  }
  for (const line of more) warn(line, said);
  comments.set(jail, said);
  return { jail, users, comments, warnings, common };
}

/** Why an account of a directory is left out that has moved to another jail but for what its directory says: it would leave that. */
function waitsElsewhere({ user, local }: Resident, root: JailRoot, { once }: Shared): string | undefined {
  const before = local ? undefined : once().get(user.name);
  if (before === undefined || !before.directory || before.out || before.jail === root.path) return undefined;
  if (!hasLine(before.jail, user)) return undefined;
  return `it was declared in ${quoted(before.jail)}, which has a line of it, and its directory says this jail; jailkit apply --check shows what is to be done`;
}

/** What is neither there nor refused is not declared. */
const switchOf = (isThere: boolean, refused: boolean) => (isThere ? true : refused ? false : undefined);

/** The result of `gather`; the message of an error to report. */
function gatherSafely<T>(gather: () => T): T | string {
  try {
    return gather();
  } catch (error) {
    if (!isReported(error)) throw error;
    return describeError(error);
  }
}

/** What was asked for. `warn` gets what a declaration does not say. */
function contentsOf(
  root: JailRoot,
  { requests, live }: ManifestContent,
  { sections: known, loader }: Shared,
  warn: (what: string) => void,
): Pick<DeclaredJail, "sections" | "files" | "live"> {
  const wanted = requests.filter(asksForFiles);
  if (wanted.length === 0)
    warn(`has no record of its sections and files; create one with: jailkit adopt ${shellWord(root.path)}`);
  const sections = wanted.flatMap((request) => sectionsOf(request, live !== undefined));
  const missing = [...new Set(sections)].filter((name) => !known.has(name));
  for (const name of missing)
    warn(`left out: section ${quoted(name)}, which is not in ${display(SECTIONS_FILE)}`);
  for (const what of lostRequests(wanted, known)) warn(`left out: ${what}`);
  const files = [...new Set(wanted.flatMap(({ tool, operands }) => (tool === "jk_cp" ? operands : [])))];
  return {
    sections: [...new Set(sections)].filter((name) => known.has(name)),
    files: withoutVersions(files, loader, warn),
    live: live === undefined ? undefined : namedLive(live),
  };
}

/**
 * Without libraries that other files bring along, and those that this machine has no longer: of a jail that was adopted, the
 * record may name each version of a library.
 */
function withoutVersions(
  files: readonly ByteString[],
  loader: Loader,
  warn: (what: string) => void,
): readonly ByteString[] {
  const libraries = files.filter((path) => path.startsWith("/") && isLibraryName(path));
  if (libraries.length === 0) return files;
  const isHere = (path: ByteString) => statIfPresent(AT_FDCWD, path) !== undefined;
  for (const path of libraries)
    if (!isHere(path)) warn(`left out: file ${quoted(path)}, which this machine does not have`);
  const own = new Set(withoutBrought(libraries.filter(isHere), loader, files.filter(isHere)));
  return files.filter((path) => !libraries.includes(path) || own.has(path));
}

function sectionsOf({ tool, sections }: ManifestRequest, isLive: boolean): readonly ByteString[] {
  if (tool !== "jk_init") return [];
  // It comes with the live directories.
  return isLive ? sections.filter((name) => name !== LIVE_SECTION) : sections;
}
