import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_NOCTTY, O_NONBLOCK, O_RDONLY, S_ISUID } from "../../ffi/constants.ts";
import { attempt, SystemError } from "../../ffi/error.ts";
import { fstat, openAt, readLink, withFd } from "../../ffi/files.ts";
import { baseName } from "../../ffi/paths.ts";
import { CAP_SYS_CHROOT } from "../../ffi/process.ts";
import { fileSystemOf } from "../../ffi/statfs.ts";
import { getXattr } from "../../ffi/xattrs.ts";
import { type Advice, adviceText, inWords, type Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import type { PrivilegeFact } from "../enter/facts.ts";
import { isRootsProgram } from "../enter/remedies.ts";
import { LIMITED_SHELL } from "../enter/shell.ts";
import { isRegular } from "../jail/fs/walk.ts";
import { isJailkit3 } from "../known-programs/jailkit-version.ts";
import { isLocalUser } from "../system/account-tools.ts";
import { closeFirst, commandAt } from "../system/exchange.ts";
import { remountCommand } from "../system/mounts.ts";
import { findProgram } from "../system/run.ts";

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

/** The privilege of an installed program. */
export interface InstalledPrivilege extends PrivilegeFact {
  /** What to do depends on how jailkit was installed, which nothing here can know. */
  readonly byHand: boolean;
}

/**
 * What to do about a program of jailkit that is missing, or is another file. `user`: whose login shell it is; then the
 * jk_chrootsh or jk_lsh that works takes its place, if there is one elsewhere.
 */
export function reinstallAdvice(program: ByteString, user: ByteString | undefined, what = ""): Advice {
  const other = user === undefined ? undefined : findProgram(baseName(program));
  if (user !== undefined && other !== undefined && other !== program && works(other))
    return isLocalUser(user)
      ? `usermod -s ${shellWord(other)} ${operands(user)}`
      : inWords(`give the account the shell ${shellWord(other)} in its directory`);
  return inWords(`${what}install jailkit again`);
}

/** Only jk_chrootsh needs a privilege. */
const works = (shell: ByteString): boolean =>
  baseName(shell) === LIMITED_SHELL || installedPrivilege(shell).held === true;

/** A command for `place`, where `program` is, if no user can lead the name of the program to another file. */
function commandFor(program: ByteString, place: ByteString, command: Remedy): Advice {
  return place === program || isRootsProgram(program)
    ? commandAt(place, command)
    : inWords(closeFirst(program));
}

/**
 * The privilege that an installed program, such as jk_chrootsh, has when a user starts it. `user`: whose login shell it is.
 * The shell of an account may be any file: none but a program of jailkit gets a privilege.
 */
export function installedPrivilege(program: ByteString, user?: ByteString): InstalledPrivilege {
  const lacks = (reason: string, advice: Advice, byHand = false): InstalledPrivilege => {
    return { held: false, reason, advice, byHand };
  };
  const other = (reason: string, what?: string) => lacks(reason, reinstallAdvice(program, user, what), true);
  let fd: number;
  try {
    fd = openAt(AT_FDCWD, program, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const reason = `${program}: ${error.reason}`;
    // It may be executable but not readable.
    if (error.code === "EACCES") return { held: "unknown", reason, advice: "", byHand: true };
    return other(reason);
  }
  return withFd(fd, () => {
    const stat = fstat(fd);
    const { mode, uid, size } = stat;
    const away = `move ${program} away, and `;
    if (!isRegular(stat)) return other(`${program} is not a regular file`, away);
    // setcap follows no symbolic link.
    const place = attempt(() => readLink(AT_FDCWD, `/proc/self/fd/${fd}`)) ?? program;
    const word = shellWord(place);
    const give: Remedy = `chown root:root ${word} && chmod 0755 ${word} && setcap cap_sys_chroot+ep ${word}`;
    const advice = commandFor(program, place, give);
    // Their changes would get the privilege.
    const install = `install ${word} again, because users other than root could write it; then: ${adviceText(advice)}`;
    if (uid !== 0 || (mode & 0o022) !== 0)
      return lacks(`${program} can be changed by users other than root`, inWords(install));
    const isSetuid = (mode & S_ISUID) !== 0;
    const isExecutable = (mode & 0o111) !== 0;
    const holds = isSetuid || givesChroot(getXattr(fd, "security.capability"));
    if (!(isExecutable && holds) && !isJailkit3(fd, size))
      return other(`${program} is not a program of jailkit 3`, away);
    if (!isExecutable) return lacks(`${program} is not executable`, advice);
    if (!holds)
      return lacks(`${program} has neither the capability cap_sys_chroot+ep nor the setuid bit`, advice);
    if (mountedNosuid(fd)) {
      const mount = commandFor(program, place, remountCommand("suid", place));
      return lacks(`the file system of ${program} is mounted nosuid`, mount);
    }
    const reason = `${program} ${isSetuid ? "is setuid root" : "has cap_sys_chroot+ep"}`;
    return { held: true, reason, advice: "", byHand: false };
  });
}
