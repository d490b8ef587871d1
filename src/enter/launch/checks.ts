import type { ByteString } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { display } from "../../cli/display.ts";
import { describeError, JailkitError } from "../../cli/error.ts";
import { requireSafeJail } from "../../jail/fs/safety.ts";
import { type JailRoot, openJailRoot } from "../../jail/fs/walk.ts";
import { type CapabilitySet, parseCapabilities } from "./capabilities.ts";
import { type LaunchIds, resolveIds } from "./ids.ts";
import { pathInJail, requireSafeProgram } from "./program.ts";

/** The options and operands of jk_chrootlaunch; undefined if not given. */
export interface LaunchRequest {
  jail: ByteString | undefined;
  program: ByteString | undefined;
  user: ByteString | undefined;
  group: ByteString | undefined;
  pidfile: ByteString | undefined;
  keepCaps: ByteString | undefined;
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

/** One check: it adds to a launch, or throws JailkitError with the exit status of jailkit 2.23. */
interface LaunchCheck {
  name: string;
  run: (request: LaunchRequest, launch: Partial<Launch>) => void;
}

function openSafeJail(path: ByteString): JailRoot {
  try {
    const root = openJailRoot(path);
    requireSafeJail(root, 25);
    return root;
  } catch (error) {
    if (!(error instanceof JailkitError || error instanceof SystemError)) throw error;
    const code = error instanceof JailkitError ? error.code : "unsafe-jail";
    throw new JailkitError(code, 25, describeError(error));
  }
}

function requireUsableOptions({ jail, program, daemon, notify }: LaunchRequest): void {
  if (daemon && notify) {
    const message = "--daemon and --notify exclude each other: a service manager expects the same pid";
    throw new JailkitError("usage", 1, message);
  }
  if (jail === undefined) throw new JailkitError("no-jail", 21, "no jail: give it with -j");
  if (program === undefined) throw new JailkitError("no-program", 23, "no program: give it with -x");
  if (!jail.startsWith("/")) {
    throw new JailkitError(
      "relative-path",
      27,
      `${jail === "" ? "''" : display(jail)}: not an absolute path; write it from / on`,
    );
  }
}

/** The checks, in the order of jailkit 2.23. */
export const LAUNCH_CHECKS: readonly LaunchCheck[] = [
  {
    name: "user",
    run(request, launch) {
      launch.ids = resolveIds(request.user, request.group);
    },
  },
  {
    name: "capabilities",
    run({ keepCaps }, launch) {
      launch.kept = keepCaps === undefined ? undefined : parseCapabilities(keepCaps);
    },
  },
  { name: "options", run: requireUsableOptions },
  {
    name: "jail",
    run({ jail = "" }, launch) {
      launch.root = openSafeJail(jail);
    },
  },
  {
    name: "program",
    run({ jail = "", program = "" }, launch) {
      launch.program = pathInJail(jail, program);
      if (launch.root !== undefined) requireSafeProgram(launch.root, launch.program);
    },
  },
];

/** A launch, if all checks have passed. */
export function completeLaunch({ root, program, ids, kept }: Partial<Launch>): Launch | undefined {
  return root === undefined || program === undefined || ids === undefined
    ? undefined
    : { root, program, ids, kept };
}

/** Runs the checks. Throws the JailkitError of the first that fails. */
export function checkLaunch(request: LaunchRequest): Launch {
  const launch: Partial<Launch> = {};
  for (const { run } of LAUNCH_CHECKS) run(request, launch);
  const complete = completeLaunch(launch);
  if (complete === undefined) throw new Error("a check was left out");
  return complete;
}
