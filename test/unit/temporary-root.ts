import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A directory that stands for a root, filled from a table; `[Symbol.dispose]` takes it away. */
export interface TemporaryRoot extends Disposable {
  path: string;
  /** Puts files (mode 0755), links ("-> TARGET") and directories ("DIR/": "") there. */
  put(files: Record<string, string | Buffer>): void;
}

/** In memory where that is possible: the tests make hundreds of files. */
const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** Makes a TemporaryRoot. */
export function temporaryRoot(files: Record<string, string | Buffer> = {}, above = parent): TemporaryRoot {
  const path = realpathSync(mkdtempSync(join(above, "jailkit-root-")));
  function put(more: Record<string, string | Buffer>): void {
    for (const [name, content] of Object.entries(more)) {
      const target = join(path, name);
      mkdirSync(name.endsWith("/") ? target : dirname(target), { recursive: true });
      if (name.endsWith("/")) continue;
      if (typeof content === "string" && content.startsWith("-> ")) symlinkSync(content.slice(3), target);
      else {
        writeFileSync(target, content, "latin1");
        chmodSync(target, 0o755);
      }
    }
  }
  put(files);
  return { path, put, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
