import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type Machine, openMachine, underTest } from "../machine/machine.ts";
import { type Expected, expectedOf } from "./cases.ts";

const J = "/srv/j";
let m: Machine;
let number = 0;
let name = "";
beforeAll(async () => {
  m = await openMachine({ under: underTest });
  m.must(["groupadd", "-g", "4900", "extra"]);
});
afterAll(async () => m.close());

// every case has a jail and a user of its own
beforeEach(() => {
  name = `u${++number}`;
  m.addUser(name, {
    uid: 4000 + number,
    home: `/home/${name}`,
    createHome: true,
    groups: ["extra", "games"],
  });
  m.write(`${J}/etc/passwd`, "root:x:0:0::/root:/bin/sh\n");
  m.write(`${J}/etc/group`, "root:x:0:\n");
  m.mkdir(`${J}/home`);
  m.write(`${J}/usr/sbin/jk_lsh`, "x", { mode: 0o755 });
  m.write(`${J}/usr/bin/bash`, "x", { mode: 0o755 });
});

const jailuser = (...args: string[]) => m.run(["jk_jailuser", ...args]);
const line = (path: string, key: string) =>
  m
    .read(path)
    .split("\n")
    .find((one) => one.startsWith(`${key}:`))
    ?.split(":");

describe("options", () => {
  const cases: readonly (readonly [args: readonly string[], status: Expected<number>])[] = [
    [[], 2],
    [["-h"], 0],
    [["--help"], 0],
    [["--bogus"], 1],
    [["-n", "USER"], 33],
    [["-n", "-j", "/nojail", "USER"], 33],
    [["-n", "-j", "/home", "USER"], 33],
    [["-n", "-j", J, "-s", "/bin/nosh", "USER"], 33],
    [["-n", "-j", J, "nosuch"], { debian: 0, ours: 1, difference: "jailuser-status" }],
  ];
  test.each(cases)("jk_jailuser %j", (args, status) => {
    const before = m.read("/etc/passwd");
    expect(jailuser(...args.map((word) => (word === "USER" ? name : word))).status).toBe(expectedOf(status));
    expect(m.read("/etc/passwd")).toBe(before);
  });
});

describe("a user", () => {
  test("whose home is the jail itself", () => {
    m.must(["usermod", "-d", J, name]);
    expect(jailuser("-n", "-j", J, name).status).toBe(0);
    const difference = "jailuser-jail-as-home";
    const home = expectedOf({ debian: "", ours: `/home/${name}`, difference });
    expect(line(`${J}/etc/passwd`, name)?.[5]).toBe(home);
    expect(line("/etc/passwd", name)?.[5]).toBe(`${J}/.${home}`);
  });

  test("gets the jail on the host, and entries in the jail", () => {
    expect(jailuser("-n", "-j", J, name).status).toBe(0);
    const uid = String(4000 + number);
    const gid = String(m.ids(name).gid);
    expect(line("/etc/passwd", name)).toEqual([
      name,
      "x",
      uid,
      gid,
      "",
      `${J}/./home/${name}`,
      "/usr/sbin/jk_chrootsh",
    ]);
    expect(line(`${J}/etc/passwd`, name)).toEqual([
      name,
      "x",
      uid,
      gid,
      "",
      `/home/${name}`,
      "/usr/sbin/jk_lsh",
    ]);
    expect(line(`${J}/etc/group`, name)).toEqual([name, "x", gid, ""]);
    expect(line(`${J}/etc/group`, "extra")).toEqual(["extra", "x", "4900", name]);
    expect(line(`${J}/etc/group`, "games")).toEqual(["games", "x", "60", name]);
    // -n without -m does not move
    expect(m.exists(`/home/${name}`)).toBe(true);
    expect(m.exists(`${J}/home/${name}`)).toBe(false);

    const before = [m.read("/etc/passwd"), m.snapshot(`${J}/etc`)];
    expect(jailuser("-n", "-j", J, name).status).toBe(0);
    expect([m.read("/etc/passwd"), m.snapshot(`${J}/etc`)]).toEqual(before);
  });

  test("gets the shell that -s names", () => {
    expect(jailuser("-n", "-j", J, "-s", "/usr/bin/bash", name).status).toBe(0);
    expect(line(`${J}/etc/passwd`, name)?.[6]).toBe("/usr/bin/bash");
  });

  test("joins groups that the jail has", () => {
    m.write(`${J}/etc/group`, "root:x:0:\nextra:x:4900:someone\n");
    expect(jailuser("-n", "-j", J, name).status).toBe(0);
    expect(line(`${J}/etc/group`, "extra")?.[3]).toBe(`someone,${name}`);
  });

  test("whose home is in the jail already", () => {
    m.must(["usermod", "-d", `${J}/home/${name}`, name]);
    expect(jailuser("-n", "-j", J, name).status).toBe(0);
    expect(line("/etc/passwd", name)?.[5]).toBe(`${J}/./home/${name}`);
    expect(line(`${J}/etc/passwd`, name)?.[5]).toBe(`/home/${name}`);
  });

  test("a jail with a slash at its end, and a relative one", () => {
    expect(jailuser("-n", "-j", `${J}/`, name).status).toBe(0);
    expect(line("/etc/passwd", name)?.[5]).toBe(`${J}/./home/${name}`);
    m.must(["usermod", "-d", `/home/${name}`, "-s", "/bin/sh", name]);
    m.must(["jk_jailuser", "-n", "-j", "j", name], { cwd: "/srv" });
    expect(line("/etc/passwd", name)?.[5]).toBe(`${J}/./home/${name}`);
  });

  test("several at once", () => {
    const first = name;
    m.addUser("second", { uid: 4800, home: "/home/second" });
    expect(jailuser("-n", "-j", J, first, "second").status).toBe(0);
    expect(line("/etc/passwd", first)?.[5]).toBe(`${J}/./home/${first}`);
    expect(line("/etc/passwd", "second")?.[5]).toBe(`${J}/./home/second`);
  });
});

