import { type ByteString, cString } from "../../ffi/bytes.ts";
import { ERANGE, ETIMEDOUT } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { addressOf, cArgument, libc, pointerAt, stringAt, u32At } from "../../ffi/libc.ts";
import { beginLookUp, endLookUp } from "../../ffi/waiting.ts";

/** An entry of passwd(5). */
export interface PasswdEntry {
  name: ByteString;
  password: ByteString;
  uid: number;
  gid: number;
  gecos: ByteString;
  home: ByteString;
  shell: ByteString;
}

/** A group without its members, of which there may be thousands: most questions are about the name and the gid. */
export interface Group {
  name: ByteString;
  gid: number;
}

/** An entry of group(5). */
export interface GroupEntry extends Group {
  password: ByteString;
  members: ByteString[];
}

// By getpwnam(3), a name service may report a missing name with these.
const ABSENT: ReadonlySet<number> = new Set([0, 2, 3, 9, 1]);
const LARGEST_BUFFER = 1 << 24;
/** What the longest entry so far needed. */
let enough = 4096;

// Keeps the structure and its buffer alive: the garbage collector does not see addresses.
const held: Uint8Array[] = [];

/**
 * Calls `query`, a get*_r function, with a growing buffer; `decode` gets the address of the filled structure. SAFETY:
 * `held` has the structure and its buffer, with their lengths. `absent`: errors that mean that there is none.
 */
export function lookUp<K, T>(
  query: (key: K, result: Uint8Array, buffer: Uint8Array, size: number, found: BigUint64Array) => number,
  key: K,
  decode: (address: number) => T,
  call: string,
  name: ByteString,
  absent = ABSENT,
): T | undefined {
  const structure = new Uint8Array(96);
  const found = new BigUint64Array(1);
  for (let size = enough; ; size *= 4) {
    const buffer = new Uint8Array(size);
    held[0] = structure;
    held[1] = buffer;
    beginLookUp(call, name);
    const error = query(key, structure, buffer, size, found);
    endLookUp();
    enough = size;
    if (error === ERANGE && size < LARGEST_BUFFER) continue;
    // SAFETY: `held` has the structure, and the buffer that it points into.
    if (found[0] !== 0n && error === 0) return decode(addressOf(structure));
    if (absent.has(error)) return undefined;
    throw new SystemError(error, call, name);
  }
}

// struct passwd and struct group on 64-bit Linux: pointers of 8 bytes, ids of 4.
function decodePasswd(at: number): PasswdEntry {
  const text = (offset: number) => stringAt(pointerAt(at, offset)) ?? "";
  return {
    name: text(0),
    password: text(8),
    uid: u32At(at, 16),
    gid: u32At(at, 20),
    gecos: text(24),
    home: text(32),
    shell: text(40),
  };
}

const decodeGroup = (at: number): Group => ({ name: stringAt(pointerAt(at, 0)) ?? "", gid: u32At(at, 16) });

function decodeWhole(at: number): GroupEntry {
  const members: ByteString[] = [];
  const list = pointerAt(at, 24);
  for (let i = 0; list !== 0; i += 8) {
    const member = stringAt(pointerAt(list, i));
    if (member === undefined) break;
    members.push(member);
  }
  return { ...decodeGroup(at), password: stringAt(pointerAt(at, 8)) ?? "", members };
}

/** getpwnam_r(3): the account of that name, from every name service of the host. Call it only before a chroot. */
export function passwdByName(name: ByteString): PasswdEntry | undefined {
  return lookUp(libc.getpwnam_r, cArgument(name), decodePasswd, "getpwnam", name);
}

/** getpwuid_r(3): the account of that uid. */
export function passwdByUid(uid: number): PasswdEntry | undefined {
  return lookUp(libc.getpwuid_r, uid, decodePasswd, "getpwuid", String(uid));
}

// glibc returns 0 if the last service says that there is no such account, and an error if that did not answer: a directory
// whose server is down (ENOENT of nslcd(8)), or a daemon that does not run (ECONNREFUSED of sssd(8)).
const ANSWERED: ReadonlySet<number> = new Set([0]);

/** Some services say "no such account" in the end if nobody answers them: after 45 seconds that of systemd. */
export const SLOWEST_ANSWER_MS = 30_000;

/** What `ask` returns. Throws SystemError if the answer is that there is nothing, after a time in which nobody answers. */
export function inTime<T>(ask: () => T | undefined, now = () => performance.now()): T | undefined {
  const start = now();
  const found = ask();
  if (found === undefined && now() - start >= SLOWEST_ANSWER_MS)
    throw new SystemError(ETIMEDOUT, "a look-up", undefined);
  return found;
}

/**
 * The account of a name or uid. Throws SystemError if a name service did not answer, where passwdByName and passwdByUid take
 * most such errors for "no such account".
 */
export function answeredUser(key: ByteString | number): PasswdEntry | undefined {
  return inTime(() =>
    typeof key === "number"
      ? lookUp(libc.getpwuid_r, key, decodePasswd, "getpwuid", String(key), ANSWERED)
      : lookUp(libc.getpwnam_r, cArgument(key), decodePasswd, "getpwnam", key, ANSWERED),
  );
}

/** The account of a uid; "unknown" if a name service did not answer. */
export function userOrUnknown(uid: number): PasswdEntry | "unknown" | undefined {
  try {
    return answeredUser(uid);
  } catch (error) {
    if (error instanceof SystemError) return "unknown";
    throw error;
  }
}

/** The same as answeredUser for the group of a name or gid. */
export function answeredGroup(key: ByteString | number): Group | undefined {
  return inTime(() =>
    typeof key === "number"
      ? lookUp(libc.getgrgid_r, key, decodeGroup, "getgrgid", String(key), ANSWERED)
      : lookUp(libc.getgrnam_r, cArgument(key), decodeGroup, "getgrnam", key, ANSWERED),
  );
}

/** getgrnam_r(3): the group of that name. */
export function groupByName(name: ByteString): Group | undefined {
  return lookUp(libc.getgrnam_r, cArgument(name), decodeGroup, "getgrnam", name);
}

/** getgrgid_r(3): the group of that gid. */
export function groupByGid(gid: number): Group | undefined {
  return lookUp(libc.getgrgid_r, gid, decodeGroup, "getgrgid", String(gid));
}

/** The same for the group of a name or gid, with its members. */
export function wholeGroup(key: ByteString | number): GroupEntry | undefined {
  return typeof key === "number"
    ? lookUp(libc.getgrgid_r, key, decodeWhole, "getgrgid", String(key))
    : lookUp(libc.getgrnam_r, cArgument(key), decodeWhole, "getgrnam", key);
}

/** getgrouplist(3): the gids of all groups that `name` is in, `gid` (its primary one) first. */
export function groupIdsOf(name: ByteString, gid: number): number[] {
  const cName = cString(name);
  const count = new Int32Array(1);
  for (let size = 64; ; size = Math.max(size * 2, count[0] ?? 0)) {
    const gids = new Uint32Array(size);
    count[0] = size;
    beginLookUp("getgrouplist", name);
    // SAFETY: at most `count` gids are written.
    const found = libc.getgrouplist(cName, gid, gids, count);
    endLookUp();
    if (found >= 0) return [...gids.subarray(0, count[0])];
    if (size > 1 << 17) throw new SystemError(ERANGE, "getgrouplist", name);
  }
}

/** The names of all groups of an account, as far as they have names. */
export function groupNamesOf({ name, gid }: Pick<PasswdEntry, "name" | "gid">): ByteString[] {
  return groupIdsOf(name, gid).flatMap((id) => groupByGid(id)?.name ?? []);
}
