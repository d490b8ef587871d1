import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import type { Stat } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { isWhiteout } from "../../jail/fs/home-scan.ts";
import type { CheckFinding, Repair, Rule } from "../rules.ts";
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
  const { path, seen, primaryGroup } = item;
  const { stat, space } = seen;
  const found = (rule: Rule, what: string): CheckFinding[] => {
    return [
      { rule, path, jailPath: seen.path, message: `${display(path)} is ${what} that nothing asked for` },
    ];
  };
  switch (stat.mode & C.S_IFMT) {
    case C.S_IFCHR:
    case C.S_IFBLK:
      return deviceFindings(item, context);
    case C.S_IFSOCK: {
      // Sockets of users' own programs, such as tmux and ssh-agent.
      const own = space === "user" && stat.uid !== 0 && primaryGroup(stat.uid) !== undefined;
      return own || context.servedSocket(path) ? [] : found("socket", "a socket");
    }
    case C.S_IFIFO:
      return space === "system" ? found("fifo", "a FIFO") : [];
    default:
      return [];
  }
}

function deviceFindings(
  { seen, path, entry }: Item,
  { hostDevice, recordKept }: SpecialContext,
): CheckFinding[] {
  const is = numbers(seen.stat);
  const found = (rule: Rule, what: string, repair?: Repair): CheckFinding[] => {
    const message = `${display(path)} is ${inWords(is)}, ${what}`;
    return [{ rule, path, jailPath: seen.path, message, repair }];
  };
  if (entry !== undefined && (entry.type === "char" || entry.type === "block")) {
    const recorded = `${entry.type === "block" ? "b" : "c"}${entry.major ?? 0}:${entry.minor ?? 0}`;
    if (is === recorded) return [];
    return found("device-differs", `but was created as ${inWords(recorded)}`, { kind: "restore" });
  }
  if (seen.path.startsWith("/dev/") && seen.space === "system" && HARMLESS.test(is)) {
    if (hostDevice === undefined || numbers(hostDevice) === is) return [];
    return found("device-differs", `but on the host it is ${inWords(numbers(hostDevice))}`);
  }
  // In /dev, a program expects a device there.
  if (isWhiteout(seen.stat) && hostDevice === undefined) return [];
  // Without a record it may have been created on purpose.
  const repair = recordKept ? ({ kind: "remove" } as const) : undefined;
  return found("device-unexpected", "which nothing asked for", repair);
}
