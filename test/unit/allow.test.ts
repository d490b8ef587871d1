import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readKeys } from "../../src/config/keys.ts";
import { scanIni } from "../../src/config/scan.ts";
import { lshKeys } from "../../src/config/schemas/lsh.ts";
import { type LimitedRequest, planLimited } from "../../src/enter/limited/limited.ts";
import { placeFault, placesOf } from "../../src/known-programs/allow/places.ts";
import {
  RSYNC_LONG,
  RSYNC_REFUSED,
  RSYNC_SHORT,
  RSYNC_SHORT_FOLLOW,
  RSYNC_SHORT_NUMBER,
  rsyncOption,
} from "../../src/known-programs/allow/rsync-options.ts";
import { ALLOW, type AllowName, judgeAllowed, serviceOf } from "../../src/known-programs/allow/table.ts";
import { decide } from "../../src/limited-shell/decide.ts";
import type { FileView } from "../../src/limited-shell/files.ts";

const programs = [
  ..."rsync scp git git-upload-pack git-receive-pack git-upload-archive unison unison-2.53 svnserve borg sh"
    .split(" ")
    .map((name) => `/usr/bin/${name}`),
  "/usr/lib/openssh/sftp-server",
];
const files: FileView = {
  isRegularFile: (path) => programs.includes(path),
  isDirectory: () => false,
  exists: () => false,
  readDirectory: () => undefined,
  look: () => undefined,
  readLink: () => undefined,
  identity: () => undefined,
  homeOf: () => undefined,
};

interface Section {
  allow: readonly AllowName[];
  read?: readonly string[] | "all";
  write?: readonly string[] | "all";
  executables?: string[];
  allowSpawnOptions?: boolean;
}

/** What a section says of a command line. */
function run(commandLine: string, section: Section | AllowName) {
  const keys: Section = typeof section === "string" ? { allow: [section] } : section;
  const policy = {
    ...{ executables: undefined, paths: [], allowWordExpansion: false, allowSpawnOptions: false },
    ...{ read: undefined, write: undefined, ...keys },
  };
  return decide({ commandLine, policy, environment: new Map(), home: "/home/u", files });
}

/** The arguments that a command gets. */
function argsOf(commandLine: string, section: Section | AllowName): string[] | undefined {
  const decision = run(commandLine, section);
  return decision.allowed ? decision.argv.slice(1) : undefined;
}

/** The allowed and the refused ones of some command lines. */
function judged(
  section: Section | AllowName,
  lines: readonly string[],
): { allowed: string[]; refused: string[] } {
  const allowed = lines.filter((line) => run(line, section).allowed);
  return { allowed, refused: lines.filter((line) => !allowed.includes(line)) };
}

const allAllowed = (section: Section | AllowName, ...lines: string[]) =>
  expect(judged(section, lines)).toEqual({ allowed: lines, refused: [] });
const allRefused = (section: Section | AllowName, ...lines: string[]) =>
  expect(judged(section, lines)).toEqual({ allowed: [], refused: lines });

describe("places", () => {
  const home = "/home/u";

  test("a missing key adds nothing to the other, and a word that reads never writes", () => {
    expect(placesOf(["/d"], undefined, true, home)).toMatchObject({ read: ["/d"], write: [] });
    expect(placesOf(undefined, ["/d"], true, home)).toMatchObject({ read: ["/d"], write: ["/d"] });
    expect(placesOf("all", ["/d"], true, home)).toMatchObject({ read: "all", write: ["/d"] });
    expect(placesOf(["/d"], "all", true, home)).toMatchObject({ read: ["/d"], write: "all" });
    expect(placesOf(undefined, [], true, home)).toMatchObject({ read: "all", write: [] });
    expect(placesOf(undefined, undefined, true, home)).toMatchObject({ read: "all", write: "all" });
    expect(placesOf(undefined, "all", false, home)).toMatchObject({ read: "all", write: [] });
    expect(placesOf(undefined, ["/d"], false, home)).toMatchObject({ read: ["/d"], write: [] });
  });

  test("what may be written may be read, and ~ is the home", () => {
    expect(placesOf(["~"], ["~/in"], true, home)).toMatchObject({
      read: ["/home/u", "/home/u/in"],
      write: ["/home/u/in"],
    });
  });

  test("without a home, ~ is none: not the root directory, nor a path from there", () => {
    for (const none of ["", "home"]) {
      const places = placesOf(["~"], ["~/in"], true, none);
      expect(places).toMatchObject({ read: ["~", "~/in"], write: ["~/in"] });
      for (const path of ["/etc/shadow", "/in/x", "/home/x"]) {
        expect(placeFault(path, "read", places)).toBeDefined();
        expect(placeFault(path, "write", places)).toBeDefined();
      }
    }
  });

  test.each(["", "u", "home/u"])("without a home, which is %j, ~ is nowhere", (unknown) => {
    const places = placesOf(["~", "~/own"], undefined, false, unknown);
    for (const path of ["/", "/etc/passwd", "/own", "own", "~", "~/own", ""]) {
      expect(placeFault(path, "read", places), path).toBeDefined();
    }
  });

  test("the home may be the root directory", () => {
    const places = placesOf(["~/own"], ["~"], true, "/");
    expect(places).toMatchObject({ read: ["/own", "/"], write: ["/"] });
    expect(placeFault("/etc/passwd", "write", places)).toBeUndefined();
  });

  test.each([
    ["/d", true],
    ["/d/", true],
    ["/d/x", true],
    ["//d/./x", true],
    ["/d/..x/y..", true],
    ["/dx", false],
    ["/", false],
    ["", false],
    ["/d/..", false],
    ["/d/../d", false],
    ["../../d", false],
    ["/e/d", false],
    ["d", false],
    ["own/x", true],
    ["./own", true],
    ["own2", false],
    ["/home/u/own", true],
  ])("%j is in /d or ~/own: %j", (path, expected) => {
    const places = placesOf(["/d", "~/own"], undefined, false, home);
    expect(placeFault(path, "read", places) === undefined).toBe(expected);
  });

  test("a path outside is found whatever it is made of", () => {
    const part = fc.constantFrom("", ".", "..", "d", "dd", "e", "/");
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const path = parts.join("/");
        const names = `${path.startsWith("/") ? "" : "/home/u/"}${path}`.split("/");
        const plain = names.filter((name) => name !== "" && name !== ".");
        const expected = !plain.includes("..") && plain[0] === "d";
        const places = placesOf(["/d"], undefined, false, home);
        expect(placeFault(path, "read", places) === undefined).toBe(expected);
      }),
    );
  });
});

