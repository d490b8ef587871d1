/**
 * The main job: accounts jailed with jk_init and jk_addjailuser, OpenSSH's and git's own clients, a real sshd. What the
 * accounts are for works, byte for byte, and nothing else does.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine, type RunResult, type Sshd, type Syslog } from "../machine/machine.ts";

interface Layout {
  name: string;
  privilege: "capability" | "setuid";
  /** jk_chrootsh as a file of its own, or as a native entry of the shared executable. */
  files: "standalone" | "package";
  /** jk_lsh as a file in the jail, or run inside jk_chrootsh. */
  shell: "file" | "in-process";
  /** The jail on a file system of its own. */
  mounted: boolean;
  /** The size of the large transfer. */
  megabytes: number;
}

const layouts: Layout[] = [
  {
    name: "capability, in-process shell",
    privilege: "capability",
    files: "standalone",
    shell: "in-process",
    mounted: false,
    megabytes: 200,
  },
  {
    name: "setuid, shell in the jail",
    privilege: "setuid",
    files: "standalone",
    shell: "file",
    mounted: true,
    megabytes: 8,
  },
  {
    name: "capability, shell in the jail",
    privilege: "capability",
    files: "standalone",
    shell: "file",
    mounted: false,
    megabytes: 8,
  },
  {
    name: "setuid, in-process shell",
    privilege: "setuid",
    files: "standalone",
    shell: "in-process",
    mounted: true,
    megabytes: 8,
  },
  {
    name: "entry with the capability, in-process shell",
    privilege: "capability",
    files: "package",
    shell: "in-process",
    mounted: false,
    megabytes: 8,
  },
  {
    name: "entry that is setuid, shell in the jail",
    privilege: "setuid",
    files: "package",
    shell: "file",
    mounted: true,
    megabytes: 8,
  },
];

setDefaultTimeout(120_000);

const jail = "/home/sftproot";
const home = `${jail}/home/test`;
const work = "/root/client";
const awkward = "a name  with 'blanks' & \"quotes\"";

const policy = `[test]
paths = /usr/bin, /usr/lib/openssh
executables = /usr/bin/scp, /usr/bin/rsync, /usr/bin/git-upload-pack, /usr/bin/git-receive-pack, /usr/lib/openssh/sftp-server
`;

