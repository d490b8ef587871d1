import type { ByteString } from "../../ffi/bytes.ts";
import type { ProgramFiles } from "../programs/program.ts";

/** The file system and accounts, as the limited shell sees them. Relative paths start at the cwd. */
export interface FileView extends ProgramFiles {
  /** True for a regular file; symbolic links are followed. */
  isRegularFile(path: ByteString): boolean;
  /** True for a directory; symbolic links are followed. */
  isDirectory(path: ByteString): boolean;
  /** True if the path exists, also as a dangling symbolic link. */
  exists(path: ByteString): boolean;
  /**
   * The names in a directory, without "." and ".."; undefined if it cannot be read. Reading may stop after more than
   * `limit` names.
   */
  readDirectory(path: ByteString, limit: number): ByteString[] | undefined;
  /** The home directory of a user; undefined if there is no such user. */
  homeOf(user: ByteString): ByteString | undefined;
}
