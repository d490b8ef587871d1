import type { ByteString } from "../../ffi/bytes.ts";
import { PROGRAMS } from "../programs/table.ts";
import { RootView } from "./root-view.ts";

const DIRECTORIES =
  "/usr/bin /usr/local/bin /usr/lib/openssh /usr/libexec/openssh /usr/lib/ssh /usr/libexec".split(" ");
const LARGEST = 1 << 26;

/**
 * The known server, of the host or below `root`, that has the same bytes as the program at a path below `root`, which is
 * then a copy under another name. Throws SystemError.
 */
export function copyOfKnown(root: ByteString, path: ByteString): ByteString | undefined {
  using view = new RootView(root);
  using host = new RootView();
  const sizeOf = (where: RootView, file: ByteString) => where.withFile(file, (_, { size }) => size);
  const size = sizeOf(view, path);
  const bytes = size === 0 ? undefined : view.readFile(path, LARGEST);
  if (bytes === undefined) return undefined;
  const isCopyOf = (where: RootView, known: ByteString) => {
    const others = sizeOf(where, known) === size ? where.readFile(known, LARGEST) : undefined;
    return others !== undefined && Buffer.compare(bytes, others) === 0;
  };
  const names = PROGRAMS.flatMap((program) => program.names);
  const servers = DIRECTORIES.flatMap((directory) => names.map((name) => `${directory}/${name}`));
  return servers.find((known) => [view, host].some((where) => isCopyOf(where, known)));
}
