/**
 * A client of the limited shell uploads a program, and files that rsync, git and Python read as configuration. With
 * allow_spawn_options each of these attacks starts that program; without it none does, whatever `execute` is: only listed
 * programs are executed, as the kernel tells; and the servers still work.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Executed, startWatch, type Watch } from "./exec-watch.ts";
import { HOME, openProgramScene, type Scene, TRAP, WORK } from "./programs-scene.ts";

setDefaultTimeout(120_000);

const UNCHECKED = "allow_spawn_options = 1";
const SERVERS = ["rsync", "git", "git-upload-pack", "git-receive-pack", "git-upload-archive"].map(
  (name) => `/usr/bin/${name}`,
);
const success = { status: 0 };

let s: Scene;
let watch: Watch;
let pushes = 0;
beforeAll(async () => {
  s = await openProgramScene();
  watch = await startWatch(s.m);
  s.git("init", "-q", "-b", "main", "w");
  s.m.write(`${WORK}/w/f`, "one\n");
  s.git("-C", "w", "add", "f");
  expect(s.git("-C", "w", "commit", "-qm", "one")).toMatchObject(success);
});
afterAll(() => s?.m.close());

/** A bare repository of the account, new, with lines for its config. */
function repository(config = ""): string {
  const path = `${HOME}/r.git`;
  s.m.remove(path);
  s.m.must(["git", "clone", "-q", "--bare", `${WORK}/w`, path]);
  s.m.write(`${path}/config`, `${s.m.read(`${path}/config`)}${config}`);
  s.own(path);
  return path;
}
/** Gives a repository another one to take objects from. */
function alternate(path: string): void {
  s.m.remove(`${HOME}/alternate.git`);
  s.m.must(["git", "clone", "-q", "--bare", `${WORK}/w`, `${HOME}/alternate.git`]);
  s.m.write(`${path}/objects/info/alternates`, `${HOME}/alternate.git/objects\n`);
  s.own(HOME);
}
const url = `ssh://dev@127.0.0.1${HOME}/r.git`;
const tree = `ssh://dev@127.0.0.1${HOME}/tree`;
/** Pushes a new commit to a new branch. */
function push(to = url, ...options: string[]) {
  pushes++;
  s.m.write(`${WORK}/w/f`, `${pushes}\n`);
  expect(s.git("-C", "w", "commit", "-qam", "more")).toMatchObject(success);
  return s.git("-C", "w", "push", "-q", ...options, to, `HEAD:refs/heads/b${pushes}`);
}
function fetch() {
  s.m.remove(`${WORK}/c`);
  return s.git("clone", "-q", url, "c");
}

// What an administrator gives for a gc after each push.
const GC = "environment = GIT_CONFIG_COUNT=1, GIT_CONFIG_KEY_0=receive.autogc, GIT_CONFIG_VALUE_0=true";

interface Attack {
  name: string;
  /** Puts the files there. */
  upload: () => void;
  act: () => unknown;
  /** Keys with which it would work. */
  control?: string[];
  /** A script of the administrator's that runs. */
  hook?: string;
}

/** The keys of git-config(1) that name a program, where they have a name in them with one. */
const KEYS =
  "alias.upload-pack alias.pack-objects browser.x.cmd core.alternateRefsCommand core.askPass core.editor core.fsmonitor core.gitProxy core.pager core.sshCommand credential.helper diff.external diff.x.command diff.x.textconv difftool.x.cmd filter.unused.clean filter.unused.smudge filter.unused.process gc.recentObjectsHook gpg.program gpg.openpgp.program gpg.x509.program gpg.ssh.program gpg.ssh.defaultKeyCommand guitool.x.cmd hook.x.command imap.tunnel instaweb.httpd interactive.diffFilter man.x.cmd merge.x.driver mergetool.x.cmd pager.upload-pack pager.receive-pack pager.pack-objects pager.gc pager.rev-list pager.for-each-ref pager.archive remote.origin.uploadpack remote.origin.receivepack remote.origin.vcs sendemail.smtpServer sequence.editor submodule.x.update trailer.x.command trailer.x.cmd uploadpack.packObjectsHook web.browser".split(
    " ",
  );
function keyLine(key: string): string {
  const [section, ...rest] = key.split(".");
  const name = rest.pop();
  const value = key === "submodule.x.update" ? `!${TRAP}` : TRAP;
  return `[${section}${rest.length > 0 ? ` "${rest.join(".")}"` : ""}]\n\t${name} = ${value}\n`;
}

