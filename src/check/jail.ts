import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { problemFrom } from "../cli/error.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import type { Remedy } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import { type JailedUser, namesOf } from "../jail/accounts/jailed-users.ts";
import { isPrivate, lackingMounts, liveState, restrictionsOf } from "../jail/fs/live-mounts.ts";
import { hostPath, type JailRoot } from "../jail/fs/walk.ts";
import { workerOf } from "../jail/record/at-work.ts";
import { emptiedMessage, isEmptied, unmounted } from "../jail/record/emptied.ts";
import { lackingProblem, lackingSockets, mountCommand } from "../jail/record/live.ts";
import type { ManifestContent } from "../jail/record/manifest.ts";
import { lackingLinks } from "../populate/apply/live.ts";
import { bootProblem } from "../populate/apply/live-lines.ts";
import { liveCopyProblem } from "../populate/live-copy.ts";
import { asksForFiles, unfinishedMessage } from "../populate/record/requests.ts";
import type { HostAccounts } from "../system/host-accounts.ts";
import { below } from "../system/mountinfo.ts";
import { isRefusedName } from "../system/name-services.ts";
import { AccountFiles } from "./account-files.ts";
import { accountFindings } from "./accounts.ts";
import { type Collected, collect } from "./collect.ts";
import { kernelFeatures, limitedFindings } from "./confinement.ts";
import { startComparing } from "./content/contents.ts";
import { closedFindings, hostDirectories, safetyFindings } from "./directories.ts";
import { unrecordedFinding } from "./files/drift.ts";
import { libraryFindings } from "./files/libraries.ts";
import { ownShells } from "./files/shells.ts";
import { createSpaces } from "./files/spaces.ts";
import { withoutConsequences, withoutHidden } from "./finding-list.ts";
import { type AskMeant, lasting, notInJailFinding } from "./host.ts";
import type { InnerJails } from "./inner-jails.ts";
import { type JailRecord, keepVerified, readRecord } from "./record.ts";
import { homeLinks } from "./report/home-links.ts";
import { type freePaths, withRemedy } from "./report/remedies.ts";
import type { CheckFinding, CheckProblem } from "./rules.ts";
import type { JailSettings, PathTest } from "./settings.ts";

export interface JailCheck {
  readonly root: JailRoot;
  readonly settings: JailSettings;
  /** The users of the host who live in the jail. */
  readonly users: readonly JailedUser[];
  readonly accounts: HostAccounts;
  readonly servedSocket: PathTest;
  /** --fix must not take the devices of another jail for strange ones of this one. */
  readonly inner: InnerJails;
  readonly meantOf: AskMeant;
  readonly freePath: ReturnType<typeof freePaths>;
  /** Why a file of an unknown uid stays as it is, printable, as keptAt. */
  readonly whyKept: (path: ByteString) => string | undefined;
  /** Read every file, even if an earlier check found it unchanged. */
  readonly full: boolean;
  /** Report sections of jk_lsh.ini that could confine and do not. */
  readonly confinement: boolean;
  readonly verbose: (line: ByteString) => void;
}

export interface JailReport {
  readonly path: ByteString;
  readonly record: JailRecord;
  readonly findings: readonly CheckFinding[];
  readonly problems: readonly CheckProblem[];
  readonly counts: {
    readonly objects: number;
    /** Files whose contents were compared, or that an earlier check found equal. */
    readonly compared: number;
    readonly known: number;
    readonly bytes: number;
  };
}

// If there are more, one finding is reported: the jail may be older than its record.
const MOST_STRANGERS = 20;

/** An error as a problem with a code; that of a name that a name service does not take has its own. */
function problemOf(error: unknown, code: ProblemCode, path: ByteString, what: string): CheckProblem {
  return { ...problemFrom(error, code, path, what), code: isRefusedName(error) ? error.code : code };
}

