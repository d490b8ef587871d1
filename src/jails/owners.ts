import type { ByteString } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import type { Usage } from "../../ffi/extents.ts";
import { display } from "../cli/display.ts";
import { jsonTextOrNull } from "../cli/report.ts";
import { passwdByUid } from "../system/accounts.ts";
import type { OwnerReport } from "./report-schema.ts";

/** The files of one uid in a jail. */
export interface Owner {
  readonly uid: number;
  /** Undefined if no account has the uid, or that is unknown. */
  readonly name: ByteString | undefined;
  /** All inodes. */
  readonly objects: number;
  /** Their size on disk. */
  readonly bytes: number;
  /** One of them, as the jail sees it. */
  readonly example: ByteString;
}

/** Counts the files of a jail by owner, except root; only those for which `counts` is true. */
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
    // If a name service does not answer, only the name is unknown.
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

/** The name of an owner: "alice (uid 1001)", or "uid 1001". */
export function ownerName({ name, uid }: Pick<Owner, "name" | "uid">): string {
  return name === undefined ? `uid ${uid}` : `${display(name)} (uid ${uid})`;
}

/** An owner in a report. */
export function ownerReport({ uid, name, objects, bytes }: Owner): OwnerReport {
  return { uid, name: jsonTextOrNull(name), objects, bytes };
}
