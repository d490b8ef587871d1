import type { ByteString } from "../../ffi/bytes.ts";
import { baseName, parentOf } from "../../ffi/paths.ts";
import { SPECIAL } from "../check/files/item.ts";
import { display } from "../cli/display.ts";
import { answered, JailkitError } from "../cli/error.ts";
import { wantsHardLinks } from "../config/hard-links.ts";
import type { IniFile } from "../config/model.ts";
import { hostMountsIn } from "../jail/fs/host-mounts.ts";
import { hasMountPlace } from "../jail/fs/live-mounts.ts";
import { lookUp, withTree } from "../jail/fs/look.ts";
import { isSocketDirectory } from "../jail/fs/socket-directory.ts";
import { isDirectory, isLink, isRegular, type JailRoot } from "../jail/fs/walk.ts";
import {
  changeManifest,
  type ManifestEntry,
  type ManifestRequest,
  openManifest,
  recordRequest,
  removeRequests,
  saveManifest,
  updateEntries,
} from "../jail/record/manifest.ts";
import { withoutBrought } from "../libraries/brought.ts";
import type { Loader } from "../libraries/closure.ts";
import { isLibraryName } from "../libraries/dependency.ts";
import { isSystemLink } from "../populate/apply/live.ts";
import { directoriesInFstab } from "../populate/apply/live-lines.ts";
import type { PopulateProblem, Want } from "../populate/entry.ts";
import type { FileSystem } from "../populate/file-system.ts";
import { liveCopyProblem } from "../populate/live-copy.ts";
import { jailFileSystem } from "../populate/open-jail.ts";
import { type Draft, isIn } from "../populate/plan/draft.ts";
import { makePlan } from "../populate/plan/plan.ts";
import { asksForFiles, givenOptions } from "../populate/record/requests.ts";
import { installedCompanions } from "../profile/companions.ts";
import { type Guess, guessSections, type SectionPaths, socketSections } from "../profile/guess.ts";
import { copyWant, readRecipe } from "../profile/recipe.ts";
import { namesShell } from "../update/plan/shell.ts";
import { recordedEntries } from "./adopt-entries.ts";
import { type MatchedFile, matchJail } from "./adopt-match.ts";

/** The result of examining a jail. */
export interface Adoption {
  readonly sections: readonly Guess[];
  /** Operands of jk_cp, with its options. */
  readonly files: readonly { path: ByteString; owner: boolean; setuid: boolean }[];
  readonly hardlink: boolean;
  readonly entries: readonly ManifestEntry[];
  readonly requests: readonly ManifestRequest[];
  /** Files that no section or command explains; the reasons are printable. */
  readonly unexplained: readonly { path: ByteString; reason: string }[];
  /** The number of entries whose mode in the jail gives less than the recorded one. */
  readonly closed: number;
  readonly problems: readonly PopulateProblem[];
  /** The directories of the host, and those of sockets, that the jail shows or should show. */
  readonly mounts: Record<"live" | "sockets", readonly ByteString[]>;
  /** Those of lines of fstab(5) that a jail of before has left. */
  readonly left: readonly ByteString[];
}

/** What explains the contents of a jail. */
interface AdoptSources {
  readonly host: FileSystem;
  readonly loader: Loader;
  readonly ini: IniFile;
  /** The file of the sections, if it is not the usual one. */
  readonly configfile: ByteString | undefined;
  /** What the sections ask for: for one jail after another. */
  readonly known: Map<ByteString, SectionPaths>;
}

/** Throws JailkitError if a jail has a record, or is a copy of a live one, whose programs nobody should record. */
function requireNoRecord(root: JailRoot): void {
  const { content } = openManifest(root);
  if (content.requests.some(asksForFiles)) {
    const message = `${display(root.path)}: already has a record; use --force to start over`;
    throw new JailkitError("recorded", 1, message);
  }
  const copy = liveCopyProblem(root, content);
  if (copy === undefined) return;
  const message = `${copy.message}; use --force to record it as it is`;
  throw new JailkitError(copy.code, 1, message, undefined, copy.remedy);
}

