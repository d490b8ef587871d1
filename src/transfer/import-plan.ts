import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { isEmptyDirectory, statIfPresent } from "../../ffi/files.ts";
import { directoryOf, pathsDownTo } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import { answered, problemFrom } from "../cli/error.ts";
import { CONFIG_DIRECTORY, loadConfig, mergeFiles } from "../config/load.ts";
import { LIMITS } from "../config/model.ts";
import { isLimitedShell } from "../jail/accounts/jailed-users.ts";
import { leadingInto } from "../jail/fs/leads-into.ts";
import { withTree } from "../jail/fs/look.ts";
import { readOnlyProblem } from "../jail/fs/writable.ts";
import { keyOf, knownJails, type ManifestRequest, openManifest, REGISTRY } from "../jail/record/manifest.ts";
import type { Loader } from "../libraries/closure.ts";
import { foreseen } from "../populate/apply/foresee.ts";
import { requireLiveLines } from "../populate/apply/live-lines.ts";
import { requireProcLine } from "../populate/apply/proc.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { type FileSystem, linkTarget } from "../populate/file-system.ts";
import { openSafeJail } from "../populate/open-jail.ts";
import { asksForFiles } from "../populate/record/requests.ts";
import { groupByGid } from "../system/accounts.ts";
import { hostText } from "../system/host-files.ts";
import { usersRange } from "../system/login-defs.ts";
import { ownMounts } from "../system/mountinfo.ts";
import { hostGroup, hostUser } from "../system/name-services.ts";
import { shellsOutside } from "../users/leaving.ts";
import {
  type AccountChoice,
  type AccountChoices,
  type AccountFacts,
  chooseAccounts,
  type KeptUid,
} from "./accounts.ts";
import { type Contents, planContents } from "./contents.ts";
import { digestOf, type Transfer } from "./document.ts";
import { chooseSettings, policyProblems, type Setting, type SettingChoice } from "./policies.ts";
import { chooseSections, type DropIn, SECTIONS_FILE, type SectionChoice } from "./sections.ts";

export interface ImportOptions {
  /** The new jail: absolute, normalised. The file does not decide where it is. */
  readonly jail: ByteString;
  readonly createUsers: boolean;
  readonly withoutUsers: boolean;
  /** Leave out what this machine does not have. */
  readonly force: boolean;
  /** The administrator vouches for the file. */
  readonly trusted: boolean;
  readonly keptUid: KeptUid;
}

/** What an import does, decided before the first change. */
export interface ImportPlan {
  readonly jail: ByteString;
  readonly transfer: Transfer;
  /** Of the transfer. */
  readonly digest: ByteString;
  readonly dropIns: readonly DropIn[];
  readonly contents: Contents;
  readonly accounts: readonly AccountChoice[];
  readonly settings: readonly Setting[];
  /** An earlier run began it. */
  readonly begun: boolean;
  /** Reasons not to begin. */
  readonly problems: readonly PopulateProblem[];
  readonly warnings: readonly string[];
}

const LSH_FILE = `${CONFIG_DIRECTORY}/jk_lsh.ini`;

/** Another import may have added the same section since the configuration was read. */
const isTaken = (file: ByteString, text: ByteString): boolean =>
  statIfPresent(AT_FDCWD, file) !== undefined && attempt(() => hostText(file)) !== text;

const factsOf = ({ keptUid }: ImportOptions): AccountFacts => ({
  keptUid,
  userByName: hostUser,
  userByUid: hostUser,
  groupByName: hostGroup,
  shellsIn: shellsOutside,
  ...{ groupByGid, uids: usersRange("UID"), gids: usersRange("GID") },
});

