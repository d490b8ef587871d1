import type { ByteString } from "../../../ffi/bytes.ts";
import { isMissing } from "../../../ffi/files.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { display, quoted } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { sectionsAround } from "../../config/known-sections.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../../config/load.ts";
import type { IniSection } from "../../config/model.ts";
import { dropInName } from "../../config/write.ts";
import { NoLogins } from "../../explain/no-login.ts";
import { placeOf } from "../../jail/accounts/own-path.ts";
import { type LeftMove, leftMoves } from "../../jail/fs/home-moves.ts";
import { type unmountedPlace, unmountedPlaces } from "../../jail/fs/unmounted.ts";
import { Displaced } from "../../jail/record/displaced.ts";
import { followRemedy } from "../../jail/record/follow.ts";
import { readRegistry } from "../../jail/record/registry.ts";
import { fileSystemAt } from "../../populate/file-system.ts";
import { searchPath } from "../../profile/search.ts";
import { lostSections, sectionNames, selectSections } from "../../profile/sections.ts";
import { namesIn } from "../../system/account-tools.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { localGroups, localUsers } from "../../system/flat-accounts.ts";
import { hostText } from "../../system/host-files.ts";
import type { ReservedUids } from "../../system/login-defs.ts";
import { processesByUid } from "../../system/processes.ts";
import { HostSources } from "../../transfer/host.ts";
import { SECTIONS_FILE } from "../../transfer/sections.ts";
import type { Fault } from "../change.ts";
import { KeptHomes } from "../kept-homes.ts";
import type { Declaration, DeclaredUser } from "../model.ts";
import { NOTHING } from "../once.ts";
import type { KeptHome, Once, OnceJail, OnceUser } from "../once-shape.ts";
import { UidOwners } from "../uid-owners.ts";
import { homesIn, reservedBy, UidsInJails } from "../uids-in-jails.ts";
import { absentFault } from "./absent.ts";
import { type Followed, withExchanged } from "./exchanged.ts";
import type { SectionNeeds } from "./jail.ts";
import { MayBe } from "./may-be.ts";
import { MovedJails } from "./may-be-moved.ts";

/** The directory of drop-ins of the machine's jk_chrootsh.ini. */
export const SETTINGS_DROP_INS = `${CONFIG_DIRECTORY}/jk_chrootsh.d`;

/** The drop-in of apply with the section of one user. */
export const settingsDropIn = (user: ByteString): ByteString =>
  `${SETTINGS_DROP_INS}/${dropInName(`/${user}`)}`;

/** Throws JailkitError if the section of a user in jk_chrootsh.ini is in another file than our drop-in, or not alone there. */
export function requireOwnDropIn(user: ByteString): void {
  const file = settingsDropIn(user);
  const { own, named } = sectionsAround(file);
  const other = named(user).find((one) => one.file !== file) ?? own.find(({ name }) => name !== user);
  if (other === undefined) return;
  const what =
    other.name === user
      ? `a section [${display(user)}] exists already`
      : `has a section [${display(other.name)}]`;
  const message = `${quoted(other.file)}, line ${other.line}: ${what}: it is not changed; edit it, or move it to another file`;
  throw new JailkitError("policy-exists", 1, message);
}

/** Calls once, at the first use. */
export function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** The same of a function that answers questions. */
const byFirst = <Key, T>(make: () => (key: Key) => T) => {
  const answer = once(make);
  return (key: Key) => answer()(key);
};

/** What is declared, and was once. */
export interface Scope {
  readonly remembered: Once;
  readonly declarations: readonly Declaration[];
  /** Those who are declared no more. */
  readonly leaving: (before: Once) => readonly OnceUser[];
  readonly jailsLeaving: (before: Once) => readonly OnceJail[];
  /** No other file declares anybody. */
  readonly isWhole: boolean;
  /** As leftMoves gave it, if somebody has asked already. */
  readonly left?: readonly LeftMove[] | undefined;
}

const NONE = () => [];
const NOBODY: Scope = {
  ...{ remembered: NOTHING, declarations: [], leaving: NONE, jailsLeaving: NONE, isWhole: false },
};

