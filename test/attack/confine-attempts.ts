/**
 * What sessions try in confine-all.test.ts. An attempt is WHAT:OPERAND[:OPERAND] of confine-probe.c and its parts;
 * @OUTSIDE is the pid of a process of the same user that is in no jail.
 */
import { callNumber } from "../../build/filters/libseccomp.ts";
import { HERE } from "../unit/filter-words.ts";
import type { Keys } from "./confine-scene.ts";

/** Everything at once. */
export const ALL: Keys = {
  confine: "1",
  execute: "system",
  read: "/data",
  write: "~/in, /dev/shm",
  tcp_connect: "443",
  tcp_bind: "8443",
  limits: "nofile 256, core 0, fsize 64M",
};

const hex = (value: number) => value.toString(16);
/** A system call as it is; arguments that are left out are 0, or null pointers. */
const call = (name: string, ...given: number[]) =>
  `call:${[callNumber(name, HERE) ?? 0, ...given].map(hex).join(",")}`;
const AT_FDCWD = 0xffffff9c;
const LOADER = HERE === "arm64" ? "/lib/ld-linux-aarch64.so.1" : "/lib64/ld-linux-x86-64.so.2";
/** A directory that may be written in a session with ALL. */
export const HOME = "/home/u/in";
const LIBC = `/usr/lib/${HERE === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/libc.so.6`;

/**
 * Whether a session without keys can do it: then the keys are what stops it; "" if other rules stop it as well, "?" if
 * that depends on the kernel's configuration.
 */
type Free = "works" | "" | "?";
type Row = readonly [what: string, attempt: string, held: string, free: Free];

/** CLONE_NEWNS and others. */
const NAMESPACES = [
  ["mount", "20000"],
  ["cgroup", "2000000"],
  ["UTS", "4000000"],
  ["IPC", "8000000"],
  ["PID", "20000000"],
  ["network", "40000000"],
] as const;