/** Checks one jail. Changes nothing except the list of files that are equal to the host's. */
export async function checkJail(check: JailCheck): Promise<JailReport> {
  const { root, users, accounts, settings, freePath, verbose } = check;
  verbose(`testing basedir ${root.path}/`);
  const record = readRecord(root);
  const emptied = isEmptied(root, record.content ?? { entries: new Map() });
  const content = emptied ? undefined : record.content; // All of it is missing, and nobody misses it.
  const files = new AccountFiles(root, accounts);
  const problems = [...record.problems, ...files.problems];
  const orProblem = (code: ProblemCode, step: () => CheckFinding[], what = ""): CheckFinding[] => {
    try {
      return step();
    } catch (error) {
      problems.push(problemOf(error, code, root.path, what));
      return [];
    }
  };
  const lines = () => accountFindings(files.facts(verbose, check.meantOf));
  const compareAccounts = () => orProblem("name-service", lines, "accounts are not compared: ");
  const shells = orProblem("unreadable", () => ownShells(root, content, settings));
  const shellPaths = new Set(shells.map(({ path }) => path));
  const collected = collect({
    ...check,
    settings: files.withRelaxedHomes(sparing(settings, shellPaths), users),
    spaces: createSpaces(files.homes(users)),
    content,
    primaryGroup: (uid) => files.primaryGroup(uid),
    knownUid: (uid) => files.hasUid(uid),
    hostDirectory: hostDirectories(root),
  });
  const comparison = startComparing(root, collected, record.verified, check.full);
  // Meanwhile threads compare contents.
  const needed = () => libraryFindings(root, collected.programs);
  const libraries = orProblem("libraries", needed, "the libraries that programs need cannot be determined: ");
  const outcome = await comparison.finish();
  const { compared, known, bytes } = outcome;
  collected.findings.add(
    ...record.findings,
    ...(emptied ? [emptiedFinding(root, users)] : incompleteFinding(root, content)),
    ...shells,
    ...liveFindings(root, content),
    ...safetyFindings(root),
    ...closedFindings(
      root,
      files.visitors(users),
      (path) => content?.entries.has(path.slice(root.path.length)) ?? false,
    ),
    ...libraries.filter(({ path }) => !shellPaths.has(path)),
    ...outcome.findings,
    ...strangerFindings(root, content, collected.strangers),
    ...settled(root, () => [...missingUsers(check, files), ...compareAccounts()]),
    ...(check.confinement ? orProblem("confinement", () => limitedFindings(root, kernelFeatures())) : []),
  );
  problems.push(...collected.problems, ...outcome.problems, ...keepVerified(record, outcome.verified));
  const own = { nameOf: (uid: number) => files.nameOf(uid), homeLink: homeLinks(root, users) };
  const context = { ...own, jail: root.path, content, section: settings.section, freePath };
  const found = withoutHidden(collected.findings.inOrder(root.path), hiddenPlaces(root, content));
  const findings = withoutConsequences(found);
  return {
    path: root.path,
    record,
    findings: findings.map((one) => {
      if (collected.isInside(one)) return ofKept(one, check) ?? ofAnother(one);
      return ofKept(one, check) ?? lasting(withRemedy(one, context), check.meantOf);
    }),
    problems,
    counts: { objects: collected.objects, compared, known, bytes },
  };
}

/** A finding about a file of another jail: only a check of that one knows what helps. */
const ofAnother = ({ repair: _, remedy: __, ...finding }: CheckFinding): CheckFinding => finding;

/** A finding about a file that is given to nobody: who comes back gets it, and only with this uid. Undefined for another one. */
function ofKept(found: CheckFinding, { whyKept }: Pick<JailCheck, "whyKept">): CheckFinding | undefined {
  const why = found.rule === "unknown-owner" ? whyKept(found.path) : undefined;
  const { repair: _, remedy: __, ...finding } = found;
  return why === undefined ? undefined : { ...finding, message: `${finding.message}: ${why}` };
}

/** A limited shell of the jail's own is reported once; of course it differs from the host's. */
const sparing = (settings: JailSettings, shells: ReadonlySet<ByteString>): JailSettings => ({
  ...settings,
  compare: (path) => shells.has(path) || settings.compare(path),
});

/** What is found of accounts; nothing while another tool works on the jail: it may be half of a change. */
function settled({ path }: JailRoot, find: () => CheckFinding[]): CheckFinding[] {
  const isBusy = () => workerOf(path) !== undefined;
  if (isBusy()) return [];
  const found = find();
  return found.length > 0 && isBusy() ? [] : found;
}

function incompleteFinding({ path }: JailRoot, content: ManifestContent | undefined): CheckFinding[] {
  const what = content && unfinishedMessage(content);
  // Whoever fills it has not stopped.
  if (what === undefined || workerOf(path) !== undefined) return [];
  const message = `${display(path)}: ${what}`;
  return [{ rule: "incomplete", path, message, remedy: `jk_update -j ${shellWord(path)}` }];
}

function emptiedFinding({ path }: JailRoot, users: readonly JailedUser[]): CheckFinding {
  // Without its programs, its users cannot log in.
  const again: Remedy =
    users.length > 0 ? `jk_update -j ${shellWord(path)}` : `jailkit forget ${shellWord(path)}`;
  const elsewhere = unmounted(path);
  const remedy = elsewhere === undefined ? again : elsewhere.remedy;
  return { rule: "emptied", path, message: emptiedMessage(path), remedy };
}

/** Where a mount of a live jail is missing, on the host. Files there are not the contents of the jail: it will hide them. */
const hiddenPlaces = (root: JailRoot, content: ManifestContent | undefined): readonly ByteString[] =>
  lackingMounts(root, content?.live ?? []).map((path) => hostPath(root, path));

