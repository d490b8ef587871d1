import { afterAll, beforeEach, describe, expect, setSystemTime, spyOn, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  closeSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { libc } from "../../ffi/libc.ts";
import { JailkitError } from "../../src/cli/error.ts";
import { loadConfig } from "../../src/config/load.ts";
import { type Dialect, LIMITS } from "../../src/config/model.ts";
import { savedLongAgo } from "./saved-long-ago.ts";

savedLongAgo();

const base = mkdtempSync(`${tmpdir()}/config-load-`);
afterAll(() => rmSync(base, { recursive: true }));
let directory = base;
let file = "";
let count = 0;
const USER = 61234;

beforeEach(() => {
  directory = `${base}/${count++}`;
  mkdirSync(directory);
  chmodSync(directory, 0o755);
  file = `${directory}/jk_lsh.ini`;
});

function put(path: string, text: string, mode = 0o644): void {
  writeFileSync(path, text, "latin1");
  chmodSync(path, mode);
}

function dropIns(files: Record<string, string>, mode = 0o755): string {
  const path = `${directory}/jk_lsh.d`;
  mkdirSync(path);
  for (const [name, text] of Object.entries(files)) put(`${path}/${name}`, text);
  chmodSync(path, mode);
  return path;
}

const dropInPlace = () => `${directory}/jk_lsh.d`;
const dropIn = () => `${dropIns({})}/m.ini`;
const moveAside = (path: string) => renameSync(path, `${path}~`);
const moveBack = (path: string) => renameSync(`${path}~`, path);

const load = (dialect: Dialect = "c") => loadConfig(file, { dialect, exitStatus: 3 });
const names = (dialect: Dialect = "c") => load(dialect)?.sections.map((section) => section.name);

/** What is loaded, or why nothing is. */
function outcome(): string | undefined {
  try {
    return names("py")?.join();
  } catch (error) {
    return error instanceof JailkitError ? error.code : String(error);
  }
}

/** The error that loading gives. */
function problem(dialect: Dialect = "c"): JailkitError | undefined {
  try {
    load(dialect);
  } catch (error) {
    if (!(error instanceof JailkitError)) throw error;
    return error;
  }
  return undefined;
}

/** The same as its code; its message has to hold `text`. */
function refusal(text: string, dialect: Dialect = "c"): string {
  const error = problem(dialect);
  if (error === undefined) return "loaded";
  expect(error.message).toContain(text);
  expect(error.message).not.toContain("\n");
  expect(error.exitStatus).toBe(3);
  return error.code;
}

const COPIED = "copy it to a file of root's, read the copy, and move that over it";

/** Types the remedy of a file; what somebody has open for writing is then no part of what is read. */
function heal(): void {
  const open = openSync(file, "r+");
  Bun.spawnSync(["sh", "-c", problem()?.remedy ?? "false"], { stdin: Buffer.from("y\n") });
  writeSync(open, "[b]\n");
  closeSync(open);
  expect([names(), statSync(file).uid, statSync(file).gid]).toEqual([["a"], 0, 0]);
}

// Only files of root count as safe.
describe.skipIf(process.getuid?.() !== 0)("loadConfig", () => {
  test("a missing file is undefined", () => {
    expect(load()).toBeUndefined();
    file = `${directory}/none/jk_lsh.ini`;
    expect(load()).toBeUndefined();
  });

  test("a file, then its drop-ins in the order of their bytes", () => {
    put(file, "[a]\nk = main\n");
    dropIns({
      "b.ini": "[b]\n",
      "B.ini": "[c]\n",
      "a.ini": "[a]\nk = other\n",
      ".x.ini": "[x]\n",
      "y.conf": "[y]\n",
    });
    expect(names()).toEqual(["a", "c", "a", "b"]);
    expect(load()?.sections[0]?.entries[0]?.value).toBe("main");
    expect(load()?.problems.map(({ file, code }) => [file, code])).toEqual([
      [`${directory}/jk_lsh.d/a.ini`, "duplicate-section"],
    ]);
    expect(refusal(`${directory}/jk_lsh.d/a.ini:1:1: error: section 'a'`, "py")).toBe("config-invalid");
  });

  test("drop-ins without a file", () => {
    dropIns({ "a.ini": "[a]\n" });
    expect(names()).toEqual(["a"]);
  });

  describe.each([
    ["is renamed", "m.ini", "jk_lsh.d/z.ini"],
    ["is beside one that is moved away", "a.ini", "a.ini"],
  ])("while a drop-in %s between two system calls of its reader,", (_, name, elsewhere) => {
    const CALLS = ["statx", "openat", "getdents64"] as const;
    let isAway = false;
    const move = () => {
      const places = [`${dropInPlace()}/${name}`, `${directory}/${elsewhere}`] as const;
      if (isAway) renameSync(places[1], places[0]);
      else renameSync(...places);
      isAway = !isAway;
    };

    beforeEach(() => {
      dropIns({ "m.ini": "[m]\n", "a.ini": "" });
      isAway = false;
    });

    /** What is loaded if it is moved before calls with these numbers, in which pauses count, and last no time. */
    function loadWhile(isMoved: (call: number) => boolean): string | undefined {
      const real = { ...libc };
      let calls = 0;
      const next = () => {
        if (isMoved(calls++)) move();
      };
      const spies = CALLS.map((call) =>
        spyOn(libc, call).mockImplementation((...given: unknown[]) => {
          next();
          return Reflect.apply(real[call], undefined, given);
        }),
      );
      const pause = spyOn(Bun, "sleepSync").mockImplementation((milliseconds) => {
        setSystemTime(new Date(Date.now() + milliseconds));
        next();
      });
      try {
        return outcome();
      } finally {
        for (const spy of [...spies, pause]) spy.mockRestore();
        if (isAway) move();
      }
    }

    test("it is read", () => {
      const seen = new Set<unknown>();
      // Away for some calls and there for some, three times.
      for (let away = 1; away <= 6; away++)
        for (let cycle = away + 1; cycle <= away + 6; cycle++)
          for (let first = 0; first < cycle; first++)
            seen.add(
              loadWhile((call) => {
                const since = call - first;
                return since >= 0 && since < 3 * cycle && [0, away].includes(since % cycle);
              }),
            );
      expect([...seen]).toEqual(["m"]);
    });

    test("and that does not end, nothing is", () => expect(loadWhile(() => true)).toBe("files-change"));
  });

  describe.each([
    ["the file", () => file, () => moveAside(file), () => moveBack(file)],
    ["what is in the file", () => file, () => put(file, ""), () => put(file, "[m]\n")],
    [
      "the directory of drop-ins",
      () => dropIn(),
      () => moveAside(dropInPlace()),
      () => moveBack(dropInPlace()),
    ],
    ["the directory above", () => file, () => moveAside(directory), () => moveBack(directory)],
  ])("while somebody saves, and %s is away for a moment,", (_, make, away, back) => {
    const places = () => [base, directory, file, dropInPlace()];
    /** It happened 3 ms ago. */
    function change(work: () => void): void {
      work();
      const times = places().map((path) => statSync(path, { throwIfNoEntry: false })?.ctimeMs ?? 0);
      setSystemTime(new Date(Math.max(...times) + 3));
    }

    /** What is loaded while it is away, and is put back in the first pause; `again`: and put away in each. */
    function loadMeanwhile(again: boolean): string | undefined {
      put(make(), "[m]\n");
      change(away);
      let isAway = true;
      const pause = spyOn(Bun, "sleepSync").mockImplementation((milliseconds) => {
        setSystemTime(new Date(Date.now() + milliseconds));
        if (isAway) change(back);
        isAway = again;
        if (again) change(away);
      });
      try {
        return outcome();
      } finally {
        pause.mockRestore();
        setSystemTime();
      }
    }

    test("it is not missed", () => expect(loadMeanwhile(false)).toBe("m"));
    test("it is not taken for missing, although that does not end", () =>
      expect(loadMeanwhile(true)).toBe("files-change"));
  });

  describe.each([
    ["the file", () => file],
    ["a drop-in", () => dropIn()],
  ])("while %s", (_, make) => {
    test("gets and loses other names all the time, it is read, and nobody waits", async () => {
      setSystemTime();
      const path = make();
      put(path, "[m]\n");
      utimesSync(path, 1e9, 1e9);
      const other = `${base}/other-name`;
      const lines = `$| = 1; print "begun"; while (1) { link "${path}", "${other}"; unlink "${other}" }`;
      const writer = Bun.spawn(["perl", "-e", lines], { stdout: "pipe", stderr: "inherit" });
      await writer.stdout.getReader().read();
      const before = statSync(path).ctimeMs;
      const pause = spyOn(Bun, "sleepSync");
      const seen = new Set<unknown>();
      // Until the other program has had its turn, too.
      for (let time = 0; time < 15 || statSync(path).ctimeMs === before; time++)
        seen.add(problem("py")?.code ?? names("py")?.join());
      const pauses = pause.mock.calls.length;
      pause.mockRestore();
      writer.kill();
      await writer.exited;
      rmSync(other, { force: true });
      expect(statSync(path).ctimeMs).toBeGreaterThan(before);
      // The directory is new.
      expect([[...seen], pauses <= 1]).toEqual([["m"], true]);
    });

    test("is written, it is read again, also if root sets its mtime back", () => {
      const path = make();
      const write = (text: string) => {
        put(path, text);
        utimesSync(path, 1e9, 1e9);
      };
      write("[m]\n");
      const { read } = libc;
      const spy = spyOn(libc, "read").mockImplementation((...args) => {
        spy.mockRestore();
        write("[n]\n");
        const count = read(...args);
        write("[o]\n");
        return count;
      });
      expect([names("py"), spy.mock.calls.length]).toEqual([["o"], 0]);
    });
  });

  test("a file that is missing, where others have just come, is waited for once", () => {
    setSystemTime();
    const pause = spyOn(Bun, "sleepSync");
    expect([names(), pause.mock.calls.length <= 1]).toEqual([undefined, true]);
    // As in /tmp, they come all the time.
    pause.mockClear();
    chmodSync(directory, 0o1755);
    expect([names(), pause.mock.calls.length]).toEqual([undefined, 0]);
    pause.mockRestore();
  });

  test("[DEFAULT] of dialect py applies to its own file", () => {
    put(file, "[DEFAULT]\nusers = root\n[a]\n");
    dropIns({ "b.ini": "[DEFAULT]\nusers = daemon\n[b]\n" });
    const values = load("py")?.sections.map(({ name, entries }) => [name, entries[0]?.value]);
    expect(values).toEqual([
      ["a", "root"],
      ["b", "daemon"],
    ]);
  });

  test("an error in the file or in a drop-in is a refusal", () => {
    put(file, "[a]\n[b\n");
    expect(refusal(`${file}:2:1: error:`)).toBe("config-invalid");
    put(file, "[a]\n");
    dropIns({ "x.ini": "\n[]\n" });
    expect(refusal(`${directory}/jk_lsh.d/x.ini:2:1: error:`)).toBe("config-invalid");
  });

  test("a file that exists and cannot be read is a refusal", () => {
    mkdirSync(file);
    expect(refusal(`${file}: not a regular file`)).toBe("config-unreadable");
    rmSync(file, { recursive: true });
    symlinkSync(`${directory}/nowhere`, file);
    expect(refusal(file)).toBe("config-unreadable");
    rmSync(file);
    put(file, "#".repeat(LIMITS.fileBytes + 1));
    expect(refusal(file)).toBe("config-unreadable");
    put(file, "[a]\n");
    writeFileSync(`${directory}/jk_lsh.d`, "");
    expect(refusal(`${directory}/jk_lsh.d: open: Not a directory`)).toBe("config-unreadable");
    rmSync(`${directory}/jk_lsh.d`);
    symlinkSync(`${directory}`, `${directory}/jk_lsh.d`);
    expect(refusal(`${directory}/jk_lsh.d is a symbolic link, which it may not be`)).toBe(
      "config-unreadable",
    );
  });

  test("a symbolic link to another file is followed", () => {
    put(`${directory}/other`, "[a]\n");
    symlinkSync("other", file);
    expect(names()).toEqual(["a"]);
  });

  test.each([0o775, 0o757, 0o1777])("drop-ins in a directory of mode %o are refused", (mode) => {
    put(file, "[a]\n");
    const path = dropIns({ "b.ini": "[b]\n" }, mode);
    expect(refusal(path)).toBe("config-unsafe");
  });

  test("a drop-in that others may write, or that is a symbolic link, is refused", () => {
    const path = dropIns({ "b.ini": "[b]\n" });
    chmodSync(`${path}/b.ini`, 0o664);
    expect(refusal(`${path}/b.ini`)).toBe("config-unsafe");
    chmodSync(`${path}/b.ini`, 0o644);
    symlinkSync("b.ini", `${path}/c.ini`);
    expect(refusal(`${path}/c.ini`)).toBe("config-unreadable");
  });

  test("a drop-in and a drop-in directory of a user are refused", () => {
    const path = dropIns({ "a.ini": "[a]\n" });
    for (const its of [path, `${path}/a.ini`]) {
      chownSync(its, USER, USER);
      expect(refusal(`${its} belongs to uid ${USER}`)).toBe("config-unsafe");
      chownSync(its, 0, 0);
    }
    expect(names()).toEqual(["a"]);
  });

  test.each([0o646, 0o664, 0o666, 0o622])(
    "a file of mode %o is refused, and a copy of root's heals",
    (mode) => {
      put(file, "[a]\n", mode);
      expect(refusal(`by others; ${COPIED}`)).toBe("config-unsafe");
      heal();
    },
  );

  test.each([0o640, 0o600, 0o444])("a file of mode %o is read", (mode) => {
    put(file, "[a]\n", mode);
    expect(names()).toEqual(["a"]);
  });

  test("a file of a user is refused, and a copy of root's heals", () => {
    put(file, "[a]\n");
    chownSync(file, USER, USER);
    expect(refusal(`${file} belongs to uid ${USER} and not to root; ${COPIED}`)).toBe("config-unsafe");
    heal();
  });

  test("a copy of a file that not everybody may read is none that everybody may read", () => {
    put(file, "[a]\n", 0o620);
    heal();
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  describe("a command that root types later", () => {
    const theirs = () => `${directory}/theirs`;
    const own = (path: string) => chownSync(path, USER, USER);
    /** Places that others can exchange, and what they put into the place of the one that is named. */
    const places: [string, string, () => string, string][] = [
      [
        ...(["a user's file", "in a sticky directory"] as const),
        () => {
          chmodSync(directory, 0o1777);
          put(file, "[a]\n");
          own(file);
          return file;
        },
        `belongs to uid ${USER} and not to root; keep it where root alone can change it`,
      ],
      [
        ...(["a file that others can write", "in a directory of theirs"] as const),
        () => {
          own(directory);
          put(file, "[a]\n", 0o666);
          return file;
        },
        "can be written by its group or by others; keep it where root alone can change it",
      ],
      [
        ...(["a user's file", "that a link of root's leads to, in their directory"] as const),
        () => {
          mkdirSync(theirs());
          const place = `${theirs()}/mine.ini`;
          put(place, "[a]\n");
          for (const path of [place, theirs()]) own(path);
          symlinkSync(place, file);
          return place;
        },
        `belongs to uid ${USER} and not to root; keep it where root alone can change it`,
      ],
      [
        ...(["a user's link", "in a sticky directory"] as const),
        () => {
          chmodSync(directory, 0o1777);
          put(`${directory}/other`, "[a]\n");
          symlinkSync("other", file);
          lchownSync(file, USER, USER);
          return file;
        },
        `which belongs to uid ${USER}; keep it where root alone can change it`,
      ],
      [
        ...(["a file that an ACL opens", "in a directory of theirs"] as const),
        () => {
          put(file, "[a]\n");
          Bun.spawnSync(["setfacl", "-m", "u:4711:rw", file]);
          own(directory);
          return file;
        },
        "keep it where root alone can change it",
      ],
      [
        ...(["a user's directory of drop-ins", "in a sticky directory"] as const),
        () => {
          put(file, "[a]\n");
          const place = dropIns({ "b.ini": "[b]\n" });
          own(place);
          chmodSync(directory, 0o1777);
          return place;
        },
        `belongs to uid ${USER} and not to root; keep it where root alone can change it`,
      ],
      [
        ...(["a user's file of the configuration", "in a sticky directory"] as const),
        () => {
          mkdirSync(`${directory}/etc/jailkit`, { recursive: true });
          chmodSync(`${directory}/etc/jailkit`, 0o1777);
          file = `${directory}/etc/jailkit/jk_lsh.ini`;
          put(file, "[a]\n");
          own(file);
          return file;
        },
        "and not to root; first let root alone write the directories above",
      ],
    ];

    test.each(places)("leads to no file that others put there meanwhile: %s %s", (_, __, make, words) => {
      const place = make();
      const error = problem();
      // What is theirs to exchange, they do.
      const victim = `${directory}/victim`;
      put(victim, "", 0o664);
      own(victim);
      rmSync(place, { recursive: true });
      symlinkSync(victim, place);
      for (const [, command] of (error?.remedy ?? "").matchAll(
        /(?:^|&& )((?:chown|chmod|install|mv|setfacl) .*)/g,
      ))
        Bun.spawnSync(["sh", "-c", command ?? ""], { cwd: directory });
      const { uid, mode } = statSync(victim);
      expect([uid, mode & 0o777]).toEqual([USER, 0o664]);
      expect([error?.code, error?.message]).toEqual(["config-unsafe", expect.stringContaining(words)]);
      expect(error?.remedy).toBe("");
    });

    const KEPT = "keep it where root alone can change it";

    test.each(["a FIFO", "a link"])("puts nothing aside that others could exchange: %s", (what) => {
      if (what === "a FIFO") Bun.spawnSync(["mkfifo", file]);
      else symlinkSync("nowhere", file);
      expect(problem()?.remedy).toBe(`mv -nT ${file} ${file}.aside`);
      own(directory);
      expect(problem()).toMatchObject({ code: "config-unreadable", message: expect.stringContaining(KEPT) });
      expect(problem()?.remedy).toBe("");
    });

    test("puts no link in place of a directory aside that others could exchange", () => {
      mkdirSync(theirs());
      put(file, "[a]\n");
      const link = `${directory}/jk_lsh.d`;
      symlinkSync("theirs", link);
      expect(problem()?.remedy).toStartWith(`mv -nT ${link} `);
      chmodSync(directory, 0o1777);
      lchownSync(link, USER, USER);
      expect([problem()?.code, problem()?.remedy]).toEqual(["config-unreadable", ""]);
    });

    test("writes to no name under which others could put a link: a file of UTF-16", () => {
      writeFileSync(file, Buffer.from("\ufeff[a]\nb = 1\n", "utf16le"));
      expect(problem("py")?.remedy).toStartWith(`iconv -f UTF-16 -t UTF-8 ${file} > ${file}.new && `);
      chmodSync(directory, 0o1777);
      expect(problem("py")).toMatchObject({ message: expect.stringContaining(KEPT), remedy: "" });
    });

    test("names the file that a link of root's leads to", () => {
      put(`${directory}/other`, "[a]\n", 0o666);
      symlinkSync("other", file);
      expect(problem()?.remedy).toEndWith(
        ` && mv -iT ${directory}/other.new ${directory}/other || ! rm -f ${directory}/other.new`,
      );
    });
  });

  describe("the path to the file", () => {
    const home = () => `${directory}/home`;
    /** A link in the place of the file, and the file at its end. */
    function lead(to: string, target = to): void {
      put(to, "[a]\n");
      symlinkSync(target, file);
    }

    test("symbolic links of root, relative and absolute, to directories and files, are followed", () => {
      mkdirSync(`${directory}/real`);
      symlinkSync("real", `${directory}/one`);
      symlinkSync(`${directory}/one/../one`, `${directory}/two`);
      lead(`${directory}/real/other`, `${directory}/two/./other`);
      expect(names()).toEqual(["a"]);
      expect(loadConfig(`${directory}/two/../jk_lsh.ini`, { dialect: "c" })?.sections).toHaveLength(1);
    });

    test.each([
      ["/opt/my.ini", "/opt/my.ini"],
      ["../../../../../../../../opt/my.ini", "/opt/my.ini"],
      ["/link/my.ini", "/opt/my.ini"],
      ["/opt/../../../opt/my.ini", "/opt/my.ini"],
    ])("from outside of a jail, the link %s leads where it leads inside", (target, to) => {
      const jail = `${directory}/jail`;
      for (const path of ["", "/opt", "/conf", "/conf/jk_lsh.d", "/etc"]) mkdirSync(jail + path);
      symlinkSync("/opt", `${jail}/link`);
      symlinkSync("/conf", `${jail}/etc/jailkit`);
      put(jail + to, "[a]\n");
      symlinkSync(target, `${jail}/conf/jk_lsh.ini`);
      put(`${jail}/conf/jk_lsh.d/b.ini`, "[b]\n");
      const read = loadConfig(`${jail}/etc/jailkit/jk_lsh.ini`, { dialect: "c", jail });
      expect(read?.sections.map(({ name }) => name)).toEqual(["a", "b"]);
    });

    test("a loop of symbolic links is refused", () => {
      symlinkSync("jk_lsh.ini", file);
      expect(refusal("a symbolic link, which is not followed here, or leads nowhere")).toBe(
        "config-unreadable",
      );
    });

    test("a symbolic link of a user is refused, and chown -h root fixes it", () => {
      lead(`${directory}/other`);
      lchownSync(file, USER, USER);
      expect(
        refusal(`the link ${file}, which belongs to uid ${USER}; read it first, then chown -h root it`),
      ).toBe("config-unsafe");
      lchownSync(file, 0, 0);
      expect(names()).toEqual(["a"]);
    });

    test("a symbolic link into a home is refused, whoever owns the file", () => {
      mkdirSync(home());
      lead(`${home()}/mine`);
      chownSync(home(), USER, USER);
      expect(refusal(`is in ${home()}, which belongs to uid ${USER}`)).toBe("config-unsafe");
      chownSync(home(), 0, 0);
      expect(names()).toEqual(["a"]);
      // A second link on the way is where the user could have put it.
      rmSync(file);
      mkdirSync(`${home()}/deep`);
      symlinkSync(`${home()}/deep/../mine`, file);
      chownSync(`${home()}/deep`, USER, USER);
      expect(refusal(`is in ${home()}/deep, which`)).toBe("config-unsafe");
    });

    test("a directory that an ACL lets others write is refused, although its group is root", () => {
      put(file, "[a]\n");
      Bun.spawnSync(["setfacl", "-m", "u:4711:rwx", directory]);
      expect(refusal(`is in ${directory}, which can be written`)).toBe("config-unsafe");
      Bun.spawnSync(["setfacl", "-b", directory]);
      expect(names()).toEqual(["a"]);
    });

    test("a directory that others can write is refused, also if the file is missing", () => {
      for (const there of [true, false]) {
        if (there) put(file, "[a]\n");
        else rmSync(file);
        for (const [mode, group] of [
          [0o757, USER],
          [0o772, USER],
          [0o775, USER],
          [0o757, 0],
          [0o777, 0],
        ] as const) {
          chmodSync(directory, mode);
          chownSync(directory, 0, group);
          expect(refusal(`is in ${directory}, which can be written`)).toBe("config-unsafe");
        }
        // The group is root's, or only owners may rename there.
        for (const [mode, group] of [
          [0o775, 0],
          [0o1777, USER],
        ] as const) {
          chownSync(directory, 0, group);
          chmodSync(directory, mode);
          expect(names()).toEqual(there ? ["a"] : undefined);
        }
      }
    });
  });

  test("a file that an ACL lets others write is refused", () => {
    put(file, "[a]\n", 0o644);
    for (const entry of ["u:4711:rw", "g:4711:rw"]) {
      Bun.spawnSync(["setfacl", "-m", entry, file]);
      expect(refusal(`(${entry}-); ${COPIED}`)).toBe("config-unsafe");
      heal();
    }
    // Where the ACL cannot be read the group's bits say enough.
    chmodSync(file, 0o664);
    const real = libc.fgetxattr;
    // EBADF: nobody knows.
    libc.fgetxattr = ((_, ...rest) => real(-1, ...rest)) as typeof real;
    try {
      expect(refusal(COPIED)).toBe("config-unsafe");
    } finally {
      libc.fgetxattr = real;
    }
    chmodSync(file, 0o644);
    Bun.spawnSync(["setfacl", "-m", "u:4711:r", file]);
    expect(names()).toEqual(["a"]);
  });
});
