import { describe, expect, test } from "bun:test";
import { optionReason } from "../../src/known-programs/options.ts";
import { RSYNC_OPTIONS, SCP_OPTIONS } from "../../src/known-programs/transfer.ts";
import { decide } from "../../src/limited-shell/decide.ts";
import type { FileView } from "../../src/limited-shell/files.ts";

const programs =
  "rsync scp git git-upload-pack git-receive-pack git-upload-archive git-config unison unison-2.53 cvs svnserve hg borg mosh-server sftp-server ls"
    .split(" ")
    .map((name) => `/usr/bin/${name}`);
const files: FileView = {
  isRegularFile: (path) => programs.includes(path),
  isDirectory: () => false,
  exists: () => false,
  readDirectory: () => undefined,
  look: () => undefined,
  readLink: (path) => (path === "/usr/bin/git-config" ? "git" : undefined),
  identity: () => undefined,
  homeOf: () => undefined,
};

function run(commandLine: string, allowSpawnOptions = false) {
  const policy = { executables: programs, paths: ["/usr/bin"], allowWordExpansion: false, allowSpawnOptions };
  return decide({ commandLine, policy, environment: new Map(), home: "/", files });
}

describe("command lines of clients are allowed", () => {
  test.each([
    // As rsync 3.5 sends it for many sets of options.
    "rsync --server -logDtpre.iLsfxCIvu . /tmp/dst\\ 1/",
    "rsync --server --sender -logDtpre.iLsfxCIvu . /tmp/src/",
    "rsync --server -logDtprze.iLsfxCIvu --delete . dst",
    "rsync --server -vlHogDtpAXrSe.iLsfxCIvu --delete-after --partial-dir .p --numeric-ids . dst",
    "rsync --server -re.iLsfxCIvu -B700 --bwlimit=5 . dst",
    "rsync --server -logDtpre.iLsfxCIvu --modify-window=1 --temp-dir /tmp . dst",
    "rsync --server -logDtpre.iLsfxCIvu --timeout=5 --checksum-choice=md5 --fake-super . dst",
    "rsync --server -lOJyogDtUpre.iLsfxCIvu --iconv=utf8 . dst",
    "rsync --server -vlogDtprze31.14iLsfxC . dst",
    "rsync --server --sender -vlogDtpre.LsfxC . 'a b' '*.txt'",
    "rsync --server -Tse.x -fse.y . dst",
    "rsync --server - .",
    // OpenSSH's scp -O, old and new, and WinSCP.
    "scp -t dst",
    "scp -f 'a b'",
    "scp -r -p -t -- -dst",
    "scp -v -d -t .",
    "scp -prdt .",
    "scp -qrf x y",
    "scp -t -- -S",
    "scp -2 -4 -6 -1 -C -B -T -t x",
    "git-upload-pack '/srv/x.git'",
    "git upload-pack x",
    "git receive-pack x",
    "git upload-pack --strict x",
    "git-receive-pack --skip-connectivity-check -q x",
    "git-upload-pack --timeout=5 x",
    "git-upload-pack '/srv/it'\\''s.git'",
    "git --version",
    "git version",
    "sftp-server -f AUTH -e -l DEBUG -d / -u 022 -R -p read -P write",
    "unison -server __new-rpc-mode",
    "unison-2.53 -server",
    "cvs server",
    "svnserve -t",
    "svnserve -t -r /srv/svn --tunnel-user=ann -R",
    "svnserve --root /srv/svn --tunnel",
    "hg -R /srv/x serve --stdio",
    "hg -R 'a b' serve --stdio",
    "hg init /srv/x",
    "borg serve",
    "borg serve --umask=077 --restrict-to-path /srv/b --append-only",
    "mosh-server new -c 256 -s -l LANG=en_US.UTF-8 -l LC_ALL=C",
    "mosh-server new -i 127.0.0.1 -p 60000:60010",
    "ls -e --rsh=x -S",
    "rsync --version",
    "rsync -V",
    "unison -version",
    "unison-2.53 -version",
    "borg --version",
    "borg -V",
    "hg --version",
    "hg version",
    "svnserve --version",
    "cvs --version",
    "mosh-server --version",
  ])("%s", (line) => {
    expect(run(line)).toMatchObject({ allowed: true });
  });
});

