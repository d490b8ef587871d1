import type { ByteString } from "../../../ffi/bytes.ts";
import { entriesOf } from "../../../ffi/files.ts";
import type { Directory } from "./walk.ts";

/** The names in an open directory, in the order of their bytes. */
export const namesIn = (directory: Directory): ByteString[] =>
  entriesOf(directory.fd)
    .map(({ name }) => name)
    .sort();
