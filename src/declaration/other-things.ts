import type { ByteString } from "../../ffi/bytes.ts";
import { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../../ffi/constants.ts";
import { entriesOf, isEmptyDirectory, openAt, withFd } from "../../ffi/files.ts";
import { quoted } from "../cli/display.ts";
import { answered, JailkitError } from "../cli/error.ts";
import { operands } from "../cli/shell-word.ts";
import { isStrict } from "../jail/fs/strict.ts";
import { type JailRoot, namedError } from "../jail/fs/walk.ts";
import { openManifest } from "../jail/record/manifest.ts";
import { openNamedJail } from "../jail/record/named-jail.ts";

// Besides the strict ones: what a jail may have that nothing has put there.
const OF_JAILS: readonly ByteString[] = ["boot", "home", "lost+found", "media", "mnt", "srv", "tmp", "var"];

/**
 * Throws JailkitError for a jail that has at its top what no jail has and no record tells of, such as the dumps in a directory
 * that became a jail: it is deleted on purpose only, since all of it goes. Files of users are not looked for.
 */
export function requireNothingElse(jail: ByteString): void {
  using root = openNamedJail(jail);
  const known = recordedNames(root);
  const isKnown = (name: ByteString) => isStrict(name) || OF_JAILS.includes(name) || known.has(name);
  const other = namesIn(root).find((name) => !isKnown(name) && !isEmpty(root, name));
  if (other === undefined) return;
  const shown = operands(jail);
  const message = `it holds other things, such as ${quoted(other)}; keep all of it as it is with: jailkit forget ${shown}`;
  throw new JailkitError("holds-other-things", 1, message);
}

/** The names at the top of a jail that its record tells of; none if it cannot be read. */
function recordedNames(root: JailRoot): ReadonlySet<ByteString> {
  const content = answered(() => openManifest(root).content);
  const paths = [...(content?.entries.keys() ?? []), ...(content?.live ?? []), ...(content?.sockets ?? [])];
  return new Set(paths.map((path) => path.split("/")[1] ?? ""));
}

const isEmpty = (root: JailRoot, name: ByteString): boolean =>
  answered(() => withFd(openAt(root.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), isEmptyDirectory)) ??
  false;

function namesIn(root: JailRoot): ByteString[] {
  try {
    return entriesOf(root.fd)
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    throw namedError(error, root.path);
  }
}
