import type { ByteString } from "../../ffi/bytes.ts";
import { plainPath } from "../../ffi/paths.ts";
import { isReported, problemFrom } from "../cli/error.ts";
import { disableSection } from "../config/fixes.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import type { IniFile } from "../config/model.ts";
import type { JailedUser } from "../jail/accounts/jailed-users.ts";
import { type DamagedRecord, readRegistry } from "../jail/record/manifest.ts";

/** A section of a config file about a jail. */
export interface JailSection {
  readonly jail: ByteString;
  readonly file: ByteString;
  readonly line: number;
  /** The command that makes it a comment. */
  readonly remedy: () => ByteString;
}

/** Gets the error of a configuration file that is passed over for it, and its path. */
export type OnBadFile = (error: unknown, file: ByteString) => void;

const refuseBadFile: OnBadFile = (error) => {
  throw error;
};

/** Collects these errors, each once. Any other is thrown. */
export function collectingBadFiles() {
  const problems = new Map<ByteString, ReturnType<typeof problemFrom>>();
  const badFile: OnBadFile = (error, file) => {
    if (!isReported(error)) throw error;
    problems.set(file, problemFrom(error, "config-unreadable", file));
  };
  return { badFile, problems };
}

/** The sections of jk_update.ini and jk_check.ini that are about jails. Throws what `badFile` throws. */
export function jailSections(badFile = refuseBadFile): JailSection[] {
  const files = ["jk_update.ini", "jk_check.ini"].map((name) => `${CONFIG_DIRECTORY}/${name}`);
  return files.flatMap((path) => {
    let ini: IniFile | undefined;
    try {
      ini = loadConfig(path, { dialect: "py" });
    } catch (error) {
      badFile(error, path);
    }
    if (ini === undefined) return [];
    const whole = ini;
    return whole.sections.flatMap((section) => {
      const { name, file, line } = section;
      if (!name.startsWith("/")) return [];
      return [{ jail: plainPath(name), file, line, remedy: () => disableSection(section, whole) }];
    });
  });
}

/** The known jails, and the records that cannot be used. */
interface KnownJails {
  readonly paths: readonly ByteString[];
  readonly damaged: readonly DamagedRecord[];
}

/** All known jails: of the registry, of users, and of configuration files. */
export function allKnownJails(users: readonly JailedUser[], badFile?: OnBadFile): KnownJails {
  const sections = jailSections(badFile).map(({ jail }) => jail);
  const others = [...users.flatMap(({ jail }) => jail ?? []), ...sections];
  const { jails, damaged } = readRegistry(others);
  const recorded = [
    ...jails.map(({ jail }) => jail.path),
    ...damaged.flatMap(({ error }) => error.jail ?? []),
  ];
  return { paths: [...new Set([...recorded, ...others])].sort(), damaged };
}

/** The jails that are named, all if there are none, and the damaged records that may concern them. */
export function namedOrKnown(
  named: readonly ByteString[],
  users: readonly JailedUser[],
  badFile?: OnBadFile,
): KnownJails {
  const known = allKnownJails(users, badFile);
  if (named.length === 0) return known;
  const damaged = known.damaged.filter(({ error }) => error.jail !== undefined && named.includes(error.jail));
  return { paths: named, damaged };
}
