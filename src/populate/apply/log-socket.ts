import { type ByteString, toBytes } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../../config/load.ts";
import { closeJailRoot, onlyRootWrites, openTree, release, walk } from "../../jail/fs/walk.ts";
import { makeDirectories, putFile } from "../../jail/fs/write.ts";

const DROP_INS = "/jk_socketd.d";

/**
 * The name of the drop-in for a jail, one for each path: `/home/sftp-root` is "home-sftp%2droot.ini". Bytes other
 * than letters, digits, `.` and `_` are written as `%` and two hexadecimal digits.
 */
export function dropInName(jail: ByteString): ByteString {
  const name = jail
    .slice(1)
    .replace(/[^A-Za-z0-9._/]/g, (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, "0")}`)
    .replace(/\//g, "-");
  // Files that begin with a dot are not read.
  return `${name.replace(/^\./, "%2e")}.ini`;
}

/** What the drop-in says: the limits that jk_init has always given to a jail. */
export function dropInText(jail: ByteString): ByteString {
  return `# The log socket of the jail, as need_logsocket of jk_init.ini asks for it.
[${jail}/dev/log]
base = 512
peak = 2048
interval = 10
`;
}

/**
 * Tells jk_socketd to serve JAIL/dev/log, through a drop-in of its own beside `directory`/jk_socketd.ini; the
 * administrator's file is never changed. Returns the path of the new drop-in, or undefined where a file names the
 * socket already. Throws JailkitError where the configuration cannot be read or is not safe.
 */
export function registerLogSocket(
  jail: ByteString,
  directory: ByteString = CONFIG_DIRECTORY,
): ByteString | undefined {
  if (/[\n\r\]]/.test(jail)) {
    throw new JailkitError(
      "log-socket",
      1,
      `${display(jail)}: jk_socketd.ini cannot name a jail with ']' in its path`,
    );
  }
  const existing = loadConfig(`${directory}/jk_socketd.ini`, { dialect: "c" });
  if (existing?.sections.some((section) => section.name === `${jail}/dev/log`)) return undefined;
  makeConfigDirectory(directory);
  const root = openTree(directory);
  try {
    makeDirectories(root, DROP_INS, () => ({ mode: 0o755, uid: 0, gid: 0 }));
    const place = walk(root, DROP_INS);
    const safe = onlyRootWrites(place.stat);
    release(place);
    if (!safe) {
      const message = `${display(directory)}${DROP_INS}: must belong to root and be writable by root alone`;
      throw new JailkitError("config-unsafe", 1, message);
    }
    const path = `${DROP_INS}/${dropInName(jail)}`;
    putFile(root, path, toBytes(dropInText(jail)), { mode: 0o644, uid: 0, gid: 0 }, { replace: true });
    return directory + path;
  } finally {
    closeJailRoot(root);
  }
}

function makeConfigDirectory(directory: ByteString): void {
  const parent = openTree("/");
  try {
    makeDirectories(parent, directory, () => ({ mode: 0o755, uid: 0, gid: 0 }));
  } finally {
    closeJailRoot(parent);
  }
}
