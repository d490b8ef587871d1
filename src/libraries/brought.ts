import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { readLink } from "../../ffi/files.ts";
import { baseName, normalPath, parentOf } from "../../ffi/paths.ts";
import { answered } from "../cli/error.ts";
import type { Loader } from "./closure.ts";
import { RootView } from "./root-view.ts";

const MOST_LINKS = 40;

/** The places of the host that a path leads through, itself first; directories without their links. */
function chainOf(path: ByteString, view: RootView): ByteString[] {
  const chain: ByteString[] = [];
  for (let next = path; chain.length < MOST_LINKS; ) {
    const parent = view.realPath(parentOf(next) || "/");
    if (parent === undefined) break;
    const place = `${parent === "/" ? "" : parent}/${baseName(next)}`;
    if (chain.includes(place)) break;
    chain.push(place);
    const target = attempt(() => readLink(AT_FDCWD, place));
    if (target === undefined) break;
    next = normalPath(target.startsWith("/") ? target : `${parent}/${target}`);
  }
  return chain;
}

/**
 * The paths of the host that no other of `all` brings along when it is copied: as the target of a symbolic link, or as a
 * library that it needs. Of those that bring each other, all. The name of a target changes with each version of a library.
 */
export function withoutBrought(
  paths: readonly ByteString[],
  loader: Pick<Loader, "dependencies">,
  all: readonly ByteString[] = paths,
): ByteString[] {
  using view = new RootView();
  const known = new Map<ByteString, { place: ByteString | undefined; brings: ReadonlySet<ByteString> }>();
  const of = (path: ByteString) =>
    known.getOrInsertComputed(path, () => {
      const [place, ...chain] = chainOf(path, view);
      const needs = answered(() => loader.dependencies(path)) ?? [];
      const libraries = needs.flatMap((need) => chainOf(need.path, view));
      return { place, brings: new Set([...chain, ...libraries].filter((one) => one !== place)) };
    });
  const brings = (one: ByteString, other: ByteString) => {
    const { place } = of(other);
    return place !== undefined && of(one).brings.has(place);
  };
  return paths.filter((path) => !all.some((one) => brings(one, path) && !brings(path, one)));
}