/** Plans an import; changes nothing. Throws JailkitError if the configuration of this machine cannot be read. */
export function planImport(
  transfer: Transfer,
  options: ImportOptions,
  host: FileSystem,
  loader: Loader,
): ImportPlan {
  const { jail, trusted, withoutUsers } = options;
  const here = loadConfig(SECTIONS_FILE, { dialect: "py" }) ?? mergeFiles([], SECTIONS_FILE, "py");
  const asked = transfer.requests.flatMap(({ tool, names }) => (tool === "jk_init" ? names : []));
  const choice = chooseSections(transfer.sections, asked, here, isTaken);
  const contents = planContents(transfer, choice, options, host, loader);
  const users = withoutUsers ? [] : transfer.users;
  const accounts = chooseAccounts(users, factsOf(options), options);
  const settings = chooseSettings(
    withoutUsers ? [] : transfer.settings,
    users,
    loadConfig(`${CONFIG_DIRECTORY}/jk_chrootsh.ini`, { dialect: "c" })?.sections ?? [],
    isTaken,
  );
  const policyFile = contents.planned.has(LSH_FILE) ? host.stat(LSH_FILE) : undefined;
  const digest = digestOf(transfer);
  const place = placeFor(jail, contents.requests, digest);
  const grants = [
    ...contents.grants,
    ...jailsShown(
      contents,
      knownJails().map((known) => known.jail.path),
    ),
    ...settings.settings.map(({ name }) => `the section [${display(name)}] is added to jk_chrootsh.ini`),
  ];
  const problems = [
    ...place.problems,
    ...hostProblems(jail, { transfer, choice, contents, accounts, settings, begun: place.begun }),
    ...choice.problems,
    ...contents.problems,
    ...policyProblems(transfer.policies, transfer.users, LIMITS.fileBytes - (policyFile?.size ?? 0)),
    ...accounts.problems,
    ...shellProblems(accounts.choices, contents, host),
    ...homeProblems(accounts.choices, contents),
    ...settings.problems,
    ...(trusted ? [] : grants.map((what) => needsTrust(jail, what))),
  ];
  return {
    ...{ jail, transfer, digest, dropIns: choice.dropIns, contents, problems, begun: place.begun },
    accounts: accounts.choices,
    settings: settings.settings,
    warnings: [...choice.warnings, ...contents.warnings, ...accounts.warnings, ...settings.warnings],
  };
}

/**
 * A printable line for each other jail of which files are copied, from a path in it or from where a mount shows them. What a live
 * jail shows of the host is the host's.
 */
function jailsShown({ entries }: Contents, jails: readonly ByteString[]): string[] {
  const leads = leadingInto(answered(ownMounts) ?? []);
  const from = new Set(
    entries.flatMap(({ type, source }) =>
      type === "file" && source !== undefined ? directoryOf(source) : [],
    ),
  );
  return jails
    .filter((jail) => from.values().some((directory) => leads(directory, jail)))
    .map((path) => `files of the jail ${display(path)} are copied`);
}

interface Needs {
  readonly transfer: Transfer;
  readonly choice: SectionChoice;
  readonly contents: Contents;
  readonly accounts: AccountChoices;
  readonly settings: SettingChoice;
  readonly begun: boolean;
}

/** Files outside the jail that cannot be changed, and a path of the jail that they cannot contain. */
function hostProblems(jail: ByteString, needs: Needs): PopulateProblem[] {
  const { transfer, choice, contents, accounts, settings, begun } = needs;
  const has = (state: AccountChoice["state"]) => accounts.choices.some((each) => each.state === state);
  const logs = transfer.logSocket !== undefined || contents.needLogsocket;
  const problems: PopulateProblem[] = [];
  const cannot = (file: string, character: string) =>
    problems.push({
      code: "place",
      path: jail,
      message: `${display(jail)}: ${file} cannot name a jail with '${character}' in its path`,
    });
  if (logs && jail.includes("]")) cannot("jk_socketd.ini", "]");
  if ((has("create") || has("here")) && jail.includes(":")) cannot("passwd(5)", ":");
  if (begun) return problems;
  const config = choice.dropIns.length + settings.settings.length > 0 || logs;
  const etc = has("create") || transfer.proc || contents.needProc || contents.live !== undefined;
  const paths = [REGISTRY, ...(config ? [CONFIG_DIRECTORY] : []), ...(etc ? ["/etc"] : [])];
  const closed =
    withTree((host) => readOnlyProblem(host, paths, jail)) ??
    foreseen(jail, "fstab", () => {
      if (transfer.proc || contents.needProc) requireProcLine(jail);
      if (contents.live !== undefined) requireLiveLines(jail, contents.live.directories);
    });
  return closed === undefined ? problems : [...problems, closed];
}

