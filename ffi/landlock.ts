import { isErrno, SystemError } from "./error.ts";
import { addressOf, check, errno, libc } from "./libc.ts";

/** Landlock, landlock(7): rights on files that a process gives up for itself and for all that it starts. */

// The same on x86-64 and aarch64.
const SYS_landlock_create_ruleset = 444;
const SYS_landlock_add_rule = 445;
const SYS_landlock_restrict_self = 446;

const CREATE_RULESET_VERSION = 1;
const RULE_PATH_BENEATH = 1;

/** LANDLOCK_ACCESS_FS_*: executing a file, making a block device, linking or renaming to another directory. */
export const EXECUTE = 0x0001;
export const MAKE_BLOCK = 0x0800;
export const REFER = 0x2000;

/** The version of Landlock's interface that the kernel has; 0 where it has none, or was booted without it. */
export function landlockVersion(): number {
  const version = libc.syscall(SYS_landlock_create_ruleset, 0, 0, CREATE_RULESET_VERSION, 0, 0, 0);
  if (version >= 0) return version;
  const error = new SystemError(errno(), "landlock_create_ruleset", undefined);
  if (isErrno(error, "ENOSYS", "EOPNOTSUPP")) return 0;
  throw error;
}

/** landlock_create_ruleset(2): a descriptor for rules, by which `handled` is denied where no rule allows it. */
export function createRuleset(handled: number): number {
  // Eight bytes; no right has a number above 31.
  const attributes = new Uint32Array(2);
  attributes[0] = handled;
  const fd = libc.syscall(SYS_landlock_create_ruleset, addressOf(attributes), 8, 0, 0, 0, 0);
  return check(fd, "landlock_create_ruleset");
}

// struct landlock_path_beneath_attr is packed: eight bytes of rights, four of a descriptor.
const pathBeneath = new Uint32Array(3);
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

/** landlock_restrict_self(2): this thread, and all that it starts, for good. no_new_privs must be set. */
export function restrictSelf(ruleset: number): void {
  check(libc.syscall(SYS_landlock_restrict_self, ruleset, 0, 0, 0, 0, 0), "landlock_restrict_self");
}