describe("without -n", () => {
  test("jk_jailuser asks for a jail", () => {
    expect(m.run(["jk_jailuser", name], { stdin: "" }).status).toBe(1);
    expect(line("/etc/passwd", name)?.[6]).toBe("/bin/sh");
  });

  test.each([
    ["n\n", false],
    ["y\n", true],
    ["\n", true],
  ])("the home is moved after the answer %j: %p", (stdin, moved) => {
    expect(m.run(["jk_jailuser", "-j", J, name], { stdin }).status).toBe(0);
    expect(m.exists(`${J}/home/${name}`)).toBe(moved);
    expect(m.exists(`/home/${name}`)).toBe(!moved);
    expect(line("/etc/passwd", name)?.[5]).toBe(`${J}/./home/${name}`);
  });

  test("nothing is changed if standard input ends at the question", () => {
    expect(m.run(["jk_jailuser", "-j", J, name], { stdin: "" }).status).toBe(1);
    expect(line("/etc/passwd", name)?.[5]).toBe(`/home/${name}`);
    expect(m.read(`${J}/etc/passwd`)).not.toContain(name);
  });
});

test("is for root", () => {
  const { status } = m.run(["jk_jailuser", "-n", "-j", J, name], { user: name });
  expect(status).toBe(expectedOf({ debian: 2, ours: 5, difference: "jailuser-status" }));
  expect(line("/etc/passwd", name)?.[6]).toBe("/bin/sh");
});

test("root is not jailed", () => {
  const { status } = jailuser("-n", "-j", J, "root");
  expect(status).toBe(expectedOf({ debian: 0, ours: 1, difference: "jailuser-status" }));
  expect(line("/etc/passwd", "root")?.[5]).toBe("/root");
});

describe("the jail's files", () => {
  test("a group without a newline at its end", () => {
    m.write(`${J}/etc/group`, "root:x:0:\nextra:x:4900:someone,else");
    expect(jailuser("-n", "-j", J, name).status).toBe(0);
    const members = expectedOf({
      debian: `someone,else${name}`,
      ours: `someone,else,${name}`,
      difference: "last-line",
    });
    expect(line(`${J}/etc/group`, "extra")?.[3]).toBe(members);
  });

  test("a group of the same name with another number", () => {
    m.write(`${J}/etc/group`, "root:x:0:\nextra:x:77:\n");
    const { status, stderr } = jailuser("-n", "-j", J, name);
    expect(status === 0 && stderr === "" ? "silent" : "told").toBe(
      expectedOf({ debian: "silent", ours: "told", difference: "jailuser-group-conflict" }),
    );
    expect(line("/etc/passwd", name)?.[6]).toBe("/bin/sh");
  });

  test("a jail that is not safe", () => {
    m.mkdir(J, { mode: 0o777 });
    const { status } = jailuser("-n", "-j", J, name);
    m.mkdir(J);
    expect(status).toBe(expectedOf({ debian: 0, ours: 33, difference: "jailuser-checks-jail" }));
  });

  test("a jail without jk_lsh", () => {
    m.remove(`${J}/usr/sbin/jk_lsh`);
    const status = expectedOf({ debian: 33, ours: 0, difference: "shell-in-process" });
    expect(jailuser("-n", "-j", J, name).status).toBe(status);
  });
});

