import { describe, expect, test } from "bun:test";
import { toBytes } from "../../ffi/bytes.ts";
import { scanIni } from "../../src/config/scan.ts";
import { createCompanions } from "../../src/profile/companions.ts";
import { fakeFileSystem, type Tree } from "./populate-fake.ts";

const program = { type: "file", mode: 0o755 } as const;
const HOST: Tree = {
  "/usr/bin/snake": "->snake3.1",
  "/usr/bin/snake3.1": program,
  "/usr/lib/snake3.1/os.s": "",
  "/usr/bin/sh": program,
  "/usr/bin/editor": program,
  "/usr/share/editor-files/syntax": "",
  "/usr/bin/hub": program,
  "/usr/lib/hub/core": "",
  "/usr/bin/client": program,
  "/etc/client.d/a": "",
  "/usr/share/certificates/a": "",
};
const INI = `[snake]
paths = snake, /usr/bin/snake3.*, /usr/lib/snake3.*, sh
includesections = certificates
[certificates]
paths = /usr/share/certificates
[shell]
paths = /usr/bin/sh
[editors]
paths = editor, /usr/share/editor-files
[hub]
paths = hub, /usr/lib/hub
[hubserver]
paths = hub
[client]
paths = client, /etc/client.d
`;

const companions = (ini = INI) =>
  createCompanions(() => scanIni(toBytes(ini), "jk_init.ini", "py"), fakeFileSystem(HOST), {
    libraryDirectories: () => ["/usr/lib"],
  });

describe("the section of a program", () => {
  test.each([
    ["/usr/bin/snake", "snake"],
    ["/usr/bin/snake3.1", "snake"],
    ["/usr/bin/editor", "editors"],
    // Another section names it without data, but this one has its name.
    ["/usr/bin/hub", "hub"],
    // A section without data names it too, so that it needs no more.
    ["/usr/bin/sh", undefined],
    // Settings are no data.
    ["/usr/bin/client", undefined],
    ["/usr/bin/unknown", undefined],
    ["/usr/lib/hub/core", undefined],
  ])("%s: %p", (path, section) => {
    expect(companions().ofProgram(path)?.section).toBe(section as string);
  });

  test("has the paths of the sections that it includes", () => {
    expect([...(companions().ofProgram("/usr/bin/snake")?.paths() ?? [])].sort()).toEqual([
      "/usr/bin/sh",
      "/usr/bin/snake",
      "/usr/bin/snake3.1",
      "/usr/lib/snake3.1",
      "/usr/share/certificates",
    ]);
  });
});

describe("the section of an interpreter", () => {
  test("has a directory with its name", () => {
    expect(companions().ofInterpreter("/usr/bin/snake")?.section).toBe("snake");
    expect(companions().ofInterpreter("/usr/bin/snake3.1")?.section).toBe("snake");
    expect(companions().ofInterpreter("/usr/bin/sh")).toBeUndefined();
  });

  test("is none for a shell that only sections with data name", () => {
    const ini = "[site]\npaths = /usr/bin/sh, /usr/lib/hub\n";
    expect(companions(ini).ofProgram("/usr/bin/sh")?.section).toBe("site");
    expect(companions(ini).ofInterpreter("/usr/bin/sh")).toBeUndefined();
  });
});

test("without the file, or with an invalid one, there are none", () => {
  const none = createCompanions(() => undefined, fakeFileSystem(HOST), { libraryDirectories: () => [] });
  expect(none.ofProgram("/usr/bin/snake")).toBeUndefined();
  expect(companions("[a]\nneed_proc = perhaps\n").ofInterpreter("/usr/bin/snake")).toBeUndefined();
});
