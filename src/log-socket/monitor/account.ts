import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { passwdByName } from "../../system/accounts.ts";

/** The account for the relay alone. Packages and install-tools create it. */
export const RELAY_ACCOUNT = "_jk-socketd";

/** The command of useradd(8) that creates it without systemd-sysusers(8). */
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

/** The account that the relay runs as. */
export interface RelayAccount {
  /** Printable. */
  name: ByteString;
  uid: number;
  gid: number;
  /** That other programs run as the same user. */
  warning: ByteString | undefined;
}

/** The account of the relay: `requested`, or its own, or nobody's with a warning. Undefined if there is none. */
export function relayAccount(requested: ByteString | undefined): RelayAccount | undefined {
  const own = passwdByName(requested ?? RELAY_ACCOUNT);
  const nobody = passwdByName(NOBODY);
  const found = own ?? (requested === undefined ? nobody : undefined);
  if (found === undefined) return undefined;
  const name = display(found.name);
  const { uid, gid } = found;
  const shared = `the relay runs as ${name}, as other programs do, and any of those can stop it`;
  const remedy = `create it with '${MAKE_ACCOUNT.join(" ")}', then restart jk_socketd`;
  let warning: ByteString | undefined;
  if (own === undefined) warning = `there is no account ${RELAY_ACCOUNT}: ${shared}; ${remedy}`;
  else if (uid === nobody?.uid) warning = shared;
  return { name, uid, gid, warning };
}
