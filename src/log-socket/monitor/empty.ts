import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { close, openAt, readDirectory } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { withTree } from "../../jail/fs/look.ts";
import { directoryFindings } from "../../jail/fs/safety.ts";
import { closeJailRoot, openTree } from "../../jail/fs/walk.ts";
import { makeDirectories } from "../../jail/fs/write.ts";

const EMPTY_DIRECTORY: ByteString = "/var/lib/jailkit/empty";

/** Opens the relay's root directory, which only root may write, and which is empty. Creates it if it is missing. */
export function openEmptyDirectory(path: ByteString = EMPTY_DIRECTORY): number {
  const refuse = (why: string): never => {
    throw new JailkitError("not-empty", 1, `${display(path)} ${why}`);
  };
  withTree((tree) => makeDirectories(tree, path, () => ({ mode: 0o755, uid: 0, gid: 0 })));
  const root = openTree(path);
  try {
    const [finding] = directoryFindings(root);
    if (finding !== undefined) refuse(`cannot be the relay's root directory: ${finding.message}`);
    const fd = openAt(root.fd, ".", C.O_RDONLY | C.O_DIRECTORY);
    if (readDirectory(fd).length === 0) return fd;
    close(fd);
    return refuse("must be empty, since it is the relay's root directory; move its contents away");
  } finally {
    closeJailRoot(root);
  }
}
