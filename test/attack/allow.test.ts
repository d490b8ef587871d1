/**
 * The words of the key `allow` of jk_lsh.ini, with their own clients through a real sshd: what each allows works, and what it
 * does not allow is refused, to the client and to the command lines that an attacker sends. What clients say inside their
 * protocols is refused by the program or by the kernel.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { installArchives } from "../e2e/archives.ts";
import { compiledC } from "../machine/helper.ts";
import type { RunResult } from "../machine/machine.ts";
import { HOME, openProgramScene, type Scene, WORK } from "./programs-scene.ts";

setDefaultTimeout(180_000);

const success = { status: 0 };
const IN = `${HOME}/in`;
let s: Scene;
beforeAll(async () => {
  s = await openProgramScene();
  s.m.write("/data/a", "public\n");
  s.m.write("/data/sub/b", "more\n");
  s.m.write("/srv/secret", "secret\n");
  s.upload("private", "secret\n");
  s.upload("in/old", "old\n");
  s.m.symlink("/srv/secret", "/data/link");
  s.m.symlink("/srv", "/data/out");
  s.m.symlink(HOME, `${IN}/up`);
  s.own(HOME);
});
afterAll(() => s?.m.close());

/** The section of the account. */
const section = (...lines: string[]) =>
  s.m.write("/etc/jailkit/jk_lsh.ini", ["[dev]", ...lines, ""].join("\n"));

/** Command lines, as an attacker sends them, that jk_lsh refuses before anything starts. */
function refused(...lines: string[]): void {
  const statuses = lines.map((line) => {
    const { status, stderr } = s.sshd.ssh("dev", [line]);
    return [line, status, stderr.includes("jk_lsh: refused: ")];
  });
  expect(statuses).toEqual(lines.map((line) => [line, 4, true]));
}

const says = ({ status, stderr }: RunResult) => ({ status, stderr });
const host = "dev@127.0.0.1:";

