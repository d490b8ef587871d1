import type { ByteString } from "../../ffi/bytes.ts";
import { pathComponents } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { loadConfig } from "../config/load.ts";
import type { IniFile } from "../config/model.ts";
import { openJailState } from "../declaration/compare/look.ts";
import { Machine } from "../declaration/compare/machine.ts";
import { takenOut } from "../declaration/list-fixes.ts";
import type { ReportMachine } from "../declaration/machine-findings.ts";
import type { DeclaredJail } from "../declaration/model.ts";
import { itemsOf } from "../declaration/section.ts";
import { isDirectory } from "../jail/fs/walk.ts";
import { createLoader } from "../libraries/closure.ts";
import { hasMagic } from "../libraries/pattern.ts";
import { fileSystemAt } from "../populate/file-system.ts";
import { forbiddenTrees, jailTrees } from "../populate/plan/forbidden.ts";
import { createGlob } from "../populate/plan/glob.ts";
import { nothingFound } from "../populate/request-plan.ts";
import { readProfile } from "../profile/profile.ts";
import { selectSections } from "../profile/sections.ts";
import { SECTIONS_FILE } from "../transfer/sections.ts";

const host = fileSystemAt();
const glob = createGlob(host);

/** The paths and patterns of the files of which a section needs one; undefined if it needs none. Throws JailkitError. */
function filesOf(section: ByteString, ini: IniFile | undefined): readonly ByteString[] | undefined {
  if (ini?.sections.some(({ name }) => name === section) !== true) return undefined;
  const selected = selectSections(ini, [section]).sections.filter(({ name }) => name === section);
  using loader = createLoader({ dlopen: true });
  const { needFiles, wants } = readProfile(selected, host, loader.libraryDirectories(), false);
  return needFiles.has(section)
    ? wants.flatMap(({ kind, pattern }) => (kind === "any" ? pattern : []))
    : undefined;
}

/**
 * True if only root can bring a file of a section to this machine, or take the last one away. `isOwn`: of a path that only root
 * can lead elsewhere. Throws JailkitError.
 */
export function isSectionOfRoot(section: ByteString, isOwn: (path: ByteString) => boolean): boolean {
  const isOwnBelow = (at: ByteString, [next, ...rest]: readonly ByteString[]): boolean => {
    if (next === undefined) return isOwn(at);
    const path = `${at}/${next}`;
    if (!hasMagic(next)) return isOwnBelow(path, rest);
    return isOwn(path) && glob(path).every((one) => isOwnBelow(one, rest));
  };
  const ini = loadConfig(SECTIONS_FILE, { dialect: "py" });
  return (filesOf(section, ini) ?? []).every((pattern) => isOwnBelow("", pathComponents(pattern)));
}

/** Reports what a jail cannot get: sections of which this machine has no file, and directories that are never copied. */
export class ContentLint {
  readonly #missing = new Map<ByteString, boolean | undefined>();
  readonly #machine = new Machine();

  lint(jail: DeclaredJail, report: ReportMachine): void {
    const { path, place } = jail;
    if (place.section === undefined) return;
    for (const item of itemsOf(place.section, "sections")) {
      const { value } = item;
      if (!this.#isMissing(value) || !this.#lacks(path, "sections", value)) continue;
      const { message } = nothingFound(value);
      report(item, "error", "nothing-found", message, { kind: "none" });
    }
    for (const item of itemsOf(place.section, "files")) {
      const { value } = item;
      const why = answered(() => refusal(path, value));
      if (why === undefined || !this.#lacks(path, "files", value)) continue;
      report(item, "error", "refused-source", `${quoted(value)} is refused: ${why}`, takenOut(item));
    }
  }

  /** Many jails have the same. */
  #isMissing(section: ByteString): boolean {
    return (
      this.#missing.getOrInsertComputed(section, () =>
        answered(() => filesOf(section, this.#machine.sections())?.every((pattern) => !isThere(pattern))),
      ) ?? false
    );
  }

  /** True if a jail gets it when apply runs: what it has it keeps. */
  #lacks(jail: ByteString, of: "sections" | "files", item: ByteString): boolean {
    return (
      answered(() => {
        const { state, root } = openJailState(jail, this.#machine);
        root?.[Symbol.dispose]();
        if (state.fault !== undefined) return false;
        return !state.exists || state.emptied || state.unfinished.has(item) || !state[of].has(item);
      }) ?? false
    );
  }
}

const isThere = (pattern: ByteString): boolean =>
  host.lstat(pattern) !== undefined || (hasMagic(pattern) && glob(pattern).length > 0);

/** Why an operand of jk_cp is never copied; undefined if it may be, or is no directory. */
function refusal(jail: ByteString, operand: ByteString): string | undefined {
  const stat = operand.includes("/") ? host.lstat(operand) : undefined;
  if (stat === undefined || !isDirectory(stat)) return undefined;
  return forbiddenTrees(host, jailTrees(host, jail))(stat);
}
