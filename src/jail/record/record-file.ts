import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt, SystemError } from "../../../ffi/error.ts";
import {
  fstat,
  openIfPresent,
  readAllFd,
  readInto,
  type Stat,
  statIfPresent,
  withFd,
} from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { lookUp, withJailFile } from "../fs/look.ts";
import { isLink, isRegular, type JailRoot, withDirectory } from "../fs/walk.ts";
import {
  fromJsonText,
  type JailIdentity,
  newerVersion,
  parseIdentity,
  parseManifest,
  type ReadManifest,
} from "./manifest-text.ts";

/** The largest manifest that is read, in bytes: 100,000 entries of 300 bytes are 30 MB. */
export const MANIFEST_LIMIT = 1 << 28;
const HEAD_LIMIT = 1 << 16;

const MANIFEST = "manifest.json";

/** The manifest file of an id. */
export const manifestPath = (registry: ByteString, id: ByteString) => `${registry}/${id}/${MANIFEST}`;

/** JailkitError "bad-manifest": the record of a jail cannot be used. */
export class RecordError extends JailkitError {
  constructor(
    readonly file: ByteString,
    /** Printable. */
    readonly reason: string,
    /** The path of the jail, if it is known. */
    readonly jail: ByteString | undefined,
  ) {
    const remedy: Remedy = jail === undefined ? "" : `jailkit adopt --force ${shellWord(jail)}`;
    const what = jail === undefined ? "the record of an unknown jail" : `the record of ${display(jail)}`;
    const advice =
      jail === undefined
        ? "restore it from a backup, or move its directory away if the jail is gone"
        : `restore it from a backup, or create a new record: ${remedy}`;
    super("bad-manifest", 1, `${display(file)}, ${what}, ${reason}; ${advice}`, undefined, remedy);
  }

  /** The same for a jail that the caller knows to be that of the record. */
  of(jail: ByteString): RecordError {
    return new RecordError(this.file, this.reason, jail);
  }
}

/** Why an open record is not trusted; undefined if it is. Nobody else can reach it: it was restored or edited. */
function distrust({ uid, mode }: Stat): string | undefined {
  if (uid !== 0 && uid !== libc.geteuid()) return `belongs to uid ${uid}, and not to root`;
  return (mode & 0o022) === 0 ? undefined : "can be written by users other than root";
}

/** What was read of a manifest file, and what it means; undefined if it makes no sense. */
interface Read<T> {
  readonly bytes: Uint8Array;
  readonly value: T | undefined;
}

const PLAIN = C.O_RDONLY | C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY;
const WITHIN = C.RESOLVE_BENEATH | C.RESOLVE_NO_SYMLINKS | C.RESOLVE_NO_MAGICLINKS;

/**
 * Reads a manifest file that is as it should be, with the fewest system calls: there may be thousands. Undefined if it is
 * missing, or if anything about it is unusual.
 */
function readPlain<T>(
  tree: JailRoot,
  registry: ByteString,
  id: ByteString,
  read: (fd: number, stat: Stat) => Read<T>,
): T | undefined {
  return attempt(() => {
    const file = withDirectory(tree, registry, ({ fd }) =>
      openIfPresent(fd, `${id}/${MANIFEST}`, PLAIN, WITHIN),
    );
    if (file === undefined) return undefined;
    return withFd(file, (fd) => {
      const stat = fstat(fd);
      const isPlain = isRegular(stat) && stat.size <= MANIFEST_LIMIT && distrust(stat) === undefined;
      return isPlain ? read(fd, stat).value : undefined;
    });
  });
}

/** Reads a manifest file; undefined if missing. Throws RecordError. */
function readChecked<T>(
  tree: JailRoot,
  registry: ByteString,
  id: ByteString,
  read: (fd: number, stat: Stat) => Read<T>,
): T | undefined {
  const value = readPlain(tree, registry, id, read);
  return value ?? readClosely(tree, manifestPath(registry, id), read);
}

