import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { readAllFd, type Stat, statIfPresent } from "../../ffi/files.ts";
import { plainPath } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { shellWord } from "../cli/shell-word.ts";
import { closedDirectory } from "../explain/readable.ts";
import { ACCOUNT_FILE_LIMIT } from "../jail/accounts/accounts.ts";
import type { JailedUser } from "../jail/accounts/jailed-users.ts";
import { lookUp, withJailFile } from "../jail/fs/look.ts";
import { jailFindings, type SafetyRule } from "../jail/fs/safety.ts";
import { isRegular, type JailRoot } from "../jail/fs/walk.ts";
import { mayHaveMoved } from "../jail/record/moved.ts";
import { groupByName, groupIdsOf, passwdByName, passwdByUid } from "../system/accounts.ts";
import { accountFindings, livesIn } from "./accounts.ts";
import { type Collected, collect } from "./collect.ts";
import { compareContents } from "./content/contents.ts";
import { unrecordedFinding } from "./files/drift.ts";
import { libraryFindings } from "./files/libraries.ts";
import { ownShells } from "./files/shells.ts";
import { createSpaces } from "./files/spaces.ts";
import { withoutConsequences } from "./finding-list.ts";
import { notInJailFinding } from "./host.ts";
import { type JailRecord, keepVerified, readRecord } from "./record.ts";
import { withRemedy } from "./report/remedies.ts";
import type { CheckFinding, CheckProblem, Rule } from "./rules.ts";
import type { JailSettings, PathTest } from "./settings.ts";
import { uchrootGuests } from "./uchroot-guests.ts";

/** How a jail is to be checked. */
export interface JailCheck {
  readonly root: JailRoot;
  readonly settings: JailSettings;
  /** The accounts of the host that live in some jail. */
  readonly users: readonly JailedUser[];
  readonly servedSocket: PathTest;
  /** Read everything, whatever was known before. */
  readonly full: boolean;
  readonly verbose: (line: ByteString) => void;
}

/** What was found in a jail. */
export interface JailReport {
  readonly path: ByteString;
  readonly record: JailRecord;
  readonly findings: readonly CheckFinding[];
  readonly problems: readonly CheckProblem[];
  readonly counts: {
    readonly objects: number;
    /** Files whose contents were read and compared, and those that were known to be the same. */
    readonly compared: number;
    readonly known: number;
    readonly bytes: number;
  };
}

// Whole trees of the host that must not be mounted into a jail.
const HOST_DIRECTORIES = ["/", "/etc", "/root", "/var", "/run", "/dev", "/sys", "/boot"];
// More of them are told in one line, for a jail may be older than its record.
const MOST_STRANGERS = 20;

/** Checks one jail. Nothing is changed but the record of what was found to be the same. */
export async function checkJail(check: JailCheck): Promise<JailReport> {
  const { root, users, verbose } = check;
  verbose(`testing basedir ${root.path}/`);
  const record = readRecord(root);
  const passwd = accountLines(root, "/etc/passwd");
  const group = accountLines(root, "/etc/group");
  const problems: CheckProblem[] = [...record.problems, ...passwd.problems, ...group.problems];
  const accounts = entriesOf(passwd.lines);
  const homes = accounts
    .filter(({ uid }) => uid !== 0)
    .map(({ name, home }) => {
      const real = users.find((user) => user.name === name);
      return { path: plainPath(home), confirmed: real !== undefined && livesIn(root.path, real.home) };
    });
  const groups = new Map(accounts.map(({ uid, gid }) => [uid, gid]));
  const shells = ownShells(root, record.content, check.settings);
  problems.push(...shells.problems);
  const told = new Set(shells.findings.map(({ path }) => path));
  const collected = collect({
    ...check,
    // That these are not as on the host, or lack a library, says nothing more.
    settings: { ...check.settings, compare: (path) => told.has(path) || check.settings.compare(path) },
    spaces: createSpaces(homes),
    content: record.content,
    primaryGroup: (uid) => groups.get(uid),
    knownUid: rememberedUids(groups),
    hostDirectory: hostDirectories(root),
  });
  const comparison = compareContents(root, collected, record.verified, check.full);
  // While other threads compare.
  const libraries = librariesOf(root, collected, problems);
  const compared = await comparison.finished();
  collected.findings.add(
    ...record.findings,
    ...shells.findings,
    ...safetyFindings(root),
    ...closedFindings(root, users),
    ...libraries.filter(({ path }) => !told.has(path)),
    ...compared.findings,
    ...strangerFindings(root, collected),
    ...users
      .filter((user) => user.jail === root.path && !accounts.some(({ name }) => name === user.name))
      .map((user) => notInJailFinding(user, root.path)),
    ...accountFindings({
      jail: root.path,
      passwd: passwd.lines,
      group: group.lines,
      hostUser: (name) => passwdByName(name),
      hostGroup: (name) => groupByName(name),
      inJail: (path) => lookInJail(root, path, false),
      programInJail(path) {
        const stat = path.startsWith("/") ? lookInJail(root, path, true) : undefined;
        return stat !== undefined && isRegular(stat) && (stat.mode & 0o111) !== 0;
      },
      programOnHost(path) {
        const stat = path.startsWith("/") ? statIfPresent(C.AT_FDCWD, path, true) : undefined;
        return stat !== undefined && isRegular(stat) && (stat.mode & 0o111) !== 0;
      },
      isGuest: uchrootGuests(root.path),
      mayHaveMovedHere: (jail) => mayHaveMoved(jail, root.path),
      verbose,
    }),
  );
  const remedies = {
    jail: root.path,
    content: record.content,
    section: check.settings.section,
    nameOf: (uid: number) => accounts.find((one) => one.uid === uid)?.name ?? passwdByUid(uid)?.name,
  };
  problems.push(...collected.problems, ...compared.problems, ...keepVerified(record, compared.verified));
  return {
    path: root.path,
    record,
    findings: withoutConsequences(collected.findings.inOrder(root.path)).map((finding) =>
      withRemedy(finding, remedies),
    ),
    problems,
    counts: {
      objects: collected.objects,
      compared: compared.compared,
      known: compared.known,
      bytes: compared.bytes,
    },
  };
}