const LIMITED = { read: ["/data"], write: ["/in"] };

describe("rsync", () => {
  const pull = "rsync --server --sender -logDtpre.iLsfxCIvu";
  const push = "rsync --server -logDtpre.iLsfxCIvu";

  test("a download reads where the section reads, and writes nothing", () => {
    const section: Section = { allow: ["rsync download"], ...LIMITED };
    allAllowed(
      section,
      `${pull} . /data`,
      `${pull} . /data/x /in/y`,
      `${pull} --files-from=- --from0 . /data/`,
      `${pull} --files-from /data/list . /data`,
      `${pull} --partial-dir=.p --suffix -x . /data`,
      `${pull} -B700 --bwlimit=5 --timeout 7 . /data`,
      "rsync --server --sender -vlogDtprze31.14iLsfxC . /data",
      "/usr/bin/rsync --server --sender -re. . /data",
    );
    expect(run(`${pull} . /data`, section)).toMatchObject({
      argv: ["/usr/bin/rsync", "--server", "--sender", "-logDtpre.iLsfxCIvu", ".", "/data"],
      granted: { word: "rsync download", read: ["/data", "/in"], write: [] },
    });
  });

  test("a download refuses all else", () => {
    allRefused(
      { allow: ["rsync download"], ...LIMITED },
      `${push} . /data`,
      `${push} . /in`,
      `${pull} . /etc`,
      `${pull} . /data /etc`,
      `${pull} . /data/../etc`,
      `${pull} . /datax`,
      `${pull} . .`,
      `${pull} .`,
      `${pull} . ''`,
      `${pull} /data . /data`,
      `${pull} /data`,
      `${pull} . /data --remove-source-files`,
      `${pull} --remove-source-files . /data`,
      `${pull} --delete . /data`,
      `${pull} --delete-missing-args . /data`,
      `${pull} --log-file=/data/x . /data`,
      `${pull} --log-file=/in/x . /data`,
      `${pull} --files-from=/etc/shadow . /data`,
      `${pull} --files-from /etc/shadow . /data`,
      `${pull} --files-from list . /data`,
      `${pull} --temp-dir=/tmp . /data`,
      `${pull} --partial-dir=../x . /data`,
      `${pull} --link-dest=/etc . /data`,
      `${pull} --sender . /data`,
      `${push} --sender . /data`,
      `rsync --sender --server -re.L . /data`,
      `rsync --sender -re.L . /data`,
      `rsync -re.L . /data`,
      "rsync --version",
      "rsync --server --daemon .",
      "rsync --server --sender --daemon . /data",
      "rsync --server --sender -L . /data",
      "rsync --server --sender -lK . /data",
      "rsync --server --sender -k . /data",
      "rsync --server --sender --copy-unsafe-links . /data",
      "rsync --server --sender --copy-links . /data",
      "rsync --server --sender --copy-devices . /data",
      "rsync --server --sender -s . /data",
      "rsync --server --sender -esh . /data",
      "rsync --server --sender -e sh . /data",
      "rsync --server --sender -re.L/x . /data",
      "rsync --server --sender -B7x . /data",
      "rsync --server --sender -rB7 . /data",
      "rsync --server --sender - . /data",
      "rsync --server --sender '' . /data",
      "rsync --server --sender -- . /data",
      "rsync --server --sender -Mx . /data",
      "rsync --server --sender -T /data . /data",
      "rsync --server --sender --debug=all . /data",
      "rsync --server --sender --exclude-from=/data/x . /data",
      "rsync --server --sender --no-munge-links . /data",
      "rsync --server --sender --constructor . /data",
      "rsync --server --sender '--append delay-updates' . /data",
      "rsync --server --sender --numeric-ids=x . /data",
      "rsync --server --sender --temp-dir",
      "./rsync --server --sender -r . /data",
      "/data/rsync --server --sender -r . /data",
      "bin/rsync --server --sender -r . /data",
      "rsync-3.5 --server --sender -r . /data",
      "sh -c rsync",
      "rrsync /data",
    );
  });

  test("an upload writes where the section writes", () => {
    const section: Section = { allow: ["rsync upload"], ...LIMITED };
    allAllowed(
      section,
      `${push} . /in`,
      `${push} --delete --delete-after . /in/x`,
      `${push} --partial-dir .p --backup-dir=/in/old --suffix=~ . /in`,
      `${push} --temp-dir=/in/.t --log-file=/in/log . /in`,
      `${push} --link-dest=/data/last --copy-dest /in/y . /in`,
      `${push} --only-write-batch=X . /in`,
    );
    expect(run(`${push} . /in`, section)).toMatchObject({ granted: { write: ["/in"] } });
    allRefused(
      section,
      `${pull} . /in`,
      `${pull} . /data`,
      `${push} . /data`,
      `${push} .`,
      `${push} . /in /etc`,
      `${push} . /in/../data`,
      `${push} --backup-dir=/data . /in`,
      `${push} --backup-dir /home/u . /in`,
      `${push} --temp-dir=/tmp . /in`,
      `${push} --partial-dir=/data/p . /in`,
      `${push} --link-dest=/etc . /in`,
      `${push} --compare-dest=../../etc . /in`,
      `${push} --copy-dest /home . /in`,
      `${push} --log-file=/data/log . /in`,
      `${push} --log-file=log . /in`,
      `${push} --log-file . /in`,
      `${push} --files-from=/etc/passwd . /in`,
      `${push} --write-devices . /in`,
      `${push} --sender . /in`,
      `${push} . /in -K`,
      `${push} . /in --rsh=sh`,
    );
  });

  test("with both, a download writes nothing unless it removes its files", () => {
    const section: Section = { allow: ["rsync"], ...LIMITED };
    expect(run(`${pull} . /data`, section)).toMatchObject({ granted: { write: [] } });
    expect(run(`${pull} --remove-source-files . /in`, section)).toMatchObject({
      granted: { write: ["/in"] },
    });
    allRefused(section, `${pull} --remove-source-files . /data`, `${pull} --log-file=/in/x . /data`);
    allAllowed(section, `${push} . /in`);
  });

  test("without read and write, paths and links are free", () => {
    allAllowed(
      "rsync",
      `${pull} -L . /etc ../x`,
      `${push} -K --backup-dir=../b --temp-dir=/tmp . /x`,
      `${pull} .`,
    );
    allAllowed("rsync download", `${pull} -L --copy-unsafe-links . /etc ../x`);
    allRefused({ allow: ["rsync download"], read: ["/etc"] }, `${pull} -L . /etc`);
    allRefused({ allow: ["rsync", "rsync upload"], write: [] }, `${pull} -L . /etc`, `${push} -K . /x`);
    allRefused("rsync", `${push} --daemon .`, `${push} -s . x`, `${push} . x --rsh=sh`);
  });

  test("nothing is uploaded without the key write", () => {
    allRefused({ allow: ["rsync"], read: ["/data"] }, `${push} . /data`, `${push} . /in`, `${push} .`);
  });

  test("an upload reads nothing else without the key read", () => {
    const section: Section = { allow: ["rsync upload"], write: ["/in"] };
    allRefused(section, `${push} --files-from=/etc/passwd . /in`, `${push} --link-dest=/etc . /in`);
    expect(run(`${push} . /in`, section)).toMatchObject({ granted: { read: ["/in"], write: ["/in"] } });
  });

  test("the words hold whatever executables and allow_spawn_options say", () => {
    const section: Section = {
      ...{ allow: ["rsync download"], read: ["/data"], executables: ["/usr/bin/rsync", "/usr/bin/sh"] },
      allowSpawnOptions: true,
    };
    allRefused(section, `${push} . /data`, "/usr/bin/rsync --server --daemon .", `${pull} -esh . /data`);
    allAllowed(section, "/usr/bin/sh -c id", `${pull} . /data`);
    allRefused({ allow: ["git read"], allowSpawnOptions: true }, "git-upload-pack --exec=sh /srv/x");
    expect(run("/usr/bin/sh -c id", section)).toMatchObject({ granted: undefined });
  });
});

