import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";
import { openManifestFile } from "./manifest-file.ts";

let m: Machine;
let jails = 0;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_cp", "jk_update"] });
  m.addUser("u", { uid: 4001 });
});
afterAll(async () => m.close());

function fresh(): string {
  const jail = `/srv/cp${++jails}`;
  m.mkdir(jail);
  return jail;
}

const cp = (...args: string[]) => m.run(["jk_cp", ...args]);

describe("operands", () => {
  test("with a slash start at the working directory", () => {
    const jail = fresh();
    m.write("/srv/files/d/f", "x");
    m.write("/srv/files/true", "not the command");
    const from = { cwd: "/srv/files" };
    expect(m.run(["jk_cp", "-j", jail, "d/f", "./true", "true"], from).status).toBe(0);
    expect(m.read(`${jail}/srv/files/d/f`)).toBe("x");
    expect(m.read(`${jail}/srv/files/true`)).toBe("not the command");
    expect(m.exists(`${jail}/usr/bin/true`)).toBe(true);
  });

  test("without one are programs: a directory is none", () => {
    const jail = fresh();
    m.must(["mkdir", "/usr/local/bin/folder"]);
    expect(cp("-j", jail, "true").status).toBe(0);
    const { requests } = openManifestFile(m, jail);
    for (const name of [".", "..", "folder"]) expect([name, cp("-j", jail, name).status]).toEqual([name, 2]);
    expect(openManifestFile(m, jail).requests).toEqual(requests);
    expect(m.exists(`${jail}/usr/local`)).toBe(false);
  });

  test("with hostile names are copied byte by byte, and nothing is run", () => {
    const jail = fresh();
    const names = [
      "a b",
      "x;touch PWN;#",
      "$(touch PWN)",
      "`touch PWN`",
      "new\nline",
      "\xff\xfe.so",
      "-k",
      "lib'\"\\",
    ];
    for (const name of names) m.write(`/usr/share/odd/${name}`, name, { mode: 0o755 });
    const { status, stdout } = cp("-j", jail, "/usr/share/odd");
    expect(status).toBe(0);
    expect(m.snapshot(`${jail}/usr/share/odd`)).toEqual(m.snapshot("/usr/share/odd"));
    expect(m.run(["find", "/", "-xdev", "-name", "PWN"]).stdout).toBe("");
    expect(stdout).toContain("new\\nline");
  });

  test("that are dangerous are refused, and the rest is copied", () => {
    const jail = fresh();
    for (const path of ["/", "/etc", "/./etc//", "/proc", "/sys/kernel", "/dev", jail, "/srv"]) {
      const { status, stderr } = cp("-j", jail, path, "/usr/bin/true");
      expect([path, status]).toEqual([path, 1]);
      expect(stderr).toContain("refused");
    }
    expect(m.exists(`${jail}/usr/bin/true`)).toBe(true);
    expect(m.list(jail)).not.toContain("proc");
    expect(cp("-j", jail, "/etc/hostname", "/dev/null").status).toBe(0);
  });
});

describe("what is in the jail", () => {
  test("is never replaced in place: a program that has it open keeps it", () => {
    const jail = fresh();
    m.write("/usr/share/lib.so", "new");
    m.write(`${jail}/usr/share/lib.so`, "old");
    m.must(["ln", `${jail}/usr/share/lib.so`, "/root/same"]);
    cp("-f", "-j", jail, "/usr/share/lib.so");
    expect([m.read("/root/same"), m.read(`${jail}/usr/share/lib.so`)]).toEqual(["old", "new"]);
  });

  test("of a jailed user cannot lead a copy astray", () => {
    const jail = fresh();
    m.write("/home/u/bin/tool", "tool");
    m.write("/root/victim/tool", "untouched");
    m.mkdir(`${jail}/home/u`, { owner: [4001, 4001] });
    m.symlink("/root/victim", `${jail}/home/u/bin`);
    m.mkdir(`${jail}/root/victim`);
    const before = m.snapshot("/root/victim");
    const { status, stderr } = cp("-f", "-j", jail, "/home/u/bin/tool");
    expect(status).toBe(1);
    expect(stderr).toContain("symbolic link");
    expect(m.snapshot("/root/victim")).toEqual(before);
    expect(m.list(`${jail}/root/victim`)).toEqual([]);
  });

  test("no temporary names are left", () => {
    const jail = fresh();
    cp("-j", jail, "/usr/bin/ls", "/usr/bin/passwd");
    cp("-f", "-j", jail, "/usr/bin/ls");
    expect(m.run(["find", jail, "-name", ".jk-*"]).stdout).toBe("");
  });
});

