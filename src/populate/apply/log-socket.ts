import { type ByteString, toBytes } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../../config/load.ts";
import { dropInName, dropInText } from "../../config/write.ts";
import { closeJailRoot, openTree, release, walk } from "../../jail/fs/walk.ts";
import { makeDirectories, putFile } from "../../jail/fs/write.ts";
import { onlyRootWrites } from "../../system/exchange.ts";

const DROP_INS = "/jk_socketd.d";

const COMMENT = "The log socket of the jail, as need_logsocket of jk_init.ini asks for it.";

// The limits that jk_init of jailkit 2 gave to a jail.
const LIMITS = { base: 512, peak: 2048, interval: 10 } as const;

/** The drop-in for a jail's log socket: its path below the configuration directory, and its text. */
export function logSocketDropIn(jail: ByteString): { path: ByteString; text: ByteString } {
  return {
    path: `${DROP_INS}/${dropInName(jail)}`,
    text: dropInText({ name: `${jail}/dev/log`, values: LIMITS }, "c", COMMENT),
  };
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
    const { path, text } = logSocketDropIn(jail);
    putFile(root, path, toBytes(text), { mode: 0o644, uid: 0, gid: 0 }, { replace: true });
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