describe("the table of rsync's options", () => {
  const all: string[] = [...Object.values(RSYNC_LONG), RSYNC_REFUSED].flatMap((names) => names.split(" "));

  test("has each option once", () => {
    expect(all.filter((name, at) => all.indexOf(name) !== at)).toEqual([]);
    for (const name of RSYNC_REFUSED.split(" ")) expect([name, rsyncOption(name)]).toEqual([name, undefined]);
  });

  test("knows each option of the installed rsync", () => {
    for (const words of [["--help"], ["--daemon", "--help"]]) {
      const env = { LC_ALL: "C", PATH: "/usr/bin:/bin" };
      const help = `${Bun.spawnSync(["rsync", ...words], { env }).stdout}`;
      const options = help.split("\n").flatMap((line) => /^-.*?(?= {2})/.exec(line) ?? []);
      const names = options.flatMap((option) => option.match(/(?<=--)[A-Za-z0-9][\w-]*/g) ?? []);
      expect(names.length).toBeGreaterThan(10);
      expect(names.filter((name) => !all.includes(name))).toEqual([]);
    }
  });

  // What the installed client sends for its options, in a download and an upload; there is no host.
  test.each([
    ["-a", true, true],
    ["-aHAXUSxzvvn --numeric-ids --stats", true, true],
    ["-rlE --mkpath --fsync --preallocate --inplace --append", true, true],
    ["-a --delete --delete-excluded --force --ignore-errors --max-delete=5", true, true],
    ["-a --delay-updates --delete-delay --suffix=.s -b", true, true],
    ["-a --backup --backup-dir=old --partial-dir=.p --temp-dir=t --link-dest=last", true, true],
    ["-aR --no-implied-dirs --files-from=- --from0", true, true],
    ["-a -B700 --modify-window=2 --bwlimit=5 --timeout=7 --max-size=5M --min-size=1", true, true],
    ["-az --compress-choice=zstd --compress-level=3 --skip-compress=gz --checksum-choice=md5", true, true],
    ["-a --usermap=0:1 --groupmap=0:1 --chmod=u+w --iconv=utf8,latin1", true, true],
    ["-a --fuzzy --existing --ignore-existing --size-only --ignore-times --info=progress2", true, true],
    ["-a --one-file-system --safe-links --munge-links --super", true, true],
    ["-a --exclude=x --include-from=/dev/null --prune-empty-dirs -u -c -W -y --old-args", true, true],
    ["-aP --itemize-changes --human-readable --out-format=%n --stderr=client", true, true],
    ["-a --remove-source-files", false, true],
    ["-a --link-dest=../last", true, false],
    ["-aL", false, true],
    ["-a --copy-unsafe-links", false, false],
    ["-aK", true, false],
    ["-a -s", false, false],
    ["-a -M--copy-devices", false, false],
    ["-a -M--daemon", false, false],
    ["-a -M--log-file=/data/log", false, false],
  ])("client: rsync %s", (options, pull, push) => {
    const sent = (...operands: string[]) => {
      const words = ["rsync", ...options.split(" "), "-e", "sh -c 'echo \"sent: $*\" >&2'", ...operands];
      const env = { PATH: "/usr/bin:/bin" };
      return (
        /^sent: (.*)$/m.exec(`${Bun.spawnSync(words, { stdin: new Blob(["x"]), env }).stderr}`)?.[1] ?? ""
      );
    };
    const section: Section = { allow: ["rsync"], read: ["/data"], write: ["/in"] };
    const result = (line: string) => [line, run(line, section).allowed];
    const [down, up] = [sent("h:/data/x", "/tmp/"), sent("/dev/null", "h:/in/x")];
    expect([down, up].map((line) => line.startsWith("rsync --server"))).toEqual([true, true]);
    expect([result(down), result(up)]).toEqual([
      [down, pull],
      [up, push],
    ]);
  });

  /** Where rrsync of an older rsync is another one than that of 3.5, which the table has. */
  const OLDER: Readonly<Record<string, { others: readonly string[]; unknown: readonly string[] }>> = {
    "3.4": { others: ["  'debug': 1,"], unknown: ["dirs", "compress-threads"] },
  };

  test("classes them as the installed rrsync does", async () => {
    const source = await Bun.file("/usr/bin/rrsync").text();
    const version = /version (\d+\.\d+)/.exec(Bun.spawnSync(["rsync", "--version"]).stdout.toString())?.[1];
    const { others = [], unknown = [] } = OLDER[version ?? ""] ?? {};
    const theirs = [...source.matchAll(/^ {2}'([\w-]+)': (-?\d),/gm)];
    expect(theirs.length).toBeGreaterThan(80);
    const classes: Record<string, string> = {
      ...{ flag: "0", follow: "0", remove: "0", value: "1", write: "2", basis: "2", list: "3", log: "3" },
    };
    const ours = (name: string) => {
      const kind = rsyncOption(name);
      return kind === undefined ? "-1" : classes[kind];
    };
    const different = theirs.filter(([, name = "", kind]) => name !== "sender" && ours(name) !== kind);
    expect(different.map(([text]) => text)).toEqual([...others]);
    const known = theirs.map(([, name]) => name);
    const more = Object.values(RSYNC_LONG).flatMap((names) => names.split(" "));
    expect(more.filter((name) => !known.includes(name))).toEqual([...unknown]);
    const letters = (name: string) => new RegExp(`^${name} = '(.*)'`, "m").exec(source)?.[1];
    expect(RSYNC_SHORT).toBe((letters("short_no_arg") ?? "").replace(letters("short_disabled") ?? "?", ""));
    expect(RSYNC_SHORT_NUMBER).toBe(letters("short_with_num") ?? "");
    expect(RSYNC_SHORT_FOLLOW).toBe(letters("short_disabled_subdir") ?? "");
  });
});

