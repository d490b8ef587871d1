import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { isMissing, statIfPresent } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { normalPath } from "../../ffi/paths.ts";
import { answered, JailkitError } from "../cli/error.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import { loadConfig } from "../config/load.ts";
import type { IniFile, Problem } from "../config/model.ts";
import { scanIni } from "../config/scan.ts";
import { inOrder, withoutConsequences } from "../config/section-problems.ts";
import type { ReportFinding } from "../config/separators.ts";
import { withWholeLists } from "../config/whole-lists.ts";
import { absentFault } from "../declaration/compare/absent.ts";
import { exchangedOf } from "../declaration/compare/exchanged.ts";
import { hostHomeFault, missingHome } from "../declaration/compare/host-home.ts";
import { DECLARED } from "../declaration/compare/intent.ts";
import { mayBeMoved } from "../declaration/compare/may-be-moved.ts";
import { strayFaultOf } from "../declaration/compare/stray.ts";
import { formerFault, keptHomeFault, knownUids } from "../declaration/kept-fault.ts";
import { DROP_INS } from "../declaration/known-file.ts";
import { isBareHere } from "../declaration/list-fixes.ts";
import { machineProblems } from "../declaration/machine.ts";
import type { DeclarationFacts } from "../declaration/machine-facts.ts";
import { type Meant, type MeantAt, meantSubjects, namesOfKind } from "../declaration/meant.ts";
import type { DeclaredUser } from "../declaration/model.ts";
import { readOnce } from "../declaration/once.ts";
import type { Once } from "../declaration/once-shape.ts";
import { systemFault } from "../declaration/other-things.ts";
import { declarationIn, readDeclarationSources } from "../declaration/read.ts";
import { standingHere } from "../declaration/shared.ts";
import { type Claimant, UidOwners } from "../declaration/uid-owners.ts";
import { memoized } from "../enter/gather.ts";
import { type JailAccounts, readJailAccounts } from "../jail/accounts/accounts.ts";
import { jailedUsers } from "../jail/accounts/jailed-users.ts";
import { placeOf } from "../jail/accounts/own-path.ts";
import { linkIn } from "../jail/fs/leads-into.ts";
import { noJailAt } from "../jail/fs/no-jails.ts";
import { isDirectory, openJailRoot } from "../jail/fs/walk.ts";
import { jailsAround } from "../jail/record/around.ts";
import { displacedHere, type MovedFault, recordedElsewhere } from "../jail/record/displaced.ts";
import { openManifest } from "../jail/record/manifest.ts";
import { fileSystemAt } from "../populate/file-system.ts";
import { requireNewJail } from "../populate/open-jail.ts";
import { searchPath } from "../profile/search.ts";
import { lostSections } from "../profile/sections.ts";
import { namesIn } from "../system/account-tools.ts";
import { nameTarget, ownTarget } from "../system/exchange.ts";
import { accountFacts, type HostAccounts, hostAccounts } from "../system/host-accounts.ts";
import { hostGroup } from "../system/name-services.ts";
import { SECTIONS_FILE } from "../transfer/sections.ts";
import { fixInSection } from "./declared.ts";
import { lintGiven, saidAt } from "./given.ts";
import { problemsInJails } from "./in-jails.ts";
import { PolicyLint } from "./policies.ts";
import { knownPaths } from "./world.ts";

// Others are told apart, such as a file system that is not mounted, or may be mended meanwhile.
const NO_PLACE: readonly ProblemCode[] = ["kernel-file-system", "not-a-directory", "unsafe-jail"];

/** Why an account does not get a uid, by what was declared once. */
function keptHomes(remembered: () => Once, owners: UidOwners): DeclarationFacts["keptHome"] {
  const known = memoized(() => knownUids(remembered(), owners));
  return (declared, uid, account) =>
    account === undefined
      ? keptHomeFault(declared, uid, known(), DECLARED.uid)
      : formerFault(declared, account, known());
}

/** Why a jail is not where it was, by its record. */
const recordedElsewhereAt = (jail: ByteString): MovedFault | undefined =>
  answered(() => {
    using root = openJailRoot(jail);
    return recordedElsewhere(root, openManifest(root).id);
  });

