import { afterAll, describe, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { close, openAt, readAt, readDirectory, statIfPresent } from "../../ffi/files.ts";
import { createLoader } from "../../src/libraries/closure.ts";
import { RootView } from "../../src/libraries/root-view.ts";

const view = new RootView();

/** Every ELF file in a directory, by the path that the kernel would use: ldd takes $ORIGIN from it. */
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

/** A path in one spelling: its directory without symbolic links, because ldd prints ".." and doubled slashes. */
function spelled(path: ByteString): ByteString {
  const slash = path.lastIndexOf("/");
  return `${view.realPath(path.slice(0, slash) || "/")}${path.slice(slash)}`;
}

/** The output of ldd(1) for each file: undefined if it does not accept the file. */
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

/** The interpreter: a library has it in our list where it needs it, in ldd's always. */
const isLoader = (path: ByteString) => /\/ld-linux[^/]*$/.test(path);

/** Compares each file's libraries with those that ldd lists; returns the number of files with some. */
function expectAgreement(files: ByteString[], kind: "programs" | "libraries"): number {
  const loader = createLoader();
  let compared = 0;
  for (let start = 0; start < files.length; start += 100) {
    const batch = files.slice(start, start + 100);
    const theirs = ldd(batch);
    for (const file of batch) {
      const listed = theirs.get(file);
      expect([file, theirs.has(file)]).toEqual([file, true]);
      // What ldd says of a file for another machine too, of which we find the libraries.
      if (listed === undefined) continue;
      const wanted = (path: ByteString) => kind === "programs" || !isLoader(path);
      const expected = [...new Set(listed)].filter(wanted).sort();
      const ours = loader.dependencies(file).filter(({ kind }) => kind !== "script");
      const found = ours
        .map((dependency) => spelled(dependency.path))
        .filter(wanted)
        .sort();
      expect({ file, libraries: found }).toEqual({ file, libraries: expected });
      compared++;
    }
  }
  return compared;
}

test("every program of /usr/bin and /usr/sbin has the libraries that ldd lists", () => {
  const files = [...new Set([...elfFiles("/usr/bin"), ...elfFiles("/usr/sbin")])];
  expect(expectAgreement(files, "programs")).toBeGreaterThan(100);
}, 600_000);

test("every library of the library directories too", () => {
  const files = new Set(createLoader().libraryDirectories().flatMap(elfFiles));
  expect(expectAgreement([...files], "libraries")).toBeGreaterThan(10);
}, 600_000);

const compiler = Bun.which("gcc") ?? Bun.which("cc");

describe.skipIf(compiler === null)("made with a compiler, as ld.so itself resolves them", () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "jailkit-ldd-")));
  afterAll(() => rmSync(root, { recursive: true }));

  /** Compiles `name`, which uses the libraries at `uses` (paths below the root). */
  function compile(name: string, uses: string[], ...options: string[]): string {
    const path = join(root, name);
    mkdirSync(join(path, ".."), { recursive: true });
    const isLibrary = name.includes(".so");
    const source = isLibrary ? "int marker;" : "int main(void) { return 0; }";
    const shared = isLibrary ? ["-shared", "-fPIC"] : [];
    const libraries = uses.map((use) => (use.startsWith("-") ? use : join(root, use)));
    const { exitCode, stderr } = Bun.spawnSync(
      [
        compiler ?? "",
        "-x",
        "c",
        "-",
        "-x",
        "none",
        ...shared,
        "-o",
        path,
        "-Wl,--no-as-needed",
        ...libraries,
      ].concat("-Wl,--unresolved-symbols=ignore-all", ...options),
      { stdin: Buffer.from(source) },
    );
    if (exitCode !== 0) throw new Error(stderr.toString());
    return path;
  }

  const soname = (name: string) => `-Wl,-soname,${name}`;
  const rpath = (text: string) => ["-Wl,--disable-new-dtags", `-Wl,-rpath,${text}`];
  const runpath = (text: string) => ["-Wl,--enable-new-dtags", `-Wl,-rpath,${text}`];
  const below = (paths: ByteString[]) =>
    paths.filter((path) => path.startsWith(`${root}/`)).map((path) => path.slice(root.length + 1));

  /** What we and ldd both find of the root's libraries for a program of it. */
  function agreed(path: string): { found: string[]; missing: string[] } {
    const loader = createLoader();
    const found = loader.dependencies(path).map((dependency) => spelled(dependency.path));
    expect(found.sort()).toEqual((ldd([path]).get(path) ?? []).sort());
    return { found: below(found), missing: loader.problems().map((problem) => problem.library) };
  }

  const leaf = () => compile("deep/libleaf.so", [], soname("libleaf.so"));

  test("RPATH is inherited down the chain, RUNPATH is not", () => {
    leaf();
    compile("deep/libmiddle.so", ["deep/libleaf.so"], soname("libmiddle.so"));
    compile("deep/libtop.so", ["deep/libmiddle.so"], soname("libtop.so"));
    const all = ["deep/libleaf.so", "deep/libmiddle.so", "deep/libtop.so"];
    expect(agreed(compile("a/rpath", ["deep/libtop.so"], ...rpath(`${root}/deep`))).found).toEqual(all);
    const own = agreed(compile("a/runpath", ["deep/libtop.so"], ...runpath(`${root}/deep`)));
    expect(own).toEqual({ found: ["deep/libtop.so"], missing: ["libmiddle.so"] });
  });

  test("a RUNPATH in the middle puts the RPATHs above out of force for that library", () => {
    leaf();
    compile("split/libmiddle.so", ["deep/libleaf.so"], soname("libmiddle.so"), ...runpath("/none"));
    const path = compile("a/split", ["split/libmiddle.so"], ...rpath(`${root}/split:${root}/deep`));
    expect(agreed(path)).toEqual({ found: ["split/libmiddle.so"], missing: ["libleaf.so"] });
    compile("rp/libmiddle.so", ["deep/libleaf.so"], soname("libmiddle.so"), ...rpath("$ORIGIN/../deep"));
    const both = compile("a/both", ["rp/libmiddle.so"], ...runpath(`${root}/rp`));
    expect(agreed(both).found).toEqual(["deep/libleaf.so", "rp/libmiddle.so"]);
  });

  test("$ORIGIN, $LIB and $PLATFORM", () => {
    leaf();
    for (const text of ["$ORIGIN/../deep", "$ORIGIN/..//./deep/", "$ORIGIN/../a/../deep"]) {
      expect(agreed(compile("a/origin", ["deep/libleaf.so"], ...runpath(text))).found).toEqual([
        "deep/libleaf.so",
      ]);
    }
    // Where these two lead is ld.so's to say.
    const { stdout } = Bun.spawnSync([
      "/bin/sh",
      "-c",
      "$(ls /lib*/ld-linux-*.so.* | head -1) --list-diagnostics",
    ]);
    const value = (name: string) =>
      new RegExp(`^${name}="(.*)"$`, "m").exec(stdout.toString())?.[1] ?? "unknown";
    const directory = `t/${value("dl_dst_lib")}/${value("dl_platform")}`;
    compile(`${directory}/libtoken.so`, [], soname("libtoken.so"));
    const token = compile("a/token", [`${directory}/libtoken.so`], ...runpath(`${root}/t/$LIB/$PLATFORM`));
    expect(agreed(token).found).toEqual([`${directory}/libtoken.so`]);
  });

  test("glibc-hwcaps below a RUNPATH", () => {
    compile("caps/libcap.so", [], soname("libcap.so"));
    for (const level of ["x86-64-v2", "x86-64-v3", "x86-64-v4", "power10", "z16"]) {
      compile(`caps/glibc-hwcaps/${level}/libcap.so`, [], soname("libcap.so"));
    }
    expect(agreed(compile("a/caps", ["caps/libcap.so"], ...runpath(`${root}/caps`))).found).toHaveLength(1);
  });

  test("a known soname is not searched again", () => {
    compile("so/libfile.so", [], soname("libother.so"));
    compile("so/libother.so", [], soname("libother.so"));
    compile("so/libuser.so", ["so/libother.so"], soname("libuser.so"));
    const path = compile("a/soname", ["so/libfile.so", "so/libuser.so"], ...rpath(`${root}/so`));
    expect(agreed(path).found).toEqual(["so/libother.so", "so/libuser.so"]);
  });

  test("a library without a soname is needed by its path", () => {
    compile("plain/libplain.so", []);
    expect(agreed(compile("a/plain", ["plain/libplain.so"])).found).toEqual(["plain/libplain.so"]);
  });

  test("a library of another machine or class in the way", () => {
    const bytes = readFileSync(leaf());
    for (const [name, at, value] of [
      ["machine", 18, 0x28],
      ["class", 4, 1],
    ] as const) {
      const other = Buffer.from(bytes);
      other[at] = value;
      mkdirSync(join(root, name), { recursive: true });
      writeFileSync(join(root, name, "libleaf.so"), other);
    }
    const where = runpath(`${root}/machine:${root}/class:${root}/deep`);
    expect(agreed(compile("a/other", ["deep/libleaf.so"], ...where)).found).toEqual(["deep/libleaf.so"]);
  });

  test("no default directories", () => {
    const path = compile("a/nodefault", [], "-Wl,-z,nodefaultlib");
    const loader = createLoader();
    expect(loader.dependencies(path).map((dependency) => dependency.kind)).toEqual(["interpreter"]);
    expect(loader.problems().map((problem) => problem.library)).toEqual(["libc.so.6"]);
    expect(
      ldd([path])
        .get(path)
        ?.filter((found) => !isLoader(found)),
    ).toEqual([]);
  });

  test.each([["-static"], ["-static-pie"]])("%s", (option) => {
    const path = compile("a/static", [], option);
    expect(createLoader().dependencies(path)).toEqual([]);
    expect(ldd([path]).get(path) ?? []).toEqual([]);
  });
});

