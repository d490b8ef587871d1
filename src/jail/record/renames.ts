import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { allOf, type Remedy } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { onlyRootExchanges } from "../../system/exchange.ts";
import { freeName } from "../../system/free-name.ts";
import { mountsText, mountTypes } from "../../system/mounts.ts";

/** True if root alone can exchange these paths, and mv(1) renames what is there. */
export function areRenamed(paths: readonly ByteString[]): boolean {
  const mounts = mountTypes(mountsText());
  const parents = paths.map((path) => statIfPresent(AT_FDCWD, directoryOf(path))?.mountId);
  return new Set(parents).size === 1 && paths.every((path) => !mounts.has(path) && onlyRootExchanges(path));
}

/** From where, and to where. */
export type Renames = readonly (readonly [ByteString, ByteString])[];

/** Those that move each directory to the next of some paths; what is at the last one stays. */
export const toTheNext = (paths: readonly ByteString[]): Renames =>
  paths.slice(0, -1).map((path, index) => [path, paths[index + 1] ?? path]);

/** The same of a ring: what is at the last one comes to the first. */
export function roundBack(paths: readonly [ByteString, ...ByteString[]]): Renames {
  const [first] = paths;
  const aside = freeName(first, ".moved");
  const [, ...rest] = toTheNext(paths);
  return [[first, aside], [paths.at(-1) ?? first, first], ...rest.toReversed(), [aside, paths[1] ?? first]];
}

/** The command that makes them. */
export const renames = (moves: Renames): Remedy =>
  allOf(moves.map(([from, to]): Remedy => `mv -nT ${operands(from, to)}`));
