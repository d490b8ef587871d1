import { S_IFCHR, S_IFMT } from "../../ffi/constants.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { shellWord } from "../cli/shell-word.ts";
import type { NoLogin } from "../explain/no-login.ts";
import { lookUp } from "../jail/fs/look.ts";
import { hostPath, type JailRoot, withDirectory } from "../jail/fs/walk.ts";
import { mountRestrictions, remountCommand } from "../system/mounts.ts";
import { wasThere } from "../users/open-jail.ts";

const NULL_DEVICE = "/dev/null";
const [MAJOR, MINOR] = [1, 3];

/**
 * Why programs of a jail cannot start that need null(4), such as sftp-server(8): a copy without devices, as of a backup, has none, and
 * with nodev it cannot be opened. Undefined for a jail that has one, or never had one by its record.
 */
export function nullDeviceFault(root: JailRoot): NoLogin | undefined {
  const stat = lookUp(root, NULL_DEVICE)?.stat;
  const isDevice = stat !== undefined && (stat.mode & S_IFMT) === S_IFCHR;
  const isRight = isDevice && stat.rdevMajor === MAJOR && stat.rdevMinor === MINOR;
  const isClosed =
    isRight && withDirectory(root, directoryOf(NULL_DEVICE), ({ fd }) => mountRestrictions(fd).devices);
  if ((isRight && !isClosed) || !wasThere(root, NULL_DEVICE)) return undefined;
  const device = quoted(hostPath(root, NULL_DEVICE));
  const end = "which programs need: no login with sftp works";
  if (isClosed)
    return {
      message: `${device} cannot be opened, since the file system is mounted nodev, ${end}`,
      advice: remountCommand("dev", root.path),
    };
  const what = stat === undefined ? "is missing" : "is not that device";
  return { message: `${device} ${what}, ${end}`, advice: `jk_check --fix ${shellWord(root.path)}` };
}
