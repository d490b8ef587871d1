import type { ByteString } from "../../../ffi/bytes.ts";
import { jailOrFirst } from "../../cli/jail-operand.ts";
import { jailOption, type OptionTable, type OptionValues, VERBOSE_IGNORED } from "../../cli/options.ts";
import type { LaunchRequest } from "./checks.ts";

/**
 * The options of jk_chrootlaunch(8). Values may be empty: the checks have exit statuses of their own for them, and a
 * pidfile that cannot be created stops no daemon.
 */
export const LAUNCH_OPTIONS = {
  jail: { ...jailOption("the jail, by its absolute path"), mayBeEmpty: true },
  exec: {
    short: "x",
    also: ["executable"],
    value: "PROGRAM",
    mayBeEmpty: true,
    description: "the program, by its path in the jail or on the host; only root may be able to change it",
  },
  user: {
    short: "u",
    value: "USER",
    mayBeEmpty: true,
    description: "run as this user, a name or a number, with the user's group and supplementary groups",
  },
  group: {
    short: "g",
    value: "GROUP",
    mayBeEmpty: true,
    description: "run with this group, a name or a number",
  },
  pidfile: {
    short: "p",
    value: "FILE",
    mayBeEmpty: true,
    description: "write the process id into this file of the host, once the program is executed",
  },
  keepCaps: {
    value: "LIST",
    description: "drop all capabilities but these for good (names of capabilities(7), or none)",
  },
  daemon: { description: "run the program in the background, without a terminal" },
  notify: { description: "let it reach the service manager: sd_notify(3), Type=notify" },
  verbose: VERBOSE_IGNORED,
} as const satisfies OptionTable;

/** The request from the options, and from the operands: the jail, if no option names it, and arguments. */
export function launchRequest(
  options: OptionValues<typeof LAUNCH_OPTIONS>,
  operands: readonly ByteString[],
): LaunchRequest {
  const { exec, user, group, pidfile, keepCaps, daemon, notify } = options;
  const { jail, rest } = jailOrFirst(options.jail, operands);
  return { jail, program: exec, user, group, pidfile, keepCaps, daemon, notify, programArguments: rest };
}
