import type { ByteString } from "../../ffi/bytes.ts";
import { unescaped } from "../../ffi/served.ts";
import { display, quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { splitList } from "../config/text.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { PROC_OPTIONS } from "../populate/apply/proc.ts";
import { usersRange } from "../system/login-defs.ts";
import { unlessRefused } from "../system/name-services.ts";
import { foreignMounts } from "../update/remove-extras.ts";
import { readPolicies } from "../users/policy.ts";
import type { TransferSection, TransferUser } from "./document.ts";
import type { HostSources } from "./host.ts";
import { sectionsOfUsers } from "./policies.ts";

/**
 * What files of the machine have for a jail, and neither an export nor a declaration can say: a printable line each. Throws
 * JailkitError.
 */
export function lostOnHost(jail: ByteString, host: HostSources): string[] {
  const proc = host.procOptionsOf(jail);
  return [
    ...host.otherSocketsOf(jail).map(({ name, file }) => `the socket ${quoted(name)}, in ${display(file)}`),
    ...(proc === undefined || proc === PROC_OPTIONS
      ? []
      : [`the options ${display(proc)} of proc, in /etc/fstab`]),
    ...foreignMounts(host.fstab, jail).map(
      ({ where }) => `what /etc/fstab mounts on ${quoted(unescaped(where))}`,
    ),
    ...lostGuests(jail, host),
  ];
}

/**
 * What files in a jail have for others than its users: lines of accounts that jk_uchroot may let in, and sections of
 * jk_lsh.ini. A printable line each. Throws JailkitError.
 */
export function lostInside(
  root: JailRoot,
  users: readonly TransferUser[],
  sections: readonly TransferSection[],
  host: HostSources,
): string[] {
  const names = new Set(users.map(({ name }) => name));
  // The other jail gets these from its sections.
  const brought = new Set(sections.flatMap(({ keys }) => splitList(keys.get("users") ?? "")));
  const { least, most } = usersRange("UID");
  const guests = readJailAccounts(root).users.filter(
    ({ name, uid }) =>
      uid >= least &&
      uid <= most &&
      !(names.has(name) || brought.has(name) || brought.has(`${uid}`)) &&
      unlessRefused(() => host.accounts.userByName(name)).found?.uid === uid,
  );
  const own = sectionsOfUsers(users);
  const others = readPolicies(root).ini.sections.filter(
    ({ name, entries }) => entries.length > 0 && !own.has(name),
  );
  return [
    ...guests.map(({ name }) => {
      const again = `jk_jailuser --jail-side-only -j ${shellWord(root.path)} ${operands(name)}`;
      return `the line of ${quoted(name)} in the jail's etc/passwd; write it there with: ${again}`;
    }),
    ...others.map(
      ({ name, file }) => `[${display(name)}] of ${display(file)}, which is for none of its users`,
    ),
  ];
}

/** The sections by which jk_uchroot lets somebody in. */
function lostGuests(jail: ByteString, host: HostSources): string[] {
  const guests = answered(() => host.guestsOf(jail));
  if (guests === undefined) return ["what jk_uchroot.ini allows, which cannot be read"];
  return guests.map(
    ({ name, file }) => `[${display(name)}] of ${display(file)}, by which jk_uchroot lets somebody in`,
  );
}
