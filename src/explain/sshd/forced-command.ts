import type { ByteString } from "../../../ffi/bytes.ts";
import { baseName } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { inWords } from "../../cli/remedy.ts";
import {
  CONFIGURATION,
  firstOf,
  isSet,
  type SshdSettings,
  sftpSubsystem,
} from "../../system/sshd/settings.ts";
import { KEY_COMMAND, type ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";
import type { KeyAuthentication } from "./authentication.ts";

/** The command that sshd runs instead of the client's. */
export interface ForcedCommand {
  steps: ReportStep[];
  /** The command; undefined if there is none. */
  command?: ByteString | undefined;
  /** sshd serves the session itself, without the login shell. */
  unjailed: boolean;
  /** sshd serves sftp itself, and runs the login shell for other sessions. */
  ownSftp: boolean;
}

// As in shells.
const NOT_FOUND = 127;
const INTERNAL = /^internal-sftp([\t-\r ]|$)/;
/** A shell would run this as a program: sshd knows internal-sftp only without quotes. */
const RUN_BY_SHELL = /^[\t-\r ]*["']?internal-sftp(?:["'\t-\r ]|$)/;
const SFTP_SERVER = /^(?:[^\t-\r ]*\/)?sftp-server([\t-\r ]|$)/;

const step = stepsOf("sshd");

/** A step about internal-sftp as a command of a shell, if it `finds` no program of that name. */
export function internalSftpSteps(
  command: ByteString | undefined,
  finds: (program: ByteString) => boolean,
): ReportStep[] {
  if (command === undefined || !RUN_BY_SHELL.test(command) || finds("internal-sftp")) return [];
  const message = `the shell does not find the program of ${quoted(command)}: sshd serves sftp itself only for ForceCommand internal-sftp, without quotes`;
  const advice = inWords("use the path of the sftp-server in the jail instead: /usr/lib/openssh/sftp-server");
  return [stepsOf("jk_chrootsh")("command", "failed", message, advice, NOT_FOUND)];
}

/** ForceCommand, or the command of all keys. */
function commandOf(
  settings: SshdSettings,
  { commands }: KeyAuthentication,
  byPassword: boolean,
): { command?: ByteString; byKey?: boolean; steps: ReportStep[] } {
  if (isSet(settings, "forcecommand")) return { command: firstOf(settings, "forcecommand"), steps: [] };
  const [only] = commands;
  if ([...commands].every((command) => command === undefined)) return { steps: [] };
  if (commands.size === 1 && only !== undefined) {
    const message = `every key runs this command, whatever is asked for: ${quoted(only)}`;
    const more = `${message}; a login by password runs what is asked for, and is not checked here`;
    const words = `to allow only keys, set 'PasswordAuthentication no' in ${CONFIGURATION}, for this user`;
    const about = byPassword
      ? step(KEY_COMMAND, "warned", more, inWords(words))
      : step(KEY_COMMAND, "passed", message);
    return { command: only, byKey: true, steps: [about] };
  }
  const message = "the command depends on the key: some keys have their own";
  return { steps: [step(KEY_COMMAND, "unknown", message)] };
}

/** Steps about a server of sftp that sshd does not start: clients can name one themselves (-s). */
function subsystemSteps(settings: SshdSettings, asked: ByteString | undefined): ReportStep[] {
  const program = (line: ByteString) => line.split(/[\t-\r ]+/, 1)[0];
  if (asked === undefined || !SFTP_SERVER.test(asked)) return [];
  const served = sftpSubsystem(settings);
  if (served === undefined) {
    const message =
      "sshd has no Subsystem sftp: it refuses sftp and scp, except from clients that name the server (-s)";
    const write = inWords(`write 'Subsystem sftp ${asked}' into ${CONFIGURATION}`);
    return [step("subsystem", "unknown", message, write)];
  }
  const name = program(asked) ?? "";
  // The login shell looks for a bare name itself.
  const same = name.includes("/") ? program(served) === name : baseName(program(served) ?? "") === name;
  if (INTERNAL.test(served) || same) return [];
  const message = `for sftp and scp sshd runs ${served} (Subsystem sftp), and this server only for clients that name it (-s)`;
  return [step("subsystem", "unknown", message, inWords(`ask about what sshd runs: ${served}`))];
}

/**
 * The command that sshd runs instead of `asked`: that of ForceCommand or of the keys, or its own server of sftp. No
 * remedy contains the command of a key, which its user may have written. `byPassword`: the user can also log in by a
 * password.
 */
export function forcedCommand(
  settings: SshdSettings,
  key: KeyAuthentication,
  asked: ByteString | undefined,
  byPassword: boolean,
): ForcedCommand {
  const { command, byKey, steps } = commandOf(settings, key, byPassword);
  const ownSftp = INTERNAL.test(sftpSubsystem(settings) ?? "");
  // The name of the server means sftp.
  const asksSftp = asked !== undefined && (SFTP_SERVER.test(asked) || INTERNAL.test(asked));
  const internal = command !== undefined && INTERNAL.test(command);
  const more = internal ? [] : subsystemSteps(settings, asked ?? (byKey ? undefined : command));
  if (internal && asked !== undefined && !asksSftp) {
    const where = byKey ? "the key has command=" : `${CONFIGURATION} has ForceCommand `;
    const message = `sshd serves only sftp, and runs no other command: ${where}${quoted(command)}`;
    const words = byKey
      ? "take that option out of the key"
      : "take ForceCommand out of the settings for this user";
    more.push(step("sftp-alone", byKey && byPassword ? "unknown" : "failed", message, inWords(words)));
  }
  return {
    steps: [...steps, ...more],
    unjailed: internal || (command === undefined && ownSftp && asksSftp && SFTP_SERVER.test(asked)),
    ownSftp,
    command,
  };
}