describe("rsync", () => {
  const rsync = (...words: string[]) => s.client(["rsync", "-e", s.sshd.command, ...words]);
  const PULL = "rsync --server --sender -logDtpre.iLsfxCIvu";
  const PUSH = "rsync --server -logDtpre.iLsfxCIvu";

  describe("rsync download", () => {
    beforeAll(() => section("allow = rsync download", "read = /data"));

    test("copies what may be read, and nothing that a link leads to", () => {
      expect(rsync("-a", "--delete", `${host}/data/`, "down/")).toMatchObject(success);
      expect(s.m.read(`${WORK}/down/sub/b`)).toBe("more\n");
      expect(rsync("-avz", "--partial", "--info=stats2", `${host}/data/a`, "single")).toMatchObject(success);
      const beyond = rsync("-a", `${host}/data/out/secret`, "beyond");
      expect(says(beyond)).toMatchObject({
        status: 23,
        stderr: expect.stringContaining("Permission denied"),
      });
      expect(s.m.exists(`${WORK}/beyond`)).toBe(false);
    });

    test("refuses the client all else", () => {
      const tell = "jk_lsh: refused: 'rsync' is not allowed like this: ";
      for (const [why, words] of [
        ["only downloads are allowed", ["-a", "single", `${host}/data/new`]],
        ["'/srv/secret' is in no place that may be read here", ["-a", `${host}/srv/secret`, "x"]],
        ["'private' is in no place", ["-a", `${host}private`, "x"]],
        ["'/data/../srv/secret' has '..' in it", ["-a", "--old-args", `${host}/data/../srv/secret`, "x"]],
        ["option '-L' follows symbolic links", ["-aL", `${host}/data/`, "x"]],
        ["options that remove files", ["-a", "--remove-source-files", `${host}/data/`, "x"]],
        ["option '--copy-devices'", ["-a", "-M--copy-devices", `${host}/data/`, "x"]],
        ["option '--daemon'", ["-a", "-M--daemon", `${host}/data/`, "x"]],
      ] as const) {
        const { status, stderr } = rsync(...words);
        expect([words, status === 0, stderr]).toEqual([
          words,
          false,
          expect.stringContaining(`${tell}${why}`),
        ]);
      }
      expect(s.m.exists("/data/new")).toBe(false);
      expect(s.m.exists("/data/a")).toBe(true);
    });

    test("refuses an attacker", () =>
      refused(
        `${PULL} . /`,
        `${PULL} . /data /etc`,
        `${PULL} . ${HOME}`,
        `${PULL} .`,
        `${PULL} --files-from=/srv/secret . /data`,
        `${PULL} --log-file=${HOME}/x . /data`,
        `${PULL} . /data -L`,
        `${PULL} --debug=all . /data`,
        `${PULL} -s`,
        `${PUSH} . /data`,
        `${PUSH} . ${IN}`,
        `/usr/bin/${PUSH} . ${IN}`,
        "rsync --server --daemon .",
        "rsync -a /data/a /tmp/x",
        "scp -f /data/a",
        "internal-sftp",
        "sh -c id",
      ));

    test("a merge file of the client's rules is not read", () => {
      // It travels in the protocol: names that are missing afterwards would be the lines of the file.
      s.m.write("/data/secret", "x\n");
      const filter = "--filter=dir-merge,- ../../srv/secret";
      rsync("-a", filter, `${host}/data/`, "merged/");
      const merged = s.m.exists(`${WORK}/merged/secret`);
      s.m.remove("/data/secret");
      expect(merged).toBe(true);
    });
  });

  describe("rsync upload", () => {
    beforeAll(() => section("allow = rsync upload", "write = ~/in"));

    test("copies to where may be written, and to nothing that a link leads to", () => {
      s.m.write(`${WORK}/up/f`, "1\n");
      expect(rsync("-a", "--partial-dir=.p", "up/", `${host}in/there`)).toMatchObject(success);
      expect(s.m.read(`${IN}/there/f`)).toBe("1\n");
      expect(rsync("-a", "--delete", "up/", `${host}${IN}/there/`)).toMatchObject(success);
      expect(rsync("-a", "-b", "--backup-dir=.old", "up/f", `${host}in/`)).toMatchObject(success);
      rsync("-a", "up/f", `${host}in/up/planted`);
      expect(s.m.exists(`${HOME}/planted`)).toBe(false);
      rsync("-a", "up/f", `${host}in/up/private`);
      expect(s.m.read(`${HOME}/private`)).toBe("secret\n");
    });

    test("refuses the client all else", () => {
      for (const words of [
        ["-a", `${host}in/old`, "x"],
        ["-a", "up/f", host],
        ["-a", "up/f", `${host}.ssh/authorized_keys`],
        ["-a", "up/f", `${host}/tmp/x`],
        ["-a", "--temp-dir=/tmp", "up/f", `${host}in/`],
        ["-a", "--backup-dir=../x", "-b", "up/f", `${host}in/`],
        ["-aK", "up/", `${host}in/`],
        ["-a", "-M--log-file=/tmp/log", "up/f", `${host}in/`],
        ["-a", "-M--write-devices", "up/f", `${host}in/`],
      ]) {
        const { status, stderr } = rsync(...words);
        expect([words, status === 0, stderr]).toEqual([
          words,
          false,
          expect.stringContaining("jk_lsh: refused: "),
        ]);
      }
    });

    test("refuses an attacker", () =>
      refused(
        `${PUSH} . ${HOME}`,
        `${PUSH} .`,
        `${PUSH} . in/../.ssh`,
        `${PUSH} . in /tmp`,
        `${PUSH} --link-dest=../../x . in`,
        `${PUSH} --log-file=log . in`,
        `${PUSH} --files-from=/etc/passwd . in`,
        `${PULL} . in`,
        `${PUSH} . in --rsh=sh`,
      ));
  });

  test("rsync: both directions, each with what it needs", () => {
    section("allow = rsync", "read = /data", "write = ~/in");
    expect(rsync("-a", `${host}/data/a`, "both")).toMatchObject(success);
    expect(rsync("-a", "both", `${host}in/both`)).toMatchObject(success);
    expect(rsync("-a", "--remove-source-files", `${host}in/both`, "moved")).toMatchObject(success);
    expect(s.m.exists(`${IN}/both`)).toBe(false);
    refused(
      `${PUSH} . /data`,
      `${PULL} . /etc`,
      `${PULL} --remove-source-files . /data`,
      "rsync --server --daemon .",
    );
  });
});

