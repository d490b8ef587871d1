import * as C from "./constants.ts";
import { SystemError } from "./error.ts";
import { addressOf, errno, libc } from "./libc.ts";

// Of struct fsxattr, 28 bytes.
const FS_IOC_FSGETXATTR = 0x801c581f;
const FS_IOC_FSSETXATTR = 0x401c5820;
const PROJECT = 12;
const UNSUPPORTED = [C.EOPNOTSUPP, C.ENOTTY, C.EINVAL];

function attributesOf(fd: number): Buffer | undefined {
  const attributes = Buffer.alloc(28);
  // SAFETY: the buffer is held until the end of the function.
  if (libc.ioctl(fd, FS_IOC_FSGETXATTR, addressOf(attributes)) === 0) return attributes;
  if (UNSUPPORTED.includes(errno())) return undefined;
  throw new SystemError(errno(), "ioctl FSGETXATTR", undefined);
}

/**
 * Gives an open file the project of an open directory (chattr(1), -p). False if it has that already, or the file system knows
 * no projects. Throws SystemError.
 */
export function takeProject(file: number, directory: number): boolean {
  const [own, wanted] = [attributesOf(file), attributesOf(directory)];
  if (own === undefined || wanted === undefined) return false;
  const project = wanted.readUInt32LE(PROJECT);
  if (own.readUInt32LE(PROJECT) === project) return false;
  own.writeUInt32LE(project, PROJECT);
  // SAFETY: the buffer is held until the end of the function.
  if (libc.ioctl(file, FS_IOC_FSSETXATTR, addressOf(own)) === 0) return true;
  throw new SystemError(errno(), "ioctl FSSETXATTR", undefined);
}
