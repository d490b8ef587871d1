import type { Mutant } from "./mutant.ts";

// Not the test that compares texts with what is in the programs, which fails with any change.
const wanted = (name: string, from: string, to: string): Mutant => ({
  file: `config/filters/${name}.filter`,
  from,
  to,
  test: "unit/filters.test.ts",
  title: "what is wanted",
});
const compiled = (from: string, to: string, title: string): Mutant => ({
  file: "build/filters/libseccomp.ts",
  from,
  to,
  test: "unit/filters.test.ts",
  title,
});

/** The filters of system calls: their rules, and what is added to all of them. */
export const FILTERS: readonly Mutant[] = [
  {
    file: "config/filters/terminal.filter",
    from: "1:int in 0x5412 0x541c",
    to: "1:int == 0x5412",
    test: "unit/confine.test.ts",
    title: "the filter on the terminal",
  },
  {
    file: "config/filters/terminal.filter",
    from: "1:int in 0x5412 0x541c",
    to: "1:long in 0x5412 0x541c",
    test: "unit/confine.test.ts",
    title: "the filter on the terminal",
  },
  {
    file: "config/filters/terminal.filter",
    from: "32-bit too",
    to: "",
    test: "unit/confine.test.ts",
    title: "the filter on the terminal",
  },
  wanted("login", "mount           EPERM\n", ""),
  wanted("login", "setns           EPERM\n", ""),
  wanted("login", "0:long any 0x7e020080", "0:long any 0x7e020000"),
  wanted("login", "0:long any 0x7e020080", "0:long == 0x10000000"),
  wanted("login", "0:long any 0x7e020000", "0:long any 0x6e020000"),
  wanted("login", "clone3          ENOSYS\n", ""),
  wanted("login", "keyctl          ENOSYS", "keyctl          EPERM"),
  wanted("login", "bpf             EPERM\n", ""),
  wanted("login", "io_uring_setup     ENOSYS\n", ""),
  wanted("login", "0:long != 0xffffffff", "0:long == 0x40000"),
  wanted("login", "0:long in 16 0x4206", "0:long == 16"),
  wanted("login", "1:int in 0x5412 0x541c", "1:int == 0x5412"),
  wanted(
    "login",
    "socket          EAFNOSUPPORT   0:int in 0 3-9 11-15 17-63",
    "socket          EAFNOSUPPORT   0:int in 0 3-9 11-15 17-31",
  ),
  wanted(
    "login",
    "socket          EAFNOSUPPORT   0:int in 0 3-9 11-15 17-63",
    "socket          EAFNOSUPPORT   0:long in 0 3-9 11-15 17-63",
  ),
  wanted("login", "2:int in 1-31", "2:int in 1-15"),
  wanted("login", "0:int == 2, 1:0xf == 10", "0:int == 2, 1:int == 10"),
  wanted("login", "open_by_handle_at  EPERM\n", ""),
  wanted(
    "network-local",
    "socket          EAFNOSUPPORT   0:int in 0 2-63",
    "socket          EAFNOSUPPORT   0:int in 0 2-9 11-63",
  ),
  wanted("network-local", "io_uring_setup  ENOSYS\n", ""),
  wanted("network-none", "1:0xf in 0 2-4 6-15", "1:0xf in 0 3-4 6-15"),
  wanted("network-none", "1:0xf in 0 2-4 6-15", "1:int in 0 2-4 6-15"),
  wanted("network-none", "connect         EAFNOSUPPORT\n", ""),
  wanted("tcp", "2:int in 1-5 7-0xffff", "2:int in 1-5 7-255"),
  wanted("tcp", "1:0xf in 4-15", "1:0xf in 6-15"),
  wanted("tcp", "sendmmsg        EOPNOTSUPP   3:int", "sendmmsg        EOPNOTSUPP   2:int"),
  wanted("tcp", "2:int in 30 31", "2:int == 30"),
  wanted("tcp-listen", "listen          EACCES\n", ""),
  wanted("execute", "32-bit too\n", ""),
  wanted("execute", "1:int none 8", "1:int none 9"),
  compiled(
    "[SCMP_FLTATR_ACT_BADARCH, KILL_PROCESS]",
    "[SCMP_FLTATR_ACT_BADARCH, ALLOW]",
    "another architecture",
  ),
  compiled("...[jump(above, 0, 2), newest],", "...[jump(above, 0, 2), 600],", "newer than its rules"),
  compiled("...[jump(above, 1, 0), 0x3fffffff],", "...[jump(above, 1, 0), newest],", "newer than its rules"),
  compiled("...[jump(above, 1, 0), 0x3fffffff],", "...[jump(above, 0, 0), 0x3fffffff],", "x32's calls kill"),
  compiled(
    "...[jump(equal, 0, 4), ARCHITECTURES[architecture]],",
    "...[jump(equal, 0, 0), 0],",
    "another architecture",
  ),
  compiled(
    "for (const all of choices(rule))",
    "for (const all of choices(rule).slice(1))",
    "ends as the text says",
  ),
  {
    file: "src/confine/confine.ts",
    from: 'if (tcpBind !== "all" && tcpBind.length === 0) names',
    to: "if (false) names",
    test: "attack/confine.test.ts",
    title: "jk_chrootsh tcp_bind = none",
  },
];
