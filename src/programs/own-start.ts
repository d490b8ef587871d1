import type { ByteString } from "../../ffi/bytes.ts";
import { baseName } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import type { Recognised } from "./recognise.ts";
import { startsOf } from "./starts.ts";
import type { ProgramWarning } from "./warnings.ts";

/** What the file of a program shows of what it starts before it serves. */
export type OwnStart =
  /** A script; `lookedUp` is what env(1) is to start, where that is the interpreter. */
  | { kind: "script"; interpreter: ByteString; lookedUp: ByteString | undefined }
  /** Made by PyInstaller: it starts itself a second time. */
  | { kind: "unpacks" };

const SHELLS = "sh bash rbash dash ash ksh ksh93 mksh zsh busybox".split(" ");
const FREE = "or, which frees all servers of the section, write execute = system, /usr/bin";

/**
 * Why the program at `path`, which the kernel holds to what its row of the table has, cannot serve. `certain`: whatever
 * it does; else only if it starts another program. Undefined where nothing is in its way.
 */
export function ownStartWarning(
  path: ByteString,
  { rows }: Recognised,
  start: OwnStart | undefined,
): (ProgramWarning & { certain: boolean }) | undefined {
  const starts = startsOf(rows);
  if (starts === undefined || start === undefined) return undefined;
  const fails = (why: string, remedy: string, certain = true) => ({
    message: `${quoted(path)} ${certain ? "cannot work" : "works only if it starts no other program"}: ${why}`,
    remedy: `${remedy}; ${FREE}`,
    certain,
  });
  if (start.kind === "unpacks") {
    const why = "it is made by PyInstaller and starts itself a second time, which is refused";
    return fails(why, "put one there that is made otherwise, such as that of the distribution");
  }
  const { interpreter, lookedUp = "another program" } = start;
  if (baseName(interpreter) === "env") {
    const why = `its first line lets ${quoted(interpreter)} start ${quoted(lookedUp)}, which is refused`;
    const remedy = `name that program itself in the first line, as #!/usr/bin/${display(baseName(lookedUp))} would`;
    return fails(why, remedy);
  }
  const instead = "list the program that it starts in its place";
  if (starts.length > 0) {
    return fails(`it is a script of ${quoted(interpreter)}, which may not be executed`, instead);
  }
  if (!SHELLS.includes(baseName(interpreter))) return undefined;
  return fails("it is a shell script, and may itself execute nothing", instead, false);
}
