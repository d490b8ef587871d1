/** The account of the README in its jail, and the servers of section gitserver and cvs, through a real sshd. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type Machine, openMachine, type RunResult, type Sshd } from "../machine/machine.ts";
import { TRAP_SOURCE } from "./programs-scene.ts";

setDefaultTimeout(120_000);

const jail = "/home/sftproot";
const home = `${jail}/home/dev`;
const work = "/root/client";
const success = { status: 0 };
let m: Machine;
let sshd: Sshd;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  sshd = await m.startSshd();
  m.mkdir(work);
  for (const section of ["jk_lsh", "sftp", "scp", "rsync", "gitserver", "cvs"]) {
    m.must(["jk_init", "-j", jail, section]);
  }
  m.must(["jk_addjailuser", "-j", jail, "dev"]);
  m.must(["usermod", "-p", "*", "dev"]);
  m.write("/root/trap.c", TRAP_SOURCE);
  m.must(["gcc", "-static", "-O1", "-o", `${work}/esc`, "/root/trap.c"]);
});
afterAll(() => m?.close());

function policy(text: string): void {
  m.write(`${jail}/etc/jailkit/jk_lsh.ini`, text);
}
const environment = { PATH: "/usr/bin:/bin", HOME: "/root", USER: "root" };
function client(argv: readonly string[], env: Record<string, string> = {}, cwd = work): RunResult {
  return m.run(argv, { cwd, env: { ...environment, ...env } });
}
const git = (...words: string[]) =>
  client(["git", "-c", "user.name=T", "-c", "user.email=t@example.org", ...words], {
    GIT_SSH_COMMAND: sshd.command,
  });

test("jk_check reports that the servers work", () => {
  expect(m.run(["jk_check", "--run", jail])).toMatchObject(success);
});

test("sftp, scp and rsync: an uploaded ~/.popt and program", () => {
  policy(`[dev]
paths = /usr/bin, /usr/lib/openssh
executables = /usr/lib/openssh/sftp-server, /usr/bin/scp, /usr/bin/rsync
execute = any
`);
  m.write(`${work}/popt`, "rsync exec --server /home/dev/esc\n");
  const scp = (...words: string[]) => client(["scp", ...sshd.clientOptions, "-q", ...words]);
  expect(scp("popt", "dev@127.0.0.1:.popt")).toMatchObject(success);
  expect(scp("-p", "esc", "dev@127.0.0.1:esc")).toMatchObject(success);
  sshd.ssh("dev", ["rsync --server"]);
  expect(m.exists(`${home}/trace`)).toBe(false);
  expect(client(["rsync", "-a", "-e", sshd.command, "popt", "dev@127.0.0.1:by-rsync"])).toMatchObject(
    success,
  );
  expect(m.exists(`${home}/trace`)).toBe(false);
  expect(m.read(`${home}/by-rsync`)).toBe(m.read(`${work}/popt`));
});

test("findings about a jail's jk_lsh.ini follow the symbolic links of the jail", () => {
  m.symlink("/usr/bin/backup", `${jail}/usr/bin/first`);
  m.symlink("cvs", `${jail}/usr/bin/backup`);
  policy("[dev]\npaths = /usr/bin\nexecutables = /usr/bin/first\nexecute = any\n");
  const file = `${jail}/etc/jailkit/jk_lsh.ini`;
  expect(m.run(["jailkit", "config", "check", file]).stdout).toContain(
    "'/usr/bin/first' starts programs named in CVSROOT/",
  );
  const explained = m.run(["jailkit", "explain", "dev", "--", "first", "server"]).stdout;
  expect(explained).toContain("warning  programs: '/usr/bin/first' starts programs named in CVSROOT/");
  expect(m.run(["jailkit", "explain", "dev", "--", "first", "init"]).status).toBe(1);
});

test("section gitserver clones and pushes, and packs where the administrator wants it", () => {
  policy(`[dev]
paths = /usr/bin
executables = /usr/bin/git-upload-pack, /usr/bin/git-receive-pack
environment = GIT_CONFIG_COUNT=1, GIT_CONFIG_KEY_0=receive.autogc, GIT_CONFIG_VALUE_0=true
`);
  const bare = `${home}/r.git`;
  m.must(["git", "init", "-q", "--bare", "-b", "main", bare]);
  const config = "[gc]\n\tautoPackLimit = 1\n\tautoDetach = false\n[receive]\n\tunpackLimit = 1\n";
  m.write(`${bare}/config`, `${m.read(`${bare}/config`)}${config}`);
  m.must(["git", "clone", "-q", "--bare", bare, `${home}/fork.git`]);
  m.write(`${home}/fork.git/objects/info/alternates`, "/home/dev/r.git/objects\n");
  m.must(["chown", "-R", "dev:", home]);
  const url = "ssh://dev@127.0.0.1/home/dev/r.git";
  expect(git("clone", "-q", url, "w")).toMatchObject(success);
  for (const branch of ["main", "second", "third"]) {
    m.write(`${work}/w/f`, `${branch}\n`);
    expect(git("-C", "w", "add", "f")).toMatchObject(success);
    expect(git("-C", "w", "commit", "-qm", branch)).toMatchObject(success);
    expect(git("-C", "w", "push", "-q", "origin", `HEAD:${branch}`)).toMatchObject({
      ...success,
      stderr: "",
    });
  }
  const fork = "ssh://dev@127.0.0.1/home/dev/fork.git";
  expect(git("-C", "w", "push", "-q", fork, "HEAD:main")).toMatchObject({ ...success, stderr: "" });
  expect(m.exists(`${jail}/bin/sh`)).toBe(false);
  expect(m.list(`${bare}/objects/pack`).filter((name) => name.endsWith(".pack"))).toHaveLength(1);
  expect(git("clone", "-q", "ssh://dev@127.0.0.1/~/r.git", "again")).toMatchObject(success);
});

test("git below /usr/local, as two files", () => {
  const local = `${jail}/usr/local`;
  for (const folder of ["bin", "libexec/git-core"]) {
    m.mkdir(`${local}/${folder}`);
    m.must(["cp", `${jail}/usr/bin/git`, `${local}/${folder}/git`]);
  }
  m.symlink("git", `${local}/bin/git-receive-pack`);
  m.symlink("git", `${local}/libexec/git-core/git-for-each-ref`);
  policy(`[dev]
paths = /usr/local/bin
executables = /usr/local/bin/git-receive-pack
environment = GIT_EXEC_PATH=/usr/local/libexec/git-core
`);
  m.must(["git", "init", "-q", "--bare", "-b", "main", `${home}/local.git`]);
  m.must(["chown", "-R", "dev:", home]);
  expect(git("init", "-q", "-b", "main", "l")).toMatchObject(success);
  expect(git("-C", "l", "commit", "-q", "--allow-empty", "-m", "l")).toMatchObject(success);
  const push = git("-C", "l", "push", "-q", "ssh://dev@127.0.0.1/home/dev/local.git", "main");
  expect(push).toMatchObject({ ...success, stderr: "" });
});

test("git archive serves a repository that only root can configure, and that users push to", () => {
  policy(`[dev]
paths = /usr/bin
executables = /usr/bin/git, /usr/bin/git-receive-pack, /usr/bin/git-upload-archive
`);
  const repository = `${jail}/srv/git/r.git`;
  m.mkdir(`${jail}/srv/git`);
  m.write(`${jail}/etc/gitconfig`, "[safe]\n\tdirectory = /srv/git/r.git\n");
  // A push to the branch that HEAD names would have to write beside it.
  m.must(["git", "init", "-q", "--bare", "-b", "trunk", repository]);
  m.must(["chown", "-R", "dev:", `${repository}/objects`, `${repository}/refs`]);
  expect(git("init", "-q", "-b", "main", "a")).toMatchObject(success);
  m.write(`${work}/a/f`, "f\n");
  expect(git("-C", "a", "add", "f")).toMatchObject(success);
  expect(git("-C", "a", "commit", "-qm", "f")).toMatchObject(success);
  const url = "ssh://dev@127.0.0.1/srv/git/r.git";
  expect(git("-C", "a", "push", "-q", url, "main")).toMatchObject({ ...success, stderr: "" });
  for (const format of ["tar", "tgz", "zip"]) {
    const archive = git("archive", `--remote=${url}`, `--format=${format}`, "-o", `a.${format}`, "main");
    expect(archive).toMatchObject({ ...success, stderr: "" });
  }
  expect(client(["tar", "tzf", "a.tgz"]).stdout).toBe("f\n");
});

// A filter that is git under another name: what it starts is the dynamic linker, which git itself needs.
test("an archive does not lead to the dynamic linker with a program of the user's", () => {
  policy(`[dev]
paths = /usr/bin, /usr/lib/openssh
executables = /usr/bin/git-upload-archive, /usr/lib/openssh/sftp-server
`);
  m.remove(`${home}/trace`);
  const loader = process.arch === "arm64" ? "/lib/ld-linux-aarch64.so.1" : "/lib64/ld-linux-x86-64.so.2";
  expect(git("init", "-q", "-b", "main", "t")).toMatchObject(success);
  m.write(`${work}/t/f`, "f\n");
  expect(git("-C", "t", "add", "f")).toMatchObject(success);
  expect(git("-C", "t", "commit", "-qm", "f")).toMatchObject(success);
  m.mkdir(`${work}/t/d`);
  m.must(["gcc", "-O1", "-o", `${work}/t/d/x`, "/root/trap.c"]);
  expect(git("-C", "t", "add", "-N", "d/x")).toMatchObject(success);
  m.write(
    `${work}/t/.git/config`,
    `[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = /home/dev/t\n[filter "x"]\n\tsmudge = /home/dev/git-diff\n[diff]\n\texternal = ${loader}\n`,
  );
  m.write(`${work}/t/.git/info/attributes`, "* filter=x\n");
  const stdin = "put -rp t\nln -s /usr/bin/git git-diff\n";
  const options = [...sshd.clientOptions, "-b", "-", "dev@127.0.0.1"];
  expect(m.run(["sftp", ...options], { cwd: work, env: environment, stdin })).toMatchObject(success);
  git("archive", "--remote=ssh://dev@127.0.0.1/home/dev/t", "-o", "a.tar", "main");
  expect(m.exists(`${home}/trace`)).toBe(false);
});

test("the example for cvs in jk_lsh.ini works", () => {
  const shipped = readFileSync(`${import.meta.dir}/../../config/jk_lsh.ini`, "latin1");
  const example = /^#\[john\]\n(?:#.+\n)+/m.exec(shipped)?.[0].replace(/^#/gm, "") ?? "";
  policy(example.replaceAll("john", "dev"));
  const root = ["-d", ":ext:dev@127.0.0.1:/home/dev/cvs"];
  m.write("/root/rsh", `#!/bin/sh\nexec ${sshd.command} "$@"\n`, { mode: 0o755 });
  const cvs = (cwd: string, ...words: string[]) =>
    client(["cvs", "-Q", ...words], { CVS_RSH: "/root/rsh" }, cwd);
  expect(cvs(work, ...root, "init")).toMatchObject(success);
  m.write(`${work}/import/f`, "1\n");
  expect(cvs(`${work}/import`, ...root, "import", "-m", "x", "m", "v", "r")).toMatchObject(success);
  expect(cvs(work, ...root, "checkout", "m")).toMatchObject(success);
  m.write(`${work}/m/f`, "two\n");
  expect(cvs(`${work}/m`, "commit", "-m", "y")).toMatchObject(success);
  expect(cvs(work, ...root, "checkout", "-p", "m/f").stdout).toBe("two\n");
});
