import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import type { Stat } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import type { CheckFinding } from "../rules.ts";
import type { Item } from "./item.ts";

interface SpecialContext {
  /** The device of the same path on the host. */
  readonly hostDevice: Stat | undefined;
  /** True if jk_socketd serves this path. */
  readonly servedSocket: (path: ByteString) => boolean;
  readonly recordKept: boolean;
}

// null, zero, full, random, urandom; tty; ptmx, and the pseudo terminals
const HARMLESS = /^c(?:1:[35789]|5:[02]|13[6-9]:\d+|14[0-3]:\d+)$/;

const numbers = ({ mode, rdevMajor, rdevMinor }: Stat): string =>
  `${(mode & C.S_IFMT) === C.S_IFBLK ? "b" : "c"}${rdevMajor}:${rdevMinor}`;

const inWords = (text: string): string =>
  `${text.startsWith("b") ? "block" : "character"} device ${text.slice(1)}`;

/** Findings about devices, sockets and FIFOs. */
export function specialFindings(item: Item, context: SpecialContext): CheckFinding[] {
  const type = item.seen.stat.mode & C.S_IFMT;
  if (type === C.S_IFCHR || type === C.S_IFBLK) return deviceFindings(item, context);
  if (type === C.S_IFSOCK) return socketFindings(item, context);
  if (type === C.S_IFIFO && item.seen.space === "system") {
    const { path, seen } = item;
    const message = `${display(path)} is a FIFO that nothing asked for`;
    return [{ rule: "fifo", path, jailPath: seen.path, message }];
  }
  return [];
}

function deviceFindings(item: Item, { hostDevice, recordKept }: SpecialContext): CheckFinding[] {
  const { seen, path, entry } = item;
  const is = numbers(seen.stat);
  const shown = display(path);
  const common = { path, jailPath: seen.path };
  if (entry !== undefined && (entry.type === "char" || entry.type === "block")) {
    const recorded = `${entry.type === "block" ? "b" : "c"}${entry.major ?? 0}:${entry.minor ?? 0}`;
    if (is === recorded) return [];
    const message = `${shown} is ${inWords(is)}, but was created as ${inWords(recorded)}`;
    return [{ ...common, rule: "device-differs", message, repair: { kind: "restore" } }];
  }
  const ordinary = seen.path.startsWith("/dev/") && seen.space === "system" && HARMLESS.test(is);
  if (ordinary) {
    if (hostDevice === undefined || numbers(hostDevice) === is) return [];
    const message = `${shown} is ${inWords(is)}, but on the host it is ${inWords(numbers(hostDevice))}`;
    return [{ ...common, rule: "device-differs", message }];
  }
  const message = `${shown} is ${inWords(is)}, which nothing asked for`;
  const unexpected: CheckFinding = { ...common, rule: "device-unexpected", message };
  // Without a record it may have been created on purpose.
  return [recordKept ? { ...unexpected, repair: { kind: "remove" } } : unexpected];
}

function socketFindings(item: Item, { servedSocket }: SpecialContext): CheckFinding[] {
  const { seen, path, primaryGroup } = item;
  const { stat, space } = seen;
  // Sockets of users' own programs, such as tmux and ssh-agent.
  if (space === "user" && stat.uid !== 0 && primaryGroup(stat.uid) !== undefined) return [];
  if (servedSocket(path)) return [];
  const message = `${display(path)} is a socket that nothing asked for`;
  return [{ rule: "socket", path, jailPath: seen.path, message }];
}
