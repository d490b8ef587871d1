import type { ByteString } from "../../ffi/bytes.ts";
import { isMissing } from "../../ffi/files.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { loadConfig } from "../config/load.ts";
import { type Fix, findEntry, keyPlace } from "../config/model.ts";
import { isListItem } from "../config/text.ts";
import { bringAdvice } from "../declaration/bring.ts";
import { DECLARED } from "../declaration/compare/intent.ts";
import type { ReportMachine } from "../declaration/machine-findings.ts";
import type { DeclaredJail, DeclaredUser } from "../declaration/model.ts";
import { isChrootShell, isLimitedShell } from "../jail/accounts/jailed-users.ts";
import { lookUp } from "../jail/fs/look.ts";
import { openJailRoot } from "../jail/fs/walk.ts";
import { createLoader } from "../libraries/closure.ts";
import { RootView } from "../libraries/root-view.ts";
import { emptyFileSystem, fileSystemAt } from "../populate/file-system.ts";
import { makePlan } from "../populate/plan/plan.ts";
import { installedCompanions } from "../profile/companions.ts";
import { readProfile } from "../profile/profile.ts";
import { copyWant } from "../profile/recipe.ts";
import { searchPath } from "../profile/search.ts";
import { selectSections } from "../profile/sections.ts";
import { below } from "../system/mountinfo.ts";
import { SECTIONS_FILE } from "../transfer/sections.ts";
import { bringBack, isProgram, isProgramHere, noAccountFiles, noShellIn } from "../users/open-jail.ts";

const PASSWD = "/etc/passwd";

/** What is declared of a jail. */
type Contents = Pick<DeclaredJail, "path" | "sections" | "files" | "live">;

/** Whether a jail gets a path by its declaration. */
type Brings = (path: ByteString) => boolean;

/** Finds shells that a jail neither has nor gets. Jails with the same contents are planned once. */
export class ShellLint {
  readonly #host = fileSystemAt();
  readonly #view = new RootView();
  readonly #brings = new Map<string, Brings | undefined>();
  readonly #things = new Map<string, ReturnType<typeof thingAt> | undefined>();

  /**
   * Reports a user for whom the jail has no account files, or whose shell it lacks, if nothing that is declared of it brings these;
   * and a shell that is no program. `jail`: undefined if the same files do not declare it.
   */
  lint(
    { jail: path, shell, place: { section } }: DeclaredUser,
    jail: DeclaredJail | undefined,
    report: ReportMachine,
  ): void {
    if (section === undefined) return;
    // jk_init writes them, whatever it brings.
    const isBare = jail !== undefined && jail.sections.length + (jail.live ?? []).length === 0;
    const hasNone = isBare && this.#thingAt(path, PASSWD) === "nothing";
    if (hasNone && this.#lacks(jail, PASSWD)) {
      const { message } = answered(() => noAccountsIn(path)) ?? noAccountFiles(path, DECLARED, undefined);
      report(keyPlace(section, "jail"), "error", "not-in-jail", message, { kind: "none" });
    }
    if (findEntry(section, "shell") === undefined || !shell.startsWith("/") || isLimitedShell(shell)) return;
    const at = keyPlace(section, "shell");
    const found = this.#thingAt(path, shell);
    const isOther = found === "nothing" && jail !== undefined && !isProgramHere(shell);
    if (found === "nothing" && isMissing(shell)) {
      const message = `${quoted(shell)} does not exist, neither in the jail nor on this machine`;
      report(at, "error", "no-such-path", message, { kind: "none" });
    } else if (found === "other" || isOther) {
      report(at, "error", "not-executable", `${quoted(shell)} is not a program`, { kind: "none" });
    } else if (found === "nothing" && jail !== undefined && this.#lacks(jail, shell)) {
      const { message } = noShellIn(path, shell, DECLARED, undefined);
      report(at, "error", "not-in-jail", message, fixIn(jail, shell, at.file));
    }
  }

