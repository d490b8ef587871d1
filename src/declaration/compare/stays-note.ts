import { quoted } from "../../cli/display.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { splitHome } from "../../system/separator.ts";
import { overrideLeft } from "../../users/directory.ts";
import { noLoginShell, openShell } from "../../users/leaving.ts";
import type { OnceUser } from "../once-shape.ts";

/** What is said of one that stays: it is of a directory, or has no life outside. */
export function staysNote(
  user: PasswdEntry | undefined,
  { name, directory }: Pick<OnceUser, "name" | "directory">,
): string[] {
  if (directory) {
    const home = user?.home ?? "";
    const isTold = splitHome(home) === undefined;
    if (isTold) return [];
    const override = overrideLeft(name, noLoginShell());
    return [`the directory still says that ${quoted(name)} has the home ${quoted(home)}${override}`];
  }
  const word = operands(name);
  return [
    `the account ${quoted(name)} and its home stay, and no session of it begins in the jail, but sshd still does for it what needs no shell, such as forwarding, as far as it is configured to: the jail's record knows no life of it outside; userdel ${word} removes it, and jk_jailuser --unjail -m -s ${shellWord(openShell())} ${word} gives it a shell of the machine`,
  ];
}
