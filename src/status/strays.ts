import type { ByteString } from "../../ffi/bytes.ts";
import { attempt } from "../../ffi/error.ts";
import { answered } from "../cli/error.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { openJailRoot } from "../jail/fs/walk.ts";
import { listProcesses } from "../processes/list.ts";
import type { JailedProcess } from "../processes/process.ts";
import { flatFirstAccounts } from "../system/flat-accounts.ts";
import { hostText } from "../system/host-files.ts";
import { livesIn } from "../system/separator.ts";

/** Processes that run in a jail for a user who is not in it any more. */
export interface Strays {
  readonly jail: ByteString;
  readonly uid: number;
  /** Undefined if no account has the uid. */
  readonly name: ByteString | undefined;
  readonly pids: readonly number[];
}

/** True if the kernel knows that a login of this user has started the process (pam_loginuid). */
const isOfLogin = ({ pid, uid }: JailedProcess): boolean =>
  attempt(() => hostText(`/proc/${pid}/loginuid`))?.trim() === String(uid);

/**
 * True for processes of a user whom the host still has in the jail, but the jail has not, so that no login would be let in;
 * or of a login of an account that was removed. A daemon may run with any other uid.
 */
function isStray(jail: ByteString, first: JailedProcess): boolean {
  const account = answered(() => ({ host: flatFirstAccounts.userByUid(first.uid) }));
  if (account === undefined) return false;
  return account.host === undefined ? isOfLogin(first) : livesIn(jail, account.host.home);
}

/** The strays in these jails. Looks at each process once, and at the passwd of a jail if something runs in it. */
export function strayProcesses(jails: readonly ByteString[]): Strays[] {
  const known = new Set(jails);
  const request = { jails: [], containers: false, parents: false, confinement: false };
  const { processes } = answered(() => listProcesses(request)) ?? { processes: [] };
  const inJails = processes.filter(({ root, uid }) => uid !== 0 && !root.removed && known.has(root.name));
  return [...Map.groupBy(inJails, ({ root }) => root.name)].flatMap(([jail, all]) => {
    const accounts = answered(() => {
      using root = openJailRoot(jail);
      return readJailAccounts(root);
    });
    if (accounts === undefined) return [];
    return [...Map.groupBy(all, ({ uid }) => uid)].flatMap(([uid, own]) => {
      const [first] = own;
      if (first === undefined || accounts.userByUid(uid) !== undefined || !isStray(jail, first)) return [];
      const name = answered(() => flatFirstAccounts.userByUid(uid)?.name);
      return [{ jail, uid, name, pids: own.map(({ pid }) => pid) }];
    });
  });
}
