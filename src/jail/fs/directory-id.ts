import type { ByteString } from "../../../ffi/bytes.ts";
import { type Usage, usageAt } from "../../../ffi/extents.ts";
import { answered } from "../../cli/error.ts";
import { isDirectory, type JailRoot, openJailRoot } from "./walk.ts";

/** Instead of what identifies a jail or an account: whoever made it, it may be another one than was declared. */
export const MAY_BE_OTHER = "";

/**
 * Identifies a directory that was found: no other one of its file system has the same number, and was created in the same moment.
 * Undefined if it is no directory, or that is not known.
 */
export const idOf = (found: Usage | undefined): ByteString | undefined =>
  found?.birth !== undefined && isDirectory(found) ? `${found.ino} ${found.birth}` : undefined;

/** The same of an open directory. */
export const openIdOf = (fd: number): ByteString | undefined => idOf(answered(() => usageAt(fd, ".")));

/** Identifies the directory of an open jail in the same way. */
export const jailIdOf = ({ top: { fd } }: JailRoot): ByteString | undefined => openIdOf(fd);

/** The same of a jail by its path. */
export const jailIdAt = (jail: ByteString): ByteString | undefined =>
  answered(() => {
    using root = openJailRoot(jail);
    return jailIdOf(root);
  });
