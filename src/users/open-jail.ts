import type { ByteString } from "../../ffi/bytes.ts";
import { S_IFMT, S_IFREG } from "../../ffi/constants.ts";
import { workingDirectory } from "../../ffi/process.ts";
import { quoted } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { requireJailToFill } from "../jail/fs/host-directories.ts";
import { lookUp } from "../jail/fs/look.ts";
import { closeJailRoot, hostPath, type JailRoot } from "../jail/fs/walk.ts";
import { openNamedJail } from "../jail/record/named-jail.ts";

/** The exit status where the jail that was named will not do, as in jailkit 2. */
export const BAD_JAIL = 33;

/** The shell that an account has in a jail unless something else was asked for. */
export const LIMITED_SHELL = "/usr/sbin/jk_lsh";

/** A path made absolute with the working directory. */
export function absolute(path: ByteString): ByteString {
  return path.startsWith("/") ? path : `${workingDirectory() ?? ""}/${path}`;
}

/**
 * Opens a jail that accounts are to be put into: it is there, safe, holds etc/passwd, and has `shell` as a program.
 * jk_lsh may be missing, for jk_chrootsh runs it itself. Throws JailkitError with exit status BAD_JAIL.
 */
export function openJailForUsers(path: ByteString, shell: ByteString): JailRoot {
  let root: JailRoot;
  try {
    root = openNamedJail(absolute(path));
  } catch (error) {
    throw new JailkitError("bad-jail", BAD_JAIL, describeError(error));
  }
  try {
    requireJailToFill(root, BAD_JAIL);
    const passwd = lookUp(root, "/etc/passwd", { follow: true });
    if (passwd === undefined) {
      const message = `${quoted(hostPath(root, "/etc/passwd"))} does not exist: make the jail with jk_init first`;
      throw new JailkitError("bad-jail", BAD_JAIL, message);
    }
    requireShell(root, shell);
    return root;
  } catch (error) {
    closeJailRoot(root);
    if (error instanceof JailkitError && error.exitStatus === BAD_JAIL) throw error;
    throw new JailkitError("bad-jail", BAD_JAIL, describeError(error));
  }
}

function requireShell(root: JailRoot, shell: ByteString): void {
  const where = quoted(hostPath(root, shell));
  const found = shell.startsWith("/") ? lookUp(root, shell, { follow: true }) : undefined;
  if (found === undefined) {
    if (shell.endsWith("/jk_lsh")) return;
    const message = `${where} does not exist: put the shell into the jail with jk_cp or jk_init, or choose another`;
    throw new JailkitError("bad-shell", BAD_JAIL, message);
  }
  if ((found.stat.mode & S_IFMT) !== S_IFREG || (found.stat.mode & 0o111) === 0) {
    throw new JailkitError("bad-shell", BAD_JAIL, `${where} is not a program`);
  }
}
