/**
 * The servers that the limited shell knows, with their own clients through a real sshd: they work, and start no program
 * that a user names. rsync and git are in test/attack/programs.test.ts.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { HOME, openProgramScene, type Scene, TRAP, WORK } from "./programs-scene.ts";

setDefaultTimeout(120_000);

const UNCHECKED = "allow_spawn_options = 1";
/** For the work: it has to go on with what is the default. */
const LIMITED = "execute = system";
const success = { status: 0 };
let s: Scene;
beforeAll(async () => {
  s = await openProgramScene();
});
afterAll(() => s?.m.close());

/** Starts the attack with everything open, which has to work, and then as the limited shell is by default. */
function closed(program: string, act: () => unknown, ...keys: string[]): void {
  s.started();
  s.policy([program], UNCHECKED, ...keys);
  act();
  expect(s.started()).not.toEqual([]);
  s.policy([program], ...keys);
  act();
  expect(s.started()).toEqual([]);
}

describe("mercurial", () => {
  const url = `ssh://dev@127.0.0.1/${HOME}/r`;
  let pushes = 0;
  const hg = (...words: string[]) => s.client(["hg", "--config", `ui.ssh=${s.sshd.command}`, ...words]);
  const push = () => {
    s.m.write(`${WORK}/hg/f`, `${++pushes}\n`);
    expect(hg("-R", "hg", "commit", "-A", "-q", "-u", "t", "-m", "more")).toMatchObject(success);
    return hg("-R", "hg", "push", "-q", url);
  };
  const hooks = `[hooks]\nchangegroup = ${TRAP}\npre-serve = ${TRAP}\n`;

  beforeAll(() => {
    s.m.must(["hg", "init", `${HOME}/r`]);
    s.own(HOME);
    hg("init", "hg");
  });

  test("clones and pushes", () => {
    s.policy(["/usr/bin/hg"], LIMITED);
    expect(push()).toMatchObject({ ...success, stderr: "" });
    expect(hg("clone", "-q", url, "hg2")).toMatchObject(success);
    expect(s.m.read(`${WORK}/hg2/f`)).toBe(`${pushes}\n`);
  });

  test("creates a repository, to which a client clones its own", () => {
    s.policy(["/usr/bin/hg"], LIMITED);
    expect(hg("clone", "-q", "hg", `ssh://dev@127.0.0.1/${HOME}/made`)).toMatchObject(success);
    expect(s.m.exists(`${HOME}/made/.hg/store`)).toBe(true);
  });

  test.each([".hgrc", ".config/hg/hgrc", "r/.hg/hgrc", "r/.hg/hgrc-not-shared"])(
    "hooks in %s do not run",
    (file) => {
      s.upload(file, hooks);
      closed("/usr/bin/hg", push);
      s.m.remove(`${HOME}/${file}`);
    },
  );

  test("hooks that root names run if execute has their directory", () => {
    s.m.write("/usr/lib/hooks/hg", `#!/bin/sh\necho ran >> ${HOME}/hooked\n`, { mode: 0o755 });
    s.m.write("/etc/mercurial/hgrc.d/hooks.rc", "[hooks]\nchangegroup = /usr/lib/hooks/hg\n");
    s.policy(["/usr/bin/hg"], LIMITED);
    push();
    expect(s.m.exists(`${HOME}/hooked`)).toBe(false);
    s.policy(["/usr/bin/hg"], "execute = system, /usr/lib/hooks");
    expect(push()).toMatchObject(success);
    expect(s.m.read(`${HOME}/hooked`)).toBe("ran\n");
    s.m.remove("/etc/mercurial/hgrc.d/hooks.rc");
  });

  test("an alias is refused", () => {
    closed("/usr/bin/hg", () => s.sshd.ssh("dev", [`hg --config alias.x=!${TRAP} x`]));
  });
});

const VERSIONS = [
  "rsync --version",
  "rsync -V",
  "unison -version",
  "borg --version",
  "borg -V",
  "hg --version",
  "hg version",
  "svnserve --version",
  "cvs --version",
  "mosh-server --version",
  "git --version",
];

