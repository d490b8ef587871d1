import type { ByteString } from "../../ffi/bytes.ts";
import { isErrno } from "../../ffi/error.ts";
import { unescaped } from "../../ffi/served.ts";
import { display } from "../cli/display.ts";
import { errorOf, JailkitError } from "../cli/error.ts";
import { shellWord } from "../cli/shell-word.ts";
import { disableSection } from "../config/fixes.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import { withTree } from "../jail/fs/look.ts";
import { jailMounts, unmountInJail } from "../jail/fs/unmount.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { requireReplaceable } from "../jail/fs/writable.ts";
import { REGISTRY } from "../jail/record/manifest.ts";
import { removeDropIn } from "../populate/apply/drop-in.ts";
import { foreseen } from "../populate/apply/foresee.ts";
import { requireNoLiveLines, withoutLiveLines } from "../populate/apply/live-lines.ts";
import { logSocketSections } from "../populate/apply/log-socket.ts";
import { changeFstab, fstabText, requireFstab } from "../populate/apply/proc.ts";
import { below } from "../system/mountinfo.ts";
import { commentOut, fstabFields, fstabPlace } from "../system/mounts.ts";

const FSTAB = "/etc/fstab";
// Something keeps mounting there.
const MOST_MOUNTS = 64;

/** The text of fstab(5) without the line of jk_init for the proc of a jail; undefined if there is none. */
export function withoutProcLine(fstab: ByteString, jail: ByteString): ByteString | undefined {
  const target = `${jail}/proc`;
  const lines = fstab.split("\n");
  const kept = lines.filter((line) => fstabPlace(line) !== target || fstabFields(line)[2] !== "proc");
  return kept.length === lines.length ? undefined : kept.join("\n");
}

interface ForeignMount {
  readonly line: number;
  readonly text: ByteString;
  readonly where: ByteString;
}

/** The lines of fstab(5), numbered from 1, that mount something in a jail and are not jailkit's. Pure. */
export function foreignMounts(fstab: ByteString, jail: ByteString): ForeignMount[] {
  const withoutProc = withoutProcLine(fstab, jail) ?? fstab;
  const others = new Set((withoutLiveLines(withoutProc, jail) ?? withoutProc).split("\n"));
  return fstab.split("\n").flatMap((text, index) => {
    const [, where] = fstabFields(text);
    if (where === undefined || !others.has(text)) return [];
    return below(fstabPlace(text) ?? "/", jail) === undefined ? [] : [{ line: index + 1, text, where }];
  });
}

/** Removes the line of addProcLine from `etc`/fstab. True if there was one. */
export function removeProcLine(
  jail: ByteString,
  etc: ByteString = "/etc",
  registry: ByteString = REGISTRY,
): boolean {
  const change = (fstab: ByteString) => withoutProcLine(fstab, jail);
  return withTree((root) => changeFstab(root, change, procOutByHand(jail), registry), etc);
}

const procOutByHand = (jail: ByteString) => `take the line for ${display(jail)}/proc out by hand`;

/** Throws the JailkitError or SystemError with which removeProcLine would fail. */
export function requireNoProc(jail: ByteString): void {
  requireFstab((fstab) => withoutProcLine(fstab, jail), procOutByHand(jail));
}

/** Throws the JailkitError or SystemError with which unregisterLogSocket would fail. */
export function requireNoLogSocket(jail: ByteString): void {
  const { isOurs, path } = logSocketSections(jail);
  // What the administrator has written is not changed.
  if (isOurs) requireReplaceable(CONFIG_DIRECTORY + path);
}

/** Says what fstab(5) mounts in a jail by lines of others, with a remedy; undefined for nothing. Throws SystemError. */
export function stillMounted(jail: ByteString): string | undefined {
  const left = foreignMounts(fstabText(), jail);
  if (left.length === 0) return undefined;
  const mounts = left.map(({ line, where }) => `${display(unescaped(where))} (line ${line})`).join(", ");
  return `${FSTAB} still mounts something in the jail: ${mounts}; if that is not wanted any more: ${commentOut(left.map(({ text }) => text))}`;
}

/** Unmounts proc(5) from /proc of the jail, however often it is mounted there. True if it was. Throws JailkitError "proc-busy". */
function unmountJailProc(root: JailRoot): boolean {
  for (let count = 0; count < MOST_MOUNTS; count++) {
    // The last one is on the others.
    if (jailMounts(root.path).find(({ path }) => path === "/proc")?.type !== "proc") return count > 0;
    try {
      unmountInJail(root, "/proc");
    } catch (error) {
      if (!isErrno(error, "EBUSY")) throw error;
      const remedy = `jk_list -j ${shellWord(root.path)}`;
      const message = `${display(root.path)}/proc: is in use; end the processes in the jail first (see: ${remedy})`;
      throw new JailkitError("proc-busy", 1, message);
    }
  }
  throw new JailkitError("mounts", 1, `${display(root.path)}/proc: something keeps mounting there`);
}

/** Takes proc out of a jail, and its line out of fstab(5). Throws JailkitError, SystemError. */
export function removeProc(root: JailRoot, say: (line: ByteString) => void): void {
  const proc = `${display(root.path)}/proc`;
  requireNoProc(root.path);
  if (unmountJailProc(root)) say(`unmounted proc from ${proc}`);
  if (removeProcLine(root.path)) say(`removed the line for ${proc} from /etc/fstab`);
}

/** Throws JailkitError if the lines of fstab(5) for a jail would not go. */
export function requireNoLines(jail: ByteString): void {
  const closed = foreseen(jail, "fstab", () => {
    requireNoProc(jail);
    requireNoLiveLines(jail);
  });
  if (closed !== undefined) throw errorOf(closed);
}

/** Removes the drop-in of jk_init for the socket JAIL/dev/log in jk_socketd. Returns its path. */
export function unregisterLogSocket(
  jail: ByteString,
  directory: ByteString = CONFIG_DIRECTORY,
): ByteString | undefined {
  const { isOurs, path } = logSocketSections(jail, directory);
  return isOurs && removeDropIn(directory, path) ? directory + path : undefined;
}

/** Says where files of the administrator, which are never changed, name the socket JAIL/dev/log, with a remedy. */
export function stillServed(jail: ByteString, directory: ByteString = CONFIG_DIRECTORY): string | undefined {
  const { isOurs, path, sections } = logSocketSections(jail, directory);
  const others = sections.filter(({ file }) => !isOurs || file !== directory + path);
  const ini = others.length === 0 ? undefined : loadConfig(`${directory}/jk_socketd.ini`, { dialect: "c" });
  if (ini === undefined) return undefined;
  const places = others.map(({ file, line }) => `${display(file)}:${line}`);
  const [verb, what] = places.length === 1 ? ["names", "section"] : ["name", "sections"];
  const remedy = others.map((section) => disableSection(section, ini)).join(" && ");
  return `${places.join(" and ")} still ${verb} ${display(jail)}/dev/log; take the ${what} out with: ${remedy}`;
}
