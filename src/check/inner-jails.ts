import type { ByteString } from "../../ffi/bytes.ts";
import type { Stat } from "../../ffi/files.ts";
import { plainPath } from "../../ffi/paths.ts";
import { answered } from "../cli/error.ts";
import type { IniFile } from "../config/model.ts";
import { jailedUsers } from "../jail/accounts/jailed-users.ts";
import { showing } from "../jail/fs/leads-into.ts";
import { lookUp } from "../jail/fs/look.ts";
import { jailFindings } from "../jail/fs/safety.ts";
import { isRegular, openJailRoot } from "../jail/fs/walk.ts";
import { readRegistry } from "../jail/record/manifest.ts";
import { isRecordOf } from "../jail/record/registry.ts";
import { ownMounts } from "../system/mountinfo.ts";

/** What is known of a directory of a jail that is at the path of another jail. */
export interface InnerJails {
  /** True if a jail is, or was, at a path of the host, and users have put nothing else there since. */
  isKnown(path: ByteString, stat: Stat): boolean;
  /** True if what is there is certainly a jail, which no user can exchange, and whose own check finds what is wrong in it. */
  isWhole(path: ByteString, stat: Stat): boolean;
}

/** `ini`: jk_check.ini. A record that cannot be read counts: --fix must not take the devices of its jail. */
export function innerJails(ini: IniFile | undefined): InnerJails {
  const named = [
    ...(ini?.sections ?? []).map(({ name }) => plainPath(name)),
    ...jailedUsers().flatMap(({ jail }) => jail ?? []),
  ];
  const { jails, damaged } = answered(() => readRegistry(named)) ?? { jails: [], damaged: [] };
  // A mount may show one in the jail. Where proc(5) is not mounted, names alone tell.
  const shown = showing(answered(ownMounts) ?? []);
  const allOf = (path: ByteString) => [path, ...shown(path)];
  const inodes = new Map(jails.flatMap(({ jail }) => allOf(jail.path).map((path) => [path, jail.ino])));
  const others = [...named, ...damaged.flatMap(({ error }) => error.jail ?? [])];
  const paths = new Set([...inodes.keys(), ...others.flatMap(allOf)]);
  return {
    isKnown: (path, { uid }) =>
      uid === 0 && (paths.has(path) || damaged.some(({ id }) => isRecordOf(id, path))),
    isWhole: (path, { ino }) =>
      answered(() => {
        using root = openJailRoot(path);
        if (root.top.stat.ino !== ino || jailFindings(root).length > 0) return false;
        if (inodes.get(path) === ino) return true;
        // The home of an account may name any directory as a jail.
        const passwd = lookUp(root, "/etc/passwd");
        return passwd !== undefined && isRegular(passwd.stat);
      }) ?? false,
  };
}
