import { describe, expect, test } from "bun:test";
import { commandEnvironment, filterEnvironment } from "../../src/limited-shell/environment.ts";

const kept = (...entries: string[]) =>
  [...filterEnvironment(entries, [])].map(([name, value]) => `${name}=${value}`);

describe("filterEnvironment", () => {
  test.each([
    "LANG=de_DE.UTF-8",
    "LANG=",
    "LC_ALL=C",
    "LC_CTYPE=sr_RS@latin",
    "TERM=xterm-256color",
    "TERM=screen.xterm",
    "TZ=Europe/Berlin",
    "TZ=:Europe/Berlin",
    "TZ=/usr/share/zoneinfo/UTC",
    "TZ=<+0330>-3:30",
    "TZ=CET-1CEST,M3.5.0,M10.5.0/3",
    "HOME=/home/x",
    "USER=x",
    "LOGNAME=x.y-z$",
    "SHELL=/usr/sbin/jk_lsh",
    "MAIL=/var/mail/x",
    "PATH=/usr/bin:/bin",
    "DISPLAY=localhost:10.0",
    "DISPLAY=[::1]:0",
    "SSH_CLIENT=1.2.3.4 5 22",
    "SSH_TTY=/dev/pts/1",
    "SSH_AUTH_SOCK=/tmp/x",
    "SSH_ORIGINAL_COMMAND=ls 'a=b'",
    "GIT_PROTOCOL=version=2",
    "XDG_SESSION_ID=3",
    "XDG_RUNTIME_DIR=/run/user/1000",
  ])("keeps %s", (entry) => {
    expect(kept(entry)).toEqual([entry]);
  });

  test.each([
    // not on the list: loaders, interpreters, programs that call programs
    "LD_PRELOAD=x",
    "LD_LIBRARY_PATH=x",
    "BASH_ENV=x",
    "ENV=x",
    "IFS=x",
    "PERL5OPT=-Mx",
    "PERL5LIB=x",
    "PYTHONPATH=x",
    "PYTHONSTARTUP=x",
    "RUBYOPT=x",
    "NODE_OPTIONS=x",
    "RSYNC_RSH=sh",
    "RSYNC_CONNECT_PROG=sh",
    "CVS_RSH=sh",
    "GIT_SSH=sh",
    "GIT_SSH_COMMAND=sh",
    "GIT_EXEC_PATH=x",
    "GIT_CONFIG_COUNT=1",
    "GIT_PROTOCOL_X=1",
    "EDITOR=sh",
    "PAGER=sh",
    "GCONV_PATH=x",
    "NLSPATH=x",
    "LOCPATH=x",
    "TERMINFO=x",
    "TERMCAP=x",
    "MALLOC_CHECK_=1",
    "GLIBC_TUNABLES=x",
    "LSHELL_ARGS=x",
    "BUN_BE_BUN=1",
    "LANGUAGE=de",
    "BASH_FUNC_ls%%=() { sh; }",
    "SSH_ASKPASS=/tmp/x",
    "SSH_SK_PROVIDER=/tmp/x.so",
    "SSH_SK_HELPER=x",
    "SSH_PKCS11_HELPER=x",
    "SSH=x",
    "SSH_=x",
    "SSH_TTY!=x",
    "LC_=x",
    "LC_ALL!=x",
    "XDG=x",
    "lang=x",
    "LANGX=x",
    "XTERM=x",
    "LANG =x",
    // not a variable
    "",
    "=",
    "=x",
    "PATH",
    // not what it should be
    "LANG=../../tmp/x",
    "LANG=/tmp/x",
    "LANG=..",
    "LANG=.x",
    "LANG=a%s",
    "LC_ALL=x/y",
    "TERM=/tmp/x",
    "TERM=a b",
    "TZ=/etc/shadow",
    "TZ=:/etc/shadow",
    "TZ=/usr/share/zoneinfo/../x",
    "TZ=../x",
    "TZ=:a/../b",
    "TZ=a b",
    "TZ=/usr/share/zoneinfo",
    "HOME=x",
    "HOME=",
    "HOME=../x",
    "SHELL=sh",
    "MAIL=x",
    "USER=",
    "USER=../x",
    "USER=a/b",
    "USER=a:b",
    "LOGNAME=a/b",
    "PATH=",
    "PATH=.:/bin",
    "PATH=/bin:",
    "PATH=:/bin",
    "PATH=/bin::/usr/bin",
    "PATH=/bin:x",
    "DISPLAY=a b",
    "DISPLAY=`x`",
    "GIT_PROTOCOL=a b",
    // control characters and lengths
    "SSH_CLIENT=a\nb",
    "XDG_X=\x1b",
    "HOME=/a\x7f",
    "USER=a\tb",
    `LANG=${"a".repeat(129)}`,
    `TZ=${"a".repeat(129)}`,
    `USER=${"a".repeat(257)}`,
    `XDG_X=${"a".repeat(4097)}`,
    `DISPLAY=${"a".repeat(257)}`,
    `HOME=/${"a".repeat(4096)}`,
  ])("drops %j", (entry) => {
    expect(kept(entry, "TERM=ok")).toEqual(["TERM=ok"]);
  });

  test("the first of two variables of a name counts, as for getenv(3)", () => {
    expect(kept("TERM=a", "TERM=b")).toEqual(["TERM=a"]);
  });

  test("a first one that is dropped leaves the second", () => {
    expect(kept("TERM=/", "TERM=b")).toEqual(["TERM=b"]);
  });

  test("variables of the administrator may have any value, but not affect ld.so", () => {
    const variables = filterEnvironment(
      ["X=a\nb=c", "LANG=/x", "Y=1", "LD_PRELOAD=/x"],
      ["X", "LANG", "LD_PRELOAD"],
    );
    expect([...variables]).toEqual([
      ["X", "a\nb=c"],
      ["LANG", "/x"],
    ]);
  });
});

describe("commandEnvironment", () => {
  test("the section wins, and its values may hold '='", () => {
    const result = commandEnvironment(
      ["PATH=/bin", "TERM=x", "RSYNC_RSH=sh", "Z=1"],
      [
        ["PATH", "/usr/bin"],
        ["OPT", "a=b=c"],
        ["IFS", ""],
      ],
      ["Z"],
    );
    expect([...result.variables]).toEqual([
      ["PATH", "/usr/bin"],
      ["TERM", "x"],
      ["Z", "1"],
      ["OPT", "a=b=c"],
      ["IFS", ""],
    ]);
    expect(result.findings).toEqual([]);
  });

  test("LD_* and what is no name is ignored and reported", () => {
    const result = commandEnvironment(
      [],
      [
        ["LD_PRELOAD", "/x"],
        ["LD_AUDIT", "/x"],
        ["a b", "1"],
        ["", "1"],
        ["A-B", "1"],
        ["1A", "1"],
        ["_OK1", "1"],
      ],
      [],
    );
    expect([...result.variables]).toEqual([["_OK1", "1"]]);
    expect(result.findings).toHaveLength(6);
    expect(result.findings[0]).toBe("environment: 'LD_PRELOAD' is ignored: ld.so acts on it");
  });
});
