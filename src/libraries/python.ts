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

const PYTHON = /^(.*)\/bin\/python(3\.[0-9]+)$/;

/** Where Python looks for its standard library and the modules of packages, as far as the host has them. */
function onHost(host: RootView, prefix: ByteString, version: ByteString): ByteString[] {
  const usual = [...librariesOf(host, prefix, version), `${prefix}/lib/python3`];
  return usual.filter((one) => host.realPath(one) !== undefined);
}

/** A program of the host and, if it is a Python, its standard library and the modules of packages. */
export function withPythonLibraries(host: RootView, path: ByteString): ByteString[] {
  const [, prefix, version] = PYTHON.exec(host.realPath(path) ?? "") ?? [];
  return prefix === undefined || version === undefined ? [path] : [path, ...onHost(host, prefix, version)];
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
    const [, prefix, version] = PYTHON.exec(real) ?? [];
    if (prefix === undefined || version === undefined) continue;
    if (librariesOf(view, prefix, version).length > 0) return undefined;
    const found = onHost(host, prefix, version);
    const copy = found.length > 0 ? found : [`${prefix}/lib/python${version}`];
    const message = `${program} needs the standard library of ${real}, which is missing`;
    return { message, copy, exitStatus: PYTHON_FAILED };
  }
  return undefined;
}
