import type { ByteString } from "../../../ffi/bytes.ts";
import { type Limit, readLimits } from "../../config/confine-values.ts";
import { describedBy, type KeyTable } from "../../config/keys.ts";
import { splitList } from "../../config/text.ts";
import type { KeyDescription } from "../../config/values.ts";

/** Keys of a section, as knownKeys has them; "" for one that the table does not know. */
export type Rules = ReadonlyMap<ByteString, ByteString>;

/** They allow something, item by item. */
const GRANTS = ["allow", "executables"];
/** They neither allow nor refuse anything. */
const NEUTRAL = ["umask", "environment", "env", "paths", "log_format"];
/** Values that are no limit. */
const UNLIMITED = ["0", "any", "all"];
const WITH_ITEMS: readonly KeyDescription["kind"][] = ["execute", "paths", "ports"];

/**
 * What two sections allow both: where that cannot be told from a key, the strictest that it can say, or nothing at all. Pure.
 */
export function commonRules(now: Rules, wanted: Rules, table: KeyTable): Rules {
  const common = new Map<ByteString, ByteString>();
  let isClear = true;
  for (const key of new Set([...now.keys(), ...wanted.keys()])) {
    const [one, other] = [now.get(key), wanted.get(key)];
    const facts = describedBy(table, key);
    const value = one === other ? one : commonValue(key, facts, one, other);
    if (value !== undefined) common.set(key, value);
    else if (one !== other) isClear &&= isPlain(key, facts);
  }
  if (!isClear) for (const key of [...common.keys()]) if (isGrant(key)) common.delete(key);
  return common;
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
function inBoth(one: ByteString = "", other: ByteString = ""): ByteString | undefined {
  const items = new Set(splitList(other));
  return (
    splitList(one)
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
