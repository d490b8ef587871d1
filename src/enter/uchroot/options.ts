import type { ByteString } from "../../../ffi/bytes.ts";
import { UsageError } from "../../cli/error.ts";
import { getopt } from "../../cli/getopt.ts";
import type { HelpSource } from "../../cli/help.ts";
import { jailOrFirst } from "../../cli/jail-operand.ts";
import { jailOption, type OptionTable, VERBOSE_IGNORED } from "../../cli/options.ts";

const OPTIONS = {
  jail: jailOption("the jail, one of those that jk_uchroot.ini allows"),
  exec: {
    short: "x",
    also: ["executable"],
    value: "PROGRAM",
    description: "the program to run, by its path in the jail",
  },
  verbose: VERBOSE_IGNORED,
  help: { short: "h", description: "show this help and exit" },
  version: { description: "show the version and exit" },
} as const satisfies OptionTable;

/** The help of jk_uchroot. */
export const UCHROOT_HELP: HelpSource = {
  name: "jk_uchroot",
  summary: "run a program in a jail that /etc/jailkit/jk_uchroot.ini allows",
  synopsis: ["-j JAIL -x PROGRAM [--] [ARGUMENT...]", "-x PROGRAM [--] JAIL [ARGUMENT...]"],
  options: OPTIONS,
  exitStatus: {
    1: "wrong options, no such program in the jail, or no section of jk_uchroot.ini for the user",
    11: "the program has lost the right to enter a jail",
    12: "started by root",
    13: "the account or its group is not known",
    14: "/etc/jailkit is not safe",
    19: "the jail cannot be reached",
    21: "the jail is not among the allowed ones, or its path there is not plain",
    33: "chroot(2) failed; 34 to 36: a user or group id of the process is wrong; 101 to 105: a privilege cannot be dropped",
    35: "the jail does not know the user or the group",
    37: "the jail knows the user or the group by another name",
    53: "the jail is not safe",
    106: "the session cannot be confined",
    111: "the program cannot be executed",
    127: "the runtime cannot start: a limit of the session is too low",
  },
  notes:
    "Otherwise the exit status is that of PROGRAM. It starts in the root directory of the jail, with the umask and the " +
    "groups of the caller, the limits too unless jk_uchroot.ini lowers them, and the harmless part of the environment. A refused caller gets one " +
    "line with an error id, by which an administrator finds the reason in the log.",
};

/** The request in the arguments of jk_uchroot. */
export type UchrootRequest =
  | { kind: "help" }
  | { kind: "version" }
  /** A mistake in them. */
  | { kind: "usage"; message: ByteString }
  | { kind: "run"; jail: ByteString; program: ByteString; programArguments: ByteString[] };

/** Reads the arguments (without argv[0]) as getopt_long(3) does. Of repeated options the last counts. */
export function readUchrootArguments(given: readonly ByteString[]): UchrootRequest {
  let read: ReturnType<typeof getopt>;
  try {
    read = getopt(given, OPTIONS);
  } catch (error) {
    if (error instanceof UsageError) return { kind: "usage", message: error.message };
    throw error;
  }
  const { options, operands } = read;
  const value = (key: string) => options.findLast((option) => option.key === key)?.value;
  for (const kind of ["help", "version"] as const)
    if (options.some(({ key }) => key === kind)) return { kind };
  const { jail, rest } = jailOrFirst(value("jail"), operands);
  const program = value("exec");
  if (jail === undefined) return { kind: "usage", message: "no jail: give it with -j" };
  if (program === undefined) return { kind: "usage", message: "no program: give it with -x" };
  return { kind: "run", jail, program, programArguments: [...rest] };
}
