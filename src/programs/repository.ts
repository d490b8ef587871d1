import type { ByteString } from "../../ffi/bytes.ts";
import { S_IFDIR, S_IFMT, S_IFREG } from "../../ffi/constants.ts";
import type { ProgramFiles } from "./program.ts";

type Kind = "directory" | "file" | "missing" | "changeable";

/** What stands at an absolute path, if root alone can change that and the way to it; a link is changeable. */
function kindOf(path: ByteString, files: ProgramFiles): Kind {
  const parts = path.split("/").slice(1);
  let kind: Kind = "missing";
  for (let i = 0; i <= parts.length; i++) {
    const found = files.look(`/${parts.slice(0, i).join("/")}`);
    if (found === undefined) return "missing";
    const type = found.mode & S_IFMT;
    if (found.uid !== 0 || (found.mode & 0o022) !== 0) return "changeable";
    if (type === S_IFDIR) kind = "directory";
    else if (type === S_IFREG && i === parts.length) kind = "file";
    else return "changeable";
  }
  return kind;
}

// Where git(1) looks for what it is told, and what in a repository can name programs or another repository.
const PLACES = ["", "/.git", ".git", ".git/.git"];
const FILES = ["config", "config.worktree", "info/attributes"];

/**
 * Whether root alone can change which programs the configuration of a git repository names: the repository, and the
 * files that count, are reached through directories and are files that nobody else can write. Objects and references
 * may be anybody's. False for what git would search for otherwise: a relative path, `~`, a file in the place of .git.
 */
export function isRootsRepository(path: ByteString, files: ProgramFiles): boolean {
  const plain = path.replace(/\/+$/, "");
  if (
    !plain.startsWith("/") ||
    plain
      .split("/")
      .slice(1)
      .some((part) => /^\.{0,2}$/.test(part))
  )
    return false;
  const kinds = PLACES.map((place): [ByteString, Kind] => [plain + place, kindOf(plain + place, files)]);
  if (kinds.some(([, kind]) => kind !== "directory" && kind !== "missing")) return false;
  const repositories = kinds.flatMap(([place, kind]) => (kind === "directory" ? [place] : []));
  const isSafe = (place: ByteString) =>
    kindOf(`${place}/commondir`, files) === "missing" &&
    ["directory", "missing"].includes(kindOf(`${place}/info`, files)) &&
    FILES.every((name) => ["file", "missing"].includes(kindOf(`${place}/${name}`, files)));
  return repositories.length > 0 && repositories.every(isSafe);
}
