import type { ByteString } from "../../ffi/bytes.ts";
import type { ProgramFiles } from "../programs/program.ts";

/** What the limited shell may know of the file system and of accounts. Relative paths start at the cwd. */
export interface FileView extends ProgramFiles {
  /** A regular file stands there; symbolic links are followed. */
  isRegularFile(path: ByteString): boolean;
  /** A directory stands there; symbolic links are followed. */
  isDirectory(path: ByteString): boolean;
  /** Something stands there, be it a dangling link. */
  exists(path: ByteString): boolean;
  /**
   * The names in a directory, without "." and ".."; undefined where it cannot be read. Reading may stop once more
   * than `limit` names are known.
   */
  readDirectory(path: ByteString, limit: number): ByteString[] | undefined;
  /** The home directory of a user; undefined where there is no such user. */
  homeOf(user: ByteString): ByteString | undefined;
}
