import type { ByteString } from "../../../ffi/bytes.ts";
import { type Limit, readLimits } from "../../config/confine-values.ts";
import { describedBy, type KeyTable } from "../../config/keys.ts";
import { splitList } from "../../config/text.ts";
import type { KeyDescription } from "../../config/values.ts";
import { countingWords, isCovered } from "../../known-programs/allow/covers.ts";
import { commonPlaces, isInPlaces, PLACES, type Rules } from "./common-places.ts";

/** They allow something, item by item. */
const GRANTS = ["allow", "executables"];
/** They neither allow nor refuse anything. */
const NEUTRAL = ["umask", "environment", "env", "paths", "log_format"];
/** Values that are no limit. */
const UNLIMITED = ["0", "any", "all"];
const WITH_ITEMS: readonly KeyDescription["kind"][] = ["execute", "ports"];

/**
 * What two sections allow both: where that cannot be told from a key, the strictest that it can say, or nothing at all. Pure.
 */
export function commonRules(now: Rules, wanted: Rules, table: KeyTable): Rules {
  const common = new Map<ByteString, ByteString>();
  let isClear = true;
  const keys = new Set([...now.keys(), ...wanted.keys()]);
  if (PLACES.some((key) => now.get(key) !== wanted.get(key)))
    for (const [key, value] of commonPlaces(now, wanted)) common.set(key, value);
  else for (const [key, value] of now) if (PLACES.includes(key)) common.set(key, value);
  for (const key of keys) {
    if (PLACES.includes(key)) continue;
    const [one, other] = [now.get(key), wanted.get(key)];
    const facts = describedBy(table, key);
    const value = one === other ? one : commonValue(key, facts, one, other);
    if (value !== undefined) common.set(key, value);
    else if (one !== other) isClear &&= isPlain(key, facts);
  }
  if (!isClear) for (const key of [...common.keys()]) if (isGrant(key)) common.delete(key);
  return common;
}

/**
 * True if the wanted section certainly allows nothing that the one of now does not: it only takes away. Pure.
 */
export function onlyTakesAway(now: Rules, wanted: Rules, table: KeyTable): boolean {
  for (const key of new Set([...now.keys(), ...wanted.keys()])) {
    const [one, other] = [now.get(key), wanted.get(key)];
    if (one === other || PLACES.includes(key)) continue;
    if (key === "allow") {
      if (one === undefined || other === undefined) return false;
      const words = countingWords(splitList(one));
      if (!countingWords(splitList(other)).every((word) => isCovered(word, words))) return false;
      continue;
    }
    const facts = describedBy(table, key);
    if (commonValue(key, facts, one, other) !== other) return false;
    if (other === undefined && !isPlain(key, facts)) return false;
  }
  return isInPlaces(wanted, now);
}

/** True for a key that may be left out where it differs: the rest allows no more without it. */
const isPlain = (key: ByteString, facts: ReturnType<typeof describedBy>): boolean =>
  GRANTS.includes(key) ||
  NEUTRAL.includes(key) ||
  (typeof facts === "object" && (facts.kind === "flag" || facts.strictest !== undefined));

const isGrant = (key: ByteString): boolean =>
  GRANTS.includes(key) || key === "force" || key.startsWith("command ");

/** The value of a key that differs; undefined to leave it out. */
function commonValue(
  key: ByteString,
  facts: ReturnType<typeof describedBy>,
  one: ByteString | undefined,
  other: ByteString | undefined,
): ByteString | undefined {
  if (NEUTRAL.includes(key)) return one;
  if (key === "allow") return inBoth(one, other, countingWords);
  if (GRANTS.includes(key)) return inBoth(one, other);
  if (typeof facts !== "object" || facts.strictest === undefined) return undefined;
  if (one === facts.strictest || other === facts.strictest) return facts.strictest;
  const [left, right] = [one, other].map((value) => (isLimit(value) ? value : undefined));
  if (left === undefined || right === undefined) return left ?? right;
  if (facts.kind === "limits") return lowest(left, right);
  return (WITH_ITEMS.includes(facts.kind) ? inBoth(left, right) : undefined) ?? facts.strictest;
}

const isLimit = (value: ByteString | undefined) => value !== undefined && !UNLIMITED.includes(value);

/** The items of both lists; undefined for none. */
function inBoth(
  one: ByteString = "",
  other: ByteString = "",
  counting = (items: readonly ByteString[]) => items,
): ByteString | undefined {
  const items = new Set(counting(splitList(other)));
  return (
    counting(splitList(one))
      .filter((item) => items.has(item))
      .join(", ") || undefined
  );
}

/** For each resource the lower limit. */
function lowest(one: ByteString, other: ByteString): ByteString {
  const values = new Map<string, number>();
  for (const reading of [readLimits(one), readLimits(other)])
    for (const { name, value } of "value" in reading ? (reading.value as readonly Limit[]) : [])
      values.set(name, Math.min(value, values.get(name) ?? value));
  return [...values].map(([name, value]) => `${name} ${value}`).join(", ");
}
