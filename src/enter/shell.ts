import type { ByteString } from "../../ffi/bytes.ts";
import { S_IFMT, S_IFREG, S_ISGID, S_ISUID } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { lookUp } from "../jail/look.ts";
import type { JailRoot } from "../jail/walk.ts";
import { baseName, type ShellFact, type Unsafe } from "./facts.ts";
import { type Credentials, MAY_EXECUTE, mayAccess } from "./permission.ts";
import { NOT_A_FILE } from "./remedies.ts";

/** The name of the limited shell, which jk_chrootsh contains. */
export const LIMITED_SHELL = "jk_lsh";

/**
 * What speaks against running the file at `canonicalPath` of the jail: whoever can change it, or a directory
 * above it, decides what is run, and a set-id bit would hand out a privilege right at the entrance.
 */
export function programFindings(root: JailRoot, canonicalPath: ByteString): Unsafe[] {
  const found: Unsafe[] = [];
  const parts = canonicalPath.split("/").slice(1);
  for (let i = 0; i <= parts.length; i++) {
    const inside = `/${parts.slice(0, i).join("/")}`;
    const stat = lookUp(root, inside)?.stat;
    if (stat === undefined) continue;
    const path = i === 0 ? root.path : `${root.path}${inside}`;
    const add = (what: string, remedy: string) =>
      found.push({ path, message: `path ${path} ${what}`, remedy: `${remedy} ${path}` });
    if (stat.uid !== 0) add("is not owned by user 0", "chown 0");
    if ((stat.mode & 0o020) !== 0) add("is group writable", "chmod g-w");
    if ((stat.mode & 0o002) !== 0) add("is writable for others", "chmod o-w");
    // On directories these bits say who owns new files, and nothing else.
    if (i < parts.length) continue;
    if ((stat.mode & S_ISUID) !== 0) add("is setuid", "chmod u-s");
    if ((stat.mode & S_ISGID) !== 0) add("is setgid", "chmod g-s");
  }
  return found;
}

/**
 * The shell that a login ends in: `path` as the jail's accounts or the settings name it. A jk_lsh that is not in
 * the jail is the one inside this program. With `who` it is worked out whether they may execute it; without, execve(2)
 * will tell.
 */
export function shellFact(root: JailRoot, path: ByteString | undefined, who?: Credentials): ShellFact {
  const missing = (reason: ByteString): ShellFact => ({ kind: "missing", path: path ?? "", reason });
  if (path === undefined) return missing("neither the jail's accounts nor injail_shell name a shell");
  if (path === "") return missing("the account has no shell in the jail");
  // A name without a slash in front would be looked for in the user's home.
  if (!path.startsWith("/")) return missing("it is not an absolute path");
  let found: ReturnType<typeof lookUp>;
  try {
    found = lookUp(root, path, { follow: true });
  } catch (error) {
    if (!isErrno(error, "ELOOP", "EACCES")) throw error;
    return missing(error.reason);
  }
  if (found === undefined) {
    return baseName(path) === LIMITED_SHELL
      ? { kind: "internal", path }
      : missing("No such file or directory");
  }
  if ((found.stat.mode & S_IFMT) !== S_IFREG) return missing(NOT_A_FILE);
  const unsafe = programFindings(root, found.canonicalPath);
  const executable = who === undefined || mayAccess(found.stat, who, MAY_EXECUTE);
  if (unsafe.length === 0 && !executable) return missing("Permission denied");
  return { kind: "file", path, canonicalPath: found.canonicalPath, unsafe };
}
