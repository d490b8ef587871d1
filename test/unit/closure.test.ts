import { describe, expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import fc from "fast-check";
import { JailkitError } from "../../src/cli/error.ts";
import { createLoader, type LoaderOptions } from "../../src/libraries/closure.ts";
import type { Dependency } from "../../src/libraries/dependency.ts";
import { abiOf } from "../../src/libraries/elf/abi.ts";
import { nativePlatform } from "../../src/libraries/search/hwcaps.ts";
import { type ElfRecipe, makeCache, makeElf } from "./elf-builder.ts";
import { type TemporaryRoot, temporaryRoot } from "./temporary-root.ts";

const elf = (recipe: ElfRecipe = {}) => makeElf(recipe).bytes;
const LD = "/lib64/ld-linux-x86-64.so.2";
const program = (recipe: ElfRecipe = {}) => elf({ interpreter: LD, ...recipe });

/** glibc as Debian lays it out: only what a search goes by. */
const glibc = {
  "lib64/ld-linux-x86-64.so.2": elf({
    soname: "ld-linux-x86-64.so.2",
    data: "\0/lib/x86_64-linux-gnu/\0/usr/lib/x86_64-linux-gnu/\0/lib/\0/usr/lib/\0",
  }),
  "lib/x86_64-linux-gnu/libc.so.6": elf({ soname: "libc.so.6", needed: ["ld-linux-x86-64.so.2"] }),
};

/** The paths that `path` needs in a root of these files (glibc among them), with the problems told. */
function closure(files: Record<string, string | Buffer>, path: string, options: LoaderOptions = {}) {
  using root = temporaryRoot({ ...glibc, ...files });
  return closureIn(root, path, options);
}

function closureIn(root: TemporaryRoot, path: string, options: LoaderOptions = {}) {
  using loader = createLoader({ root: root.path, hwcaps: () => [], ...options });
  const dependencies = loader.dependencies(path);
  return { dependencies, paths: dependencies.map((each) => each.path), problems: loader.problems() };
}

const C = "/lib/x86_64-linux-gnu/libc.so.6";
const own = (paths: string[]) => paths.filter((path) => path !== LD && path !== C);

describe("the place of a library", () => {
  test("a chain of libraries, each with the file that needs it and its name there", () => {
    const { dependencies, problems } = closure(
      {
        "bin/p": program({ needed: ["liba.so.1"] }),
        "usr/lib/liba.so.1": elf({ needed: ["libc.so.6"] }),
      },
      "/bin/p",
    );
    expect(dependencies).toEqual([
      { path: LD, neededBy: "/bin/p", kind: "interpreter", name: LD },
      { path: "/usr/lib/liba.so.1", neededBy: "/bin/p", kind: "needed", name: "liba.so.1" },
      { path: C, neededBy: "/usr/lib/liba.so.1", kind: "needed", name: "libc.so.6" },
    ] satisfies Dependency[]);
    expect(problems).toEqual([]);
  });

  test("the cache comes before the default directories, and counts for its ABI only", () => {
    const files = {
      "bin/p": program({ needed: ["liba.so"] }),
      "usr/lib/liba.so": elf(),
      "opt/liba.so": elf(),
      "opt32/liba.so": elf({ bits: 32, machine: 3 }),
    };
    const cache = makeCache([
      ["liba.so", "/opt32/liba.so"],
      ["liba.so", "/opt/liba.so"],
    ]);
    expect(own(closure({ ...files, "etc/ld.so.cache": cache }, "/bin/p").paths)).toEqual(["/opt/liba.so"]);
    expect(own(closure({ ...files, "etc/ld.so.cache": "rubbish" }, "/bin/p").paths)).toEqual([
      "/usr/lib/liba.so",
    ]);
  });

  test("without a cache, ld.so.conf comes before the default directories", () => {
    const files = {
      "bin/p": program({ needed: ["liba.so"] }),
      "usr/lib/liba.so": elf(),
      "opt/liba.so": elf(),
    };
    const conf = { ...files, "etc/ld.so.conf": "/opt\n" };
    expect(own(closure(conf, "/bin/p").paths)).toEqual(["/opt/liba.so"]);
    const cache = makeCache([["other", "/other"]]);
    expect(own(closure({ ...conf, "etc/ld.so.cache": cache }, "/bin/p").paths)).toEqual(["/usr/lib/liba.so"]);
    const { "usr/lib/liba.so": _, ...onlyConf } = conf;
    expect(own(closure({ ...onlyConf, "etc/ld.so.cache": cache }, "/bin/p").paths)).toEqual(["/opt/liba.so"]);
  });

  test("files of other machines, word sizes and byte orders are skipped", () => {
    const { paths } = closure(
      {
        "bin/p": program({ needed: ["liba.so"], runpath: "/1:/2:/3:/4:/5" }),
        "1/liba.so": elf({ machine: 183 }),
        "2/liba.so": elf({ bits: 32 }),
        "3/liba.so": elf({ little: false }),
        "4/liba.so/": "",
        "5/liba.so": elf(),
      },
      "/bin/p",
    );
    expect(own(paths)).toEqual(["/5/liba.so"]);
  });

  test("a program for another machine finds the libraries of that machine", () => {
    const arm = { machine: 183 } as const;
    const { paths, problems } = closure(
      {
        "bin/p": elf({ ...arm, interpreter: "/lib/ld-linux-aarch64.so.1", needed: ["libc.so.6", "libx.so"] }),
        "lib/ld-linux-aarch64.so.1": elf({ ...arm, data: "\0/lib/aarch64-linux-gnu/\0/lib/\0" }),
        "lib/aarch64-linux-gnu/libc.so.6": elf(arm),
        "lib/x86_64-linux-gnu/libx.so": elf(),
      },
      "/bin/p",
    );
    expect(paths).toEqual(["/lib/ld-linux-aarch64.so.1", "/lib/aarch64-linux-gnu/libc.so.6"]);
    expect(problems.map((problem) => problem.library)).toEqual(["libx.so"]);
  });

  test("big-endian 32-bit programs too", () => {
    const mips = { machine: 8, bits: 32, little: false } as const;
    const { paths } = closure(
      {
        "bin/p": elf({ ...mips, interpreter: "/lib/ld.so.1", needed: ["libc.so.6"] }),
        "lib/ld.so.1": elf(mips),
        "usr/lib/libc.so.6": elf(mips),
      },
      "/bin/p",
    );
    expect(paths).toEqual(["/lib/ld.so.1", "/usr/lib/libc.so.6"]);
  });

  test("RPATH is inherited; RUNPATH is not, and disables RPATH", () => {
    const files = (recipe: ElfRecipe, middle: ElfRecipe = {}) => ({
      "bin/p": program({ needed: ["liba.so"], ...recipe }),
      "opt/liba.so": elf({ needed: ["libb.so"], ...middle }),
      "opt/libb.so": elf({ needed: ["libc2.so"] }),
      "opt/libc2.so": elf(),
    });
    const all = ["/opt/liba.so", "/opt/libb.so", "/opt/libc2.so"];
    expect(own(closure(files({ rpath: "/opt" }), "/bin/p").paths)).toEqual(all);
    const some = closure(files({ runpath: "/opt" }), "/bin/p");
    expect(own(some.paths)).toEqual(["/opt/liba.so"]);
    expect(some.problems.map(({ file, library }) => [file, library])).toEqual([["/opt/liba.so", "libb.so"]]);
    expect(own(closure(files({ runpath: "/none", rpath: "/opt" }), "/bin/p").paths)).toEqual([]);
    const beside = { ...files({ runpath: "/opt", rpath: "/srv" }), "opt/libb.so": "", "srv/libb.so": elf() };
    expect(own(closure(beside, "/bin/p").paths)).toEqual(["/opt/liba.so"]);
    // A RUNPATH in the middle hides what would be inherited, for that library alone.
    expect(own(closure(files({ rpath: "/opt" }, { runpath: "/none" }), "/bin/p").paths)).toEqual([
      "/opt/liba.so",
    ]);
    const middle = closure(files({ rpath: "/opt" }, { runpath: "/opt" }), "/bin/p");
    expect(own(middle.paths)).toEqual(all);
  });

  test("$ORIGIN, $LIB and $PLATFORM, with and without braces", () => {
    const platform = nativePlatform(abiOf(64, true, 62, 0));
    const origin = (runpath: string) =>
      own(
        closure(
          {
            "bin/p": "-> ../opt/app/bin/p",
            "opt/app/bin/p": program({ needed: ["liba.so"], runpath }),
            "opt/app/lib/liba.so": elf(),
            [`opt/app/lib/x86_64-linux-gnu/${platform}/liba.so`]: elf(),
          },
          "/bin/p",
        ).paths,
      );
    expect(origin("$ORIGIN/../lib")).toEqual(["/opt/app/lib/liba.so"]);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: ld.so's own notation
    expect(origin("/none:${ORIGIN}/..//./lib/")).toEqual(["/opt/app/lib/liba.so"]);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: ld.so's own notation
    expect(origin("/opt/app/$LIB/${PLATFORM}")).toEqual([
      `/opt/app/lib/x86_64-linux-gnu/${platform}/liba.so`,
    ]);
    for (const nothing of ["$ORIGINAL/../lib", "ORIGIN/../lib", "", ":", "../opt/app/lib", "opt/app/lib"]) {
      expect(origin(nothing)).toEqual([]);
    }
  });

  test("$ORIGIN of a library is the directory in which it was found", () => {
    const { paths } = closure(
      {
        "bin/p": program({ needed: ["liba.so"], runpath: "/links" }),
        "links/liba.so": "-> /real/liba.so",
        "links/libb.so": elf(),
        "real/liba.so": elf({ needed: ["libb.so"], runpath: "$ORIGIN" }),
      },
      "/bin/p",
    );
    expect(own(paths)).toEqual(["/links/liba.so", "/links/libb.so"]);
  });

  test("glibc-hwcaps: the best for this processor, in directories and in the cache", () => {
    const files = {
      "bin/p": program({ needed: ["liba.so", "libb.so"], runpath: "/opt" }),
      "opt/liba.so": elf(),
      "opt/glibc-hwcaps/v2/liba.so": elf(),
      "opt/glibc-hwcaps/v3/liba.so": elf(),
      "srv/libb.so": elf(),
      "srv/glibc-hwcaps/v2/libb.so": elf(),
      "srv/glibc-hwcaps/v4/libb.so": elf(),
      "etc/ld.so.cache": makeCache([
        ["libb.so", "/srv/glibc-hwcaps/v4/libb.so", "v4"],
        ["libb.so", "/srv/glibc-hwcaps/v2/libb.so", "v2"],
        ["libb.so", "/srv/libb.so"],
      ]),
    };
    const on = (...names: string[]) => own(closure(files, "/bin/p", { hwcaps: () => names }).paths);
    expect(on()).toEqual(["/opt/liba.so", "/srv/libb.so"]);
    expect(on("v3", "v2")).toEqual(["/opt/glibc-hwcaps/v3/liba.so", "/srv/glibc-hwcaps/v2/libb.so"]);
    expect(on("v4", "v3", "v2")[1]).toBe("/srv/glibc-hwcaps/v4/libb.so");
  });

  test("DF_1_NODEFLIB: neither the default directories nor cache entries in them", () => {
    const { paths, problems } = closure(
      {
        "bin/p": program({ needed: ["liba.so", "libb.so"], flags1: 0x800 }),
        "usr/lib/liba.so": elf(),
        "opt/libb.so": elf(),
        "etc/ld.so.cache": makeCache([
          ["liba.so", "/usr/lib/liba.so"],
          ["libb.so", "/opt/libb.so"],
        ]),
      },
      "/bin/p",
    );
    expect(own(paths)).toEqual(["/opt/libb.so"]);
    expect(problems.map((problem) => problem.library)).toEqual(["liba.so"]);
  });

  test("a name with a slash must be an absolute path", () => {
    const { paths, problems } = closure(
      {
        "bin/p": program({ needed: ["/opt/x/../liba.so", "$ORIGIN/libo.so", "lib/libr.so"] }),
        "opt/x/": "",
        "opt/liba.so": elf(),
        "bin/libo.so": elf(),
        "lib/libr.so": elf(),
      },
      "/bin/p",
    );
    expect(own(paths)).toEqual(["/opt/liba.so", "/bin/libo.so"]);
    expect(problems.map((problem) => problem.library)).toEqual(["lib/libr.so"]);
  });

  test("a library that was found by another name is known by its soname", () => {
    const { paths } = closure(
      {
        "bin/p": program({ needed: ["liba.so", "libb.so"], runpath: "/opt" }),
        "opt/liba.so": elf({ soname: "libreal.so.1" }),
        "opt/libb.so": elf({ needed: ["libreal.so.1"] }),
        "usr/lib/libreal.so.1": elf(),
      },
      "/bin/p",
    );
    expect(own(paths)).toEqual(["/opt/liba.so", "/opt/libb.so"]);
  });

  test("a library gets the interpreter that its C library needs", () => {
    const { paths } = closure({ "usr/lib/liba.so": elf({ needed: ["libc.so.6"] }) }, "/usr/lib/liba.so");
    expect(paths.sort()).toEqual([C, LD]);
    expect(closure({ "usr/lib/libb.so": elf() }, "/usr/lib/libb.so").paths).toEqual([]);
  });

  test("libraries that need each other", () => {
    const { paths } = closure(
      {
        "usr/lib/liba.so": elf({ needed: ["libb.so"] }),
        "usr/lib/libb.so": elf({ needed: ["liba.so", "libb.so"], soname: "libb.so" }),
      },
      "/usr/lib/liba.so",
    );
    expect(paths).toEqual(["/usr/lib/libb.so"]);
  });

  test("nothing for static programs, data, directories, FIFOs and missing files", () => {
    using root = temporaryRoot({
      ...glibc,
      "bin/s": elf({ static: true, type: 2 }),
      "bin/d": "text",
      "bin/dir/": "",
    });
    Bun.spawnSync(["/usr/bin/mkfifo", `${root.path}/bin/fifo`]);
    for (const path of ["/bin/s", "/bin/d", "/bin/dir", "/bin/fifo", "/bin/none", "/bin/d/x"]) {
      expect(closureIn(root, path)).toEqual({ dependencies: [], paths: [], problems: [] });
    }
  });

  test("a missing library is reported with the searched places", () => {
    const { problems } = closure(
      { "bin/p": program({ needed: ["libno\n.so"], runpath: "/opt:$ORIGIN" }) },
      "/bin/p",
    );
    expect(problems).toEqual([
      {
        file: "/bin/p",
        library: "libno\n.so",
        searched: ["/opt", "/bin", "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib"],
        message: "/bin/p: needs libno\\n.so, which is missing: install the package that has it",
      },
    ]);
  });

  test("names with characters special to a shell or terminal are ordinary names", () => {
    for (const name of ["x;touch PWN;#", "$(touch PWN)", "-n", "a\nb", " ", "\xff\xfe", "a:b", "`id`"]) {
      const files = {
        [`opt/${name}/p`]: program({ needed: ["liba.so", name], runpath: "$ORIGIN" }),
        [`opt/${name}/liba.so`]: elf(),
        [`opt/${name}/${name}`]: elf(),
      };
      // node:fs takes text, so a name beyond ASCII is looked for as the UTF-8 that it makes of it
      const bytes = Buffer.from(name, "utf8").toString("latin1");
      const { paths, problems } = closure(files, `/opt/${bytes}/p`);
      expect(own(paths)[0]).toBe(`/opt/${bytes}/liba.so`);
      expect(problems.map((problem) => problem.library)).toEqual(bytes === name ? [] : [name]);
    }
  });

  test("absolute symbolic links stay in the root", () => {
    const { paths } = closure(
      {
        "bin/p": program({ needed: ["liba.so", "libb.so"], runpath: "/links" }),
        "links/liba.so": "-> /real/liba.so",
        "links/libb.so": "-> ../../../../../../../real/libb.so",
        "real/liba.so": elf(),
        "real/libb.so": elf(),
      },
      "/bin/p",
    );
    expect(own(paths)).toEqual(["/links/liba.so", "/links/libb.so"]);
  });
});

test("musl: its path file, its built-in names, and the inherited RUNPATH", () => {
  const MUSL = "/lib/ld-musl-x86_64.so.1";
  const files = {
    "lib/ld-musl-x86_64.so.1": elf(),
    "bin/p": elf({ interpreter: MUSL, needed: ["liba.so", "libc.musl-x86_64.so.1"], runpath: "/opt" }),
    "opt/liba.so": elf({ needed: ["libb.so", "libm.so.6", "libc.so"] }),
    "opt/libb.so": elf({ needed: ["libd.so"] }),
    "usr/local/lib/libd.so": elf(),
    "srv/libd.so": elf(),
    // of glibc's configuration musl reads nothing
    "etc/ld.so.cache": makeCache([["libd.so", "/opt/wrong/libd.so"]]),
    "opt/wrong/libd.so": elf(),
    "opt/glibc-hwcaps/v2/liba.so": elf(),
  };
  const hwcaps = () => ["v2"];
  const found = closure(files, "/bin/p", { hwcaps });
  expect(found.paths).toEqual([MUSL, "/opt/liba.so", "/opt/libb.so", "/usr/local/lib/libd.so"]);
  expect(found.problems).toEqual([]);
  const path = { "etc/ld-musl-x86_64.path": "/none\n/srv:/lib\n" };
  expect(closure({ ...files, ...path }, "/bin/p", { hwcaps }).paths).toContain("/srv/libd.so");
  // a library of musl's, without an interpreter
  const lib = { ...files, "usr/lib/libz.so": elf({ needed: ["libd.so", "libc.musl-x86_64.so.1"] }) };
  expect(closure(lib, "/usr/lib/libz.so").paths).toEqual(["/usr/local/lib/libd.so", MUSL]);
});

describe("scripts", () => {
  test("the interpreter, the program that env searches, and their dependencies", () => {
    const { dependencies, problems } = closure(
      {
        "bin/s": "#! /usr/bin/env -S perl -w\n",
        "usr/bin/env": program({ needed: ["libc.so.6"] }),
        "usr/bin/perl": program({ needed: ["libperl.so"] }),
        "usr/lib/libperl.so": elf(),
      },
      "/bin/s",
    );
    expect(dependencies.map(({ path, kind, neededBy }) => [path, kind, neededBy])).toEqual([
      ["/usr/bin/env", "script", "/bin/s"],
      [LD, "interpreter", "/usr/bin/env"],
      [C, "needed", "/usr/bin/env"],
      ["/usr/bin/perl", "script", "/bin/s"],
      ["/usr/lib/libperl.so", "needed", "/usr/bin/perl"],
    ]);
    expect(problems).toEqual([]);
  });

  test("scripts of scripts, up to the kernel's limit, and in a circle", () => {
    const chain = Object.fromEntries(
      Array.from({ length: 9 }, (_, n) => [`bin/s${n}`, `#!/bin/s${n + 1}\n`]),
    );
    const long = closure(chain, "/bin/s0");
    expect(long.paths).toEqual(["/bin/s1", "/bin/s2", "/bin/s3", "/bin/s4", "/bin/s5"]);
    expect(long.problems.map((problem) => problem.file)).toEqual(["/bin/s5"]);
    expect(closure({ "bin/s": "#!/bin/s\n" }, "/bin/s").problems).toHaveLength(1);
  });

  test("an interpreter that is missing, relative, or not executable", () => {
    using root = temporaryRoot({
      "bin/a": "#!/bin/none\n",
      "bin/b": "#!bin/sh\n",
      "bin/c": "#!/etc/shadow\n",
      "bin/d": "#!/usr/bin/env none\n",
      "etc/shadow": "root:x",
      "usr/bin/env": "#!",
    });
    chmodSync(`${root.path}/etc/shadow`, 0o600);
    for (const path of ["/bin/a", "/bin/b", "/bin/c"]) {
      const found = closureIn(root, path);
      expect([path, found.paths, found.problems.length]).toEqual([path, [], 1]);
    }
    expect(closureIn(root, "/bin/d").problems.map((problem) => problem.library)).toEqual(["none"]);
  });
});

describe("libraries that are loaded at run time", () => {
  const nss = {
    "etc/nsswitch.conf": "passwd: files sss\nhosts: files dns\n",
    ...Object.fromEntries(["files", "sss", "dns"].map((name) => [`usr/lib/libnss_${name}.so.2`, elf()])),
    "usr/lib/libnss_sss.so.2": elf({ needed: ["libsss.so"] }),
    "usr/lib/libsss.so": elf(),
  };
  const dlopened = (files: Record<string, string | Buffer>, recipe: ElfRecipe) => {
    const p = program({ ...recipe, needed: ["libc.so.6", ...(recipe.needed ?? [])] });
    return closure({ ...files, "bin/p": p }, "/bin/p", { dlopen: true });
  };

  test("NSS modules by nsswitch.conf, for functions that the program or its libraries import", () => {
    const { dependencies, problems } = dlopened(nss, { imports: ["getpwnam"] });
    expect(dependencies.slice(2)).toEqual([
      {
        path: "/usr/lib/libnss_files.so.2",
        neededBy: C,
        kind: "dlopen",
        name: "libnss_files.so.2",
        reason: "getpwnam, passwd: files in /etc/nsswitch.conf",
      },
      expect.objectContaining({ path: "/usr/lib/libnss_sss.so.2", kind: "dlopen" }),
      { path: "/usr/lib/libsss.so", neededBy: "/usr/lib/libnss_sss.so.2", kind: "needed", name: "libsss.so" },
    ]);
    expect(problems).toEqual([]);
    const through = { ...nss, "usr/lib/liba.so": elf({ imports: ["getaddrinfo"] }) };
    const hosts = ["/usr/lib/liba.so", "/usr/lib/libnss_files.so.2", "/usr/lib/libnss_dns.so.2"];
    expect(own(dlopened(through, { needed: ["liba.so"] }).paths)).toEqual(hosts);
    expect(own(dlopened(nss, { imports: ["malloc"], exports: ["getpwnam"] }).paths)).toEqual([]);
    expect(
      own(
        closure({ ...nss, "bin/p": program({ needed: ["libc.so.6"], imports: ["getpwnam"] }) }, "/bin/p")
          .paths,
      ),
    ).toEqual([]);
  });

  test("initgroups has its own line, or uses that of group", () => {
    const group = { ...nss, "etc/nsswitch.conf": "group: sss\n" };
    const found = ["/usr/lib/libnss_sss.so.2", "/usr/lib/libsss.so"];
    expect(own(dlopened(group, { imports: ["getgrouplist"] }).paths)).toEqual(found);
    const line = { ...nss, "etc/nsswitch.conf": "group: sss\ninitgroups: dns\n" };
    expect(own(dlopened(line, { imports: ["initgroups"] }).paths)).toEqual(["/usr/lib/libnss_dns.so.2"]);
  });

  test("missing modules are no problem", () => {
    const { paths, problems } = dlopened({}, { imports: ["getpwnam", "iconv_open", "backtrace"] });
    expect(own(paths)).toEqual([]);
    expect(problems).toEqual([]);
  });

  test("gconv with its tables, libgcc_s, OpenSSL's providers", () => {
    const gconv = {
      "usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache": "table",
      "usr/lib/x86_64-linux-gnu/gconv/gconv-modules.d/extra.conf": "table",
      "usr/lib/x86_64-linux-gnu/gconv/UTF-16.so": elf(),
      "usr/lib/x86_64-linux-gnu/gconv/UTF-32.so": "no ELF file",
      "usr/lib/x86_64-linux-gnu/gconv/BIG5.so": elf(),
    };
    expect(own(dlopened(gconv, { imports: ["iconv_open"] }).paths)).toEqual([
      "/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache",
      "/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.d/extra.conf",
      "/usr/lib/x86_64-linux-gnu/gconv/UTF-16.so",
    ]);
    const gcc = { "usr/lib/libgcc_s.so.1": elf() };
    expect(own(dlopened(gcc, { imports: ["pthread_exit"] }).paths)).toEqual(["/usr/lib/libgcc_s.so.1"]);
    const ssl = { "usr/lib/libcrypto.so.3": elf(), "usr/lib/ossl-modules/legacy.so": elf() };
    const recipe = { needed: ["libcrypto.so.3"], imports: ["OSSL_PROVIDER_load"] };
    expect(own(dlopened(ssl, recipe).paths)).toEqual([
      "/usr/lib/libcrypto.so.3",
      "/usr/lib/ossl-modules/legacy.so",
    ]);
  });

  test("libraries of a .note.dlopen, unless merely suggested; the first name that exists", () => {
    const note = JSON.stringify([
      { soname: ["liba.so.2", "liba.so.1", "liba.so.0"], feature: "a", priority: "recommended" },
      { soname: ["libb.so"], priority: "suggested" },
      { soname: ["libnone.so"], priority: "required" },
    ]);
    const libraries = ["liba.so.0", "liba.so.1", "libb.so"].map(
      (name) => [`usr/lib/${name}`, elf()] as const,
    );
    const { dependencies, problems } = dlopened(Object.fromEntries(libraries), { note });
    expect(dependencies.slice(2)).toEqual([
      {
        path: "/usr/lib/liba.so.1",
        neededBy: "/bin/p",
        kind: "dlopen",
        name: "liba.so.1",
        reason: "a (recommended), by its .note.dlopen",
      },
    ]);
    expect(problems).toEqual([]);
  });
});

describe("hostile files", () => {
  function refusal(files: Record<string, string | Buffer>): string {
    try {
      closure(files, "/bin/p");
    } catch (error) {
      if (error instanceof JailkitError && error.code === "bad-elf") return error.message;
      throw error;
    }
    return "accepted";
  }

  test("an interpreter that is not a loader brings nothing into the jail", () => {
    const shadow = { "etc/shadow": "root:*:1::::::\n" };
    expect(refusal({ ...shadow, "bin/p": program({ interpreter: "/etc/shadow" }) })).toBe(
      "/bin/p: not a sound ELF file: its interpreter /etc/shadow is not an ELF file",
    );
    expect(refusal({ "lib/l": elf({ machine: 3 }), "bin/p": program({ interpreter: "/lib/l" }) })).toEndWith(
      "its interpreter /lib/l is for another machine",
    );
    expect(refusal({ "bin/p": program({ interpreter: "../etc/shadow" }) })).toContain("not absolute");
    const missing = closure({ "bin/p": program({ interpreter: "/none", needed: ["libc.so.6"] }) }, "/bin/p");
    expect(missing.problems.map((problem) => problem.library)).toEqual(["/none"]);
    expect(missing.paths).toContain(C);
  });

  test("a library that is not an ELF file brings nothing into the jail", () => {
    const files = {
      "etc/shadow": "root:*:1::::::\n",
      "bin/p": program({ needed: ["/etc/shadow", "libtext.so"] }),
      "usr/lib/libtext.so": "INPUT(libreal.so)",
    };
    const { paths, problems } = closure(files, "/bin/p");
    expect(paths).toEqual([LD]);
    expect(problems.map((problem) => problem.message)).toEqual([
      "/bin/p: needs /etc/shadow, but /etc/shadow is not an ELF file",
      "/bin/p: needs libtext.so, but /usr/lib/libtext.so is not an ELF file",
    ]);
  });

  test("an invalid library is named in the error", () => {
    const files = { "bin/p": program({ needed: ["liba.so"] }), "usr/lib/liba.so": elf().subarray(0, 300) };
    expect(refusal(files)).toStartWith("/usr/lib/liba.so: not a sound ELF file: ");
  });

  test("an endless search stops with an error", () => {
    const rpath = Array.from(
      { length: 256 },
      (_, n) => `/opt/${n.toString(2).replaceAll("0", "./").replaceAll("1", "/")}`,
    ).join(":");
    const needed = Array.from({ length: 2000 }, (_, n) => `lib${n}.so`);
    expect(refusal({ "opt/": "", "bin/p": program({ rpath, needed }) })).toEndWith(
      "/bin/p: not a sound ELF file: its libraries are searched in too many directories",
    );
  });

  test("a randomly damaged program is refused or read, and names nothing outside its root", () => {
    const made = program({
      needed: ["liba.so", "libc.so.6"],
      rpath: "$ORIGIN/../opt",
      imports: ["getpwnam"],
      soname: "p",
      note: '[{"soname":["liba.so"]}]',
    });
    using root = temporaryRoot({ ...glibc, "opt/liba.so": elf(), "etc/shadow": "x" });
    const change = fc.tuple(fc.nat(made.length - 1), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x2f));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const bytes = Buffer.from(made);
        for (const [at, value] of changes) bytes[at] = value;
        root.put({ "bin/p": bytes });
        try {
          const { paths } = closureIn(root, "/bin/p", { dlopen: true });
          for (const path of paths) expect(["/opt/liba.so", C, LD]).toContain(path);
        } catch (error) {
          if (!(error instanceof JailkitError)) throw error;
        }
      }),
      { numRuns: 300 },
    );
  });
});

test("the library directories of a root, and its configuration files", () => {
  using root = temporaryRoot({
    ...glibc,
    "etc/ld.so.conf": "include c\n/opt\n/none\n",
    "etc/c": "/srv\n",
    "opt/": "",
    "srv/": "",
  });
  using loader = createLoader({ root: root.path });
  expect(loader.libraryDirectories()).toEqual(["/srv", "/opt", "/lib/x86_64-linux-gnu", "/lib"]);
  expect(loader.configurationFiles()).toEqual(["/etc/ld.so.conf", "/etc/c"]);
});
