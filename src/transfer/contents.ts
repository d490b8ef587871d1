import type { ByteString } from "../../ffi/bytes.ts";
import { S_ISGID, S_ISUID } from "../../ffi/constants.ts";
import { directoryOf, normalPath } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import { problemFrom } from "../cli/error.ts";
import type { ManifestRequest } from "../jail/record/manifest.ts";
import type { Loader } from "../libraries/closure.ts";
import { type Live, liveOf } from "../populate/apply/live.ts";
import { type LogLimits, USUAL_LIMITS } from "../populate/apply/log-socket.ts";
import { readSockets } from "../populate/apply/sockets.ts";
import type { Entry, PopulateProblem, Want } from "../populate/entry.ts";
import { emptyFileSystem, type FileSystem } from "../populate/file-system.ts";
import { isPassedOver } from "../populate/passed-over.ts";
import type { Draft } from "../populate/plan/draft.ts";
import { makePlan } from "../populate/plan/plan.ts";
import { givenOptions } from "../populate/record/requests.ts";
import { nothingFound } from "../populate/request-plan.ts";
import { createCompanions } from "../profile/companions.ts";
import { readProfile } from "../profile/profile.ts";
import { copyWant, logSocketDirectory } from "../profile/recipe.ts";
import { type Section, selectSections } from "../profile/sections.ts";
import type { Transfer, TransferRequest } from "./document.ts";
import type { SectionChoice } from "./sections.ts";

/** What the requests of a transfer bring on this machine. */
export interface Contents {
  /** For the record of the new jail. */
  readonly requests: readonly ManifestRequest[];
  readonly live: Live | undefined;
  readonly entries: readonly Entry[];
  /** The paths of the entries, as the jail sees them. */
  readonly planned: Draft["planned"];
  readonly needProc: boolean;
  readonly needLogsocket: boolean;
  /** Reasons not to import. */
  readonly problems: readonly PopulateProblem[];
  /** Each of what needs --trusted, printable. */
  readonly grants: readonly string[];
  readonly warnings: readonly string[];
}

type ContentRequests = Pick<Transfer, "requests" | "live" | "logSocket" | "without">;

interface ContentOptions {
  /** The new jail. */
  readonly jail: ByteString;
  /** Leave out what this machine does not have. */
  readonly force: boolean;
}

/** Plans the contents of a new jail by the requests of a transfer; changes nothing. */
export function planContents(
  transfer: ContentRequests,
  choice: SectionChoice,
  options: ContentOptions,
  host: FileSystem,
  loader: Loader,
): Contents {
  const { jail, force } = options;
  const problems: PopulateProblem[] = [];
  const warnings: string[] = [];
  const lacks = (problem: PopulateProblem) => {
    if (force) warnings.push(`${problem.message}; it is left out`);
    else problems.push(problem);
  };
  const live = liveIn(transfer.live, host, jail, problems);
  const known = new Set(choice.ini.sections.map(({ name }) => name));
  const requests = transfer.requests
    .map((request) => presentIn(request, choice, known, host, lacks))
    .filter(({ names }) => names.length > 0);
  const read = readRequests(requests, choice, host, loader, problems);
  const plan = makePlan({
    ...{ host, loader, jailPath: jail, wants: read.wants, jail: emptyFileSystem, force: false },
    live: live?.directories ?? [],
    companions: createCompanions(() => choice.ini, host, loader),
  });
  const empty = read.needFiles.filter((name) => !plan.satisfied.has(name));
  for (const name of empty) lacks(nothingFound(name));
  if (force && empty.length > 0) {
    const rest = planContents(without(transfer, empty), choice, options, host, loader);
    return { ...rest, warnings: [...new Set([...warnings, ...rest.warnings])] };
  }
  for (const problem of [...plan.problems, ...(plan.unsafe ? [plan.unsafe] : [])])
    if (isPassedOver(problem)) warnings.push(problem.message);
    else problems.push(problem);
  const sockets = readSockets(read.sockets, jail);
  problems.push(...sockets.problems);
  if (requests.length === 0 && problems.length === 0)
    problems.push({ code: "nothing-found", path: jail, message: "nothing of the jail is on this machine" });
  return {
    requests: requests.map(recordOf),
    ...{ live, entries: plan.entries, planned: plan.planned, problems },
    needProc: read.needProc && !transfer.without.includes("proc"),
    needLogsocket: read.needLogsocket && !transfer.without.includes("log-socket"),
    grants: [
      ...grantsOf({ ...transfer, requests }, read.sections, plan.entries),
      ...outsideOf(requests, choice),
    ],
    warnings: [...warnings, ...read.warnings, ...sockets.warnings, ...plan.warnings],
  };
}

