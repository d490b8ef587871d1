import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { fstat, openAt, readAllFd, withFd } from "../../ffi/files.ts";
import { absolute } from "../../ffi/guard.ts";
import { quoted } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { isRegular } from "../jail/fs/walk.ts";
import { KEYS_LIMIT, type KeyLine, parsePublicKeys, readStandardInput, tooLong } from "./key-lines.ts";

function readKeyFile(file: ByteString, what: ByteString): ByteString {
  try {
    return withFd(openAt(C.AT_FDCWD, absolute(file), C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY), (fd) => {
      const stat = fstat(fd);
      const other = "is not a regular file; with - the keys come from standard input";
      if (!isRegular(stat)) throw new JailkitError("bad-key", 1, `${what} ${other}`);
      if (stat.size > KEYS_LIMIT) throw tooLong(what);
      return fromBytes(readAllFd(fd, KEYS_LIMIT));
    });
  } catch (error) {
    if (error instanceof JailkitError) throw error;
    const message = `--authorized-key: cannot read ${quoted(file)}: ${describeError(error)}`;
    throw new JailkitError("bad-key", 1, message);
  }
}

/** The public keys in a file, or in standard input for `-`. Throws JailkitError "bad-key". */
export function readPublicKeys(file: ByteString): KeyLine[] {
  const what = `--authorized-key: ${file === "-" ? "standard input" : quoted(file)}`;
  return parsePublicKeys(file === "-" ? readStandardInput() : readKeyFile(file, what), what);
}
