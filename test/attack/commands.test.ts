// biome-ignore-all lint/suspicious/noTemplateCurlyInString: a shell of the test expands it
/**
 * The keys `command` and `force` of jk_lsh.ini, with the examples of the manual: the real clients work through a real
 * sshd, and whatever is next to what a pattern allows is refused.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import type { RunResult } from "../machine/machine.ts";
import type { Syslog } from "../machine/syslog.ts";
import { reportOf } from "../report.ts";
import { openProgramScene, type Scene, WORK } from "./programs-scene.ts";

setDefaultTimeout(120_000);

let s: Scene;
let log: Syslog;
const messages = async () => (await log.lines()).map(({ message }) => message);
const success = { status: 0 };
const INI = "/etc/jailkit/jk_lsh.ini";

/** The example of the manual that has a line. */
function example(line: string): string {
  const page = readFileSync(join(import.meta.dir, "../../docs/man/jk_lsh.ini.5.in"), "utf8");
  const blocks = [...page.matchAll(/^\.Bd -literal -offset indent\n([\s\S]*?)^\.Ed/gm)].map(
    ([, text = ""]) => text,
  );
  const found = blocks.find((text) => text.includes(line));
  if (found === undefined) throw new Error(`jk_lsh.ini(5) has no example with ${line}`);
  return found.replaceAll("\\-", "-").replaceAll("\\e", "\\");
}
/** Makes an example the section of the account. */
const use = (line: string) => s.m.write(INI, example(line).replace(/^\[.*\]$/m, "[dev]"));

const rsync = (...words: string[]) => s.client(["rsync", "-e", s.sshd.command, ...words]);
const scp = (...words: string[]) => s.client(["scp", ...s.sshd.clientOptions, ...words]);
/** A command line as it is. */
const asked = (line: string) => s.sshd.ssh("dev", [line]);

function expectRefused(result: RunResult, message = "is not allowed"): void {
  expect(result.status).not.toBe(0);
  expect(result.stderr).toContain("jk_lsh: refused: ");
  expect(result.stderr).toContain(message);
}

beforeAll(async () => {
  s = await openProgramScene();
  const { m } = s;
  log = await m.startSyslog();
  m.write("/data/a/f", "data\n");
  m.write("/data/a b", "blank\n");
  m.write("/secret", "secret\n", { mode: 0o644 });
  m.mkdir("/incoming");
  m.mkdir("/incoming/deep");
  s.git("init", "-q", "-b", "main", "w");
  m.write(`${WORK}/w/f`, "one\n");
  s.git("-C", "w", "add", "f");
  expect(s.git("-C", "w", "commit", "-qm", "one")).toMatchObject(success);
  for (const name of ["site", "shop", "stage", "other"])
    m.must(["git", "clone", "-q", "--bare", `${WORK}/w`, `/srv/git/${name}.git`]);
  m.write("/etc/gitconfig", "[safe]\n\tdirectory = *\n");
  for (const path of ["/srv/git/stage.git", "/incoming"]) s.own(path);
});
afterAll(() => s?.m.close());
beforeEach(() => {
  s.m.remove(`${WORK}/out`);
  s.m.mkdir(`${WORK}/out`);
});

describe("a backup that only reads /data", () => {
  beforeEach(() => use("command pull"));

  test.each(["-a", "-r", "-avz", "-aHAXx", "-rtn"])("rsync %s works", (options) => {
    expect(rsync(options, "dev@127.0.0.1:/data/", "out/")).toMatchObject(success);
    if (!options.includes("n")) expect(s.m.read(`${WORK}/out/a/f`)).toBe("data\n");
  });

  test("names with blanks work", () => {
    expect(rsync("-a", "dev@127.0.0.1:/data/a b", "out/")).toMatchObject(success);
    expect(s.m.read(`${WORK}/out/a b`)).toBe("blank\n");
  });

  test.each<[what: string, words: string[]]>([
    ["another path", ["-a", "dev@127.0.0.1:/secret", "out/"]],
    ["a path above", ["-a", "dev@127.0.0.1:/data/../secret", "out/"]],
    ["a second path", ["-a", "dev@127.0.0.1:/data/a", "dev@127.0.0.1:/secret", "out/"]],
    ["the directory itself", ["-a", "dev@127.0.0.1:/data", "out/"]],
    ["an upload", ["-a", "w/f", "dev@127.0.0.1:/data/"]],
    ["an option", ["-a", "--bwlimit=9", "dev@127.0.0.1:/data/", "out/"]],
    ["another program", ["-a", "--rsync-path=/bin/sh", "dev@127.0.0.1:/data/", "out/"]],
    ["files from a list", ["-a", "--files-from=:/secret", "dev@127.0.0.1:/data/", "out/"]],
    ["options to the server", ["-a", "-M--copy-devices", "dev@127.0.0.1:/data/", "out/"]],
    ["hidden arguments", ["-a", "-s", "dev@127.0.0.1:/data/", "out/"]],
    ["removal", ["-a", "--remove-source-files", "dev@127.0.0.1:/data/", "out/"]],
  ])("%s is refused", (_, words) => {
    expectRefused(rsync(...words));
    expect(s.m.exists("/data/a/f")).toBe(true);
    expect(s.m.run(["find", `${WORK}/out`, "-type", "f"]).stdout).toBe("");
  });

  test.each([
    "rsync --server --sender -vlogDtpre.iLsfxCIvu . /data/.\\./secret",
    "rsync --server --sender '-vlogDtpre.iLsfxCIvu' . '/data/'../secret",
    "rsync --server --sender -e/bin/sh . /data/x",
    "rsync --server --sender -vs . /data/x",
    "rsync --server --sender -v -- /secret /data/x",
    "rsync --server --sender -v . /data/x ''",
    "rsync --server --daemon . /data/x",
    "/data/../usr/bin/rsync --server --sender -v . /data/x",
    "id",
    "sh -c id",
    "git-upload-pack /srv/git/other.git",
  ])("%s", (line) => {
    const result = asked(line);
    expectRefused(result);
    expect(result.stdout).toBe("");
  });
});