/** Findings about files of the host that are not in the record, and not in a hidden place: one for each, or one for all. */
function strangerFindings(
  root: JailRoot,
  content: ManifestContent | undefined,
  all: Collected["strangers"],
): CheckFinding[] {
  const hidden = hiddenPlaces(root, content);
  const isHidden = (path: ByteString) => hidden.some((place) => below(path, place) !== undefined);
  const strangers = [...all.values()].filter(({ path }) => !isHidden(path));
  if (strangers.length <= MOST_STRANGERS) return strangers.map(unrecordedFinding);
  const message = `${strangers.length} files in ${display(root.path)} are the host's, but not in the record of the jail`;
  // A record of jk_cp alone is no reason to know less of the rest.
  const again = content?.requests.some(asksForFiles);
  const jail = shellWord(root.path);
  const remedy: Remedy = again ? `jailkit adopt --force ${jail}` : `jailkit adopt ${jail}`;
  return [{ rule: "unrecorded", path: root.path, message, remedy }];
}

/** The findings about what a jail shows of the host: a directory that is not mounted, or in a peer group, or a missing link. */
function liveFindings(root: JailRoot, content: ManifestContent | undefined): CheckFinding[] {
  const { live = [], sockets = [] } = content ?? {};
  const copy = liveCopyProblem(root, content);
  if (copy !== undefined) {
    const { message, remedy } = copy;
    return [{ rule: "live-mount", path: root.path, message, remedy, first: true }];
  }
  const links = lackingLinks(root, live).map(({ path: jailPath, target }): CheckFinding => {
    const path = root.path + jailPath;
    const message = `${display(path)}: the symbolic link to ${display(target)} of this live jail is missing`;
    return { rule: "live-mount", path, jailPath, message, remedy: mountCommand(root.path) };
  });
  const mounts = live.flatMap((jailPath): CheckFinding[] => {
    const path = root.path + jailPath;
    const problem = lackingProblem(root, [jailPath]);
    // A mount that lacks a restriction is found by the walk.
    if (problem !== undefined && liveState(root, jailPath) === "open") return [];
    const { message, remedy } = problem ?? {};
    if (message !== undefined) return [{ rule: "live-mount", path, jailPath, message, remedy }];
    if (isPrivate(root, jailPath)) return [];
    return [sharedFinding(path, jailPath)];
  });
  const shown = sockets.flatMap((path) => socketFindings(root, path));
  return [
    ...links,
    ...mounts,
    ...shown,
    ...[...live, ...sockets].flatMap((path) => bootFindings(root, path)),
  ];
}

/** The finding about the line of fstab(5) for a directory of the host, which is mounted now. */
function bootFindings(root: JailRoot, jailPath: ByteString): CheckFinding[] {
  const problem = bootProblem(root.path, jailPath);
  return problem === undefined
    ? []
    : [{ rule: "live-mount", path: root.path + jailPath, jailPath, ...problem }];
}

function sharedFinding(path: ByteString, jailPath: ByteString): CheckFinding {
  const message = `${display(path)} is in a peer group: what is mounted elsewhere may appear there`;
  return { rule: "live-mount", path, jailPath, message, remedy: `mount --make-private ${shellWord(path)}` };
}

/** The finding about a directory with sockets of the host; none while its service is stopped. */
function socketFindings(root: JailRoot, jailPath: ByteString): CheckFinding[] {
  const path = root.path + jailPath;
  const found = (message: string, remedy: Remedy) => [
    { rule: "live-mount", path, jailPath, message, remedy } as const,
  ];
  const state = liveState(root, jailPath);
  if (state === "open") {
    const message = `${display(path)} is on the host's ${display(jailPath)}, and is not ${restrictionsOf(jailPath)}`;
    return found(message, `mount -o remount,bind,ro,nosuid,nodev,noexec ${shellWord(path)}`);
  }
  if (state === "other")
    return found(`${display(path)}: something else is mounted there`, `umount ${shellWord(path)}`);
  const problem = lackingSockets(root, [jailPath]);
  if (problem !== undefined) return found(problem.message, problem.remedy);
  return state !== "mounted" || isPrivate(root, jailPath) ? [] : [sharedFinding(path, jailPath)];
}

function missingUsers(
  { root: { path }, users, meantOf }: Pick<JailCheck, "root" | "users" | "meantOf">,
  { accounts }: AccountFiles,
) {
  const present = namesOf(accounts);
  const missing = users.filter(({ name }) => !present.has(name));
  return missing.map((user) => notInJailFinding(user, path, { meant: meantOf.lacking(user, path) }));
}