/** Why no jail can be created at a path where there is no directory, printable. */
function newJailFault(host: Pick<ReturnType<typeof fileSystemAt>, "stat">, path: ByteString) {
  try {
    if (!isDirectory(host.stat(path) ?? { mode: 0 })) requireNewJail(path);
    return undefined;
  } catch (error) {
    if (error instanceof JailkitError && NO_PLACE.includes(error.code)) return error.message;
    throw error;
  }
}

type Claimants = (remembered: Pick<Once, "users">) => readonly Claimant[];

function ownersOf(
  claimants: Claimants,
  remembered: () => Once,
  accounts: Pick<HostAccounts, "userByName" | "userByUid">,
): UidOwners {
  // Only root can read it.
  const before = memoized(() => answered(remembered) ?? { users: [] });
  return new UidOwners({ before, declared: () => claimants(before()), accounts });
}

/** The answers of this machine. `claimants`: who is declared; `whyAbsent`: as for openWorld. */
export function machineFacts(claimants: Claimants, whyAbsent = absentFault): DeclarationFacts {
  const accounts = memoized(hostAccounts);
  const memberships = memoized(() => accountFacts(accounts()));
  const remembered = memoized(() => readOnce());
  const jailsOnce = memoized(() => new Map(remembered().jails.map(({ path, file }) => [path, file])));
  const usersOnce = memoized(() => new Map(remembered().users.map((user) => [user.name, user])));
  const userByName: HostAccounts["userByName"] = (name) => accounts().userByName(name);
  const userByUid: HostAccounts["userByUid"] = (uid) => accounts().userByUid(uid);
  const owners = ownersOf(claimants, remembered, { userByName, userByUid });
  const exchanged = memoized(() => exchangedOf(remembered(), accounts()));
  const displaced = displacedHere();
  const around = memoized(jailsAround);
  const host = fileSystemAt();
  const profiles = memoized(() =>
    (loadConfig(SECTIONS_FILE, { dialect: "py" })?.sections ?? []).map(({ name }) => name),
  );
  return {
    userByName,
    userByUid,
    groupByName: (name) => accounts().groupByName(name),
    groupByGid: hostGroup,
    userNames: memoized(() => namesIn("/etc/passwd")),
    groupNames: memoized(() => namesIn("/etc/group")),
    jailedUsers: memoized(() => jailedUsers()),
    jails: memoized(() => {
      const only = "only root can read the records of jails";
      if (libc.geteuid() !== 0) throw new JailkitError("not-root", 1, only);
      return knownPaths((error) => {
        throw error;
      });
    }),
    declaredOnce: (jail) => jailsOnce().get(jail),
    userOnce: (name) => usersOnce().get(name),
    exchanged: (...asked) => exchanged().doubt(...asked),
    jailAccounts: accountsInJails(),
    profiles,
    lostSections: (declared) => lostSections(declared, profiles(), SECTIONS_FILE, !isMissing(SECTIONS_FILE)),
    hostDirectory(path) {
      const stat = statIfPresent(AT_FDCWD, path, true);
      return stat === undefined ? undefined : noJailAt(stat);
    },
    systemFault(path) {
      using root = openJailRoot(path);
      return systemFault(root);
    },
    newJailFault: (path) => newJailFault(host, path),
    keptHome: keptHomes(remembered, owners),
    uidOwners: owners,
    exists: (path) => host.stat(path) !== undefined,
    isDirectory: (path) => isDirectory({ mode: host.lstat(path)?.mode ?? 0 }),
    groupsOf: (account) => memberships().groupsOf(account),
    absentFault: whyAbsent,
    mayBeMoved: (declared, isLeaving) => {
      const before = remembered();
      return mayBeMoved({
        ...{ declarations: [declared], before, accounts: accounts() },
        leavingJails: before.jails.filter(({ path, file }) => isLeaving("jail", path, file)),
        leavingUsers: before.users.filter(({ name, file }) => isLeaving("user", name, file)),
      });
    },
    movedFault: (jail) => recordedElsewhereAt(jail) ?? displaced(jail),
    jailAround: (path, isJail) => around()(path, isJail),
    ...{ linkIn, nameTarget, ownTarget, placeOf, hostHomeFault, strayFaultOf, missingHome },
    isBare: isBareHere,
    isProgram: (name) => searchPath(host, name) !== undefined,
  };
}

