import { installFilter, PID_PLACE } from "../../../ffi/seccomp.ts";
import { JailkitError } from "../../cli/error.ts";
import { filterOf } from "../../confine/filters.ts";

/** The filter of config/filters/relay.filter for a process. Throws JailkitError "not-confined". */
export function relayFilter(pid: number): Uint32Array {
  const words = filterOf("relay");
  const at = words.indexOf(PID_PLACE);
  if (at < 0 || words.includes(PID_PLACE, at + 1))
    throw new JailkitError("not-confined", 1, "the filter of the relay has no single place for its process");
  words[at] = pid;
  return words;
}

/**
 * seccomp(2): allows this process the calls of config/filters/relay.filter only. False if the kernel has no such filters.
 * no_new_privs must be set. Throws SystemError.
 */
export const allowCalls = (pid: number): boolean => installFilter(relayFilter(pid));
