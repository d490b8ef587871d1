import { describe, expect, test } from "bun:test";
import { programEnvironment } from "../../src/known-programs/environment.ts";
import { isRootsRepository } from "../../src/known-programs/git.ts";
import { type HookedRepository, hooksWarning } from "../../src/known-programs/hooks.ts";
import type { ProgramFiles } from "../../src/known-programs/program.ts";
import { plainNames, recognise, refusalOf, startsOf } from "../../src/known-programs/recognise.ts";
import { carriesCode } from "../../src/known-programs/starters.ts";
import { PROGRAMS } from "../../src/known-programs/table.ts";
import { type OwnStart, ownStartWarning, programWarnings } from "../../src/known-programs/warnings.ts";

/** A file system of links, and of files that have several names. */
function filesOf(links: Record<string, string>, hardLinks: string[][] = []): ProgramFiles {
  return {
    readLink: (path) => links[path],
    look: () => undefined,
    identity: (path) => {
      const at = hardLinks.findIndex((names) => names.includes(path));
      return at < 0 ? undefined : { file: `8:1:${at}`, links: hardLinks[at]?.length ?? 0 };
    },
  };
}
const bare = filesOf({});
const familiesOf = (path: string, files = bare) => recognise(path, files).rows.map(({ names }) => names[0]);

describe("a program is known by its name", () => {
  test.each([
    ["/usr/bin/rsync", "rsync"],
    ["rsync", "rsync"],
    ["/opt/x/bin/rsync", "rsync"],
    ["/usr/bin/unison-2.53", "unison"],
    ["/usr/bin/unison-2.53-text", "unison"],
    ["/usr/bin/unison-text", "unison"],
    ["/usr/bin/unison-gtk", "unison"],
    ["/usr/bin/unison-2.53.3+ocaml-4.14.1", "unison"],
    ["/usr/bin/rsync-3.4.1", "rsync"],
    ["/usr/bin/rsync.real", "rsync"],
    ["/usr/bin/git-upload-pack", "git"],
    ["/usr/bin/borgbackup", "borg"],
    ["/usr/lib/openssh/sftp-server", "sftp-server"],
  ])("%s is %s", (path, family) => {
    expect(familiesOf(path)).toEqual([family]);
  });

  test.each([
    "/usr/bin/ls",
    "/rsync/ls",
    "/usr/bin/rsync-ssl",
    "/usr/bin/unison-fsmonitor",
    "/usr/bin/constructor",
  ])("%s is not a known program", (path) => {
    expect(familiesOf(path)).toEqual([]);
  });

  test("a name without its version is never empty", () => {
    expect(plainNames("python3.13")).toContain("python");
    expect(plainNames("rsync3")).toContain("rsync");
    expect(plainNames("ld-linux-x86-64.so.2")).toContain("ld-linux-x86-64.so");
    expect(plainNames("x86_64-linux-gnu-gcc-14")).toContain("gcc");
    expect(plainNames("7")).toEqual(["7"]);
    expect(plainNames("md5sum")).toEqual(["md5sum"]);
  });
});

describe("a program is known by its file", () => {
  const links = filesOf({
    "/usr/bin/backup": "/etc/alternatives/backup",
    "/etc/alternatives/backup": "../../usr/bin/rsync",
    "/usr/bin/near": "rsync",
    "/usr/bin/loop": "loop",
    "/usr/bin/mygit": "git",
    "/usr/bin/git-config": "git",
    "/usr/bin/rsync": "/usr/bin/bash",
  });
  test("through several symbolic links", () => {
    expect(familiesOf("/usr/bin/backup", links)).toEqual(["rsync"]);
    expect(familiesOf("/usr/bin/near", links)).toEqual(["rsync"]);
    expect(familiesOf("/usr/bin/loop", links)).toEqual([]);
  });

  test("a symbolic link is never treated less strictly than its target", () => {
    for (const path of ["/usr/bin/backup", "/usr/bin/near"]) {
      expect(refusalOf(recognise(path, links), ["-a", "a", "b"], links)).toBeDefined();
      expect(refusalOf(recognise(path, links), ["--server", ".", "x"], links)).toBeUndefined();
    }
    expect(refusalOf(recognise("/usr/bin/mygit", links), ["log"], links)).toBeDefined();
    expect(refusalOf(recognise("/usr/bin/mygit", links), ["upload-pack", "x"], links)).toBeUndefined();
    // git does what its name says
    expect(refusalOf(recognise("/usr/bin/git-config", links), ["upload-pack"], links)).toBeDefined();
    // what is called rsync, and is a shell
    expect(programWarnings("/usr/bin/rsync", links, false)).toEqual([
      { message: expect.stringContaining("('bash') is a shell"), advice: expect.any(String) },
    ]);
  });

  test("hard links", () => {
    const files = filesOf({}, [
      ["/usr/bin/backup", "/usr/bin/rsync"],
      ["/usr/bin/ls", "/usr/bin/dir"],
      ["/usr/bin/alone"],
    ]);
    expect(familiesOf("/usr/bin/backup", files)).toEqual(["rsync"]);
    expect(familiesOf("/usr/bin/ls", files)).toEqual([]);
    expect(familiesOf("/usr/bin/alone", files)).toEqual([]);
  });
});

