import type { ByteString } from "../../ffi/bytes.ts";
import type { WantedAccounts } from "./apply/accounts.ts";
import type { Live } from "./apply/live.ts";
import type { PopulateProblem, Want } from "./entry.ts";
import type { Companions } from "./plan/companion.ts";
import type { PlanCache } from "./plan-cache/plan-cache.ts";

/** A request to fill a jail. */
export interface PopulateRequest {
  readonly tool: "jk_init" | "jk_cp";
  /** Absolute, without `.`, `..` and doubled slashes. */
  readonly jail: ByteString;
  /** The requested sections or files, for the record. */
  readonly asked: readonly ByteString[];
  /** Options that change what is copied, for the record. */
  readonly recordedOptions: Readonly<Record<string, boolean | ByteString>>;
  readonly wants: readonly Want[];
  /** If undefined, the account files of the jail are not changed. */
  readonly accounts?: WantedAccounts;
  /** The directories of the host that are mounted for sockets. */
  readonly sockets?: readonly ByteString[];
  /** For sections that ask for nothing but sockets: those of the directories that are theirs, none if all are refused. */
  readonly onlySockets?: ReadonlyMap<ByteString, readonly ByteString[]>;
  readonly needProc: boolean;
  readonly needLogsocket: boolean;
  /** Make the jail live. */
  readonly live?: Live | undefined;
  /** Sections that must have at least one file on this machine. */
  readonly mustExist: readonly ByteString[];
  /** Problems and messages of the tool so far; printable. */
  readonly problems: readonly PopulateProblem[];
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

export interface PopulateOptions {
  readonly force: boolean;
  readonly hardlink: boolean;
  readonly verbose: boolean;
  readonly sync: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
  /** Do not wait for another tool that works on the jail. */
  readonly noWait: boolean;
  /** Problems that jailkit 2.23 passed over count for the exit status too; --json implies it. */
  readonly strict: boolean;
  /** Explain why this path is in the plan, and change nothing. */
  readonly why?: ByteString | undefined;
  /** Create the jail if it is missing. */
  readonly create: boolean;
  /** Without `create`: the exit status for a missing jail. */
  readonly missingStatus?: number;
  /** The exit status for a jail that is not safe. */
  readonly unsafeStatus: number;
  /** The sections that programs need. */
  readonly companions: Companions;
  /** For a plan of files that go into an empty jail. */
  readonly planCache?: PlanCache | undefined;
}

/** The directories of the host that a jail gets: of a live one, and with sockets. */
export const shownDirectories = ({ live, sockets = [] }: PopulateRequest): readonly ByteString[] => [
  ...(live?.directories ?? []),
  ...sockets,
];