/** The accounts in a jail, which are read once. */
function accountsInJails(): DeclarationFacts["jailAccounts"] {
  const inJails = new Map<ByteString, JailAccounts>();
  return (jail) =>
    inJails.getOrInsertComputed(jail, () => {
      using root = openJailRoot(jail);
      return readJailAccounts(root);
    });
}

/** What the other files of /etc/jailkit declare, if `file` is one of these; undefined if one cannot be read. */
function declaredBeside(file: ByteString): MeantAt[] | undefined {
  const isOne = file.startsWith(`${DROP_INS}/`);
  const sources = isOne ? answered(readDeclarationSources) : [];
  return sources?.flatMap(({ bytes, file: other }) =>
    other === normalPath(file)
      ? []
      : meantSubjects(scanIni(bytes, other, "plain")).map((one) => ({ ...one, file: other })),
  );
}

/** Those whom no other section declares: it is not known which one counts. */
function onlyOnce(users: readonly DeclaredUser[], beside: readonly MeantAt[] = []): DeclaredUser[] {
  const [named, others] = [Map.groupBy(users, ({ name }) => name), namesOfKind(beside, "user")];
  return users.filter(({ name }) => named.get(name)?.length === 1 && !others.has(name));
}

/** Who is declared, some in other files. If what those declare is not known, it may be all whom a file declared once. */
export const claimantsOf =
  (users: readonly DeclaredUser[], beside: readonly Meant[] | undefined): Claimants =>
  (remembered) => {
    const own = new Set(users.map(({ name }) => name));
    const others = beside ? namesOfKind(beside, "user") : new Set(remembered.users.map(({ name }) => name));
    return [...users, ...[...others.difference(own)].map((name) => ({ name }))];
  };

/** The answer if a file that may declare a jail cannot be read. Throws JailkitError. */
export function unknownJails(): never {
  throw new JailkitError("config-unreadable", 1, "a file that may declare a jail cannot be read");
}

/**
 * All problems of files that declare jails and users, merged, those of the scanner included. `complete`: no file is missing
 * because it cannot be read. `inJails`: rights are checked, for which jails are looked into. `whyAbsent`: as for openWorld.
 */
export function lintDeclaration(
  ini: IniFile,
  complete: boolean,
  inJails: boolean,
  whyAbsent = absentFault,
): Problem[] {
  const { declaration, problems } = declarationIn(ini, undefined, standingHere());
  const beside = complete ? declaredBeside(ini.file) : undefined;
  const facts = machineFacts(claimantsOf(declaration.users, beside), whyAbsent);
  const known = beside === undefined ? { ...facts, jails: unknownJails } : facts;
  const more = machineProblems(ini, known, beside);
  if (inJails) {
    const users = onlyOnce(declaration.users, beside);
    more.push(...problemsInJails({ users, jails: declaration.jails }));
  }
  const told = new Set(more.map((one) => saidAt(one, one.message)));
  const report: ReportFinding = ({ file, line, column }, severity, code, message, fix) => {
    told.add(saidAt({ file, line, column }, message));
    more.push({ file, line, column, severity, code, message, ...(fix && { fix }) });
  };
  for (const section of ini.sections) lintGiven(section, report, facts);
  using policies = new PolicyLint();
  // What a jail gets is not known here: what neither it nor this machine has never comes.
  const jails = inJails ? Map.groupBy(declaration.users, ({ jail }) => jail).values() : [];
  for (const users of jails) {
    const homes = users.map(({ home }) => normalPath(home));
    // Apply gives it all the same, with a warning.
    for (const user of users)
      policies.lint(user, { isWhole: false, homes }, (place, _severity, code, message, fix) => {
        if (!told.has(saidAt(place, message)))
          report(place, "warning", code, message, fixInSection(fix, user));
      });
  }
  // What cannot be read need not be there.
  const unread = new Set(problems.map((one) => saidAt(one)));
  const fresh = more.filter((one) => !unread.has(saidAt(one)));
  return withWholeLists(inOrder(withoutConsequences([...problems, ...fresh], ini), ini), ini);
}