/** Finds out what a jail consists of, without changing anything. Throws JailkitError if the jail has a record. */
export function examineJail(root: JailRoot, sources: AdoptSources, again: boolean): Adoption {
  const { host, loader, ini, configfile, known } = sources;
  // With --force, a damaged record is replaced.
  if (!again) requireNoRecord(root);
  const { mounts, left } = mountsByLines(root);
  const live = [...new Set([...hostMountsIn(root), ...mounts.live])];
  const { matched, problems } = matchJail(root);
  // No request explains the links of a live jail into /usr.
  const asked = matched.filter(({ path, stat }) => !(isLink(stat) && isSystemLink(path, live)));
  const byPath = new Map(matched.map((file) => [file.path, file]));
  const copies = matched.filter(({ stat }) => isRegular(stat));
  const linked = copies.filter((file) => file.linked).length;
  const hardlink = linked > 0 && linked * 2 >= copies.length;
  const isHere = (path: ByteString) => {
    const found = answered(() => lookUp(root, path));
    return found !== undefined && !isIn(live, found.canonicalPath);
  };
  const sections = [
    ...guessSections(ini, host, loader, isHere, live.includes("/usr") ? shownIn(live) : undefined, known),
    ...socketSections(ini, mounts.sockets).map((name) => ({ name, lacking: [] })),
  ];
  const names = sections.map(({ name }) => name);
  const init = names.length === 0 ? [] : [request("jk_init", names, { configfile, hardlink })];
  const planned = (wants: readonly Want[]) => planOf(root, sources, wants);
  const base = readRecipe(init, host, loader).wants;
  const { files, plan } = leftOver(asked, base, planned, sources, byPath);
  // Only some may have been updated since jk_update.ini has it.
  const linking = hardlink || wantsHardLinks(root.path);
  const entries = recordedEntries(plan, byPath, linking, host);
  const recorded = new Set(entries.map(({ path }) => path));
  return {
    sections,
    files,
    hardlink,
    entries,
    requests: [...init, ...copyRequests(files, hardlink)],
    unexplained: asked.flatMap((file) => unexplainedOf(file, recorded)),
    closed: entries.filter(({ path, mode }) => (mode & ~(byPath.get(path)?.stat.mode ?? mode)) !== 0).length,
    ...{ problems, mounts, left },
  };
}

/** What the lines of fstab(5) show in a jail, or would, and what a jail of before has left: this one has no place for that. */
function mountsByLines(root: JailRoot): Pick<Adoption, "mounts" | "left"> {
  const named = directoriesInFstab(root.path);
  const shown = named.filter((path) => hasMountPlace(root, path));
  const [live, sockets] = [false, true].map((is) => shown.filter((path) => isSocketDirectory(path) === is));
  return {
    mounts: { live: live ?? [], sockets: sockets ?? [] },
    left: named.filter((path) => !shown.includes(path)),
  };
}

/** Tells whether a path of the host is in one of the directories, which say nothing about a jail that has them mounted. */
function shownIn(directories: readonly ByteString[]): (path: ByteString) => boolean {
  const known = new Map<ByteString, ByteString | undefined>();
  return (path) => {
    const parent = parentOf(path) || "/";
    const above = known.getOrInsertComputed(parent, () =>
      answered(() => withTree((tree) => lookUp(tree, parent, { follow: true })?.canonicalPath)),
    );
    return above !== undefined && isIn(directories, `${above === "/" ? "" : above}/${baseName(path)}`);
  };
}

/** Writes the record of an adopted jail. */
export function adoptJail(root: JailRoot, { entries, requests, mounts, left }: Adoption): void {
  const manifest = openManifest(root);
  // Requests about accounts stay.
  removeRequests(manifest, asksForFiles);
  changeManifest(manifest, (content) => {
    content.entries.clear();
    for (const key of ["live", "sockets"] as const) {
      // Somebody may have taken the lines out of fstab(5).
      const before = (content[key] ?? []).filter((path) => !left.includes(path));
      const now = mounts[key].length > 0 ? mounts[key] : before;
      content[key] = now.length > 0 ? now : undefined;
    }
  });
  for (const request of requests) recordRequest(manifest, request);
  updateEntries(manifest, entries);
  saveManifest(manifest);
}

/** The plan for some wants, as if the jail had only its directories. */
function planOf(root: JailRoot, { host, loader }: AdoptSources, wants: readonly Want[]): Draft {
  const real = jailFileSystem(root);
  const live = hostMountsIn(root);
  const onlyDirectories: FileSystem["lstat"] = (path) => {
    const stat = real.lstat(path);
    return stat !== undefined && isDirectory(stat) ? stat : undefined;
  };
  return makePlan({
    host,
    jail: { ...real, lstat: onlyDirectories, stat: onlyDirectories },
    jailPath: root.path,
    wants,
    force: false,
    loader,
    live,
    companions: installedCompanions(host, loader),
  });
}

function request(
  tool: "jk_init" | "jk_cp",
  names: ByteString[],
  options: Parameters<typeof givenOptions>[0],
): ManifestRequest {
  const [sections, operands] = tool === "jk_init" ? [names, []] : [[], names];
  return { tool, sections, operands, options: givenOptions(options), time: Math.floor(Date.now() / 1000) };
}

