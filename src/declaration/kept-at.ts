import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { normalPath } from "../../ffi/paths.ts";
import { answered } from "../cli/error.ts";
import { below } from "../system/mountinfo.ts";
import { isWholeJail } from "./kept-where.ts";
import { readOnce } from "./once.ts";
import type { KeptHome } from "./once-shape.ts";

/**
 * Says whether a file of the host is in a home that stays without its account, and has its uid. What was declared once is read
 * at the first question; if it cannot be read, nothing is known to stay.
 */
export function keptAt(): (path: ByteString) => boolean {
  let homes: readonly KeptHome[] | undefined;
  return (path) => {
    homes ??= (answered(() => readOnce().kept) ?? []).filter((home) => !isWholeJail(home));
    const here = homes.filter(({ home }) => below(path, normalPath(home)) !== undefined);
    const uid = here.length === 0 ? undefined : answered(() => statIfPresent(AT_FDCWD, path)?.uid);
    return here.some((one) => one.uid === uid);
  };
}
