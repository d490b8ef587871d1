import type { ByteString } from "../../../ffi/bytes.ts";
import { answered } from "../../cli/error.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { readAllKeys } from "../../users/declared-keys.ts";
import type { KeyPlace } from "../../users/key-place.ts";
import { replacing } from "../../users/key-strictness.ts";
import { writeKeys } from "../../users/keys.ts";
import { withKeyPlace } from "../compare/look-keys.ts";
import type { DeclaredUser } from "../model.ts";
import type { Said } from "./steps.ts";
import { keyCount, requireUser, takeKeys } from "./takes.ts";

/**
 * As takeKeys, in a jail that can be used; and adds what comes in their place where that could not be done first, which has been said:
 * the file system may have had no room, and what goes makes some.
 */
export function exchangeKeys(
  declared: DeclaredUser,
  items: readonly ByteString[],
  said: Said,
  root: JailRoot,
): void {
  const rootOf = () => root;
  const atKeys = <T>(use: (place: KeyPlace) => T) =>
    answered(() => withKeyPlace(declared, requireUser(declared.name), rootOf, use));
  const going = new Set(items);
  const coming = atKeys((place) => replacing(readAllKeys(place).text, declared.keys ?? [], going)) ?? [];
  takeKeys(declared, items, said, rootOf);
  const count = coming.length === 0 ? 0 : (atKeys((place) => writeKeys(place, coming).added) ?? 0);
  if (count > 0) said.steps.push(`added ${keyCount(count)} to its authorized_keys, in place of what went`);
}
