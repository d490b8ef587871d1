import type { ByteString } from "../../../ffi/bytes.ts";
import type { Stat } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { jsonText } from "../../cli/display.ts";
import { readJailFile, withTree } from "../fs/look.ts";
import { putFile } from "../fs/write.ts";
import { fromJsonText } from "./manifest-text.ts";
import { locked, registryExists } from "./registry.ts";

/** A file of a jail that is equal to one of the host, with the stamps of both. */
export interface Verified {
  readonly stamp: string;
  readonly source: ByteString;
  readonly sourceStamp: string;
  /** Of the contents, from a check with --full. */
  readonly digest?: string | undefined;
}

/** The verified files of a jail, by their path as the jail sees it. */
export type VerifiedFiles = Map<ByteString, Verified>;

const VERSION = 2;
const LIMIT = 1 << 28;

/** Beside the jail's manifest, also readable only by root: /var/lib/jailkit/jails/ID/verified.json. */
const fileOf = (registry: ByteString, id: ByteString): ByteString => `${registry}/${id}/verified.json`;

/** Reads the result of earlier checks. A file that is missing, damaged or of another version counts as empty. */
export function loadVerified(registry: ByteString, id: ByteString): VerifiedFiles {
  const bytes = withTree((tree) =>
    registryExists(tree, registry) ? readJailFile(tree, fileOf(registry, id), LIMIT) : undefined,
  );
  return bytes === undefined ? new Map() : parseVerified(bytes);
}

/** The inverse of formatVerified. */
export function parseVerified(bytes: Uint8Array): VerifiedFiles {
  const files: VerifiedFiles = new Map();
  try {
    const text = Buffer.from(bytes).toString("utf8");
    const record: { version?: unknown; files?: unknown } | null = JSON.parse(text);
    if (record?.version !== VERSION || !Array.isArray(record.files)) return files;
    for (const item of record.files as unknown[]) {
      if (!Array.isArray(item) || !item.every((field) => typeof field === "string")) continue;
      const [path, stamp, source, sourceStamp, digest] = item as string[];
      if (path === undefined || stamp === undefined || source === undefined || sourceStamp === undefined)
        continue;
      files.set(fromJsonText(path), { stamp, source: fromJsonText(source), sourceStamp, digest });
    }
  } catch {
    // A damaged file counts as empty: all files are read again.
    return new Map();
  }
  return files;
}

/** The text of the file: one line for each file of the jail. */
export function formatVerified(files: VerifiedFiles): Uint8Array {
  const lines = [...files].map(([path, { stamp, source, sourceStamp, digest }]) =>
    JSON.stringify([jsonText(path), stamp, jsonText(source), sourceStamp, ...(digest ? [digest] : [])]),
  );
  return Buffer.from(`{"version":${VERSION},"files":[\n${lines.join(",\n")}\n]}\n`, "utf8");
}

/** Writes the result of this check by rename(2), with mode 0600. */
export function saveVerified(registry: ByteString, id: ByteString, files: VerifiedFiles): void {
  withTree((tree) => {
    locked(tree, registry, id, () => {
      const attributes = { uid: libc.geteuid(), gid: libc.getegid(), mode: 0o600 };
      putFile(tree, fileOf(registry, id), formatVerified(files), attributes, {
        replace: true,
        most: LIMIT,
      });
    });
  });
}

/** Identifies an unchanged file: size, mtime, ctime, inode. Nobody can write(2) to a file and keep its ctime. */
export function stampOf({ size, mtime, ctime, ino }: Stat): string {
  return `${size} ${mtime} ${ctime} ${ino}`;
}

/**
 * True if a stamp is reliable. The clock of a file system is coarse: a file that was just written can be written again
 * without a change of its ctime. So can a file that is mapped; therefore only files that root alone can write count. `now`
 * is in nanoseconds since the epoch.
 */
export function isSettled({ ctime, uid, mode }: Stat, now: bigint): boolean {
  // The group bits are the mask of an ACL.
  return uid === 0 && (mode & 0o022) === 0 && ctime < now - 2_000_000_000n;
}

/** The time for isSettled. */
export const nanosecondsNow = (): bigint => BigInt(Date.now()) * 1_000_000n;
