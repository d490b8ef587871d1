/** jk_jailuser -m on one file system: nothing is copied, what would be cleaned in a copy is cleaned, and a kill loses nothing. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";

const jail = "/srv/jail";
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_jailuser", "jk_chrootsh"] });
  m.mkdir(`${jail}/etc`);
  m.write(`${jail}/etc/passwd`, "root:x:0:0:root:/root:/bin/bash\n");
  m.write(`${jail}/etc/group`, "root:x:0:\n");
});

afterAll(() => m?.close());

/** Without warnings of what the login lacks. */
function run(...words: string[]) {
  const { status, stdout, stderr } = m.run(["jk_jailuser", "-n", ...words]);
  return { status, stdout, stderr: stderr.replaceAll(/^jk_jailuser: warning: .*\n/gm, "") };
}
const move = (name: string) => run("-v", "-m", "-j", jail, name);
const account = (name: string) =>
  m
    .read("/etc/passwd")
    .split("\n")
    .find((line) => line.startsWith(`${name}:`));
const homeOf = (name: string) => account(name)?.split(":")[5];
const hidden = () => [...m.list("/home"), ...m.list(`${jail}/home`)].filter((one) => one.startsWith(".jk-"));

let next = 0;
function newUser(script = ""): string {
  const name = `p${next++}`;
  m.addUser(name, { home: `/home/${name}`, createHome: true, shell: "/bin/bash" });
  const more = `cd /home/${name}; echo ${name} > file; mkdir -p a/b; echo deep > a/b/deep; ln -s ../file a/link; ${script}`;
  m.must(["sh", "-ec", more], { user: name });
  return name;
}