const attacks: Attack[] = [
  {
    name: "rsync: an exec line in ~/.popt",
    upload: () => s.upload(".popt", `rsync exec --server ${TRAP}\n`),
    act: () => s.sshd.ssh("dev", ["rsync --server"]),
  },
  {
    name: "rsync: the same, by rsync's own client",
    upload: () => s.upload(".popt", `rsync exec --server ${TRAP}\n`),
    act: () => s.client(["rsync", "-a", "-e", s.sshd.command, "w/f", "dev@127.0.0.1:"]),
  },
  {
    name: "git: uploadpack.packObjectsHook in ~/.gitconfig",
    upload: () => {
      repository();
      s.upload(".gitconfig", `[uploadpack]\n\tpackObjectsHook = ${TRAP}\n`);
    },
    act: fetch,
  },
  {
    name: "git: the same in ~/.config/git/config",
    upload: () => {
      repository();
      s.upload(".config/git/config", `[uploadpack]\n\tpackObjectsHook = ${TRAP}\n`);
    },
    act: fetch,
  },
  ...["pre-receive", "update", "post-receive", "post-update", "reference-transaction", "proc-receive"].map(
    (hook) => ({
      name: `git: hooks/${hook}`,
      upload: () => {
        const path = repository(hook === "proc-receive" ? "[receive]\n\tprocReceiveRefs = refs/heads\n" : "");
        s.m.must(["cp", TRAP, `${path}/hooks/${hook}`]);
        s.own(path);
      },
      act: () => push(),
    }),
  ),
  {
    name: "git: hooks/pre-auto-gc",
    upload: () => {
      const path = repository(
        "[gc]\n\tautoPackLimit = 1\n\tautoDetach = false\n[receive]\n\tunpackLimit = 1\n",
      );
      s.m.must(["cp", TRAP, `${path}/hooks/pre-auto-gc`]);
      s.own(path);
    },
    act: () => [push(), push()],
  },
  {
    name: "git: core.alternateRefsCommand",
    upload: () => {
      const path = repository(`[core]\n\talternateRefsCommand = ${TRAP}\n`);
      alternate(path);
    },
    act: () => push(),
  },
  {
    name: "git: gc.recentObjectsHook",
    upload: () => {
      const path = repository(
        `[gc]\n\trecentObjectsHook = ${TRAP}\n\tautoPackLimit = 1\n\tautoDetach = false\n[receive]\n\tunpackLimit = 1\n`,
      );
      const asUser = { user: "dev", stdin: "lost" };
      const blob = s.m.must(["git", "-C", path, "hash-object", "-w", "--stdin"], asUser).stdout.trim();
      s.m.must(["touch", "-d", "40 days ago", `${path}/objects/${blob.slice(0, 2)}/${blob.slice(2)}`]);
      s.own(path);
    },
    act: () => [push(), push()],
  },
  {
    name: "git: core.fsmonitor, where a push checks files out",
    upload: () => worktree(`[core]\n\tfsmonitor = ${TRAP}\n`),
    act: () => s.git("-C", "w", "push", "-q", `ssh://dev@127.0.0.1${HOME}/tree`, "HEAD:main"),
  },
  {
    name: "git: core.fsmonitor, where a push is followed by a gc, which reads the index",
    upload: () => {
      worktree(
        `\tdenyCurrentBranch = refuse\n\tunpackLimit = 1\n[core]\n\tfsmonitor = ${TRAP}\n[gc]\n\tautoPackLimit = 1\n\tautoDetach = false\n`,
      );
    },
    act: () => [push(tree), push(tree)],
    control: [GC],
  },
  {
    name: "git: a filter, where a push checks files out",
    upload: () => worktree(`[filter "x"]\n\tsmudge = ${TRAP}\n\tclean = ${TRAP}\n`),
    act: () => s.git("-C", "w", "push", "-q", `ssh://dev@127.0.0.1${HOME}/tree`, "HEAD:main"),
  },
  {
    name: "git: remote.<name>.uploadpack, for the missing objects of a partial clone",
    upload: () => {
      const path = `${HOME}/r.git`;
      s.m.remove(path);
      s.m.must(
        `git clone -q --bare --no-local --filter=blob:none -u ${"git\t-c\tuploadpack.allowFilter=true\tupload-pack"} file://${WORK}/w ${path}`
          .split(" ")
          .map((word) => word.replaceAll("\t", " ")),
      );
      s.m.must(["git", "-C", path, "config", "remote.origin.uploadpack", TRAP]);
      s.own(path);
    },
    act: () => [push(), s.git("archive", `--remote=${url}`, "main")],
  },
  {
    name: "git: gpg.program, for a signed push, with hooks of the administrator's",
    upload: () => {
      repository(
        `[receive]\n\tcertNonceSeed = x\n[gpg]\n\tprogram = ${TRAP}\n[gpg "openpgp"]\n\tprogram = ${TRAP}\n`,
      );
      const signature = "'-----BEGIN PGP SIGNATURE-----' x '-----END PGP SIGNATURE-----'";
      s.m.write(
        "/root/sign",
        `#!/bin/sh\ncat >/dev/null\necho "[GNUPG:] SIG_CREATED x" >&2\nprintf '%s\\n' ${signature}\n`,
        { mode: 0o755 },
      );
      s.m.write("/usr/lib/hooks/pre-receive", "#!/bin/sh\n", { mode: 0o755 });
      s.m.must(["git", "-C", `${WORK}/w`, "config", "gpg.program", "/root/sign"]);
      s.m.must(["git", "-C", `${WORK}/w`, "config", "user.signingKey", "x"]);
    },
    act: () => push(url, "--signed=true"),
    control: [
      "environment = GIT_CONFIG_COUNT=1, GIT_CONFIG_KEY_0=core.hooksPath, GIT_CONFIG_VALUE_0=/usr/lib/hooks",
    ],
    hook: "/usr/lib/hooks/pre-receive",
  },
  ...["/home/dev/r.git/config", "/home/dev/.gitconfig"].map((file) => ({
    name: `git: every key that names a program, in ${file}`,
    upload: () => {
      const path = repository(
        "[gc]\n\tautoPackLimit = 1\n\tautoDetach = false\n[receive]\n\tunpackLimit = 1\n",
      );
      s.m.must(["cp", TRAP, `${path}/hooks/post-update`]);
      alternate(path);
      const text = s.m.exists(file) ? s.m.read(file) : "";
      s.m.write(file, `${text}${KEYS.map(keyLine).join("")}`);
      s.own(HOME);
    },
    act: () => [fetch(), push(), push(), s.git("archive", `--remote=${url}`, "--format=tar", "main")],
  })),
  {
    name: "git: every key that names a program, in a repository with a work tree",
    upload: () => {
      worktree(
        `\tunpackLimit = 1\n[gc]\n\tautoPackLimit = 1\n\tautoDetach = false\n${KEYS.map(keyLine).join("")}`,
      );
    },
    act: () => [push(tree), push(tree), s.git("clone", "-q", tree, "c2"), s.m.remove(`${WORK}/c2`)],
  },
  ...["git upload-pack --help", "git-receive-pack --help"].map((line) => ({
    name: `git: ${line}`,
    upload: () => {
      s.upload(".gitconfig", `[man]\n\tviewer = x\n[man "x"]\n\tcmd = ${TRAP}\n`);
    },
    act: () => s.sshd.ssh("dev", [line]),
  })),
];

