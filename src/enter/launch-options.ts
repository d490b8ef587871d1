import type { ByteString } from "../../ffi/bytes.ts";
import type { OptionTable, OptionValues } from "../cli/options.ts";
import type { LaunchRequest } from "./launch-checks.ts";

/** The options of jk_chrootlaunch(8). */
export const LAUNCH_OPTIONS = {
  jail: { short: "j", value: "JAIL", description: "the jail, by its absolute path" },
  exec: {
    short: "x",
    value: "PROGRAM",
    description: "the program, by its path in the jail or on the host; only root may be able to change it",
  },
  user: {
    short: "u",
    value: "USER",
    description: "run as this user, a name or a number, with the user's group and supplementary groups",
  },
  group: { short: "g", value: "GROUP", description: "run with this group, a name or a number" },
  pidfile: {
    short: "p",
    value: "FILE",
    description: "write the process id into this file of the host, once the program is executed",
  },
  keepCaps: {
    value: "LIST",
    description: "give up all capabilities but these, for good (names of capabilities(7), or none)",
  },
  daemon: { description: "run the program in the background, without a terminal" },
  notify: { description: "let it reach the service manager: sd_notify(3), Type=notify" },
  verbose: { short: "v", hidden: true, description: "accepted, and without a meaning" },
} as const satisfies OptionTable;

/** What was asked for, of the options and of what follows them. */
export function launchRequest(
  { jail, exec, user, group, pidfile, keepCaps, daemon, notify }: OptionValues<typeof LAUNCH_OPTIONS>,
  programArguments: readonly ByteString[],
): LaunchRequest {
  return { jail, program: exec, user, group, pidfile, keepCaps, daemon, notify, programArguments };
}
