/** What --uninstall says of accounts that cannot log in without what it takes away, as the packages say it. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../../src/cli/display.ts";

const MOST_NAMED = 20;

/** How an account gets another login shell, by its present one. */
const REMEDIES: Readonly<Record<string, string>> = {
  jk_chrootsh:
    "while jailkit is installed, 'jk_jailuser -m --unjail -s SHELL USER' moves an account out of its jail.",
  jk_lsh: "'usermod -s SHELL USER' changes the shell of an account.",
};

/** The lines of passwd(5) from all name services, by getent(1); without it, from the file. */
export function allAccounts(path: string): ByteString {
  if (Bun.which("getent", { PATH: path }) === null) return readFileSync("/etc/passwd", "latin1");
  return Bun.spawnSync(["getent", "passwd"], { env: { PATH: path } }).stdout.toString("latin1");
}

/** Messages about the accounts whose shell is one of these programs (paths). */
export function accountsLeft(accounts: ByteString, programs: readonly string[]): string[] {
  const all = accounts.split("\n").map((line) => line.split(":"));
  return programs.flatMap((program) => {
    const names = all.filter((fields) => fields[6] === program).map(([name = ""]) => display(name));
    if (names.length === 0) return [];
    const shell = basename(program);
    const named = names.slice(0, MOST_NAMED);
    const more = names.length - named.length;
    const list = [...named, ...(more > 0 ? [`and ${more} more`] : [])];
    return [
      `these accounts have ${shell} as their shell, and cannot log in without it:\n    ${list.join("\n    ")}`,
      ...(REMEDIES[shell] === undefined ? [] : [REMEDIES[shell]]),
    ];
  });
}
