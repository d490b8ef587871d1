import { type ByteString, fromBytes, toBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_CREAT, O_PATH, O_WRONLY } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { close, openAt, readFileIfPresent, withFd, writeAll } from "../../ffi/files.ts";
import { attachMount, cloneMount, enterPrivateMounts, withMemoryOn } from "../../ffi/mounts.ts";
import type { GroupEntry, PasswdEntry } from "./accounts.ts";

/** An account as it would be. */
export interface PlannedAccount {
  /** Its line, if it is new. */
  readonly user: PasswdEntry;
  /** The groups that it would be in, the primary one first. */
  readonly groups: readonly Pick<GroupEntry, "name" | "gid">[];
}

/** The texts of passwd(5) and group(5) with a planned account. Pure. */
export function withPlanned(
  { passwd, group }: { passwd: ByteString; group: ByteString },
  { user, groups: [primary, ...others] }: PlannedAccount,
): { passwd: ByteString; group: ByteString } {
  const lines = (text: ByteString) => text.split("\n").filter((line) => line !== "");
  const users = lines(passwd);
  const { name, uid, gid, gecos, home, shell } = user;
  if (!users.some((line) => line.startsWith(`${name}:`)))
    users.push([name, "x", uid, gid, gecos, home, shell].join(":"));
  const groups = lines(group);
  const isThere = (wanted: ByteString) => groups.some((line) => line.startsWith(`${wanted}:`));
  if (primary !== undefined && !isThere(primary.name)) groups.push(`${primary.name}:x:${primary.gid}:`);
  for (const other of others) {
    // A group of another name service: a line here adds to its members.
    if (!isThere(other.name)) groups.push(`${other.name}:x:${other.gid}:`);
    const at = groups.findIndex((line) => line.startsWith(`${other.name}:`));
    const [group = "", password = "", gid = "", members = ""] = groups[at]?.split(":") ?? [];
    const all = members === "" ? [] : members.split(",");
    if (!all.includes(name)) groups[at] = [group, password, gid, [...all, name].join(",")].join(":");
  }
  const text = (all: readonly ByteString[]) => all.map((line) => `${line}\n`).join("");
  return { passwd: text(users), group: text(groups) };
}

const LARGEST = 1 << 26;

/**
 * Lets this process, and the programs that it starts from now on, see a planned account: its own mounts hide /etc/passwd
 * and /etc/group. Nobody else sees them, and no file is changed. Returns false if that is not permitted, as in many
 * containers.
 */
export function seePlanned(account: PlannedAccount): boolean {
  const read = (path: ByteString) => fromBytes(readFileIfPresent(path, LARGEST) ?? new Uint8Array(0));
  const texts = withPlanned({ passwd: read("/etc/passwd"), group: read("/etc/group") }, account);
  const files = [
    { path: "/etc/passwd", text: texts.passwd },
    { path: "/etc/group", text: texts.group },
  ];
  try {
    enterPrivateMounts();
    const mounts = withMemoryOn("/etc", () =>
      files.map(({ path, text }) => {
        withFd(openAt(AT_FDCWD, path, O_CREAT | O_WRONLY, 0o644), (fd) => writeAll(fd, toBytes(text)));
        return { path, mount: cloneMount(path) };
      }),
    );
    for (const { path, mount } of mounts) {
      withFd(openAt(AT_FDCWD, path, O_PATH), (target) => attachMount(mount, target, path));
      close(mount);
    }
    return true;
  } catch (error) {
    if (error instanceof SystemError) return false;
    throw error;
  }
}