function worktree(config: string): void {
  const path = `${HOME}/tree`;
  s.m.remove(path);
  s.m.must(["git", "clone", "-q", `${WORK}/w`, path]);
  s.m.write(
    `${path}/.git/config`,
    `${s.m.read(`${path}/.git/config`)}[receive]\n\tdenyCurrentBranch = updateInstead\n${config}`,
  );
  s.own(path);
  s.m.write(`${WORK}/w/.gitattributes`, "f filter=x\n");
  pushes++;
  s.m.write(`${WORK}/w/f`, `${pushes}\n`);
  s.git("-C", "w", "add", ".");
  s.git("-C", "w", "commit", "-qm", "attributes");
}

// git starts its other name.
const LISTED = /^\/usr\/(?:bin\/(?:rsync|git)|lib\/git-core\/git)$/;
const SHELL = /^\/usr\/sbin\/(?:jk_lsh|jailkit)$/;
const SSHD = /^\/usr\/lib\/openssh\/sshd-(?:session|auth)$/;

/** What was executed that is not listed. */
const strays = (executed: readonly Executed[], hook: string | undefined) =>
  executed.flatMap(({ file, argv }) =>
    [LISTED, SHELL, SSHD].some((one) => one.test(file)) || argv === `/bin/sh ${hook}` ? [] : [argv],
  );