describe("arguments that start another program are refused", () => {
  test.each([
    // CVE-2019-3463, CVE-2012-2251/2252/3478, CVE-2019-1000018
    "rsync -e sh a b:",
    "rsync",
    "rsync -a a b",
    "rsync --version -e sh a b",
    "rsync -v --version",
    "rsync -V sh",
    "rsync --help",
    "rsync --foo",
    "rsync -v --server . x",
    "rsync --sender --server . x",
    "rsync '' --server",
    "rsync --server --rsh=sh . x",
    "rsync --server --rsh sh . x",
    "rsync --server -e sh . x",
    "rsync --server -esh . x",
    "rsync --server -e . x",
    "rsync --server -ve . x",
    "rsync --server -vlogDtpre/bin/sh . x",
    "rsync --server '-e.L sh' . x",
    "rsync --server -e=.L . x",
    "rsync --server -e./sh . x",
    "rsync --server -e.L -e sh . x",
    "rsync --server . x -e sh",
    "rsync --server . x --rsh=sh",
    "rsync --server -- --rsh=sh",
    "rsync --server -T -- --rsh=sh . x",
    "rsync --server --suffix -- -esh . x",
    "rsync --server --rsync-path=sh . x",
    "rsync --server --daemon .",
    "rsync --server --daemon --config=x .",
    "rsync --server --config x .",
    "rsync --server --dparam=x .",
    "rsync --server -s .",
    "rsync --server -slogDtpre.iLsfxCIvu",
    "rsync --server -lse.iLsfxC .",
    "rsync --server --secluded-args .",
    "rsync --server --protect-args .",
    "rsync --server -M--daemon . x",
    "rsync --server -vM x . x",
    "rsync --server --remote-option=-esh . x",
    "rsync --daemon",
    // CVE-2004-1162, CVE-2006-1320, CVE-2007-6415
    "scp",
    "scp a b",
    "scp a h:b",
    "scp -r a b",
    "scp -S sh -t x",
    "scp -Ssh -t x",
    "scp -tSsh x",
    "scp -t -S sh x",
    "scp -t -oProxyCommand=sh x",
    "scp -to ProxyCommand=sh x",
    "scp -F x -t y",
    "scp -tF x",
    "scp -t -D sh x",
    "scp -t -J h x",
    "scp a -t",
    "scp -- -t x",
    "scp -t x -S sh",
    "scp -f x -oProxyCommand=sh",
    "scp -i x -t y",
    "scp -P 22 -t y",
    "scp -c x -t y",
    "scp -3 -t y",
    "scp -X x -t y",
    "scp --t x",
    "scp -t --help",
    "scp --version",
    "scp -St x",
    "scp - -t",
    "git -c core.pager=sh upload-pack x",
    "git --exec-path=. upload-pack x",
    "git log",
    "git",
    "git clone --upload-pack=sh x",
    "git -C x upload-pack y",
    "git --upload-pack=sh",
    "git x",
    "git upload-pack --help",
    "git upload-archive x",
    "git-upload-archive x",
    "git-upload-pack --help",
    "git-receive-pack x --help",
    "git-config --edit",
    "git version --help",
    "git-config --version",
    "git-config version",
    "git --version --build-options",
    "unison",
    "unison a b",
    "unison --version",
    "unison -version x",
    "unison profile",
    "unison -server -rshcmd sh",
    "unison -server -sshcmd=sh",
    "unison -server --servercmd x",
    "unison -server -socket 1",
    "unison a -server",
    "unison -server x",
    "unison-2.53 -sshcmd sh a b",
    "svnserve",
    "svnserve -d",
    "svnserve -i -t",
    "svnserve -t --config-file x",
    "svnserve -t -d",
    "svnserve -r -t",
    "svnserve -tX",
    "svnserve -t -tX",
    "hg",
    "hg --config alias.x=!sh x",
    "hg serve --stdio",
    "hg -R x serve --stdio --config hooks.x=sh",
    "hg -R --debugger serve --stdio",
    "hg -R --config=alias.serve=!sh serve --stdio",
    "hg -R ssh://-oProxyCommand=sh/x serve --stdio",
    "hg -R bundle:x serve --stdio",
    "hg -R '' serve --stdio",
    "hg -R x 'serve --stdio'",
    "hg -R x log",
    "hg -y x serve --stdio",
    "hg init",
    "hg version --config=alias.version=!sh",
    "hg --version --config=extensions.x=x",
    "hg init --config=alias.init=!sh",
    "hg init ssh://-oProxyCommand=sh/x",
    "hg init x y",
    "borg",
    "borg create x::y z",
    "borg with-lock x sh",
    "mosh-server",
    "mosh-server new -- sh",
    "mosh-server new -s -- sh",
    "mosh-server new sh",
    "mosh-server new -l LD_PRELOAD=x",
    "mosh-server new -l SHELL=x",
    "mosh-server new -l -- sh",
    "mosh-server new -c",
    "cvs",
    "cvs -d :ext:h:/ co x",
    "cvs -e sh commit",
    "cvs -f server",
    "cvs version",
    "cvs --version -e sh",
    "mosh-server --version -- sh",
    "svnserve --version -d",
    "cvs server x",
  ])("%s", (line) => {
    expect(run(line)).toMatchObject({ allowed: false, exitStatus: 4, code: "spawn-option" });
    expect(run(line, true)).toMatchObject({ allowed: true });
  });

  test("with the reason", () => {
    expect(run("rsync --server --rsh=sh . x")).toEqual({
      allowed: false,
      exitStatus: 4,
      code: "spawn-option",
      reason:
        "tried to run 'rsync --server --rsh=sh . x', not allowed: option '--rsh' starts other programs (allow_spawn_options = 1 permits it)",
      shown: "'rsync' is not allowed like this: option '--rsh' starts other programs",
    });
  });

  test("with the allowed calls", () => {
    expect(run("rsync --help")).toMatchObject({
      shown:
        "'rsync' is not allowed like this: only 'rsync --server' can be called here, besides its version: other calls can start programs",
    });
  });

  test.each([
    ["rsync", RSYNC_OPTIONS],
    ["scp", SCP_OPTIONS],
  ] as const)("each option of %s", (_, rule) => {
    const mode = rule.first?.word ?? `-${rule.mode?.letters[0]}`;
    for (const { short, long = [], reason } of rule.refused) {
      const words = [
        ...long.map((name) => `--${name}`),
        ...long.map((name) => `--${name}=x`),
        ...(short ? [`-${short}`, `-v${short}`] : []),
      ];
      for (const word of words) {
        expect({ word, reason: optionReason(rule, [mode, word]) }).toEqual({
          word,
          reason: expect.stringContaining(
            rule.letters !== undefined && word.startsWith("--") ? "harmless" : reason,
          ),
        });
      }
    }
  });
});

