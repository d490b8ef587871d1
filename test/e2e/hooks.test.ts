/**
 * Hooks in repositories that the limited shell serves: hooks that do not run are reported, and root's hooks can run.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type Machine, openMachine, type Sshd } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const jail = "/home/j";
const home = `${jail}/home/dev`;
const ini = `${jail}/etc/jailkit/jk_lsh.ini`;
const work = "/root/client";
const success = { status: 0 };
const manual = readFileSync(`${import.meta.dir}/../../docs/man/jk_lsh.ini.5.in`, "latin1");
const servers = "/usr/bin/git-upload-pack, /usr/bin/git-receive-pack";

let m: Machine;
let sshd: Sshd;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  sshd = await m.startSshd();
  m.must(["jk_init", "-j", jail, "jk_lsh", "gitserver"]);
  m.must(["jk_addjailuser", "-j", jail, "dev"]);
  m.must(["jk_addjailuser", "-j", jail, "other"]);
  m.must(["usermod", "-p", "*", "dev"]);
  m.mkdir(work);
  policy(`executables = ${servers}`);
});
afterAll(() => m?.close());

function policy(...lines: string[]): void {
  m.write(ini, ["[dev]", "paths = /usr/bin", ...lines, ""].join("\n"));
}
/** What is said of hooks in the file of the jail; a line each. */
function told(file = ini): string[] {
  const { stdout } = m.run(["jailkit", "config", "check", file]);
  return stdout.split("\n").filter((line) => line.includes("[hooks-off]"));
}
function explained(command: string): string {
  const { stdout } = m.run(["jailkit", "explain", "dev", "--", command]);
  return /warning {2}hooks: (.*)/.exec(stdout)?.[1] ?? "";
}
function repository(path: string, hook = "post-receive", owner = "dev"): void {
  m.must(["git", "init", "-q", "--bare", "-b", "main", `${jail}${path}`]);
  m.write(`${jail}${path}/hooks/${hook}`, "#!/bin/sh\necho own hook\n", { mode: 0o755 });
  m.must(["chown", "-R", `${owner}:`, `${jail}${path}`]);
}
const git = (...words: string[]) =>
  m.run(["git", "-c", "user.name=T", "-c", "user.email=t@example.org", ...words], {
    cwd: work,
    env: { PATH: "/usr/bin:/bin", HOME: "/root", GIT_SSH_COMMAND: sshd.command },
  });
let commits = 0;
function push(path: string) {
  if (commits === 0) expect(git("init", "-q", "-b", "main", "w")).toMatchObject(success);
  expect(git("-C", "w", "commit", "-q", "--allow-empty", "-m", `${++commits}`)).toMatchObject(success);
  return git("-C", "w", "push", "-q", `ssh://dev@127.0.0.1${path}`, "HEAD:main");
}

test("no repository has hooks: nothing is reported", () => {
  m.must(["git", "init", "-q", "--bare", `${home}/plain.git`]);
  expect(told()).toEqual([]);
  expect(explained("git-receive-pack plain.git")).toBe("");
});

test("a hook of a repository does not run, which is reported", () => {
  repository("/home/dev/r.git");
  const pushed = push("/home/dev/r.git");
  expect(pushed).toMatchObject(success);
  expect(pushed.stderr).not.toContain("own hook");
  const line = "hooks do not run in '/home/dev/r.git' (post-receive)";
  expect(told().join("\n")).toContain(`${ini}:1:1: warning: ${line}; let root keep them in a directory`);
  expect(explained("git-receive-pack r.git")).toStartWith(`${line}; let root keep them in a directory`);
  expect(m.run(["jailkit", "config", "check"]).stdout).toContain(line);
});

