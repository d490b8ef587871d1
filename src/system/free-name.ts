import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";

/**
 * A path of the host with an ending, such as ".old", which it gets as often as it takes until nothing has that name: mv(1)
 * with -n moves nothing to the name of a file that is there. Throws SystemError.
 */
export function freeName(path: ByteString, ending: ByteString): ByteString {
  const name = path + ending;
  return statIfPresent(AT_FDCWD, name) === undefined ? name : freeName(name, ending);
}
