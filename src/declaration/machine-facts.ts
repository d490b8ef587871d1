import type { ByteString } from "../../ffi/bytes.ts";
import type { IniSection } from "../config/model.ts";
import type { JailAccounts } from "../jail/accounts/accounts.ts";
import type { JailedUser } from "../jail/accounts/jailed-users.ts";
import type { placeOf } from "../jail/accounts/own-path.ts";
import type { linkIn } from "../jail/fs/leads-into.ts";
import type { jailsAround } from "../jail/record/around.ts";
import type { MovedFault } from "../jail/record/displaced.ts";
import type { Group, PasswdEntry } from "../system/accounts.ts";
import type { nameTarget, ownTarget } from "../system/exchange.ts";
import type { FaultText } from "./change.ts";
import type { absentFault } from "./compare/absent.ts";
import type { exchangedOf } from "./compare/exchanged.ts";
import type { hostHomeFault, missingHome } from "./compare/host-home.ts";
import type { MayBeMoved, MovedSources } from "./compare/may-be-moved.ts";
import type { strayFaultOf } from "./compare/stray.ts";
import type { twinFaults } from "./compare/twins.ts";
import type { ReportMachine } from "./machine-findings.ts";
import type { DeclaredUser } from "./model.ts";
import type { OnceUser } from "./once-shape.ts";
import type { UidOwners } from "./uid-owners.ts";

/** What a declaration asks about this machine. What throws JailkitError or SystemError is not known, and nothing is reported. */
export interface DeclarationFacts {
  userByName(name: ByteString): PasswdEntry | undefined;
  userByUid(uid: number): PasswdEntry | undefined;
  groupByName(name: ByteString): Group | undefined;
  groupByGid(gid: number): Group | undefined;
  /** The names in /etc/passwd and /etc/group. */
  userNames(): readonly ByteString[];
  groupNames(): readonly ByteString[];
  /** The accounts that live in jails. */
  jailedUsers(): readonly JailedUser[];
  /** The paths of known jails. */
  jails(): readonly ByteString[];
  /** The file that declared a jail once. */
  declaredOnce(jail: ByteString): ByteString | undefined;
  /** What was declared of a user once. */
  userOnce(
    name: ByteString,
  ):
    | Pick<OnceUser, "name" | "file" | "jail" | "directory" | "uid" | "homeId" | "groups" | "groupIds">
    | undefined;
  /** Why it is not known which account a section means. */
  exchanged: ReturnType<typeof exchangedOf>["doubt"];
  /** The accounts in a jail. */
  jailAccounts(jail: ByteString): Pick<JailAccounts, "userByName" | "groupByGid">;
  /** The names of the sections of jk_init.ini. */
  profiles(): readonly ByteString[];
  /** As lostSections, of the names that are declared. */
  lostSections(declared: ReadonlySet<ByteString>): string | undefined;
  /** The host's own directory that is at a path, and cannot be a jail. */
  hostDirectory(path: ByteString): ByteString | undefined;
  /** As systemFault, of the directory at a path. */
  systemFault(path: ByteString): string | undefined;
  /** Why no jail can be created at a path where there is no directory, printable. */
  newJailFault(path: ByteString): string | undefined;
  /** Whether there is a file, or a directory, at a path. */
  exists(path: ByteString): boolean;
  isDirectory(path: ByteString): boolean;
  /** Whether a directory is missing, or has nothing in it. */
  isBare(path: ByteString): boolean;
  jailAround: ReturnType<typeof jailsAround>;
  linkIn: typeof linkIn;
  nameTarget: typeof nameTarget;
  ownTarget: typeof ownTarget;
  placeOf: typeof placeOf;
  /** The groups of an account, by their gids. */
  groupsOf(account: PasswdEntry): readonly number[];
  /** As those of the comparison with this machine. */
  absentFault: typeof absentFault;
  /** Why a jail is not where it was. */
  movedFault(jail: ByteString): MovedFault | undefined;
  /** As mayBeMoved of the comparison. `isLeaving`: whether a jail or user is declared no more that a file declared once. */
  mayBeMoved(
    declared: MovedSources["declarations"][number],
    isLeaving: (kind: "jail" | "user", name: ByteString, file: ByteString) => boolean,
  ): readonly MayBeMoved[];
  hostHomeFault: typeof hostHomeFault;
  /** Why an account that is to be created, or to come into a jail, does not get its uid, which is that of a home that stays. */
  keptHome(
    declared: Pick<DeclaredUser, "name" | "jail" | "home" | "directory">,
    uid: number,
    account: PasswdEntry | undefined,
  ): FaultText | undefined;
  /** As UidOwners. */
  readonly uidOwners: Pick<UidOwners, "of" | "had" | "lost" | "nameSince" | "isAtHome">;
  missingHome: typeof missingHome;
  strayFaultOf: typeof strayFaultOf;
  /** Whether a program of this name is found as jk_cp finds it. */
  isProgram(name: ByteString): boolean;
}

/** What the rules about this machine get. */
export interface FactContext {
  readonly facts: DeclarationFacts;
  readonly report: ReportMachine;
  /** Those of these files. */
  readonly sections: readonly IniSection[];
  /** The paths of declared jails, those of other files included. */
  readonly declared: readonly ByteString[];
  /** The names of declared users, those of other files included. */
  readonly users: ReadonlySet<ByteString>;
  /** True for the path of one of these files, and for one that is gone: of another that is there, these need not know. */
  readonly isOwnFile: (file: ByteString) => boolean;
  /** True for the path of a declared or known jail. */
  readonly isJail: (path: ByteString) => boolean;
  /** The declared jails that may be ones that nothing declares any more. */
  readonly mayBeMoved: () => readonly MayBeMoved[];
  /** As twinFaults, of declared and known jails. */
  readonly twinOf: ReturnType<typeof twinFaults>;
}
