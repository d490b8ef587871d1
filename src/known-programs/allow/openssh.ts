import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import { type AllowPlaces, placesFault } from "./places.ts";
import type { AllowWord, Granted } from "./word.ts";

// Options of sftp-server(8): without a value, and with one in the next word.
const SFTP_FLAGS = ["-e", "-R"];
const SFTP_VALUES = ["-d", "-f", "-l", "-p", "-P", "-u"];

/** sshd sends its arguments of `Subsystem sftp`; the protocol, where the paths are, is for the kernel to limit. */
function judgeSftp(args: readonly ByteString[], readOnly: boolean): Granted | string {
  let limited = readOnly;
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? "";
    if (word === "-R") limited = true;
    if (SFTP_FLAGS.includes(word)) continue;
    if (!SFTP_VALUES.includes(word) || at + 1 >= args.length) {
      return `argument ${quoted(word)} is not one of an sftp session`;
    }
    at++;
  }
  return { args: readOnly ? ["-R", ...args] : args, writes: !limited };
}

const sftpWord = (readOnly: boolean, help: string): AllowWord => ({
  service: "sftp",
  ...(readOnly ? { readOnly } : {}),
  help,
  judge: (args) => judgeSftp(args, readOnly),
});

/** `sftp` */
export const sftp = sftpWord(false, "Sessions of sftp(1), and scp(1) of OpenSSH 9 and later.");

/** `restic sftp`: restic(1) uses nothing else. */
export const resticSftp: AllowWord = {
  ...sftpWord(false, "Backups with restic(1) through sftp; the same as sftp."),
  needsWrite: true,
};

/** `sftp read-only` */
export const sftpReadOnly = sftpWord(true, "As sftp, for downloads: sftp-server(8) gets -R.");

// What a client sends: -d (a directory is expected), -p, -q, -r, -v.
const SCP_LETTERS = "dpqrv";

/** The options of scp's server up to the first path or `--`: "t" or "f", and the place of the path; or why not. */
function scpMode(args: readonly ByteString[]): { mode: string; at: number } | string {
  let mode = "";
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? "";
    if (word === "--" || word.length < 2 || !word.startsWith("-")) return { mode, at };
    for (let i = 1; i < word.length; i++) {
      const letter = word.charAt(i);
      if (letter === "t" || letter === "f") {
        if (mode !== "" && mode !== letter) return "-t and -f exclude each other";
        mode = letter;
      } else if (!SCP_LETTERS.includes(letter))
        return `option ${quoted(`-${letter}`)} is not one that a client sends`;
    }
  }
  return { mode, at: args.length };
}

function judgeScp(args: readonly ByteString[], places: AllowPlaces, modes: string): Granted | string {
  const found = scpMode(args);
  if (typeof found === "string") return found;
  const { mode, at } = found;
  if (mode === "") return "only 'scp -t' and 'scp -f' can be called here";
  if (!modes.includes(mode)) return mode === "t" ? "only downloads are allowed" : "only uploads are allowed";
  const isEnd = args[at] === "--";
  const paths = args.slice(isEnd ? at + 1 : at);
  if (paths.length === 0) return "there is no path";
  // Some getopt(3) find options also behind paths.
  for (const path of paths) {
    if (!isEnd && path.startsWith("-")) return `${quoted(path)} is no path; write './' before it`;
  }
  const writes = mode === "t";
  return placesFault(paths, writes ? "write" : "read", places) ?? { args, writes };
}

const scpWord = (modes: string, help: string): AllowWord => ({
  service: "scp",
  ...(modes === "f" ? { readOnly: true as const } : {}),
  ...(modes === "t" ? { needsWrite: true as const } : {}),
  help,
  judge: (args, _, places) => judgeScp(args, places, modes),
});

const OLD = "with scp -O, the protocol of OpenSSH 8 and before";

/** `scp`: both directions. */
export const scp = scpWord("tf", `Downloads and uploads ${OLD}; newer clients need sftp.`);

/** `scp upload` */
export const scpUpload = scpWord("t", `Uploads ${OLD}.`);

/** `scp download` */
export const scpDownload = scpWord("f", `Downloads ${OLD}.`);