describe("scp", () => {
  test("both directions", () => {
    allAllowed(
      { allow: ["scp"], ...LIMITED },
      "scp -f /data/x",
      "scp -r -p -f /data/x /in/y",
      "scp -v -d -t /in",
      "scp -prdt /in/x",
      "scp -q -t -- /in/-x",
      "scp -f -- /data/x",
    );
    allRefused(
      { allow: ["scp"], ...LIMITED },
      "scp -t /data",
      "scp -f /etc/passwd",
      "scp -f /data/../etc/passwd",
      "scp -f /data /etc",
      "scp -t .",
      "scp -tf /in",
      "scp -t -f /data",
      "scp /data/x /in",
      "scp -r",
      "scp -t",
      "scp -f --",
      "scp -S sh -t /in",
      "scp -oProxyCommand=sh -t /in",
      "scp -t /in -f",
      "scp -3 -t /in",
      "scp --x -t /in",
      "scp -",
      "scp -t -",
    );
  });

  test("one direction", () => {
    const down: Section = { allow: ["scp download"], ...LIMITED };
    allAllowed(down, "scp -f /data/x");
    allRefused(down, "scp -t /in", "scp -t /data");
    expect(run("scp -f /data/x", down)).toMatchObject({ granted: { write: [] } });
    const up: Section = { allow: ["scp upload"], ...LIMITED };
    allAllowed(up, "scp -t /in");
    allRefused(up, "scp -f /in/x", "scp -f /data");
  });

  test("a relative path begins at the home", () => {
    const section: Section = { allow: ["scp upload"], write: ["~/drop"] };
    allAllowed(section, "scp -t drop", "scp -t ./drop/x", "scp -t /home/u/drop");
    allRefused(section, "scp -t .", "scp -t drop2", "scp -t drop/../x", "scp -t '~/drop'");
  });
});

