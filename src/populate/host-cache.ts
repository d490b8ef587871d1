import type { BasicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import { type FileSystem, fileSystemAt } from "./file-system.ts";

/** A view of the host that reads each path once, until it is told to forget what it has read. */
export interface HostCache extends FileSystem {
  forget(): void;
}

const identity = ({ inoLow, inoHigh, devMajor, devMinor }: BasicStat): string =>
  `${inoLow} ${inoHigh} ${devMajor} ${devMinor}`;

/**
 * A view of the host for the plans of many jails, most of which need the same files. Errors are not kept. Only for
 * planning: whatever copies a file opens it, and checks what it has opened.
 */
export function cachedHost(real: FileSystem = fileSystemAt()): HostCache {
  const caches: Map<ByteString, unknown>[] = [];

  /** `use`, with each answer kept under its key. */
  function kept<Arguments extends unknown[], T>(
    use: (...asked: Arguments) => T,
    keyOf: (...asked: Arguments) => ByteString,
  ): (...asked: Arguments) => T {
    const answers = new Map<ByteString, T>();
    caches.push(answers);
    return (...asked) => answers.getOrInsertComputed(keyOf(...asked), () => use(...asked));
  }

  const path = (one: ByteString): ByteString => one;
  // What is expected is part of the question: another file at the path is an error.
  const withExpected = (one: ByteString, expected?: BasicStat): ByteString =>
    expected === undefined ? one : `${one}\0${identity(expected)}`;
  const lstats = new Map<ByteString, BasicStat | undefined>();
  caches.push(lstats);
  return {
    lstat: (one) => lstats.getOrInsertComputed(one, real.lstat),
    stat: kept(real.stat, path),
    acl: kept(real.acl, (one, follow = false) => `${one}\0${follow}`),
    withheld: kept(real.withheld, path),
    readlink: kept(real.readlink, withExpected),
    names: kept(real.names, path),
    list: kept((one, expected) => {
      const found = real.list(one, expected);
      for (const { path, stat } of found) lstats.set(path, stat);
      return found;
    }, withExpected),
    forget() {
      for (const answers of caches) answers.clear();
    },
  };
}
