import type { ByteString } from "../../../ffi/bytes.ts";
import { splitList } from "../../config/text.ts";
import { isIn, type Places, placesOf } from "../../known-programs/allow/places.ts";

/** Keys of a section, as knownKeys has them; "" for one that the table does not know. */
export type Rules = ReadonlyMap<ByteString, ByteString>;

/** The keys that say where a user may read and write: each means something else if the other one is missing. */
export const PLACES = ["read", "write"];

const NOWHERE: readonly ByteString[] = [];

function listed(value: ByteString | undefined): Places | undefined {
  if (value === undefined || value === "all") return value;
  return value === "none" ? NOWHERE : splitList(value);
}

/** A path that begins with `~` is compared as it is. */
const placesIn = (rules: Rules) => placesOf(listed(rules.get("read")), listed(rules.get("write")), true, "");

/** As the kernel limits a session: of the two keys, a missing one is no limit. */
function limitsIn(rules: Rules): { readonly read: Places; readonly write: Places } {
  const [read, write] = [listed(rules.get("read")) ?? "all", listed(rules.get("write")) ?? "all"];
  return { read: read === "all" || write === "all" ? read : [...read, ...write], write };
}

const areIn = (some: Places, places: Places): boolean =>
  places === "all" || (some !== "all" && some.every((path) => isIn(path, places)));

function inBoth(one: Places, other: Places): Places {
  if (one === "all" || other === "all") return one === "all" ? other : one;
  const found = [...one.filter((path) => isIn(path, other)), ...other.filter((path) => isIn(path, one))];
  return [...new Set(found)];
}

/** True if what one section lets a user read and write is in what the other one does. Pure. */
export function isInPlaces(rules: Rules, of: Rules): boolean {
  return [placesIn, limitsIn].every((meaning) => {
    const [one, other] = [meaning(rules), meaning(of)];
    return areIn(one.read, other.read) && areIn(one.write, other.write);
  });
}

/** The keys for the places that both have. Pure. */
export function commonPlaces(now: Rules, wanted: Rules): Rules {
  const [one, other] = [placesIn(now), placesIn(wanted)];
  const read = inBoth(one.read, other.read);
  // What may be written may be read.
  const write = inBoth(inBoth(one.write, other.write), read);
  if (write === "all") return new Map();
  const text = (places: Places) => (places === "all" ? places : places.join(", ") || "none");
  return new Map([
    ["read", text(read)],
    ["write", text(write)],
  ]);
}
