import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_NONBLOCK, O_RDONLY, S_ISUID } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { fstat, openAt, withFd } from "../../ffi/files.ts";
import { CAP_SYS_CHROOT } from "../../ffi/process.ts";
import { fileSystemOf } from "../../ffi/statfs.ts";
import { getXattr } from "../../ffi/xattrs.ts";
import { shellWord } from "../cli/shell-word.ts";
import type { PrivilegeFact } from "../enter/facts.ts";
import { commandAt } from "../system/exchange.ts";
import { remountCommand } from "../system/mounts.ts";

const ST_NOSUID = 2;

/**
 * True if a file capability (struct vfs_cap_data of capabilities(7)) gives CAP_SYS_CHROOT at exec. The effective flag is
 * bit 0 of the first word; the second word has the permitted bits 0 to 31.
 */
function givesChroot(attribute: Uint8Array | undefined): boolean {
  if (attribute === undefined || attribute.length < 20) return false;
  const words = new DataView(attribute.buffer, attribute.byteOffset, attribute.length);
  const effective = (words.getUint32(0, true) & 1) !== 0;
  return effective && (words.getUint32(4, true) & (1 << CAP_SYS_CHROOT)) !== 0;
}

/** True if the file system of `fd` is mounted nosuid (struct statfs: f_flags at byte 80). */
function mountedNosuid(fd: number): boolean {
  return ((fileSystemOf(fd)?.getUint32(80, true) ?? 0) & ST_NOSUID) !== 0;
}

/** The privilege that an installed program, such as jk_chrootsh, has when a user starts it. */
export function installedPrivilege(program: ByteString): PrivilegeFact {
  const word = shellWord(program);
  const give = `chown root:root ${word} && chmod 0755 ${word} && setcap cap_sys_chroot+ep ${word}`;
  // The shell of an account may be any file: a file that a user can replace must not get a privilege.
  const remedy = commandAt(program, give);
  let fd: number;
  try {
    fd = openAt(AT_FDCWD, program, O_RDONLY | O_NONBLOCK);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    // It may be executable but not readable.
    const held = error.code === "EACCES" ? "unknown" : false;
    return { held, reason: `${program}: ${error.reason}`, remedy };
  }
  const lacks = (reason: string, fix = remedy): PrivilegeFact => ({ held: false, reason, remedy: fix });
  return withFd(fd, () => {
    const { mode, uid } = fstat(fd);
    if ((mode & 0o111) === 0) return lacks(`${program} is not executable`);
    // Their changes would get the privilege.
    const install = `install ${word} again, because users other than root could write it; then: ${remedy}`;
    if (uid !== 0 || (mode & 0o022) !== 0)
      return lacks(`${program} can be changed by users other than root`, install);
    const isSetuid = (mode & S_ISUID) !== 0;
    if (!isSetuid && !givesChroot(getXattr(fd, "security.capability")))
      return lacks(`${program} has neither the capability cap_sys_chroot+ep nor the setuid bit`);
    if (mountedNosuid(fd)) {
      return lacks(`the file system of ${program} is mounted nosuid`, remountCommand("suid", program));
    }
    const reason = `${program} ${isSetuid ? "is setuid root" : "has cap_sys_chroot+ep"}`;
    return { held: true, reason, remedy: "" };
  });
}