describe("the environment of a known program", () => {
  const session = new Map([
    ["HOME", "/home/u"],
    ["PATH", "/home/u/bin"],
    ["RSYNC_RSH", "/home/u/x"],
    ["GIT_PROTOCOL", "version=2"],
    ["GIT_SSH", "/home/u/x"],
    ["XDG_CONFIG_HOME", "/home/u"],
    ["SHELL", "/home/u/x"],
    ["PYTHONPATH", "/home/u"],
  ]);
  const given = (name: string, configured: [string, string][] = []) =>
    Object.fromEntries(
      programEnvironment(
        recognise(`/usr/bin/${name}`, bare).rows,
        new Map([...session, ...configured]),
        configured,
      ),
    );

  test("is that of the session for other programs, except the variables that apply to all", () => {
    expect(given("ls")).toEqual({ ...Object.fromEntries(session), PYTHONNOUSERSITE: "1" });
  });

  test("has no HOME for rsync, whatever is configured", () => {
    expect(given("rsync", [["HOME", "/home/u"]])).not.toHaveProperty("HOME");
    expect(given("rsync")).not.toHaveProperty("RSYNC_RSH");
    expect(given("rsync").PATH).toBe("/usr/bin:/bin");
    expect(given("rsync", [["PATH", "/opt/bin"]]).PATH).toBe("/opt/bin");
  });

  test("has git's configuration", () => {
    const git = given("git-receive-pack");
    expect(git).toMatchObject({
      HOME: "/home/u",
      GIT_PROTOCOL: "version=2",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_CONFIG_KEY_0: "core.hooksPath",
      GIT_CONFIG_VALUE_0: "/dev/null",
    });
    expect(git).not.toHaveProperty("GIT_SSH");
    expect(git).not.toHaveProperty("XDG_CONFIG_HOME");
    const count = Number(git.GIT_CONFIG_COUNT);
    expect(Object.keys(git).filter((name) => name.startsWith("GIT_CONFIG_KEY_"))).toHaveLength(count);

    const own = given("git", [
      ["GIT_CONFIG_COUNT", "1"],
      ["GIT_CONFIG_KEY_0", "core.hooksPath"],
      ["GIT_CONFIG_VALUE_0", "/etc/hooks"],
      ["GIT_CONFIG_GLOBAL", "/home/u/.gitconfig"],
    ]);
    expect(own).toMatchObject({
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_CONFIG_KEY_0: "core.hooksPath",
      GIT_CONFIG_VALUE_0: "/dev/null",
      GIT_CONFIG_COUNT: String(count + 1),
      [`GIT_CONFIG_KEY_${count}`]: "core.hooksPath",
      [`GIT_CONFIG_VALUE_${count}`]: "/etc/hooks",
    });
  });

  test("pairs of the session do not count as those of the administrator", () => {
    const mine = new Map([
      ...session,
      ["GIT_CONFIG_COUNT", "1"],
      ["GIT_CONFIG_KEY_0", "x.y"],
      ["GIT_CONFIG_VALUE_0", "z"],
    ]);
    const got = programEnvironment(recognise("/usr/bin/git", bare).rows, mine, []);
    expect([...got.values()]).not.toContain("x.y");
  });

  test("has no shell but jk_lsh for mosh-server", () => {
    expect(given("mosh-server")).toMatchObject({ SHELL: "/usr/sbin/jk_lsh" });
  });
});