describe("a deploy key for git", () => {
  beforeEach(() => use("command site"));
  const clone = (name: string) => s.git("clone", "-q", `ssh://dev@127.0.0.1/srv/git/${name}.git`, "out/c");
  const push = (name: string, ...options: string[]) =>
    s.git(
      "-C",
      "w",
      "push",
      "-q",
      ...options,
      `ssh://dev@127.0.0.1/srv/git/${name}.git`,
      "HEAD:refs/heads/new",
    );

  test.each(["site", "shop"])("fetches %s", (name) => {
    expect(clone(name)).toMatchObject({ ...success, stderr: "" });
    expect(s.m.read(`${WORK}/out/c/f`)).toBe("one\n");
  });

  test("pushes to stage", () => {
    expect(push("stage")).toMatchObject(success);
    expect(s.m.exists("/srv/git/stage.git/refs/heads/new")).toBe(true);
  });

  test.each(["stage", "other", "../../srv/git/site", "x/../site", "{site,shop}", "site.git/../other"])(
    "does not fetch %s",
    (name) => {
      expectRefused(clone(name));
    },
  );

  test.each(["site", "other", "stage.git/../site"])("does not push to %s", (name) => {
    expectRefused(push(name));
  });

  test.each([
    "git upload-pack /srv/git/site.git",
    "git-upload-pack --strict /srv/git/site.git",
    "git-upload-pack '/srv/git/site.git' /srv/git/other.git",
    "git-upload-pack ''",
    "git-upload-archive /srv/git/site.git",
    "git-receive-pack '/srv/git/stage.git/'",
  ])("%s", (line) => {
    expectRefused(asked(line));
  });
});

