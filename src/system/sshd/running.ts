import { type ByteString, fromBytes } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { attempt, isErrno } from "../../../ffi/error.ts";
import { readFileIfPresent, readLink, statIfPresent } from "../../../ffi/files.ts";
import { hostText } from "../host-files.ts";
import { isRunBy, processesOf, sharesRoot } from "../processes.ts";
import { configPaths } from "./match.ts";
import { CONFIGURATION, firstOf, isSet, type SshdSettings } from "./settings.ts";

/** The way in which an sshd was started, as far as its settings depend on it. */
export interface SshdServer {
  /** undefined: none is running. */
  pid: number | undefined;
  /** Options of sshd(8) that set something, one word each, as `sshd -T` needs them. */
  options: readonly ByteString[];
  /** Its configuration file. */
  file: ByteString;
  /** The reason why `options` are unknown. */
  unreadable?: string;
}

/** sshd as it starts without options. */
export const DEFAULT_SERVER: SshdServer = { pid: undefined, options: [], file: CONFIGURATION };

// Letters without a value, and one with it.
const WORD = /^-(?!$)([46DGQRTVdeiqrt]*)(?:([CEbcfghkopu])(.*))?$/s;
// The others choose what sshd prints, or whether it stays in the foreground.
const SETTING = "46cfghopu";
// These end, or serve a single connection.
const NO_SERVER = "GQRTVit";
const LARGEST_COMMAND = 1 << 17;

/** The options of sshd(8) in words, without those that set nothing; undefined if they are not understood. */
function serverOptions(words: readonly ByteString[]): { options: ByteString[]; serves: boolean } | undefined {
  const options: ByteString[] = [];
  let serves = true;
  const left = [...words];
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    const [whole, letters = "", valued, rest] = WORD.exec(word) ?? [];
    if (whole === undefined) return undefined;
    for (const one of letters) {
      if (SETTING.includes(one)) options.push(`-${one}`);
      serves &&= !NO_SERVER.includes(one);
    }
    if (valued === undefined) continue;
    const value = [rest || (left.shift() ?? "")];
    // sshd takes no operands, so what follows belongs to a value with blanks.
    const next = left.findIndex((one) => one.startsWith("-"));
    value.push(...left.splice(0, next < 0 ? left.length : next));
    if (SETTING.includes(valued)) options.push(`-${valued}`, value.join(" "));
  }
  return { options, serves };
}

/**
 * How a process of sshd was started, from /proc/PID/cmdline; undefined if it is not a server. A server replaces its words
 * by a title: "sshd: ", its words, and "[listener]" with counts; the kernel may cut it off. Pure.
 */
export function serverOf(pid: number, command: ByteString): SshdServer | undefined {
  const unknown = (unreadable: string) => ({ ...DEFAULT_SERVER, pid, unreadable });
  const [title = "", ...more] = command.replace(/\0+$/, "").split("\0");
  const isTitle = title.startsWith("sshd: ");
  // The title of a session has the name of a user instead of a path.
  if (isTitle && !title.startsWith("sshd: /")) return undefined;
  const words = isTitle ? / (.*) \[listener\]/.exec(title)?.[1]?.split(" ") : [title, ...more];
  if (words === undefined) return unknown("its options are cut off in /proc");
  const found = serverOptions(words.slice(1));
  if (found === undefined) return unknown("its options in /proc are not understood");
  const { options, serves } = found;
  if (!serves) return undefined;
  const given = options[options.lastIndexOf("-f") + 1];
  const file = options.includes("-f") && given !== undefined ? given : CONFIGURATION;
  if (!file.startsWith("/")) return unknown("its configuration file has no absolute path");
  return { pid, options, file };
}

const link = (path: ByteString) => readLink(AT_FDCWD, path);

/**
 * The servers of sshd that run on this host, not in a container or below another root directory. Only root sees them. Throws
 * JailkitError "no-proc".
 */
export function runningServers(sshd: ByteString): SshdServer[] {
  // First, because it reports a missing /proc.
  const pids = processesOf(0);
  const own = link("/proc/self/ns/pid");
  return pids.flatMap((pid): SshdServer[] => {
    try {
      // Its words first: a process that becomes a user's meanwhile fails what follows.
      const bytes = readFileIfPresent(`/proc/${pid}/cmdline`, LARGEST_COMMAND);
      const program = link(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, "");
      if (!program.endsWith("/sshd") || !isRunBy(pid, 0)) return [];
      // A container's may be "/", too.
      if (sharesRoot(AT_FDCWD, `/proc/${pid}`) !== true || link(`/proc/${pid}/ns/pid`) !== own) return [];
      const server = bytes === undefined ? undefined : serverOf(pid, fromBytes(bytes));
      if (server === undefined) return [];
      if (program === sshd) return [server];
      return [{ ...server, unreadable: `it is another program, ${program}` }];
    } catch (error) {
      if (isErrno(error, "ENOENT", "ESRCH", "EACCES", "EPERM")) return [];
      throw error;
    }
  });
}

const TICKS = 100;
const NANOSECONDS = 1_000_000_000;
/** The start of a process is known to a hundredth of a second, and the time of a file to a tick of the kernel. */
const TOLERANCE = 50_000_000n;

/** The time when a process started, in nanoseconds since the epoch; undefined if it has ended. */
export function startTime(pid: number): bigint | undefined {
  const stat = hostText(`/proc/${pid}/stat`);
  const ticks = Number(stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  const uptime = Number(hostText("/proc/uptime")?.split(" ")[0]);
  if (Number.isNaN(ticks + uptime)) return undefined;
  return BigInt(Math.floor((Date.now() / 1000 - uptime + ticks / TICKS) * NANOSECONDS));
}

/** A file or directory of the configuration that changed after a server had read it. */
interface UnreadChange {
  path: ByteString;
  /** False: the server may have read its configuration again since it started. */
  certain: boolean;
}

/**
 * The change of a configuration that a server has not read; undefined if there is none. A server reads it when it starts,
 * and again at SIGHUP, and then writes its PidFile: only that tells when. Throws SystemError.
 */
export function unreadChange({ pid, file }: SshdServer, settings: SshdSettings): UnreadChange | undefined {
  if (pid === undefined) return undefined;
  const pidFile = firstOf(settings, "pidfile");
  const stat = isSet(settings, "pidfile") ? statIfPresent(AT_FDCWD, pidFile, true) : undefined;
  const certain = stat !== undefined && hostText(pidFile)?.trim() === `${pid}`;
  const start = certain ? stat.mtime : startTime(pid);
  if (start === undefined) return undefined;
  for (const path of configPaths(file)) {
    const found = statIfPresent(AT_FDCWD, path, true);
    // The times of a file that was put in its place, and of a directory.
    if (found !== undefined && found.ctime > start + (certain ? 0n : TOLERANCE)) return { path, certain };
  }
  return undefined;
}

/** The systemd unit of a process, if it is ssh or sshd; undefined otherwise. */
export function serviceOf(pid: number): ByteString | undefined {
  const groups = attempt(() => hostText(`/proc/${pid}/cgroup`)) ?? "";
  return /\/(sshd?)\.service$/m.exec(groups)?.[1];
}
