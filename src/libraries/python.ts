import type { ByteString } from "../../ffi/bytes.ts";
import { executedFiles } from "./closure.ts";
import type { Missing } from "./missing.ts";
import { createRootView, type RootView } from "./root-view.ts";

const PYTHON_FAILED = 1;
// Without it Python does not start; it stands where the rest of the standard library does.
const FIRST_MODULE = "encodings";

function librariesOf(view: RootView, prefix: ByteString, version: ByteString): ByteString[] {
  const places = [`lib/python${version}`, `lib64/python${version}`].map((place) => `${prefix}/${place}`);
  const found = places.filter((place) => view.isDirectory(`${place}/${FIRST_MODULE}`));
  const packed = `${prefix}/lib/python${version.replace(".", "")}.zip`;
  return found.length === 0 && view.realPath(packed) !== undefined ? [packed] : found;
}

/**
 * The standard library of Python, if the program at a path below `root` is run by a Python that does not find it there,
 * beside PREFIX/bin/pythonX.Y. What else the program imports is not looked for. Throws SystemError.
 */
export function missingPython(root: ByteString, program: ByteString): Missing | undefined {
  const view = createRootView(root);
  const host = createRootView("/");
  try {
    for (const path of [program, ...executedFiles(root, program)]) {
      const real = view.realPath(path) ?? "";
      const [, prefix, version] = /^(.*)\/bin\/python(3\.[0-9]+)$/.exec(real) ?? [];
      if (prefix === undefined || version === undefined) continue;
      if (librariesOf(view, prefix, version).length > 0) return undefined;
      const usual = [...librariesOf(host, prefix, version), `${prefix}/lib/python3`];
      const there = usual.filter((one) => host.realPath(one) !== undefined);
      const copy = there.length > 0 ? there : [`${prefix}/lib/python${version}`];
      const message = `${program} needs the standard library of ${real}, which is not there`;
      return { message, copy, exitStatus: PYTHON_FAILED };
    }
    return undefined;
  } finally {
    view.close();
    host.close();
  }
}