describe.each(layouts)("$name", ({ privilege, files, shell, mounted, megabytes }) => {
  let m: Machine;
  let sshd: Sshd;
  let log: Syslog;

  const here = { cwd: work };
  /** A client of OpenSSH, with the key and options that it needs. */
  const client = (name: string, ...words: string[]): RunResult =>
    m.run([name, ...sshd.clientOptions, ...words], here);
  const batch = (commands: string): RunResult =>
    m.run(["sftp", ...sshd.clientOptions, "-b", "-", "test@127.0.0.1"], { ...here, stdin: commands });
  const digest = (path: string) => m.must(["sha256sum", "--", path], here).stdout.split(" ")[0];
  const rsync = (...words: string[]): RunResult => m.run(["rsync", "-e", sshd.command, ...words], here);
  const git = (...words: string[]): RunResult =>
    m.run(["git", "-c", "user.name=T", "-c", "user.email=t@example.org", ...words], {
      ...here,
      env: { PATH: "/usr/bin:/bin", HOME: "/root", GIT_SSH_COMMAND: sshd.command },
    });
  const success = { status: 0 };

  beforeAll(async () => {
    m = await openMachine({ under: "ours", privilege, layout: files });
    log = await m.startSyslog();
    sshd = await m.startSshd();
    m.mkdir(jail);
    if (mounted) m.must(["mount", "-t", "tmpfs", "-o", "mode=0755,size=600m", "tmpfs", jail]);
    const options = shell === "file" ? ["--copy-shell"] : [];
    for (const section of ["jk_lsh", "sftp", "scp", "rsync", "git"]) {
      m.must(["jk_init", ...options, "-j", jail, section]);
    }
    m.must(["jk_addjailuser", "-j", jail, "test"]);
    m.must(["usermod", "-p", "*", "test"]);
    m.write(`${jail}/etc/jailkit/jk_lsh.ini`, policy);
    m.mkdir(work);
    m.must(["dd", "if=/dev/urandom", `of=${work}/large`, "bs=1M", `count=${megabytes}`, "status=none"]);
    m.write(`${work}/small`, "small\n");
    m.write(`${work}/${awkward}`, "awkward\n");
    m.mkdir(`${work}/tree`);
    m.mkdir(`${work}/tree/sub dir`);
    m.write(`${work}/tree/one`, "1\n");
    m.write(`${work}/tree/sub dir/two \xff`, "2\n");
  }, 120_000);

  afterAll(() => m?.close());

  test("the jail is as intended", () => {
    expect(m.exists(`${jail}/usr/sbin/jk_lsh`)).toBe(shell === "file");
    expect(m.exists(`${jail}/proc/self`)).toBe(false);
    // git asks for names and passwords on /dev/tty.
    const special = m.list(`${jail}/dev`).sort();
    expect(special).toEqual(["null", "tty", "urandom"]);
    expect(m.read("/etc/passwd")).toContain(`:${jail}/./home/test:/usr/sbin/jk_chrootsh\n`);
    expect(m.read(`${jail}/etc/passwd`)).toContain(":/home/test:/usr/sbin/jk_lsh\n");
  });

  test("sftp puts and gets, and resumes", () => {
    expect(batch("put large\nput small\npwd\nls -l\n")).toMatchObject(success);
    expect(digest(`${home}/large`)).toBe(digest("large"));
    expect(batch("get large back\n")).toMatchObject(success);
    expect(digest("back")).toBe(digest("large"));
    m.must(["truncate", "-s", "100000", "back"], here);
    m.must(["truncate", "-s", "100000", `${home}/large`]);
    expect(batch("reput large\n")).toMatchObject(success);
    expect(batch("reget large back\n")).toMatchObject(success);
    expect(digest("back")).toBe(digest("large"));
    expect(digest(`${home}/large`)).toBe(digest("large"));
  });

  test("sftp does not see the machine", () => {
    m.write("/etc/only-outside", "secret\n");
    const result = batch("get /etc/only-outside\n");
    expect(result.status).not.toBe(0);
    expect(batch("cd /../../..\nls /\n").stdout).not.toContain("root");
    expect(m.exists(`${work}/only-outside`)).toBe(false);
  });

  test.each(["-s", "-O"])("scp %s copies there and back, whole trees too", (protocol) => {
    const there = `test@127.0.0.1:copy${protocol}`;
    expect(client("scp", protocol, "-rp", "tree", there)).toMatchObject(success);
    expect(client("scp", protocol, "large", `${there}/large`)).toMatchObject(success);
    expect(client("scp", protocol, awkward, `${there}/`)).toMatchObject(success);
    expect(client("scp", protocol, "-r", there, `back${protocol}`)).toMatchObject(success);
    m.must(["rm", `back${protocol}/large`, `back${protocol}/${awkward}`], here);
    expect(m.run(["diff", "-r", "tree", `back${protocol}`], here)).toMatchObject({ ...success, stdout: "" });
    expect(digest(`${home}/copy${protocol}/large`)).toBe(digest("large"));
    expect(m.read(`${home}/copy${protocol}/${awkward}`)).toBe("awkward\n");
  });

  test("rsync pushes and pulls, with deletes and names with blanks", () => {
    expect(rsync("-a", "tree/", "test@127.0.0.1:mirror of it/")).toMatchObject(success);
    m.write(`${home}/mirror of it/extra`, "x");
    m.chown(`${home}/mirror of it/extra`, m.ids("test").uid, m.ids("test").gid);
    expect(rsync("-a", "--delete", "tree/", "test@127.0.0.1:mirror of it/")).toMatchObject(success);
    expect(m.exists(`${home}/mirror of it/extra`)).toBe(false);
    expect(rsync("-a", "--delete", "test@127.0.0.1:mirror of it/", "pulled/")).toMatchObject(success);
    expect(m.run(["diff", "-r", "tree", "pulled"], here)).toMatchObject({ ...success, stdout: "" });
    expect(rsync("-az", "--partial", "large", "test@127.0.0.1:by-rsync")).toMatchObject(success);
    expect(digest(`${home}/by-rsync`)).toBe(digest("large"));
  });

  test("git clones and pushes", () => {
    const bare = `${home}/it's mine.git`;
    m.must(["git", "init", "-q", "--bare", "-b", "main", bare]);
    m.must(["chown", "-R", "test:", bare]);
    const url = "ssh://test@127.0.0.1/home/test/it's mine.git";
    expect(git("clone", "-q", url, "clone")).toMatchObject(success);
    m.write(`${work}/clone/file`, "content\n");
    expect(git("-C", "clone", "checkout", "-q", "-b", "main").status).toBeLessThanOrEqual(1);
    expect(git("-C", "clone", "add", "file")).toMatchObject(success);
    expect(git("-C", "clone", "commit", "-qm", "one")).toMatchObject(success);
    expect(git("-C", "clone", "push", "-q", "origin", "main")).toMatchObject(success);
    expect(git("clone", "-q", url, "again")).toMatchObject(success);
    expect(m.read(`${work}/again/file`)).toBe("content\n");
  });

  test.each([
    ["a shell", []],
    ["another command", ["id"]],
    ["a shell by path", ["/bin/sh", "-c", "id"]],
    ["rsync --rsh", ["rsync --rsh=/bin/sh a: b"]],
    ["rsync -e", ["rsync -ae /bin/sh a: b"]],
    ["scp -S", ["scp -S /bin/sh a b:c"]],
    ["an assignment", ["LD_PRELOAD=/home/test/x.so scp -t ."]],
    ["a path that leads back", ["/usr/bin/../bin/id"]],
  ])("refuses %s", (_what, command) => {
    const result = sshd.ssh("test", command);
    expect(result.status).not.toBe(0);
    expect(result.stdout).toBe("");
    expect(result.stderr).toStartWith("jk_lsh: ");
    expect(result.stderr.trim().split("\n")).toHaveLength(1);
    expect(result.stderr).not.toContain(jail);
    expect(m.exists(`${home}/pwned`)).toBe(false);
  });

  const hostile = [
    ["a second command", "scp -t nowhere/; touch pwned"],
    ["a pipe", "scp -t nowhere/ | touch pwned"],
    ["an ampersand", "scp -t nowhere/ & touch pwned"],
    ["a redirection", "scp -t nowhere/ > pwned"],
    ["a substitution", "scp -t $(touch pwned)"],
    ["backquotes", "scp -t `touch pwned`"],
    ["a newline", "scp -t nowhere/\ntouch pwned"],
  ] as const;

  test.each(hostile)("%s is only an argument if words are not expanded", (_what, line) => {
    const result = sshd.ssh("test", [line]);
    expect(result.status).not.toBe(0);
    expect(m.exists(`${home}/pwned`)).toBe(false);
  });

  test.each(hostile)("%s is refused where words are expanded", (_what, line) => {
    m.write(`${jail}/etc/jailkit/jk_lsh.ini`, `${policy}allow_word_expansion = 1\n`);
    const result = sshd.ssh("test", [line]);
    m.write(`${jail}/etc/jailkit/jk_lsh.ini`, policy);
    expect(result.status).toBe(6);
    expect(result.stderr).toStartWith("jk_lsh: ");
    expect(m.exists(`${home}/pwned`)).toBe(false);
  });

  test("an unsafe jail is refused with an id that is in the log", async () => {
    m.chmod(`${jail}/etc`, 0o775);
    const result = sshd.ssh("test", ["scp -t ."]);
    m.chmod(`${jail}/etc`, 0o755);
    expect(result.status).toBe(53);
    const id = /\bJK-[A-Z2-7]{8}\b/.exec(result.stderr)?.[0];
    expect(id).toBeDefined();
    expect(result.stderr).not.toContain(jail);
    const line = await log.waitForLog(({ message }) => message.includes(id ?? "nothing"));
    expect(line.message).toContain(`${jail}/etc`);
  });

  test("a refused user of sftp sees the exit status with -v, and the line where -s names the server", () => {
    const sftp = (...words: string[]) =>
      m.run(["sftp", ...words, ...sshd.clientOptions, "test@127.0.0.1"], { ...here, stdin: "ls\n" }).stderr;
    m.chmod(`${jail}/etc`, 0o775);
    const [usual, verbose, named] = [sftp(), sftp("-v"), sftp("-s", "/usr/lib/openssh/sftp-server")];
    const copied = m.run(["scp", "-v", ...sshd.clientOptions, "small", "test@127.0.0.1:"], here).stderr;
    m.chmod(`${jail}/etc`, 0o755);
    for (const text of [copied, verbose]) expect(text).toContain("Exit status 53");
    expect(usual).toContain("Connection closed");
    expect(usual).not.toContain("refused");
    expect(named).toMatch(/jk_chrootsh: refused: the jail is not safe \(error id JK-[A-Z2-7]{8}\)/);
  });

  test("logins are in the machine's log", async () => {
    await log.clear();
    expect(batch("pwd\n")).toMatchObject(success);
    const line = await log.waitForLog(({ ident }) => ident === "jk_chrootsh");
    expect(line.message).toContain(`now entering jail ${jail} for user test`);
  });

  test("an existing account moves in with its files", async () => {
    const bob = m.addUser("bob", { home: "/home/bob", createHome: true });
    m.write("/home/bob/letter", "dear bob\n");
    m.chown("/home/bob/letter", bob.uid, bob.gid ?? 0);
    m.must(["jk_jailuser", "-n", "-m", "-j", jail, "bob"]);
    expect(m.exists("/home/bob")).toBe(false);
    m.write(
      `${jail}/etc/jailkit/jk_lsh.ini`,
      `${policy}\n[bob]\nexecutables = /usr/lib/openssh/sftp-server\n`,
    );
    const sftp = ["sftp", ...sshd.clientOptions, "-b", "-", "bob@127.0.0.1"];
    expect(m.run(sftp, { ...here, stdin: "get letter\n" })).toMatchObject(success);
    expect(m.read(`${work}/letter`)).toBe("dear bob\n");
    expect(sshd.ssh("bob", ["scp -t ."]).status).not.toBe(0);
  });
});
