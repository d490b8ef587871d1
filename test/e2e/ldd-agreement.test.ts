import { expect, test } from "bun:test";
import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { close, openAt, readAt, readDirectory, statIfPresent } from "../../ffi/files.ts";
import { createLoader } from "../../src/populate/closure.ts";
import { createRootView } from "../../src/populate/root-view.ts";

const view = createRootView("/");

/** Every ELF file in a directory, by the path that the kernel would know it by: ldd takes $ORIGIN as it is told. */
function elfFiles(directory: ByteString): ByteString[] {
  const fd = openAt(C.AT_FDCWD, directory, C.O_RDONLY | C.O_DIRECTORY);
  const names = readDirectory(fd).map((entry) => `${directory}/${entry.name}`);
  close(fd);
  const found = new Set<ByteString>();
  for (const name of names) {
    const path = view.realPath(name);
    if (path === undefined || !/^[\x21-\x7e]+$/.test(path)) continue;
    const stat = statIfPresent(C.AT_FDCWD, path);
    if (stat === undefined || (stat.mode & C.S_IFMT) !== C.S_IFREG) continue;
    const file = openAt(C.AT_FDCWD, path, C.O_RDONLY);
    const start = Buffer.alloc(4);
    readAt(file, start, 0);
    close(file);
    if (fromBytes(start) === "\x7fELF") found.add(path);
  }
  return [...found];
}

/** A path in one spelling: its directory without links, as ldd tells ".." and doubled slashes as it met them. */
function spelled(path: ByteString): ByteString {
  const slash = path.lastIndexOf("/");
  return `${view.realPath(path.slice(0, slash) || "/")}${path.slice(slash)}`;
}

/** What ldd(1) tells of each file: undefined where it says that it is none for it. */
function ldd(files: ByteString[]): Map<ByteString, ByteString[] | undefined> {
  const result = new Map<ByteString, ByteString[] | undefined>();
  // Two at least, or it does not print the names.
  const { stdout } = Bun.spawnSync(["/usr/bin/ldd", ...files, "/bin/true"], {
    env: { PATH: "/usr/bin:/bin", LC_ALL: "C" },
    stderr: "ignore",
  });
  let file = "";
  for (const line of stdout.toString("latin1").split("\n")) {
    if (/^\S.*:$/.test(line)) {
      file = line.slice(0, -1);
      result.set(file, []);
    } else if (line.includes("not a dynamic executable")) result.set(file, undefined);
    else {
      const path = /(?:=> |^\t)(\/.*) \(0x[0-9a-f]+\)$/.exec(line)?.[1];
      if (path !== undefined) result.get(file)?.push(spelled(path));
    }
  }
  return result;
}

function expectAgreement(files: ByteString[]): number {
  const loader = createLoader();
  let compared = 0;
  for (let start = 0; start < files.length; start += 100) {
    const batch = files.slice(start, start + 100);
    const theirs = ldd(batch);
    for (const file of batch) {
      expect(theirs.has(file)).toBe(true);
      const expected = theirs.get(file);
      const ours = loader.dependencies(file).map((dependency) => spelled(dependency.path));
      if (expected === undefined) {
        // Static, or for another machine.
        continue;
      }
      expect({ file, libraries: ours.sort() }).toEqual({ file, libraries: [...new Set(expected)].sort() });
      compared++;
    }
  }
  return compared;
}

test("every program of /usr/bin and /usr/sbin has the libraries that ldd tells", () => {
  const files = [...new Set([...elfFiles("/usr/bin"), ...elfFiles("/usr/sbin")])];
  expect(expectAgreement(files)).toBeGreaterThan(300);
}, 600_000);
