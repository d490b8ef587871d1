import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { describeError, isReported, JailkitError } from "../../cli/error.ts";
import { withAdvice } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import type { ConfineValues } from "../../config/schemas/confine.ts";
import { type Found, lookUp } from "../../jail/fs/look.ts";
import { requireSafeJail } from "../../jail/fs/safety.ts";
import { isDirectory, isRegular, type JailRoot, openJailRoot } from "../../jail/fs/walk.ts";
import { copyRemedy } from "../remedies.ts";
import { programFindings, unmountedRemedy } from "../shell.ts";
import { type CapabilitySet, parseCapabilities } from "./capabilities.ts";
import { type LaunchIds, resolveIds } from "./ids.ts";

/** The options and operands of jk_chrootlaunch; undefined if not given. */
export interface LaunchRequest {
  jail: ByteString | undefined;
  program: ByteString | undefined;
  user: ByteString | undefined;
  group: ByteString | undefined;
  pidfile: ByteString | undefined;
  keepCaps: ByteString | undefined;
  confine: ConfineValues;
  daemon: boolean;
  notify: boolean;
  programArguments: readonly ByteString[];
}

/** A launch that has passed the checks. */
export interface Launch {
  root: JailRoot;
  /** As the jail sees it. */
  program: ByteString;
  ids: LaunchIds;
  kept: CapabilitySet | undefined;
}

function openSafeJail(path: ByteString): JailRoot {
  try {
    const root = openJailRoot(path);
    requireSafeJail(root, 25);
    return root;
  } catch (error) {
    if (!isReported(error)) throw error;
    const code = error instanceof JailkitError ? error.code : "unsafe-jail";
    throw new JailkitError(code, 25, describeError(error));
  }
}

function requireUsableOptions({ jail, program, daemon, notify }: LaunchRequest) {
  if (daemon && notify) {
    const message = "--daemon and --notify exclude each other: a service manager expects the same pid";
    throw new JailkitError("usage", 1, message);
  }
  if (jail === undefined) throw new JailkitError("no-jail", 21, "no jail: give it with -j");
  if (program === undefined) throw new JailkitError("no-program", 23, "no program: give it with -x");
  if (!jail.startsWith("/")) {
    const message = `${jail === "" ? "''" : display(jail)}: not an absolute path; write it from / on`;
    throw new JailkitError("relative-path", 27, message);
  }
  return { jail, program: pathInJail(jail, program) };
}

/**
 * Makes the checks in the order of jailkit 2.23, and yields the name of each before it. Throws the JailkitError of the
 * first that fails, with the exit status of jailkit 2.23.
 */
export function* launchChecks(request: LaunchRequest): Generator<string, Launch> {
  yield "user";
  const ids = resolveIds(request.user, request.group);
  yield "capabilities";
  const kept = request.keepCaps === undefined ? undefined : parseCapabilities(request.keepCaps);
  yield "options";
  const { jail, program } = requireUsableOptions(request);
  yield "jail";
  const root = openSafeJail(jail);
  yield "program";
  requireSafeProgram(root, program);
  return { root, program, ids, kept };
}

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
function requireSafeProgram(root: JailRoot, path: ByteString): void {
  const shown = `${display(path)} in jail ${display(root.path)}`;
  const refusal = (message: string, exitStatus = 29) =>
    new JailkitError("unsafe-program", exitStatus, message);
  let found: Found | undefined;
  try {
    found = lookUp(root, path, { follow: true });
  } catch (error) {
    if (isReported(error)) {
      throw refusal(`${shown} cannot be executed: ${describeError(error)}`);
    }
    throw error;
  }
  if (found === undefined) {
    const mount = unmountedRemedy(root, path);
    const advice =
      mount === undefined ? `put it there: ${copyRemedy(root.path, path)}` : `fix it with: ${mount}`;
    throw refusal(`${shown} does not exist; ${advice}`);
  }
  const { stat, canonicalPath } = found;
  const [first] = programFindings(root, canonicalPath);
  if (first !== undefined) {
    throw refusal(`${shown} is not safe: ${withAdvice(first.message, first.advice)}`);
  }
  if (isDirectory(stat)) throw refusal(`${shown} cannot be executed: it is a directory`, 31);
  if (!isRegular(stat)) throw refusal(`${shown} is not a regular file`);
  if (stat.gid !== 0) {
    const file = `${root.path}${canonicalPath}`;
    const what = `path ${display(file)} does not have group 0`;
    throw refusal(`${shown} is not safe: ${what}; fix it with: chgrp -h root ${shellWord(file)}`);
  }
}
