import type { ByteString } from "../../../ffi/bytes.ts";
import type { LeftMove } from "../../jail/fs/home-moves.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import type { Change, Fault, FaultText } from "../change.ts";
import type { Rules } from "./common-places.ts";
import type { HomeOwner } from "./home-differs.ts";
import type { hiddenBy } from "./local-too.ts";

/** What this machine has of a user. */
export interface UserState {
  /** As the name services have it. */
  readonly account: PasswdEntry | undefined;
  /** If a directory has it no more: the account in the jail that has its uid and another home. */
  readonly heir?: (() => PasswdEntry | undefined) | undefined;
  /** It is in /etc/passwd. */
  readonly local: boolean;
  /** If it is declared as one of a directory: as hiddenBy. */
  readonly hidden?: (() => ReturnType<typeof hiddenBy>) | undefined;
  /** Why its declaration cannot be used, such as a group that does not exist. */
  readonly fault: FaultText | undefined;
  /** Declared groups that it is not in, on the host or in the jail. */
  readonly lacksGroups: readonly ByteString[];
  /** On the host the account is in all of these. */
  readonly lacksInside?: boolean | undefined;
  /** The jail cannot be used, so that it is not known what the account files in it have. */
  readonly isUnknown?: boolean;
  /** Its line in the jail's etc/passwd. */
  readonly inJail: PasswdEntry | undefined;
  /** Its primary group is in the jail's etc/group. */
  readonly hasGroup: boolean;
  /** Why its primary group is none of the host's. */
  readonly noGroup?: FaultText | undefined;
  /** Why PAM lets nobody in, which prevents nothing. */
  readonly noShadow?: FaultText | undefined;
  /** Its home in the jail; "mounted": it is to be one on which an empty file system is mounted. */
  readonly home: "there" | "missing" | "mounted" | "foreign";
  /** jk_chrootsh may refuse it all the same. */
  readonly isDoubtful?: boolean | undefined;
  /** If a run that was killed has closed it, wherever it is: what is left of that move. */
  readonly closedHome?: LeftMove | undefined;
  /** Who else has the same home in the jail. */
  readonly homeOwner?: (() => HomeOwner | undefined) | undefined;
  /** As HomeFacts has it. */
  readonly homeHolder?: (() => ByteString | undefined) | undefined;
  /** What is said of an account that has another uid than the declared one, if that is not sure to be put right. */
  readonly otherUid?: (() => string | undefined) | undefined;
  /** Those of them that limit it. */
  readonly limitingGroups?: readonly ByteString[];
  /** How many declared keys its authorized_keys lacks. */
  readonly lacksKeys: number;
  /** Which of them take the place of keys that go: all, or some. */
  readonly replacesKeys?: Change["takes"];
  /** Why the home cannot be used, or the keys in it not be read or written, which prevents nothing else. */
  readonly homeFault?: FaultText | undefined;
  /** Why keys that are taken away may be valid all the same, or none is, which prevents nothing. */
  readonly besideFault?: FaultText | undefined;
  /** How many declared keys have other options there. */
  readonly otherOptions: number;
  /** What of these options is stricter, as in Change. */
  readonly stricterOptions?: Change["takes"];
  /** Keys of its own section of jk_lsh.ini or jk_chrootsh.ini; undefined if it has none. */
  readonly policy: ReadonlyMap<ByteString, ByteString> | undefined;
  /** The declared keys, in the same form; undefined if none are declared. */
  readonly wantedPolicy: ReadonlyMap<ByteString, ByteString> | undefined;
  /** If the section differs or goes: what both allow, the one of now and the one that will count. */
  readonly commonPolicy?: { readonly takes: Change["takes"]; readonly keys: Rules } | undefined;
  /** Declared before and not any more, and still there. */
  readonly former: {
    readonly groups: readonly ByteString[];
    /** The keys to remove, and the section. */
    readonly keys: readonly ByteString[];
    readonly policy: boolean;
  };
}

/** What differs for a user. */
export interface UserComparison {
  readonly changes: readonly Change[];
  /** Why nothing is changed; or, with changes, why the home and the keys are not. */
  readonly fault: Fault | undefined;
  /** Nothing is given, and only what takes something away is made: the fault prevents the rest. */
  readonly onlyTakes?: boolean;
  /** What the rules of the user are as long as a change of these waits that is made in part. */
  readonly meanwhile?: Rules | undefined;
  /** The account, if jk_chrootsh may refuse its home. */
  readonly doubtful?: PasswdEntry | undefined;
  /** The account, if its home moves into the jail. */
  readonly moves?: PasswdEntry | undefined;
  /** What the directory that has the account should say; undefined if it does, or if there is none. */
  readonly directory: { readonly home: ByteString; readonly shell: ByteString } | undefined;
  /** Why that keeps the account out of the jail, as of misplacedText. */
  readonly misplaced?: string | undefined;
}
