import type { Machine } from "../machine/machine.ts";

/** The directory of libraries of this processor. */
export const LIBDIR = `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;

// The second version of the program needs a function that only the second version of its library has, and a library
// that is new.
const PROGRAM = {
  1: `#include <stdio.h>
int tiny_one(void);
int main(void) { printf("version %d\\n", tiny_one()); return 0; }
`,
  2: `#include <stdio.h>
int tiny_two(void);
int extra(void);
int main(void) { printf("version %d\\n", tiny_two() + extra()); return 0; }
`,
};
const text = (version: string) => `const char *tiny_text(void) { return "${version} version"; }\n`;
const LIBRARY = {
  1: `int tiny_one(void) { return 1; }\n${text("first")}`,
  2: `int tiny_one(void) { return 1; }\nint tiny_two(void) { return 2; }\n${text("second")}`,
};
// Tells for each line that it reads which library it has.
const LOOP = `#include <stdio.h>
const char *tiny_text(void);
int main(void) {
  puts("ready");
  fflush(stdout);
  while (getchar() != EOF) puts(tiny_text());
  return 0;
}
`;

/** Files of the package besides the program and its libraries, by version; "-> X" is a link, undefined is not there. */
const FILES: Readonly<Record<string, readonly [string | undefined, string | undefined]>> = {
  "/usr/share/tiny/same": ["same\n", "same\n"],
  "/usr/share/tiny/changed": ["old\n", "new, and longer\n"],
  "/usr/share/tiny/as-long": ["old\n", "new\n"],
  "/usr/share/tiny/gone": ["gone\n", undefined],
  "/usr/share/tiny/old/gone": ["gone\n", undefined],
  "/usr/share/tiny/added": [undefined, "added\n"],
  "/usr/share/tiny/new/added": [undefined, "added\n"],
  "/usr/share/tiny/link": ["-> same", "-> changed"],
  "/usr/share/tiny/becomes-link": ["file\n", "-> same"],
  "/usr/share/tiny/becomes-file": ["-> same", "file\n"],
  "/usr/share/tiny/was-directory/a": ["a\n", undefined],
  "/usr/share/tiny/was-directory/b/c": ["c\n", undefined],
  "/usr/share/tiny/is-directory/a": [undefined, "a\n"],
  "/usr/share/tiny/is-directory/b/c": [undefined, "c\n"],
  // A directory that becomes a link, and a link that becomes a directory.
  "/usr/share/tiny/was-directory": [undefined, "-> is-directory"],
  "/usr/share/tiny/was-link": ["-> was-directory", undefined],
  "/usr/share/tiny/was-link/d": [undefined, "d\n"],
};

const MODES = { "/usr/share/tiny/same": [0o644, 0o600] } as const;

function build(m: Machine, version: 1 | 2): void {
  const root = `/root/tiny${version}`;
  const lib = `${root}${LIBDIR}`;
  m.mkdir(lib);
  m.mkdir(`${root}/usr/bin`);
  m.write("/root/build/lib.c", LIBRARY[version]);
  m.write("/root/build/extra.c", "int extra(void) { return 0; }\n");
  m.write("/root/build/main.c", PROGRAM[version]);
  const compile = (...words: string[]) => m.must(["gcc", "-O1", "-s", ...words]);
  compile(
    "-shared",
    "-fPIC",
    "-Wl,-soname,libtiny.so.1",
    "-o",
    `${lib}/libtiny.so.1.${version}`,
    "/root/build/lib.c",
  );
  m.symlink(`libtiny.so.1.${version}`, `${lib}/libtiny.so.1`);
  const libraries = [`${lib}/libtiny.so.1`];
  if (version === 2) {
    compile(
      "-shared",
      "-fPIC",
      "-Wl,-soname,libextra.so.2",
      "-o",
      `${lib}/libextra.so.2`,
      "/root/build/extra.c",
    );
    libraries.push(`${lib}/libextra.so.2`);
  }
  compile("-o", `${root}/usr/bin/tiny`, "/root/build/main.c", ...libraries);
  m.write("/root/build/loop.c", LOOP);
  compile("-o", `${root}/usr/bin/tinyloop`, "/root/build/loop.c", ...libraries);
  for (const [path, contents] of Object.entries(FILES)) {
    const content = contents[version - 1];
    if (content === undefined) continue;
    if (content.startsWith("-> ")) {
      m.mkdir(`${root}${path.slice(0, path.lastIndexOf("/"))}`);
      m.symlink(content.slice(3), `${root}${path}`);
    } else m.write(`${root}${path}`, content);
  }
  for (const [path, modes] of Object.entries(MODES)) m.chmod(`${root}${path}`, modes[version - 1] ?? 0);
  const architecture = m.must(["dpkg", "--print-architecture"]).stdout.trim();
  // dpkg moves no directory out of the way of a link by itself.
  const preinst =
    "#!/bin/sh\nset -e\nfor each in was-directory was-link; do\n  path=/usr/share/tiny/$each\n  if [ -e $path ]; then rm -rf $path; fi\ndone\n";
  m.write(`${root}/DEBIAN/preinst`, preinst, { mode: 0o755 });
  m.write(
    `${root}/DEBIAN/control`,
    `Package: tiny\nVersion: ${version}.0\nArchitecture: ${architecture}\nMaintainer: nobody <nobody@localhost>\nDescription: a program and its library\n`,
  );
  m.must(["dpkg-deb", "--root-owner-group", "--build", root, `/root/tiny_${version}.deb`]);
}

/** Builds two versions of a package with a program, its libraries and data. */
export function buildPackages(m: Machine): void {
  build(m, 1);
  build(m, 2);
}

/** Installs a version of the package, as an upgrade of the host does. */
export function install(m: Machine, version: 1 | 2): void {
  m.must(["dpkg", "--force-downgrade", "--no-triggers", "-i", `/root/tiny_${version}.deb`], {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", DEBIAN_FRONTEND: "noninteractive" },
  });
}
