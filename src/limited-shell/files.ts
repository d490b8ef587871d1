import type { ByteString } from "../../ffi/bytes.ts";
import {
  AT_FDCWD,
  O_DIRECTORY,
  O_NONBLOCK,
  O_RDONLY,
  S_IFDIR,
  S_IFMT,
  S_IFREG,
} from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { close, openAt, readDirectory, readLink, statAt } from "../../ffi/files.ts";
import { identityOf } from "../programs/recognise.ts";
import type { FileView } from "./file-view.ts";

/**
 * The file system as this process sees it, with its rights. A file that cannot be examined counts as missing. `homeOf`
 * looks up an account.
 */
export function systemFiles(homeOf: FileView["homeOf"]): FileView {
  const type = (path: ByteString, follow: boolean) =>
    attempt(() => statAt(AT_FDCWD, path, follow).mode & S_IFMT);
  return {
    isRegularFile: (path) => type(path, true) === S_IFREG,
    isDirectory: (path) => type(path, true) === S_IFDIR,
    exists: (path) => type(path, false) !== undefined,
    readDirectory: (path, limit) =>
      attempt(() => {
        const fd = openAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
        try {
          return readDirectory(fd, limit).map(({ name }) => name);
        } finally {
          close(fd);
        }
      }),
    readLink: (path) => attempt(() => readLink(AT_FDCWD, path)),
    identity: (path) => attempt(() => identityOf(statAt(AT_FDCWD, path, true))),
    look: (path) => attempt(() => statAt(AT_FDCWD, path)),
    homeOf,
  };
}

function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}
