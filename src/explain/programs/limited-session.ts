import type { ByteString } from "../../../ffi/bytes.ts";
import type { LimitedRequest } from "../../enter/limited/limited.ts";
import type { Subject } from "../account.ts";
import type { LoginReport, ReportStep } from "../report.ts";
import type { ConfinedCommand } from "./stopped.ts";

/** A session in the limited shell or another one. */
export interface LimitedSession extends Subject {
  /** The arguments of the login shell: none, or "-c" and the command. */
  arguments: ByteString[];
  /** The variable USER, if it is not the name of the account. */
  userVariable?: ByteString;
}

/** Where the limited shell would run. */
export interface LimitedPlace {
  rootFd: number;
  home: ByteString;
  accounts: LimitedRequest["accounts"];
  configFile: ByteString;
  /** The session of jk_chrootsh in which it runs, and which confines it too. */
  outer?: Omit<ConfinedCommand, "program">;
}

/** A limited shell that a session would start. */
export interface Shell {
  report: LoginReport;
  session: LimitedSession;
  place: LimitedPlace;
  request: LimitedRequest;
  add: (...steps: ReportStep[]) => void;
}
