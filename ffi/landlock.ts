import { isErrno, SystemError } from "./error.ts";
import { addressOf, check, errno, libc } from "./libc.ts";

// landlock(7): access to files that a process gives up for itself and everything that it starts.

// The same on x86-64 and aarch64.
const SYS_landlock_create_ruleset = 444;
const SYS_landlock_add_rule = 445;
const SYS_landlock_restrict_self = 446;

const CREATE_RULESET_VERSION = 1;
const RULE_PATH_BENEATH = 1;

/** LANDLOCK_ACCESS_FS_*: executing a file, creating a block device, linking or renaming to another directory. */
export const EXECUTE = 0x0001;
export const MAKE_BLOCK = 0x0800;
export const REFER = 0x2000;

/** The kernel's version of Landlock; 0 if it has none, or was booted without it. */
export function landlockVersion(): number {
  const version = libc.syscall(SYS_landlock_create_ruleset, 0, 0, CREATE_RULESET_VERSION, 0, 0, 0);
  if (version >= 0) return version;
  const error = new SystemError(errno(), "landlock_create_ruleset", undefined);
  if (isErrno(error, "ENOSYS", "EOPNOTSUPP")) return 0;
  throw error;
}

/** landlock_create_ruleset(2): a descriptor for rules that deny `handled` unless a rule allows it. */
export function createRuleset(handled: number): number {
  // struct landlock_ruleset_attr: 64 bits, of which the upper half is unused.
  const attributes = Uint32Array.of(handled, 0);
  const fd = libc.syscall(
    SYS_landlock_create_ruleset,
    addressOf(attributes),
    attributes.byteLength,
    0,
    0,
    0,
    0,
  );
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
  check(
    libc.syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, pathBeneathAddress, 0, 0, 0),
    "landlock_add_rule",
  );
}

/** landlock_restrict_self(2): for this thread and everything that it starts. no_new_privs must be set. */
export function restrictSelf(ruleset: number): void {
  check(libc.syscall(SYS_landlock_restrict_self, ruleset, 0, 0, 0, 0, 0), "landlock_restrict_self");
}
