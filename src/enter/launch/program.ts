import type { ByteString } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { display } from "../../cli/display.ts";
import { describeError, JailkitError } from "../../cli/error.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { type Found, lookUp } from "../../jail/fs/look.ts";
import { isDirectory, isRegular, type JailRoot } from "../../jail/fs/walk.ts";
import { copyRemedy } from "../remedies.ts";
import { programFindings } from "../shell.ts";

/**
 * The path of the program in the jail, from the values of -j and -x, as jailkit 2.23 makes it: a path of the host that
 * begins with the jail's loses that beginning, with its slash, and so starts at the jail's root directory.
 */
export function pathInJail(jail: ByteString, program: ByteString): ByteString {
  const prefix = jail.endsWith("/") ? jail : `${jail}/`;
  return program.startsWith(prefix) ? program.slice(prefix.length) : program;
}

/**
 * Requires that nobody but root decides what the program at `path` of the jail is: each directory on the way, as the
 * jail sees it, and the file itself. Throws JailkitError, 29; 31 for a directory.
 */
export function requireSafeProgram(root: JailRoot, path: ByteString): void {
  const shown = `${display(path)} in jail ${display(root.path)}`;
  const refusal = (message: string, exitStatus = 29) =>
    new JailkitError("unsafe-program", exitStatus, message);
  let found: Found | undefined;
  try {
    found = lookUp(root, path, { follow: true });
  } catch (error) {
    if (error instanceof JailkitError || error instanceof SystemError) {
      throw refusal(`${shown} cannot be executed: ${describeError(error)}`);
    }
    throw error;
  }
  if (found === undefined) {
    throw refusal(`${shown} does not exist; put it there: ${copyRemedy(root.path, path)}`);
  }
  const { stat, canonicalPath } = found;
  const unsafe = programFindings(root, canonicalPath);
  const first = unsafe[0];
  if (first !== undefined) {
    throw refusal(`${shown} is not safe: ${first.message}; fix it with: ${first.remedy}`);
  }
  if (isDirectory(stat)) throw refusal(`${shown} cannot be executed: it is a directory`, 31);
  if (!isRegular(stat)) throw refusal(`${shown} is not a regular file`);
  if (stat.gid !== 0) {
    const file = `${root.path}${canonicalPath}`;
    const what = `path ${display(file)} does not have group 0`;
    throw refusal(`${shown} is not safe: ${what}; fix it with: chgrp -h 0 ${shellWord(file)}`);
  }
}