/** Puts a script in the place of usermod during a move. */
function withUsermod(script: string, work: () => void): void {
  const [usermod, real] = ["/usr/sbin/usermod", "/usr/sbin/usermod.real"];
  m.must(["mv", usermod, real]);
  m.write(usermod, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  work();
  m.must(["mv", "-f", real, usermod]);
}

const inode = (path: string) => m.must(["stat", "-c", "%i", path]).stdout;
const nodes = (top: string) =>
  m.must(["find", top, "-printf", "%P %i %m %U %T@\n"]).stdout.split("\n").sort();

test("no file is copied: the inodes stay", () => {
  const name = newUser("touch -d 2001-02-03 a/b; chmod 0700 a; ln file second");
  const before = nodes(`/home/${name}`);
  expect(move(name)).toMatchObject({ status: 0, stderr: "" });
  expect(nodes(`${jail}/home/${name}`)).toEqual(before);
  expect([m.exists(`/home/${name}`), homeOf(name), hidden()]).toEqual([false, `${jail}/./home/${name}`, []]);
  const back = m.snapshot(`${jail}/home/${name}`);
  expect(run("-m", "--unjail", name)).toMatchObject({ status: 0, stderr: "" });
  expect([m.snapshot(`/home/${name}`), homeOf(name)]).toEqual([back, `/home/${name}`]);
});

test("the home may be the 200-byte name, and have other owners in it", () => {
  const name = newUser();
  const long = `/home/${"x".repeat(250)}`;
  m.must(["usermod", "-d", long, "-m", name]);
  m.write(`${long}/roots`, "root's");
  expect(move(name)).toMatchObject({ status: 0, stderr: "" });
  expect(m.stat(`${jail}${long}/roots`)).toMatchObject({ uid: 0 });
});

describe("what a jail must not get", () => {
  test("programs that give rights come in without them; those outside stay as they are", () => {
    const name = newUser("cp /bin/true own; chmod 6755 own; cp /bin/true capable; ln own own2");
    const home = `/home/${name}`;
    m.must(["setcap", "cap_net_raw+ep", `${home}/capable`]);
    m.must(["cp", "/bin/true", "/srv/setuid"]);
    m.must(["chmod", "4755", "/srv/setuid"]);
    m.must(["ln", "/srv/setuid", `${home}/linked`]);
    expect(move(name)).toMatchObject({ status: 0, stderr: "" });
    const now = (file: string) => m.stat(`${jail}${home}/${file}`);
    expect(["own", "own2", "capable", "linked"].map((file) => (now(file)?.mode ?? 0) & 0o7777)).toEqual([
      0o755, 0o755, 0o755, 0o755,
    ]);
    expect(m.run(["getcap", "-r", jail]).stdout).toBe("");
    expect((m.stat("/srv/setuid")?.mode ?? 0) & 0o7777).toBe(0o4755);
    expect(inode("/srv/setuid")).not.toBe(inode(`${jail}${home}/linked`));
    expect(inode(`${jail}${home}/own`)).toBe(inode(`${jail}${home}/own2`));
  });

  test("a file with a name outside is copied, once for all its names; one with all names inside is not", () => {
    const name = newUser(
      "echo shared > one; mkdir c; ln one c/two; echo mine > in1; ln in1 c/in2; chmod 0640 one",
    );
    const home = `/home/${name}`;
    m.must(["ln", `${home}/one`, `/srv/outside-${name}`]);
    m.must(["setfattr", "-n", "user.colour", "-v", "blue", `${home}/one`]);
    m.must(["touch", "-d", "2001-02-03", `${home}/one`]);
    const [one, in1] = [inode(`${home}/one`), inode(`${home}/in1`)];
    expect(move(name)).toMatchObject({ status: 0, stderr: "" });
    const at = (file: string) => `${jail}${home}/${file}`;
    expect([inode(at("in1")), inode(at("c/in2"))]).toEqual([in1, in1]);
    expect(inode(at("one"))).not.toBe(one);
    expect(inode(at("c/two"))).toBe(inode(at("one")));
    expect(m.read(at("c/two"))).toBe("shared\n");
    const facts = ["stat", "-c", "%a %U %Y", at("one"), `/srv/outside-${name}`];
    expect(new Set(m.must(facts).stdout.trim().split("\n")).size).toBe(1);
    expect(m.must(["getfattr", "--only-values", "-n", "user.colour", at("one")]).stdout).toBe("blue");
    m.write(at("one"), "written in the jail\n");
    expect(m.read(`/srv/outside-${name}`)).toBe("shared\n");
  });

  test("a FIFO and a socket lead to nobody outside", async () => {
    const name = newUser("mkfifo -m 0600 fifo");
    const home = `/home/${name}`;
    const script = `import socket,sys; s=socket.socket(socket.AF_UNIX); s.bind("${home}/socket"); s.listen(); print("listening", flush=True); s.accept()`;
    const server = m.start(["python3", "-c", script]);
    await server.until(({ stdout }) => (stdout.includes("listening") ? true : undefined));
    const before = inode(`${home}/fifo`);
    expect(move(name)).toMatchObject({ status: 0, stderr: "" });
    expect(inode(`${jail}${home}/fifo`)).not.toBe(before);
    expect(m.must(["stat", "-c", "%F %a %U", `${jail}${home}/fifo`]).stdout).toBe(`fifo 600 ${name}\n`);
    const connect = `import socket; socket.socket(socket.AF_UNIX).connect("${jail}${home}/socket")`;
    expect(m.run(["python3", "-c", connect]).stderr).toContain("ConnectionRefusedError");
    server.kill();
    await server.ended;
  });

  test("a device and a mount point are refused, and the home is back in its place", () => {
    const name = newUser();
    const before = nodes(`/home/${name}`);
    m.must(["mknod", `/home/${name}/a/null`, "c", "1", "3"]);
    expect(move(name)).toMatchObject({ status: 1, stderr: expect.stringContaining("is a device") });
    m.remove(`/home/${name}/a/null`);
    m.must(["touch", "-r", `/home/${name}/a/b`, `/home/${name}/a`]);
    m.must(["mount", "-t", "tmpfs", "tmpfs", `/home/${name}/a/b`]);
    expect(move(name)).toMatchObject({ status: 1, stderr: expect.stringContaining("a/b' is a mount point") });
    // A dry run says the same, also of a home that a symbolic link leads to.
    m.must(["ln", "-s", "/home", "/linked"]);
    for (const home of [`/linked/${name}`, `/home/${name}`]) {
      m.must(["usermod", "-d", home, name]);
      const said = { status: 1, stderr: expect.stringContaining(`'${home}/a/b' is a mount point`) };
      expect(run("--dry-run", "-m", "-j", jail, name)).toMatchObject(said);
    }
    m.remove("/linked");
    m.must(["umount", `/home/${name}/a/b`]);
    expect(nodes(`/home/${name}`).map((line) => line.split(" ")[1])).toEqual(
      before.map((line) => line.split(" ")[1]),
    );
    expect([homeOf(name), hidden()]).toEqual([`/home/${name}`, []]);
  });
});

test("a process whose root is above the home, and that stays in the home, does not get out: the home is copied", async () => {
  const name = newUser();
  const before = inode(`/home/${name}/file`);
  m.must(["mkdir", "-p", "/home/bin", "/home/lib", "/home/lib64"]);
  for (const one of ["bin", "lib", "lib64"]) m.must(["mount", "--rbind", `/${one}`, `/home/${one}`]);
  // Its root is /home, and its directory /home/NAME: a rename of it to below /srv would free it.
  const script = `cd /${name}; echo ready; exec /bin/sleep 1000`;
  const inside = m.start(["chroot", "/home", "/bin/sh", "-c", script]);
  await inside.until(({ stdout }) => (stdout.includes("ready") ? true : undefined));
  expect(move(name)).toMatchObject({ status: 0, stderr: "" });
  expect(inode(`${jail}/home/${name}/file`)).not.toBe(before);
  inside.kill();
  await inside.ended;
  for (const one of ["bin", "lib", "lib64"]) m.must(["umount", "-R", `/home/${one}`]);
});

test("if usermod fails, the home is back in its place, unchanged", () => {
  const name = newUser("cp /bin/true own; chmod 4755 own");
  const before = [nodes(`/home/${name}`), account(name), m.read(`${jail}/etc/passwd`)];
  withUsermod("exit 1", () => {
    expect(move(name)).toMatchObject({ status: 1, stderr: expect.stringContaining("usermod failed") });
  });
  expect([nodes(`/home/${name}`), account(name), m.read(`${jail}/etc/passwd`)]).toEqual(before);
  expect([hidden(), m.exists(`${jail}/home/${name}`)]).toEqual([[], false]);
});

test("if the new place is taken meanwhile, the account gets its old home back", () => {
  const name = newUser();
  const before = [nodes(`/home/${name}`), account(name), m.read(`${jail}/etc/passwd`)];
  const real = "/usr/sbin/usermod.real";
  withUsermod(`mkdir -p ${jail}/home/${name}/theirs; exec ${real} "$@"`, () => {
    expect(move(name)).toMatchObject({ status: 1, stderr: expect.stringContaining("exists already") });
  });
  expect([nodes(`/home/${name}`), account(name), m.read(`${jail}/etc/passwd`)]).toEqual(before);
  expect([hidden(), m.list(`${jail}/home/${name}`)]).toEqual([[], ["theirs"]]);
});

describe("a run that is killed", () => {
  const aside = (name: string) => `/home/.jk-move-${name}/home`;

  test.each(["-m", "without -m", "--unjail"])("before the account has changed: the next one (%s)", (how) => {
    const name = newUser("cp /bin/true own; chmod 4755 own");
    const before = nodes(`/home/${name}`);
    withUsermod("kill -9 $PPID", () => expect(move(name).status).toBe(137));
    expect([m.exists(`/home/${name}`), m.exists(aside(name)), homeOf(name)]).toEqual([
      false,
      true,
      `/home/${name}`,
    ]);
    const dry = run("-m", "--dry-run", "-j", jail, name);
    expect([dry.status, dry.stderr]).toEqual([
      1,
      `jk_jailuser: an interrupted run has put the home of '${name}' aside in '/home/.jk-move-${name}'; what moves it to its place: jk_check --fix\n`,
    ]);
    if (how === "-m") {
      expect(move(name)).toMatchObject({ status: 0, stderr: "" });
      expect(m.read(`${jail}/home/${name}/file`)).toBe(`${name}\n`);
    } else if (how === "without -m") {
      expect(run("-v", "-j", jail, name)).toMatchObject({
        status: 0,
        stdout: expect.stringContaining(`put '/home/${name}' back, which an interrupted run had put aside\n`),
      });
      expect(nodes(`/home/${name}`)).toEqual(before);
    } else {
      expect(run("--unjail", name).status).toBe(0);
      expect([nodes(`/home/${name}`), homeOf(name)]).toEqual([before, `/home/${name}`]);
    }
    expect(hidden()).toEqual([]);
  });

  test.each(["-m", "--unjail"])("after the account has changed: the next one (%s)", (how) => {
    const name = newUser("cp /bin/true own; chmod 4755 own; mkfifo fifo");
    withUsermod('/usr/sbin/usermod.real "$@"; kill -9 $PPID', () => expect(move(name).status).toBe(137));
    expect([m.exists(aside(name)), homeOf(name)]).toEqual([true, `${jail}/./home/${name}`]);
    if (how === "-m") {
      expect(move(name)).toMatchObject({ status: 0, stderr: "" });
      expect(m.read(`${jail}/home/${name}/file`)).toBe(`${name}\n`);
      expect((m.stat(`${jail}/home/${name}/own`)?.mode ?? 0) & 0o7777).toBe(0o755);
    } else {
      expect(run("-m", "--unjail", name)).toMatchObject({ status: 0, stderr: "" });
      expect([m.read(`/home/${name}/file`), homeOf(name)]).toEqual([`${name}\n`, `/home/${name}`]);
    }
    expect(hidden()).toEqual([]);
  });

  test("and a home that appeared in its place: both are named, and stay", () => {
    const name = newUser();
    withUsermod("kill -9 $PPID", () => expect(move(name).status).toBe(137));
    m.mkdir(`/home/${name}`);
    const { status, stderr } = move(name);
    expect([status, stderr]).toEqual([
      1,
      `jk_jailuser: '/home/.jk-move-${name}' stays, since it may hold the only copy of a home: compare it with '/home/${name}' and '${jail}/home/${name}'\n`,
    ]);
    m.must(["rmdir", `/home/${name}`]);
    expect(move(name).status).toBe(0);
  });

  test("at each of its calls that change something: the next one completes it, and nothing is lost", () => {
    const calls = ["mkdirat", "renameat2", "unlinkat", "linkat", "fchmod", "mknodat"];
    const fresh = () => newUser("cp /bin/true own; chmod 4755 own; mkfifo fifo; echo out > one");
    const prepare = (name: string) => m.must(["ln", `/home/${name}/one`, `/srv/out-${name}`]);
    const traced = (name: string, ...words: string[]) =>
      m.run(["strace", "-f", "-o", "/root/trace", ...words, "jk_jailuser", "-n", "-m", "-j", jail, name]);
    const first = fresh();
    prepare(first);
    expect(traced(first, "-e", `trace=${calls.join(",")}`).status).toBe(0);
    const made = m.read("/root/trace").split("\n");
    const points = calls.flatMap((call) =>
      Array.from({ length: made.filter((line) => line.includes(` ${call}(`)).length }, (_, at) => [
        call,
        at + 1,
      ]),
    );
    expect(points.length).toBeGreaterThan(8);
    const content = (at: string) => [m.read(`${at}/file`), m.read(`${at}/a/b/deep`), m.read(`${at}/one`)];
    for (const [call, nth] of points) {
      const name = fresh();
      prepare(name);
      traced(name, "-e", `inject=${call}:signal=KILL:when=${nth}`);
      const again = move(name);
      expect([call, nth, again.status, again.stderr]).toEqual([call, nth, 0, ""]);
      expect(content(`${jail}/home/${name}`)).toEqual([`${name}\n`, "deep\n", "out\n"]);
      expect((m.stat(`${jail}/home/${name}/own`)?.mode ?? 0) & 0o7777).toBe(0o755);
      expect([m.exists(`/home/${name}`), homeOf(name), hidden()]).toEqual([
        false,
        `${jail}/./home/${name}`,
        [],
      ]);
      expect(inode(`/srv/out-${name}`)).not.toBe(inode(`${jail}/home/${name}/one`));
    }
  }, 300_000);
});
