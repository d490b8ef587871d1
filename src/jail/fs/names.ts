import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { openAt, readDirectory, withFd } from "../../../ffi/files.ts";
import type { Directory } from "./walk.ts";

/** The names in an open directory, in the order of their bytes. */
export function namesIn(directory: Directory): ByteString[] {
  const entries = withFd(openAt(directory.fd, ".", C.O_RDONLY | C.O_DIRECTORY), readDirectory);
  return entries.map(({ name }) => name).sort();
}
