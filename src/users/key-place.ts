import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { hostPath, type JailRoot } from "../jail/fs/walk.ts";
import type { PasswdEntry } from "../system/accounts.ts";

/** Where keys are, below a home. */
export const KEYS_DIRECTORY = ".ssh";
/** The name of the file with keys. */
export const FILE = "authorized_keys";
/** Where sshd(8) looks for keys, below a home. */
export const KEYS_FILE: ByteString = `${KEYS_DIRECTORY}/${FILE}`;
/** By its default, it looks here as well (sshd_config(5), AuthorizedKeysFile). No key is written there. */
export const SECOND_FILE = "authorized_keys2";

/** The largest file that is read, in bytes: a user may have made theirs as large as they like. */
export const KEYS_FILE_LIMIT = 1 << 20;

/** An error about a file of keys: `why` is the end of a sentence. */
export function refuseKeys(
  root: Pick<JailRoot, "path">,
  path: ByteString,
  why: string,
  remedy?: Remedy,
): JailkitError {
  const message = `${quoted(hostPath(root, path))} ${why}`;
  return new JailkitError("keys-not-written", 1, message, undefined, remedy);
}

/** The owner of keys, and the home as `root` sees it. */
export interface KeyPlace {
  root: JailRoot;
  home: ByteString;
  user: Pick<PasswdEntry, "name" | "uid" | "gid">;
  /** The name of the file in .ssh, if it is another one than authorized_keys. */
  file?: ByteString;
}

/** The name of the file in .ssh. */
export const keyFileName = ({ file = FILE }: Pick<KeyPlace, "file">): ByteString => file;