describe("warnings about a program", () => {
  test.each([
    "/bin/sh",
    "/usr/bin/python3.13",
    "/usr/bin/vim.basic",
    "/usr/bin/find",
    "/usr/bin/perl5.40.1",
    "/usr/bin/x86_64-linux-gnu-gcc-14",
    "/usr/bin/git-shell",
    ..."sshfs rrsync ssh-copy-id zless zmore lesspipe valgrind dbclient rsync-ssl rclone restic lsyncd tig gitolite-shell"
      .split(" ")
      .map((name) => `/usr/bin/${name}`),
  ])("%p can start programs", (path) => {
    expect(programWarnings(path, bare, false)).toHaveLength(1);
  });

  test.each([
    "/usr/bin/ls",
    "/usr/lib/openssh/sftp-server",
    "/usr/bin/md5sum",
    "/usr/bin/printf",
    "/usr/bin/constructor",
  ])("%p cannot start programs", (path) => {
    expect(programWarnings(path, bare, false)).toEqual([]);
  });

  test("inputs that cannot be closed, only for the programs that have them", () => {
    const told = (name: string) => programWarnings(`/usr/bin/${name}`, bare, false).length;
    expect(
      ["rsync", "scp", "git", "git-upload-archive", "hg", "borg", "unison", "mosh-server"].map(told),
    ).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(["cvs", "svnserve"].map(told)).toEqual([1, 1]);
    // a link called anything
    expect(programWarnings("/usr/bin/x", filesOf({ "/usr/bin/x": "cvs" }), false)).toHaveLength(1);
  });

  test("none for inputs that the kernel closes", () => {
    for (const name of ["cvs", "svnserve"]) {
      expect(programWarnings(`/usr/bin/${name}`, bare, false, true)).toEqual([]);
    }
  });

  test("any program, if arguments are not checked", () => {
    for (const { names } of PROGRAMS) {
      const [only] = programWarnings(`/usr/bin/${names[0]}`, bare, true);
      expect(only?.message).toContain("allow_spawn_options");
    }
  });
});
test("variables that contain code", () => {
  expect(
    ["LD_PRELOAD", "BASH_ENV", "PERL5OPT", "GIT_SSH_COMMAND", "RSYNC_RSH"].filter(
      (name) => !carriesCode(name),
    ),
  ).toEqual([]);
  expect(["TERM", "LANG", "MYLD_PRELOAD", "PERL", "GIT_PROTOCOL"].filter(carriesCode)).toEqual([]);
});

describe("the programs that a server executes itself", () => {
  const starts = (...names: string[]) =>
    startsOf(names.flatMap((name) => recognise(`/usr/bin/${name}`, bare).rows));
  test.each(["rsync", "scp", "sftp-server", "cvs", "svnserve", "hg", "borg"])("%s: nothing", (name) => {
    expect(starts(name)).toEqual([]);
  });

  test("git: itself and git-core; for several rows, all of theirs", () => {
    expect(starts("git-upload-pack")).toContain("/usr/lib/git-core");
    expect(starts("cvs", "git")).toEqual(starts("git"));
  });

  test("unknown programs, and those that start a shell, are not limited by the table", () => {
    expect(starts("vi")).toBeUndefined();
    expect(starts("mosh-server")).toBeUndefined();
    expect(starts("rsync", "mosh-server")).toBeUndefined();
  });
});

describe("a repository that only root can configure", () => {
  const directory = { uid: 0, mode: 0o040755 };
  const file = { uid: 0, mode: 0o100644 };
  const usual: Record<string, { uid: number; mode: number }> = {
    "/": directory,
    "/srv": directory,
    "/srv/git": directory,
    "/srv/git/r.git": directory,
    "/srv/git/r.git/config": file,
    "/srv/git/r.git/info": directory,
    // Who pushes owns these.
    "/srv/git/r.git/objects": { uid: 1000, mode: 0o040775 },
    "/srv/git/r.git/refs": { uid: 1000, mode: 0o040775 },
  };
  const isRoots = (change: Record<string, { uid: number; mode: number }> = {}, path = "/srv/git/r.git") => {
    const all = new Map(Object.entries({ ...usual, ...change }));
    return isRootsRepository(path, { ...filesOf({}), look: (at) => all.get(at) });
  };

  test("is recognised by each spelling of its path", () => {
    for (const path of ["/srv/git/r.git", "/srv/git/r.git/", "/srv/git/r"])
      expect(isRoots({}, path)).toBe(true);
    for (const path of [
      "",
      "/",
      "r.git",
      "~/r.git",
      "~root/r.git",
      "/srv/git/../git/r.git",
      "/srv/./git/r.git",
    ])
      expect(isRoots({}, path)).toBe(false);
    expect(isRoots({}, "/srv/git/none")).toBe(false);
    // As the kernel would find it: through links, `..` leads elsewhere.
    const behind = { "/srv/git/..": directory, "/srv/git/../r.git": directory };
    expect(isRoots(behind, "/srv/git/../r.git")).toBe(false);
  });

  test.each<[string, string, { uid: number; mode: number }]>([
    ["a directory above it is a user's", "/srv", { uid: 1000, mode: 0o040755 }],
    ["a directory above it can be written by others", "/srv/git", { uid: 0, mode: 0o040775 }],
    ["it can be written by others", "/srv/git/r.git", { uid: 0, mode: 0o042775 }],
    ["it is a user's", "/srv/git/r.git", { uid: 1000, mode: 0o040755 }],
    ["a directory above it is a link", "/srv/git", { uid: 0, mode: 0o120777 }],
    ["its config is a user's", "/srv/git/r.git/config", { uid: 1000, mode: 0o100644 }],
    ["its config can be written by a group", "/srv/git/r.git/config", { uid: 0, mode: 0o100664 }],
    ["its config is a link", "/srv/git/r.git/config", { uid: 0, mode: 0o120777 }],
    ["its info is a user's", "/srv/git/r.git/info", { uid: 1000, mode: 0o040755 }],
    ["its attributes are a user's", "/srv/git/r.git/info/attributes", { uid: 1000, mode: 0o100644 }],
    [
      "its config of a work tree is a user's",
      "/srv/git/r.git/config.worktree",
      { uid: 1000, mode: 0o100644 },
    ],
    ["it has its configuration elsewhere", "/srv/git/r.git/commondir", file],
    ["it leads to another one", "/srv/git/r.git/.git", file],
    ["another one in it counts first", "/srv/git/r.git/.git", { uid: 1000, mode: 0o040755 }],
  ])("is not if %s", (_, path, found) => {
    expect(isRoots({ [path]: found })).toBe(false);
  });

  test("is served by upload-archive, without any option", () => {
    const files = { ...filesOf({}), look: (at: string) => usual[at] };
    const reason = (...args: string[]) =>
      refusalOf(recognise("/usr/bin/git-upload-archive", files), args, files);
    expect(reason("/srv/git/r.git")).toBeUndefined();
    expect(reason("/srv/git/other.git")).toBeDefined();
    expect(reason("/srv/git/r.git", "--remote=x")).toBeDefined();
    expect(reason()).toBeDefined();
  });
});