test("the search covers homes and /srv, two levels deep, no symbolic links, and only hooks", () => {
  repository("/home/dev/a/b.git", "update");
  repository("/srv/git/s.git", "pre-receive");
  repository("/home/dev/a/b/c.git");
  repository("/home/other/o.git");
  repository("/elsewhere/e.git");
  m.must(["git", "init", "-q", `${home}/tree`]);
  m.write(`${home}/tree/.git/hooks/post-update`, "#!/bin/sh\n", { mode: 0o755 });
  m.symlink("/elsewhere", `${home}/link`);
  m.write(`${home}/r.git/hooks/pre-commit`, "#!/bin/sh\n", { mode: 0o755 });
  m.write(`${home}/r.git/hooks/update`, "#!/bin/sh\n", { mode: 0o644 });
  const list = told().join("\n");
  expect(list.match(/'[^']*' \([^)]*\)/g)?.sort()).toHaveLength(3);
  expect(list).toContain(", and in 1 more");
  for (const path of ["/home/dev/a/b/c.git", "/home/other/o.git", "e.git"]) expect(list).not.toContain(path);
  m.remove(`${home}/r.git`);
  const rest = told().join("\n");
  for (const one of [
    "'/home/dev/a/b.git' (update)",
    "'/home/dev/tree/.git' (post-update)",
    "'/srv/git/s.git' (pre-receive)",
  ])
    expect(rest).toContain(one);
  m.write(ini, `[DEFAULT]\nexecutables = ${servers}\n`);
  m.remove(`${home}/a`);
  m.remove(`${home}/tree`);
  expect(told().join("\n")).toContain("'/home/other/o.git' (post-receive)");
  for (const path of ["/home/other/o.git", "/srv/git", "/elsewhere"]) m.remove(`${jail}${path}`);
  m.remove(`${home}/link`);
  policy(`executables = ${servers}`);
  expect(told()).toEqual([]);
});

test("hostile directories: names with control bytes, a symbolic link in place of hooks, many directories", () => {
  const bad = "/home/dev/\x1b[31m\nx.git";
  repository(bad);
  m.must(["git", "init", "-q", "--bare", `${home}/linked.git`]);
  m.must(["rm", "-r", `${home}/linked.git/hooks`]);
  m.symlink(`${bad}/hooks`, `${home}/linked.git/hooks`);
  m.write("/root/many.sh", `cd ${home} && for i in $(seq 3000); do mkdir -p many/$i; done\nmkfifo fifo\n`);
  m.must(["sh", "/root/many.sh"]);
  const list = told();
  expect(list.join("\n")).toContain("'/home/dev/\\x1b[31m\\nx.git' (post-receive)");
  expect(list).toHaveLength(1);
  for (const path of [bad, "/home/dev/linked.git", "/home/dev/many", "/home/dev/fifo"])
    m.remove(`${jail}${path}`);
});

test("hooks of Mercurial are reported as well", () => {
  m.must(["jk_cp", "-j", jail, "/usr/bin/hg"]);
  policy("executables = /usr/bin/hg");
  m.write(`${home}/h/.hg/hgrc`, "[ui]\nx = y\n");
  expect(told()).toEqual([]);
  m.write(`${home}/h/.hg/hgrc`, "[ui]\nx = y\n[hooks]\nchangegroup = true\n");
  expect(told().join("\n")).toContain("hooks do not run in '/home/dev/h' (.hg/hgrc); let root name them in");
  m.remove(`${home}/h`);
  // Without Python, which it does not bring along, jk_check reports it.
  m.must(["jk_cp", "--remove", "-j", jail, "/usr/bin/hg"]);
});

test("the manual's example: root's hooks run, and nothing is left to warn of", () => {
  const [, command] = /^\.Dl (jk_cp -j JAIL \/usr\/lib\/hooks)$/m.exec(manual) ?? [];
  const [, example] =
    /^(\[john\]\n.*\n.*git-receive-pack\nenvironment = .*\nexecute = .*\n)/m.exec(manual) ?? [];
  m.write("/usr/lib/hooks/post-receive", "#!/bin/sh\necho hook of root\n", { mode: 0o755 });
  m.must((command ?? "").replace("JAIL", jail).split(" "));
  repository("/home/dev/r.git");
  m.write(ini, (example ?? "").replace("john", "dev"));
  const pushed = push("/home/dev/r.git");
  expect(pushed).toMatchObject(success);
  expect(pushed.stderr).toContain("hook of root");
  expect(pushed.stderr).not.toContain("own hook");
  expect(m.run(["jailkit", "config", "check", ini])).toMatchObject({ ...success, stdout: "" });
  expect(m.run(["jk_check", jail])).toMatchObject(success);
  // The directory frees nothing if it does not count, and that is reported.
  m.chmod(`${jail}/usr/lib/hooks`, 0o775);
  expect(push("/home/dev/r.git").stderr).not.toContain("hook of root");
  expect(m.run(["jailkit", "config", "check", ini]).stdout).toContain("[not-executed]");
  m.chmod(`${jail}/usr/lib/hooks`, 0o755);
});

test("each repository's own hooks run with 'hooks' and execute = any, with a warning", () => {
  policy(
    `executables = ${servers}`,
    "environment = GIT_CONFIG_COUNT=1, GIT_CONFIG_KEY_0=core.hooksPath, GIT_CONFIG_VALUE_0=hooks",
    "execute = any",
  );
  expect(push("/home/dev/r.git").stderr).toContain("own hook");
  const { stdout } = m.run(["jailkit", "config", "check", ini]);
  for (const code of ["code-variable", "execute-any"]) expect(stdout).toContain(`[${code}]`);
  expect(told()).toEqual([]);
});

test("the gitconfig that the manual copies into a jail is not a finding of jk_check", () => {
  const [, command] = /^\.Dl (jk_cp -j JAIL \/etc\/gitconfig)$/m.exec(manual) ?? [];
  m.write("/etc/gitconfig", "[safe]\n\tdirectory = /home/dev/r.git\n");
  m.must((command ?? "").replace("JAIL", jail).split(" "));
  expect(m.run(["jk_check", jail])).toMatchObject(success);
  m.write(`${jail}/etc/own`, "x\n");
  expect(m.run(["jk_check", jail]).stdout).toContain("etc/own is not in the record");
  m.write("/etc/jailkit/jk_check.ini", `[${jail}]\nignorepathoncompare = ${jail}/etc/own\n`);
  expect(m.run(["jk_check", jail])).toMatchObject(success);
});
