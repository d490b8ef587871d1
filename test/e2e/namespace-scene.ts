import type { Machine } from "../machine/machine.ts";

/**
 * Starts a process that has the first uid of subuid(5) in a user namespace which a user has made; `map`: as newuidmap(1) and
 * newgidmap(1) write it.
 */
export async function startInNamespace(m: Machine, uid: number, map = `0 ${uid} 1\\n1 900000 65536`) {
  const program = `import ctypes, os, time
ready, go = os.pipe(), os.pipe()
pid = os.fork()
if pid == 0:
    os.setgroups([]); os.setresgid(${uid}, ${uid}, ${uid}); os.setresuid(${uid}, ${uid}, ${uid})
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
    assert ctypes.CDLL(None).unshare(0x10000000) == 0
    os.write(ready[1], b"x"); os.read(go[0], 1)
    os.setresgid(1, 1, 1); os.setresuid(1, 1, 1)
    ctypes.CDLL(None).prctl(1, 9)
    print("there", os.getpid(), flush=True)
    time.sleep(1000)
os.read(ready[0], 1)
for map in ("uid_map", "gid_map"): open("/proc/%d/%s" % (pid, map), "w").write("${map}\\n")
os.write(go[1], b"x")
os.waitpid(pid, 0)`;
  const process = m.start(["python3", "-c", program]);
  const pid = await process.until(({ stdout }) => /there (\d+)\n/.exec(stdout)?.[1]);
  const { ended, kill } = process;
  return { ended, kill, pid: Number(pid) };
}
