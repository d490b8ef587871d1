import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import type { Stat } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";

const NEVER = new Map<number, string>([
  [C.S_IFCHR, "a device"],
  [C.S_IFBLK, "a device"],
  [C.S_IFSOCK, "a socket"],
]);

/** Throws JailkitError "in-the-way" if a pidfile would replace a device, such as /dev/null, or a socket. */
export function requirePidfilePlace(path: ByteString, present: Stat | undefined): void {
  const what = present && NEVER.get(present.mode & C.S_IFMT);
  if (what !== undefined)
    throw new JailkitError("in-the-way", 1, `${display(path)}: is ${what}, which stays; name another file`);
}
