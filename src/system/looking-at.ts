import { beginLookUp, endLookUp } from "../../ffi/waiting.ts";

/**
 * Does something with a process of a user. Its user can hold what the kernel needs for that, such as its memory, for as long as
 * the process waits for a processor: so a line says which one that is. `pid`: undefined for many, which are looked at together.
 */
export function lookingAt<T>(pid: number | undefined, work: () => T): T {
  beginLookUp("process", `${pid ?? ""}`, true);
  try {
    return work();
  } finally {
    endLookUp(true);
  }
}
