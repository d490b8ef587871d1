import type { ByteString } from "../../ffi/bytes.ts";
import { standardError } from "../../ffi/guard.ts";
import { writeNotices } from "../../ffi/waiting.ts";
import { quoted } from "./display.ts";
import { shellWord } from "./shell-word.ts";

const LONGEST_NAME = 256;
const KINDS: Readonly<Record<string, string>> = {
  getpwnam: "the user",
  getpwuid: "the user with the uid",
  getgrnam: "the group",
  getgrgid: "the group with the gid",
  getgrouplist: "the groups of",
  getspnam: "the password of",
};

/** The line about a look-up that waits: its call, and the name or number that it looks for; or about the process with that number. */
export function waitingLine(tool: string, call: string, key: ByteString): ByteString {
  if (call === "process") {
    const keeps = "whose user keeps others from looking at it";
    const line =
      key === ""
        ? `a process ${keeps}`
        : `the process ${key}, ${keeps}; to end it: kill -KILL ${shellWord(key)}`;
    return `${tool}: still waiting for ${line}\n`;
  }
  const what = `${KINDS[call] ?? call} ${quoted(key.slice(0, LONGEST_NAME))}`;
  return `${tool}: still waiting for the name services (/etc/nsswitch.conf), now for ${what}\n`;
}

let program: string | undefined;

/** From now on, a line on standard error says which look-up of an account waits for long. */
export function tellOfWaiting(tool: string): void {
  program = tool;
  writeNotices(standardError, (call, key) => waitingLine(tool, call, key));
}

/** The same for a program that tellOfWaiting was called for, with the line written to `fd` as `wrap` returns it. */
export function tellOfWaitingTo(fd: number, wrap: (line: ByteString) => ByteString): void {
  const tool = program;
  if (tool !== undefined) writeNotices(fd, (call, key) => wrap(waitingLine(tool, call, key)));
}
