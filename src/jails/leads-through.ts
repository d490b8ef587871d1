import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { type Stat, sameFile, statIfPresent } from "../../ffi/files.ts";
import { pathsDownTo } from "../../ffi/paths.ts";

/** True for a path that is that of a directory, or leads through it, by whatever mount. */
export const leadsThrough = (path: ByteString, directory: Stat): boolean =>
  pathsDownTo(path).some((one) => {
    const stat = attempt(() => statIfPresent(AT_FDCWD, one, true));
    return stat !== undefined && sameFile(stat, directory);
  });