describe("the version", () => {
  const uploads = {
    ".popt": `rsync exec --server ${TRAP}\nrsync exec --version ${TRAP}\nrsync exec -V ${TRAP}\n`,
    ".cvsrc": `cvs -e ${TRAP} -d :ext:h:/x\nserver -x\n`,
    ".hgrc": `[alias]\nversion = !${TRAP}\n`,
    ".hg/hgrc": `[alias]\nversion = !${TRAP}\n[extensions]\nx = ${HOME}/x.py\n`,
    "x.py": `import os\nos.system("${TRAP}")\n`,
    ".unison/default.prf": `addversionno = true\nrshcmd = ${TRAP}\nsshcmd = ${TRAP}\n`,
    ".gitconfig": `[alias]\nversion = !${TRAP}\n[core]\npager = ${TRAP}\n`,
    ".subversion/config": `[tunnels]\nssh = ${TRAP}\n`,
  };
  beforeAll(() => {
    for (const [file, text] of Object.entries(uploads)) s.upload(file, text);
    s.own(HOME);
    s.policy(VERSIONS.map((line) => `/usr/bin/${line.split(" ")[0]}`));
    s.started();
  });
  afterAll(() => {
    for (const file of Object.keys(uploads)) s.m.remove(`${HOME}/${file}`);
    s.m.remove(`${HOME}/.hg`);
  });

  test.each(VERSIONS)("%s shows it, and starts nothing that the user wrote", (line) => {
    const result = s.sshd.ssh("dev", [line]);
    expect(result).toMatchObject(success);
    expect(result.stdout).toMatch(/\d+\.\d+/);
    expect(s.started()).toEqual([]);
  });
});

describe("subversion", () => {
  const url = `svn+ssh://dev@127.0.0.1${HOME}/svn`;
  const svn = (...words: string[]) => s.client(["svn", ...words], { SVN_SSH: s.sshd.command });
  beforeAll(() => {
    s.m.must(["svnadmin", "create", `${HOME}/svn`]);
    s.own(HOME);
  });

  test("checks out and commits", () => {
    s.policy(["/usr/bin/svnserve"], LIMITED);
    expect(svn("mkdir", "-q", "-m", "x", `${url}/trunk`)).toMatchObject(success);
    expect(svn("checkout", "-q", `${url}/trunk`, "svn")).toMatchObject(success);
    s.m.write(`${WORK}/svn/f`, "1\n");
    expect(svn("add", "-q", "svn/f")).toMatchObject(success);
    expect(svn("commit", "-q", "-m", "y", "svn")).toMatchObject(success);
    expect(svn("cat", `${url}/trunk/f`).stdout).toBe("1\n");
  });

  test("hooks of the user are not prevented, and that is reported", () => {
    s.m.must(["cp", TRAP, `${HOME}/svn/hooks/start-commit`]);
    s.own(HOME);
    s.policy(["/usr/bin/svnserve"]);
    expect(svn("mkdir", "-q", "-m", "x", `${url}/more`)).toMatchObject(success);
    expect(s.started()).not.toEqual([]);
    expect(told()).toContain("'/usr/bin/svnserve' starts the hooks of any repository");
  });

  test("the printed remedy prevents them", () => {
    for (const path of ["", "/hooks", "/conf"]) s.m.must(["chown", "0:0", `${HOME}/svn${path}`]);
    s.m.remove(`${HOME}/svn/hooks/start-commit`);
    expect(svn("mkdir", "-q", "-m", "x", `${url}/third`)).toMatchObject(success);
    expect(s.m.run(["cp", TRAP, `${HOME}/svn/hooks/start-commit`], { user: "dev" }).status).not.toBe(0);
    expect(s.m.run(["mv", `${HOME}/svn/hooks`, `${HOME}/svn/gone`], { user: "dev" }).status).not.toBe(0);
  });
});

describe("cvs", () => {
  const root = ["-d", `:ext:dev@127.0.0.1:${HOME}/cvs`];
  const cvs = (cwd: string, ...words: string[]) =>
    s.m.run(["cvs", "-Q", ...words], {
      cwd,
      env: { PATH: "/usr/bin:/bin", HOME: "/root", USER: "root", CVS_RSH: "ssh" },
    });

  test("imports, checks out and commits", () => {
    s.policy(["/usr/bin/cvs"], LIMITED);
    expect(cvs(WORK, ...root, "init")).toMatchObject(success);
    s.m.write(`${WORK}/import/f`, "1\n");
    expect(cvs(`${WORK}/import`, ...root, "import", "-m", "x", "m", "v", "r")).toMatchObject(success);
    expect(cvs(WORK, ...root, "checkout", "m")).toMatchObject(success);
    s.m.write(`${WORK}/m/f`, "two\n");
    expect(cvs(`${WORK}/m`, "commit", "-m", "y")).toMatchObject(success);
    expect(cvs(WORK, ...root, "checkout", "-p", "m/f").stdout).toBe("two\n");
  });

  test("CVSROOT of the user is not prevented, and that is reported", () => {
    s.policy(["/usr/bin/cvs"]);
    expect(cvs(WORK, ...root, "checkout", "CVSROOT")).toMatchObject(success);
    s.m.write(`${WORK}/CVSROOT/loginfo`, `ALL ${TRAP}\n`);
    // It counts from this commit on, whose message the trap does not read: cvs may end by that.
    cvs(`${WORK}/CVSROOT`, "commit", "-m", "x");
    s.m.write(`${WORK}/m/f`, "three\n");
    cvs(`${WORK}/m`, "commit", "-m", "z");
    expect(s.started()).not.toEqual([]);
    expect(told()).toContain("'/usr/bin/cvs' starts programs named in CVSROOT/commitinfo");
  });
});

