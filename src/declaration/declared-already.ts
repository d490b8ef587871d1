import type { ByteString } from "../../ffi/bytes.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import { dropInDirectory, mergeFiles } from "../config/load.ts";
import type { Place } from "../config/model.ts";
import { scanIni } from "../config/scan.ts";
import { RootView } from "../libraries/root-view.ts";
import type { Declaration } from "./model.ts";
import { declarationIn, readDeclarationSources } from "./read.ts";

/**
 * Why a jail of a declaration cannot be in a new file of a directory, by its path: a file that `jailkit apply` reads
 * together with it has a section of the same name, which is an error for all of them. Without those that can. Throws as
 * readConfigSources does.
 */
export function declaredAlready(
  { jails, users }: Pick<Declaration, "jails" | "users">,
  directory: ByteString,
): ReadonlyMap<ByteString, string> {
  using host = new RootView();
  const place = host.realPath(directory) ?? directory;
  const beside = directoryOf(place);
  if (dropInDirectory(`${beside}/jails.ini`) !== place) return new Map();
  const sources = readDeclarationSources(beside);
  const parts = sources.map(({ bytes, file }) => scanIni(bytes, file, "plain"));
  // What one of them has by mistake is an error there, and no reason.
  const { declaration } = declarationIn(mergeFiles(parts, place, "plain"));
  const jailsThere = new Map(declaration.jails.map((jail) => [jail.path, jail.place]));
  const usersThere = new Map(declaration.users.map((user) => [user.name, user.place]));
  const faults = new Map<ByteString, string>();
  const add = (path: ByteString, what: string, there: Place | undefined) => {
    if (there !== undefined)
      faults.getOrInsert(path, `${display(there.file)}:${there.line} declares ${what}`);
  };
  for (const { path } of jails) add(path, "it", jailsThere.get(path));
  for (const { name, jail } of users) add(jail, `its user ${quoted(name)}`, usersThere.get(name));
  return faults;
}
