import type { ByteString } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import { JailkitError, problemFrom } from "../cli/error.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import type { IniFile } from "../config/model.ts";
import type { ManifestRequest } from "../jail/record/manifest.ts";
import type { Loader } from "../libraries/closure.ts";
import { type WantedAccounts, wantedAccounts } from "../populate/apply/accounts.ts";
import type { PopulateProblem, Want } from "../populate/entry.ts";
import type { FileSystem } from "../populate/file-system.ts";
import { type Profile, readProfile } from "./profile.ts";
import { selectSections } from "./sections.ts";

/** All requests of a jail's record, read again today. */
export interface Recipe {
  readonly wants: readonly Want[];
  readonly accounts: WantedAccounts;
  /** Sockets of the host, as sections name them. */
  readonly sockets: readonly ByteString[];
  readonly needProc: boolean;
  readonly needLogsocket: boolean;
  /** The sections and operands that were read, with the sections that they include. */
  readonly resolved: ReadonlySet<ByteString>;
  /** Those of them whose files should be hard links. */
  readonly linked: ReadonlySet<ByteString>;
  /** Requests that cannot be repeated, such as for a missing section. */
  readonly problems: readonly PopulateProblem[];
  readonly warnings: readonly string[];
}

/** The section of the want that creates the directory of the log socket. */
const LOG_SOCKET_SECTION = "need_logsocket";

/** The directory of the log socket. */
export const logSocketDirectory: Want = {
  pattern: "/dev",
  written: LOG_SOCKET_SECTION,
  section: LOG_SOCKET_SECTION,
  keepOwner: false,
  keepSetuid: false,
  glob: false,
  kind: "empty-directory",
};

/** The want of an operand of jk_cp. */
export function copyWant(path: ByteString, options: { owner: boolean; setuid: boolean }): Want {
  return {
    pattern: path,
    written: path,
    section: path,
    keepOwner: options.owner,
    keepSetuid: options.setuid,
    glob: false,
    kind: "any",
  };
}

/**
 * Reads the requests of a jail again: sections of jk_init as their files are today, operands of jk_cp. A request that
 * cannot be read becomes a problem.
 */
export function readRecipe(requests: readonly ManifestRequest[], host: FileSystem, loader: Loader): Recipe {
  const reader = new RecipeReader(host, loader);
  for (const request of requests) reader.add(request);
  return reader.recipe();
}

class RecipeReader {
  private readonly wants: Want[] = [];
  private readonly profiles: Profile[] = [];
  private readonly resolved = new Set<ByteString>();
  private readonly linked = new Set<ByteString>();
  private readonly problems: PopulateProblem[] = [];
  private readonly warnings = new Set<string>();
  private readonly files = new Map<ByteString, IniFile>();

  constructor(
    private readonly host: FileSystem,
    private readonly loader: Loader,
  ) {}

  add(request: ManifestRequest): void {
    try {
      if (request.tool === "jk_init") this.addSections(request);
      else if (request.tool === "jk_cp") this.addOperands(request);
    } catch (error) {
      const asked = request.sections.map(quoted).join(", ");
      const before = `what was asked for as ${asked} cannot be read again: `;
      const problem = problemFrom(error, "request", request.sections[0] ?? "", before);
      this.problems.push({ ...problem, code: "request" });
    }
  }

  recipe(): Recipe {
    const { profiles, resolved, linked, problems } = this;
    const all = (key: "users" | "groups" | "sockets") => [
      ...new Set(profiles.flatMap((profile) => profile[key])),
    ];
    return {
      // Each want once.
      wants: [...new Map(this.wants.map((want) => [JSON.stringify(want), want])).values()],
      accounts: wantedAccounts(all("users"), all("groups")),
      sockets: all("sockets"),
      needProc: profiles.some(({ needProc }) => needProc),
      needLogsocket: profiles.some(({ needLogsocket }) => needLogsocket),
      resolved,
      linked,
      problems,
      warnings: [...this.warnings],
    };
  }

  private addSections({ sections: names, options }: ManifestRequest): void {
    const { configfile } = options;
    const file = typeof configfile === "string" ? configfile : `${CONFIG_DIRECTORY}/jk_init.ini`;
    const selection = selectSections(this.configuration(file), names);
    for (const name of selection.unknown) {
      const message = `section ${quoted(name)}, which is in the record of the jail, does not exist in ${display(file)}`;
      this.problems.push({ code: "no-such-section", path: name, message });
    }
    for (const warning of selection.warnings) this.warnings.add(warning);
    const { sections } = selection;
    const copyShell = options["copy-shell"] === true;
    const profile = readProfile(sections, this.host, this.loader.libraryDirectories(), copyShell);
    this.profiles.push(profile);
    this.wants.push(...profile.wants);
    if (profile.needLogsocket) {
      this.wants.push(logSocketDirectory);
      this.resolved.add(LOG_SOCKET_SECTION);
    }
    for (const { name } of sections) this.resolve(name, options);
  }

  private resolve(name: ByteString, { hardlink }: ManifestRequest["options"]): void {
    this.resolved.add(name);
    if (hardlink === true) this.linked.add(name);
  }

  private addOperands({ operands, options }: ManifestRequest): void {
    for (const path of operands) {
      this.wants.push(copyWant(path, { owner: options.owner === true, setuid: options.setuid === true }));
      this.resolve(path, options);
    }
  }

  private configuration(file: ByteString): IniFile {
    return this.files.getOrInsertComputed(file, () => {
      const read = loadConfig(file, { dialect: "py" });
      if (read === undefined) throw new JailkitError("no-config", 1, `${display(file)}: no such file`);
      return read;
    });
  }
}
