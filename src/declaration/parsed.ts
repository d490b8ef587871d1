import { type ByteString, fromBytes, toBytes, utf8 } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { readAllFd, statAt } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { answered } from "../cli/error.ts";
import { VERSION } from "../cli/version.ts";
import type { ConfigSource } from "../config/source.ts";
import { withJailFile, withTree } from "../jail/fs/look.ts";
import { putFile } from "../jail/fs/write.ts";
import { makeOwnDirectory } from "../jail/record/registry.ts";
import { STATE_DIRECTORY } from "../jail/record/state-directory.ts";
import type { Parsed, ParsedCache } from "./read.ts";

/** What the declarations say that were read last. Only root can read it. */
export const PARSED_FILE = `${STATE_DIRECTORY}/parsed.json`;

const LARGEST = 1 << 26;

/**
 * That of this machine: thousands of sections are checked once, and not every quarter of an hour. The content of the files is
 * compared, as are their names and this program; their times are not trusted. `keeps`: the run may change something.
 */
export const parsedCache = (keeps: boolean): ParsedCache => ({
  find: (sources) => answered(() => read(headOf(sources))),
  ...(keeps && { keep }),
});

const keep: ParsedCache["keep"] = (sources, parsed) =>
  answered(() => {
    const content = headOf(sources) + parsedText(parsed);
    if (content.length > LARGEST) return;
    const attributes = { uid: libc.geteuid(), gid: libc.getegid(), mode: 0o600 };
    withTree((tree) => {
      makeOwnDirectory(tree, `${STATE_DIRECTORY}/jails`);
      putFile(tree, PARSED_FILE, toBytes(content), attributes, { replace: true });
    });
  });

/** The first line of the file. */
function headOf(sources: readonly ConfigSource[]): ByteString {
  const hash = new Bun.CryptoHasher("sha256");
  // Another program may check otherwise.
  const { devMajor, devMinor, ino, size, mtime } = statAt(AT_FDCWD, "/proc/self/exe", true);
  hash.update(JSON.stringify([VERSION, devMajor, devMinor, `${ino}`, size, `${mtime}`]));
  for (const { file, bytes } of sources) {
    hash.update(JSON.stringify([file, bytes.length]));
    hash.update(bytes);
  }
  return `${hash.digest("hex")}\n`;
}

function read(head: ByteString): Parsed | undefined {
  const bytes = withTree((tree) =>
    withJailFile(
      tree,
      PARSED_FILE,
      (fd, { stat: { uid, mode, size } }) =>
        uid === libc.geteuid() && (mode & 0o022) === 0 ? readAllFd(fd, LARGEST, size) : undefined,
      { follow: false },
    ),
  );
  if (bytes === undefined || fromBytes(bytes, 0, head.length) !== head) return undefined;
  return parsedFrom(bytes.subarray(head.length));
}

/** The text of what is kept. Pure. */
export const parsedText = (parsed: Parsed): ByteString => `${utf8(JSON.stringify(parsed))}\n`;

/** What it says; undefined if it is damaged. Pure. */
export function parsedFrom(bytes: Uint8Array): Parsed | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
