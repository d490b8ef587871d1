import { isErrno, SystemError } from "./error.ts";
import { addressOf, check, errno, syscall } from "./libc.ts";

// landlock(7): access to files, ports and processes that a process gives up for itself and everything that it starts.

// The same on x86-64 and aarch64.
const SYS_landlock_create_ruleset = 444;
const SYS_landlock_add_rule = 445;

const CREATE_RULESET_VERSION = 1;
const RULE_PATH_BENEATH = 1;

/** LANDLOCK_ACCESS_FS_*, with the version of Landlock if that is not the first. */
export const EXECUTE = 0x0001;
export const WRITE_FILE = 0x0002;
export const READ_FILE = 0x0004;
export const READ_DIR = 0x0008;
export const REMOVE_DIR = 0x0010;
export const REMOVE_FILE = 0x0020;
export const MAKE_CHAR = 0x0040;
export const MAKE_DIR = 0x0080;
export const MAKE_REG = 0x0100;
export const MAKE_SOCK = 0x0200;
export const MAKE_FIFO = 0x0400;
export const MAKE_BLOCK = 0x0800;
export const MAKE_SYM = 0x1000;
/** Linking and renaming to another directory. Version 2; version 1 denies it always. */
export const REFER = 0x2000;
/** Version 3. */
export const TRUNCATE = 0x4000;
/** ioctl(2) of a device. Version 5. */
export const IOCTL_DEV = 0x8000;

/** Those that a rule for a file that is no directory may have. */
export const FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

/** LANDLOCK_ACCESS_NET_*. Version 4. */
export const BIND_TCP = 0x1;
export const CONNECT_TCP = 0x2;

/** LANDLOCK_SCOPE_*. Version 6. */
export const SCOPE_ABSTRACT_SOCKET = 0x1;
export const SCOPE_SIGNAL = 0x2;

/** The versions that can do these. Version 1 does not count: it lets nobody rename to other directories. */
export const WITH_FILES = 2;
export const WITH_TRUNCATE = 3;
export const WITH_PORTS = 4;
export const WITH_DEVICE_IOCTL = 5;
export const WITH_SCOPES = 6;
/** The newest of these. */
export const NEWEST = WITH_SCOPES;

/** The kernel's version of Landlock; 0 if it has none, or was booted without it. */
export function landlockVersion(): number {
  const version = syscall(SYS_landlock_create_ruleset, 0, 0, CREATE_RULESET_VERSION);
  if (version >= 0) return version;
  const error = new SystemError(errno(), "landlock_create_ruleset", undefined);
  if (isErrno(error, "ENOSYS", "EOPNOTSUPP")) return 0;
  throw error;
}

/** What the rules deny unless one allows it. */
export interface Handled {
  files: number;
  ports: number;
  scopes: number;
}

/** landlock_create_ruleset(2): a descriptor for rules. At least one right must be handled. */
export function createRuleset({ files, ports, scopes }: Handled): number {
  // struct landlock_ruleset_attr: three numbers of 64 bits, of which the upper halves are unused. A kernel that does not
  // know the last ones accepts zeros there.
  const attributes = new Uint32Array(6);
  attributes[0] = files;
  attributes[2] = ports;
  attributes[4] = scopes;
  const fd = syscall(SYS_landlock_create_ruleset, addressOf(attributes), attributes.byteLength);
  return check(fd, "landlock_create_ruleset");
}

// struct landlock_path_beneath_attr is packed: 64 bits of rights, 32 of a descriptor.
const pathBeneath = new Uint32Array(3);
// SAFETY: this module holds it.
const pathBeneathAddress = addressOf(pathBeneath);

/** landlock_add_rule(2): `allowed` on the file at an open descriptor and, of a directory, on all that is beneath it. */
export function allowBeneath(ruleset: number, allowed: number, fd: number): void {
  pathBeneath[0] = allowed;
  pathBeneath[2] = fd;
  check(syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, pathBeneathAddress), "landlock_add_rule");
}