describe("sftp", () => {
  test("all that a configuration of sshd sends", () => {
    for (const word of ["sftp", "restic sftp"] as const)
      allAllowed(
        word,
        "internal-sftp",
        "sftp-server -f AUTH -l INFO -e",
        "/usr/lib/openssh/sftp-server",
        "internal-sftp -u 022 -P remove -p open -d /x",
      );
    allRefused(
      "sftp",
      "sftp-server -Q requests",
      "sftp-server -h",
      "sftp-server -f",
      "sftp-server x",
      "/usr/libexec/sftp-server",
      "/home/u/sftp-server",
      "sftp",
      "internal-sftp2",
    );
  });

  test("read-only is said to the server and to the kernel", () => {
    const section: Section = { allow: ["sftp read-only"], read: ["/data"], write: ["/in"] };
    expect(argsOf("internal-sftp -l INFO", section)).toEqual(["-R", "-l", "INFO"]);
    expect(run("internal-sftp", section)).toMatchObject({ granted: { read: ["/data", "/in"], write: [] } });
    expect(run("internal-sftp -R", "sftp")).toMatchObject({ granted: { write: [] } });
    expect(run("internal-sftp", "sftp")).toMatchObject({ granted: { write: "all" } });
  });
});

describe("git", () => {
  const section: Section = { allow: ["git read"], read: ["/srv/git"], write: ["/srv/git/own.git"] };

  test("reads", () => {
    allAllowed(
      section,
      "git-upload-pack '/srv/git/x.git'",
      "git upload-pack /srv/git/x.git",
      "git-upload-pack --strict --timeout=5 /srv/git/x",
      "/usr/bin/git-upload-pack /srv/git/x",
    );
    expect(run("git-upload-pack /srv/git/x", section)).toMatchObject({ granted: { write: [] } });
    allRefused(
      section,
      "git-receive-pack /srv/git/own.git",
      "git receive-pack /srv/git/own.git",
      "git-upload-archive /srv/git/x",
      "git-upload-pack /etc",
      "git-upload-pack /srv/git/../x",
      "git-upload-pack /srv/gitx",
      "git-upload-pack x.git",
      "git-upload-pack '~/x'",
      "git-upload-pack '~root/x'",
      "git-upload-pack /srv/git/x /srv/git/y",
      "git-upload-pack",
      "git-upload-pack --help",
      "git-upload-pack --exec=sh /srv/git/x",
      "git --exec-path=/tmp upload-pack /srv/git/x",
      "git version",
      "git -c x=y upload-pack /srv/git/x",
      "git help",
      "git",
    );
  });

  test("opens what is in a place alone, and nothing beside it whose name ends with .git", () => {
    const one: Section = {
      allow: ["git write"],
      read: ["/srv/git/site.git", "~/r"],
      write: ["/srv/git/own"],
    };
    expect(
      [
        "git-upload-pack /srv/git/site.git",
        "git-upload-pack /srv/git/site.git//",
        "git-upload-pack --strict /srv/git/site",
        "git upload-pack '~/r'",
        "git-upload-pack r",
        "git-upload-pack r/",
        "git-upload-pack r/x",
        "git-receive-pack /srv/git/own",
        "git receive-pack /srv/git/own/sub",
      ].map((line) => argsOf(line, one)?.join(" ")),
    ).toEqual([
      "/srv/git/site.git/.",
      "/srv/git/site.git/.",
      "--strict /srv/git/site.git/.",
      "upload-pack ~/r/.",
      "r/.",
      "r/.",
      "r/x",
      "/srv/git/own/.",
      "receive-pack /srv/git/own/sub",
    ]);
    allRefused(
      one,
      "git-receive-pack /srv/git/own.git",
      "git-upload-pack /srv/git/own.git",
      "git-upload-pack /srv/git/sit",
      "git-upload-pack /srv/git",
      "git-upload-pack /",
      "git-upload-pack '~'",
    );
    allRefused({ allow: ["git read"], read: ["~"] }, "git-upload-pack ''", 'git upload-pack ""');
    const both: Section = { allow: ["git read"], read: ["/srv/site", "/srv/site.git"] };
    expect(argsOf("git-upload-pack /srv/site", both)).toEqual(["/srv/site"]);
    const named: Section = { allow: ["git read"], read: ["~/upload-pack"] };
    expect(argsOf("git upload-pack upload-pack", named)).toEqual(["upload-pack", "upload-pack/."]);
  });

  test("writes", () => {
    const writes: Section = { ...section, allow: ["git write"] };
    allAllowed(writes, "git-receive-pack /srv/git/own.git", "git-upload-pack /srv/git/x");
    expect(run("git-receive-pack /srv/git/own.git", writes)).toMatchObject({
      granted: { write: ["/srv/git/own.git"] },
    });
    allRefused(
      writes,
      "git-receive-pack /srv/git/x.git",
      "git-receive-pack /srv/git/own.git/../x.git",
      "git-upload-archive /srv/git/x",
      "git-receive-pack '~root/x'",
    );
    allRefused({ allow: ["git write"] }, "git-receive-pack '~root/x'");
    allAllowed({ allow: ["git read"], read: ["~/r"] }, "git-upload-pack '~/r/x'", "git-upload-pack r/x");
  });
});

