import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { display, quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { nameFault } from "../account-name.ts";
import { type PasswdEntry, passwdByName } from "../accounts.ts";
import { onlyRootExchanges, onlyRootWrites } from "../exchange.ts";
import { runProgram } from "../run.ts";
import { firstOf, type SshdSettings, withTokens } from "./settings.ts";

/** It asks SSSD for the keys of an account, and prints them; it changes nothing, whoever runs it. */
export const SSSD_KEYS = "/usr/bin/sss_ssh_authorizedkeys";

// As of a key file.
const MOST_OUTPUT = 1 << 20;

/**
 * The lines that sshd gets from sss_ssh_authorizedkeys(1) for an account, by the same question, or why it gets none.
 * Undefined if AuthorizedKeysCommand is another program or has other arguments, or if the answer may differ from sshd's.
 */
export function sssdKeys(
  settings: SshdSettings,
  account: Pick<PasswdEntry, "name" | "uid" | "home">,
): { text: ByteString } | { fault: ByteString } | undefined {
  const [program, ...words] = firstOf(settings, "authorizedkeyscommand").split(/[\t-\r ]+/);
  if (program !== SSSD_KEYS || (words.length > 0 && words.join(" ") !== "%u")) return undefined;
  const { name } = account;
  if (nameFault(name) !== undefined || !onlyRootExchanges(SSSD_KEYS)) return undefined;
  const stat = statIfPresent(AT_FDCWD, SSSD_KEYS);
  if (stat === undefined || !onlyRootWrites(stat)) return undefined;
  const caller = withTokens(firstOf(settings, "authorizedkeyscommanduser"), account);
  if (passwdByName(caller) === undefined)
    return { fault: `${quoted(caller)} (AuthorizedKeysCommandUser) does not exist` };
  const answer = answered(() => runProgram(SSSD_KEYS, [name], {}, MOST_OUTPUT));
  if (answer === undefined || answer.cutOff) return undefined;
  if (answer.status === 0) return { text: answer.stdout };
  const [said = ""] = answer.stderr.trim().split("\n");
  const why = said === "" ? "" : `: ${display(said)}`;
  return { fault: `SSSD does not say which keys the user has (status ${answer.status}${why})` };
}
