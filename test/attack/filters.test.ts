/** The filters of config/filters/ in the kernel: what they refuse, and that programs of logins work under them. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { callNumber } from "../../build/filters/libseccomp.ts";
import { ARCHITECTURES } from "../../ffi/seccomp.ts";
import { PROOFS } from "../../src/confine/calls.ts";
import { type FilterName, filterOf } from "../../src/confine/filters.ts";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine, type RunOptions, type Sshd } from "../machine/machine.ts";
import { HERE, textOf } from "../unit/filter-words.ts";
import { judge } from "../unit/seccomp-filter.ts";

setDefaultTimeout(120_000);

const ALL = ["login", "terminal", "network-local", "network-none", "tcp", "tcp-listen", "execute"] as const;
const HOME = "/home/u";

let m: Machine;
let sshd: Sshd;
beforeAll(async () => {
  m = await openMachine();
  for (const name of ["under-filter", "try-calls"])
    m.write(`/usr/bin/${name}`, readFileSync(compiledC(join(import.meta.dir, `${name}.c`), ["-static"])), {
      mode: 0o755,
    });
  m.mkdir("/srv/filters");
  for (const name of ALL) m.write(`/srv/filters/${name}`, new Uint8Array(filterOf(name).buffer));
  const { uid, gid } = m.addUser("u", { home: HOME, shell: "/bin/bash" });
  m.mkdir(HOME, { owner: [uid, gid] });
  sshd = await m.startSshd();
});
afterAll(() => m?.close());

function under(filters: readonly FilterName[], words: readonly string[], options: RunOptions = {}) {
  const files = filters.map((name) => `/srv/filters/${name}`);
  const env = { HOME, PATH: "/usr/bin:/bin", LANG: "C.UTF-8", TERM: "dumb" };
  return m.run(["/usr/bin/under-filter", ...files, "--", ...words], {
    user: "u",
    cwd: HOME,
    env,
    // Some start slowly on a busy machine.
    timeout: 110_000,
    ...options,
  });
}

describe("the kernel says of each call what the filter says", () => {
  const attempt = (filters: readonly FilterName[], calls: readonly string[]) =>
    under(filters, ["/usr/bin/try-calls", ...calls])
      .stdout.trim()
      .split("\n");
  const word = (value: bigint | number) => BigInt.asUintN(64, BigInt(value)).toString(16);

  test.each(ALL)("%s", (name) => {
    const calls = new Set(textOf(name).rules.map(({ call }) => call));
    const says = (number: number, value: number) => {
      const given = Array.from({ length: 6 }, () => BigInt(value));
      return judge(filterOf(name), { number, arch: ARCHITECTURES[HERE], arguments: given });
    };
    const tried = [...calls].flatMap((call) => {
      const number = callNumber(call, HERE);
      if (number === undefined) return [];
      // Arguments that do nothing where the call is allowed; but clone(2) begins a process with any.
      const values = [0, 1, 8, 0x10, 0x5412, 0x20000, -1];
      const tries = values.map((value) => ({ call, number, value, verdict: says(number, value) }));
      return tries.filter(({ verdict }) => call !== "clone" || verdict !== "allow");
    });
    const asked = tried.map(({ number, value }) => [number, ...Array(6).fill(value)].map(word).join(","));
    const [free, filtered] = [attempt([], asked), attempt([name], asked)];
    let seen = 0;
    const said = tried.map(({ call, value, verdict }, i) => {
      if (verdict !== "allow" && free[i] !== verdict) seen++;
      return [call, value, verdict === "allow" ? free[i] : verdict];
    });
    expect(tried.map(({ call, value }, i) => [call, value, filtered[i]])).toEqual(said);
    // Enough of them end otherwise without the filter.
    expect(seen).toBeGreaterThan(0);
  });

  test("32-bit programs are killed where their calls can evade the rules; elsewhere the rules are theirs too", () => {
    if (HERE !== "x64") return;
    const runs: readonly string[] = ["terminal", "execute"];
    // getpid(2)
    for (const name of ALL)
      expect([name, attempt([name], ["i386,14"])]).toEqual([name, [runs.includes(name) ? "done" : "killed"]]);
    expect(attempt(["terminal"], ["i386,36,0,5412"])).toEqual(["EPERM"]);
    // memfd_create(2)
    expect(attempt(["execute"], ["i386,164,0,0", "i386,164,0,8"])).toEqual(["EACCES", "EFAULT"]);
  });

  test("x32 is killed by each; its numbers without the mark fail", () => {
    if (HERE !== "x64") return;
    for (const name of ALL)
      expect([name, attempt([name], ["40000027", "40000202", "202", "40000010,0,5412"])]).toEqual([
        name,
        ["killed", "killed", "ENOSYS", "killed"],
      ]);
  });
});

const SFTP = "/usr/lib/openssh/sftp-server";

/** What people run in sessions, each with output that shows that it worked. */
const PROGRAMS: Record<string, string> = {
  bash: `echo a | (read x; echo "$x") ; cat <<< here; diff <(seq 3) <(seq 3) && echo same; sleep 0 & wait $!; ulimit -n 100; trap 'echo bye' EXIT`,
  coreutils:
    "ls -la /etc/passwd; df /tmp >/dev/null; id -un; date +%Y; tar cf - /etc/hostname 2>/dev/null | tar tf -; sort -u /etc/passwd | wc -l; nice true; timeout 5 true; nohup true; stdbuf -o0 echo x",
  "sftp-server": `echo data >s; printf 'put s t\\nrename t v\\nls -l v\\nmkdir d\\nget v w\\n' | sftp -q -b - -D ${SFTP} >/dev/null && cat w`,
  rsync:
    "mkdir -p r/a && echo x >r/a/b && rsync -aHAX --delete r/ q/ && rsync -az --checksum --inplace r/ q/ && cat q/a/b",
  git: `git init -q g && cd g && git config user.email a@b && git config user.name n && echo x >f && git add f && git commit -qm one && git gc -q && git fsck && git clone -q . ../h && git -C ../h log --format=%s && git stash list`,
  php: `php -d opcache.enable_cli=1 -d opcache.jit_buffer_size=16M -d opcache.jit=tracing -r '$p = popen("echo hi", "r"); echo fgets($p), json_encode([1]), strlen(random_bytes(4)), PHP_EOL; $s = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0); fwrite($s[0], "x"); echo fread($s[1], 1), function_exists("opcache_get_status");'`,
  node: `node -e 'const {execFileSync}=require("child_process"),{Worker}=require("worker_threads"),net=require("net");process.stdout.write(execFileSync("echo",["hi"]));new Worker("require(\\"worker_threads\\").parentPort.postMessage(1)",{eval:true}).on("message",console.log);const s=net.createServer(c=>c.end("net")).listen("./sock",()=>net.connect("./sock").on("data",d=>{console.log(String(d));s.close()}));require("fs").promises.readFile("/etc/hostname").then(()=>console.log("file"))' | sort`,
  python: `/usr/bin/python3 -c '
import ctypes, subprocess, threading, multiprocessing, socket, sqlite3, tempfile, os, asyncio
print(subprocess.run(["echo", "hi"], capture_output=True).stdout)
t = threading.Thread(target=lambda: print("thread")); t.start(); t.join()
with multiprocessing.Pool(2) as p: print(p.map(abs, [-1, -2]))
c = sqlite3.connect("x.db"); c.execute("create table if not exists a(b)"); c.commit(); print(c.execute("select count(*) from a").fetchone())
async def f():
  p = await asyncio.create_subprocess_exec("echo", "aio"); await p.wait(); await asyncio.sleep(0)
asyncio.run(f()); print(ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 5)(), len(os.urandom(8)), len(os.sched_getaffinity(0)) > 0)'`,
  perl: `perl -MPOSIX -MIPC::Open3 -MSocket -e '$|=1; my $p = fork; if (!$p) { print "child\\n"; exit } waitpid $p, 0; my $q = open3(my $in, my $out, undef, "echo", "hi"); print <$out>; waitpid $q, 0; socketpair(A, B, AF_UNIX, SOCK_STREAM, 0) or die $!; print "pair\\n"; print POSIX::strftime("%Y", gmtime), "\\n"'`,
  ruby: `ruby -e 'puts \`echo hi\`; Thread.new { puts "thread" }.join; puts Process.wait2(fork { exit 3 })[1].exitstatus; r, w = IO.pipe; w << "p"; w.close; puts r.read'`,
  vim: "rm -f v.txt; vim -Nu NONE -es -c 'call setline(1, system(\"echo hi\"))' -c 'w! v.txt' -c 'q!'; cat v.txt",
  tmux: "tmux -L t -f /dev/null new-session -d -s one 'cat >/dev/null' && tmux -L t run-shell 'echo in >t.out' && tmux -L t list-sessions -F '#S'; tmux -L t kill-server; cat t.out",
  less: "echo text | less -F -X",
  gcc: `printf 'int main(){return 7;}' >c.c && gcc c.c -o c && ./c; echo $?; printf 'all:\\n\\t@echo made\\n' >Makefile && make`,
  gdb: "gdb -batch -nx -iex 'set debuginfod enabled off' -ex run -ex 'print 6*7' --args /bin/true 2>/dev/null | grep -c = ",
  strace:
    "strace -f -o s.out sh -c 'cat /etc/hostname >/dev/null' && grep -c 'hostname' s.out | sed 's/[1-9][0-9]*/some/'",
  svn: `rm -rf sv wc; svnadmin create sv && svn co -q file://$HOME/sv wc && cd wc && echo x >f && svn add -q f && svn ci -qm one && svn up -q && svn log -q | grep -c r1`,
  hg: "rm -rf hg; hg init hg && cd hg && echo x >f && hg add -q f && hg commit -u n -m one && hg log --template '{desc}\\n'",
  borg: "rm -rf bo; borg init -e none bo && borg create bo::a /etc/hostname && borg list --short bo",
  openssl: "openssl rand 8 | wc -c; openssl genrsa 1024 2>/dev/null | head -1; echo x | openssl dgst -sha256",
  gpg: "gpg --batch --quiet --pinentry-mode loopback --passphrase x --symmetric -o - /etc/hostname 2>/dev/null | wc -c | sed 's/[1-9].*/some/'; gpgconf --kill all",
  archives:
    "zip -q z.zip /etc/hostname && unzip -l z.zip | tail -1; 7z a -bd z.7z /etc/hostname >/dev/null && ls z.7z; xz -T2 -c /etc/hostname | xz -dc | wc -l",
  composer: "composer --version --no-ansi 2>/dev/null | head -1",
  mariadb: "mariadb -S ./no.sock -e 'select 1' 2>&1",
  psql: "psql -h /nowhere -c 'select 1' 2>&1",
  curl: "echo page >p; curl -s file://$HOME/p; set -o pipefail; curl -sS http://127.0.0.1:9/ 2>&1 | sed 's/after [0-9]* ms/after some ms/'",
  names: "getent passwd u; getent hosts localhost | head -1; getent services ssh",
};
/** They find no server. */
const ENDS: Record<string, number> = { curl: 7, mariadb: 1, psql: 2 };
const LOCAL = [
  "bash",
  "coreutils",
  "sftp-server",
  "rsync",
  "git",
  "php",
  "node",
  "python",
  "perl",
  "vim",
  "tmux",
  "mariadb",
];
const NONE = ["bash", "coreutils", "sftp-server", "rsync", "git", "svn", "borg"];