describe("what a user uploads starts no program of the user's", () => {
  test.each(attacks)("$name", async ({ upload, act, control = [], hook }) => {
    for (const name of [".popt", ".gitconfig", ".config", "r.git", "tree", "alternate.git"]) {
      s.m.remove(`${HOME}/${name}`);
    }
    s.own(HOME);
    s.started();
    upload();
    s.policy(SERVERS, UNCHECKED, ...control);
    act();
    expect(s.started()).not.toEqual([]);

    for (const execute of ["execute = any", "execute = system"]) {
      upload();
      s.policy(SERVERS, execute, ...control);
      const executed = await watch(act);
      expect([execute, strays(executed, hook), s.started()]).toEqual([execute, [], []]);
      // Whatever was refused, it came as far as this.
      expect(executed.some(({ file }) => SHELL.test(file))).toBe(true);
    }
  });

  test("Python code in ~/.local is not loaded by a program in Python", () => {
    const version = s.m.must(["/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]);
    const site = `.local/lib/python${version.stdout.trim()}/site-packages`;
    s.upload(`${site}/x.pth`, `import os; os.system("${TRAP}")\n`);
    s.m.write("/usr/bin/report", "#!/usr/bin/python3\nprint('report')\n", { mode: 0o755 });
    s.policy(["/usr/bin/report"], UNCHECKED);
    expect(s.sshd.ssh("dev", ["report"]).stdout).toBe("report\n");
    expect(s.started()).toEqual([TRAP]);
    s.policy(["/usr/bin/report"]);
    expect(s.sshd.ssh("dev", ["report"]).stdout).toBe("report\n");
    expect(s.started()).toEqual([]);
    s.m.remove(`${HOME}/.local`);
  });

  test("a link and a second name are treated as the program", () => {
    s.m.symlink("/etc/alternatives/backup", "/usr/bin/backup");
    s.m.symlink("../../usr/bin/rsync", "/etc/alternatives/backup");
    s.m.must(["ln", "/usr/bin/rsync", "/usr/bin/second-name"]);
    s.m.must(["cp", "/usr/bin/rsync", "/usr/bin/rsync-3.4.1"]);
    for (const name of ["backup", "second-name", "rsync-3.4.1"]) {
      s.policy([`/usr/bin/${name}`]);
      const refused = s.sshd.ssh("dev", [`${name} -e ${TRAP} f x:`]);
      expect({ name, status: refused.status, started: s.started() }).toEqual({
        name,
        status: 4,
        started: [],
      });
      s.upload(".popt", `${name} exec --server ${TRAP}\nrsync exec --server ${TRAP}\n`);
      const remote = ["--rsync-path", name, "-e", s.sshd.command];
      expect(s.client(["rsync", "-a", ...remote, "w/f", `dev@127.0.0.1:by-${name}`])).toMatchObject(success);
      expect(s.started()).toEqual([]);
      expect(s.m.exists(`${HOME}/by-${name}`)).toBe(true);
    }
  });
});

test("an archive of a repository of the user's is refused, with the reason", () => {
  repository(`[tar "x"]\n\tcommand = ${TRAP}\n\tremote = true\n`);
  const archive = () => s.git("archive", `--remote=${url}`, "--format=x", "main");
  s.policy(SERVERS, UNCHECKED);
  s.started();
  archive();
  expect(s.started()).toEqual([TRAP]);
  s.policy(SERVERS);
  expect(archive().stderr).toContain(
    "upload-archive starts programs that the configuration of the repository names",
  );
  expect(s.git("archive", `--remote=${url}`, "main").stderr).toContain("users other than root can change it");
  expect(s.started()).toEqual([]);
});

test("another program that reads ~/.popt is reported, and the remedy closes it", () => {
  s.m.write(
    "/root/popt.c",
    `#include <stdio.h>
typedef struct poptContext_s *poptContext;
poptContext poptGetContext(const char *, int, const char **, const void *, unsigned);
int poptReadDefaultConfig(poptContext, int);
int poptGetNextOpt(poptContext);
int main(int argc, const char **argv) {
  static const char none[4096];
  poptContext context = poptGetContext("other", argc, argv, none, 0);
  poptReadDefaultConfig(context, 0);
  while (poptGetNextOpt(context) >= 0) continue;
  puts("itself");
  return 0;
}
`,
  );
  s.m.must(["gcc", "-o", "/usr/bin/other", "/root/popt.c", "-l:libpopt.so.0"]);
  s.upload(".popt", `other exec --server ${TRAP}\n`);
  const check = () => s.m.run(["jailkit", "config", "check"]).stdout;
  s.started();
  s.policy(["/usr/bin/other"]);
  s.sshd.ssh("dev", ["other --server"]);
  expect(s.started()).toEqual([TRAP]);
  expect(check()).toContain("'/usr/bin/other' becomes any program that the user names in ~/.popt");
  s.policy(["/usr/bin/other"], "environment = HOME=/");
  expect(s.sshd.ssh("dev", ["other --server"]).stdout).toBe("itself\n");
  expect(s.started()).toEqual([]);
  expect(check()).not.toContain("~/.popt");
  s.m.remove(`${HOME}/.popt`);
});

describe("the work goes on", () => {
  beforeAll(() => {
    s.policy([...SERVERS, "/usr/lib/openssh/sftp-server"], "execute = system");
    s.upload(".popt", "rsync exec --server /nowhere\n");
    s.m.mkdir(`${WORK}/tree/sub`);
    s.m.write(`${WORK}/tree/a b`, "1\n");
    s.m.write(`${WORK}/tree/sub/c`, "2\n");
  });

  test.each([
    ["a tree, to a relative path", ["-a", "tree/", "dev@127.0.0.1:copy of it/"]],
    [
      "with a directory for partial files",
      ["-a", "--partial-dir=.part", "tree/", "dev@127.0.0.1:copy of it/"],
    ],
    [
      "with a temporary directory and backups",
      ["-ab", "--temp-dir=t", "--backup-dir=old", "tree/", "dev@127.0.0.1:copy of it/"],
    ],
    ["with deletes and CVS excludes", ["-aC", "--delete", "tree/", "dev@127.0.0.1:copy of it/"]],
    ["with relative names", ["-aR", "./tree/sub", "dev@127.0.0.1:copy of it/"]],
    ["to an absolute path", ["-a", "tree/", `dev@127.0.0.1:${HOME}/copy of it/`]],
  ])("rsync pushes %s, and pulls it", (_, words) => {
    s.m.remove(`${HOME}/copy of it`);
    s.m.mkdir(`${HOME}/copy of it/t`);
    s.own(HOME);
    expect(s.client(["rsync", "-e", s.sshd.command, ...words])).toMatchObject(success);
    s.m.remove(`${WORK}/back`);
    const pull = ["rsync", "-a", "-e", s.sshd.command, "dev@127.0.0.1:copy of it/", "back/"];
    expect(s.client(pull)).toMatchObject(success);
    const where = words.includes("-aR") ? "tree/sub" : "sub";
    expect(s.m.read(`${WORK}/back/${where}/c`)).toBe("2\n");
  });

  test("git clones and pushes, below ~ too", () => {
    repository("[gc]\n\tautoPackLimit = 1\n\tautoDetach = false\n[receive]\n\tunpackLimit = 1\n");
    expect(push()).toMatchObject(success);
    expect(push()).toMatchObject({ ...success, stderr: "" });
    const packs = () =>
      s.m.list(`${HOME}/r.git/objects/pack`).filter((name) => name.endsWith(".pack")).length;
    expect(packs()).toBeGreaterThan(1);
    // A gc packs, where the administrator wants one.
    s.policy(SERVERS, GC);
    expect(push()).toMatchObject({ ...success, stderr: "" });
    expect(packs()).toBe(1);
    s.policy(SERVERS);
    expect(fetch()).toMatchObject(success);
    expect(s.git("ls-remote", "ssh://dev@127.0.0.1/~/r.git", "main").stdout).toContain("refs/heads/main");
  });

  test("a push into a repository with alternates is silent", () => {
    const path = repository();
    alternate(path);
    expect(push()).toMatchObject({ ...success, stderr: "" });
  });

  test("hooks of the administrator run if jk_lsh.ini names them", () => {
    repository();
    s.m.write("/usr/lib/hooks/pre-receive", "#!/bin/sh\necho checked\nexit 1\n", { mode: 0o755 });
    const pairs = "GIT_CONFIG_COUNT=1, GIT_CONFIG_KEY_0=core.hooksPath, GIT_CONFIG_VALUE_0=/usr/lib/hooks";
    s.policy(SERVERS, `environment = ${pairs}`, "execute = system, /usr/lib/hooks");
    expect(push()).toMatchObject({ status: 1, stderr: expect.stringContaining("checked") });

    s.m.write(`${HOME}/r.git/hooks/pre-receive`, "#!/bin/sh\necho its own\nexit 1\n", { mode: 0o755 });
    s.policy(SERVERS, `environment = ${pairs.replace("/usr/lib/hooks", "hooks")}`);
    expect(push()).toMatchObject({ status: 1, stderr: expect.stringContaining("its own") });
  });

  test("safe.directory in /etc/gitconfig opens a repository of root's", () => {
    s.policy(SERVERS);
    const path = repository();
    s.m.must(["chown", "-R", "0:0", path]);
    s.upload(".gitconfig", "[safe]\n\tdirectory = *\n");
    expect(fetch().status).not.toBe(0);
    s.m.write("/etc/gitconfig", `[safe]\n\tdirectory = ${path}\n`);
    expect(fetch()).toMatchObject(success);
    s.m.remove("/etc/gitconfig");
  });
});