test("unison synchronizes, and starts no program in the PATH of the session", () => {
  s.policy(["/usr/bin/unison"], LIMITED);
  s.m.write(`${WORK}/here/f`, "1\n");
  const sync = ["unison", "-batch", "-auto", "-sshargs", s.sshd.clientOptions.join(" ")];
  expect(s.client([...sync, "here", `ssh://dev@127.0.0.1/${HOME}/there`])).toMatchObject(success);
  expect(s.m.read(`${HOME}/there/f`)).toBe("1\n");
  s.policy(["/usr/bin/unison-2.53"]);
  const line = `unison-2.53 -batch -sshcmd ${TRAP} a ssh://x/b`;
  expect(s.sshd.ssh("dev", [line]).status).toBe(4);
  expect(s.started()).toEqual([]);
});

test("borg creates a repository and an archive, and loads no code of the user", () => {
  s.policy(["/usr/bin/borg"], LIMITED);
  const borg = (...words: string[]) =>
    s.client(["borg", "--rsh", s.sshd.command, ...words], {
      BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes",
    });
  const repository = `ssh://dev@127.0.0.1${HOME}/borg`;
  s.m.write(`${WORK}/kept/f`, "1\n");
  expect(borg("init", "-e", "none", repository)).toMatchObject(success);
  expect(borg("create", `${repository}::one`, "kept")).toMatchObject(success);
  expect(borg("list", `${repository}::one`).stdout).toContain("kept/f");
  const version = s.m.must(["/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]);
  s.upload(
    `.local/lib/python${version.stdout.trim()}/site-packages/x.pth`,
    `import os; os.system("${TRAP} >/dev/null")\n`,
  );
  closed("/usr/bin/borg", () => borg("list", repository));
});

test.each([
  ["a command", "-- "],
  ["SHELL", ""],
])("mosh-server starts jk_lsh, whatever %s says", (_, words) => {
  const keys = words === "" ? [`environment = SHELL=${TRAP}`] : [];
  const act = () => {
    const line = `mosh-server new -s -p 60001 -c 8 -l LC_ALL=C.UTF-8 ${words === "" ? "" : words + TRAP}`;
    const { status, stdout } = s.sshd.ssh("dev", [line]);
    if (words === "") expect(stdout).toContain("MOSH CONNECT 60001 ");
    if (status === 0) meet(stdout);
  };
  closed("/usr/bin/mosh-server", act, ...keys);
});

test("mosh-server starts jk_lsh, whatever passwd(5) has", () => {
  s.started();
  s.policy(["/usr/bin/mosh-server"]);
  const line = "mosh-server new -s -p 60001 -c 8 -l LC_ALL=C.UTF-8";
  s.m.must(["usermod", "-s", TRAP, "dev"]);
  // As jk_uchroot starts it, and as jk_chrootsh does with injail_shell.
  const { stdout } = s.m.run(["/usr/sbin/jk_lsh", "-c", line], {
    user: "dev",
    env: { USER: "dev" },
    cwd: HOME,
  });
  s.m.must(["usermod", "-s", "/usr/sbin/jk_lsh", "dev"]);
  meet(stdout);
  expect(s.started()).toEqual([]);
});

/** Connects a client to a mosh-server, which then starts its shell; returns when that has ended. */
function meet(said: string): void {
  const [, port = "", key = ""] = /MOSH CONNECT (\d+) (\S+)/.exec(said) ?? [];
  const client = `stty rows 24 cols 80; mosh-client 127.0.0.1 ${port}`;
  const env = { MOSH_KEY: key, TERM: "xterm", LC_ALL: "C.UTF-8" };
  expect(s.client(["script", "-qec", client, "/dev/null"], env).stdout).toContain("mosh is exiting");
}

/** What `jailkit config check` and `jailkit explain` say, which is the same. */
function told(): string {
  const check = s.m.run(["jailkit", "config", "check"]).stdout;
  const explain = s.m.run(["jailkit", "explain", "dev"]).stdout;
  const lines = check.split("\n").filter((line) => line.includes("[starts-programs]"));
  for (const line of lines) {
    const message = /warning: (.*?); /.exec(line)?.[1] ?? "nothing";
    expect(explain).toContain(`programs: ${message}`);
  }
  return lines.join("\n");
}
