import type { BareMachine } from "./bare.ts";

const FOLDER = "/usr/lib/python3/dist-packages";
const KEPT = "/root/.cache/zipped-modules";

// By the content: the same source has another path in each archive.
const MODULE = `import _imp, marshal, os, zipimport
compiled = zipimport._compile_source
def kept(path, source):
    name = "${KEPT}/" + _imp.source_hash(0, source).hex()
    try:
        with open(name, "rb") as file:
            return marshal.load(file)
    except (OSError, EOFError, ValueError, TypeError):
        code = compiled(path, source)
    try:
        unfinished = f"{name}.{os.getpid()}"
        with open(unfinished, "wb") as file:
            marshal.dump(code, file)
        os.rename(unfinished, name)
    except OSError:
        pass
    return code
zipimport._compile_source = kept
`;

/**
 * Keeps in the machine what root's Python compiles of zip archives. Each task of Ansible brings its modules in one, and takes
 * four times as long if they are compiled each time.
 */
export function keepZippedModules(machine: BareMachine): void {
  machine.mkdir(KEPT, { mode: 0o700 });
  machine.write(`${FOLDER}/zipped_modules.py`, MODULE);
  machine.write(`${FOLDER}/zipped_modules.pth`, "import zipped_modules\n");
}
