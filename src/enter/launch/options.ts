import type { ByteString } from "../../../ffi/bytes.ts";
import { JailkitError } from "../../cli/error.ts";
import { jailOrFirst } from "../../cli/jail-operand.ts";
import { jailOption, type OptionTable, type OptionValues, VERBOSE_IGNORED } from "../../cli/options.ts";
import { camelCase, readKeys } from "../../config/keys.ts";
import { type ConfineValues, confineKeys, contradictionOf } from "../../config/schemas/confine.ts";
import { readValue } from "../../config/values.ts";
import type { LaunchRequest } from "./checks.ts";

// A flag alone is 1.
const FLAG = ["0", "1"] as const;

/** The keys that confine a session, as options; what they mean is in jk_chrootsh.ini(5). */
const CONFINE_OPTIONS = {
  confine: {
    value: "0|1|require",
    description:
      "1: what --no-new-privs, --syscalls=login, --scope and --execute=system do; require: and fail if the kernel cannot",
  },
  noNewPrivs: { words: FLAG, description: "setuid programs and file capabilities have no effect" },
  execute: {
    value: "LIST",
    mayBeEmpty: true,
    description: "execute only files of the system (system), and of these directories; or any",
  },
  read: {
    value: "LIST",
    mayBeEmpty: true,
    description: "read only these files and directories of the jail, and the system's; none, or all",
  },
  write: {
    value: "LIST",
    mayBeEmpty: true,
    description: "write only these files and directories of the jail; none, or all",
  },
  network: {
    value: "all|local|none",
    description: "sockets that can be created: all, AF_UNIX alone, or none",
  },
  tcpConnect: {
    value: "PORTS",
    mayBeEmpty: true,
    description: "connect to these TCP ports only; none, or all",
  },
  tcpBind: { value: "PORTS", mayBeEmpty: true, description: "bind these TCP ports only; none, or all" },
  syscalls: { value: "any|login", description: "login: no system call that no login needs" },
  scope: { words: FLAG, description: "signals and abstract sockets reach only processes that it starts" },
  limits: { value: "LIST", mayBeEmpty: true, description: "hard limits, such as 'nofile 256, core 0'" },
} as const satisfies OptionTable;

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
  ...CONFINE_OPTIONS,
  daemon: { description: "run the program in the background, without a terminal" },
  notify: { description: "let it reach the service manager: sd_notify(3), Type=notify" },
  verbose: VERBOSE_IGNORED,
} as const satisfies OptionTable;

const optionFor = (key: ByteString): ByteString => `--${key.replaceAll("_", "-")}`;

/** The values of the options that confine the program, as keys of a section. Throws JailkitError (1) for a bad one. */
function confineValues(options: OptionValues<typeof CONFINE_OPTIONS>): ConfineValues {
  const values: Record<string, unknown> = readKeys(undefined, confineKeys);
  for (const [key, description] of Object.entries(confineKeys)) {
    const name = camelCase(key);
    const given = Object.entries(options).find(([option]) => option === name)?.[1];
    if (given === undefined || given === false) continue;
    // An empty value would be no limit.
    const reading = given === true ? { value: true } : readValue(given, { ...description, filled: true });
    if ("reason" in reading) {
      throw new JailkitError("usage", 1, `${optionFor(key)}: ${reading.reason}`);
    }
    values[name] = reading.value;
  }
  // readKeys has all of them, and readValue gives the type that goes with the kind of each.
  const confine = values as ConfineValues;
  const contradiction = contradictionOf(confine);
  if (contradiction === undefined) return confine;
  const needing = optionFor(contradiction.needing);
  throw new JailkitError("usage", 1, `--no-new-privs=0 contradicts ${needing}, which needs no_new_privs`);
}

/**
 * The request from the options, and from the operands: the jail, if no option names it, and arguments. Throws
 * JailkitError (1) for a value that cannot be read.
 */
export function launchRequest(
  options: OptionValues<typeof LAUNCH_OPTIONS>,
  operands: readonly ByteString[],
): LaunchRequest {
  const { exec, user, group, pidfile, keepCaps, daemon, notify } = options;
  const { jail, rest } = jailOrFirst(options.jail, operands);
  const confine = confineValues(options);
  return {
    jail,
    program: exec,
    user,
    group,
    pidfile,
    keepCaps,
    confine,
    daemon,
    notify,
    programArguments: rest,
  };
}