describe("-m", () => {
  test("moves the home with owners, modes and times", () => {
    const home = `/home/${name}`;
    const owner = [4000 + number, m.ids(name).gid] as const;
    m.write(`${home}/dir/file`, "content", { mode: 0o640, owner });
    m.mkdir(`${home}/dir`, { mode: 0o750, owner });
    m.must(["touch", "-d", "2001-02-03 04:05:06", `${home}/dir/file`]);
    const mtime = m.stat(`${home}/dir/file`)?.mtime;
    expect(jailuser("-n", "-m", "-j", J, name).status).toBe(0);
    expect(m.exists(home)).toBe(false);
    expect(m.stat(`${J}${home}/dir`)).toMatchObject({ mode: 0o40750, uid: owner[0], gid: owner[1] });
    expect(m.stat(`${J}${home}/dir/file`)).toMatchObject({
      mode: 0o100640,
      uid: owner[0],
      gid: owner[1],
      mtime,
    });
    expect(m.read(`${J}${home}/dir/file`)).toBe("content");
    expect(line("/etc/passwd", name)?.[5]).toBe(`${J}/.${home}`);
  });

  test("does not copy the target of a symbolic link", () => {
    const home = `/home/${name}`;
    m.write("/root/secret", "secret", { mode: 0o600 });
    m.symlink("/root/secret", `${home}/link`);
    jailuser("-n", "-m", "-j", J, name);
    const type = (m.stat(`${J}${home}/link`)?.mode ?? 0) >> 12;
    expect(type === 0o12 ? "a link" : "a copy").toBe(
      expectedOf({ debian: "a copy", ours: "a link", difference: "move-links" }),
    );
  });

  test("out of a directory that a group may write", () => {
    m.mkdir("/srv/team");
    m.chown("/srv/team", 0, 60);
    m.chmod("/srv/team", 0o775);
    m.must(["usermod", "-m", "-d", `/srv/team/${name}`, name]);
    const { status } = jailuser("-n", "-m", "-j", J, name);
    expect(status).toBe(expectedOf({ debian: 0, ours: 1, difference: "move-parents" }));
    expect(m.exists(`/srv/team/${name}`) ? "stays" : "moved").toBe(
      expectedOf({ debian: "moved", ours: "stays", difference: "move-parents" }),
    );
  });

  test("a home that holds the home of another account", () => {
    m.addUser(`${name}b`, { home: `/home/${name}/deep`, createHome: true });
    const { status } = jailuser("-n", "-m", "-j", J, name);
    expect(status).toBe(expectedOf({ debian: 0, ours: 1, difference: "move-others" }));
    expect(m.exists(`/home/${name}/deep`) ? "stays" : "moved").toBe(
      expectedOf({ debian: "moved", ours: "stays", difference: "move-others" }),
    );
  });

  test("a file with a hole", () => {
    m.must(["truncate", "-s", "64M", `/home/${name}/hole`]);
    expect(jailuser("-n", "-m", "-j", J, name).status).toBe(0);
    const file = `${J}/home/${name}/hole`;
    expect(m.stat(file)?.size).toBe(64 << 20);
    const taken = Number(m.must(["stat", "-c", "%b", file]).stdout) > 1000;
    expect(taken ? "filled" : "a hole").toBe(
      expectedOf({ debian: "filled", ours: "a hole", difference: "holes" }),
    );
  });

  test("a home with a FIFO in it", () => {
    m.must(["mkfifo", `/home/${name}/fifo`]);
    const { status } = jailuser("-n", "-m", "-j", J, name);
    expect(status).toBe(expectedOf({ debian: 1, ours: 0, difference: "move-special-files" }));
  });
});
