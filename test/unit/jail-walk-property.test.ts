import { expect, test } from "bun:test";
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import fc from "fast-check";
import { O_DIRECTORY, O_PATH, RESOLVE_IN_ROOT } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { close, fstat, openAt2 } from "../../ffi/files.ts";
import { closeJailRoot, openJailRoot, release, walk } from "../../src/jail/walk.ts";
import { makeJail } from "./jail-helper.ts";

const name = fc.constantFrom("a", "b", "c");
const path = fc
  .array(fc.constantFrom("a", "b", "c", "..", ".", ""), { minLength: 1, maxLength: 6 })
  .chain((parts) => fc.constantFrom(parts.join("/"), `/${parts.join("/")}`));
const directories = fc.array(fc.array(name, { minLength: 1, maxLength: 3 }), { maxLength: 6 });
const links = fc.array(fc.tuple(fc.array(name, { minLength: 1, maxLength: 3 }), path), { maxLength: 6 });

/** The inode that a path leads to, or the name of the error. */
function outcome(open: () => { fd: number; done: () => void }): string {
  try {
    const { fd, done } = open();
    const { ino } = fstat(fd);
    done();
    return String(ino);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return error.code;
    throw error;
  }
}

test("walk leads where the kernel leads a process in the jail", () => {
  const jail = makeJail();
  const tree = `${jail.path}/usr/t`;
  try {
    fc.assert(
      fc.property(
        directories,
        links,
        fc.array(path, { minLength: 1, maxLength: 8 }),
        (made, planted, paths) => {
          mkdirSync(tree, { mode: 0o755 });
          for (const parts of made) mkdirSync(`${tree}/${parts.join("/")}`, { recursive: true, mode: 0o755 });
          for (const [parts, target] of planted) {
            try {
              symlinkSync(target === "" ? "." : target, `${tree}/${parts.join("/")}`);
            } catch {
              // Something stands there, or its directory is missing: one link less.
            }
          }
          const root = openJailRoot(tree);
          // Twice, for what is remembered must lead to the same.
          for (const asked of [...paths, ...paths]) {
            const ours = outcome(() => {
              const directory = walk(root, asked);
              return { fd: directory.fd, done: () => release(directory) };
            });
            const kernel = outcome(() => {
              const fd = openAt2(root.fd, asked === "" ? "." : asked, O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT);
              return { fd, done: () => close(fd) };
            });
            expect({ asked, to: ours }).toEqual({ asked, to: kernel });
          }
          closeJailRoot(root);
          rmSync(tree, { recursive: true });
        },
      ),
      { numRuns: 400 },
    );
  } finally {
    jail.close();
  }
});
