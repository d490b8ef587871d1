import { type ByteString, toBytes } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../../config/load.ts";
import { dropInName, dropInText } from "../../config/write.ts";
import { withTree } from "../../jail/fs/look.ts";
import { withDirectory } from "../../jail/fs/walk.ts";
import { makeDirectories, putFile } from "../../jail/fs/write.ts";
import { onlyRootWrites } from "../../system/exchange.ts";

const DROP_INS = "/jk_socketd.d";

const COMMENT = "The log socket of the jail, from need_logsocket in jk_init.ini.";

// The limits of jk_init in jailkit 2.
const LIMITS = { base: 512, peak: 2048, interval: 10 } as const;

/** The drop-in for a jail's log socket: its path below the configuration directory, and its text. */
export function logSocketDropIn(jail: ByteString): { path: ByteString; text: ByteString } {
  return {
    path: `${DROP_INS}/${dropInName(jail)}`,
    text: dropInText({ name: `${jail}/dev/log`, values: LIMITS }, "c", COMMENT),
  };
}

/**
 * Creates a drop-in of `directory`/jk_socketd.ini, so that jk_socketd serves JAIL/dev/log; the file of the administrator is
 * never changed. Returns the path of the drop-in, or undefined if the socket is configured already. Throws JailkitError
 * if the configuration cannot be read or is not safe.
 */
export function registerLogSocket(
  jail: ByteString,
  directory: ByteString = CONFIG_DIRECTORY,
): ByteString | undefined {
  if (/[\n\r\]]/.test(jail)) {
    const message = `${display(jail)}: jk_socketd.ini cannot name a jail with ']' in its path`;
    throw new JailkitError("log-socket", 1, message);
  }
  const existing = loadConfig(`${directory}/jk_socketd.ini`, { dialect: "c" });
  if (existing?.sections.some((section) => section.name === `${jail}/dev/log`)) return undefined;
  const attributes = { mode: 0o755, uid: 0, gid: 0 };
  withTree((tree) => makeDirectories(tree, directory, () => attributes));
  return withTree((root) => {
    makeDirectories(root, DROP_INS, () => attributes);
    if (!withDirectory(root, DROP_INS, ({ stat }) => onlyRootWrites(stat))) {
      const message = `${display(directory)}${DROP_INS}: must belong to root and be writable by root alone`;
      throw new JailkitError("config-unsafe", 1, message);
    }
    const { path, text } = logSocketDropIn(jail);
    putFile(root, path, toBytes(text), { ...attributes, mode: 0o644 }, { replace: true });
    return directory + path;
  }, directory);
}