/** The same, with an error that says what is wrong. */
function readClosely<T>(
  tree: JailRoot,
  path: ByteString,
  read: (fd: number, stat: Stat) => Read<T>,
): T | undefined {
  const failed = (reason: string, jail?: ByteString) => new RecordError(path, reason, jail);
  try {
    const found = withJailFile(tree, path, (fd, { stat }) => {
      if (stat.size > MANIFEST_LIMIT) throw failed("is too large", jailInHead(readHead(fd)));
      const { bytes, value } = read(fd, stat);
      const reason = distrust(stat) ?? (value === undefined ? damageOf(bytes) : undefined);
      if (reason !== undefined) throw failed(reason, jailInHead(bytes));
      return { value };
    });
    if (found !== undefined) return found.value;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const there = lookUp(tree, path)?.stat;
    if (there !== undefined && !isRegular(there)) throw failed("is not a regular file");
    throw failed(`cannot be read (${error.call}: ${error.reason})`);
  }
  const there = lookUp(tree, path)?.stat;
  if (there !== undefined && isLink(there)) throw failed("is a symbolic link to nothing");
  return undefined;
}

function damageOf(bytes: Uint8Array): string {
  if (bytes.length === 0) return "is empty";
  const version = newerVersion(bytes);
  return version === undefined ? "is damaged" : `has version ${version}, of a newer jailkit`;
}

let headBuffer: Uint8Array | undefined;

/** The first bytes of a file, until the next call. */
function readHead(fd: number): Uint8Array {
  headBuffer ??= new Uint8Array(HEAD_LIMIT);
  return headBuffer.subarray(0, readInto(fd, headBuffer));
}

/** The path of the jail from the first line of a manifest, even if the rest of the line is cut off. */
function jailInHead(bytes: Uint8Array): ByteString | undefined {
  const text = new TextDecoder().decode(bytes.subarray(0, HEAD_LIMIT));
  const [, quoted] = /^\{[^\n]*?"jail":\{"path":("(?:[^"\\\n]|\\.)*")/.exec(text) ?? [];
  if (quoted === undefined) return undefined;
  try {
    const path: unknown = JSON.parse(quoted);
    return typeof path === "string" && path.startsWith("/") ? fromJsonText(path) : undefined;
  } catch {
    return undefined;
  }
}

/** What was read of a record, and of which version of its file. */
const identities = new Map<ByteString, { version: string; jail: JailIdentity }>();

const versionOf = ({ ino, size, ctime }: Stat): string => `${ino} ${size} ${ctime}`;

/**
 * The jail that a record describes, from its first line; undefined if missing. A run on thousands of jails looks for each among
 * all records: what has not changed since is not read again. Throws RecordError.
 */
export function readIdentity(tree: JailRoot, registry: ByteString, id: ByteString): JailIdentity | undefined {
  const path = manifestPath(registry, id);
  const known = identities.get(path);
  if (known !== undefined) {
    const now = attempt(() =>
      withDirectory(tree, registry, ({ fd }) => statIfPresent(fd, `${id}/${MANIFEST}`)),
    );
    if (now !== undefined && versionOf(now) === known.version) return known.jail;
  }
  return readChecked(tree, registry, id, (fd, stat) => {
    const bytes = readHead(fd);
    const jail = parseIdentity(bytes);
    if (jail !== undefined && distrust(stat) === undefined)
      identities.set(path, { version: versionOf(stat), jail });
    return { bytes, value: jail };
  });
}

/** The content of a record; undefined if missing. Throws RecordError. */
export const readContent = (tree: JailRoot, registry: ByteString, id: ByteString): ReadManifest | undefined =>
  readChecked(tree, registry, id, (fd, { size }) => {
    const bytes = readAllFd(fd, MANIFEST_LIMIT, size);
    return { bytes, value: parseManifest(bytes) };
  });
