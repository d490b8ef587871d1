/**
 * What a user can do to jk_uchroot, with a real user and the built program: it enters only the allowed jails, reveals
 * nothing about the rest of the machine, and starts programs with only the user's rights.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import * as C from "../../ffi/constants.ts";
import {
  type Machine,
  openMachine,
  type RunOptions,
  type RunResult,
  type Syslog,
} from "../machine/machine.ts";
import {
  expectConfined,
  groupsOf,
  J,
  PROBE,
  plantLibraries,
  readProbe,
  says,
  writeOutside,
} from "./probe.ts";

setDefaultTimeout(120_000);

const ini = "/etc/jailkit/jk_uchroot.ini";
// Nobody else's on this machine: the kernel counts processes by uid, in all machines together.
const uid = 4711;
const gid = 4711;

/** The one line of a refusal, without its id. */
const told = ({ stderr }: RunResult) => stderr.replace(/JK-[A-Z2-7]{8}/, "JK-");

describe.each(["capability", "setuid"] as const)("with the %s", (privilege) => {
  let m: Machine;
  let log: Syslog;
  const probe = readProbe();

  beforeAll(async () => {
    m = await openMachine({ under: "ours", only: ["jk_uchroot"], privilege });
    log = await m.startSyslog();
    m.addUser("u", { uid, groups: ["games"] });
    writeOutside(m);
  });
  afterAll(() => m?.close());

  beforeEach(() => {
    m.remove(J);
    for (const name of ["dev", "etc", "lib", "usr", "bin", "sbin", "home"]) m.mkdir(`${J}/${name}`);
    m.mkdir(`${J}/home/u`, { owner: [uid, gid] });
    m.write(`${J}${PROBE}`, probe, { mode: 0o755 });
    m.write(`${J}/etc/group`, `u:x:${gid}:\n`);
    m.write(`${J}/etc/passwd`, `u:x:${uid}:${gid}::/home/u:/bin/sh\n`);
    m.remove("/etc/jailkit");
    m.write(ini, `[u]\nallowed_jails = ${J}\n`);
  });

  const uchroot = (args: readonly string[], options: RunOptions = {}) =>
    m.run(["/usr/bin/jk_uchroot", ...args], { user: "u", env: { USER: "u" }, ...options });
  const enter = (options: RunOptions = {}, program = PROBE) => uchroot(["-j", J, "-x", program], options);

  const clean = (result: RunResult) => {
    expect(result.stderr).toBe("");
    expectConfined(result, uid, gid);
    expect(says(result, "no_new_privs")).toEqual(["1"]);
  };

  test("the program has the user's ids, no capability and no way out", () => {
    const result = uchroot(["-j", J, "-x", PROBE, "--", "-c", "x"]);
    clean(result);
    expect(groupsOf(result)).toEqual([...m.ids("u").groups].sort());
    expect(says(result, "cwd")).toEqual(["/"]);
    expect(says(result, "arg")).toEqual([PROBE, "-c", "x"]);
    expect(says(result, "ignored")).toEqual([]);
  });

  test("descriptors of the caller do not get in, not even above the limit of open files", () => {
    const open = [3, 7, 50, 200, 1000].map((fd) => ({ fd, path: "/", flags: C.O_RDONLY | C.O_DIRECTORY }));
    clean(enter({ open, limits: { NOFILE: [100, 100] } }));
    clean(enter({ open, limits: { NOFILE: [16, 4096] } }));
  });

  test("a directory as standard input is no way out", () => {
    const result = enter({ close: [0], open: [{ fd: 0, path: "/", flags: C.O_RDONLY | C.O_DIRECTORY }] });
    expect(says(result, "fd").filter((line) => line.endsWith("directory"))).toEqual([]);
  });

  test("variables: no code for ld.so, the runtime or other languages reaches anything", () => {
    const hostile = {
      USER: "u",
      LD_PRELOAD: "/tmp/evil.so",
      LD_AUDIT: "/tmp/evil.so",
      BUN_BE_BUN: "1",
      BUN_OPTIONS: "--preload=/tmp/evil.js",
      NODE_OPTIONS: "--require=/tmp/evil.js",
      PERL5OPT: "-Mevil",
      PYTHONPATH: "/tmp",
      BASH_ENV: "/tmp/x",
      "BASH_FUNC_x%%": "() { :; }",
      TZ: "/tmp/x",
      LANG: "../../tmp",
      PATH: ".:/tmp",
      SSH_ASKPASS: "/tmp/x",
    };
    const result = enter({ env: hostile });
    clean(result);
    expect(says(result, "env")).toEqual(["USER=u"]);
    m.write(ini, `[u]\nallowed_jails = ${J}\nenv = PERL5OPT, LD_PRELOAD\n`);
    expect(says(enter({ env: hostile }), "env")).toEqual(["USER=u", "PERL5OPT=-Mevil"]);
  });

  test("an environment that is empty, odd, or large, and 100,000 arguments", () => {
    clean(enter({ env: [] }));
    clean(enter({ env: ["", "=", "USER", "x"] }));
    clean(enter({ env: Array.from({ length: 20_000 }, (_, i) => `V${i}=${i}`) }));
    const many = uchroot([
      "-j",
      J,
      "-x",
      PROBE,
      "--",
      ...Array.from({ length: 100_000 }, (_, i) => String(i)),
    ]);
    clean(many);
    expect(says(many, "argc")).toEqual(["100001"]);
    expect(m.run([], { path: "/usr/bin/jk_uchroot", user: "u", env: {} }).status).toBe(1);
  });

  test("what only root can see looks the same as what does not exist", async () => {
    m.write("/root/private/secret", "x", { mode: 0o600 });
    m.chmod("/root", 0o700);
    await log.clear();
    const pairs = [
      [
        ["-j", "/root", "-x", "private/secret"],
        ["-j", "/root", "-x", "private/nothing"],
      ],
      [
        ["-j", "/root/private", "-x", "secret"],
        ["-j", "/root/nothing", "-x", "secret"],
      ],
      [
        ["-j", J, "-x", "/../../root/private/secret"],
        ["-j", J, "-x", "/../../root/private/nothing"],
      ],
      [
        ["-j", `${J}/../../root/private`, "-x", "secret"],
        ["-j", `${J}/../../root/nothing`, "-x", "secret"],
      ],
    ] as const;
    for (const [there, missing] of pairs) {
      const [a, b] = [uchroot(there), uchroot(missing)];
      expect([a.status, a.stdout, told(a)]).toEqual([b.status, b.stdout, told(b)]);
      expect([1, 21]).toContain(a.status);
    }
    const reasons = (await log.lines())
      .filter(({ severity }) => severity === 3)
      .map(({ message }) => message);
    // The log has the request, and otherwise no difference.
    const plain = (reason = "") =>
      reason
        .replace(/JK-\w+/, "")
        .replaceAll(/private\/secret|private\/nothing/g, "X")
        .replaceAll(/\/private|\/nothing/g, "X");
    expect(reasons).toHaveLength(2 * pairs.length);
    for (let i = 0; i < reasons.length; i += 2) expect(plain(reasons[i])).toBe(plain(reasons[i + 1]));
  });

  test("a user's arguments forge no line in the log's remedies, and no program of the user is proposed", async () => {
    m.write("/tmp/evil", "", { mode: 0o755, owner: [uid, gid] });
    const remedies = async () => {
      const lines = (await log.lines()).map(({ message }) => message.split("; remedy: ")[1] ?? "");
      await log.clear();
      return lines.filter((line) => line !== "");
    };
    await log.clear();
    for (const text of [`[u]\nallowed_jails = /srv/k\n`, "[v]\nallowed_jails = /srv/k\n"]) {
      m.write(ini, text);
      for (const asked of [
        `${J}, /`,
        `${J}\n[root]\nallowed_jails = /`,
        `${J}#`,
        `${J} | [v] | allowed_jails = /`,
      ])
        uchroot(["-j", asked, "-x", PROBE]);
      expect(await remedies()).toEqual([]);
      uchroot(["-j", J, "-x", PROBE]);
      expect((await remedies()).map((line) => line.endsWith(J))).toEqual([true]);
    }
    m.write(ini, `[u]\nallowed_jails = ${J}\n`);
    enter({}, "/tmp/evil");
    expect(await remedies()).toEqual([]);
    enter({}, "/usr/bin/id");
    expect(await remedies()).toEqual([`jk_cp -j ${J} /usr/bin/id`]);
    m.remove("/tmp/evil");
  });

  test("a jail that is not allowed is refused the same whatever is in it, and before it is looked at", () => {
    m.mkdir("/srv/k/bin");
    m.write(`/srv/k${PROBE}`, probe, { mode: 0o755 });
    m.chmod("/srv/k", 0o777);
    for (const jail of ["/srv/k", "/", "", ".", "/etc", "/nope", `${J}/home`, `${J}/..`, "/proc/self/root"]) {
      const result = uchroot(["-j", jail, "-x", PROBE]);
      expect([jail, result.status, told(result)]).toEqual([
        jail,
        21,
        "jk_uchroot: refused: this jail is not allowed (error id JK-)\n",
      ]);
    }
  });

  test("every way of writing the allowed jail leads into it, and into nothing else", () => {
    m.symlink(J, "/tmp/link");
    for (const jail of [
      `${J}/`,
      `${J}//`,
      "/srv/./j",
      "/srv/../srv/j",
      "/tmp/link",
      "/proc/self/root/srv/j",
    ]) {
      clean(uchroot(["-j", jail, "-x", PROBE]));
    }
    clean(uchroot(["-j", "j", "-x", PROBE], { cwd: "/srv" }));
    clean(uchroot(["-j", ".", "-x", PROBE], { cwd: J }));
    m.remove("/tmp/link");
  });

  test("a symbolic link that alternates between the allowed jail and the host never leads to the host", async () => {
    const turn = m.start(
      ["sh", "-c", "cd /tmp && while :; do ln -sfn /srv/j turning; ln -sfn / turning; echo; done"],
      { user: "u" },
    );
    await turn.until(({ stdout }) => stdout.length > 100 || undefined);
    for (let i = 0; i < 60; i++) {
      const result = uchroot(["-j", "/tmp/turning", "-x", PROBE]);
      if (result.status === 0) clean(result);
      else expect(result).toMatchObject({ status: 21, stdout: "" });
    }
    turn.kill();
    await turn.ended;
  });

  test("setuid, setgid and file capabilities have no effect, unless allow_setuid is set", () => {
    m.write(`${J}/bin/both`, probe, { mode: 0o6755 });
    m.write(`${J}/bin/capable`, probe, { mode: 0o755 });
    m.must(["setcap", "cap_net_raw,cap_sys_chroot+ep", `${J}/bin/capable`]);
    for (const more of ["", "confine = 0\n"]) {
      m.write(ini, `[u]\nallowed_jails = ${J}\n${more}`);
      clean(enter({}, "/bin/both"));
      clean(enter({}, "/bin/capable"));
    }
    // Without the protection both take effect, so what is above proves something.
    m.write(ini, `[u]\nallowed_jails = ${J}\nallow_setuid = 1\n`);
    expect(says(enter({}, "/bin/both"), "uid")).toEqual([`${uid} 0 0`]);
    expect(says(enter({}, "/bin/capable"), "capabilities")).toEqual(["42000 42000 0 0"]);
    for (const value of ["yes", "x"]) {
      m.write(ini, `[u]\nallowed_jails = ${J}\nallow_setuid = ${value}\n`);
      expect(enter().status).toBe(1);
    }
  });

  test("a program reached through /proc is not in the jail", () => {
    m.mkdir(`${J}/proc`);
    m.must(["mount", "-t", "proc", "proc", `${J}/proc`]);
    try {
      for (const program of [
        "/proc/self/exe",
        "/proc/self/root/bin/probe",
        "/proc/self/fd/0",
        "/proc/1/root/bin/sh",
      ]) {
        const result = uchroot(["-j", J, "-x", program], {
          close: [0],
          open: [{ fd: 0, path: "/root/probe" }],
        });
        expect([program, result.status, result.stdout]).toEqual([program, 1, ""]);
      }
    } finally {
      m.must(["umount", `${J}/proc`]);
    }
  });

  test("links and .. in the jail stay in it", () => {
    m.symlink("/../../root/probe", `${J}/bin/out`);
    m.symlink("/bin/probe", `${J}/home/u/in`);
    for (const program of ["/bin/out", "/../../root/probe", "../root/probe", "/home/../../root/probe"]) {
      expect(uchroot(["-j", J, "-x", program])).toMatchObject({ status: 1, stdout: "" });
    }
    clean(enter({}, "/home/u/in"));
    clean(enter({}, "/../../bin/probe"));
  });

  test("a supplementary group that the jail does not know is logged, by its name on the host", async () => {
    await log.clear();
    clean(enter());
    const notice = (await log.lines()).filter(({ severity }) => severity === 5);
    expect(notice).toHaveLength(1);
    expect(notice[0]).toMatchObject({ ident: "jk_uchroot", facility: 4 });
    expect(notice[0]?.message).toContain("u (4711)");
    expect(notice[0]?.message).toContain("60 (games)");
    m.write(`${J}/etc/group`, `u:x:${gid}:\ngames:x:60:u\n`);
    await log.clear();
    clean(enter());
    expect((await log.lines()).filter(({ severity }) => severity <= 5)).toEqual([]);
  });

  test("no library of the jail is loaded, whatever its nsswitch.conf says", () => {
    plantLibraries(m);
    clean(enter());
    m.write(`${J}/etc/passwd`, "");
    expect(enter().status).toBe(35);
  });

  test("config files: what cannot be read or understood is a refusal", () => {
    const bad: [name: string, text: string, mode: number][] = [
      ["unreadable for the user", `[u]\nallowed_jails = ${J}\n`, 0o600],
      ["writable for everybody", `[u]\nallowed_jails = ${J}\n`, 0o646],
      ["a header without end", `[u\nallowed_jails = ${J}\n`, 0o644],
      ["a NUL byte", `[u]\nallowed_jails = ${J}\n\0`, 0o644],
      ["two megabytes", `[u]\nallowed_jails = ${J}\n${"#".repeat(2 << 20)}`, 0o644],
      ["a number that is none", `[u]\nallowed_jails = ${J}\nskip_injail_passwd_check = yes\n`, 0o644],
    ];
    for (const [name, text, mode] of bad) {
      m.write(ini, text, { mode });
      expect([name, enter().status]).toEqual([name, 1]);
    }
    m.remove(ini);
    m.write("/etc/jailkit/jk_uchroot.d/x.ini", `[u]\nallowed_jails = ${J}\n`, { owner: [uid, gid] });
    expect(enter().status).toBe(1);
    m.chown("/etc/jailkit/jk_uchroot.d/x.ini", 0, 0);
    clean(enter());
  });

  test("limits that stop it half-way do not leave it with a privilege", () => {
    for (const limits of [{ NOFILE: 16 }, { FSIZE: 0 }, { NPROC: 1 }, { CORE: 0 }] as const)
      clean(enter({ limits }));
    const starved = enter({ limits: { AS: [64 << 20, 64 << 20] } });
    expect(starved.status).not.toBe(0);
    expect(starved.stdout).toBe("");
  });

  test("no message to the user names a path, and the log names all", async () => {
    const breaks: (() => void)[] = [
      () => m.chmod(J, 0o777),
      () => m.remove(`${J}/etc/group`),
      () => m.remove(`${J}${PROBE}`),
      () => m.write(`${J}${PROBE}`, "garbage", { mode: 0o755 }),
      () => m.write(ini, "[u\n"),
      () => m.remove(J),
    ];
    for (const break_ of breaks) {
      m.remove(J);
      m.mkdir(J);
      for (const name of ["etc", "bin"]) m.mkdir(`${J}/${name}`);
      m.write(`${J}${PROBE}`, probe, { mode: 0o755 });
      m.write(`${J}/etc/group`, `u:x:${gid}:\n`);
      m.write(`${J}/etc/passwd`, `u:x:${uid}:${gid}::/:/bin/sh\n`);
      m.write(ini, `[u]\nallowed_jails = ${J}\n`);
      break_();
      const { status, stderr, stdout } = enter();
      expect(status).not.toBe(0);
      expect(stdout).toBe("");
      const id = /^jk_uchroot: refused: [^/]+ \(error id (JK-[A-Z2-7]{8})\)\n$/.exec(stderr)?.[1] ?? stderr;
      const line = (await log.lines()).find(({ message }) => message.startsWith(`${id}: `));
      expect(line?.message).toContain("/");
    }
  });
});