describe("svn", () => {
  test("the tunnel alone", () => {
    allAllowed("svn", "svnserve -t", "svnserve --tunnel", "svnserve -t -R");
    allRefused(
      "svn",
      "svnserve",
      "svnserve -d",
      "svnserve -R",
      "svnserve -t --tunnel-user=root",
      "svnserve -t -r /",
      "svnserve -t --config-file /tmp/x",
      "svnserve --version",
      "svnadmin create /x",
    );
  });

  test("reads only if nothing may be written", () => {
    expect(argsOf("svnserve -t", { allow: ["svn"], read: ["/svn"] })).toEqual(["-R", "-t"]);
    expect(argsOf("svnserve -t", { allow: ["svn"], write: ["/svn"] })).toEqual(["-t"]);
  });
});

describe("borg", () => {
  test("the paths of the section are forced", () => {
    const section: Section = { allow: ["borg"], write: ["/b", "~/c"] };
    expect(argsOf("borg serve --info --umask=077", section)).toEqual([
      ..."serve --info --umask=077 --restrict-to-path /b --restrict-to-path /home/u/c".split(" "),
    ]);
    expect(argsOf("borg serve", "borg")).toEqual(["serve"]);
    expect(argsOf("borg serve", { allow: ["borg append-only"], write: ["/b"] })).toEqual([
      ..."serve --append-only --restrict-to-path /b".split(" "),
    ]);
    expect(run("borg serve", section)).toMatchObject({ granted: { temporary: "/b" } });
    expect(run("borg serve", "borg")).toMatchObject({ granted: { temporary: undefined } });
  });

  test("a client can name no other", () => {
    for (const word of ["borg", "borg append-only"] as const)
      allRefused(
        { allow: [word], write: ["/b"] },
        "borg serve --restrict-to-path /",
        "borg serve --restrict-to-path=/",
        "borg serve --restrict-to-repository /",
        "borg serve --restrict-to-p /",
        "borg serve --append-only=0",
        "borg serve --debug-profile=/b/x",
        "borg serve --umask 0",
        "borg serve --umask=",
        "borg serve --",
        "borg serve x",
        "borg delete /b",
        "borg mount /b /x",
        "borg --info serve",
        "borg --version",
        "borg",
      );
    allRefused({ allow: ["borg"], read: ["/b"] }, "borg serve");
  });
});