function needsTrust(path: ByteString, what: string): PopulateProblem {
  const message = `the file asks for more than copies of files: ${what}; if you trust it, use --trusted`;
  return { code: "needs-trust", path, message };
}

/** Whether a jail can be created at a path, or an import that was interrupted can go on there. */
function placeFor(
  jail: ByteString,
  requests: readonly ManifestRequest[],
  digest: ByteString,
): { begun: boolean; problems: PopulateProblem[] } {
  try {
    using root = openSafeJail(jail, { create: true, dryRun: true, sync: false, unsafeStatus: 1 });
    if (root === undefined || isEmptyDirectory(root.fd)) return { begun: false, problems: [] };
    // Thousands of jails may have the same requests, and other users.
    const { imported, requests: there } = openManifest(root).content;
    if (imported === digest && isSame(there.filter(asksForFiles), requests))
      return { begun: true, problems: [] };
  } catch (error) {
    return { begun: false, problems: [problemFrom(error, "place", jail)] };
  }
  const message = `${display(jail)} is not empty, and was not made from this file: name another place with -j`;
  return { begun: false, problems: [{ code: "path-exists", path: jail, message }] };
}

const isSame = (one: readonly ManifestRequest[], other: readonly ManifestRequest[]): boolean =>
  one.map(keyOf).join("\n") === other.map(keyOf).join("\n");

/** Shells of accounts that the new jail does not have. */
function shellProblems(
  accounts: readonly AccountChoice[],
  contents: Contents,
  host: FileSystem,
): PopulateProblem[] {
  const used = accounts.filter(({ state }) => state !== "absent").map(({ user }) => user);
  return used.flatMap(({ name, shell }) => {
    if (isLimitedShell(shell) || isPlanned(shell, contents, host)) return [];
    const message = `user ${quoted(name)}: the shell ${display(shell)} is not in the new jail`;
    return [{ code: "no-shell", path: name, message }];
  });
}

/** Homes of accounts for which the new jail has no place. */
function homeProblems(accounts: readonly AccountChoice[], { planned, live }: Contents): PopulateProblem[] {
  const used = accounts.filter(({ state }) => state !== "absent").map(({ user }) => user);
  return used.flatMap(({ name, home }) => {
    const above = pathsDownTo(home);
    const inWay = above.find((path) => (planned.get(path)?.type ?? "directory") !== "directory");
    const shown = above.find((path) => live?.directories.includes(path));
    if (inWay === undefined && shown === undefined) return [];
    const why =
      shown === undefined
        ? `${display(inWay ?? "")} of the jail is not a directory`
        : `${display(shown)} is live, and read-only`;
    return [
      { code: "bad-home", path: name, message: `user ${quoted(name)}: no home ${quoted(home)}: ${why}` },
    ];
  });
}

const MOST_LINKS = 40;

/** True if a path leads to a file of the plan, through its symbolic links. */
function isPlanned(path: ByteString, { planned, live }: Contents, host: FileSystem): boolean {
  if (live !== undefined && host.stat(path) !== undefined) return true;
  let at = path;
  for (let links = 0; links < MOST_LINKS; links++) {
    const link = pathsDownTo(at).find((prefix) => planned.get(prefix)?.type === "symlink");
    if (link === undefined) return planned.get(at)?.type === "file";
    at = linkTarget(link, planned.get(link)?.target ?? "") + at.slice(link.length);
  }
  return false;
}
