import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";

/** An option that is refused, under its short and its long names (without dashes). */
interface RefusedOption {
  short?: string;
  long?: readonly string[];
  /** What it does; completes "option --x ...". */
  reason: string;
  /** A short option's attached value that is harmless. */
  harmlessValue?: RegExp;
}

/**
 * How a program's arguments are read, and what in them would start a program that the administrator did not list,
 * or hide arguments from this check.
 */
interface SpawnRule {
  /** Base names of the program. */
  programs: readonly string[];
  /** The first argument must be one of these: the only forms in which the program starts nothing else. */
  first?: { words: readonly string[]; reason: string };
  /** One of these short options must stand before the first operand, for the same reason. */
  mode?: { letters: string; reason: string };
  /** Short options that take a value: the rest of the word, or else the next word. */
  withValue: string;
  /** The only short options that are let through; all where undefined. */
  letters?: string;
  /** `--` ends the options. */
  endOfOptions: boolean;
  /** Long options may begin with one dash. */
  oneDash?: boolean;
  refused: readonly RefusedOption[];
}

const START = "starts other programs";
// Longer than any option that there is.
const LONGEST_OPTION = 40;

/** The table. Only what is known to matter is in it; `jailkit config check` warns of programs that are not. */
export const SPAWN_RULES: readonly SpawnRule[] = [
  {
    programs: ["rsync"],
    // rsync(1) reads $HOME/.popt, which the user writes, and in it `rsync exec --version /bin/sh` or an alias with
    // --rsh gives any option any meaning. The aliases are off once --server is read. CVE-2019-3463, CVE-2019-1000018.
    first: { words: ["--server"], reason: `anything but 'rsync --server' ${START}: by -e, or by ~/.popt` },
    withValue: "eBTfM@",
    // popt permutes, so `--` may itself be the value of an option: every word is looked at.
    endOfOptions: false,
    refused: [
      { long: ["rsh"], reason: START },
      // In --server mode the client's capabilities travel as the value of -e: `-vlogDtpre.iLsfxC`.
      { short: "e", harmlessValue: /^[0-9]*\.[A-Za-z0-9]*$/, reason: START },
      { long: ["rsync-path"], reason: START },
      // `pre-xfer exec` in a configuration file that the user may write.
      { long: ["daemon"], reason: `reads a configuration file that ${START}` },
      { long: ["config", "dparam"], reason: `names a configuration that ${START}` },
      // The real arguments follow on standard input, --daemon may be among them (tried: it works).
      {
        short: "s",
        long: ["secluded-args", "protect-args"],
        reason:
          "hides the arguments from the limited shell; call rsync without -s and unset RSYNC_PROTECT_ARGS",
      },
      { short: "M", long: ["remote-option"], reason: "passes options on unseen" },
    ],
  },
  {
    programs: ["scp"],
    // Copies between two names run ssh(1) or cp(1). CVE-2004-1162.
    mode: { letters: "tf", reason: `anything but 'scp -t' and 'scp -f' ${START}` },
    withValue: "DFJMPSXcilo",
    letters: "1246BCTdfpqrtv",
    endOfOptions: true,
    refused: [
      { short: "S", reason: START },
      { short: "o", reason: `passes options to ssh, which ${START}` },
      { short: "F", reason: `names a configuration of ssh, which ${START}` },
      { short: "D", reason: START },
      { short: "J", reason: START },
    ],
  },
  {
    programs: ["git"],
    // Aliases, pagers, editors, fsmonitor: ~/.gitconfig and the repository name programs.
    first: {
      words: ["upload-pack", "receive-pack", "upload-archive", "--version", "version"],
      reason: `anything but upload-pack, receive-pack and upload-archive ${START}`,
    },
    withValue: "",
    endOfOptions: true,
    refused: [],
  },
  {
    programs: ["unison"],
    // CVE-2004-1161: -rshcmd, -sshcmd; a profile in the home directory may hold them too.
    first: { words: ["-server"], reason: `anything but 'unison -server' ${START}` },
    withValue: "",
    endOfOptions: false,
    oneDash: true,
    refused: [
      { long: ["rshcmd", "sshcmd", "servercmd", "diff", "merge", "editor"], reason: START },
      { long: ["socket"], reason: "opens a port to everybody" },
    ],
  },
  {
    programs: ["cvs"],
    first: { words: ["server"], reason: `anything but 'cvs server' ${START}: editors, CVS_RSH` },
    withValue: "",
    endOfOptions: true,
    refused: [],
  },
];

/**
 * Why these arguments (without argv[0]) would make the program start another one, as a phrase such as "option
 * --rsh starts other programs"; undefined where they would not, or the program is not in the table.
 */
export function spawnReason(path: ByteString, args: readonly ByteString[]): string | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const rule = SPAWN_RULES.find(({ programs }) => programs.includes(name));
  if (rule === undefined) return undefined;
  if (rule.first !== undefined && !rule.first.words.includes(args[0] ?? "")) return rule.first.reason;

  let inMode = rule.mode === undefined;
  let operandSeen = false;
  for (const word of args) {
    if (word === "--" && rule.endOfOptions) break;
    if (word === "-" || !word.startsWith("-")) {
      operandSeen = true;
      continue;
    }
    const reason = word.startsWith("--") || rule.oneDash ? longReason(rule, word) : shortReason(rule, word);
    if (reason !== undefined) return reason;
    if (!operandSeen && rule.mode !== undefined && hasLetter(word, rule.mode.letters)) inMode = true;
  }
  return inMode ? undefined : rule.mode?.reason;
}

function longReason(rule: SpawnRule, word: ByteString): string | undefined {
  const name = word.replace(/^--?/, "").split("=", 1)[0] ?? "";
  // What has a list of harmless letters takes no long options at all.
  if (rule.letters !== undefined)
    return `option ${quoted(word.slice(0, LONGEST_OPTION))} is not known to be harmless`;
  const found = rule.refused.find(({ long }) => long?.includes(name));
  return found === undefined ? undefined : `option ${quoted(`--${name}`)} ${found.reason}`;
}

/** Reads a word of bundled short options as getopt(3) and popt do: the value of an option ends the bundle. */
function shortReason(rule: SpawnRule, word: ByteString): string | undefined {
  for (let at = 1; at < word.length; at++) {
    const letter = word.charAt(at);
    const found = rule.refused.find(({ short }) => short === letter);
    if (found !== undefined && !found.harmlessValue?.test(word.slice(at + 1))) {
      return `option ${quoted(`-${letter}`)} ${found.reason}`;
    }
    if (rule.letters !== undefined && !rule.letters.includes(letter)) {
      return `option ${quoted(`-${letter}`)} is not known to be harmless`;
    }
    if (rule.withValue.includes(letter)) return undefined;
  }
  return undefined;
}

// The words that come here hold harmless letters alone, none of which takes a value.
function hasLetter(word: ByteString, letters: string): boolean {
  return [...letters].some((letter) => word.includes(letter));
}