/** A transfer without some sections. */
const without = (transfer: ContentRequests, sections: readonly ByteString[]): ContentRequests => ({
  ...transfer,
  requests: transfer.requests.map((request) => ({
    ...request,
    names: request.names.filter((name) => request.tool !== "jk_init" || !sections.includes(name)),
  })),
});

function liveIn(
  directories: readonly ByteString[],
  host: FileSystem,
  jail: ByteString,
  problems: PopulateProblem[],
): Live | undefined {
  if (directories.length === 0) return undefined;
  // On a host without a merged /usr, they are named too.
  const named = directories.filter((path) => !/^\/(?:s?bin|lib[^/]*)$/.test(path));
  try {
    // No name at all would mean /usr.
    return liveOf(named.join(",") || directories.join(","), host, jail);
  } catch (error) {
    problems.push({ ...problemFrom(error, "live-source", named[0] ?? ""), code: "live-source" });
    return undefined;
  }
}

/** A request without what this machine lacks. */
function presentIn(
  request: TransferRequest,
  { lacking }: SectionChoice,
  known: ReadonlySet<ByteString>,
  host: FileSystem,
  lacks: (problem: PopulateProblem) => void,
): TransferRequest {
  const isHere = (name: ByteString): boolean => {
    if (request.tool === "jk_init") {
      if (!lacking.has(name) && known.has(name)) return true;
      const message = `section ${quoted(name)} does not exist on this machine`;
      lacks({ code: "no-such-section", path: name, message });
      return false;
    }
    const plain = name.startsWith("/") && normalPath(name) === name;
    if (plain && host.stat(name) !== undefined) return true;
    const why = plain ? "does not exist on this machine" : "is not an absolute path without '..'";
    lacks({ code: "no-such-file", path: name, message: `${display(name)} ${why}` });
    return false;
  };
  return { ...request, names: request.names.filter(isHere) };
}

/** The wants of requests, as jk_init and jk_cp have them. */
function readRequests(
  requests: readonly TransferRequest[],
  { ini }: SectionChoice,
  host: FileSystem,
  loader: Loader,
  problems: PopulateProblem[],
) {
  const wants: Want[] = [];
  const needFiles: ByteString[] = [];
  const sections: Section[] = [];
  const warnings: string[] = [];
  const sockets: ByteString[] = [];
  let needProc = false;
  let needLogsocket = false;
  for (const request of requests) {
    if (request.tool === "jk_cp") {
      wants.push(...request.names.map((name) => copyWant(name, request)));
      continue;
    }
    try {
      const selection = selectSections(ini, request.names);
      sections.push(...selection.sections);
      const profile = readProfile(selection.sections, host, loader.libraryDirectories(), request.copyShell);
      wants.push(...profile.wants, ...(profile.needLogsocket ? [logSocketDirectory] : []));
      needFiles.push(...request.names.filter((name) => profile.needFiles.has(name)));
      warnings.push(...selection.warnings, ...profile.warnings);
      sockets.push(...profile.sockets);
      needProc ||= profile.needProc;
      needLogsocket ||= profile.needLogsocket;
    } catch (error) {
      problems.push({ ...problemFrom(error, "bad-section", request.names[0] ?? ""), code: "bad-section" });
    }
  }
  return { wants, needFiles, sections, warnings, sockets, needProc, needLogsocket };
}

function recordOf({ tool, names, ...options }: TransferRequest): ManifestRequest {
  const init = tool === "jk_init";
  const { hardlink, copyShell, owner, setuid } = options;
  return {
    tool,
    sections: init ? [...names] : [],
    operands: init ? [] : [...names],
    options: givenOptions(init ? { "copy-shell": copyShell, hardlink } : { owner, setuid, hardlink }),
    time: Math.floor(Date.now() / 1000),
  };
}