describe("hard links", () => {
  test("to another file system become copies, with one notice", () => {
    const jail = fresh();
    m.must(["mount", "-t", "tmpfs", "none", jail]);
    m.chmod(jail, 0o755);
    const { status, stderr } = cp("-k", "-j", jail, "/usr/bin/ls", "/usr/bin/true");
    expect(status).toBe(0);
    expect(stderr.match(/will revert to copying/g)).toHaveLength(1);
    expect(m.stat(`${jail}/usr/bin/true`)?.nlink).toBe(1);
    m.must(["umount", jail]);
  });

  test("are reported as shared, and recorded", () => {
    const jail = fresh();
    m.write("/usr/share/linked", "x");
    m.write("/usr/share/theirs", "x", { owner: [4001, 4001] });
    const { status, stderr } = cp("-k", "-j", jail, "/usr/share/linked", "/usr/share/theirs");
    expect(status).toBe(0);
    expect(stderr).toContain("share owner, mode and content");
    const entries = openManifestFile(m, jail).entries;
    const of = (path: string) => entries.find((entry) => entry.path === path)?.hardLink;
    expect([of("/usr/share/linked"), of("/usr/share/theirs")]).toEqual([true, undefined]);
    // A link would have kept the owner.
    expect(m.stat(`${jail}/usr/share/theirs`)).toMatchObject({ uid: 0, nlink: 1 });
  });
});

describe("special bits and owners", () => {
  test("setuid for one user never becomes setuid for root", () => {
    const jail = fresh();
    m.write("/usr/share/suid", "x", { mode: 0o6755, owner: [4001, 60] });
    cp("-s", "-j", jail, "/usr/share/suid");
    expect(m.stat(`${jail}/usr/share/suid`)).toMatchObject({ mode: 0o100755, uid: 0, gid: 0 });
    cp("-s", "-o", "-f", "-j", jail, "/usr/share/suid");
    expect(m.stat(`${jail}/usr/share/suid`)).toMatchObject({ mode: 0o106755, uid: 4001, gid: 60 });
  });

  test("a file capability stays behind", () => {
    const jail = fresh();
    m.write("/usr/share/capable", m.readBytes("/usr/bin/true"), { mode: 0o755 });
    m.must(["setcap", "cap_net_raw+ep", "/usr/share/capable"]);
    cp("-j", jail, "/usr/share/capable");
    expect(m.must(["getcap", "/usr/share/capable", `${jail}/usr/share/capable`]).stdout).toBe(
      "/usr/share/capable cap_net_raw=ep\n",
    );
  });
});

test("a file of a user that is there stays, is warned of, and is not taken for the copy", () => {
  const jail = fresh();
  const there = `${jail}/srv/mixed`;
  for (const name of ["tool", "same", "linked", "ours", "sub/one", "sub/two"])
    m.write(`/srv/mixed/${name}`, `${name} of the host\n`);
  m.symlink("ours", "/srv/mixed/link");
  m.must(["mkdir", "-p", `${there}/sub`]);
  m.write(`${there}/tool`, "of u", { owner: [4001, 4001] });
  m.must(["cp", "-p", "/srv/mixed/same", `${there}/same`]);
  m.symlink("/etc/passwd", `${there}/linked`);
  m.symlink("ours", `${there}/link`);
  for (const name of ["one", "two"]) m.write(`${there}/sub/${name}`, "of u");
  m.must(["chown", "-hR", "4001", there]);
  m.must(["chown", "root:", there]);
  m.write(`${there}/ours`, "of the administrator");
  const names = ["tool", "same", "linked", "link", "ours", "sub"].map((name) => `/srv/mixed/${name}`);
  const { status, stderr } = cp("-j", jail, ...names);
  const warned = stderr.trimEnd().split("\n");
  expect([
    status,
    warned.map((line) => / warning: (\S+) belongs to uid 4001, and is not/.exec(line)?.[1]),
  ]).toEqual([
    0,
    [...["tool", "same", "linked", "link"].map((name) => `${there}/${name}`), `${there}/sub/one`],
  ]);
  expect(warned.at(-1)).toEndWith(`jk_update -j ${jail}; so it is with 1 more`);
  expect(openManifestFile(m, jail).entries.map(({ path }) => path)).not.toContain("/srv/mixed/tool");
  m.must(["jk_update", "-j", jail]);
  const before = m.must(["find", there, "-type", "f,l", "-user", "4001"]).stdout;
  m.must(["jk_cp", "--remove", "-j", jail, ...names]);
  expect(m.must(["find", there, "-type", "f,l", "-user", "4001"]).stdout).toBe(before);
  // What the administrator had there stays, too: see jk_cp(8).
  expect(m.exists(`${there}/ours`)).toBe(true);
  // The remedy.
  cp("-j", jail, "/srv/mixed/tool");
  m.must(["mv", `${there}/tool`, `${there}/away`]);
  m.must(["jk_update", "-j", jail]);
  expect(m.read(`${there}/tool`)).toBe("tool of the host\n");
  m.must(["jk_cp", "--remove", "-j", jail, "/srv/mixed/tool"]);
  expect([m.exists(`${there}/tool`), m.exists(`${there}/away`)]).toEqual([false, true]);
});

