import type { ByteString } from "../../ffi/bytes.ts";
import { close } from "../../ffi/files.ts";
import { PROGRAMS } from "../programs/table.ts";
import { createRootView, type RootView } from "./root-view.ts";

const DIRECTORIES =
  "/usr/bin /usr/local/bin /usr/lib/openssh /usr/libexec/openssh /usr/lib/ssh /usr/libexec".split(" ");
const LARGEST = 1 << 26;

function sizeOf(view: RootView, path: ByteString): number | undefined {
  const opened = view.openFile(path);
  if (opened === undefined) return undefined;
  close(opened.fd);
  return opened.stat.size;
}

/**
 * The known server, as the host or the directory `root` has it, whose bytes are those of the program at a path below
 * `root`: a copy under a name that tells nothing. Undefined where there is none. Throws SystemError.
 */
export function copyOfKnown(root: ByteString, path: ByteString): ByteString | undefined {
  const view = createRootView(root);
  const host = createRootView("/");
  try {
    const size = sizeOf(view, path);
    const bytes = size === undefined || size === 0 ? undefined : view.readFile(path, LARGEST);
    if (bytes === undefined) return undefined;
    const names = PROGRAMS.flatMap((program) => program.names);
    return DIRECTORIES.flatMap((directory) => names.map((name) => `${directory}/${name}`)).find((known) =>
      [view, host].some((where) => {
        if (sizeOf(where, known) !== size) return false;
        const there = where.readFile(known, LARGEST);
        return there !== undefined && Buffer.compare(bytes, there) === 0;
      }),
    );
  } finally {
    view.close();
    host.close();
  }
}
