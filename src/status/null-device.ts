import { S_IFCHR, S_IFMT } from "../../ffi/constants.ts";
import { quoted } from "../cli/display.ts";
import { shellWord } from "../cli/shell-word.ts";
import type { NoLogin } from "../explain/no-login.ts";
import { lookUp } from "../jail/fs/look.ts";
import { hostPath, type JailRoot } from "../jail/fs/walk.ts";
import { wasThere } from "../users/open-jail.ts";

const NULL_DEVICE = "/dev/null";
const [MAJOR, MINOR] = [1, 3];

/**
 * Why programs of a jail cannot start that need null(4), such as sftp-server(8): a copy without devices, as of a backup, has none. Undefined
 * for a jail that has one, or never had one by its record.
 */
export function nullDeviceFault(root: JailRoot): NoLogin | undefined {
  const stat = lookUp(root, NULL_DEVICE)?.stat;
  const isDevice = stat !== undefined && (stat.mode & S_IFMT) === S_IFCHR;
  if (isDevice && stat.rdevMajor === MAJOR && stat.rdevMinor === MINOR) return undefined;
  if (!wasThere(root, NULL_DEVICE)) return undefined;
  const what = stat === undefined ? "is missing" : "is not that device";
  const message = `${quoted(hostPath(root, NULL_DEVICE))} ${what}, which programs need: no login with sftp works`;
  return { message, advice: `jk_check --fix ${shellWord(root.path)}` };
}