/** What jails and users of this machine are compared with; each file is read once. */
export class Machine extends HostSources {
  /** The processes of a uid when somebody asked first. */
  readonly processesOf = byFirst(processesByUid);
  readonly noLogins = new NoLogins();
  readonly localGroups = once(() => new Set(namesIn("/etc/group")));
  readonly #members = once(() => new Map(localGroups().map(({ name, members }) => [name, members])));
  readonly #host = once(fileSystemAt);
  /** The file with the sections that a jail can have; undefined if it is missing or cannot be read. */
  readonly sections = () => this.#init()?.ini;
  readonly #init = once(() => answered(() => ({ ini: loadConfig(SECTIONS_FILE, { dialect: "py" }) })));
  /** As lostSections, of all that is declared. */
  readonly lostSections = once(() => {
    const jails = this.declared.declarations.flatMap((one) => one.jails);
    const names = new Set(jails.flatMap(({ sections }) => sections));
    // With one of them it is the file. A run that has nothing to do reads no more of it.
    const text = answered(() => hostText(SECTIONS_FILE)) ?? "";
    if ([...names].some((name) => text.includes(`[${name}]`))) return undefined;
    const init = this.#init();
    const known = init?.ini === undefined ? [] : sectionNames(init.ini);
    return init && lostSections(names, known, SECTIONS_FILE, !isMissing(SECTIONS_FILE));
  });
  readonly #absent = new Map<ByteString, ReturnType<typeof absentFault>>();
  readonly #needs = new Map<ByteString, SectionNeeds>();
  readonly #freed = new Map<number, ByteString>();
  readonly #stays = new Set<ByteString>();
  readonly #local = once(() => localUsers());
  readonly #paths = new Map<ByteString, ByteString | undefined>();
  readonly #jailsOfDeclared = once(() => new Set(this.claimants().map(({ jail }) => jail)));
  // Of equal names the first counts.
  readonly #settingsOf = once(
    () => new Map(this.settings.toReversed().map((section) => [section.name, section])),
  );

  /** The section of jk_chrootsh.ini for one user. Throws JailkitError. */
  settingsOf = (user: ByteString): IniSection | undefined => this.#settingsOf().get(user);

  /** Those whom /etc/group lists in a group. */
  membersOf = (group: ByteString): readonly ByteString[] => this.#members().get(group) ?? [];

  /** As absentFault, which searches for the jail, first where its users are. */
  absentFault = (jail: ByteString): ReturnType<typeof absentFault> =>
    this.#absent.getOrInsertComputed(jail, () =>
      absentFault(jail, this.#jailsOfUsers(jail), this.byJail.get(jail) ?? []),
    );

  /** Whether a jail that is missing is at another path, where everything should follow it. */
  isMovedTo = (from: ByteString, to: ByteString): boolean =>
    isMissing(from) && this.absentFault(from)?.remedy === followRemedy(from, to);

  /** The same of any jail of declared users: its error says so. */
  hasMovedTo = (path: ByteString): boolean =>
    [...this.#jailsOfDeclared()].some((from) => this.isMovedTo(from, path));

  /** Where the accounts are of those who are declared in a jail. */
  #jailsOfUsers(jail: ByteString): ByteString[] {
    const users = this.declared.declarations.flatMap((one) => one.users);
    const names = new Set(users.flatMap((user) => (user.jail === jail ? user.name : [])));
    return [...this.byJail].flatMap(([place, some]) =>
      place !== undefined && place !== jail && some.some(({ name }) => names.has(name)) ? place : [],
    );
  }

  /** What runs that were killed have left of moves of homes. */
  readonly leftMoves = once(() => this.declared.left ?? leftMoves());

  /** The jail in which a user was declared once. */
  readonly jailOnce = (name: ByteString): ByteString | undefined => this.#onceOf().get(name)?.jail;

  /** What is at the paths of other jails. */
  readonly displaced = once(() => new Displaced(this.declared.remembered.jails, () => this.knownJails()));

  readonly #unmounted = once(unmountedPlaces);

  /** As unmountedPlace, which looks at all mounts. */
  unmountedPlace: typeof unmountedPlace = (...asked) => this.#unmounted()(...asked);

  readonly #places = new Map<ByteString, string>();

  /** As placeOf, which looks. */
  placeOf = (jail: ByteString): string => this.#places.getOrInsertComputed(jail, placeOf);

  /** The paths of jails that records, also damaged ones, or accounts name. */
  readonly knownJails = once((): ReadonlySet<ByteString> => {
    const { jails, damaged } = answered(readRegistry) ?? { jails: [], damaged: [] };
    const recorded = [...jails.map(({ jail }) => jail.path), ...damaged.map(({ error }) => error.jail)];
    return new Set([...recorded, ...this.byJail.keys()].filter((path) => path !== undefined));
  });

  /** What was declared once, and of which users it is not known which account is meant. */
  readonly known: Followed;
  /** Whom the accounts that nothing declares may be. */
  readonly mayBe = new MayBe({
    ...{ declared: () => this.claimants(), accounts: this.accounts },
    once: (name) => this.#onceOf().get(name),
    othersOf: (user) => this.known.othersOf(user),
  });
  readonly #onceOf = once(() => new Map(this.known.before.users.map((user) => [user.name, user])));
  /** Homes that stay without their accounts. */
  readonly kept: KeptHomes;
  /** What no new account gets by chance. */
  readonly reserved: ReservedUids;
  /** What jails have, where accounts may come. */
  readonly uids = new UidsInJails(() => this.declared.declarations.flatMap(homesIn));

  /** The declared users, those of other files included. */
  readonly claimants = once(() => this.declared.declarations.flatMap(({ users }) => users));

  /** Who has uids when accounts are created. */
  readonly owners = new UidOwners({
    ...{ before: () => this.known.before, declared: this.claimants, accounts: this.accounts },
    goes: (name, uid) => this.#freed.get(uid) === name,
  });

  /** The declared jails that are not there, and may be ones that nothing declares. */
  readonly movedJails = new MovedJails(() => ({
    ...{ declarations: this.declared.declarations, before: this.known.before, accounts: this.accounts },
    leavingJails: this.declared.jailsLeaving(this.known.before),
    leavingUsers: this.declared.leaving(this.known.before),
  }));

  readonly #leaving = once(
    () => new Map(this.declared.leaving(this.known.before).map((one) => [one.name, one])),
  );

  constructor(private readonly declared: Scope = NOBODY) {
    super();
    const { remembered, leaving, isWhole, declarations } = declared;
    const names = () => new Set(isWhole ? leaving(remembered).map(({ name }) => name) : []);
    this.known = withExchanged(remembered, { declarations, leaving: names, accounts: this.accounts });
    this.kept = new KeptHomes(this.known.before);
    this.reserved = reservedBy(this.kept, this.uids);
  }

  /** What was declared once of a user whom nothing declares now. */
  noLonger = (name: ByteString): OnceUser | undefined => this.#leaving().get(name);

  /** Whether a user of that name is declared. */
  isDeclared = (name: ByteString): boolean => this.declaredUser(name) !== undefined;

  declaredUser(name: ByteString): DeclaredUser | undefined {
    for (const { users } of this.declared.declarations) {
      const user = users.find((one) => one.name === name);
      if (user !== undefined) return user;
    }
    return undefined;
  }

  /** Says that an account with this uid is removed before any is created, and which home of it stays. */
  frees = (uid: number, name: ByteString, stays: KeptHome | undefined): void => {
    this.#freed.set(uid, name);
    this.kept.goes(name, uid, stays);
    if (stays !== undefined) this.#stays.add(stays.home);
  };

  /** Whether a home, as passwd(5) has it, is that of an account which is removed before any is created, and stays. */
  staysThere = (home: ByteString): boolean => this.#stays.has(home);

  /** Whether a uid is that of an account which is removed before any is created. */
  isFreed = (uid: number): boolean => this.#freed.has(uid);

  /** The account that has a uid when accounts are created. */
  laterByUid = (uid: number): PasswdEntry | undefined => {
    const goes = this.#freed.get(uid);
    if (goes === undefined) return this.accounts.userByUid(uid);
    // Two may have the same.
    return this.#local().find((user) => user.uid === uid && user.name !== goes);
  };

  /** What sections of jk_init.ini need. */
  needsOf = (sections: readonly ByteString[]): SectionNeeds =>
    this.#needs.getOrInsertComputed(sections.join(","), () => {
      const ini = this.sections();
      const found = ini && answered(() => selectSections(ini, sections));
      const some = (key: "needLogsocket" | "needProc") =>
        found?.sections.some(({ values }) => values[key]) ?? false;
      const certain = found !== undefined && found.unknown.length === 0;
      return { logSocket: some("needLogsocket"), proc: some("needProc"), certain };
    });

  /** Whether the file of an operand of jk_cp is there. */
  has = (operand: ByteString): boolean => {
    const path = this.pathOf(operand);
    return path !== undefined && this.#host().lstat(path) !== undefined;
  };

  /** The path that an operand of jk_cp means. */
  pathOf = (operand: ByteString): ByteString | undefined =>
    operand.includes("/")
      ? normalPath(operand)
      : this.#paths.getOrInsertComputed(operand, () => searchPath(this.#host(), operand));
}

/** What is wrong with the file of sections, told of the first jail that has any. */
export function lostSectionsIn({ jails }: Declaration, machine: Machine): Fault[] {
  const path = jails.find(({ sections }) => sections.length > 0)?.path;
  const message = path === undefined ? undefined : machine.lostSections();
  if (path === undefined || message === undefined) return [];
  return [{ of: "jail", name: path, jail: path, code: "no-config", message, due: { key: "sections" } }];
}
