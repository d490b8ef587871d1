import type { ByteString } from "../../../ffi/bytes.ts";
import { isBare } from "../../jail/record/bare.ts";
import { exchangedAt } from "../../jail/record/displaced.ts";
import { unmounted } from "../../jail/record/emptied.ts";
import { followLink } from "../../jail/record/named-jail.ts";
import type { FaultText } from "../change.ts";
import { jailIdAt } from "../ids.ts";
import type { DeclaredUser } from "../model.ts";
import type { OnceJail } from "../once-shape.ts";
import { remadeFor } from "../remade.ts";
import { absentFault, unmountedFault } from "./absent.ts";

/** Tells whose directory is at the path of a declared jail: only that it is remembered says so. */
export function movedInto(declared: readonly ByteString[]): (once: OnceJail) => boolean {
  const ids = new Map<"all", ReadonlySet<ByteString | undefined>>();
  const all = () => ids.getOrInsertComputed("all", () => new Set(declared.map(jailIdAt)));
  return ({ directoryId }) => Boolean(directoryId) && all().has(directoryId);
}

/** Why a jail cannot be used that is not here, or is an empty directory in its place. */
export function lostFault(
  jail: ByteString,
  isHere: boolean,
  inhabitants: ReadonlyMap<ByteString, readonly DeclaredUser[]>,
): FaultText | undefined {
  if (!isHere) return absentFault(jail, [...inhabitants.keys()]);
  const follow = followLink(jail, false);
  if (follow !== undefined)
    return { code: "moved", message: `it was moved: ${follow}`, remedy: follow } as const;
  const exchanged = exchangedAt(jail);
  if (exchanged !== undefined || !isBare(jail)) return exchanged;
  // Its copy, of which only its users tell.
  for (const place of inhabitants.keys()) {
    const copied = remadeFor(jail, place);
    if (copied !== undefined) return { code: "moved", ...copied } as const;
  }
  return unmountedFault(unmounted(jail));
}
