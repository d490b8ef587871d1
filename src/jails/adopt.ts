import type { ByteString } from "../../ffi/bytes.ts";
import { parentOf } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { IniFile } from "../config/model.ts";
import { lookUp } from "../jail/fs/look.ts";
import { isDirectory, isRegular, type JailRoot } from "../jail/fs/walk.ts";
import {
  changeManifest,
  type ManifestEntry,
  type ManifestRequest,
  openManifest,
  recordRequest,
  saveManifest,
  updateEntries,
} from "../jail/record/manifest.ts";
import type { Loader } from "../libraries/closure.ts";
import type { PopulateProblem, Want } from "../populate/entry.ts";
import type { FileSystem } from "../populate/file-system.ts";
import { jailFileSystem } from "../populate/open-jail.ts";
import type { Draft } from "../populate/plan/draft.ts";
import { makePlan } from "../populate/plan/plan.ts";
import { asksForFiles } from "../populate/record/requests.ts";
import { type Guess, guessSections } from "../profile/guess.ts";
import { copyWant, readRecipe } from "../profile/recipe.ts";
import { namesShell } from "../update/plan/shell.ts";
import { recordedEntries } from "./adopt-entries.ts";
import { type MatchedFile, matchJail } from "./adopt-match.ts";

/** A file of a jail that no section or command explains. */
interface Unexplained {
  readonly path: ByteString;
  /** Printable, without the path. */
  readonly reason: string;
}

/** The result of examining a jail. */
export interface Adoption {
  readonly sections: readonly Guess[];
  /** Operands of jk_cp, with its options. */
  readonly files: readonly { path: ByteString; owner: boolean; setuid: boolean }[];
  readonly hardlink: boolean;
  readonly entries: readonly ManifestEntry[];
  readonly requests: readonly ManifestRequest[];
  readonly unexplained: readonly Unexplained[];
  /** The number of entries whose mode in the jail gives less than the recorded one. */
  readonly closed: number;
  readonly problems: readonly PopulateProblem[];
}

/** What explains the contents of a jail. */
interface AdoptSources {
  readonly host: FileSystem;
  readonly loader: Loader;
  readonly ini: IniFile;
  /** The file of the sections, if it is not the usual one. */
  readonly configfile: ByteString | undefined;
}

const SPECIAL = 0o6000;
const LIBRARY = /\.so(?:\.|$)/;

/** Finds out what a jail consists of, without changing anything. Throws JailkitError if the jail has a record. */
export function examineJail(root: JailRoot, sources: AdoptSources, again: boolean): Adoption {
  const { host, loader, ini } = sources;
  if (!again && openManifest(root).content.requests.some(asksForFiles)) {
    const message = `${display(root.path)}: already has a record; use --force to start over`;
    throw new JailkitError("recorded", 1, message);
  }
  const { matched, problems } = matchJail(root);
  const byPath = new Map(matched.map((file) => [file.path, file]));
  const copies = matched.filter(({ stat, linked }) => isRegular(stat) || linked);
  const linked = copies.filter((file) => file.linked).length;
  const hardlink = linked > 0 && linked * 2 >= copies.length;
  const sections = guessSections(ini, host, loader, (path) => isInJail(root, path));
  const init = initRequest(sections, hardlink, sources.configfile);
  const explained = (wants: readonly Want[]) => planOf(root, sources, wants);
  const base = init === undefined ? [] : readRecipe([init], host, loader).wants;
  const files = leftOver(matched, base, explained, host);
  const copied = files.map((file) => copyWant(file.path, file));
  const plan = explained([...base, ...copied]);
  const entries = recordedEntries(plan, byPath, hardlink, host);
  const recorded = new Set(entries.map(({ path }) => path));
  return {
    sections,
    files,
    hardlink,
    entries,
    requests: [...(init === undefined ? [] : [init]), ...copyRequests(files, hardlink)],
    unexplained: matched.flatMap((file) => unexplainedOf(file, recorded)),
    closed: entries.filter(({ path, mode }) => (mode & ~(byPath.get(path)?.stat.mode ?? mode)) !== 0).length,
    problems,
  };
}

/** Writes the record of an adopted jail. */
export function adoptJail(root: JailRoot, { entries, requests }: Adoption): void {
  const manifest = openManifest(root);
  changeManifest(manifest, (content) => {
    // Requests about accounts stay.
    content.requests.splice(
      0,
      content.requests.length,
      ...content.requests.filter((each) => !asksForFiles(each)),
    );
    content.entries.clear();
  });
  for (const request of requests) recordRequest(manifest, request);
  updateEntries(manifest, entries);
  saveManifest(manifest);
}