describe("scp", () => {
  const scp = (...words: string[]) => s.client(["scp", "-O", ...s.sshd.clientOptions, ...words]);

  test("scp download", () => {
    section("allow = scp download", "read = /data");
    expect(scp("-r", `${host}/data/sub`, "scp-down")).toMatchObject(success);
    expect(s.m.read(`${WORK}/scp-down/b`)).toBe("more\n");
    for (const words of [
      ["scp-down/b", `${host}/data/b`],
      [`${host}/srv/secret`, "x"],
      [`${host}/data/link`, "x"],
      [`${host}private`, "x"],
    ])
      expect([words, scp(...words).status === 0]).toEqual([words, false]);
    expect(s.client(["scp", ...s.sshd.clientOptions, `${host}/data/a`, "x"]).status).not.toBe(0);
    expect(s.m.exists(`${WORK}/x`)).toBe(false);
    refused(
      "scp -t /data",
      "scp -f /etc/passwd",
      "scp -f /data/../srv/secret",
      "scp -S sh -f /data/a",
      "scp -tf /data",
    );
  });

  test("scp upload", () => {
    section("allow = scp upload", "write = ~/in");
    expect(scp("scp-down/b", `${host}in/`)).toMatchObject(success);
    expect(scp("-r", "-p", "scp-down", `${host}in/tree`)).toMatchObject(success);
    expect(s.m.read(`${IN}/tree/b`)).toBe("more\n");
    for (const words of [
      [`${host}in/b`, "x"],
      ["scp-down/b", `${host}.planted`],
      ["scp-down/b", `${host}in/up/.planted`],
      ["scp-down/b", `${host}/tmp/b`],
    ])
      expect([words, scp(...words).status === 0]).toEqual([words, false]);
    expect(s.m.exists(`${HOME}/.planted`)).toBe(false);
    refused("scp -t .", "scp -t in/../x", "scp -f in/old", "scp -t in -f", "scp -r scp-down in");
  });

  test("scp: what the protocol carries is for the kernel to refuse", () => {
    section("allow = scp", "read = /data", "write = ~/in");
    // A sink that is told a name with a slash; the program refuses it, and the kernel would.
    const { status } = s.sshd.ssh("dev", ["scp -t in"], { stdin: "C0644 2 ../planted\n1\n\0" });
    expect(status).not.toBe(0);
    expect(s.m.exists(`${HOME}/planted`)).toBe(false);
    expect(scp(`${host}/data/a`, `${WORK}/scp-both`)).toMatchObject(success);
  });
});

describe("sftp", () => {
  const sftp = (...lines: string[]) =>
    s.client(["sftp", "-b", "-", ...s.sshd.clientOptions, "dev@127.0.0.1"], {}, `${lines.join("\n")}\n`);

  test("sftp read-only", () => {
    section("allow = sftp read-only", "read = /data");
    expect(sftp("get /data/a sftp-a", "ls /data")).toMatchObject(success);
    expect(s.m.read(`${WORK}/sftp-a`)).toBe("public\n");
    for (const line of [
      "put sftp-a /data/x",
      `put sftp-a ${IN}/x`,
      `rm ${IN}/old`,
      `mkdir ${IN}/d`,
      `rename ${IN}/old ${IN}/new`,
      `symlink /etc/passwd ${IN}/l`,
      "get /srv/secret x",
      "get /data/link x",
      `get ${HOME}/private x`,
      `ls ${HOME}/in`,
    ])
      expect([line, sftp(line).status === 0]).toEqual([line, false]);
    refused("sftp-server -x", "/home/dev/sftp-server", "sh", "scp -f /data/a");
  });

  test.each(["sftp", "restic sftp"])("%s", (word) => {
    section(`allow = ${word}`, "read = /data", "write = ~/in");
    expect(sftp("get /data/a sftp-b", "put sftp-a in/s", "rename in/s in/s2", "rm in/s2")).toMatchObject(
      success,
    );
    for (const line of [
      "put sftp-a planted",
      "put sftp-a /tmp/planted",
      "put sftp-a in/up/planted",
      "rename in/old moved",
      "get /srv/secret x",
      "get private x",
      "rm /data/a",
    ])
      expect([line, sftp(line).status === 0]).toEqual([line, false]);
    const scp = s.client(["scp", ...s.sshd.clientOptions, "sftp-a", `${host}in/`]);
    expect(scp).toMatchObject(success);
    refused("sftp-server -Q requests", "sftp-server x", "rsync --server . in", "bash");
  });

  test("restic makes a backup, and reads it", () => {
    installArchives(s.m, (file) => file.startsWith("restic_"));
    section("allow = restic sftp", "write = ~/in");
    const restic = (...words: string[]) =>
      s.client(["restic", "-q", "-r", `sftp:${host}in/restic`, ...words], { RESTIC_PASSWORD: "p" });
    expect(restic("init")).toMatchObject(success);
    expect(restic("backup", "down")).toMatchObject(success);
    expect(restic("check")).toMatchObject(success);
  });
});

