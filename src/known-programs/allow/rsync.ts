import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import { type AllowPlaces, climbs, placeFault, placesFault } from "./places.ts";
import {
  RSYNC_SHORT,
  RSYNC_SHORT_FOLLOW,
  RSYNC_SHORT_NUMBER,
  type RsyncOption,
  rsyncOption,
} from "./rsync-options.ts";
import type { AllowWord, Granted } from "./word.ts";

const LONGEST_SHOWN = 40;

const notFor = (word: ByteString) =>
  `option ${quoted(word.slice(0, LONGEST_SHOWN))} is not one that an rsync client sends`;

const isDigit = (sign: string) => sign >= "0" && sign <= "9";

const isLetter = (sign: string) =>
  isDigit(sign) || (sign >= "a" && sign <= "z") || (sign >= "A" && sign <= "Z") || sign === "_";

/** True if the rest of a word from `at` on is `31.14iLsfxC`, the protocol and capabilities of a client. */
function isCapabilities(word: ByteString, at: number): boolean {
  let i = at;
  while (isDigit(word.charAt(i))) i++;
  if (word.charAt(i) !== ".") return false;
  for (i++; i < word.length; i++) if (!isLetter(word.charAt(i))) return false;
  return true;
}

/** True if the word is `-B700`. */
function isNumbered(word: ByteString): boolean {
  if (word.length < 3 || !RSYNC_SHORT_NUMBER.includes(word.charAt(1))) return false;
  for (let i = 2; i < word.length; i++) if (!isDigit(word.charAt(i))) return false;
  return true;
}

/** Why a word of short options may not be sent; undefined if it may. */
function shortFault(word: ByteString, limited: boolean): string | undefined {
  if (isNumbered(word)) return undefined;
  if (word.length < 2) return notFor(word);
  for (let at = 1; at < word.length; at++) {
    const letter = word.charAt(at);
    if (letter === "e" && isCapabilities(word, at + 1)) return undefined;
    if (!RSYNC_SHORT.includes(letter)) return notFor(`-${letter}`);
    if (limited && RSYNC_SHORT_FOLLOW.includes(letter)) return follows(`-${letter}`);
  }
  return undefined;
}

const follows = (option: string) =>
  `option ${quoted(option)} follows symbolic links, which could lead elsewhere`;

interface Server {
  places: AllowPlaces;
  /** The server sends: a download. */
  sends: boolean;
  /** Some place is limited. */
  limited: boolean;
  /** It also removes files. */
  removes: boolean;
}

const HAS_VALUE: readonly RsyncOption[] = ["value", "write", "basis", "list", "log"];

/** Why the value of an option may not be sent; undefined if it may. */
function valueFault(
  kind: RsyncOption,
  value: ByteString,
  { places, sends, limited }: Server,
): string | undefined {
  // Standard input has the list.
  if (kind === "list") return value === "-" ? undefined : placeFault(value, "read", places);
  if (kind === "log") {
    return sends
      ? "option '--log-file' writes, and a download only reads"
      : placeFault(value, "write", places);
  }
  if (kind === "value" || !limited) return undefined;
  if (climbs(value)) return `${quoted(value)} has '..' in it`;
  // The destination, which is checked, has it.
  if (!value.startsWith("/")) return undefined;
  return placeFault(value, kind === "write" ? "write" : "read", places);
}

/** Why a long option may not be sent, or the kind of one whose value is the next word; undefined if it may. */
function longFault(word: ByteString, server: Server): { fault: string } | { next: RsyncOption } | undefined {
  const equals = word.indexOf("=");
  const name = word.slice(2, equals < 0 ? undefined : equals);
  const kind = rsyncOption(name);
  if (kind === undefined) return { fault: notFor(`--${name}`) };
  if (HAS_VALUE.includes(kind)) {
    if (equals < 0) return { next: kind };
    const fault = valueFault(kind, word.slice(equals + 1), server);
    return fault === undefined ? undefined : { fault };
  }
  if (equals >= 0) return { fault: notFor(word) };
  if (kind === "follow" && server.limited) return { fault: follows(word) };
  if (kind === "remove") server.removes = true;
  return undefined;
}

/** Why the options before the word `.` may not be sent, or the place of that word. */
function optionsFault(args: readonly ByteString[], first: number, server: Server): string | number {
  for (let at = first; at < args.length; at++) {
    const word = args[at] ?? "";
    if (word === ".") return at;
    if (!word.startsWith("--")) {
      const fault = word.startsWith("-")
        ? shortFault(word, server.limited)
        : `${quoted(word)} is before the word '.'`;
      if (fault !== undefined) return fault;
      continue;
    }
    const found = longFault(word, server);
    if (found === undefined) continue;
    if ("fault" in found) return found.fault;
    at++;
    const value = args[at];
    const fault = value === undefined ? notFor(word) : valueFault(found.next, value, server);
    if (fault !== undefined) return fault;
  }
  return "the word '.' before the paths is missing";
}

/** What of rsync is allowed. */
interface Ways {
  download: boolean;
  upload: boolean;
}

function judge(args: readonly ByteString[], places: AllowPlaces, may: Ways): Granted | string {
  if (args[0] !== "--server") return "only 'rsync --server' can be called here";
  const sends = args[1] === "--sender";
  if (sends && !may.download) return "only uploads are allowed";
  if (!sends && !may.upload) return "only downloads are allowed";
  // A word that only downloads writes nowhere, whatever the section says.
  const limited = places.read !== "all" || (may.upload && places.write !== "all");
  const server: Server = { places, sends, limited, removes: false };
  const dot = optionsFault(args, sends ? 2 : 1, server);
  if (typeof dot === "string") return dot;
  const { removes } = server;
  if (sends && removes && !may.upload) return "options that remove files are not allowed in a download";
  const paths = args.slice(dot + 1);
  // popt(3) finds options also between and behind paths.
  for (const path of paths)
    if (path.startsWith("-")) return `${quoted(path)} is no path; write './' before it`;
  // Without a path, rsync takes the working directory.
  if (paths.length === 0) paths.push(".");
  const writes = !sends || removes;
  const fault =
    (sends ? placesFault(paths, "read", places) : undefined) ??
    (writes ? placesFault(paths, "write", places) : undefined);
  return fault ?? { args, writes };
}

const word = (may: Ways, help: string): AllowWord => ({
  service: "rsync",
  ...(may.upload ? {} : { readOnly: true as const }),
  ...(may.download ? {} : { needsWrite: true as const }),
  help,
  judge: (args, _, places) => judge(args, places, may),
});

const HOW =
  "Options are those that clients of rsync 3.5 send, as rrsync(1) allows them. Paths, and directories in options, must be where the section may read or write, without '..'; symbolic links are not followed out of there (-L, -K, -k, --copy-unsafe-links are refused if read or write is set).";

/** `rsync`: both directions. */
export const rsync = word({ download: true, upload: true }, `Downloads and uploads with rsync(1). ${HOW}`);

/** `rsync download`: the server only sends. */
export const rsyncDownload = word(
  { download: true, upload: false },
  "Downloads with rsync(1); as rsync, without options that remove files.",
);

/** `rsync upload`: the server only receives. */
export const rsyncUpload = word({ download: false, upload: true }, "Uploads with rsync(1); as rsync.");