describe("a server that starts another program before it serves", () => {
  const env: OwnStart = { kind: "script", interpreter: "/usr/bin/env", lookedUp: "python3" };
  const sh: OwnStart = { kind: "script", interpreter: "/bin/sh", lookedUp: undefined };
  const python: OwnStart = { kind: "script", interpreter: "/usr/bin/python3", lookedUp: undefined };
  const certain = (path: string, start: OwnStart | undefined) =>
    ownStartWarning(path, recognise(path, bare), start)?.certain;

  test.each<[string, OwnStart | undefined, boolean | undefined]>([
    ["/usr/bin/borg", env, true],
    ["/usr/bin/borg", sh, false],
    ["/usr/bin/borg", python, undefined],
    ["/usr/bin/borg", { kind: "unpacks" }, true],
    ["/usr/bin/borg", undefined, undefined],
    ["/usr/bin/git-upload-pack", sh, true],
    ["/usr/bin/git", python, true],
    ["/usr/bin/git", undefined, undefined],
    // What it may execute, the key execute says alone.
    ["/usr/bin/mosh-server", env, undefined],
    ["/usr/bin/ls", env, undefined],
  ])("%s as %j: %p", (path, start, expected) => {
    expect(certain(path, start)).toBe(expected as never);
  });
});

test("the first line of a program is escaped", () => {
  const start: OwnStart = { kind: "script", interpreter: "/x\x1b/env", lookedUp: "py\x1b]0;x\x07" };
  const warning = ownStartWarning("/usr/bin/borg", recognise("/usr/bin/borg", bare), start);
  expect(`${warning?.message} ${warning?.advice}`).toMatch(/^[\x20-\x7e]*$/);
});

describe("hooks that do not run", () => {
  const at = (path: string, kind: HookedRepository["kind"] = "git"): HookedRepository => ({
    path,
    kind,
    hooks: ["update"],
  });
  const told = (program: string, repositories: HookedRepository[], configured: Record<string, string> = {}) =>
    hooksWarning(recognise(program, bare), repositories, new Map(Object.entries(configured)))?.message;
  const pair = (value: string) => ({
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: "core.hooksPath",
    GIT_CONFIG_VALUE_0: value,
  });

  test("are those for the allowed program", () => {
    expect(told("/usr/bin/git", [at("/r"), at("/h", "hg")])).toBe("hooks do not run in '/r' (update)");
    expect(told("/usr/bin/hg", [at("/r"), at("/h", "hg")])).toBe("hooks do not run in '/h' (update)");
    expect(told("/usr/bin/rsync", [at("/r")])).toBeUndefined();
    expect(told("/usr/bin/git", [])).toBeUndefined();
  });

  test("are named up to a limit", () => {
    expect(
      told(
        "/usr/bin/git",
        ["/1", "/2", "/3", "/4", "/5"].map((path) => at(path)),
      ),
    ).toEndWith("'/3' (update), and in 2 more");
  });

  test("run if the administrator names them", () => {
    expect(told("/usr/bin/git", [at("/r")], pair("/usr/lib/hooks"))).toBeUndefined();
    for (const value of ["", "/dev/null"])
      expect(told("/usr/bin/git", [at("/r")], pair(value))).toBeDefined();
    expect(told("/usr/bin/hg", [at("/h", "hg")], pair("/usr/lib/hooks"))).toBeDefined();
  });
});
