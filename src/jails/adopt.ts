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
import { manifestEntry } from "../populate/record/record.ts";
import { asksForFiles } from "../populate/record/requests.ts";
import { type Guess, guessSections } from "../profile/guess.ts";
import { copyWant, readRecipe } from "../profile/recipe.ts";
import { namesShell } from "../update/plan/shell.ts";
import { matchJail, type Thing } from "./adopt-match.ts";

/** Something in a jail of which nothing explains why it is there. */
export interface Unexplained {
  readonly path: ByteString;
  /** Printable, without the path. */
  readonly reason: string;
}

/** What was found out about a jail. */
export interface Adoption {
  readonly sections: readonly Guess[];
  /** What jk_cp is taken to have been asked for, with the options. */
  readonly files: readonly { path: ByteString; owner: boolean; setuid: boolean }[];
  readonly hardlink: boolean;
  readonly entries: readonly ManifestEntry[];
  readonly requests: readonly ManifestRequest[];
  readonly unexplained: readonly Unexplained[];
  readonly problems: readonly PopulateProblem[];
}

/** What is looked at. */
export interface AdoptMeans {
  readonly host: FileSystem;
  readonly loader: Loader;
  readonly ini: IniFile;
  /** Where the sections are, unless it is the usual file. */
  readonly configfile: ByteString | undefined;
}

const SPECIAL = 0o6000;
const LIBRARY = /\.so(?:\.|$)/;

/** Finds out what a jail is made of, without changing anything. Throws JailkitError where it is recorded already. */
export function examineJail(root: JailRoot, means: AdoptMeans, again: boolean): Adoption {
  const { host, loader, ini } = means;
  if (!again && openManifest(root).content.requests.some(asksForFiles)) {
    const message = `${display(root.path)}: it is recorded already what is in it; --force starts a new record`;
    throw new JailkitError("recorded", 1, message);
  }
  const { things, problems } = matchJail(root);
  const byPath = new Map(things.map((thing) => [thing.path, thing]));
  const copies = things.filter(({ stat, linked }) => isRegular(stat) || linked);
  const linked = copies.filter((thing) => thing.linked).length;
  const hardlink = linked > 0 && linked * 2 >= copies.length;
  const sections = guessSections(ini, host, loader, (path) => isInJail(root, path));
  const init = initRequest(sections, hardlink, means.configfile);
  const explained = (wants: readonly Want[]) => planOf(root, means, wants);
  const base = init === undefined ? [] : readRecipe([init], host, loader).wants;
  const files = leftOver(things, base, explained, host);
  const copied = files.map((file) => copyWant(file.path, file));
  const plan = explained([...base, ...copied]);
  const entries = withParents(recordedEntries(plan, byPath, hardlink), byPath);
  const recorded = new Set(entries.map(({ path }) => path));
  return {
    sections,
    files,
    hardlink,
    entries,
    requests: [...(init === undefined ? [] : [init]), ...copyRequests(files, hardlink)],
    unexplained: things.flatMap((thing) => unexplainedOf(thing, recorded)),
    problems,
  };
}

