import type { ByteString } from "../../ffi/bytes.ts";
import type { WantedAccounts } from "./apply/accounts.ts";
import type { PopulateProblem, Want } from "./entry.ts";

/** What is to be in a jail. */
export interface Request {
  readonly tool: "jk_init" | "jk_cp";
  /** Absolute, without `.`, `..` and doubled slashes. */
  readonly jail: ByteString;
  /** The sections or files that were asked for, for the record. */
  readonly asked: readonly ByteString[];
  /** Options of the tool that decide what is put there, for the record. */
  readonly recordedOptions: Readonly<Record<string, boolean | ByteString>>;
  readonly wants: readonly Want[];
  /** undefined: the jail's account files are left alone. */
  readonly accounts?: WantedAccounts;
  readonly needProc: boolean;
  readonly needLogsocket: boolean;
  /** Sections of which something must exist on this machine. */
  readonly mustExist: readonly ByteString[];
  /** What went wrong before, and what to tell; printable. */
  readonly problems: readonly PopulateProblem[];
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

/** How it is to be put there; the options of jk_init and jk_cp. */
export interface Manner {
  readonly force: boolean;
  readonly hardlink: boolean;
  readonly verbose: boolean;
  readonly sync: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
  /** Tell why this path is in the plan, and do nothing. */
  readonly why?: ByteString | undefined;
  /** The jail is made where it is missing. */
  readonly create: boolean;
  /** What a jail that is not safe ends with. */
  readonly unsafeStatus: number;
}
