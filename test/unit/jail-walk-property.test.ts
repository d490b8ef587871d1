import { expect, test } from "bun:test";
import { mkdirSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { dirname } from "node:path";
import fc from "fast-check";
import { O_DIRECTORY, O_PATH, RESOLVE_IN_ROOT } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { close, fstat, openAt2 } from "../../ffi/files.ts";
import { closeJailRoot, type JailRoot, openJailRoot, release, walk } from "../../src/jail/fs/walk.ts";
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

/** What openat2(2) leads to; EAGAIN means that a rename somewhere on the machine met a "..", and asks to try again. */
function openInRoot(fd: number, path: string): number {
  for (;;) {
    try {
      return openAt2(fd, path === "" ? "." : path, O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT);
    } catch (error) {
      if (!isErrno(error, "EAGAIN")) throw error;
    }
  }
}

/** Makes the directories and links in a new directory at `tree`, as far as one does not stand in another's way. */
function plant(
  tree: string,
  made: readonly string[][],
  planted: readonly (readonly [string[], string])[],
): void {
  mkdirSync(tree, { mode: 0o755 });
  for (const parts of made) mkdirSync(`${tree}/${parts.join("/")}`, { recursive: true, mode: 0o755 });
  for (const [parts, target] of planted) {
    try {
      const path = `${tree}/${parts.join("/")}`;
      // Here, outside of the jail, an earlier link may lead out of the tree.
      if (realpathSync(dirname(path)).startsWith(realpathSync(tree)))
        symlinkSync(target === "" ? "." : target, path);
    } catch {
      // Something stands there, or its directory is missing: one link less.
    }
  }
}

/** Expects that both ways lead to the same, for each path. Twice, for what is remembered must lead there too. */
function compare(root: JailRoot, paths: readonly string[]): void {
  for (const asked of [...paths, ...paths]) {
    const ours = outcome(() => {
      const directory = walk(root, asked);
      return { fd: directory.fd, done: () => release(directory) };
    });
    const kernel = outcome(() => {
      const fd = openInRoot(root.fd, asked);
      return { fd, done: () => close(fd) };
    });
    expect({ asked, to: ours }).toEqual({ asked, to: kernel });
  }
}

test("walk finds the same file as a process in the jail", () => {
  const jail = makeJail();
  const tree = `${jail.path}/usr/t`;
  const paths = fc.array(path, { minLength: 1, maxLength: 8 });
  const property = fc.property(directories, links, paths, (made, planted, asked) => {
    // A case that fails must leave nothing behind: the smaller ones that are tried after it begin anew.
    let root: JailRoot | undefined;
    try {
      plant(tree, made, planted);
      root = openJailRoot(tree);
      compare(root, asked);
    } finally {
      if (root !== undefined) closeJailRoot(root);
      rmSync(tree, { recursive: true, force: true });
    }
  });
  try {
    fc.assert(property, { numRuns: 400 });
  } finally {
    jail.close();
  }
});