/** One request for all operands with the same options. */
function copyRequests(files: Adoption["files"], hardlink: boolean): ManifestRequest[] {
  const alike = Map.groupBy(files, ({ owner, setuid }) => `${owner} ${setuid}`);
  return [...alike.values()].map((group) => {
    const operands = group.map(({ path }) => path);
    return request("jk_cp", operands, { owner: group[0]?.owner, setuid: group[0]?.setuid, hardlink });
  });
}

/**
 * Files that the sections do not bring and the host has too, as operands of jk_cp: first programs, which explain their
 * libraries, then complete directories, then single files. With the plan of all.
 */
function leftOver(
  matched: readonly MatchedFile[],
  base: readonly Want[],
  planned: (wants: readonly Want[]) => Draft,
  { host, loader }: Pick<AdoptSources, "host" | "loader">,
  byPath: ReadonlyMap<ByteString, MatchedFile>,
): { files: Adoption["files"]; plan: Draft } {
  const files: Adoption["files"][number][] = [];
  // jailkit 2 needed a limited shell in the jail; this jailkit does not.
  const matching = matched.filter(
    ({ path, stat, likeness }) =>
      !isDirectory(stat) && !namesShell(path) && (likeness === "same" || likeness === "older"),
  );
  let plan = planned(base);
  const add = (chosen: readonly ByteString[]) => {
    if (chosen.length === 0) return;
    for (const path of chosen) files.push({ path, ...keptOf(byPath.get(path), host) });
    plan = planned([...base, ...files.map((file) => copyWant(file.path, file))]);
  };
  const rest = (is: (file: MatchedFile) => boolean = () => true) =>
    matching.flatMap((file) => (!plan.planned.has(file.path) && is(file) ? [file.path] : []));
  add(rest(({ path, stat }) => isRegular(stat) && (stat.mode & 0o111) !== 0 && !isLibraryName(path)));
  add(wholeDirectories(rest(), matching, host));
  add(withoutBrought(rest(), loader));
  add(rest());
  return { files, plan };
}

/** Whether a copy has the owner and the special bits of the host's file. */
function keptOf(file: MatchedFile | undefined, host: FileSystem) {
  const there = file === undefined ? undefined : host.lstat(file.path);
  if (file === undefined || there === undefined) return { owner: false, setuid: false };
  const { uid, gid, mode } = file.stat;
  const owner = (uid !== 0 || gid !== 0) && uid === there.uid && gid === there.gid;
  const setuid = (mode & SPECIAL) !== 0 && (mode & SPECIAL) === (there.mode & SPECIAL);
  return { owner, setuid };
}

const COMMON = /^\/(?:[^/]+|usr\/[^/]+|usr\/lib\/[^/]*-linux-[^/]*|usr\/local\/[^/]+|var\/[^/]+)$/;

/** The topmost directories that are complete in the jail and have more than one unexplained file. */
function wholeDirectories(
  rest: readonly ByteString[],
  matching: readonly MatchedFile[],
  host: FileSystem,
): ByteString[] {
  const there = new Set(matching.map(({ path }) => path));
  const counts = new Map<ByteString, number>();
  for (const path of rest)
    for (let above = parentOf(path); above !== ""; above = parentOf(above))
      counts.set(above, (counts.get(above) ?? 0) + 1);
  const whole = (path: ByteString): boolean =>
    host.list(path).every(({ path: child, stat }) => (isDirectory(stat) ? whole(child) : there.has(child)));
  const chosen: ByteString[] = [];
  for (const path of [...counts.keys()].sort((a, b) => a.length - b.length)) {
    // Nobody copies a whole directory such as /usr/lib.
    if ((counts.get(path) ?? 0) < 2 || COMMON.test(path)) continue;
    if (chosen.some((each) => path.startsWith(`${each}/`))) continue;
    const stat = host.lstat(path);
    if (stat !== undefined && isDirectory(stat) && whole(path)) chosen.push(path);
  }
  return chosen;
}

const REASONS: Readonly<Record<MatchedFile["likeness"], string>> = {
  same: "is the host's, but nothing explains it",
  older: "is an older copy of the host's, but nothing explains it",
  edited: "differs from the host's, and was written in the jail",
  "only-here": "is not on the host: it was created in the jail, or the host's was removed",
};

function unexplainedOf({ path, stat, likeness }: MatchedFile, recorded: ReadonlySet<ByteString>) {
  if (recorded.has(path) || isDirectory(stat)) return [];
  if (stat.uid !== 0) return [{ path, reason: `belongs to uid ${stat.uid}` }];
  return [{ path, reason: REASONS[likeness] }];
}