/** What must fail in a session with ALL, with this error. */
export const FAILS: readonly Row[] = [
  // mounts and root directories
  ["mount", call("mount"), "EPERM", ""],
  ["umount", call("umount2"), "EPERM", ""],
  ["pivot_root", call("pivot_root"), "EPERM", ""],
  ["a mount by a descriptor", call("fsopen"), "EPERM", ""],
  ["a copy of a mount", call("open_tree", AT_FDCWD, 0, 1), "EPERM", ""],
  ["chroot again", "chroot:/home/u/in", "EPERM", ""],
  // namespaces
  ...NAMESPACES.flatMap(([name, flag]): Row[] => [
    [`a new ${name} namespace`, `unshare:${flag}`, "EPERM", ""],
    [`a process in a new ${name} namespace`, `clone:${flag}`, "EPERM", ""],
    [`that and a new user namespace`, `clone:${hex(0x10000000 | Number(`0x${flag}`))}`, "EPERM", ""],
  ]),
  ["a new user namespace", "unshare:10000000", "EPERM", ""],
  ["a new time namespace", "unshare:80", "EPERM", ""],
  ["a process in a new user namespace by clone3", "clone3:10000000", "ENOSYS", ""],
  ["another process's namespace", "setns:/proc/@OUTSIDE/ns/net", "EACCES", ""],
  ["its own namespace", "setns:/proc/self/ns/uts", "EPERM", ""],
  // terminals and devices
  ["typing into its terminal", "terminal:5412", "EPERM", "?"],
  ["typing into a console", "terminal:541c", "EPERM", ""],
  ["another line discipline", "terminal:5423", "EPERM", "works"],
  ["an ioctl of a device that may be read", "ioctl:/data/random:80045200", "EACCES", "works"],
  ["a character device", "device:/home/u/in/device", "EACCES", ""],
  ["a block device", "disk:/home/u/in/disk", "EACCES", ""],
  // programs
  ["an uploaded program", "execute:/home/u/in/program", "EACCES", "works"],
  ["an uploaded script", "execute:/home/u/in/script", "EACCES", "works"],
  ["an uploaded program by a link", "execute:/home/u/in/link", "EACCES", "works"],
  ["an uploaded program by its descriptor", "execute-empty:/home/u/in/program", "EACCES", "works"],
  ["an uploaded program by /proc", "execute:/proc/self/root/home/u/in/program", "EACCES", "works"],
  ["a program in memory", "execute-memory:0", "EACCES", "works"],
  ["a program in memory that is sealed against it", "execute-memory:8", "EACCES", ""],
  ["a program of root's outside of the system", "execute:/srv/program", "EACCES", "works"],
  ["the privilege of a setuid program", "become:/usr/lib/attempts/setuid", "EPERM", "works"],
  ["the privilege of a setgid program", "become:/usr/lib/attempts/setgid", "EPERM", "works"],
  ["the privilege of a file capability", "become:/usr/lib/attempts/capable", "EPERM", "works"],
  // other processes
  ["the root directory of init", "read:/proc/1/root/etc/hostname", "EACCES", ""],
  ["the root directory of a process outside", "read:/proc/@OUTSIDE/root/etc/passwd", "EACCES", "works"],
  ["the working directory of a process outside", "read:/proc/@OUTSIDE/cwd/etc/passwd", "EACCES", "works"],
  ["the environment of a process outside", "read:/proc/@OUTSIDE/environ", "EACCES", "works"],
  ["the memory of a process outside", "mem:@OUTSIDE", "EACCES", "works"],
  ["writing its memory by a call", "vm-write:@OUTSIDE", "EPERM", "works"],
  ["reading its memory by a call", "vm-read:@OUTSIDE", "EPERM", "works"],
  ["a descriptor of a process outside", "take-fd:@OUTSIDE", "EPERM", "works"],
  ["tracing a process outside", "trace:@OUTSIDE", "EPERM", "works"],
  ["tracing a process of the session that runs", "trace:", "EPERM", "works"],
  ["a signal to a process outside", "signal:@OUTSIDE:0", "EPERM", "works"],
  ["the same by a descriptor", "signal-fd:@OUTSIDE", "EPERM", "works"],
  ["a limit of a process outside", "limit:@OUTSIDE", "EPERM", "works"],
  ["an abstract socket outside", "reach:jailkit-confine-test", "EPERM", "works"],
  // the kernel
  ["a key for the keyring", call("add_key"), "ENOSYS", ""],
  ["a key by request", call("request_key"), "ENOSYS", ""],
  ["the keyring of the session", call("keyctl", 0, 0xfffffffd), "ENOSYS", "?"],
  ["bpf", call("bpf"), "EPERM", ""],
  ["perf_event_open", call("perf_event_open"), "EPERM", ""],
  ["userfaultfd", call("userfaultfd", 1), "EPERM", "?"],
  ["io_uring_setup", call("io_uring_setup", 1), "ENOSYS", ""],
  ["fanotify_init", call("fanotify_init", 0x200), "EPERM", "?"],
  ["init_module", call("init_module"), "EPERM", ""],
  ["finit_module", call("finit_module"), "EPERM", ""],
  ["delete_module", call("delete_module"), "EPERM", ""],
  ["kexec_load", call("kexec_load"), "EPERM", ""],
  ["a file by its handle", call("open_by_handle_at", AT_FDCWD), "EPERM", ""],
  ["the handle of a file", "handle:/proc/self/exe", "EPERM", "?"],
  ["another personality", call("personality", 0x40000), "EPERM", "works"],
  ["quotactl", call("quotactl"), "EPERM", ""],
  ["swapon", call("swapon"), "EPERM", ""],
  ["reboot", call("reboot"), "EPERM", ""],
  ["settimeofday", call("settimeofday"), "EPERM", ""],
  ["clock_settime", call("clock_settime"), "EPERM", ""],
  ["acct", call("acct"), "EPERM", ""],
  ["sethostname", call("sethostname"), "EPERM", ""],
  ["the kernel's log", call("syslog", 10), "EPERM", "?"],
  ["a call that is newer than the filter", "call:1d3", "ENOSYS", ""],
  // limits
  ["more files", "files:", "EPERM", "?"],
  ["larger core dumps", "raise:4", "EPERM", "works"],
  ["larger files", "raise:1", "EPERM", "works"],
  // files
  ["reading what is not named", "read:/home/u/file", "EACCES", "works"],
  ["reading a directory that is not named", "read:/home/u", "EACCES", "works"],
  ["writing what may only be read", "write:/data/file", "EACCES", "works"],
  ["appending to it", "append:/data/file", "EACCES", "works"],
  ["cutting it", "cut:/data/file", "EACCES", "works"],
  ["cutting it by opening it to read", "empty:/data/file", "EACCES", "works"],
  ["writing what is not named", "write:/home/u/file", "EACCES", "works"],
  ["a new file elsewhere", "create:/home/u/new", "EACCES", "works"],
  ["a new file without a name elsewhere", "unnamed:/home/u", "EACCES", "works"],
  ["a new directory elsewhere", "mkdir:/home/u/directory", "EACCES", "works"],
  ["a socket elsewhere", "unix:/home/u/socket", "EACCES", "works"],
  ["a message queue", "queue:/jailkit-confine-test", "EACCES", "works"],
  ["removing a file elsewhere", "remove:/home/u/out/file", "EACCES", "works"],
  ["moving a file out", "rename:/home/u/in/1:/home/u/moved", "EACCES", "works"],
  ["moving a file in", "rename:/home/u/1:/home/u/in/moved", "EACCES", "works"],
  ["exchanging two files", "exchange:/home/u/in/2:/home/u/2", "EACCES", "works"],
  ["linking a file out", "link:/home/u/in/2:/home/u/linked", "EACCES", "works"],
  ["linking a file in", "link:/home/u/2:/home/u/in/linked", "EXDEV", "works"],
];