test("--why and --dry-run change nothing", () => {
  const jail = fresh();
  const why = cp("-j", jail, "--why", "/usr/lib/x86_64-linux-gnu/libc.so.6", "/bin/ls");
  expect(why.stdout).toContain("operand /bin/ls\n");
  expect(cp("-j", jail, "--dry-run", "/bin/ls").stdout).toContain(`Copying /bin/ls to ${jail}/usr/bin/ls\n`);
  expect(m.list(jail)).toEqual([]);
});

test("what was requested is recorded by its full path", () => {
  const jail = fresh();
  m.run(["jk_cp", "-o", "-j", jail, "true"]);
  expect(openManifestFile(m, jail).requests).toMatchObject([
    { tool: "jk_cp", operands: ["/usr/bin/true"], options: { owner: true } },
  ]);
});

describe("what is refused is not recorded", () => {
  const operandsOf = (jail: string) => openManifestFile(m, jail).requests.flatMap(({ operands }) => operands);
  beforeAll(() => {
    m.write("/srv/odd/file", "x");
    m.write("/srv/odd/full/file", "x");
    m.must(["mkfifo", "/srv/odd/fifo", "/srv/odd/full/fifo"]);
    m.must(["ln", "-s", "fifo", "/srv/odd/link"]);
    m.must(["ln", "-s", "link", "/srv/odd/chain"]);
    m.must(["ln", "-s", "file", "/srv/odd/good"]);
  });

  test.each(["/etc", "/srv/odd/fifo", "/srv/odd/link", "/srv/odd/chain", "/sys/kernel/uevent_seqnum"])(
    "%s, beside files that are copied",
    (refused) => {
      const jail = fresh();
      const { status } = cp("--strict", "-j", jail, "/srv/odd/file", refused, "/srv/odd/good");
      expect(status).toBe(1);
      expect(operandsOf(jail)).toEqual(["/srv/odd/file", "/srv/odd/good"]);
      expect(cp("--strict", "-j", jail, refused).status).toBe(1);
      expect(operandsOf(jail)).toEqual(["/srv/odd/file", "/srv/odd/good"]);
    },
  );

  test("all of it: there is no record", () => {
    const jail = fresh();
    expect(cp("-j", jail, "/etc", "/dev").status).toBe(1);
    expect(() => openManifestFile(m, jail)).toThrow("no manifest");
  });

  test("where a directory of the jail is in the way, and afterwards", () => {
    const jail = fresh();
    m.mkdir(`${jail}/usr/bin/true`);
    expect(cp("--strict", "-j", jail, "/usr/bin/true", "/usr/bin/false").status).toBe(1);
    expect(operandsOf(jail)).toEqual(["/usr/bin/false"]);
    m.remove(`${jail}/usr/bin/true`);
    expect(cp("-j", jail, "/usr/bin/true").status).toBe(0);
    expect(operandsOf(jail)).toEqual(["/usr/bin/false", "/usr/bin/true"]);
  });

  test("a directory stays if only a file in it is refused", () => {
    const jail = fresh();
    expect(cp("--strict", "-j", jail, "/srv/odd/full").status).toBe(1);
    expect(operandsOf(jail)).toEqual(["/srv/odd/full"]);
  });

  test("after a failed write", () => {
    const jail = fresh();
    const trace = ["strace", "-o", "/root/trace", "-e", "inject=linkat:error=ENOSPC:when=2+"];
    const command = ["jk_cp", "-j", jail, "/srv/odd/file", "/usr/share/doc/bash/copyright", "/etc/hostname"];
    expect(m.run([...trace, ...command]).status).toBe(1);
    expect(operandsOf(jail)).toEqual(["/srv/odd/file"]);
    expect(m.run(command).status).toBe(0);
    // The finished run stands for what the failed one had brought.
    expect(operandsOf(jail)).toEqual(command.slice(3));
  });

  test("after a signal", () => {
    const jail = fresh();
    const trace = ["strace", "-o", "/root/trace", "-e", "inject=linkat:signal=INT:when=1"];
    const command = ["jk_cp", "-j", jail, "/srv/odd/file", "/usr/share/doc/bash/copyright"];
    expect(m.run([...trace, ...command]).signal).toBe("SIGINT");
    expect(operandsOf(jail)).toEqual(["/srv/odd/file"]);
  });
});
