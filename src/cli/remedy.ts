import type { ByteString } from "../../ffi/bytes.ts";

/** Programs with which the command of a remedy begins. */
export const REMEDY_PROGRAMS = [
  "btrfs",
  "chage",
  "chattr",
  "chgrp",
  "chmod",
  "chown",
  "cp",
  "echo",
  "faillock",
  "find",
  "getent",
  "gpasswd",
  "groupadd",
  "iconv",
  "install",
  "jailkit",
  "jk_check",
  "jk_cp",
  "jk_init",
  "jk_jailuser",
  "jk_list",
  "jk_update",
  "kill",
  "ls",
  "mkdir",
  "mount",
  "mv",
  "passwd",
  "printf",
  "rm",
  "rmdir",
  "sed",
  "setcap",
  "setfacl",
  "setsid",
  "systemctl",
  "touch",
  "umount",
  "userdel",
  "usermod",
  "vipw",
] as const;
type Program = (typeof REMEDY_PROGRAMS)[number];

/** What is typed at a shell of root's. */
type Command = Program | `${Program} ${string}`;

/** What is typed into a file of the configuration. */
type Lines =
  | `add these lines to ${string}:\n${string}`
  | `in section [${string}] of ${string} write:\n${string}`
  | `write in line ${number} of ${string}:\n${string}`
  | `write into ${string}:\n${string}`;

/**
 * What fixes something, as it is typed; empty for nothing. A template of a command is one; a text that was composed is none,
 * and so are words: these belong into the message.
 */
export type Remedy = Command | Lines | "";

/** Advice that cannot be typed, such as what has to be done before a command is safe: for the message. */
export interface Words {
  readonly words: ByteString;
}

/** What to do: a remedy, or words. */
export type Advice = Remedy | Words;

/** See Words. */
export const inWords = (words: ByteString): Words => ({ words });

/** Advice of several kinds as one: words, if there are any among it. */
export function allAdvice(advice: readonly Advice[], between = "; "): Advice {
  const texts: ByteString[] = [];
  let isTyped = true;
  for (const one of advice) {
    const text = adviceText(one);
    if (typeof one !== "string") isTyped = false;
    if (text !== "" && !texts.includes(text)) texts.push(text);
  }
  const all = texts.join(between);
  return isTyped ? composed(all) : inWords(all);
}

/** The remedy of advice, and the message with it, if it is in words. */
export const told = (message: ByteString, advice: Advice): { message: ByteString; remedy: Remedy } =>
  typeof advice === "string"
    ? { message, remedy: advice }
    : { message: `${message}; ${advice.words}`, remedy: "" };

/** The remedy of advice; empty for words. */
export const typed = (advice: Advice): Remedy => (typeof advice === "string" ? advice : "");

/** A command of which the compiler does not see the beginning, such as a list of words. */
export const composed = (command: ByteString): Remedy => command as Remedy;

/**
 * A command of which a part runs with the rights of a user, who can take the descriptors of such a process (pidfd_getfd(2)): it
 * gets no terminal of root's, which the user could read and write. A pipe has its output, in printable bytes. Where it hangs, as the
 * user likes, Ctrl-C ends the wait: setsid(1) stays in the foreground. In sh(1), a pipe has the status of its last command, which
 * is here that of grep(1) turned round: all such commands say something only when they fail, setsid(1) if a signal has ended one,
 * and the shell if it cannot open the input. What reads `input` may say that again.
 */
export const withoutTerminal = (command: ByteString, input?: ByteString): Remedy =>
  `setsid -fw ${command} 2>&1 ${input === undefined ? "</dev/null" : `<${input} >/dev/null`} | cat -v | (! grep .)`;

/** Commands one after the other, as long as each succeeds. */
export const allOf = (commands: readonly Remedy[]): Remedy =>
  composed(commands.filter((one) => one !== "").join(" && "));

/** A message with what to do: a command, or words. */
export const withAdvice = (message: ByteString, advice: Advice): ByteString =>
  `${message}; ${typeof advice === "string" ? "fix it with: " : ""}${adviceText(advice)}`;

/** Advice as the end of a sentence. */
export const adviceText = (advice: Advice): ByteString =>
  typeof advice === "string" ? advice : advice.words;