// Devices that every user of the host may use as well.
const USUAL_DEVICES = new Set(
  ["null", "zero", "full", "random", "urandom", "tty", "ptmx"].map((name) => `/dev/${name}`),
);

const SPECIAL = S_ISUID | S_ISGID;
const OTHERS_WRITE = 0o002;

const USUAL_LIVE = /^\/(?:usr|s?bin|lib[^/]*)$/;

/**
 * What the other machine asks for that gives users of the jail more than copies of files: owners, setuid bits, devices,
 * hard links to files that they can write, more messages in the log, sockets, and other directories of a live jail than
 * /usr. It does not matter whether a section of this machine has it: the administrator has not asked for that section in
 * this jail.
 */
function grantsOf(
  { requests, live, logSocket }: ContentRequests,
  sections: readonly Section[],
  entries: readonly Entry[],
): string[] {
  const grants = new Set<string>();
  for (const { names, owner, setuid } of requests)
    for (const name of setuid || owner ? names : []) grants.add(kept(name, setuid));
  // What they name may be there, or get these, later.
  for (const { values } of sections) {
    for (const path of values.pathsWOwner) grants.add(kept(path, false));
    for (const path of values.pathsWSetuid) grants.add(kept(path, true));
    for (const path of values.devices) if (!USUAL_DEVICES.has(path)) grants.add(device(path));
  }
  const linking = requests.some(({ hardlink }) => hardlink);
  for (const entry of entries) for (const grant of grantsBy(entry, linking)) grants.add(grant);
  const visible = sections.flatMap(({ values }) => values.sockets.map(directoryOf));
  for (const path of [...live.filter((each) => !USUAL_LIVE.test(each)), ...visible])
    grants.add(`${display(path)} of this machine is mounted in the jail`);
  if (logSocket !== undefined && exceeds(logSocket, USUAL_LIMITS))
    grants.add("the log socket relays more than that of a new jail");
  return [...grants];
}

// Elsewhere files of users may appear, and each update would copy them too.
const PROGRAMS = /^\/(?:usr|etc|opt|dev|s?bin|lib[^/]*)\/./;

/** True for a path or pattern that may match more than programs and their data, now or later. */
const leavesPrograms = (pattern: ByteString): boolean => !PROGRAMS.test(normalPath(pattern));

/** A printable line for each path of the file that leaves the places of programs. */
function outsideOf(requests: readonly TransferRequest[], { dropIns }: SectionChoice): string[] {
  const named = requests.flatMap(({ tool, names }) => (tool === "jk_cp" ? names : []));
  const listed = dropIns.flatMap(({ values }) => [
    ...[...values.paths, ...values.libraries, ...values.executables],
    ...[...values.regularfiles, ...values.directories],
  ]);
  const paths = [...named, ...listed].filter((path) => path.startsWith("/") && leavesPrograms(path));
  return paths.map((path) => `${display(path)} is copied, which is not below /usr, /etc or /opt`);
}

const kept = (path: ByteString, setuid: boolean) =>
  `${display(path)} is copied with ${setuid ? "setuid and setgid bits" : "its owner"}`;

const device = (path: ByteString) => `${display(path)} is a device`;

function* grantsBy(entry: Entry, linking: boolean): Iterable<string> {
  const { path, type, mode, uid, gid, untrusted } = entry;
  if (type === "device" && !USUAL_DEVICES.has(path)) yield device(path);
  // Everybody may read it, but users of jails cannot reach it: such as the site of another customer.
  if (type === "file" && untrusted !== undefined && untrusted.uid !== 0)
    yield `${display(path)} of this machine belongs to a user other than root`;
  if (linking && type === "file" && (mode & OTHERS_WRITE) !== 0)
    yield `${display(path)} is a hard link to a file that everybody can write`;
  if ((mode & SPECIAL) !== 0) yield kept(path, true);
  else if (uid !== 0 || gid !== 0) yield kept(path, false);
}

/** True if a jail may log more by the first limits than by the second. */
const exceeds = (one: LogLimits, other: LogLimits): boolean =>
  one.base / one.interval > other.base / other.interval || one.peak > other.peak;