describe("programs work the same", () => {
  const combinations: [string, readonly FilterName[], readonly string[]][] = [
    ["as in a confined login", ["login", "execute"], Object.keys(PROGRAMS)],
    [
      "that listen to nothing",
      ["login", "tcp", "tcp-listen"],
      ["bash", "sftp-server", "git", "rsync", "python"],
    ],
    ["with TCP's rules", ["login", "tcp"], ["node", "python", "perl", "curl", "psql", "git", "rsync"]],
    ["with a local network", ["login", "execute", "network-local"], LOCAL],
    ["without a network", ["login", "execute", "network-none"], NONE],
  ];
  const cases = combinations.flatMap(([title, filters, names]) =>
    names.map((name) => ({ title, filters, name })),
  );
  test.each(cases.map((one) => [one.title, one.name, one] as const))("%s: %s", (_, name, { filters }) => {
    const run = (filters: readonly FilterName[]) => {
      m.remove(HOME);
      m.mkdir(HOME, { owner: [m.ids("u").uid, m.ids("u").gid] });
      const { status, signal, stdout, stderr } = under(filters, ["bash", "-c", PROGRAMS[name] ?? "exit 99"]);
      return { status, signal, stdout, stderr: status === 0 ? "" : stderr };
    };
    const free = run([]);
    expect(run(filters)).toEqual(free);
    expect(free.status).toBe(ENDS[name] ?? 0);
  });

  test("ssh and scp, over TCP", () => {
    const { clientOptions } = sshd;
    const run = (filters: readonly FilterName[], words: string[]) => {
      const { status, stdout } = under(filters, words, { user: { uid: 0, gid: 0 } });
      return { status, stdout };
    };
    const ssh = ["ssh", ...clientOptions, "u@127.0.0.1", "echo $((6 * 7))"];
    for (const filters of [
      ["login", "execute"],
      ["login", "tcp"],
    ] as const)
      expect(run(filters, ssh)).toEqual({ status: 0, stdout: "42\n" });
  });
});

test("where vm.memfd_noexec refuses files in memory, the proof of a session's filter still tells it from the kernel", () => {
  if (!m.exists("/proc/sys/vm/memfd_noexec")) return;
  const { call, arguments: given } = PROOFS.execute;
  const attempts = [
    [call, 0, 0x10],
    [call, ...given],
  ].map((words) => words.map((word) => word.toString(16)).join(","));
  const tried = (filters: readonly FilterName[]) =>
    under(filters, ["/usr/bin/try-calls", ...attempts])
      .stdout.trim()
      .split("\n");
  // A process of the machine sets it for the machine; this one would for the host.
  m.must(["sh", "-c", "echo 2 > /proc/sys/vm/memfd_noexec"]);
  expect(tried([])).toEqual(["EACCES", "EINVAL"]);
  expect(tried(["execute"])).toEqual(["EACCES", "EACCES"]);
});