describe("a client that is refused", () => {
  const told = (words: string[]) => s.client(words).stderr;
  const ssh = (...words: string[]) => [...words, ...s.sshd.clientOptions];

  test("shows the reason, if sshd passes on what the server says", () => {
    section("allow = borg", "write = ~/borg");
    const reason = "jk_lsh: refused: command ";
    expect(told(["rsync", "-e", s.sshd.command, `${host}/data/a`, "x"])).toContain(`${reason}'rsync' is`);
    expect(told([...ssh("scp", "-O"), `${host}/data/a`, "x"])).toContain(`${reason}'scp' is`);
    expect(s.git("ls-remote", "ssh://dev@127.0.0.1/srv/git/x").stderr).toContain(
      `${reason}'git-upload-pack' is`,
    );
  });

  test("shows none with sftp, which scp without -O speaks: sshd discards what a subsystem says besides", () => {
    section("allow = scp");
    for (const words of [
      [...ssh("scp"), `${host}/data/a`, "x"],
      [...ssh("sftp"), "dev@127.0.0.1"],
    ])
      expect(told(words)).toMatch(/^(?:scp: )?Connection closed/m);
  });
});

describe("git", () => {
  const url = (path: string) => `ssh://dev@127.0.0.1${path}`;
  beforeAll(() => {
    for (const name of ["site", "own", "other"]) {
      const path = name === "other" ? "/srv/other.git" : `/srv/git/${name}.git`;
      s.m.mkdir(path);
      expect(s.git("init", "-q", "--bare", path)).toMatchObject(success);
    }
    expect(s.git("init", "-q", "tree")).toMatchObject(success);
    s.m.write(`${WORK}/tree/f`, "1\n");
    expect(s.git("-C", "tree", "add", "f")).toMatchObject(success);
    expect(s.git("-C", "tree", "commit", "-qm", "one")).toMatchObject(success);
    for (const path of ["/srv/git/site.git", "/srv/git/own.git", "/srv/other.git"]) {
      expect(s.git("-C", "tree", "push", "-q", path, "HEAD:refs/heads/main")).toMatchObject(success);
      s.own(path);
    }
  });

  test("git read", () => {
    section("allow = git read", "read = /srv/git");
    expect(s.git("clone", "-q", "-b", "main", url("/srv/git/site.git"), "cloned")).toMatchObject(success);
    expect(s.m.read(`${WORK}/cloned/f`)).toBe("1\n");
    expect(s.git("clone", "-q", "--depth=1", "-b", "main", url("/srv/git/own.git"), "shallow")).toMatchObject(
      success,
    );
    const push = s.git("-C", "tree", "push", "-q", url("/srv/git/own.git"), "HEAD:refs/heads/x");
    expect(push).toMatchObject({
      status: 128,
      stderr: expect.stringContaining("only 'git upload-pack' can be called"),
    });
    expect(s.git("clone", "-q", url("/srv/other.git"), "other").status).not.toBe(0);
    s.m.symlink("/srv/other.git", "/srv/git/link.git");
    expect(s.git("clone", "-q", url("/srv/git/link.git"), "other").status).not.toBe(0);
    expect(s.git("archive", `--remote=${url("/srv/git/site.git")}`, "main").status).not.toBe(0);
    refused(
      "git-receive-pack /srv/git/own.git",
      "git-upload-pack /srv/git/../other.git",
      "git-upload-pack '~root/x'",
      "git upload-pack --upload-pack=sh /srv/git/site.git",
      "git -c core.sshCommand=sh upload-pack /srv/git/site.git",
      "git-shell -c id",
      "git-upload-pack",
    );
  });

  test("a place that is one repository, by both of its names, and nothing beside it", async () => {
    section("allow = git write", "read = /srv/git/site.git, /srv/other", "write = /srv/git/own.git");
    for (const name of ["site", "site.git", "own", "own.git/"])
      expect(s.git("clone", "-q", "-b", "main", url(`/srv/git/${name}`), `by-${name}`)).toMatchObject(
        success,
      );
    expect(s.git("-C", "tree", "push", "-q", url("/srv/git/own"), "HEAD:refs/heads/z")).toMatchObject(
      success,
    );
    // git would open /srv/other.git, which a kernel without Landlock does not refuse.
    const refuse = compiledC(join(import.meta.dir, "refuse-call.c"), ["-static"]);
    s.m.write("/usr/bin/refuse-call", await Bun.file(refuse).bytes(), { mode: 0o755 });
    s.m.mkdir("/srv/other");
    const asked = (path: string) =>
      s.m.run(
        ["/usr/bin/refuse-call", "38", "444", "--", "/usr/sbin/jk_lsh", "-c", `git-upload-pack ${path}`],
        { user: "dev", env: { USER: "dev" }, cwd: HOME, stdin: "0000" },
      );
    expect(asked("/srv/git/site").stdout).toContain("refs/heads/main");
    expect(asked("/srv/other").stdout).toBe("");
    expect(asked("/srv/other").stderr).toContain("does not appear to be a git repository");
    s.m.remove("/srv/other");
  });

  test("git write", () => {
    section("allow = git write", "read = /srv/git", "write = /srv/git/own.git");
    const push = (path: string) => s.git("-C", "tree", "push", "-q", url(path), "HEAD:refs/heads/y").status;
    expect(push("/srv/git/own.git")).toBe(0);
    expect(s.git("clone", "-q", "-b", "main", url("/srv/git/site.git"), "again")).toMatchObject(success);
    expect(push("/srv/git/site.git")).not.toBe(0);
    expect(push("/srv/other.git")).not.toBe(0);
    s.m.write("/srv/git/own.git/hooks/post-receive", `#!/bin/sh\ntouch /srv/git/own.git/ran\n`, {
      mode: 0o755,
    });
    s.m.write(`${WORK}/tree/f`, "2\n");
    expect(s.git("-C", "tree", "commit", "-qam", "two")).toMatchObject(success);
    expect(push("/srv/git/own.git")).toBe(0);
    expect(s.m.exists("/srv/git/own.git/ran")).toBe(false);
    refused(
      "git-receive-pack /srv/git/site.git",
      "git-receive-pack /srv/git/own.git/../site.git",
      "git-receive-pack .",
      "git-upload-archive /srv/git/own.git",
      "git-receive-pack --x /srv/git/own.git",
    );
  });
});