describe("unison", () => {
  test("any version, and its archives", () => {
    const section: Section = { allow: ["unison"], write: ["/sync"] };
    allAllowed(section, "unison -server", "unison-2.53 -server", "unison -server __new-rpc-mode");
    expect(run("unison -server", section)).toMatchObject({
      granted: { write: ["/sync", "/home/u/.unison"] },
    });
    allRefused(
      section,
      "unison",
      "unison -server x",
      "unison -server __new-rpc-mode x",
      "unison -socket 1",
      "unison a b",
      "unison-2.48 -server",
      "unison -version",
      "/home/u/unison -server",
    );
    expect(run("/home/u/unison -server", section)).toMatchObject({ exitStatus: 4, code: "not-granted" });
    allRefused({ allow: ["unison"], read: ["/sync"] }, "unison -server");
  });
});

describe("a word by itself, without the rules for every known server", () => {
  const judge = (name: AllowName, line: string, invoked = "x") =>
    ALLOW[name].judge(line.split(" "), invoked, { read: "all", write: "all", home: "/home/u" });

  test.each<[AllowName, string]>([
    ["rsync", "-r . /in"],
    ["rsync", "--server -esh . x"],
    ["rsync", "--server -e . x"],
    ["rsync", "--server x . y"],
    ["rsync", "--server -r"],
    ["rsync", "--server -r . x -L"],
    ["rsync", "--server -r . x --daemon"],
    ["rsync upload", "--server --sender -r . x"],
    ["rsync download", "--server -r . x"],
    ["rsync download", "--server --sender --delete . x"],
    ["scp", "-tS x"],
    ["scp", "-r x"],
    ["scp", "-t x -f"],
    ["scp", "-t --x"],
    ["sftp", "-x"],
    ["svn", "-R"],
    ["borg", "delete"],
    ["borg", "serve --rest /"],
    ["unison", "-server __new-rpc-mode x"],
    ["unison", "-socket"],
  ])("%s: %s", (name, line) => {
    expect(judge(name, line)).toBeString();
  });

  test("git", () => {
    expect(judge("git write", "upload-archive /x", "git")).toBeString();
    expect(judge("git write", "/x", "git-upload-archive")).toBeString();
    expect(judge("git read", "/x", "git-receive-pack")).toBeString();
    expect(judge("git read", "/x", "git-upload-pack")).toEqual({ args: ["/x"], writes: false });
  });
});

describe("the plan of the limited shell", () => {
  function planOf(keys: string, asked: string) {
    const u = { name: "u", password: "x", uid: 1000, gid: 7, gecos: "", home: "/home/u", shell: "/s" };
    const group = (gid: number) => ({ name: "g", password: "", gid, members: [] });
    const request: LimitedRequest = {
      argv: ["-jk_lsh", "-c", asked],
      environment: ["HOME=/home/u", "TMPDIR=/tmp", "RSYNC_X=1"],
      ...{ uid: 1000, gid: 7, groups: () => [] },
      accounts: { userByName: () => u, userByUid: () => u, groupByGid: group, groupByName: () => undefined },
      loadConfig: () => scanIni(Buffer.from(`[u]\n${keys}\n`), "/f", "c"),
      files,
      someNamedCounts: () => false,
    };
    const plan = planLimited(request);
    return plan.allowed ? plan : { code: plan.code };
  }

  test("narrows the section for the command of a word", () => {
    const keys = "allow = rsync, borg\nread = ~/r\nwrite = ~/w\nallow_spawn_options = 1";
    expect(planOf(keys, "rsync --server --sender -r . r")).toMatchObject({
      by: { word: "rsync" },
      environment: ["PATH=/usr/bin:/bin", "PYTHONNOUSERSITE=1"],
      starts: [],
      confinement: { noNewPrivs: true, read: ["/home/u/r", "/home/u/w"], write: [] },
    });
    expect(planOf(keys, "borg serve")).toMatchObject({
      argv: ["/usr/bin/borg", "serve", "--restrict-to-path", "/home/u/w"],
      environment: expect.arrayContaining(["TMPDIR=/home/u/w"]),
      confinement: { read: ["/home/u/r", "/home/u/w"], write: ["/home/u/w"] },
    });
  });

  test("keeps read and write, whatever confine and execute say", () => {
    const keys = "allow = rsync download\nread = /data\nconfine = 0\nexecute = any";
    expect(planOf(keys, "rsync --server --sender -r . /data")).toMatchObject({
      confinement: { noNewPrivs: true, read: ["/data"], write: [] },
    });
  });

  test("wants a pattern, too, for what the client sent", () => {
    const keys = "allow = borg\nwrite = /b\ncommand b = borg serve";
    expect(planOf(keys, "borg serve")).toMatchObject({ by: { word: "borg", pattern: "b" } });
    expect(planOf(keys, "borg serve --info")).toEqual({ code: "no-pattern" });
    expect(planOf(`${keys} --umask=*`, "borg serve --umask=077")).toMatchObject({ by: { pattern: "b" } });
    expect(planOf("allow = rsync\ncommand b = borg ...", "borg serve")).toMatchObject({
      by: { word: undefined },
    });
    expect(planOf("allow = rsync\ncommand b = borg ...", "rsync --server .")).toEqual({ code: "no-pattern" });
  });

  test("obeys force, which a word must allow", () => {
    expect(planOf("allow = rsync\nforce = rsync --server --sender -r . /data", "id")).toMatchObject({
      argv: ["/usr/bin/rsync", "--server", "--sender", "-r", ".", "/data"],
    });
    expect(planOf("allow = rsync upload\nforce = rsync --server --sender -r . /data", "id")).toEqual({
      code: "not-granted",
    });
  });
});

