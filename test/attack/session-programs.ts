const SFTP = "/usr/lib/openssh/sftp-server";

/** What people run in sessions, in bash(1), in an empty directory; each with output that shows that it worked. */
export const PROGRAMS: Readonly<Record<string, string>> = {
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
  // A server that is about to end would be asked by the next run.
  tmux: "tmux -L t$$ -f /dev/null new-session -d -s one 'cat >/dev/null' && tmux -L t$$ run-shell 'echo in >t.out' && tmux -L t$$ list-sessions -F '#S'; tmux -L t$$ kill-server; cat t.out",
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