describe("svn", () => {
  const url = (path: string) => `svn+ssh://dev@127.0.0.1${path}`;
  const svn = (...words: string[]) => s.client(["svn", ...words], { SVN_SSH: s.sshd.command });
  beforeAll(() => {
    for (const path of ["/srv/svn", "/srv/svn2"]) {
      s.m.must(["svnadmin", "create", path]);
      s.own(path);
    }
  });

  test("commits where may be written", () => {
    section("allow = svn", "read = /data", "write = /srv/svn");
    expect(svn("mkdir", "-q", "-m", "x", url("/srv/svn/trunk"))).toMatchObject(success);
    expect(svn("checkout", "-q", url("/srv/svn/trunk"), "svn")).toMatchObject(success);
    expect(svn("mkdir", "-q", "-m", "x", url("/srv/svn2/trunk")).status).not.toBe(0);
    expect(svn("ls", url("/srv/svn2")).status).not.toBe(0);
    s.m.write("/srv/svn/hooks/start-commit", "#!/bin/sh\ntouch /srv/svn/ran\n", { mode: 0o755 });
    svn("mkdir", "-q", "-m", "x", url("/srv/svn/more"));
    s.m.remove("/srv/svn/hooks/start-commit");
    expect(s.m.exists("/srv/svn/ran")).toBe(false);
    refused(
      "svnserve -d",
      "svnserve -t -r /",
      "svnserve -t --tunnel-user=root",
      "svnserve",
      "svnadmin dump /srv/svn",
    );
  });

  test("only reads without the key write", () => {
    section("allow = svn", "read = /srv/svn");
    expect(svn("ls", url("/srv/svn")).stdout).toContain("trunk/");
    expect(svn("mkdir", "-q", "-m", "x", url("/srv/svn/no")).status).not.toBe(0);
  });
});