const sysroot = "/usr/aarch64-linux-gnu";
test.skipIf(Bun.which("aarch64-linux-gnu-gcc") === null || !existsSync(`${sysroot}/lib/libc.so.6`))(
  "a program for another machine, in the root that holds its libraries",
  () => {
    const directory = mkdtempSync(join(tmpdir(), "jailkit-cross-"));
    const path = join(directory, "p");
    const { exitCode } = Bun.spawnSync(
      ["aarch64-linux-gnu-gcc", "-x", "c", "-", "-o", path, "-Wl,--no-as-needed", "-lm"],
      {
        stdin: Buffer.from("int main(void) { return 0; }"),
      },
    );
    expect(exitCode).toBe(0);
    mkdirSync(join(directory, "root"));
    symlinkSync("usr/lib", join(directory, "root/lib"));
    mkdirSync(join(directory, "root/usr"));
    cpSync(`${sysroot}/lib`, join(directory, "root/usr/lib"), {
      recursive: true,
      filter: (name) => !/\.[ao]$|\/gconv|\/lib(?:[abd-ln-z]|crypt)[^/]*$/.test(name),
    });
    cpSync(path, join(directory, "root/p"));
    using loader = createLoader({ root: join(directory, "root") });
    const found = loader.dependencies("/p").map((dependency) => dependency.path);
    expect(found).toEqual(["/lib/ld-linux-aarch64.so.1", "/lib/libm.so.6", "/lib/libc.so.6"]);
    expect(loader.problems()).toEqual([]);
    rmSync(directory, { recursive: true });
  },
);