  /** As thingAt; undefined if it is not known. Thousands of users have few shells. */
  #thingAt(jail: ByteString, path: ByteString): ReturnType<typeof thingAt> | undefined {
    return this.#things.getOrInsertComputed(`${jail}\0${path}`, () => answered(() => thingAt(jail, path)));
  }

  /** True if it is known that a jail does not get a file of this machine. */
  #lacks(contents: Contents, path: ByteString): boolean {
    return answered(() => this.#comes(contents, path)) === false;
  }

  /** Whether it gets one; undefined if that is not known. Throws JailkitError. */
  #comes(contents: Contents, path: ByteString): boolean | undefined {
    const { sections, files, live = [] } = contents;
    const real = this.#view.realPath(path) ?? path;
    if (live.some((directory) => below(real, directory) !== undefined)) return true;
    const key = JSON.stringify([sections, files, live]);
    const brings = this.#brings.getOrInsertComputed(key, () => this.#bringsOf(contents));
    return brings && (brings(path) || brings(real));
  }

  /** Undefined if a section or a file does not exist: it may be a misspelt one that brings the shell. Throws JailkitError. */
  #bringsOf({ path, sections, files, live = [] }: Contents): Brings | undefined {
    const ini = loadConfig(SECTIONS_FILE, { dialect: "py" });
    const selection = ini && selectSections(ini, sections);
    const operands = files.map((file) => (file.includes("/") ? file : searchPath(this.#host, file)));
    const isWhole = operands.every((file) => file !== undefined && this.#host.lstat(file) !== undefined);
    if (selection === undefined || selection.unknown.length > 0 || !isWhole) return undefined;
    using loader = createLoader({ dlopen: true });
    const profile = readProfile(selection.sections, this.#host, loader.libraryDirectories(), false);
    const options = { owner: false, setuid: false };
    const wants = [
      ...profile.wants,
      ...operands.flatMap((file) => (file === undefined ? [] : copyWant(file, options))),
    ];
    const named = new Set(wants.map(({ pattern }) => this.#view.realPath(pattern)));
    const all = { host: this.#host, jail: emptyFileSystem, jailPath: path, force: false, live, wants };
    let paths: ReadonlySet<ByteString> | undefined;
    return (wanted) => {
      // Nearly always; a plan takes a while.
      if (named.has(wanted)) return true;
      paths ??= planned(all);
      return paths.has(wanted);
    };
  }
}

/** What a jail has at a path. "lost": nothing any more, which is not the fault of a declaration. */
function thingAt(jail: ByteString, path: ByteString): "program" | "other" | "nothing" | "lost" {
  if (isMissing(jail)) return "nothing";
  using root = openJailRoot(jail);
  const found = lookUp(root, path, { follow: true });
  if (found !== undefined) return isProgram(found.stat) ? "program" : "other";
  return bringBack(root, path) === undefined ? "nothing" : "lost";
}

/** As noAccountFiles: a directory that is there may have other things in it, so that it is to be no jail. */
function noAccountsIn(jail: ByteString) {
  if (isMissing(jail)) return undefined;
  using root = openJailRoot(jail);
  return noAccountFiles(jail, DECLARED, root);
}

/** The paths of a plan. */
function planned(
  input: Omit<Parameters<typeof makePlan>[0], "loader" | "companions">,
): ReadonlySet<ByteString> {
  using loader = createLoader({ dlopen: true });
  const { entries } = makePlan({ ...input, loader, companions: installedCompanions(input.host, loader) });
  return new Set(entries.map(({ path }) => path));
}

/** A jail without the key 'files' gets one. No jail has the program that leads into jails. */
function fixIn(jail: DeclaredJail, shell: ByteString, file: ByteString): Fix {
  const { path, place } = jail;
  if (isChrootShell(shell)) return { kind: "none" };
  const isFree = place.section !== undefined && findEntry(place.section, "files") === undefined;
  return isFree && place.file === file && isListItem(shell)
    ? { kind: "in-section", section: `jail ${path}`, lines: [`files = ${shell}`] }
    : { kind: "command", text: bringAdvice(jail, { key: "files", item: shell, places: [shell] }) };
}
