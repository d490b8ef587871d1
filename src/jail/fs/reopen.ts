import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { fstat, openAt } from "../../../ffi/files.ts";
import { onlyRootWrites } from "../../system/exchange.ts";
import { DirectoryCache } from "./cache.ts";
import { closeJailRoot, type Directory, type JailRoot } from "./walk.ts";

// A thread goes from one directory to the next, and all threads share the descriptors that the process may have.
const FEW = 16;

/**
 * The same open jail for another thread, which keeps a few directories of its own. Threads share descriptors: `fd` is that
 * of the other thread. Close it.
 */
export function reopenJailRoot(fd: number, path: ByteString, sync: boolean): JailRoot {
  const own = openAt(fd, ".", C.O_PATH | C.O_DIRECTORY);
  const stat = fstat(own);
  const trusted = onlyRootWrites(stat);
  const mount = { path: "/", stat };
  const top: Directory = { fd: own, path: "/", stat, trusted, stage: undefined, mount, cached: true };
  const cache = new DirectoryCache<Directory>(FEW);
  return {
    ...{ path, fd: own, top, ancestors: [], sync, isJail: true, cache },
    [Symbol.dispose]: () => closeJailRoot({ cache, top }),
  };
}