describe("a drop box for scp", () => {
  beforeEach(() => use("command drop"));

  test("takes a file", () => {
    expect(scp("-O", "w/f", "dev@127.0.0.1:/incoming/f")).toMatchObject(success);
    expect(s.m.read("/incoming/f")).toBe("one\n");
  });

  // What a subsystem writes to standard error, sshd discards.
  test("the newer protocol is refused, and told what works where sshd passes it on", async () => {
    const hint = "sftp is not allowed; scp works with its option -O";
    const before = (await messages()).length;
    expect(scp("w/f", "dev@127.0.0.1:/incoming/g").status).not.toBe(0);
    expect((await messages()).slice(before).join("\n")).toContain(hint);
    expectRefused(asked("/usr/lib/openssh/sftp-server"), hint);
    expect(s.m.exists("/incoming/g")).toBe(false);
  });

  test.each<[what: string, words: string[]]>([
    ["a file back", ["-O", "dev@127.0.0.1:/incoming/f", "out/"]],
    ["a file from elsewhere", ["-O", "dev@127.0.0.1:/secret", "out/"]],
    ["a deeper file", ["-O", "w/f", "dev@127.0.0.1:/incoming/deep/f"]],
    ["a file above", ["-O", "w/f", "dev@127.0.0.1:/incoming/../tmp/f"]],
    ["a file elsewhere", ["-O", "w/f", "dev@127.0.0.1:/tmp/f"]],
    ["a directory", ["-O", "-r", "w", "dev@127.0.0.1:/incoming/w"]],
    ["times and modes", ["-O", "-p", "w/f", "dev@127.0.0.1:/incoming/p"]],
  ])("%s is refused", (_, words) => {
    expectRefused(scp(...words));
    expect(s.m.run(["find", `${WORK}/out`, "-type", "f"]).stdout).toBe("");
  });

  test("explain names the pattern, or the nearest one with a remedy that works", () => {
    const explain = (line: string) => {
      const { stdout } = s.m.run(["jailkit", "explain", "--json", "dev", "--", line]);
      return reportOf(explainReportSchema, stdout);
    };
    const allowed = explain("scp -t /incoming/f");
    expect([allowed.verdict, allowed.command?.argv]).toEqual([
      expect.not.stringMatching("refused"),
      ["/usr/bin/scp", "-t", "/incoming/f"],
    ]);
    const messages = (report: typeof allowed) => report.steps.map(({ message }) => message).join("\n");
    expect(messages(allowed)).toContain("it matches command drop");
    const refused = explain("scp -t /incoming/a/b");
    expect([refused.verdict, refused.exitStatus]).toEqual(["refused", 4]);
    expect(messages(refused)).toContain(
      "the nearest pattern is command drop: word 3, '/incoming/a/b', is not",
    );
    const { remedy } = refused.steps.find(({ outcome }) => outcome === "failed") ?? {};
    expect(remedy).toEndWith(":\ncommand scp = scp -t /incoming/a/b");
    s.m.write(INI, `${s.m.read(INI)}${remedy?.split("\n")[1]}\n`);
    expect(explain("scp -t /incoming/a/b").verdict).not.toBe("refused");
    s.m.write(INI, "[dev]\nforce = scp -t /incoming\n");
    expect(messages(explain("id"))).toContain("'scp -t /incoming' runs, whatever is asked for, and not 'id'");
    expect(explain("id").command?.argv).toEqual(["/usr/bin/scp", "-t", "/incoming"]);
  });

  test("the log has the pattern that allowed a command, and the nearest of one that was refused", async () => {
    asked("scp -t /incoming/f");
    asked("scp -t /incoming/a/b");
    const lines = (await messages()).join("\n");
    expect(lines).toContain("executing command '/usr/bin/scp -t /incoming/f' by command drop for user dev");
    expect(lines).toContain(
      "tried to run 'scp -t /incoming/a/b', not allowed: the nearest pattern is command drop: word 3, '/incoming/a/b', is not '/incoming/*'",
    );
  });
});

describe("a forced command", () => {
  test("sftp: whatever is asked for, the client can read and not write", () => {
    use("force =");
    const { sshd, m } = s;
    m.write(`${WORK}/batch`, "get /data/a/f out/f\n");
    const sftp = (...options: string[]) =>
      s.client(["sftp", ...sshd.clientOptions, "-b", "batch", ...options, "dev@127.0.0.1"]);
    for (const options of [[], ["-s", "/bin/sh"], ["-s", "/usr/lib/openssh/sftp-server -d /"]]) {
      m.remove(`${WORK}/out/f`);
      expect(sftp(...options)).toMatchObject(success);
      expect(m.read(`${WORK}/out/f`)).toBe("data\n");
    }
    m.write(`${WORK}/batch`, "put w/f /incoming/put\n");
    const put = sftp();
    expect(put.status).not.toBe(0);
    expect(put.stderr).toContain("Permission denied");
    expect(m.exists("/incoming/put")).toBe(false);
    // It starts in /data.
    m.write(`${WORK}/batch`, "get a/f out/g\n");
    expect(sftp()).toMatchObject(success);
    expect(scp("dev@127.0.0.1:/data/a/f", "out/h")).toMatchObject(success);
  });

  test("is told what was asked for, byte by byte, and nothing of it is a word", () => {
    s.m.write("/usr/local/bin/told", '#!/bin/sh\necho "$# ${SSH_ORIGINAL_COMMAND-unset}"\n', { mode: 0o755 });
    s.m.write(INI, "[dev]\nforce = /usr/local/bin/told a\nallow_word_expansion = 1\n");
    for (const line of ["id", "x; id", "$(id) `id` *", "'open", "a  b"])
      expect(asked(line)).toMatchObject({ ...success, stdout: `1 ${line}\n`, stderr: "" });
    expect(s.sshd.ssh("dev", [])).toMatchObject({ ...success, stdout: "1 unset\n" });
    s.m.write(INI, "[dev]\nforce = /usr/local/bin/told $SSH_ORIGINAL_COMMAND\nallow_word_expansion = 1\n");
    expect(asked("a b c").stdout).toBe("1 a b c\n");
  });
});
