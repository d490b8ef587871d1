import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { openAt, readDirectory, statIfPresent, withFd } from "../../ffi/files.ts";
import { pathComponents } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import { problemFrom } from "../cli/error.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { type ManifestRequest, openManifest } from "../jail/record/manifest.ts";
import type { Loader } from "../libraries/closure.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { type FileSystem, linkTarget } from "../populate/file-system.ts";
import { openSafeJail } from "../populate/open-jail.ts";
import { asksForFiles } from "../populate/record/requests.ts";
import { groupByGid } from "../system/accounts.ts";
import { usersRange } from "../system/login-defs.ts";
import { hostGroup, hostUser } from "../system/name-services.ts";
import { isLimitedShell } from "../users/access.ts";
import { type AccountChoice, type AccountFacts, chooseAccounts } from "./accounts.ts";
import { type Contents, planContents } from "./contents.ts";
import type { Transfer } from "./document.ts";
import { chooseSettings, policyProblems, type Setting } from "./policies.ts";
import { chooseSections, type DropIn, SECTIONS_FILE } from "./sections.ts";

export interface ImportOptions {
  /** The new jail: absolute, normalised. The file does not decide where it is. */
  readonly jail: ByteString;
  readonly createUsers: boolean;
  readonly withoutUsers: boolean;
  /** Leave out what this machine does not have. */
  readonly force: boolean;
  /** The administrator vouches for the file. */
  readonly trusted: boolean;
}

/** What an import does, decided before the first change. */
export interface ImportPlan {
  readonly jail: ByteString;
  readonly transfer: Transfer;
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

const exists = (file: ByteString): boolean => statIfPresent(AT_FDCWD, file) !== undefined;

const FACTS = (): AccountFacts => ({
  userByName: hostUser,
  userByUid: hostUser,
  groupByName: hostGroup,
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
  const noSections = {
    file: SECTIONS_FILE,
    dialect: "py",
    sections: [],
    defaults: [],
    problems: [],
    texts: [],
  };
  const here = loadConfig(SECTIONS_FILE, { dialect: "py" }) ?? { ...noSections, dialect: "py" as const };
  const choice = chooseSections(transfer.sections, here, exists);
  const contents = planContents(transfer, choice, options, host, loader);
  const users = withoutUsers ? [] : transfer.users;
  const accounts = chooseAccounts(users, FACTS(), options);
  const settings = chooseSettings(
    withoutUsers ? [] : transfer.settings,
    users,
    loadConfig(`${CONFIG_DIRECTORY}/jk_chrootsh.ini`, { dialect: "c" })?.sections ?? [],
    exists,
  );
  const place = placeFor(jail, contents.requests);
  const grants = [
    ...contents.grants,
    ...settings.settings.map(({ name }) => `the section [${display(name)}] is added to jk_chrootsh.ini`),
  ];
  const problems = [
    ...place.problems,
    ...choice.problems,
    ...contents.problems,
    ...policyProblems(transfer.policies, transfer.users),
    ...accounts.problems,
    ...shellProblems(accounts.choices, contents, host),
    ...settings.problems,
    ...(trusted ? [] : grants.map((what) => needsTrust(jail, what))),
  ];
  return {
    ...{ jail, transfer, dropIns: choice.dropIns, contents, problems, begun: place.begun },
    accounts: accounts.choices,
    settings: settings.settings,
    warnings: [...choice.warnings, ...contents.warnings, ...accounts.warnings, ...settings.warnings],
  };
}

function needsTrust(path: ByteString, what: string): PopulateProblem {
  const message = `the file asks for more than copies of files: ${what}; if you trust it, use --trusted`;
  return { code: "needs-trust", path, message };
}

/** Whether a jail can be created at a path, or an import that was interrupted can go on there. */
function placeFor(
  jail: ByteString,
  requests: readonly ManifestRequest[],
): { begun: boolean; problems: PopulateProblem[] } {
  try {
    using root = openSafeJail(jail, { create: true, dryRun: true, sync: false, unsafeStatus: 1 });
    if (root === undefined || isEmpty(root)) return { begun: false, problems: [] };
    if (isSame(openManifest(root).content.requests.filter(asksForFiles), requests))
      return { begun: true, problems: [] };
  } catch (error) {
    return { begun: false, problems: [problemFrom(error, "place", jail)] };
  }
  const message = `${display(jail)} is not empty, and was not made from this file: name another place with -j`;
  return { begun: false, problems: [{ code: "path-exists", path: jail, message }] };
}

const isEmpty = (root: JailRoot): boolean =>
  withFd(openAt(root.fd, ".", O_RDONLY | O_DIRECTORY), (fd) => readDirectory(fd, 1)).length === 0;

const isSame = (one: readonly ManifestRequest[], other: readonly ManifestRequest[]): boolean => {
  const text = (requests: readonly ManifestRequest[]) =>
    JSON.stringify(
      requests.map(({ tool, sections, operands, options }) => [
        tool,
        sections,
        operands,
        Object.entries(options).sort(),
      ]),
    );
  return text(one) === text(other);
};

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

const MOST_LINKS = 40;

/** True if a path leads to a file of the plan, through its symbolic links. */
function isPlanned(path: ByteString, { planned, live }: Contents, host: FileSystem): boolean {
  if (live !== undefined && host.stat(path) !== undefined) return true;
  let at = path;
  for (let links = 0; links < MOST_LINKS; links++) {
    const parts = pathComponents(at);
    const prefixes = parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`);
    const link = prefixes.find((prefix) => planned.get(prefix)?.type === "symlink");
    if (link === undefined) return planned.get(at)?.type === "file";
    at = linkTarget(link, planned.get(link)?.target ?? "") + at.slice(link.length);
  }
  return false;
}