// The table must read words as the program does: the options that take a value are asked of the program itself.
describe("the installed programs", () => {
  const output = (argv: string[]) => {
    const { stdout, stderr } = Bun.spawnSync(argv, { env: { PATH: "/usr/bin:/bin", HOME: "/nonexistent" } });
    return stdout.toString() + stderr.toString();
  };

  test.skipIf(!Bun.which("rsync"))("rsync's short options with a value", () => {
    const help = output(["rsync", "--help"]);
    const letters = [...help.matchAll(/^--[a-z-]+=\S+, -(\S) /gm)].map((found) => found[1]);
    expect(letters.sort()).toEqual([...RSYNC_OPTIONS.withValue].sort());
    for (const name of ["--rsh", "--rsync-path", "--secluded-args", "--remote-option"])
      expect(help).toContain(name);
  });

  test.skipIf(!Bun.which("scp"))("scp's short options with a value", () => {
    const usage = output(["scp"]);
    const letters = [...usage.matchAll(/\[-(\w) /g)].map((found) => found[1] ?? "");
    expect(letters.length).toBeGreaterThan(5);
    for (const letter of letters) expect(SCP_OPTIONS.withValue).toContain(letter);
    for (const letter of SCP_OPTIONS.letters ?? "") expect(letters).not.toContain(letter);
  });
});
