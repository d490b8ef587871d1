import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { isMissing, statIfPresent } from "../../../ffi/files.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../../config/load.ts";
import { onlyRootExchanges } from "../../system/exchange.ts";
import { mountRemedy } from "../fs/unmounted.ts";
import type { DeclaredDirectory } from "./declared-file.ts";
import { followRemedy } from "./follow.ts";
import type { OthersUsers } from "./others-users.ts";
import { areRenamed, renames } from "./renames.ts";

// A jail was moved, and all has followed it. Then a backup of before brings its directory back to the path of then, where another
// jail may be declared by now: whoever made it anew would give its users empty homes.

interface Asked {
  readonly users: Pick<OthersUsers, "homesOf">;
  /** Whether a path is that of a jail that is known there, or was declared once. */
  readonly isKnown: (path: ByteString) => boolean;
  /** Whether `jailkit adopt --moved` takes what is at the second path for the jail of the first one. */
  readonly mayFollow: (from: ByteString, to: ByteString) => boolean;
}

interface Back {
  readonly message: string;
  readonly remedy?: Remedy | undefined;
}

/** The homes of a jail that is not there, at a path where it was. */
interface Place {
  readonly at: ByteString;
  readonly isOthers: boolean;
  readonly name: ByteString;
  readonly isAll: boolean;
}

/** Finds jails that are missing, and are where they were before they were moved, by the homes of their users. */
export class FormerPlaces {
  readonly #placesOnce: ReadonlyMap<ByteString, readonly ByteString[]>;
  readonly #jailsOnce = new Map<ByteString, ByteString[]>();

  constructor(
    once: readonly DeclaredDirectory[],
    private readonly asked: Asked,
  ) {
    this.#placesOnce = new Map(once.map(({ path, formerly = [] }) => [path, formerly]));
    for (const [jail, places] of this.#placesOnce)
      for (const place of places) this.#jailsOnce.getOrInsertComputed(place, () => []).push(jail);
  }

  /** Why a jail that is missing is not made. */
  of(jail: ByteString): Back | undefined {
    const [last, ...others] = this.#placesOf(jail);
    if (last === undefined) return undefined;
    const { at, name } = last;
    if (last.isOthers) {
      const what = `the lines and homes of its users, such as ${quoted(name)}, are at ${quoted(at)}, where it was before, and which is the path of another jail now`;
      return { message: `${what}, ${bothWait(at, jail)}` };
    }
    const mayFollow = this.asked.mayFollow(jail, at);
    const follow = followRemedy(jail, at);
    const ways = [
      ...(mayFollow ? [`let everything follow what is there, with: ${follow}`] : []),
      bring(at, jail, "here"),
    ];
    const what = `homes of its users, such as that of ${quoted(name)}, are at ${quoted(at)}, where it was before, so it is not made anew`;
    const isSure = mayFollow && last.isAll && others.length === 0 && isRoots(at);
    return { message: `${what}: ${ways.join("; or ")}`, remedy: isSure ? follow : undefined };
  }

  /** Why nothing is done at the path of a jail: what is there is another one, which was there before. */
  at(path: ByteString): Back | undefined {
    for (const jail of this.#jailsOnce.get(path) ?? []) {
      const place = this.#placesOf(jail).find((one) => one.at === path && one.isOthers);
      if (place === undefined) continue;
      const what = `its lines and homes are those of the users of ${quoted(jail)}, such as ${quoted(place.name)}, which was here before, and is not there`;
      return { message: `${what}, ${bothWait(path, jail)}` };
    }
    return undefined;
  }

  /** Where homes of a missing jail are, that of last first. */
  #placesOf(jail: ByteString): Place[] {
    // What is not mounted is not moved.
    if (!isMissing(jail) || mountRemedy(jail) !== undefined) return [];
    return (this.#placesOnce.get(jail) ?? []).toReversed().flatMap((at): Place[] => {
      const homes = isMissing(at) ? undefined : answered(() => this.asked.users.homesOf(jail, at));
      if (homes === undefined) return [];
      const isOthers = this.asked.isKnown(at) || mayBeDeclared(at);
      // A new one, which users of the other one have come from perhaps.
      return isOthers && !homes.isAll ? [] : [{ at, isOthers, ...homes }];
    });
  }
}

/** Whether a file that is read declares a jail, or may do so: whoever has written it has not applied it yet, perhaps. */
export const mayBeDeclared = (jail: ByteString): boolean =>
  answered(() => {
    const ini = loadConfig(`${CONFIG_DIRECTORY}/jails.ini`, { dialect: "plain" });
    return ini?.sections.some(({ name }) => normalPath(/^jail[\t-\r ]+(.*)/s.exec(name)?.[1] ?? "") === jail);
  }) !== false;

/** How a directory comes to the path of its jail. `to`: that path, in words. */
const bring = (at: ByteString, jail: ByteString, to: string): string =>
  answered(() => areRenamed([at, jail])) === true
    ? `move that ${to}, with: ${renames([[at, jail]])}`
    : `move that ${to}, or mount it there`;

/** The end of both faults. Whether the other one comes back, too, is not known. */
const bothWait = (at: ByteString, jail: ByteString): string =>
  `so nothing is done in the two: if no more comes back, ${bring(at, jail, `to ${quoted(jail)}`)}`;

/** True for a directory that nobody but root has put there. */
const isRoots = (path: ByteString): boolean =>
  statIfPresent(AT_FDCWD, path)?.uid === 0 && answered(() => onlyRootExchanges(path)) === true;