function isInJail(root: JailRoot, path: ByteString): boolean {
  try {
    return lookUp(root, path) !== undefined;
  } catch {
    return false;
  }
}

/** Plans what requests would bring, as if the jail had only its directories. */
function planOf(root: JailRoot, { host, loader }: AdoptSources, wants: readonly Want[]): Draft {
  const real = jailFileSystem(root);
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
  });
}

const now = () => Math.floor(Date.now() / 1000);

function initRequest(
  sections: readonly Guess[],
  hardlink: boolean,
  configfile: ByteString | undefined,
): ManifestRequest | undefined {
  if (sections.length === 0) return undefined;
  const options: ManifestRequest["options"] = {};
  if (configfile !== undefined) options.configfile = configfile;
  if (hardlink) options.hardlink = true;
  return { tool: "jk_init", sections: sections.map(({ name }) => name), operands: [], options, time: now() };
}

/** One request for all operands with the same options. */
function copyRequests(files: Adoption["files"], hardlink: boolean): ManifestRequest[] {
  const requests = new Map<string, ManifestRequest>();
  for (const { path, owner, setuid } of files) {
    const key = `${owner} ${setuid}`;
    const options: ManifestRequest["options"] = {};
    if (owner) options.owner = true;
    if (setuid) options.setuid = true;
    if (hardlink) options.hardlink = true;
    const request = requests.get(key) ?? { tool: "jk_cp", sections: [], operands: [], options, time: now() };
    request.operands.push(path);
    requests.set(key, request);
  }
  return [...requests.values()];
}

/**
 * Files that the sections do not bring and the host has too, as operands of jk_cp: first programs, which explain their
 * libraries, then complete directories, then single files.
 */
function leftOver(
  matched: readonly MatchedFile[],
  base: readonly Want[],
  planned: (wants: readonly Want[]) => Draft,
  host: FileSystem,
): Adoption["files"] {
  const files: { path: ByteString; owner: boolean; setuid: boolean }[] = [];
  // jailkit 2 needed a limited shell in the jail; this jailkit does not.
  const matching = matched.filter(
    ({ path, stat, likeness }) =>
      !isDirectory(stat) && !namesShell(path) && (likeness === "same" || likeness === "older"),
  );
  let plan = planned(base);
  const add = (chosen: readonly ByteString[]) => {
    if (chosen.length === 0) return;
    const byPath = new Map(matched.map((file) => [file.path, file]));
    for (const path of chosen) files.push({ path, ...keptOf(byPath.get(path), host) });
    plan = planned([...base, ...files.map((file) => copyWant(file.path, file))]);
  };
  const rest = () => matching.filter(({ path }) => !plan.planned.has(path));
  const isProgram = ({ path, stat }: MatchedFile) =>
    isRegular(stat) && (stat.mode & 0o111) !== 0 && !LIBRARY.test(path);
  add(
    rest()
      .filter(isProgram)
      .map(({ path }) => path),
  );
  add(wholeDirectories(rest(), matching, host));
  add(rest().map(({ path }) => path));
  return files;
}

/** Whether a copy has the owner and the special bits of the host's file. */
function keptOf(file: MatchedFile | undefined, host: FileSystem): { owner: boolean; setuid: boolean } {
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
  rest: readonly MatchedFile[],
  matching: readonly MatchedFile[],
  host: FileSystem,
): ByteString[] {
  const there = new Set(matching.map(({ path }) => path));
  const counts = new Map<ByteString, number>();
  for (const { path } of rest) {
    for (let above = parentOf(path); above !== ""; above = parentOf(above)) {
      counts.set(above, (counts.get(above) ?? 0) + 1);
    }
  }
  const whole = (path: ByteString): boolean =>
    host.list(path).every(({ name, stat }) => {
      const child = `${path}/${name}`;
      return isDirectory(stat) ? whole(child) : there.has(child);
    });
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

function unexplainedOf(
  { path, stat, likeness }: MatchedFile,
  recorded: ReadonlySet<ByteString>,
): Unexplained[] {
  if (recorded.has(path) || isDirectory(stat)) return [];
  if (stat.uid !== 0) return [{ path, reason: `belongs to uid ${stat.uid}` }];
  const reasons: Readonly<Record<MatchedFile["likeness"], string>> = {
    same: "is the host's, but nothing explains it",
    older: "is an older copy of the host's, but nothing explains it",
    edited: "differs from the host's, and was written in the jail",
    "only-here": "is not on the host: it was created in the jail, or the host's was removed",
  };
  return [{ path, reason: reasons[likeness] }];
}
