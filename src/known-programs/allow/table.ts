import type { ByteString } from "../../../ffi/bytes.ts";
import { baseName } from "../../../ffi/paths.ts";
import { plainNames } from "../recognise.ts";
import { type Service, serviceNamed } from "../services.ts";
import { borg, borgAppendOnly, unison } from "./backup.ts";
import { resticSftp, scp, scpDownload, scpUpload, sftp, sftpReadOnly } from "./openssh.ts";
import { inHome, type Places, placesOf } from "./places.ts";
import { rsync, rsyncDownload, rsyncUpload } from "./rsync.ts";
import { gitRead, gitWrite, svn } from "./versions.ts";
import type { AllowWord } from "./word.ts";

/** The words of the key `allow`. */
export const ALLOW = {
  sftp,
  "sftp read-only": sftpReadOnly,
  scp,
  "scp upload": scpUpload,
  "scp download": scpDownload,
  rsync,
  "rsync upload": rsyncUpload,
  "rsync download": rsyncDownload,
  "git read": gitRead,
  "git write": gitWrite,
  svn,
  borg,
  "borg append-only": borgAppendOnly,
  "restic sftp": resticSftp,
  unison,
} as const satisfies Readonly<Record<string, AllowWord>>;

/** The name of a word. */
export type AllowName = keyof typeof ALLOW;

/** The keys of a section that decide about a command of the key `allow`. */
export interface AllowSection {
  allow: readonly AllowName[];
  /** Directories that are searched before the usual ones. */
  paths: readonly ByteString[];
  /** Undefined: the key is missing. */
  read: Places | undefined;
  write: Places | undefined;
  home: ByteString;
}

/** A command of a word: the program, its arguments, and what the kernel lets it read and write. */
export interface AllowedCommand {
  word: AllowName;
  path: ByteString;
  args: readonly ByteString[];
  read: Places;
  write: Places;
  /** The directory for temporary files; undefined if the program needs none, or has those of the system. */
  temporary: ByteString | undefined;
}

/** Why no word allows a command: its program does not exist, or `reason`, a phrase. */
export type AllowRefusal = { missing: true } | { missing: false; reason: string };

/**
 * The programs of a word that `isFile` finds, and the names of missing ones: in `paths`, then in the usual directories, as
 * the limited shell looks for them.
 */
export function wordFiles(
  name: AllowName,
  paths: readonly ByteString[],
  isFile: (path: ByteString) => boolean,
): { files: ByteString[]; missing: ByteString[] } {
  const service = serviceOf(name);
  const files: ByteString[] = [];
  const missing: ByteString[] = [];
  for (const program of (ALLOW[name] as AllowWord).programs ?? service.needs) {
    const path = findProgram(program, service, paths, isFile);
    if (path === undefined) missing.push(program);
    else files.push(path);
  }
  return { files, missing };
}

/** The service of a word. */
export function serviceOf(name: AllowName): Service {
  const service = serviceNamed(ALLOW[name].service);
  if (service === undefined) throw new Error(`there is no service ${ALLOW[name].service}`);
  return service;
}

// sshd(8) knows it as a command; in a jail it means the sftp-server.
const INTERNAL_SFTP = "internal-sftp";

function isNamed({ program, name }: Service, typed: ByteString): boolean {
  if (typed === INTERNAL_SFTP) return name === "sftp";
  const base = baseName(typed);
  // Clients of unison may ask for their own version.
  return program.names.includes(base) || (name === "unison" && plainNames(base).includes(name));
}

/** Whether one of these words is about a program of this name. */
export const isOfWord = (typed: ByteString, allow: readonly AllowName[]): boolean =>
  allow.some((name) => isNamed(serviceOf(name), typed));

/** The file of a service that is called like this: in one of `paths`, then in the usual directories. */
function findProgram(
  typed: ByteString,
  { directories }: Service,
  paths: readonly ByteString[],
  isFile: (path: ByteString) => boolean,
): ByteString | undefined {
  const base = typed === INTERNAL_SFTP ? "sftp-server" : baseName(typed);
  const isPath = typed.includes("/");
  for (const directory of [...paths, ...directories]) {
    if (!directory.startsWith("/")) continue;
    const path = directory.endsWith("/") ? directory + base : `${directory}/${base}`;
    if ((!isPath || path === typed) && isFile(path)) return path;
  }
  return undefined;
}

/** What the kernel lets the program of a word write, with the files that it keeps for itself. */
function writable(word: AllowWord, write: Places, home: ByteString): Places {
  if (write === "all" || word.state === undefined) return write;
  return [...write, ...inHome(word.state, home)];
}

/**
 * Decides about a command by the key `allow`: the first word that allows it counts. Undefined if no word is about a program
 * of this name.
 */
export function judgeAllowed(
  typed: ByteString,
  args: readonly ByteString[],
  { allow, paths, read, write, home }: AllowSection,
  isFile: (path: ByteString) => boolean,
): AllowedCommand | AllowRefusal | undefined {
  let refusal: AllowRefusal | undefined;
  for (const name of allow) {
    const service = serviceOf(name);
    if (!isNamed(service, typed)) continue;
    const word: AllowWord = ALLOW[name];
    const path = findProgram(typed, service, paths, isFile);
    if (path === undefined) {
      const elsewhere = {
        missing: false,
        reason: "no other program of its name can be called here",
      } as const;
      refusal ??= typed.includes("/") ? elsewhere : { missing: true };
      continue;
    }
    const places = placesOf(read, write, word.readOnly !== true, home);
    const judged = word.judge(args, baseName(path), places);
    if (typeof judged === "string") {
      refusal = { missing: false, reason: judged };
      continue;
    }
    const allowedWrites = judged.writes ? writable(word, places.write, home) : [];
    const temporary = word.temporary && places.write !== "all" ? places.write[0] : undefined;
    return { word: name, path, args: judged.args, read: places.read, write: allowedWrites, temporary };
  }
  return refusal;
}
