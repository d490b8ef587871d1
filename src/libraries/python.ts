import type { ByteString } from "../../ffi/bytes.ts";
import { executedFiles } from "./closure.ts";
import type { Missing } from "./dependency.ts";
import { RootView } from "./root-view.ts";

const PYTHON_FAILED = 1;
// Python does not start without it; the rest of the standard library is beside it.
const FIRST_MODULE = "encodings";

function librariesOf(view: RootView, prefix: ByteString, version: ByteString): ByteString[] {
  const places = [`lib/python${version}`, `lib64/python${version}`].map((place) => `${prefix}/${place}`);
  const found = places.filter((place) => view.isDirectory(`${place}/${FIRST_MODULE}`));
  const packed = `${prefix}/lib/python${version.replace(".", "")}.zip`;
  return found.length === 0 && view.realPath(packed) !== undefined ? [packed] : found;
}

/**
 * Reports the missing standard library of Python if a Python runs the program at a path below `root`, and its library is
 * not beside PREFIX/bin/pythonX.Y there. Other modules are not checked. Throws SystemError.
 */
export function missingPython(root: ByteString, program: ByteString): Missing | undefined {
  using view = new RootView(root);
  using host = new RootView();
  for (const path of [program, ...executedFiles(root, program)]) {
    const real = view.realPath(path) ?? "";
    const [, prefix, version] = /^(.*)\/bin\/python(3\.[0-9]+)$/.exec(real) ?? [];
    if (prefix === undefined || version === undefined) continue;
    if (librariesOf(view, prefix, version).length > 0) return undefined;
    const usual = [...librariesOf(host, prefix, version), `${prefix}/lib/python3`];
    const onHost = usual.filter((one) => host.realPath(one) !== undefined);
    const copy = onHost.length > 0 ? onHost : [`${prefix}/lib/python${version}`];
    const message = `${program} needs the standard library of ${real}, which is missing`;
    return { message, copy, exitStatus: PYTHON_FAILED };
  }
  return undefined;
}