/** Calls of other kinds of programs, which exist on x86-64 alone: i386's getpid(2), and x32's. */
if (HERE === "x64")
  (FAILS as Row[]).push(
    ["a call of 32-bit programs", "call:i386,14", "killed", "?"],
    ["a call of x32", "call:40000027", "killed", "?"],
  );

/** What must work in a session with ALL, as it does without. */
export const WORKS: readonly (readonly [what: string, attempt: string])[] = [
  // files
  ["reading what is named", "read:/data/file"],
  ["listing what is named", "read:/data"],
  ["reading the system", "read:/etc/secret"],
  ["asking for the attributes of anything", "stat:/srv/u/file"],
  ["writing what is named", "write:/home/u/in/file"],
  ["appending", "append:/home/u/in/file"],
  ["cutting", "cut:/home/u/in/file"],
  ["a new file", "create:/home/u/in/new"],
  ["a new file without a name", "unnamed:/home/u/in"],
  ["a new directory", "mkdir:/home/u/in/directory"],
  ["moving into another directory", "rename:/home/u/in/new:/home/u/in/directory/new"],
  ["linking into another directory", "link:/home/u/in/directory/new:/home/u/in/linked-here"],
  ["exchanging", "exchange:/home/u/in/file:/home/u/in/directory/new"],
  ["a symbolic link", "symlink:/x:/home/u/in/symbolic"],
  ["a fifo", "fifo:/home/u/in/fifo"],
  ["removing", "remove:/home/u/in/linked-here"],
  ["waiting for changes, by epoll, select, poll and a timer", "wait:/home/u/in"],
  // devices
  ["/dev/null", "write:/dev/null"],
  ["/dev/zero", "read:/dev/zero"],
  ["/dev/urandom", "read:/dev/urandom"],
  ["an ioctl of /dev/urandom", "ioctl:/dev/urandom:80045200"],
  ["a terminal, and its size", "terminal:5413"],
  ["setting its size", "terminal:5414"],
  ["its foreground process group", "terminal:540f"],
  ["the log", "log:/dev/log"],
  // programs and libraries
  ["a program of the system", "execute:/usr/bin/true"],
  ["a program by its descriptor", "execute-empty:/usr/bin/true"],
  ["a setuid program without its privilege", "execute:/usr/lib/attempts/setuid"],
  ["mapping a library", `map:${LIBC}`],
  // processes
  ["a child", "clone:0"],
  ["threads, and their locks", "threads:"],
  ["a pipe between processes", "pipe:"],
  ["signals to itself", "signals:"],
  ["signals to a child", "child:"],
  ["tracing a child that asks for it", "trace-child:"],
  ["a session of its own", "session:"],
  ["shared memory", "shared-memory:"],
  ["random bytes", "random:"],
  ["asking for the personality", call("personality", 0xffffffff)],
  // sockets inside of the session
  ["a socket by a path", "unix:/home/u/in/socket"],
  ["a socket by an abstract name", "abstract:jailkit-confine-inside"],
];

/** What no key stops, as docs/security.md says. */
export const LEFT: readonly (readonly [what: string, attempt: string])[] = [
  ["the dynamic linker with an uploaded program", `execute:${LOADER}:${HOME}/dynamic`],
  ["mapping an uploaded program", `map:${HOME}/program`],
  ["an interpreter with an uploaded script", `execute:/usr/bin/bash:${HOME}/script`],
  ["the mode of a file that is not named", "mode:/home/u/file"],
  ["its times", "time:/home/u/file"],
  ["watching a directory that is not named", "wait:/home/u/out"],
  ["the priority of a process outside", "priority:@OUTSIDE"],
];
/** What comes of them if homes are mounted noexec. The linker's own status is 127, as a number EKEYEXPIRED. */
export const LEFT_NOEXEC = ["EKEYEXPIRED", "EPERM", ...LEFT.slice(2).map(() => "works")];

