import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { passwdByName } from "../../system/accounts.ts";

/** The account that is there for the relay alone; packages and install-tools make it. */
export const RELAY_ACCOUNT = "_jk-socketd";

/** What makes it where systemd-sysusers(8) does not: useradd(8). */
export const MAKE_ACCOUNT: readonly string[] = [
  "useradd",
  "--system",
  "--user-group",
  "--no-create-home",
  "--home-dir",
  "/nonexistent",
  "--shell",
  "/usr/sbin/nologin",
  RELAY_ACCOUNT,
];

const NOBODY = "nobody";

/** Who the relay runs as. */
export interface RelayAccount {
  /** Printable. */
  name: ByteString;
  uid: number;
  gid: number;
  /** What is wrong with that: other programs run as the same user. */
  warning: ByteString | undefined;
}

/**
 * The account of the relay: the one that was asked for, else its own, else nobody's, with a warning. Undefined where
 * there is none.
 */
export function relayAccount(asked: ByteString | undefined): RelayAccount | undefined {
  const own = passwdByName(asked ?? RELAY_ACCOUNT);
  const nobody = passwdByName(NOBODY);
  const found = own ?? (asked === undefined ? nobody : undefined);
  if (found === undefined) return undefined;
  const name = display(found.name);
  const { uid, gid } = found;
  const shared = `the relay runs as ${name}, as other programs do, and any of those can stop it`;
  const remedy = `'${MAKE_ACCOUNT.join(" ")}' makes it, and then jk_socketd has to be started anew`;
  let warning: ByteString | undefined;
  if (own === undefined) warning = `there is no account ${RELAY_ACCOUNT}: ${shared}; ${remedy}`;
  else if (uid === nobody?.uid) warning = shared;
  return { name, uid, gid, warning };
}