describe("sections", () => {
  test("only the programs of the words are allowed", () => {
    expect(run("sh", "rsync")).toMatchObject({ allowed: false, exitStatus: 4, code: "not-allowed" });
    expect(run("rsync -a", "rsync")).toMatchObject({ allowed: false, exitStatus: 4, code: "not-granted" });
    expect(run("svnserve-1 -t", "svn")).toMatchObject({ allowed: false, code: "not-allowed" });
  });

  test("the first word that allows a command counts", () => {
    const section: Section = { allow: ["sftp read-only", "rsync upload", "rsync download"], ...LIMITED };
    expect(run("rsync --server --sender -r . /data", section)).toMatchObject({
      granted: { word: "rsync download", write: [] },
    });
    expect(run("rsync --server -r . /in", section)).toMatchObject({
      granted: { word: "rsync upload", write: ["/in"] },
    });
  });

  test("a program that is missing is told", () => {
    const absent = { ...files, isRegularFile: () => false };
    const policy = {
      ...{ executables: undefined, paths: [], allowWordExpansion: false, allowSpawnOptions: false },
      allow: ["rsync"] as const,
    };
    const request = { environment: new Map(), home: "/", files: absent, policy };
    expect(decide({ commandLine: "rsync --server .", ...request })).toMatchObject({
      allowed: false,
      exitStatus: 127,
      code: "not-found",
    });
  });

  test("each word has a service", () => {
    for (const name of Object.keys(ALLOW) as AllowName[])
      expect(serviceOf(name).directories.length).toBeGreaterThan(0);
  });

  const read = (text: string) =>
    readKeys(scanIni(Buffer.from(`[x]\n${text}\n`), "/f", "c").sections[0], lshKeys);

  test("the key is a list of words", () => {
    expect(read("allow = rsync download, git read").allow).toEqual(["rsync download", "git read"]);
    expect(read("paths = /x").allow).toBeUndefined();
  });

  test.each([
    ["allow = rsync dowload", "'rsync dowload' is not one of its words; did you mean 'rsync download'?"],
    ["allow = rsync, sh", "'sh' is not one of its words"],
    ["allow = Rsync", "did you mean 'rsync'?"],
    ["allow = sftp readonly", "'sftp readonly' is not one of its words; did you mean 'sftp read-only'?"],
    // Nobody who wrote this means an upload.
    [
      "allow = rsync read",
      "'rsync read' is not one of its words; those for rsync: rsync, rsync upload, rsync download",
    ],
    ["allow = git", "'git' is not one of its words; those for git: git read, git write"],
    ["allow = ,", "it has no item"],
    ["allow =", "it has no value"],
    ["allow = toString", "'toString' is not one of its words"],
    ["allow = rsync download # comment", "is not one of its words"],
  ])("%s is an error", (text, message) => {
    const { allow, problems } = read(text);
    expect(allow).toBeUndefined();
    expect(problems).toMatchObject([{ severity: "error", message: expect.stringContaining(message) }]);
  });
});

test("a program is found in absolute directories only: a user chooses the files in others", () => {
  const isFile = (path: string) => path.endsWith("/rsync");
  const found = (paths: string[], typed = "rsync") =>
    judgeAllowed(
      typed,
      ["--server", "."],
      { allow: ["rsync"], paths, read: undefined, write: undefined, home: "/home/u" },
      isFile,
    );
  expect(found(["bin", "", ".", "/opt/bin/"])).toMatchObject({ path: "/opt/bin/rsync" });
  expect(found(["bin"])).toMatchObject({ path: "/usr/bin/rsync" });
  expect(found(["bin"], "bin/rsync")).toMatchObject({ missing: false });
  expect(found([""], "/rsync")).toMatchObject({ missing: false });
});