describe("borg", () => {
  const borg = (...words: string[]) =>
    s.client(["borg", "--rsh", s.sshd.command, ...words], {
      BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes",
      BORG_DELETE_I_KNOW_WHAT_I_AM_DOING: "YES",
    });
  const repository = (path: string) => `ssh://dev@127.0.0.1${path}`;
  const lines = [
    "borg serve --restrict-to-path /",
    "borg serve --restrict-to-path=/",
    "borg serve --restrict-to-repository=/",
    "borg serve --debug-profile=/tmp/x",
    "borg delete in/borg",
    "borg mount in/borg /mnt",
    "borg",
  ];

  test("borg", () => {
    section("allow = borg", "write = ~/in");
    expect(borg("init", "-e", "none", repository(`${IN}/borg`))).toMatchObject(success);
    expect(borg("create", `${repository(`${IN}/borg`)}::one`, "down")).toMatchObject(success);
    expect(borg("list", `${repository(`${IN}/borg`)}::one`).stdout).toContain("down/a");
    expect(borg("delete", repository(`${IN}/borg`))).toMatchObject(success);
    expect(borg("init", "-e", "none", repository(`${HOME}/borg`)).status).not.toBe(0);
    expect(borg("init", "-e", "none", repository(`${IN}/up/borg`)).status).not.toBe(0);
    expect(s.m.exists(`${HOME}/borg`)).toBe(false);
    refused(...lines);
  });

  test("borg append-only", () => {
    section("allow = borg append-only", "write = ~/in");
    expect(borg("init", "-e", "none", repository(`${IN}/kept`))).toMatchObject(success);
    expect(borg("create", `${repository(`${IN}/kept`)}::one`, "down")).toMatchObject(success);
    const segments = () =>
      s.m
        .must(["find", `${IN}/kept/data`, "-type", "f"])
        .stdout.trim()
        .split("\n")
        .sort();
    const before = segments();
    // An archive may be marked as deleted, and the repository not deleted; its data stay in each case.
    borg("delete", `${repository(`${IN}/kept`)}::one`);
    borg("compact", repository(`${IN}/kept`));
    expect(borg("delete", repository(`${IN}/kept`)).status).not.toBe(0);
    expect(before.filter((one) => !segments().includes(one))).toEqual([]);
    expect(borg("init", "-e", "none", repository(`${HOME}/kept`)).status).not.toBe(0);
    refused(...lines, "borg serve --append-only=0");
  });
});

describe("unison", () => {
  const sync = (there: string) =>
    s.client([
      ...["unison", "-batch", "-auto", "-sshargs", s.sshd.clientOptions.join(" ")],
      ...["here", `ssh://dev@127.0.0.1/${there}`],
    ]);

  test("synchronizes where may be written", () => {
    section("allow = unison", "write = ~/in");
    s.upload(".unison/keep", "");
    s.own(HOME);
    s.m.write(`${WORK}/here/f`, "1\n");
    expect(sync(`${IN}/there`)).toMatchObject(success);
    expect(s.m.read(`${IN}/there/f`)).toBe("1\n");
    s.m.remove("/root/.unison");
    expect(sync(`${HOME}/elsewhere`).status).not.toBe(0);
    expect(sync(`${IN}/up/elsewhere`).status).not.toBe(0);
    expect(s.m.exists(`${HOME}/elsewhere`)).toBe(false);
    refused("unison -server -x", "unison -socket 1234", "unison here in", "unison-2.53 -version", "unison");
  });
});

test("a section without kernel limits keeps the limits of the words", () => {
  section("allow = rsync download", "read = /data", "confine = 0", "allow_spawn_options = 1");
  refused(
    "rsync --server . /data",
    "rsync --server --sender -esh . /data",
    "rsync --server --sender -r . /etc",
  );
});

test("explain and the log name the word", () => {
  section("allow = rsync download", "read = /data");
  const line = "rsync --server --sender -re.LsfxCIvu . /data";
  const explain = s.m.run(["jailkit", "explain", "--su", "dev", "--", line]);
  expect(says(explain)).toMatchObject(success);
  expect(explain.stdout).toContain("rsync download");
});
