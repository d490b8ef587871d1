import type { ByteString } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import type { Usage } from "../../ffi/extents.ts";
import { display } from "../cli/display.ts";
import { jsonTextOrNull } from "../cli/report.ts";
import { passwdByUid } from "../system/accounts.ts";
import type { OwnerReport } from "./report-schema.ts";

/** What belongs to one uid in a jail. */
export interface Owner {
  readonly uid: number;
  /** Undefined where no account has the uid, or nobody can tell. */
  readonly name: ByteString | undefined;
  /** Files, directories and all else, each inode once. */
  readonly objects: number;
  /** What they take on the disk. */
  readonly bytes: number;
  /** One of them, as the jail sees it. */
  readonly example: ByteString;
}

/** Counts what is found in a jail by owner, root left out; `counts` tells what is to be counted. */
export function ownerCounter(counts: (path: ByteString, usage: Usage) => boolean = () => true): {
  add(path: ByteString, usage: Usage): void;
  owners(): Owner[];
} {
  const sums = new Map<number, { objects: number; bytes: number; example: ByteString }>();
  const linked = new Set<string>();
  return {
    add(path, usage) {
      const { uid, nlink, ino, devMajor, devMinor, allocated } = usage;
      if (uid === 0 || !counts(path, usage)) return;
      if (nlink > 1) {
        const inode = `${devMajor}:${devMinor}:${ino}`;
        if (linked.has(inode)) return;
        linked.add(inode);
      }
      const sum = sums.get(uid) ?? { objects: 0, bytes: 0, example: path };
      sum.objects++;
      sum.bytes += allocated;
      sums.set(uid, sum);
    },
    owners: () =>
      [...sums].sort(([a], [b]) => a - b).map(([uid, sum]) => ({ uid, name: nameOf(uid), ...sum })),
  };
}

function nameOf(uid: number): ByteString | undefined {
  try {
    return passwdByUid(uid)?.name;
  } catch (error) {
    // A name service that does not answer costs the name, not the count.
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

/** An owner in words: "alice (uid 1001)", or the number alone. */
export function ownerName({ name, uid }: Pick<Owner, "name" | "uid">): string {
  return name === undefined ? `uid ${uid}` : `${display(name)} (uid ${uid})`;
}

/** An owner in a report. */
export function ownerReport({ uid, name, objects, bytes }: Owner): OwnerReport {
  return { uid, name: jsonTextOrNull(name), objects, bytes };
}