function accountLines(root: JailRoot, path: ByteString): { lines: ByteString[]; problems: CheckProblem[] } {
  try {
    const bytes = withJailFile(root, path, (fd) => readAllFd(fd, ACCOUNT_FILE_LIMIT));
    const lines = bytes === undefined ? [] : fromBytes(bytes).split("\n");
    return { lines, problems: [] };
  } catch (error) {
    const problem = { code: "unreadable", path: root.path + path, message: describeError(error) };
    return { lines: [], problems: [problem] };
  }
}

interface Account {
  name: ByteString;
  uid: number;
  gid: number;
  home: ByteString;
}

function entriesOf(lines: readonly ByteString[]): Account[] {
  return lines.flatMap((line): Account[] => {
    const [name = "", , uid = "", gid = "", , home = ""] = line.split(":");
    return name !== "" && /^\d+$/.test(uid) ? [{ name, uid: Number(uid), gid: Number(gid), home }] : [];
  });
}

/** Whether an account of the jail or of the host has a uid; each is asked for once. */
function rememberedUids(inJail: ReadonlyMap<number, number>): (uid: number) => boolean {
  const known = new Map<number, boolean>();
  return (uid) => {
    let answer = known.get(uid);
    if (answer === undefined) {
      answer = inJail.has(uid) || passwdByUid(uid) !== undefined;
      known.set(uid, answer);
    }
    return answer;
  };
}

function hostDirectories(root: JailRoot): (stat: Stat) => ByteString | undefined {
  const key = ({ devMajor, devMinor, ino }: Stat) => `${devMajor}:${devMinor}:${ino}`;
  const found = new Map<string, ByteString>();
  for (const path of HOST_DIRECTORIES) {
    const stat = statIfPresent(C.AT_FDCWD, path, true);
    if (stat !== undefined) found.set(key(stat), path);
  }
  for (const { path, stat } of root.ancestors) found.set(key(stat), path);
  return (stat) => found.get(key(stat));
}

const TOLD_AS: Readonly<Partial<Record<SafetyRule, Rule>>> = {
  "group-writable": "writable-for-group",
  "other-writable": "writable-for-others",
};

function safetyFindings(root: JailRoot): CheckFinding[] {
  const above = new Set(root.ancestors.map(({ path }) => path));
  // Several links may lead to one directory.
  const found = new Map(jailFindings(root).map((one) => [`${one.rule} ${one.path}`, one]));
  return [...found.values()].map(({ path, rule, message, remedy }): CheckFinding => {
    if (above.has(path)) return { rule: "above-jail", path, message, remedy };
    const jailPath = path === root.path ? "/" : path.slice(root.path.length);
    const common = { rule: "unsafe-jail", path, jailPath, message, remedy } as const;
    if (rule === "owner") return { ...common, repair: { kind: "attributes", uid: 0 } };
    const toldAs = TOLD_AS[rule];
    return toldAs === undefined ? common : { ...common, toldAs };
  });
}

/** The jail's directory, or one above it, that keeps out accounts that live there. */
function closedFindings(root: JailRoot, users: readonly JailedUser[]): CheckFinding[] {
  const closed = new Map<ByteString, ByteString>();
  for (const { name, jail } of users) {
    const real = jail === root.path ? passwdByName(name) : undefined;
    if (real === undefined) continue;
    const groups = groupIdsOf(name, real.gid);
    const path = closedDirectory(root, { uid: real.uid, gid: real.gid, groups });
    if (path !== undefined && !closed.has(path)) closed.set(path, name);
  }
  return [...closed].map(([path, name]): CheckFinding => {
    const message = `user ${display(name)} cannot pass ${display(path)}: no login in ${display(root.path)} works`;
    return { rule: "closed-directory", path, message, remedy: `chmod o+x ${shellWord(path)}` };
  });
}

function librariesOf(root: JailRoot, { programs }: Collected, problems: CheckProblem[]): CheckFinding[] {
  try {
    return libraryFindings(root, programs);
  } catch (error) {
    const message = `what the programs need cannot be worked out: ${describeError(error)}`;
    problems.push({ code: "libraries", path: root.path, message });
    return [];
  }
}

function strangerFindings(root: JailRoot, { strangers }: Collected): CheckFinding[] {
  if (strangers.size <= MOST_STRANGERS) return [...strangers.values()].map(unrecordedFinding);
  const message = `${strangers.size} files in ${display(root.path)} are the host's, and not in the record of the jail`;
  return [{ rule: "unrecorded", path: root.path, message, remedy: `jailkit adopt ${shellWord(root.path)}` }];
}

/** What stands in the jail; undefined also where a user's link is in the way, which nothing there may lead through. */
function lookInJail(root: JailRoot, path: ByteString, follow: boolean): Stat | undefined {
  try {
    return lookUp(root, path, { follow })?.stat;
  } catch (error) {
    if (error instanceof JailkitError) return undefined;
    throw error;
  }
}
