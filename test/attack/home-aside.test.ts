/** Homes that move without a copy: nobody gets out of a jail by it, and no user chooses what moves. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const jail = "/srv/jail";
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_jailuser", "jk_chrootsh"] });
  m.mkdir(`${jail}/etc`);
  m.write(`${jail}/etc/passwd`, "root:x:0:0:root:/root:/bin/bash\n");
  m.write(`${jail}/etc/group`, "root:x:0:\n");
});
afterAll(async () => m?.close());

const run = (...words: string[]) => m.run(["jk_jailuser", "-n", ...words]);
const inode = (path: string) => m.must(["stat", "-c", "%i", path]).stdout;

/** An account whose home has a file. */
function addUser(name: string, home = `/home/${name}`) {
  const ids = m.addUser(name, { home, createHome: true });
  m.write(`${home}/file`, name, { owner: [ids.uid, ids.gid] });
  return ids;
}

/** A process in a directory, below its own root, that later goes up as far as it gets, and lists what is there. */
async function insider(root: string, at: string) {
  const script = `
import os
os.mkfifo("/run/go") if not os.path.exists("/run/go") else None
go = os.open("/run/go", os.O_RDWR)
os.chroot("${root}")
os.chdir("${at}")
print("ready", flush=True)
os.read(go, 1)
for _ in range(20): os.chdir("..")
print(sorted(os.listdir(".")), flush=True)
`;
  const started = m.start(["python3", "-c", script]);
  await started.until(({ stdout }) => (stdout.includes("ready") ? true : undefined));
  return {
    async climb(): Promise<string> {
      m.must(["sh", "-c", "echo > /run/go"]);
      const { stdout } = await started.ended;
      return stdout.split("\n")[1] ?? "";
    },
  };
}

test("a home that leaves a jail takes nobody along who is in it", async () => {
  addUser("leaving");
  expect(run("-m", "-j", jail, "leaving").status).toBe(0);
  const inside = await insider(jail, "/home/leaving");
  expect(run("-m", "--unjail", "leaving").status).toBe(0);
  expect(m.read("/home/leaving/file")).toBe("leaving");
  expect(await inside.climb()).toBe("['etc', 'home']");
});

test("a home below the root of another process takes nobody along either", async () => {
  addUser("entering");
  const inside = await insider("/home", "/entering");
  const before = inode("/home/entering/file");
  expect(run("-m", "-j", jail, "entering").status).toBe(0);
  expect(inode(`${jail}/home/entering/file`)).not.toBe(before);
  expect(await inside.climb()).not.toContain("'usr'");
});

test("a process in the home whose root is the home, or the host's, stays where it was", async () => {
  addUser("own");
  const inside = await insider("/home/own", "/");
  const before = inode("/home/own/file");
  expect(run("-m", "-j", jail, "own").status).toBe(0);
  expect(inode(`${jail}/home/own/file`)).toBe(before);
  expect(await inside.climb()).toContain("'file'");
});

test("from a directory that others can write, a home is copied", () => {
  m.mkdir("/srv/open", { mode: 0o1777 });
  m.chmod("/srv/open", 0o1777);
  addUser("open", "/srv/open/open");
  const before = inode("/srv/open/open/file");
  expect(run("-m", "-j", jail, "open").status).toBe(0);
  expect(m.read(`${jail}/srv/open/open/file`)).toBe("open");
  expect(inode(`${jail}/srv/open/open/file`)).not.toBe(before);
  expect(m.list("/srv/open")).toEqual([]);
});

test("a directory of that name that is not root's alone is not used", () => {
  const { uid, gid } = addUser("named");
  const before = inode("/home/named/file");
  m.mkdir("/home/.jk-move-named", { mode: 0o700, owner: [uid, gid] });
  m.mkdir("/home/.jk-move-named/home", { owner: [uid, gid] });
  m.write("/home/.jk-move-named/home/forged", "forged", { owner: [uid, gid] });
  expect(run("-m", "-j", jail, "named").status).toBe(0);
  expect(m.list(`${jail}/home/named`)).not.toContain("forged");
  expect(inode(`${jail}/home/named/file`)).not.toBe(before);
  expect(m.list("/home/.jk-move-named/home")).toEqual(["forged"]);
});

test("a mount between the two places: the home is copied", () => {
  addUser("mounted");
  m.mkdir("/srv/other/etc");
  m.must(["mount", "--bind", "/srv/other", "/srv/other"]);
  m.mkdir("/srv/other/etc");
  for (const file of ["passwd", "group"]) m.write(`/srv/other/etc/${file}`, m.read(`${jail}/etc/${file}`));
  const before = inode("/home/mounted/file");
  expect(run("-m", "-j", "/srv/other", "mounted").status).toBe(0);
  expect(inode("/srv/other/home/mounted/file")).not.toBe(before);
  m.must(["umount", "/srv/other"]);
});

test("what others change while the home is aside stays in the home, and changes nothing outside", async () => {
  const { uid } = addUser("shared");
  m.addUser("friend");
  // HOME_MODE of login.defs(5) may close it.
  m.chmod("/home/shared", 0o755);
  m.mkdir("/home/shared/common", { mode: 0o777 });
  m.chmod("/home/shared/common", 0o777);
  m.must(["cp", "/bin/true", "/srv/precious"]);
  m.must(["chmod", "4755", "/srv/precious"]);
  m.must(["ln", "/srv/precious", "/home/shared/common/program"]);
  // The friend's directory stays open, and names in it change without end.
  const script = `
import os
d = os.open("/home/shared/common", os.O_RDONLY)
print("ready", flush=True)
while True:
    os.symlink("/srv/precious", "link", dir_fd=d)
    os.rename("program", "other", src_dir_fd=d, dst_dir_fd=d)
    os.rename("link", "program", src_dir_fd=d, dst_dir_fd=d)
    os.unlink("program", dir_fd=d)
    os.rename("other", "program", src_dir_fd=d, dst_dir_fd=d)
`;
  const friend = m.start(["python3", "-c", script], { user: "friend" });
  await friend.until(({ stdout }) => (stdout.includes("ready") ? true : undefined));
  for (let round = 0; round < 20; round++) {
    const { status } = run("-m", "-j", jail, "shared");
    expect((m.stat("/srv/precious")?.mode ?? 0) & 0o7777).toBe(0o4755);
    expect(m.stat("/srv/precious")?.uid).toBe(0);
    const home = status === 0 ? `${jail}/home/shared` : "/home/shared";
    expect([m.exists(`${home}/file`), m.stat(home)?.uid]).toEqual([true, uid]);
    if (status !== 0) continue;
    // It may be refused as well: then the home is where it was.
    const isBack = run("-m", "--unjail", "shared").status === 0;
    const now = isBack ? "/home/shared" : home;
    expect([m.exists(`${now}/file`), m.stat(now)?.uid]).toEqual([true, uid]);
    if (!isBack) break;
  }
  friend.kill();
  await friend.ended;
});
