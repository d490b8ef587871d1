import type { ByteString } from "../../ffi/bytes.ts";
import { S_IFDIR, S_IFMT, S_IFREG } from "../../ffi/constants.ts";
import type { ProgramFiles } from "./program.ts";

type Kind = "directory" | "file" | "missing" | "changeable";

/** The kind of file at an absolute path; "changeable" if users other than root can change it or the way to it, or for a symbolic link. */
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

// Where git(1) looks for a repository, and files in it that can name programs or another repository.
const PLACES = ["", "/.git", ".git", ".git/.git"];
const FILES = ["config", "config.worktree", "info/attributes"];

/**
 * True if only root can change the programs that the configuration of a git repository names: nobody else can write the
 * repository, its configuration files and the directories above. Objects and references may belong to anybody. False for
 * paths that git would search for in another way: relative ones, `~`, a file instead of .git.
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