type NetworkRow = readonly [
  what: string,
  attempt: string,
  free: string,
  ports: string,
  local: string,
  none: string,
];
const [AF, PROTO] = ["EAFNOSUPPORT", "EPROTONOSUPPORT"];

/** The keys of the columns of NETWORK: without keys, with ALL, and these. */
export const LOCAL: Keys = { confine: "1", network: "local" };
export const NONE: Keys = { confine: "1", network: "none" };

/** What comes of each: without keys ("?": that depends on the kernel), with ALL, with network = local, network = none. */
export const NETWORK: readonly NetworkRow[] = [
  ["TCP", "socket:2:1", "works", "works", AF, AF],
  ["TCP over IPv6", "socket:10:1", "works", "works", AF, AF],
  ["the port of tcp_connect", "connect:443", "works", "works", AF, AF],
  ["another port", "connect:22", "ECONNREFUSED", "EACCES", AF, AF],
  ["another port by MSG_FASTOPEN", "fast-open:22", "?", "EOPNOTSUPP", AF, AF],
  ["the same by an option", "option:30:1", "?", "ENOPROTOOPT", AF, AF],
  ["another protocol above TCP", "option:31", "?", "ENOPROTOOPT", AF, AF],
  ["the port of tcp_bind", "bind:8443", "works", "works", AF, AF],
  ["binding another port", "bind:8080", "works", "EACCES", AF, AF],
  ["a port below 1024", "bind:80", "?", "EACCES", AF, AF],
  ["UDP, as for names", "udp:53", "works", "works", AF, AF],
  ["ICMP", "socket:2:3:1", "EPERM", "EPERM", AF, AF],
  ["all of IP", "socket:2:3:255", "EPERM", "EPERM", AF, AF],
  ["MPTCP", "socket:2:1:262", "?", PROTO, AF, AF],
  ["SCTP", "socket:2:1:132", "?", PROTO, AF, AF],
  ["DCCP", "socket:2:6:33", "?", PROTO, AF, AF],
  ["packets", "socket:17:3:768", "EPERM", PROTO, AF, AF],
  ["packets, as in Linux 2.0", "socket:2:10:768", "EPERM", PROTO, AF, AF],
  ["netlink for routes, as for names", "socket:16:3:0", "works", "works", AF, AF],
  ["netlink for the firewall", "socket:16:3:12", "?", AF, AF, AF],
  ["netlink for sockets", "socket:16:3:4", "?", AF, AF, AF],
  ["the kernel's ciphers", "socket:38:5", "?", PROTO, AF, AF],
  ["virtual machines", "socket:40:1", "?", PROTO, AF, AF],
  ["Bluetooth", "socket:31:3", "?", PROTO, AF, AF],
  ["CAN", "socket:29:3", "?", PROTO, AF, AF],
  ["XDP", "socket:44:3", "?", PROTO, AF, AF],
  ["AF_UNIX", "socket:1:1", "works", "works", "works", AF],
  ["a pair for a pipe", "pair:1:1", "works", "works", "works", "works"],
  ["a pair that sends anywhere", "pair:1:2", "works", "works", "works", AF],
];

/** What must work besides the programs of session-programs.ts that are named in confine-all.test.ts. */
export const SCRIPTS: Readonly<Record<string, string>> = {
  tar: "mkdir a; echo x >a/1; ln a/1 a/2; tar cf a.tar a; mkdir b; tar xf a.tar -C b; stat -c %h b/a/1",
  sort: "seq 200000 | sort -S 1M -T . -r | tail -1; sort --parallel=2 -u <(seq 3) <(seq 4)",
  jobs: `set -m; sleep 100 & kill -STOP %1; kill -CONT %1; kill %1; wait %1; echo $?; (exit 3) & wait $!; echo $?
setsid --wait sh -c 'echo own session'; timeout -s INT 0.01 sleep 100; echo $?; trap 'echo trapped' USR1; kill -USR1 $$`,
  terminal:
    "script -qec 'stty size; stty -echo; stty cols 90; stty size; tty >/dev/null && echo tty' /dev/null",
  names:
    "getent passwd u | cut -d: -f1,3,6; getent ahosts 127.0.0.1 | head -1; /usr/bin/python3 -c 'import socket; print(socket.getaddrinfo(\"127.0.0.1\", 80)[0][4])'",
};