/** Records what was found out. */
export function adoptJail(root: JailRoot, { entries, requests }: Adoption): void {
  const manifest = openManifest(root);
  changeManifest(manifest, (content) => {
    // What is known of accounts stays.
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

/** What requests would bring, planned as if all that may be replaced were not there: with the directories of the jail. */
function planOf(root: JailRoot, { host, loader }: AdoptMeans, wants: readonly Want[]): Draft {
  const real = jailFileSystem(root);
  const directoriesAlone: FileSystem["lstat"] = (path) => {
    const stat = real.lstat(path);
    return stat !== undefined && isDirectory(stat) ? stat : undefined;
  };
  return makePlan({
    host,
    jail: { ...real, lstat: directoriesAlone, stat: directoriesAlone },
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

/** Operands with the same options in one request. */
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
 * What the sections do not bring and the host has too, as operands of jk_cp: first programs, which explain their
 * libraries, then directories that are there as a whole, then single files.
 */
function leftOver(
  things: readonly Thing[],
  base: readonly Want[],
  planned: (wants: readonly Want[]) => Draft,
  host: FileSystem,
): Adoption["files"] {
  const files: { path: ByteString; owner: boolean; setuid: boolean }[] = [];
  // A limited shell is there because jailkit 2 needed it: that is no wish for ours.
  const matching = things.filter(
    ({ path, stat, likeness }) =>
      !isDirectory(stat) && !namesShell(path) && (likeness === "same" || likeness === "older"),
  );
  let plan = planned(base);
  const add = (chosen: readonly ByteString[]) => {
    if (chosen.length === 0) return;
    const byPath = new Map(things.map((thing) => [thing.path, thing]));
    for (const path of chosen) files.push({ path, ...keptOf(byPath.get(path), host) });
    plan = planned([...base, ...files.map((file) => copyWant(file.path, file))]);
  };
  const rest = () => matching.filter(({ path }) => !plan.planned.has(path));
  const isProgram = ({ path, stat }: Thing) =>
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

/** Owner and special bits that a copy has of the host's file. */
function keptOf(thing: Thing | undefined, host: FileSystem): { owner: boolean; setuid: boolean } {
  const there = thing === undefined ? undefined : host.lstat(thing.path);
  if (thing === undefined || there === undefined) return { owner: false, setuid: false };
  const { uid, gid, mode } = thing.stat;
  const owner = (uid !== 0 || gid !== 0) && uid === there.uid && gid === there.gid;
  const setuid = (mode & SPECIAL) !== 0 && (mode & SPECIAL) === (there.mode & SPECIAL);
  return { owner, setuid };
}

const COMMON = /^\/(?:[^/]+|usr\/[^/]+|usr\/lib\/[^/]*-linux-[^/]*|usr\/local\/[^/]+|var\/[^/]+)$/;

/** The topmost directories of which all that the host has is in the jail, and more than one thing of it is unexplained. */
function wholeDirectories(
  rest: readonly Thing[],
  matching: readonly Thing[],
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
    // Of a directory that everything shares nobody asks for all.
    if ((counts.get(path) ?? 0) < 2 || COMMON.test(path)) continue;
    if (chosen.some((each) => path.startsWith(`${each}/`))) continue;
    const stat = host.lstat(path);
    if (stat !== undefined && isDirectory(stat) && whole(path)) chosen.push(path);
  }
  return chosen;
}

/** Records of what the plan explains and is there, as it is there. */
function recordedEntries(
  plan: Draft,
  byPath: ReadonlyMap<ByteString, Thing>,
  hardlink: boolean,
): ManifestEntry[] {
  return plan.entries.flatMap((entry): ManifestEntry[] => {
    const thing = byPath.get(entry.path);
    if (thing === undefined) return [];
    const { stat, target, likeness } = thing;
    // An empty directory that a section makes need not be on the host.
    if (!isDirectory(stat) && (likeness === "edited" || likeness === "only-here")) return [];
    const record = manifestEntry(entry);
    const type = record.type === "directory" ? isDirectory(stat) : !isDirectory(stat);
    if (!type || (stat.uid !== 0 && stat.uid !== entry.uid)) return [];
    Object.assign(record, { mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid });
    if (record.type === "file") Object.assign(record, { size: stat.size, mtime: stat.mtime });
    if (record.type === "link") record.target = target;
    if (thing.linked && hardlink) record.hardLink = true;
    return [record];
  });
}

/** With the directories above, which are there for what is in them. */
function withParents(
  entries: readonly ManifestEntry[],
  byPath: ReadonlyMap<ByteString, Thing>,
): ManifestEntry[] {
  const all = new Map(entries.map((entry) => [entry.path, entry]));
  for (const { path, sections, source } of entries) {
    for (let above = parentOf(path); above !== "" && !all.has(above); above = parentOf(above)) {
      const thing = byPath.get(above);
      if (thing === undefined || thing.likeness !== "same" || thing.stat.uid !== 0) continue;
      const { mode, uid, gid } = thing.stat;
      const neededBy = source ?? path;
      const common = { path: above, type: "directory", source: above, reason: "parent", neededBy } as const;
      all.set(above, { ...common, sections: [...sections], mode: mode & 0o7777, uid, gid });
    }
  }
  return [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function unexplainedOf({ path, stat, likeness }: Thing, recorded: ReadonlySet<ByteString>): Unexplained[] {
  if (recorded.has(path) || isDirectory(stat)) return [];
  if (stat.uid !== 0) return [{ path, reason: `belongs to uid ${stat.uid}` }];
  const reasons: Readonly<Record<Thing["likeness"], string>> = {
    same: "is the host's, and nothing tells why it is here",
    older: "is an older copy of the host's, and nothing tells why it is here",
    edited: "is other than the host's, and was written in the jail",
    "only-here": "is not on the host: it was made in the jail, or is gone from the host",
  };
  return [{ path, reason: reasons[likeness] }];
}
